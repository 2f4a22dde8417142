"""What the pages about members share: whose organisations, which page number, a form's answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import NotFound, Problem

MOST_PAGES = 50
UNREADABLE = 422
FORM = ("GET", "HEAD", "POST")


def mine(actor: Actor, capability: str, at: datetime) -> list[UUID]:
    """The organisations in which the signed-in person holds a capability."""
    return access.organisations_with(actor.id, capability, at) if actor.id else []


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


def say(request: HttpRequest, problem: Problem) -> None:
    """A refusal of a button, said on the page one comes back to."""
    messages.error(request, f"{problem.message}{problem.next_step}")
