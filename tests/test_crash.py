"""kill -9 under load: what was answered is there, once, and the books prove it.

Eight tills redeem over HTTP with a key for each sale and repeat a sale until it is answered, as tills do. Meanwhile web processes,
database backends and the database's main process are killed. Afterwards every answer that a till got must be in the books exactly
once. The control runs with ``synchronous_commit=off``, where a commit is answered before it is on disk: it must lose some.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import psutil
import pytest

from tests.running import House, house

pytestmark = pytest.mark.crash

PAUSE_SECONDS = (0.8, 1.8)  # between two kills; also random, so that they fall at any point of a redemption
RETRY_SECONDS = 0.05
FIRST_ANSWER_SECONDS = 60


@dataclass
class Tills:
    """Eight clients; ``answered`` is key → use id of every sale that was answered with 200."""

    house: House
    tokens: list[str]
    codes: list[str]
    answered: dict[str, str] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    retried: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> list[threading.Thread]:
        threads = []
        for number, token in enumerate(self.tokens):
            share = list(enumerate(self.codes))[number :: len(self.tokens)]
            threads.append(threading.Thread(target=self._work, args=(token, share), daemon=True))
            threads[-1].start()
        return threads

    def _work(self, token: str, share: list[tuple[int, str]]) -> None:
        connection: http.client.HTTPConnection | None = None
        for number, code in share:
            if self.stopping.is_set():
                break
            key = f"sale-{number}"
            headers = {"Authorization": f"Device {token}", "Idempotency-Key": key, "Content-Type": "application/json"}
            while not self.stopping.is_set():
                try:
                    connection = connection or http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=15)
                    connection.request("POST", "/api/canteen/redeem", json.dumps({"code": code}), headers)
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, http.client.HTTPException):
                    if connection is not None:
                        connection.close()
                    connection = None
                    self.retried += 1
                    time.sleep(RETRY_SECONDS)
                    continue
                if answer.status == 200:
                    self.answered[key] = json.loads(body)["use_id"]
                    break
                if answer.status < 500:
                    self.refused.append(f"{key}: {answer.status} {body.decode()}")
                    break
                self.retried += 1
                time.sleep(RETRY_SECONDS)
        if connection is not None:
            connection.close()


@pytest.fixture
def crashing() -> Iterator[House]:
    with house() as made:
        yield made


def open_shop(made: House, people: int) -> Tills:
    world: dict[str, Any] = json.loads(made.python("-m", "tests.crash_world", str(people)))
    return Tills(made, world["tokens"], world["codes"])


def victims(made: House) -> Iterator[Callable[[], psutil.Process | None]]:
    """Whom to kill next: a web process, a database backend, the database itself, in turn."""

    def one_of(processes: list[psutil.Process]) -> psutil.Process | None:
        return random.choice(processes) if processes else None

    def web() -> psutil.Process | None:
        return one_of(made.web_workers())

    def backend() -> psutil.Process | None:
        return one_of(made.backends())

    return cycle([web, backend, made.postmaster, backend])


def kill_and_restart(made: House, tills: Tills, kills: int) -> int:
    """Kill ``kills`` processes while the tills work, starting everything again should the whole house go down."""
    done = 0
    for choose in victims(made):
        if done >= kills:
            return done
        progress = len(tills.answered)
        deadline = time.monotonic() + FIRST_ANSWER_SECONDS
        while len(tills.answered) < progress + 20 and time.monotonic() < deadline:  # it works again: go on killing
            time.sleep(0.05)
            if made.serving is not None and made.serving.poll() is not None:
                made.serve()
        assert len(tills.answered) > progress, f"nothing is answered after {done} kills:\n{made.log()[-3000:]}"
        time.sleep(random.uniform(*PAUSE_SECONDS))
        victim = choose()
        with suppress(psutil.Error):
            if victim is not None:
                victim.kill()
                done += 1
    return done


AS_OWNER = """
import json, sys, psycopg
from doorstep.project import embedded, environment
server = embedded.start(environment.var_dir() / "postgres")
with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
    for statement in sys.argv[1:]:
        cursor = connection.execute(statement)
    print(json.dumps(cursor.fetchall() if cursor.description else []))
