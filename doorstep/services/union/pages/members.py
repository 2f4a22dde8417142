"""The members' desk: who waits, who is in, lists, merchants, transfers, new unions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local, local_day, now
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, Problem
from doorstep.kernel.common.forms import attempt, new_key
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.files.lists import MAX_BYTES, sample
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.actions import joining, organising
from doorstep.services.union.actions.parts import organisation_or_refuse
from doorstep.services.union.forms import members as forms_of
from doorstep.services.union.models import Membership, Merchant, UploadedList
from doorstep.services.union.pages.shared import FORM, answer, mine, page_number, say, uuid_or_none
from doorstep.services.union.queries import members as queries
from doorstep.services.union.refusals import ROW_TEXTS
from doorstep.services.union.rules.rows import MEMBER_COLUMNS, MERCHANT_COLUMNS

NAV = "union:members"
YEAR = timedelta(days=365)
UPLOADS: dict[str, Any] = {
    "members": (forms_of.MemberListForm, MEMBER_COLUMNS),
    "merchants": (forms_of.MerchantListForm, MERCHANT_COLUMNS),
}


@access.needs("union.members")
@require_safe
def members(request: HttpRequest) -> HttpResponse:
    """Everybody of the officer's organisations, those who wait first; approve many at once."""
    actor, at, page = access.actor_of(request), now(), page_number(request)
    scope = mine(actor, "union.members", at)
    state, text = request.GET.get("state", ""), request.GET.get("q", "")
    unit_id = uuid_or_none(request.GET.get("unit", ""))
    found = queries.members(scope, state=state, text=text, organisation_id=unit_id, page=page)
    chips = [
        {"title": title, "url": f"?state={value}", "count": found.counts.get(value, 0), "current": value == state}
        for value, title in Membership.State.choices
    ]
    everybody = {"title": _("全部"), "url": "?", "count": sum(found.counts.values()), "current": not state}
    context = {
        "nav": NAV, "found": found, "state": state, "text": text, "key": new_key(), "at": at,
        "chips": [everybody, *chips], "waiting": [row for row in found.rows if row.state == Membership.State.PENDING],
        "transfers": queries.open_transfers(scope), "units": queries.units(scope), "scope": scope,
    }  # fmt: skip
    return render(request, "union/members/members.html", context)


@access.needs("union.members")
@require_POST
def approve(request: HttpRequest) -> HttpResponseBase:
    """Let everybody ticked in, all or none."""
    ids = [found for text in request.POST.getlist("member")[:200] if (found := uuid_or_none(text))]
    try:
        receipt = joining.approve_memberships(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), membership_ids=ids
        )
    except NotFound:
        messages.error(request, _("请先勾选要批准的人。"))
    except Problem as problem:
        say(request, problem)
    else:
        messages.success(request, _("批准了 %(count)s 人。") % {"count": receipt.approved})
    return redirect(f"{reverse('union:members')}?state=pending")


def _case(actor: Actor, membership_id: UUID) -> queries.MemberCase:
    found = queries.case(membership_id)
    access.require(actor, "union.members", found.membership.organisation_id, now())
    return found


TITLES = {
    "union.apply_membership": ("me", gettext_noop("申请入会")),
    "union.approve_memberships": ("check", gettext_noop("批准入会")),
    "union.reject_membership": ("cross", gettext_noop("未通过")),
    "union.ask_transfer": ("arrow-right", gettext_noop("申请转会")),
    "union.consent_transfer": ("check", gettext_noop("同意转会")),
    "union.refuse_transfer": ("cross", gettext_noop("没有同意转会")),
    "union.leave_union": ("exit", gettext_noop("退会")),
}  # fmt: skip


