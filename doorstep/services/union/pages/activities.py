"""Games, prizes and check-ups: what a worker does on the phone, and the desk that runs them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.bookings.queries import participants
from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.common.forms import attempt
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.actions import activities, checkups
from doorstep.services.union.forms import activities as forms_of
from doorstep.services.union.models import CheckupRound, CheckupSlot, Event, Prize, Stall, Team
from doorstep.services.union.pages.station_parts import FORM, answer, complain, complain_of, mine, named
from doorstep.services.union.queries import activities as queries

CLINIC_KINDS = ("clinic", "hospital", "health_centre")


def _reader(request: HttpRequest) -> UUID | None:
    return request.user.pk if request.user.is_authenticated else None


def _calendar_url() -> str:
    """Where a person's bookings are subscribed to, once the house has that page."""
    try:
        return reverse("bookings-calendar")
    except NoReverseMatch:
        return ""


# On the phone ------------------------------------------------------------------------------------------------------


@access.public
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Games around the holidays, and check-ups."""
    at = now()
    context = {"events": queries.events(at), "rounds": queries.rounds(at), "at": at}
    return render(request, "union/activities/listing.html", context)


@access.public
@never_cache
@require_safe
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One event: stalls with results and prizes, the table, my team."""
    return _event_page(request, event_id, forms_of.TeamForm())


def _event_page(request: HttpRequest, event_id: UUID, form: forms_of.TeamForm) -> HttpResponse:
    page = queries.event_page(event_id, _reader(request))
    context = {
        "page": page, "event": page.event, "form": form, "key": uuid7(),
        "joinable": [team for team in page.teams if team.size < activities.MAX_TEAM],
    }  # fmt: skip
    return answer(request, "union/activities/event.html", context, form)


@access.signed_in
@require_POST
def team_new(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Make a team."""
    form = forms_of.TeamForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: activities.found_team(actor=access.actor_of(request), at=now(), event_id=event_id, **given),
        )
        if made:
            messages.success(request, _("「%(name)s」建好了,叫上伙伴一起来。") % {"name": made.name})
            return redirect("union:activity", event_id)
    return _event_page(request, event_id, form)


@access.signed_in
@require_POST
def team_join(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Join a team."""
    receipt = activities.join_team(
        actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), team_id=team_id
    )
    messages.success(request, _("加入了「%(name)s」。") % {"name": receipt.name})
    return redirect("union:activity", receipt.event_id)


@access.signed_in
@require_POST
def prize_claim(request: HttpRequest, prize_id: UUID) -> HttpResponse:
    """Take a prize; it goes into the wallet."""
    try:
        receipt = activities.claim_prize(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), prize_id=prize_id
        )
    except Problem as problem:
        complain(request, problem)
        prize = Prize.objects.select_related("stall").filter(pk=prize_id).first()
        if prize is None:
            raise
        return redirect("union:activity", prize.stall.event_id)
    messages.success(request, _("领到了,到摊位出示。"))
    return redirect("union:prize", receipt.claim_id)


@access.signed_in
@never_cache
@require_safe
def prize(request: HttpRequest, claim_id: UUID) -> HttpResponse:
    """My prize with its code."""
    person_id = access.actor_of(request).id
    if person_id is None:
        raise NotFound
    context = queries.my_prize(person_id, claim_id, now())
    return render(request, "union/activities/prize.html", {**context, "tab": "wallet"})


@access.public
@never_cache
@require_safe
def checkup(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Times with places; my booking; my result."""
    at = now()
    page = queries.round_page(round_id, _reader(request), at)
    context = {"page": page, "round": page.round, "at": at, "key": uuid7(), "calendar_url": _calendar_url()}
    return render(request, "union/activities/checkup.html", context)


@access.signed_in
@require_POST
def checkup_book(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Take a place."""
    slot = CheckupSlot.objects.filter(session_id=session_id).first()
    if slot is None:
        raise NotFound
    try:
        receipt = checkups.book_checkup(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), session_id=session_id,
            consent=request.POST.get("consent") == "1",
        )  # fmt: skip
        waiting = receipt.state == Booking.State.WAITLISTED
        messages.success(request, _("排上候补了,有空位会通知您。") if waiting else _("约好了。"))
    except Problem as problem:
        complain(request, problem)
    return redirect("union:checkup", slot.round_id)


