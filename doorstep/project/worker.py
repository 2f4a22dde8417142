"""The background worker: what happens by itself. One process beside the server; started by ``serving.run``.

Each job has its own rhythm and its own guard: one that fails is logged and tried again at its next turn, and the others
go on. Every job is safe to run twice at once, so a second worker on another machine does no harm.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from types import FrameType

from doorstep.project.lifeline import end_with_parent

logger = logging.getLogger("doorstep.worker")

TICK_SECONDS = 2.0
SEAL_ROUNDS = 20  # at most this many batches a turn, so that a backlog does not starve the other jobs


@dataclass
class Job:
    """A function of the present instant, and how often it is due."""

    name: str
    run: Callable[[datetime], object]
    every_seconds: float
    due: float = field(default=0.0)


def _seal(at: datetime) -> int:
    from doorstep.kernel.audit.sealing import seal

    return sum(1 for _ in range(SEAL_ROUNDS) if seal(at) is not None)


def _expire_entitlements(at: datetime) -> int:
    from doorstep.kernel.common.actor import system_actor
    from doorstep.kernel.entitlements.actions import expire_entitlements

    return expire_entitlements(actor=system_actor("worker"), at=at)


def _expire_pending(at: datetime) -> int:
    from doorstep.kernel.ledger.actions import expire_pending

    return expire_pending(at)


def _expire_places(at: datetime) -> int:
    from doorstep.kernel.bookings.actions import expire_holds

    return expire_holds(at)


def _deliver(at: datetime) -> int:
    from doorstep.kernel.notices.actions import deliver_waiting

    return deliver_waiting(at=at)


def jobs() -> list[Job]:
    """The house's jobs, and one for every room that has something to do by itself."""
    from doorstep.kernel.common.rooms import all_rooms

    house = [
        Job("seal the audit log", _seal, 60),
        Job("expire entitlements", _expire_entitlements, 60),
        Job("expire holds", _expire_pending, 60),
        Job("expire held places", _expire_places, 60),
        Job("deliver notices", _deliver, 5),
    ]
    return house + [Job(f"{room.code}", room.periodic, 60) for room in all_rooms() if room.periodic is not None]


def run_due(waiting: list[Job], at: datetime, clock: float) -> None:
    """Run what is due; a job that fails is logged and waits for its next turn like one that did not."""
    from django.db import connection

    for job in waiting:
        if job.due > clock:
            continue
        job.due = clock + job.every_seconds
        try:
            job.run(at)
        except Exception:
            logger.exception("%s failed; next try in %d s", job.name, job.every_seconds)
            connection.close()  # whatever state it is in, the next job starts with a good one


def main() -> None:
    """Until SIGTERM or SIGINT; the job that runs is finished first."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "doorstep.project.settings")
    django.setup()
    end_with_parent()
    from doorstep.kernel.common import clock

    stop = threading.Event()

    def asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, asked_to_stop)
    signal.signal(signal.SIGINT, asked_to_stop)
    waiting = jobs()
    while not stop.is_set():
        run_due(waiting, clock.now(), monotonic())
        stop.wait(TICK_SECONDS)


if __name__ == "__main__":
    main()
