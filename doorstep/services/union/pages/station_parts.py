"""What the pages of stations and activities share: whose unions, where the reader is, a form's answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.places.geo import in_china

FORM = ("GET", "HEAD", "POST")
# Wanda Plaza: where distances are counted from until somebody says where they are.
DEFAULT_CENTRE = (113.1513, 27.8675)
UNREADABLE = 422


def mine(actor: Actor, capability: str, at: datetime) -> list[UUID]:
    """The organisations in which the signed-in person holds a capability."""
    return access.organisations_with(actor.id, capability, at) if actor.id else []


def named(organisation_ids: list[UUID]) -> list[tuple[UUID, str]]:
    """These and the unions below them, by name."""
    rows = Organisation.objects.filter(path__overlap=organisation_ids, closed_on=None)
    own = rows.filter(pk__in=organisation_ids) | rows.filter(kind__in=("union", "federation"))
    return list(own.order_by("name", "pk").values_list("pk", "name")[:100])


def here(request: HttpRequest) -> tuple[float, float, bool]:
    """Longitude, latitude (WGS-84), and whether the reader said so. Nonsense counts as not said."""
    try:
        longitude, latitude = float(request.GET["lon"]), float(request.GET["lat"])
    except (KeyError, ValueError):
        return (*DEFAULT_CENTRE, False)
    return (longitude, latitude, True) if in_china(longitude, latitude) else (*DEFAULT_CENTRE, False)


def answer(
    request: HttpRequest, template: str, context: dict[str, Any], form: forms.Form | None = None
) -> HttpResponse:
    """The page; with status 422 when it shows a form that was not accepted."""
    status = UNREADABLE if form is not None and form.is_bound and form.errors else 200
    return render(request, template, context, status=status)


def complain(request: HttpRequest, problem: Problem) -> None:
    """A refusal of a one-button form, shown on the page one comes back to."""
    messages.error(request, f"{problem.message}{problem.next_step}")


def complain_of(request: HttpRequest, form: forms.Form) -> None:
    """What is wrong with a small form, shown on the page one comes back to."""
    for field, errors in form.errors.items():
        label = form.fields[field].label if field in form.fields else ""
        for error in errors:
            messages.error(request, f"{label}:{error}" if label else str(error))
