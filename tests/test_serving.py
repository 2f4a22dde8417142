"""``doorstep serve``: it starts, answers, stops without leaving a process behind, and starts again after being killed."""

import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from doorstep.project.worker import Job, run_due
from tests.running import House, house

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served() -> Iterator[House]:
    with house() as made:
        made.serve()
        yield made


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def test_it_starts_stops_and_leaves_no_process_and_starts_again_after_a_kill() -> None:
    with house() as made:
        made.serve()
        assert len(made.web_workers()) == 2
        assert made.stop() == 0
        assert made.processes() == []
        assert not (made.var / "postgres" / "postmaster.pid").exists()

        server = made.serve()
        children = server.children(recursive=True)
        server.send_signal(signal.SIGKILL)
        assert made.serving is not None
        made.serving.wait(10)
        gone, left = psutil.wait_procs(children, timeout=10)
        assert left == []
        assert len(gone) >= 3  # two web processes and the background worker saw that they were alone

        made.serve()
        assert made.answers()
        assert made.stop() == 0
        assert made.processes() == []


def test_a_second_serve_on_the_same_folder_refuses_and_says_why(served: House) -> None:
    second = House(var=served.var)
    with pytest.raises(AssertionError, match="another Doorstep serves from"):
        second.command("serve", "--port", str(second.port))
    assert served.answers()


def test_a_killed_background_worker_is_started_again(served: House) -> None:
    (first,) = served.background()
    first.kill()
    assert eventually(lambda: [one.pid for one in served.background()] not in ([], [first.pid]))


def test_a_killed_database_is_started_again(served: House) -> None:
    first = served.postmaster()
    assert first is not None
    first.kill()
    assert eventually(lambda: served.postmaster() not in (None, first), 60)
    assert eventually(served.answers, 60)


def test_every_entry_written_while_serving_is_sealed_by_the_worker(served: House) -> None:
    served.python(
        "-c",
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'doorstep.project.settings'; django.setup()\n"
        "from doorstep.kernel.testing.cast import Cast; Cast().rider()",
    )
    assert eventually(lambda: served.verify()["audit"]["waiting"] == 0, 90)
    assert served.verify()["audit"]["sealed"] > 0


def test_one_failing_job_does_not_stop_the_others(db: None, caplog: pytest.LogCaptureFixture) -> None:
    from doorstep.kernel.common.clock import now

    done: list[str] = []

    def fail(_at: object) -> None:
        raise RuntimeError("no network")

    jobs = [
        Job("first", lambda _at: done.append("first"), 10),
        Job("bad", fail, 10),
        Job("last", lambda _at: done.append("last"), 10),
    ]
    run_due(jobs, now(), 100.0)
    assert done == ["first", "last"]
    assert "bad failed; next try in 10 s" in caplog.text
    run_due(jobs, now(), 105.0)
    assert done == ["first", "last"]
    run_due(jobs, now(), 110.0)
    assert done == ["first", "last", "first", "last"]