@access.needs("union.members")
@require_safe
def member(request: HttpRequest, membership_id: UUID) -> HttpResponse:
    """One case: who, where since when, what happened, what can be done."""
    actor = access.actor_of(request)
    found = _case(actor, membership_id)
    why = dict(found.belongings[0].Why.choices) if found.belongings else {}
    events = [
        {"title": f"{one.organisation.name}", "at": one.valid_from, "icon": "flag",
         "note": why.get(one.why, "") if one.valid_until is None else _("%(why)s,到 %(day)s 为止") % {
             "why": why.get(one.why, ""), "day": local_day(one.valid_until).isoformat()}}
        for one in found.belongings
    ]  # fmt: skip
    log = [
        {"title": _(TITLES[one.action][1]), "at": one.at, "icon": TITLES[one.action][0]}
        for one in found.entries if one.action in TITLES
    ]  # fmt: skip
    context = {
        "nav": NAV, "case": found.membership, "person": found.membership.person, "events": events, "log": log,
        "transfers": found.transfers, "key": new_key(), "own": found.membership.person_id == actor.id,
        "sought": request.GET.get("to", ""), "targets": queries.targets(request.GET.get("to", "")),
    }  # fmt: skip
    return render(request, "union/members/member.html", context)


@access.needs("union.members")
@require_POST
def member_step(request: HttpRequest, membership_id: UUID, step: str) -> HttpResponseBase:
    """Approve, reject, ask for a transfer, take out."""
    given = request.POST
    common: dict[str, Any] = {"actor": access.actor_of(request), "at": now(), "key": given.get("key", "")}
    steps: dict[str, Callable[[], Any]] = {
        "approve": lambda: joining.approve_memberships(**common, membership_ids=[membership_id]),
        "reject": lambda: joining.reject_membership(
            **common, membership_id=membership_id, reason=given.get("reason", "")
        ),
        "transfer": lambda: joining.ask_transfer(
            **common, membership_id=membership_id, target_id=_uuid(given.get("target", "")),
            reason=given.get("reason", ""),
        ),
        "leave": lambda: joining.leave_union(**common, membership_id=membership_id, reason=given.get("reason", "")),
    }  # fmt: skip
    if step not in steps:
        raise NotFound
    try:
        steps[step]()
    except NotAllowed:
        raise
    except Problem as problem:
        say(request, problem)
    else:
        messages.success(request, _("办好了。"))
    return redirect("union:member", membership_id)


def _uuid(text: str) -> UUID:
    found = uuid_or_none(text)
    if found is None:
        raise Invalid("target", text=_("请先选转到哪个单位。"))
    return found


@access.needs("union.members")
@require_POST
def transfer_step(request: HttpRequest, transfer_id: UUID, step: str) -> HttpResponseBase:
    """Say yes or no to a transfer on one's side."""
    common: dict[str, Any] = {"actor": access.actor_of(request), "at": now(), "key": request.POST.get("key", "")}
    try:
        if step == "consent":
            done = joining.consent_transfer(**common, transfer_id=transfer_id).state == "done"
            messages.success(request, _("转过来了。") if done else _("已同意,等对方。"))
        elif step == "refuse":
            joining.refuse_transfer(**common, transfer_id=transfer_id, reason=request.POST.get("reason", ""))
            messages.success(request, _("已退回。"))
        else:
            raise NotFound
    except NotAllowed:
        raise
    except Problem as problem:
        say(request, problem)
    return redirect("union:members")


# Lists ---------------------------------------------------------------------------------------------------------------


def _take(actor: Actor, kind: str, form: Any) -> joining.ListReport:
    at, given = now(), form.cleaned_data
    # Read one byte more than allowed: what is longer is refused without being held in memory.
    common = {"actor": actor, "at": at, "key": given["key"], "organisation_id": form.organisation_id(),
              "content": given["file"].read(MAX_BYTES + 1)}  # fmt: skip
    if kind == "merchants":
        return organising.upload_merchants(**common)
    badge = given["badge"]
    stored = store_file(actor=actor, at=at, name=badge.name, content=badge.read()) if badge else None
    return joining.upload_members(
        **common, employer=given["employer"], verified_until=at_local(given["verified_until"], 24),
        badge_id=stored.pk if stored else None,
    )  # fmt: skip


