"""What the canteen's pages share: whose organisations, which page number, and a form's answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import NotFound, NotSignedIn
from doorstep.kernel.organisations.models import Organisation

MOST_PAGES = 50
UNREADABLE = 422


def mine(actor: Actor, capability: str, at: datetime) -> list[UUID]:
    """The organisations in which the signed-in person holds a capability."""
    return access.organisations_with(actor.id, capability, at) if actor.id else []


def me(request: HttpRequest) -> UUID:
    """The signed-in person. Raises: NotSignedIn."""
    person_id = access.actor_of(request).id
    if person_id is None:
        raise NotSignedIn
    return person_id


def named(organisation_ids: list[UUID]) -> list[tuple[UUID, str]]:
    return list(Organisation.objects.filter(pk__in=organisation_ids).order_by("name", "pk").values_list("pk", "name"))


def page_number(request: HttpRequest) -> int:
    """Raises: NotFound for what is no page number."""
    text = request.GET.get("page", "1")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= MOST_PAGES:
        raise NotFound
    return int(text)


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def answer(request: HttpRequest, template: str, context: dict[str, Any], form: Any = None) -> HttpResponse:
    """The page; with status 422 when it shows a form that was not accepted."""
    status = UNREADABLE if form is not None and form.is_bound and form.errors else 200
    return render(request, template, context, status=status)