"""


def recorded(made: House) -> dict[str, list[str]]:
    """Key → ids of the uses recorded under it, read straight from the database."""
    found: dict[str, list[str]] = {}
    for key, use_id in json.loads(made.python("-c", AS_OWNER, "SELECT key, id::text FROM entitlements_use")):
        found.setdefault(key, []).append(use_id)
    return found


def crash(made: House, kills: int, people: int) -> Tills:
    tills = open_shop(made, people)
    made.serve()
    threads = tills.start()
    done = kill_and_restart(made, tills, kills)
    assert done == kills
    tills.stopping.set()
    for thread in threads:
        thread.join(60)
    if made.serving is not None and made.serving.poll() is None:
        made.stop()
    return tills


def check_everything(made: House, tills: Tills, kills: int) -> None:
    kept = recorded(made)
    lost = {key for key in tills.answered if key not in kept}
    doubled = {key for key, uses in kept.items() if len(uses) > 1}
    differing = {key for key, use_id in tills.answered.items() if key in kept and kept[key] != [use_id]}
    print(f"{kills} kills, {len(tills.answered)} answers, {tills.retried} retries")
    assert (lost, doubled, differing, tills.refused) == (set(), set(), set(), [])
    proof = made.verify()
    assert proof["findings"] == []
    assert proof["ledger"]["sum_fen"] == 0
    assert proof["entitlements"]["uses"] >= len(tills.answered)


@pytest.mark.timeout(600)
def test_20_kills_under_load_lose_nothing_and_double_nothing(crashing: House) -> None:
    tills = crash(crashing, kills=20, people=15_000)
    assert tills.retried > 0  # the kills were felt
    check_everything(crashing, tills, 20)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_100_kills_and_100_000_answers_lose_nothing(crashing: House) -> None:
    kills = 100
    tills = open_shop(crashing, 150_000)
    crashing.serve()
    threads = tills.start()
    while len(tills.answered) < 100_000:
        kill_and_restart(crashing, tills, 1)
        kills -= 1
        while kills < 0 and len(tills.answered) < 100_000:
            time.sleep(1)
    kill_and_restart(crashing, tills, max(0, kills))
    tills.stopping.set()
    for thread in threads:
        thread.join(60)
    crashing.stop()
    check_everything(crashing, tills, 100)


@pytest.mark.timeout(300)
def test_control_answers_before_the_disk_are_lost_when_the_database_is_killed(crashing: House) -> None:
    """The same shop with ``synchronous_commit=off``: otherwise this test could not see a loss at all."""
    tills = open_shop(crashing, 8_000)
    settings = ("ALTER SYSTEM SET synchronous_commit = off", "ALTER SYSTEM SET wal_writer_delay = '10s'")
    crashing.python("-c", AS_OWNER, *settings, "SELECT pg_reload_conf()")
    crashing.serve()
    threads = tills.start()
    lost: set[str] = set()
    deadline = time.monotonic() + 120
    while not lost and time.monotonic() < deadline:
        progress = len(tills.answered)
        while len(tills.answered) < progress + 100 and time.monotonic() < deadline:
            time.sleep(0.02)
        answered = set(tills.answered)
        for process in _all_of_the_database(crashing):
            with suppress(psutil.Error):
                process.kill()
        time.sleep(3)
        lost = {key for key in answered if key not in recorded(crashing)}
    tills.stopping.set()
    for thread in threads:
        thread.join(60)
    assert lost


def _all_of_the_database(made: House) -> list[psutil.Process]:
    """The whole database at once, so that no process of it can still write down what others left in memory."""
    postmaster = made.postmaster()
    return [postmaster, *postmaster.children()] if postmaster is not None else []
