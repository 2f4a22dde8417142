"""Redeeming over HTTP with every rule on, against a minimal view, one SQL function and pgbench, all in one run.

Rounds of ours and of the yardstick alternate, so that what the machine does meanwhile falls on both alike; the ratio is the
median over the rounds.
"""

import base64
import random
import re
import statistics
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import harness, minimal, web
from benchmarks.harness import Figure, figure, percentile

WORKERS = 2
MANY = 8
RATIO_TARGET = 0.6
CPU_TARGET_MS = 6.0
ROUND_TRIPS_TARGET = 3


def requests_for(tokens: list[str], vouchers: list[Any]) -> list[str]:
    """One POST per voucher, the tills taking turns."""
    from doorstep.kernel.common.clock import now
    from doorstep.kernel.common.ids import uuid7
    from doorstep.kernel.passes.codes import PassKind, issue

    made = []
    for number, voucher in enumerate(vouchers):
        body = {"code": issue(PassKind.ENTITLEMENT, voucher, now(), lifetime_seconds=3600), "distance_m": 12}
        headers = {
            "Authorization": f"Device {tokens[number % len(tokens)]}",
            "Idempotency-Key": str(uuid7()),
        }
        made.append(base64.b64encode(web.post("/api/canteen/redeem", body, headers)).decode())
    return made


def yardstick_requests(vouchers: list[Any]) -> list[str]:
    from doorstep.kernel.common.ids import uuid7

    return [
        base64.b64encode(web.post("/redeem", {"voucher": str(one)}, {"Idempotency-Key": str(uuid7())})).decode()
        for one in vouchers
    ]


def make_yardstick(server: Any, count: int) -> list[Any]:
    """The yardstick's tables, with as many vouchers."""
    import psycopg

    from doorstep.kernel.common.ids import uuid7

    ids = [uuid7() for _ in range(count)]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(minimal.FUNCTION)
        with connection.cursor().copy("COPY yardstick.voucher (id, person) FROM STDIN") as copy:
            for one in ids:
                copy.write_row((one, uuid7()))
        connection.execute("ANALYZE")
    return ids


def pgbench(server: Any, clients: int, seconds: int) -> float:
    """Transactions a second of pgbench's TPC-B-like script, scale 10, from the same server's own binaries."""
    where = ["-h", str(server.socket_dir), "-U", "postgres", "pgbench"]
    binary = str(Path(server.bin_path) / "pgbench")
    command = [binary, "-n", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds), *where]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", shown)
    if found is None:
        raise RuntimeError(shown)
    return float(found.group(1))


def prepare_pgbench(server: Any) -> None:
    where = ["-h", str(server.socket_dir), "-U", "postgres"]
    subprocess.run([str(Path(server.bin_path) / "createdb"), *where, "pgbench"], check=True, capture_output=True)
    initialise = [str(Path(server.bin_path) / "pgbench"), "-i", "-q", "-s", "10", *where, "pgbench"]
    subprocess.run(initialise, check=True, capture_output=True)


