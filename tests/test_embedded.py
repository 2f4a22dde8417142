"""The embedded PostgreSQL: starts for any user, is shared, recovers after kill -9, and goes with its last user."""

import json
import time
from collections.abc import Callable

import psutil
import pytest

from tests.running import House, house

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

# Start the server, say where it is, keep one fact, and leave when told to (or stay).
USE = """
import json, sys, time
import psycopg
from doorstep.project import embedded, environment
server = embedded.start(environment.var_dir() / "postgres")
with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
    connection.execute("INSERT INTO kept VALUES (1)")
    count = connection.execute("SELECT count(*) FROM kept").fetchone()[0]
    version = connection.execute("SHOW server_version_num").fetchone()[0]
    durable = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("fsync", "synchronous_commit", "full_page_writes")]
print(json.dumps({"pid": server.pid, "count": count, "version": int(version), "durable": durable}), flush=True)
time.sleep(float(sys.argv[1]))
"""


def use(made: House, seconds: float = 0) -> dict[str, object]:
    result: dict[str, object] = json.loads(made.python("-c", USE, str(seconds)))
    return result


def start_user(made: House) -> psutil.Popen:
    import subprocess
    import sys

    return psutil.Popen(
        [sys.executable, "-c", USE, "60"], env=made.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def gone(pid: int) -> bool:
    """Ended, even if nobody has asked for its exit code yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_it_starts_is_durable_stops_with_its_user_and_keeps_what_was_written() -> None:
    with house() as made:
        first = use(made)
        assert first["count"] == 1
        assert int(str(first["version"])) >= 180000
        assert first["durable"] == ["on", "on", "on"]
        assert eventually(lambda: gone(int(str(first["pid"]))))
        assert use(made)["count"] == 2


def test_it_stays_while_somebody_uses_it_and_goes_with_the_last() -> None:
    with house() as made:
        staying = start_user(made)
        assert staying.stdout is not None
        pid = json.loads(staying.stdout.readline())["pid"]
        assert use(made)["pid"] == pid
        assert psutil.pid_exists(pid)
        staying.kill()  # without a word: the next user strikes it off
        staying.wait(10)
        staying.stdout.close()
        assert use(made)["pid"] == pid
        assert eventually(lambda: gone(pid))


@pytest.mark.parametrize("whole", [False, True], ids=["main process", "every process"])
def test_it_recovers_after_the_database_was_killed(whole: bool) -> None:
    with house() as made:
        staying = start_user(made)
        assert staying.stdout is not None
        pid = json.loads(staying.stdout.readline())["pid"]
        postmaster = psutil.Process(pid)
        victims = [postmaster, *postmaster.children()] if whole else [postmaster]
        for victim in victims:
            victim.kill()
        staying.kill()
        staying.wait(10)
        staying.stdout.close()
        again = use(made)
        assert again["pid"] != pid
        assert again["count"] == 2