@access.signed_in
@require_POST
def checkup_cancel(request: HttpRequest, booking_id: UUID) -> HttpResponse:
    """Give the place back."""
    try:
        checkups.cancel_checkup(actor=access.actor_of(request), at=now(), booking_id=booking_id)
        messages.success(request, _("取消了,位子让给后面的人。"))
    except Problem as problem:
        complain(request, problem)
    slot = CheckupSlot.objects.filter(session__bookings__in=Booking.objects.filter(pk=booking_id)).first()
    return redirect("union:checkup", slot.round_id) if slot else redirect("union:activities")


@access.signed_in
@never_cache
@require_safe
def checkup_result(request: HttpRequest, result_id: UUID) -> HttpResponse:
    """My result, for my eyes."""
    text = checkups.read_result(actor=access.actor_of(request), at=now(), result_id=result_id)
    return render(request, "union/activities/result.html", {"text": text})


# The desk ----------------------------------------------------------------------------------------------------------


@access.needs("union.activities")
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Events and check-up rounds of my unions."""
    at = now()
    within = set(mine(access.actor_of(request), "union.activities", at))
    context = {
        "events": [one for one in queries.events(at, 100) if within & set(one.organisation.path)],
        "rounds": [one for one in queries.rounds(at, 100) if within & set(one.organisation.path)],
    }
    return render(request, "union/activities/desk.html", context)


def _desk_form(request: HttpRequest, form: forms.Form, heading: str, label: str, back: str) -> HttpResponse:
    context = {"nav": "union:activities-desk", "form": form, "heading": heading, "label": label, "back": back}
    return answer(request, "union/stations/desk_form.html", context, form)


@access.needs("union.activities")
@require_http_methods(FORM)
def event_new(request: HttpRequest) -> HttpResponse:
    """Announce games."""
    actor, at = access.actor_of(request), now()
    form = forms_of.EventForm(request.POST or None, organisations=named(mine(actor, "union.activities", at)))
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        organisation_id = UUID(given.pop("organisation"))
        made = attempt(
            form, lambda: activities.open_event(actor=actor, at=at, organisation_id=organisation_id, **given)
        )
        if made:
            messages.success(request, _("活动建好了,下一步加摊位。"))
            return redirect("union:activity-case", made)
    return _desk_form(request, form, _("新建活动"), _("建活动"), reverse("union:activities-desk"))


def _mine_event(actor: Actor, event_id: UUID, at: datetime) -> Event:
    """Raises: NotFound."""
    found = Event.objects.select_related("organisation").filter(pk=event_id).first()
    if found is None or not access.can(actor, "union.activities", found.organisation_id, at):
        raise NotFound
    return found


def _case_forms(page: queries.EventPage) -> dict[str, forms.Form]:
    stalls = [(one.stall.pk, one.stall.name) for one in page.stalls]
    teams = [(team.pk, team.name) for team in page.teams]
    return {
        "stall_form": forms_of.StallForm(),
        "score_form": forms_of.ScoreForm(stalls=stalls, teams=teams),
        "prize_form": forms_of.PrizeForm(stalls=stalls),
    }


@access.needs("union.activities")
@never_cache
@require_safe
def event_case(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One event at the desk: stalls, scores, prizes, the table."""
    _mine_event(access.actor_of(request), event_id, now())
    page = queries.event_page(event_id, None)
    context = {
        "nav": "union:activities-desk", "page": page, "event": page.event, "key": uuid7(),
        "waiting": queries.waiting_claims(event_id), **_case_forms(page),
    }  # fmt: skip
    return render(request, "union/activities/case.html", context)