def round_trips(world: Any, voucher: Any) -> int:
    """SQL statements of one redemption through the whole stack, the till's own look-up included."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from doorstep.kernel.common.clock import now
    from doorstep.kernel.passes.codes import PassKind, issue

    body = {"code": issue(PassKind.ENTITLEMENT, voucher, now())}
    with CaptureQueriesContext(connection) as seen:
        answer = Client(SERVER_NAME="localhost").post(
            "/api/canteen/redeem",
            body,
            content_type="application/json",
            headers={"Authorization": f"Device {world.till.token}", "Idempotency-Key": f"trips-{voucher}"},
        )
    if answer.status_code != 200:
        raise RuntimeError(answer.content.decode())
    return len(seen)


def run(quick: bool) -> list[Figure]:
    rounds, one_count, many_count = (2, 100, 400) if quick else (7, 400, 1600)
    server = harness.start()
    from django.db import connection, connections

    from benchmarks.world import BusyWorld

    world = BusyWorld()
    total = rounds * (one_count + many_count) + 200
    tokens = [till.token for till in world.tills(MANY)]
    people = world.riders(total + 1)
    random.Random(1).shuffle(people)
    vouchers = world.vouchers(people)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    tokens[0] = world.till.token
    trips = round_trips(world, vouchers.pop())
    connections.close_all()
    simple = make_yardstick(server, 3 * total)
    ours, theirs = iter(requests_for(tokens, vouchers)), iter(yardstick_requests(simple))
    direct = iter([[str(one), f"direct-{one}"] for one in simple[2 * total :]])

    def take(source: Any, count: int) -> list[Any]:
        return [next(source) for _ in range(count)]

    measured: dict[tuple[str, int], list[web.Load]] = {}
    cpu_ms: dict[int, list[float]] = {1: [], MANY: []}
    with (
        web.serving("doorstep.project.wsgi:application", WORKERS, ready="/healthz") as doorstep,
        web.serving("benchmarks.minimal:make_application", WORKERS, factory=True) as yardstick,
        web.serving("benchmarks.minimal:make_bare", WORKERS, factory=True) as bare,
    ):
        for clients, count in (
            (MANY, 100),
            *(pair for _ in range(rounds) for pair in ((1, one_count), (MANY, many_count))),
        ):
            before = doorstep.cpu_seconds()
            load = web.fire({"kind": "http", "host": web.HOST, "port": doorstep.port}, take(ours, count), clients)
            spent = (doorstep.cpu_seconds() - before) * 1000 / count
            other, least = (
                web.fire({"kind": "http", "host": web.HOST, "port": one.port}, take(theirs, count), clients)
                for one in (yardstick, bare)
            )
            if count == 100 and clients == MANY and not measured:
                measured["warm", 0] = [load]
                continue
            measured.setdefault(("ours", clients), []).append(load)
            measured.setdefault(("yardstick", clients), []).append(other)
            measured.setdefault(("bare", clients), []).append(least)
            cpu_ms[clients].append(spent)
    sql = {"kind": "sql", "url": server.url("postgres"), "statement": minimal.CALL}
    for clients, count in ((1, one_count * 2), (MANY, many_count * 2)):
        measured["sql", clients] = [web.fire(sql, take(direct, count), clients)]
    prepare_pgbench(server)
    floor = {clients: pgbench(server, clients, 2 if quick else 8) for clients in (1, MANY)}
    return figures(measured, cpu_ms, floor, trips)


def figures(
    measured: dict[tuple[str, int], list[web.Load]], cpu_ms: dict[int, list[float]], floor: dict[int, float], trips: int
) -> list[Figure]:
    """The table: absolute numbers for the record, ratios and costs to be judged by."""
    table: list[Figure] = []
    for clients in (1, MANY):
        who = f"{clients} client{'s' if clients > 1 else ''}"
        speed = {
            name: statistics.median(load.per_second for load in measured[name, clients])
            for name in ("ours", "yardstick", "bare", "sql")
        }
        for name, title in (
            ("ours", "redeem over HTTP"),
            ("yardstick", "minimal view"),
            ("bare", "minimal view, no middleware"),
            ("sql", "one SQL function"),
        ):
            took = [one * 1000 for load in measured[name, clients] for one in load.took]
            table.append(figure(f"{title}, {who}", speed[name], "/s"))
            table.append(figure(f"{title}, {who}, p50", percentile(took, 50), "ms"))
            table.append(figure(f"{title}, {who}, p95", percentile(took, 95), "ms"))
        table.append(figure(f"pgbench TPC-B-like, {who}", floor[clients], "/s"))
        for name, title, target in (
            ("yardstick", "minimal view", RATIO_TARGET),
            ("bare", "minimal view, no middleware", None),
        ):
            pairs = zip(measured["ours", clients], measured[name, clients], strict=True)
            ratio = statistics.median(mine.per_second / other.per_second for mine, other in pairs)
            table.append(figure(f"redeem ÷ {title}, {who}", ratio, "×", target))
        table.append(figure(f"redeem ÷ one SQL function, {who}", speed["ours"] / speed["sql"], "×"))
        table.append(figure(f"redeem ÷ pgbench, {who}", speed["ours"] / floor[clients], "×"))
        table.append(
            figure(
                f"server CPU per redemption, {who}", statistics.median(cpu_ms[clients]), "ms", CPU_TARGET_MS, "lower"
            )
        )
    table.append(figure("SQL round trips per redemption", trips, "", ROUND_TRIPS_TARGET, "lower"))
    return table


if __name__ == "__main__":
    harness.main("redeem", run)
