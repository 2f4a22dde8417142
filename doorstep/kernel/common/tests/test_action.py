"""Exactly once: a key, its receipt, and what a retry, a rival or another request gets."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor, person_actor, system_actor
from doorstep.kernel.common.errors import Conflict, KeyMissing, KeyReused
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.models import IdempotencyKey
from doorstep.kernel.files.models import StoredFile

pytestmark = pytest.mark.django_db

AT = datetime(2025, 5, 7, 4, tzinfo=UTC)
SYSTEM = system_actor("test")


@dataclass(frozen=True, slots=True)
class Receipt:
    stored_id: UUID
    at: datetime


def _store(name: str, at: datetime) -> Receipt:
    row = StoredFile.objects.create(
        id=uuid7(), sha256=f"{name}{uuid7()}", size=1, media_type="t", name=name, stored_at=at
    )
    return Receipt(row.pk, at)


@action
def note_down(*, actor: Actor, at: datetime, key: str, name: str) -> Receipt:
    """Keep a name."""
    return _store(name, at)


@action
def change_mind(*, actor: Actor, at: datetime, key: str, name: str) -> Receipt:
    """Keep a name, then refuse."""
    _store(name, at)
    raise Conflict


@action
def without_key(*, actor: Actor, at: datetime, name: str) -> Receipt:
    return _store(name, at)


def test_a_retry_gets_the_first_receipt_and_does_nothing():
    first = note_down(actor=SYSTEM, at=AT, key="one", name="甲")
    later = note_down(actor=SYSTEM, at=AT + timedelta(hours=1), key="one", name="甲")
    assert later == first
    assert isinstance(later.stored_id, UUID)
    assert StoredFile.objects.count() == 1


def test_the_same_key_for_something_else_is_refused_and_changes_nothing():
    note_down(actor=SYSTEM, at=AT, key="one", name="甲")
    with pytest.raises(KeyReused):
        note_down(actor=SYSTEM, at=AT, key="one", name="乙")
    with pytest.raises(KeyReused):
        change_mind(actor=SYSTEM, at=AT, key="one", name="甲")
    assert list(StoredFile.objects.values_list("name", flat=True)) == ["甲"]


def test_two_people_may_happen_to_choose_the_same_key():
    for _ in range(2):
        note_down(actor=person_actor(uuid7()), at=AT, key="one", name="甲")
    assert StoredFile.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 81])
def test_without_a_usable_key_nothing_happens(key: str):
    with pytest.raises(KeyMissing):
        note_down(actor=SYSTEM, at=AT, key=key, name="甲")
    assert StoredFile.objects.count() == 0


def test_a_refusal_rolls_everything_back_and_frees_the_key():
    with pytest.raises(Conflict):
        change_mind(actor=SYSTEM, at=AT, key="one", name="甲")
    assert StoredFile.objects.count() == 0
    assert IdempotencyKey.objects.count() == 0
    note_down(actor=SYSTEM, at=AT, key="one", name="甲")
    assert StoredFile.objects.count() == 1


def test_an_action_without_a_key_simply_runs_in_a_transaction():
    without_key(actor=SYSTEM, at=AT, name="甲")
    without_key(actor=SYSTEM, at=AT, name="甲")
    assert StoredFile.objects.count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM common_idempotencykey")
        assert cursor.fetchone()[0] == 0
