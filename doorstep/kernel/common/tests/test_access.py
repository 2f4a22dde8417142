"""Permission is a capability here or above, while the appointment lasts; a device shows its secret."""

from datetime import timedelta
from typing import Any

import pytest

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import device_actor, person_actor, system_actor
from doorstep.kernel.common.errors import NotAllowed
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.actions import (
    add_device,
    appoint,
    end_appointment,
    pair_device,
    revoke_device,
)
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast

pytestmark = pytest.mark.django_db


def test_a_role_holds_in_its_organisation_and_below_but_not_above_or_beside(cast: Cast):
    union, branch = cast.union(), cast.organisation("泰山路街道总工会", parent="天元区总工会")
    other = cast.organisation("芦淞区总工会")
    officer, below = cast.officer(), cast.appointed("小李", "union_officer", branch)
    assert access.can(officer, "canteen.issue", union, cast.at)
    assert access.can(officer, "canteen.issue", branch, cast.at)
    assert not access.can(officer, "canteen.issue", other, cast.at)
    assert access.can(below, "canteen.issue", branch, cast.at)
    assert not access.can(below, "canteen.issue", union, cast.at)


def test_a_role_carries_its_own_capabilities_only(cast: Cast):
    assert not access.can(cast.officer(), "canteen.approve", cast.union(), cast.at)
    assert access.can(cast.leader(), "canteen.approve", cast.union(), cast.at)
    with pytest.raises(NotAllowed):
        access.require(cast.officer(), "canteen.approve", cast.union(), cast.at)


def test_a_role_begins_and_ends_with_its_appointment(cast: Cast):
    person_id = cast.person("易经办")
    appointed = appoint(
        actor=SYSTEM, at=cast.at, person_id=person_id, organisation_id=cast.union(), role="union_officer"
    )
    actor, later = person_actor(person_id), cast.at + timedelta(days=30)
    assert not access.can(actor, "canteen.issue", cast.union(), cast.at - timedelta(seconds=1))
    assert access.can(actor, "canteen.issue", cast.union(), cast.at)
    end_appointment(actor=SYSTEM, at=later, appointment_id=appointed)
    assert access.can(actor, "canteen.issue", cast.union(), later - timedelta(seconds=1))
    assert not access.can(actor, "canteen.issue", cast.union(), later)


def test_the_system_may_and_a_device_or_a_stranger_may_not(cast: Cast):
    union = cast.union()
    assert access.can(system_actor("sweep"), "canteen.issue", union, cast.at)
    assert not access.can(device_actor(uuid7()), "canteen.issue", union, cast.at)
    assert not access.can(person_actor(cast.stranger()), "canteen.issue", union, cast.at)
    with pytest.raises(NotAllowed):
        access.require_anywhere(person_actor(cast.stranger()), "canteen.issue", cast.at)


def test_capabilities_of_a_person_are_asked_once_a_request(cast: Cast, django_assert_num_queries: Any):
    user = Person.objects.get(pk=cast.officer().id)
    with django_assert_num_queries(1):
        assert access.can_anywhere(user, "canteen.issue")
        assert not access.can_anywhere(user, "canteen.approve")


def till(cast: Cast) -> Any:
    place_id = add_place(
        actor=SYSTEM,
        at=cast.at,
        organisation_id=cast.union(),
        kind="canteen",
        name="店",
        longitude=113.1,
        latitude=27.8,
    )
    return add_device(
        actor=SYSTEM, at=cast.at, organisation_id=cast.union(), place_id=place_id, kind="till", name="收银"
    )


def test_a_device_is_known_by_its_secret_until_it_is_paired_again_or_revoked(cast: Cast):
    device_id = till(cast)
    first = pair_device(actor=SYSTEM, at=cast.at, device_id=device_id, public_key=None)
    known = access.device_from_token(first.token)
    assert known is not None
    assert (known.id, known.kind, known.name) == (device_id, "till", "收银")
    second = pair_device(actor=SYSTEM, at=cast.at, device_id=device_id, public_key=bytes(32))
    assert access.device_from_token(first.token) is None
    assert access.device_from_token(second.token) is not None
    revoke_device(actor=SYSTEM, at=cast.at, device_id=device_id, reason="丢了")
    assert access.device_from_token(second.token) is None


NOBODY = "019a0000-0000-7000-8000-00000000dead"  # the same in every process: test names are compared between them


@pytest.mark.parametrize("token", ["", ".", "nonsense", f"{NOBODY}.", f"{NOBODY}.secret", "not-a-uuid.secret"])
def test_what_is_no_token_is_nobody(token: str):
    assert access.device_from_token(token) is None