@access.needs("union.members")
@require_http_methods(FORM)
def upload(request: HttpRequest, kind: str) -> HttpResponse:
    """Take a list of members or merchants in; the answer is row by row."""
    if kind not in UPLOADS:
        raise NotFound
    actor, at = access.actor_of(request), now()
    scope = mine(actor, "union.members", at)
    shape, _columns = UPLOADS[kind]
    initial = {"verified_until": local_day(at) + YEAR}
    form = shape(request.POST or None, request.FILES or None, units=queries.units(scope), initial=initial)
    if request.method == "POST" and form.is_valid():
        report = attempt(form, lambda: _take(actor, kind, form))
        if report is not None:
            return redirect("union:list", report.list_id)
    context = {"nav": NAV, "form": form, "kind": kind, "lists": queries.lists(scope)}
    return answer(request, "union/members/upload.html", context, form)


@access.needs("union.members")
@require_safe
def upload_sample(request: HttpRequest, kind: str) -> HttpResponse:
    """An empty list to fill in."""
    if kind not in UPLOADS:
        raise NotFound
    answer = HttpResponse(sample(UPLOADS[kind][1]), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{kind}.csv"'
    return answer


@access.needs("union.members")
@require_safe
def uploaded(request: HttpRequest, list_id: UUID) -> HttpResponse:
    """What became of a list: counted, and every row that stayed out with its reason."""
    kept = UploadedList.objects.select_related("organisation", "reviewer", "badge").filter(pk=list_id).first()
    if kept is None:
        raise NotFound
    access.require(access.actor_of(request), "union.members", kept.organisation_id, now())
    bad = [{**row, "text": ROW_TEXTS.get(row["code"], row["code"])} for row in kept.refused]
    return render(request, "union/members/list.html", {"nav": NAV, "kept": kept, "bad": bad})


# Merchants -----------------------------------------------------------------------------------------------------------


@access.needs("union.members")
@require_safe
def merchants(request: HttpRequest) -> HttpResponse:
    """Merchants with their staff counted."""
    actor, at, page = access.actor_of(request), now(), page_number(request)
    text = request.GET.get("q", "")
    rows, more = queries.merchants(mine(actor, "union.members", at), text=text, page=page)
    context = {"nav": NAV, "rows": rows, "more": more, "page": page, "text": text, "key": new_key()}
    return render(request, "union/members/merchants.html", context)


@access.needs("union.members")
@require_http_methods(FORM)
def merchant_leave(request: HttpRequest, merchant_id: UUID) -> HttpResponse:
    """A merchant leaves; the page says what happens to its staff."""
    actor, at = access.actor_of(request), now()
    merchant = Merchant.objects.select_related("organisation").filter(pk=merchant_id).first()
    if merchant is None:
        raise NotFound
    access.require(actor, "union.members", merchant.organisation_id, at)
    form = forms_of.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        staff = attempt(
            form, lambda: organising.leave_federation(actor=actor, at=at, merchant_id=merchant_id, **form.cleaned_data)
        )  # fmt: skip
        if staff is not None:
            messages.success(request, _("已退出,%(count)s 名员工转到待转入名册。") % {"count": staff})
            return redirect("union:merchants")
    context = {
        "nav": NAV, "form": form, "heading": _("退出联合会:%(name)s") % {"name": merchant.organisation.name},
        "sub": _("员工仍是工会会员,转到本区待转入名册。"), "label": _("确认退出"), "danger": True,
        "back": reverse("union:merchants"),
    }  # fmt: skip
    return answer(request, "union/members/form.html", context, form)


@access.needs("union.members")
@require_safe
def poster(request: HttpRequest, unit_id: UUID) -> HttpResponse:
    """A poster to hang up: scan and join this unit."""
    unit = organisation_or_refuse(unit_id)
    access.require(access.actor_of(request), "union.members", unit_id, now())
    address = request.build_absolute_uri(reverse("union:join", args=[unit_id]))
    return render(request, "union/members/poster.html", {"unit": unit, "address": address})


# New unions ----------------------------------------------------------------------------------------------------------


def _founding_scope(actor: Actor) -> tuple[list[UUID], list[UUID]]:
    """Where the person may propose, and where decide. Raises: NotAllowed."""
    at = now()
    proposes, decides = mine(actor, "union.members", at), mine(actor, "union.approve", at)
    if not proposes and not decides:
        raise NotAllowed
    return proposes, decides


@access.signed_in
@require_safe
def foundings(request: HttpRequest) -> HttpResponse:
    """New unions: asked for, decided; committees whose term ends."""
    actor = access.actor_of(request)
    proposes, decides = _founding_scope(actor)
    scope = [*proposes, *decides]
    context = {
        "nav": NAV if proposes else "union:foundings",
        "rows": queries.foundings(scope), "committees": queries.committees(scope), "proposes": proposes,
        "decides": decides, "key": new_key(), "today": local_day(now()), "me": actor.id,
    }  # fmt: skip
    return render(request, "union/members/foundings.html", context)


def _units_named(text: str, parent_id: UUID) -> list[UUID]:
    """The units somebody wrote, one a line, by name or registration number. Raises: Invalid, naming the first unknown."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))[: organising.MAX_UNITS + 1]
    below = Organisation.objects.filter(path__contains=[parent_id])
    known: dict[str, UUID] = {}
    for pk, name, number in (
        below.filter(name__in=lines)
        .union(below.filter(registration_number__in=lines))
        .values_list("pk", "name", "registration_number")
    ):
        known |= {name: pk, number or name: pk}
    unknown = next((line for line in lines if line not in known), None)
    if unknown is not None:
        raise Invalid("unit_ids", text=_("找不到「{line}」。"), remedy=_("请写商户的全名或信用代码。"), line=unknown)
    return [known[line] for line in lines]


@access.needs("union.members")
@require_http_methods(FORM)
def founding_new(request: HttpRequest) -> HttpResponse:
    """Ask the level above for a new union."""
    actor, at = access.actor_of(request), now()
    form = forms_of.FoundingForm(request.POST or None, units=queries.units(mine(actor, "union.members", at)))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        parent_id = UUID(given["parent"])
        made = attempt(
            form,
            lambda: organising.propose_union(
                actor=actor, at=at, key=given["key"], parent_id=parent_id, name=given["name"],
                unit_ids=_units_named(given["units"], parent_id), term_years=given["term_years"],
            ),
            {"unit_ids": "units"},
        )  # fmt: skip
        if made is not None:
            messages.success(request, _("报上去了,等上一级批复。"))
            return redirect("union:foundings")
    context = {
        "nav": NAV, "form": form, "heading": _("申请建会"), "label": _("报上一级"), "back": reverse("union:foundings"),
        "sub": _("满 25 名会员单独设委员会,不满的几家联合;任期 3 年或 5 年。"),
    }  # fmt: skip
    return answer(request, "union/members/form.html", context, form)


@access.needs("union.approve")
@require_POST
def founding_decide(request: HttpRequest, founding_id: UUID) -> HttpResponseBase:
    """The level above decides."""
    try:
        organising.decide_union(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), founding_id=founding_id,
            approved=request.POST.get("wish") == "approve", reason=request.POST.get("reason", ""),
        )  # fmt: skip
    except NotAllowed:
        raise
    except Problem as problem:
        say(request, problem)
    else:
        messages.success(request, _("已批复。"))
    return redirect("union:foundings")


@access.needs("union.approve")
@require_http_methods(FORM)
def committee_new(request: HttpRequest) -> HttpResponse:
    """Record an election."""
    actor, at = access.actor_of(request), now()
    units = queries.units(mine(actor, "union.approve", at))
    form = forms_of.CommitteeForm(request.POST or None, units=units, initial={"elected_on": local_day(at)})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: organising.elect_committee(
                actor=actor, at=at, key=given["key"], organisation_id=form.organisation_id(), form=given["form"],
                term_years=given["term_years"], elected_on=given["elected_on"],
            ),
        )  # fmt: skip
        if made is not None:
            messages.success(request, _("记下了。"))
            return redirect("union:foundings")
    context = {
        "nav": "union:foundings",
        "form": form,
        "heading": _("登记换届"),
        "label": _("登记"),
        "back": reverse("union:foundings"),
    }
    return answer(request, "union/members/form.html", context, form)