def _add_stall(actor: Actor, at: datetime, event_id: UUID, given: dict[str, Any]) -> str:
    activities.add_stall(actor=actor, at=at, event_id=event_id, **given)
    return _("摊位加好了。")


def _in_event(stall_id: str, event_id: UUID) -> UUID:
    if not Stall.objects.filter(pk=UUID(stall_id), event_id=event_id).exists():
        raise NotFound
    return UUID(stall_id)


def _add_prize(actor: Actor, at: datetime, event_id: UUID, given: dict[str, Any]) -> str:
    stall_id = _in_event(given.pop("stall"), event_id)
    activities.add_prize(actor=actor, at=at, stall_id=stall_id, **given)
    return _("奖品摆好了。")


def _score(actor: Actor, at: datetime, event_id: UUID, given: dict[str, Any]) -> str:
    common = {
        "actor": actor, "at": at, "key": given["key"], "stall_id": _in_event(given["stall"], event_id),
        "team_id": UUID(given["team"]), "attempt": given["attempt"], "value": given["value"],
    }  # fmt: skip
    if given["correct"]:
        activities.correct_score(**common)
        return _("更正了,原来的一笔还留着。")
    activities.record_score(**common)
    return _("成绩记好了。")


def _hand_over(actor: Actor, at: datetime, event_id: UUID, given: dict[str, Any]) -> str:
    receipt = activities.hand_over_prize(actor=actor, at=at, key=given["key"], code=given["code"])
    return _("给他一份「%(prize)s」。") % {"prize": receipt.prize}


class CodeForm(forms.Form):
    """A prize's code."""

    key = forms.CharField(max_length=80)
    code = forms.CharField(max_length=400)


Step = Callable[[Actor, datetime, UUID, dict[str, Any]], str]
STEPS: dict[str, Step] = {"stall": _add_stall, "prize": _add_prize, "score": _score, "hand-over": _hand_over}


@access.needs("union.activities")
@require_POST
def event_step(request: HttpRequest, event_id: UUID, step: str) -> HttpResponse:
    """One of the small forms of an event's case."""
    actor, at = access.actor_of(request), now()
    _mine_event(actor, event_id, at)
    if step not in STEPS:
        raise NotFound
    stalls = list(Stall.objects.filter(event_id=event_id).values_list("pk", "name"))
    teams = list(Team.objects.filter(event_id=event_id).values_list("pk", "name"))
    builders: dict[str, Callable[[], forms.Form]] = {
        "stall": lambda: forms_of.StallForm(request.POST),
        "prize": lambda: forms_of.PrizeForm(request.POST, stalls=stalls),
        "score": lambda: forms_of.ScoreForm(request.POST, stalls=stalls, teams=teams),
        "hand-over": lambda: CodeForm(request.POST),
    }
    form = builders[step]()
    if form.is_valid():
        try:
            messages.success(request, STEPS[step](actor, at, event_id, dict(form.cleaned_data)))
        except Problem as problem:
            complain(request, problem)
    else:
        complain_of(request, form)
    return redirect("union:activity-case", event_id)


@access.needs("union.activities")
@require_POST
def claim_hand_over(request: HttpRequest, claim_id: UUID) -> HttpResponse:
    """Give a prize to somebody staff knows."""
    try:
        activities.hand_over_claim(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), claim_id=claim_id
        )
        messages.success(request, _("给出去了。"))
    except Problem as problem:
        complain(request, problem)
    found = Event.objects.filter(stalls__claims__pk=claim_id).first()
    return redirect("union:activity-case", found.pk) if found else redirect("union:activities-desk")


