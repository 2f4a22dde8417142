"""Who may do what, in one place.

A **role** carries capabilities; an appointment gives a person a role in an organisation; permission is a capability in this
organisation or one above it. Rooms register their roles when their app is ready.

A **face** (page or API operation) says who may open it with one of :func:`public`, :func:`signed_in`, :func:`needs`,
:func:`devices`; the mark is checked here and read by the test that lists every (face × role).
"""

import functools
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from doorstep.kernel.common import problems
from doorstep.kernel.common.actor import Actor, device_actor, person_actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotAllowed, NotSignedIn, Problem, Text
from doorstep.kernel.common.hot import fetch


@dataclass(frozen=True, slots=True)
class Role:
    """A function somebody is appointed to, with what it allows."""

    code: str
    title: Text
    capabilities: frozenset[str]


_roles: dict[str, Role] = {}


def register_role(code: str, title: Text, capabilities: set[str]) -> None:
    """Called from a room's ``apps.py``; registering the same role again adds capabilities to it."""
    known = _roles.get(code)
    allowed = frozenset(capabilities) | (known.capabilities if known else frozenset())
    _roles[code] = Role(code, title, allowed)


def all_roles() -> list[Role]:
    return sorted(_roles.values(), key=lambda role: role.code)


def roles_with(capability: str) -> list[str]:
    return [role.code for role in _roles.values() if capability in role.capabilities]


def _in_force(at: datetime) -> Q:
    return Q(valid_from__lte=at) & (Q(valid_until__isnull=True) | Q(valid_until__gt=at))


def can(actor: Actor, capability: str, organisation_id: UUID, at: datetime) -> bool:
    """Does this principal hold ``capability`` in the organisation or one above it? One statement."""
    if actor.kind == "system":
        return True
    if actor.kind != "person" or actor.id is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT 1 FROM organisations_appointment a JOIN organisations_organisation o
               ON a.organisation_id = ANY(o.path) WHERE o.id = %s AND a.person_id = %s AND a.role = ANY(%s)
               AND a.valid_from <= %s AND (a.valid_until IS NULL OR a.valid_until > %s))""",
            [organisation_id, actor.id, roles_with(capability), at, at],
        )
        return bool(cursor.fetchone()[0])


def require(actor: Actor, capability: str, organisation_id: UUID, at: datetime) -> None:
    """Raises: NotAllowed."""
    if not can(actor, capability, organisation_id, at):
        raise NotAllowed


def organisations_with(person_id: UUID, capability: str, at: datetime) -> list[UUID]:
    """The topmost organisations in which a person holds a capability (at most 100)."""
    from doorstep.kernel.organisations.models import Appointment

    found = Appointment.objects.filter(_in_force(at), person_id=person_id, role__in=roles_with(capability))
    return list(found.values_list("organisation_id", flat=True).distinct()[:100])


def require_anywhere(actor: Actor, capability: str, at: datetime) -> None:
    """Raises: NotAllowed unless the capability is held in some organisation."""
    if actor.kind == "system":
        return
    if actor.kind != "person" or actor.id is None or not organisations_with(actor.id, capability, at):
        raise NotAllowed


def capabilities_of(user: Any) -> frozenset[str]:
    """Everything a signed-in person may do somewhere; one statement a request, kept on the user object."""
    if not getattr(user, "is_authenticated", False):
        return frozenset()
    kept: frozenset[str] | None = getattr(user, "_capabilities", None)
    if kept is None:
        from doorstep.kernel.organisations.models import Appointment

        held = Appointment.objects.filter(_in_force(now()), person_id=user.pk).values_list("role", flat=True)
        kept = frozenset().union(*(_roles[role].capabilities for role in held if role in _roles))
        user._capabilities = kept
    return kept


def can_anywhere(user: Any, capability: str) -> bool:
    return capability in capabilities_of(user)


# Devices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device that showed its secret."""

    id: UUID
    kind: str
    name: str
    place_id: UUID
    organisation_id: UUID
    public_key: bytes | None

    @property
    def actor(self) -> Actor:
        return device_actor(self.id, self.name)


def new_device_secret() -> tuple[str, bytes]:
    """A bearer secret and the digest to keep of it."""
    secret = secrets.token_urlsafe(32)
    return secret, hashlib.sha256(secret.encode()).digest()


_DEVICE = """
SELECT kind, name, place_id, organisation_id, public_key FROM organisations_device
WHERE id = %(id)s AND secret_digest = %(digest)s AND revoked_at IS NULL
"""


def device_from_token(token: str) -> DevicePrincipal | None:
    """``<device id>.<secret>`` → the device, when it is paired and not revoked. One statement."""
    ident, _, secret = token.partition(".")
    try:
        device_id = UUID(ident)
    except ValueError:
        return None
    rows = fetch(_DEVICE, {"id": device_id, "digest": hashlib.sha256(secret.encode()).digest()})
    if not rows:
        return None
    kind, name, place_id, organisation_id, key = rows[0]
    return DevicePrincipal(device_id, kind, name, place_id, organisation_id, bytes(key) if key else None)


DEVICE_COOKIE = "doorstep_device"


def device_of(request: HttpRequest) -> DevicePrincipal | None:
    """The device behind a request: ``Authorization: Device …`` or the cookie set at pairing."""
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Device ") if header.startswith("Device ") else request.COOKIES.get(DEVICE_COOKIE, "")
    return device_from_token(token) if token else None


# Faces -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Face:
    """Who may open a page or operation: ``public``, ``person`` (signed in), ``capability``, ``device``."""

    who: str
    capability: str = ""


View = Callable[..., HttpResponseBase]


def _mark(view: View, face: Face) -> View:
    """Put the mark on the view, and let a refusal raised inside become its page or its problem document."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Problem as problem:
            return problems.response(request, problem)

    answered.face = face  # type: ignore[attr-defined]
    return answered


def public(view: View) -> View:
    """Anybody may open it."""
    return _mark(view, Face("public"))


def signed_in(view: View) -> View:
    """Any signed-in person; others are sent to sign in and come back."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return _mark(checked, Face("person"))


def needs(capability: str) -> Callable[[View], View]:
    """A signed-in person who holds the capability somewhere; the action checks where."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not can_anywhere(request.user, capability):
                raise NotAllowed
            return view(request, *args, **kwargs)

        return _mark(checked, Face("capability", capability))

    return decorate


_pairing_pages: dict[str, str] = {}


def register_pairing_page(kind: str, url_name: str) -> None:
    """Where a browser that is no paired device of this kind is sent, as people are sent to sign in."""
    _pairing_pages[kind] = url_name


def devices(kind: str) -> Callable[[View], View]:
    """A paired device of one kind; the principal is handed on as ``request.device``."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            device = device_of(request)
            if device is None:
                if kind in _pairing_pages and not problems.wants_json(request):
                    return redirect(_pairing_pages[kind])
                raise NotSignedIn
            if device.kind != kind:
                raise NotAllowed
            request.device = device  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

        return _mark(checked, Face("device", kind))

    return decorate


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person behind a page or operation. Raises: NotSignedIn."""
    user = request.user
    if not user.is_authenticated:
        raise NotSignedIn
    return person_actor(user.pk, str(user))
