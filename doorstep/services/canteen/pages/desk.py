"""What the desk pages of this room share: whose desk it is, and going back with a word when something was refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.common.ids import uuid7


@dataclass(frozen=True, slots=True)
class Desk:
    """Who sits at it, when, and for which organisations."""

    actor: Actor
    at: datetime
    organisation_ids: Sequence[UUID]


def desk(request: HttpRequest, capability: str) -> Desk:
    at, actor = now(), access.actor_of(request)
    held = access.organisations_with(actor.id, capability, at) if actor.id else []
    return Desk(actor, at, held)


def new_key() -> str:
    """For the hidden field of a form: the second click on a button is the same request."""
    return str(uuid7())


def done(
    request: HttpRequest, act: Callable[[], Any], said: str | Callable[[Any], str], url_name: str, **kwargs: Any
) -> HttpResponseRedirect:
    """Do it and go back; a refusal is said above the page one came from, so that what was on it stays in sight."""
    try:
        receipt = act()
    except Problem as problem:
        messages.error(request, f"{problem.message}{problem.next_step}")
    else:
        messages.success(request, said(receipt) if callable(said) else said)
    return HttpResponseRedirect(reverse(url_name, kwargs=kwargs))


def form_problem(request: HttpRequest, form: forms.Form, url_name: str, **kwargs: Any) -> HttpResponseRedirect:
    """The first thing wrong with a short form, said above the page."""
    for name, errors in form.errors.items():
        field = form.fields.get(name)
        label = f"{field.label}:" if field is not None and field.label else ""
        messages.error(request, f"{label}{errors[0]}")
        break
    return HttpResponseRedirect(reverse(url_name, kwargs=kwargs))


def day_of(text: str | None, otherwise: date | None = None) -> date | None:
    """A day from the address line; nonsense counts as nothing."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return otherwise


def uuid_of(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