@access.needs("union.activities")
@require_POST
def event_close(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """End the games; the table stands."""
    activities.close_event(actor=access.actor_of(request), at=now(), event_id=event_id)
    messages.success(request, _("成绩定了,参加的人都收到了通知。"))
    return redirect("union:activity-case", event_id)


# Check-ups at the desk ---------------------------------------------------------------------------------------------


@access.needs("union.activities")
@require_http_methods(FORM)
def round_new(request: HttpRequest) -> HttpResponse:
    """Offer check-ups."""
    actor, at = access.actor_of(request), now()
    clinics = list(
        Organisation.objects.filter(kind__in=CLINIC_KINDS, closed_on=None)
        .order_by("name")
        .values_list("pk", "name")[:100]
    )
    form = forms_of.RoundForm(
        request.POST or None, organisations=named(mine(actor, "union.activities", at)), clinics=clinics
    )
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        organisation_id, clinic_id = UUID(given.pop("organisation")), UUID(given.pop("clinic"))
        made = attempt(
            form,
            lambda: checkups.open_checkup(
                actor=actor, at=at, organisation_id=organisation_id, clinic_id=clinic_id, **given
            ),
        )
        if made:
            messages.success(request, _("开好了,下一步加时间。"))
            return redirect("union:checkup-case", made)
    return _desk_form(request, form, _("新开一轮体检"), _("开一轮"), reverse("union:activities-desk"))


def _may_see_round(actor: Actor, one: CheckupRound, at: datetime) -> tuple[bool, bool]:
    """Whether the union may manage it, and whether the clinic may examine. Raises: NotFound when neither."""
    manages = access.can(actor, "union.activities", one.organisation_id, at)
    examines = access.can(actor, "union.checkups", one.clinic_id, at)
    if not manages and not examines:
        raise NotFound
    return manages, examines


@access.signed_in
@never_cache
@require_safe
def round_case(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """The union sees numbers; the clinic sees who comes when."""
    actor, at = access.actor_of(request), now()
    page = queries.round_page(round_id, None, at)
    manages, examines = _may_see_round(actor, page.round, at)
    chosen = next((line for line in page.slots if str(line.slot.session_id) == request.GET.get("slot")), None)
    nav = "union:activities-desk" if manages else "union:clinic"
    context = {
        "nav": nav, "page": page, "round": page.round, "at": at, "manages": manages,
        "examines": examines, "counts": queries.round_counts(round_id), "slot_form": forms_of.SlotForm(), "chosen": chosen,
        "people": participants(chosen.slot.session_id, limit=100) if examines and chosen else [], "key": uuid7(),
    }  # fmt: skip
    return render(request, "union/activities/round.html", context)


@access.needs("union.checkups")
@require_safe
def clinic(request: HttpRequest) -> HttpResponse:
    """The clinic's rounds."""
    at = now()
    within = set(mine(access.actor_of(request), "union.checkups", at))
    rounds = [one for one in queries.rounds(at, 100) if within & set(one.clinic.path)]
    return render(request, "union/activities/clinic.html", {"rounds": rounds})


@access.needs("union.activities")
@require_POST
def slot_add(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """One more time."""
    form = forms_of.SlotForm(request.POST)
    if form.is_valid():
        try:
            checkups.add_slot(actor=access.actor_of(request), at=now(), round_id=round_id, **form.cleaned_data)
            messages.success(request, _("时间加好了。"))
        except Problem as problem:
            complain(request, problem)
    else:
        complain_of(request, form)
    return redirect("union:checkup-case", round_id)


@access.needs("union.checkups")
@require_POST
def booking_step(request: HttpRequest, booking_id: UUID, step: str) -> HttpResponse:
    """The clinic: came, or a result."""
    actor, at = access.actor_of(request), now()
    slot = CheckupSlot.objects.filter(session__bookings__pk=booking_id).first()
    if slot is None or step not in ("attend", "result"):
        raise NotFound
    try:
        if step == "attend":
            checkups.attend_checkup(actor=actor, at=at, booking_id=booking_id)
            messages.success(request, _("到了。"))
        else:
            checkups.give_result(
                actor=actor,
                at=at,
                key=request.POST.get("key", ""),
                booking_id=booking_id,
                text=request.POST.get("text", ""),
            )
            messages.success(request, _("结果交给本人了。"))
    except Problem as problem:
        complain(request, problem)
    return redirect(f"{reverse('union:checkup-case', args=[slot.round_id])}?slot={slot.session_id}")
