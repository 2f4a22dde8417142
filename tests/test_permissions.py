"""Who may open what: every face against every kind of caller."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from doorstep.kernel.common.access import DEVICE_COOKIE, Face, all_roles, device_from_token
from doorstep.kernel.common.clock import travel
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.people.models import Person
from doorstep.services.canteen.actions import issuing
from doorstep.services.canteen.actions.redeeming import redeem_voucher
from doorstep.services.canteen.tests.world import CanteenWorld
from tests import permissions_table
from tests.permissions_table import EXCEPTIONS, answer, operations, pages

NOBODY = UUID("019a0000-0000-7000-8000-00000000dead")
WORDS = {
    "step": "visit",
    "shell": "phone",
    "file_format": "xlsx",
    "code": "canteen",
    "key": "none",
    "provider_id": "staff",
}
PEOPLE = [
    "visitor", "resident", "union_officer", "union_leader", "venue_scorer", "venue_manager", "auditor", "device",
    "station_keeper", "merchant_manager", "checkup_doctor", "street_secretary",
]  # fmt: skip


def test_every_address_and_operation_has_a_face():
    """A new page without a mark fails here: decorate it with public, signed_in, needs or devices."""
    assert [entry.address for entry in [*pages(), *operations()] if not isinstance(entry.face, Face)] == []


def test_every_capability_asked_for_is_carried_by_a_role():
    carried = {capability for role in all_roles() for capability in role.capabilities}
    asked = {entry.face.capability for entry in [*pages(), *operations()] if entry.face.who == "capability"}
    assert asked - carried == set()


def test_every_role_is_among_the_callers():
    assert {role.code for role in all_roles()} <= set(PEOPLE)


def test_each_exception_is_still_an_address():
    from django.urls import get_resolver

    there = [entry.address for entry in permissions_table._walk(get_resolver())] + ["static/"]
    assert [address for address in EXCEPTIONS if not any(one.startswith(address) for one in there)] == []


def test_each_page_that_asks_again_is_still_a_page_for_the_signed_in():
    signed_in = {entry.address for entry in pages() if entry.face.who == "person"}
    assert set(permissions_table.ASKED_AGAIN) - signed_in == set()


def test_the_table_in_the_documents_is_current():
    assert permissions_table.DOCUMENT.read_text() == permissions_table.render()


class Callers:
    """The cast at the door: a client for each kind of caller, and the things the addresses speak of."""

    def __init__(self, cast: Any) -> None:
        self.world = world = CanteenWorld(cast)
        self.voucher = world.give_voucher(world.rider)
        used = world.give_voucher(world.courier)
        device = device_from_token(world.till.token)
        assert device is not None
        redeem_voucher(device=device, at=world.at, key=str(uuid7()), code=self._code(used.pk))
        offer = issuing.open_claim(
            actor=world.officer, at=world.begins, key=str(uuid7()), kind_id=world.off.kind_id, quota=3,
            opens_at=world.begins, closes_at=world.at + timedelta(days=1), valid_from=world.begins,
            valid_until=world.at + timedelta(days=9),
        )  # fmt: skip
        self.things: dict[str, UUID] = {
            "venue_id": world.venue.pk,
            "entitlement_id": self.voucher.pk,
            "use_id": used.uses.get().pk,
            "grant_id": offer.grant_id,
            "programme_id": world.programme.programme_id,
            "kind_id": world.off.kind_id,
            "device_id": device.id,
            "call_id": world.call,
            "person_id": world.rider,
        }

    def _code(self, entitlement_id: UUID) -> str:
        from doorstep.kernel.passes.codes import PassKind, issue

        return issue(PassKind.ENTITLEMENT, entitlement_id, self.world.at)

    def client(self, caller: str) -> Client:
        client = Client()
        if caller == "visitor":
            return client
        if caller == "device":
            client.cookies[DEVICE_COOKIE] = self.world.till.token
            return client
        client.force_login(Person.objects.get(pk=self._person(caller)), "django.contrib.auth.backends.ModelBackend")
        return client

    def _person(self, caller: str) -> UUID:
        if caller == "resident":
            return self.world.rider
        if caller == "venue_manager":
            self.world.cast.appointed("唐姐", "venue_manager", self.world.venue.organisation_id)
            return self.world.cast.person("唐姐")
        person = self.world.cast.appointed(f"当{caller}的人", caller, self.world.union).id
        assert person is not None
        return person

    def address(self, entry: permissions_table.Entry) -> str:
        converters = entry.pattern.pattern.converters
        kwargs: dict[str, Any] = {}
        for name in converters:
            kwargs[name] = 1 if name in ("old", "new") else WORDS.get(name) or self.things.get(name, NOBODY)
        try:
            return reverse(entry.name, kwargs=kwargs)
        except NoReverseMatch:
            path = entry.address
            assert not converters, entry
            return f"/{path}"


@pytest.fixture
def callers(cast: Any) -> Callers:
    return Callers(cast)


def verdict(response: Any, path: str) -> str:
    """What the caller was told, in the table's words; anything else is given back as it is."""
    if response.status_code == 302:
        target = response.headers["Location"]
        if target.startswith(reverse("sign-in") + "?next="):
            return "sign in"
        return "pair" if target.startswith((reverse("canteen:till-pair"), reverse("union:door-pair"))) else "open"
    if response.status_code == 403:
        return "refused"
    if response.status_code == 401 and path == "/sign-in/elsewhere/failed":  # what that page is there to say
        return "open"
    # 404: not this caller's record, or none of that id. 405: a page that only takes POST. 422: a code that nobody issued.
    return "open" if response.status_code in (200, 404, 405, 422) else f"{response.status_code} at {path}"


@pytest.mark.parametrize("caller", PEOPLE)
def test_each_page_answers_each_caller_as_its_face_says(callers: Callers, caller: str):
    client = callers.client(caller)
    wrong = []
    with travel(callers.world.at):
        for entry in pages():
            path = callers.address(entry)
            told, due = verdict(client.get(path), path), answer(entry, caller)
            if told != due:
                wrong.append((path, f"told {told}", f"due {due}"))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("caller", PEOPLE)
def test_each_operation_answers_each_caller_as_its_face_says(callers: Callers, caller: str):
    client = callers.client(caller)
    wrong = []
    with travel(callers.world.at):
        for entry in operations():
            for method in entry.methods:
                headers = {"X-Requested-With": "doorstep-till"}
                status = client.generic(method, f"/{entry.address}", headers=headers).status_code
                due = {"open": (200, 400, 404, 422), "pair": (401,), "sign in": (401,), "refused": (403,)}
                if status not in due[answer(entry, caller)]:
                    wrong.append((method, entry.address, status))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_device_of_another_kind_is_refused_by_the_till_s_operations(callers: Callers):
    from doorstep.kernel.organisations.models import Device

    Device.objects.update(kind="door")
    client = callers.client("device")
    for entry in operations():
        response = client.generic(entry.methods[0], f"/{entry.address}", headers={"X-Requested-With": "doorstep-till"})
        assert (entry.address, response.status_code) == (entry.address, 403)
