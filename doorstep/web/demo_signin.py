"""Signing in to the demonstration: one click per role, and no such page anywhere else."""

from datetime import datetime
from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.internal.flows.logout import logout
from allauth.account.models import Login
from django.conf import settings
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.rooms import DemoEntry, all_rooms
from doorstep.kernel.organisations.models import Appointment
from doorstep.kernel.people.models import Person
from doorstep.web.house_queries import STANDINGS

DEMO_PREFIX = "demo-"
MOST_DEMO_PEOPLE = 100


def demo_people(at: datetime) -> list[dict[str, Any]]:
    """Whom the story made for visitors to be, with their roles; three statements."""
    in_force = Q(valid_from__lte=at) & (Q(valid_until__isnull=True) | Q(valid_until__gt=at))
    appointments = Appointment.objects.filter(in_force).select_related("organisation").order_by("pk")
    people = (
        Person.objects.filter(username__startswith=DEMO_PREFIX, is_active=True)
        .prefetch_related(Prefetch("appointments", appointments, to_attr="held"), "standings")
        .order_by("username")[:MOST_DEMO_PEOPLE]
    )
    titles = {role.code: role.title for role in access.all_roles()}
    return [
        {
            "person": person,
            "staff": bool(person.held),
            "roles": [f"{titles.get(held.role, held.role)} · {held.organisation}" for held in person.held],
            "standings": [STANDINGS.get(kind, kind) for kind in sorted({one.kind for one in person.standings.all()})],
        }
        for person in people
    ]


def _demo_entries() -> list[DemoEntry]:
    return [entry for room in all_rooms() for entry in room.demo]


@access.public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """One click per role; exists only in the demonstration."""
    if not settings.DEMO:
        raise Http404
    if request.method != "POST":
        people = demo_people(now())
        groups = [(False, [who for who in people if not who["staff"]]), (True, [who for who in people if who["staff"]])]
        context = {"groups": groups, "entries": _demo_entries(), "tab": "me"}
        return render(request, "account/demo.html", context)
    if entry := next((entry for entry in _demo_entries() if entry.code == request.POST.get("entry")), None):
        return HttpResponseRedirect(entry.url(now()))
    username = request.POST.get("username", "")
    person = Person.objects.filter(username=username, username__startswith=DEMO_PREFIX, is_active=True).first()
    if person is None:
        raise Http404
    logout(request, show_message=False)
    record_authentication(request, person, method="demo")
    return perform_login(request, Login(user=person, redirect_url=None))
