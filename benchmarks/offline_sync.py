"""Synchronising what a till served offline, 200 records a request, against single redemptions in the same run."""

import base64
import statistics
from typing import Any

from benchmarks import harness, web
from benchmarks.harness import Figure, figure
from benchmarks.redeem import WORKERS, requests_for

RECORDS = 200
RATIO_TARGET = 5.0


def signed_requests(token: str, private: Any, vouchers: list[Any]) -> list[str]:
    """One request for every 200 vouchers, each record signed by the till as it would have been at the meal."""
    from doorstep.kernel.common.clock import now
    from doorstep.kernel.common.ids import uuid7
    from doorstep.kernel.passes.codes import PassKind, issue
    from doorstep.services.canteen.actions.syncing import signed_text

    made = []
    for start in range(0, len(vouchers), RECORDS):
        records = []
        for voucher in vouchers[start : start + RECORDS]:
            at = now()
            key, code = str(uuid7()), issue(PassKind.ENTITLEMENT, voucher, at, lifetime_seconds=3600)
            signature = base64.b64encode(private.sign(signed_text(key, code, at.isoformat()))).decode()
            records.append({"key": key, "code": code, "at": at.isoformat(), "signature": signature})
        request = web.post("/api/canteen/sync", {"records": records}, {"Authorization": f"Device {token}"})
        made.append(base64.b64encode(request).decode())
    return made


def run(quick: bool) -> list[Figure]:
    rounds, singles, batches = (2, 100, 2) if quick else (5, 400, 6)
    harness.start()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from django.db import connection, connections

    from benchmarks.world import BusyWorld

    world, private = BusyWorld(), Ed25519PrivateKey.generate()
    token = world.tills(1, private.public_key().public_bytes_raw())[0].token
    count = rounds * (singles + batches * RECORDS) + 100
    vouchers = world.vouchers(world.riders(count))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connections.close_all()
    one_by_one = requests_for([token], vouchers[: rounds * singles + 100])
    at_once = signed_requests(token, private, vouchers[rounds * singles + 100 :])
    single, synced = [], []
    with web.serving("doorstep.project.wsgi:application", WORKERS, ready="/healthz") as server:
        job = {"kind": "http", "host": web.HOST, "port": server.port}
        web.fire(job, [one_by_one.pop() for _ in range(100)], 1)
        for _ in range(rounds):
            single.append(web.fire(job, [one_by_one.pop() for _ in range(singles)], 1).per_second)
            synced.append(web.fire(job, [at_once.pop() for _ in range(batches)], 1).per_second * RECORDS)
    if recorded() != count:
        raise RuntimeError(f"{recorded()} of {count} records were taken in")
    ratio = statistics.median(many / one for many, one in zip(synced, single, strict=True))
    return [
        figure("single redemptions, 1 client", statistics.median(single), "/s"),
        figure("synchronised redemptions, 200 a request, 1 client", statistics.median(synced), "/s"),
        figure("synchronised ÷ single", ratio, "×", RATIO_TARGET),
    ]


def recorded() -> int:
    """Uses in the books: what was fired must all be there, or the speed means nothing."""
    from doorstep.kernel.entitlements.models import Use

    return Use.objects.count()


if __name__ == "__main__":
    harness.main("offline_sync", run)
