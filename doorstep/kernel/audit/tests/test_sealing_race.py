"""Two sealers at once: with the lock each entry gets one leaf and nobody fails; without it they collide."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from doorstep.kernel.audit import sealing
from doorstep.kernel.audit.models import Entry, Head, Leaf, Pending
from doorstep.kernel.audit.tests.test_audit import AT, write
from doorstep.kernel.audit.verify import verify

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

THREADS = 4


def at_once(work: Callable[[], None]) -> Counter[str]:
    """Run ``work`` in several threads from one starting shot and count how it ended."""
    shot = threading.Barrier(THREADS)
    ends: Counter[str] = Counter()

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            shot.wait(timeout=30)
            work()
            ends["fine"] += 1
        except IntegrityError:
            ends["collided"] += 1
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return ends


@pytest.fixture
def three_thousand() -> None:
    with transaction.atomic():
        write(3_000)


def seal_all() -> None:
    while sealing.seal(AT, limit=500):
        pass


@pytest.mark.usefixtures("three_thousand")
def test_without_the_lock_sealers_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_take_lock", lambda: None)
    assert at_once(seal_all)["collided"] >= 1


@pytest.mark.usefixtures("three_thousand")
def test_with_the_lock_every_entry_gets_one_leaf_and_no_sealer_fails() -> None:
    assert at_once(seal_all) == {"fine": THREADS}
    assert list(Leaf.objects.order_by("index").values_list("index", flat=True)) == list(range(3_000))
    assert Leaf.objects.values("entry").distinct().count() == Entry.objects.count() == 3_000
    assert Pending.objects.count() == 0
    assert [head.size for head in Head.objects.order_by("size")] == [500, 1000, 1500, 2000, 2500, 3000]
    assert verify() == []


def test_entries_written_while_sealing_are_sealed_later_and_none_is_lost() -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def seal_meanwhile() -> None:
        try:
            while not done.is_set():
                sealing.seal(AT)
            seal_all()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    sealer = threading.Thread(target=seal_meanwhile)
    sealer.start()

    def write_some() -> None:
        for _ in range(20):
            with transaction.atomic():
                write(5)

    ends = at_once(write_some)
    done.set()
    sealer.join(timeout=60)
    assert failures == []
    assert ends == {"fine": THREADS}
    assert Leaf.objects.count() == Entry.objects.count() == THREADS * 100
    assert verify() == []
