"""Passes made void before their time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.errors import Invalid, TooMany
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.passes.actions import revoke
from doorstep.kernel.passes.codes import PassKind, issue, read
from doorstep.kernel.passes.errors import PassRevoked
from doorstep.kernel.passes.models import Revocation
from doorstep.kernel.passes.queries import is_revoked, require_not_revoked, revoked_since

AT = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
OFFICER = person_actor(uuid7(), "工会干事")

pytestmark = pytest.mark.django_db


def test_a_revoked_pass_is_void_and_a_newer_one_is_good(django_assert_num_queries: Callable) -> None:
    subject = uuid7()
    lost = read(issue(PassKind.PERSON, subject, AT, 86_400), AT)
    require_not_revoked(lost)
    revoke(actor=OFFICER, at=AT + timedelta(hours=1), kind=PassKind.PERSON, subject=subject, reason="卡遗失")
    with django_assert_num_queries(1), pytest.raises(PassRevoked):
        require_not_revoked(lost)
    later = AT + timedelta(hours=1, seconds=1)
    require_not_revoked(read(issue(PassKind.PERSON, subject, later, 86_400), later))
    assert not is_revoked(PassKind.CHECK_IN, subject, AT)
    assert not is_revoked(PassKind.PERSON, uuid7(), AT)


def test_a_revocation_is_on_the_record() -> None:
    subject = uuid7()
    row = revoke(actor=OFFICER, at=AT, kind=PassKind.CHECK_IN, subject=subject, reason=" 误发 ")
    entry = Entry.objects.get()
    assert (entry.action, entry.actor_id, entry.subject_id) == ("passes.revoke", OFFICER.id, subject)
    assert f'"data":{{"kind":"CHECK_IN","reason":"误发","revocation":"{row}"}}' in entry.body


@pytest.mark.parametrize("reason", ["", "  ", "长" * 201])
def test_a_revocation_needs_a_reason(reason: str) -> None:
    with pytest.raises(Invalid):
        revoke(actor=OFFICER, at=AT, kind=PassKind.PERSON, subject=uuid7(), reason=reason)
    assert Revocation.objects.count() == Entry.objects.count() == 0


def test_a_till_fetches_what_was_revoked_since_page_by_page() -> None:
    made = [
        revoke(actor=OFFICER, at=AT + timedelta(seconds=n // 2), kind=PassKind.PERSON, subject=uuid7(), reason="x")
        for n in range(6)
    ]
    since = AT + timedelta(seconds=1)
    assert [row.pk for row in revoked_since(since)] == made[2:]
    first = revoked_since(since, limit=3)
    rest = revoked_since(first[-1].at, after=first[-1].pk, limit=3)
    assert [row.pk for row in first + rest] == made[2:]
    with pytest.raises(TooMany):
        revoked_since(since, limit=1001)
