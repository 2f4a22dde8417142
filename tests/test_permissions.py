"""Who may open what: every address and every API operation, for every kind of visitor.

The table is made from the URL configuration, so an address that is added without saying who may open it fails here. Addresses of
others' code that cannot carry our mark are listed by name, each with the reason why it may stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from doorstep.kernel.common import access
from doorstep.kernel.common.access import Face
from doorstep.kernel.organisations.actions import add_device, pair_device
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast
from doorstep.project.api import api

pytestmark = pytest.mark.django_db

# Prefix of the address → why nobody of ours marks it.
UNMARKED = {
    "admin/": "Django's admin asks for is_staff itself, behind the house's own sign-in with the second factor",
    "api/docs": "django-ninja's page about the API: says only what openapi.json says, and that is in this repository",
    "api/openapi.json": "the API's description, public on purpose",
    "api/": "API operations: see test_every_operation_of_the_api_says_who_may_call_it",
}

SAMPLES: dict[str, Any] = {
    "uuid": UUID("01975f00-0000-7000-8000-000000000000"),
    "int": 999_999,
    "str": "nothing",
    "slug": "nothing",
    "path": "nothing",
}


@dataclass(frozen=True)
class Address:
    """One page: its route, an address that fits it, and who may open it."""

    route: str
    url: str
    face: Face


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from patterns(one, route)
        else:
            yield route, one


def sample(route: str, pattern: URLPattern) -> str:
    """The route with something plausible in the place of every converter; nothing of it exists."""
    for name in pattern.pattern.converters:
        start = route.index("<")
        end = route.index(">")
        inside = route[start + 1 : end]
        kind = inside.split(":")[0] if ":" in inside else "str"
        route = route[:start] + str(SAMPLES.get(kind, "nothing")) + route[end + 1 :]
        assert name
    return "/" + route


def marked() -> list[Address]:
    found = []
    for route, pattern in patterns(get_resolver()):
        face = getattr(pattern.callback, "face", None)
        if face is not None:
            found.append(Address(route, sample(route, pattern), face))
    return found


ADDRESSES = marked()
ROLES = [role.code for role in access.all_roles()]


def test_every_address_says_who_may_open_it() -> None:
    silent = [
        route
        for route, pattern in patterns(get_resolver())
        if not hasattr(pattern.callback, "face") and not any(route.startswith(prefix) for prefix in UNMARKED)
    ]
    assert silent == []


def test_every_exception_is_still_needed() -> None:
    routes = [route for route, pattern in patterns(get_resolver()) if not hasattr(pattern.callback, "face")]
    unneeded = {prefix for prefix in UNMARKED if not any(route.startswith(prefix) for route in routes)}
    assert unneeded == set()


def test_every_capability_that_is_asked_for_is_held_by_some_role() -> None:
    asked = {address.face.capability for address in ADDRESSES if address.face.who == "capability"}
    held = set().union(*(role.capabilities for role in access.all_roles()))
    assert asked - held == set()


@pytest.fixture
def people() -> Cast:
    return Cast()


def signed_in(person_id: UUID) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(Person.objects.get(pk=person_id), backend="django.contrib.auth.backends.ModelBackend")
    return client


def sent_to_sign_in(answer: Any) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/sign-in?next=")


def verdict(answer: Any) -> str:
    """``sign in``, ``no``, ``yes`` (whatever the page itself then says), or the server's error."""
    if sent_to_sign_in(answer) or answer.status_code == 401:
        return "sign in"
    if answer.status_code == 403:
        return "no"
    return "yes" if answer.status_code < 500 else f"error {answer.status_code}"


def expected(face: Face, *, person: bool, capabilities: frozenset[str], device: str) -> str:
    if face.who == "public":
        return "yes"
    if face.who == "person":
        return "yes" if person else "sign in"
    if face.who == "capability":
        return ("yes" if face.capability in capabilities else "no") if person else "sign in"
    return "yes" if face.capability == device else "sign in"


def wrong_answers(client: Client, **who: Any) -> str:
    """Every address whose answer differs from what its face says, as lines to read."""
    wrong = []
    for address in ADDRESSES:
        said, wanted = verdict(client.get(address.url)), expected(address.face, **who)
        if said != wanted:
            wrong.append(f"{address.route} ({address.face.who} {address.face.capability}): {said}, should be {wanted}")
    return "\n".join(wrong)


NOBODY: dict[str, Any] = {"person": False, "capabilities": frozenset(), "device": ""}


def test_a_visitor_opens_what_is_public_and_is_sent_to_sign_in_otherwise() -> None:
    assert wrong_answers(Client(raise_request_exception=False), **NOBODY) == ""


def test_a_resident_opens_what_is_for_signed_in_people(people: Cast) -> None:
    client = signed_in(people.stranger())
    assert wrong_answers(client, **{**NOBODY, "person": True}) == ""


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_its_capabilities_allow_and_nothing_else(people: Cast, role: str) -> None:
    actor = people.appointed("任职者", role, people.union())
    assert actor.id is not None
    capabilities = next(one for one in access.all_roles() if one.code == role).capabilities
    client = signed_in(actor.id)
    assert wrong_answers(client, person=True, capabilities=capabilities, device="") == ""


def till_token(people: Cast) -> str:
    union = people.union()
    place_id = add_place(
        actor=SYSTEM, at=people.at, organisation_id=union, kind="canteen", name="店", longitude=113.1, latitude=27.8
    )
    device_id = add_device(
        actor=SYSTEM, at=people.at, organisation_id=union, place_id=place_id, kind="till", name="收银"
    )
    return pair_device(actor=SYSTEM, at=people.at, device_id=device_id, public_key=None).token


def test_a_till_opens_what_is_for_tills_and_is_nobody_elsewhere(people: Cast) -> None:
    client = Client(raise_request_exception=False)
    client.cookies[access.DEVICE_COOKIE] = till_token(people)
    assert wrong_answers(client, **{**NOBODY, "device": "till"}) == ""


# API operations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    method: str
    url: str
    face: Face | None


def operations() -> list[Operation]:
    found = []
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            url = "/api/" + "/".join(part.strip("/") for part in (prefix, path) if part.strip("/"))
            for operation in view.operations:
                callbacks = operation.auth_callbacks
                face = getattr(callbacks[0], "face", None) if callbacks else getattr(operation.view_func, "face", None)
                found += [Operation(method, url, face) for method in operation.methods]
    return found


def test_every_operation_of_the_api_says_who_may_call_it() -> None:
    assert operations()
    assert [one for one in operations() if one.face is None] == []


@pytest.mark.parametrize("who", ["visitor", "resident", "union_officer", "till", "revoked till"])
def test_operations_for_tills_answer_tills_only(people: Cast, who: str) -> None:
    client = Client(raise_request_exception=False)
    headers = {}
    if who == "resident":
        client = signed_in(people.stranger())
    elif who == "union_officer":
        officer = people.officer().id
        assert officer is not None
        client = signed_in(officer)
    elif "till" in who:
        token = till_token(people)
        headers["Authorization"] = f"Device {token}"
        if who == "revoked till":
            from doorstep.kernel.organisations.actions import revoke_device

            revoke_device(actor=SYSTEM, at=people.at, device_id=UUID(token.split(".")[0]), reason="丢了")
    for one in operations():
        if one.face is None or one.face.who != "device":
            continue
        url = one.url.replace("{", "").replace("}", "")
        answer = client.generic(one.method, url, b"{}", content_type="application/json", headers=headers)
        assert verdict(answer) == ("yes" if who == "till" else "sign in"), f"{one.method} {one.url}"
