"""The resident's union: joining by the poster's code, the member card, the way to everything else."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.common.forms import attempt, new_key
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.actions import joining
from doorstep.services.union.actions.parts import JOINABLE, organisation_or_refuse
from doorstep.services.union.forms.members import JoinForm
from doorstep.services.union.models import Membership, Transfer
from doorstep.services.union.pages.shared import FORM, answer, say
from doorstep.services.union.queries import members as queries


@access.public
@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where one stands with the union, and what there is: stations, activities, the board."""
    at = now()
    case = _my_case(request) if request.user.is_authenticated else None
    member = case is not None and case.state == Membership.State.APPROVED
    context: dict[str, Any] = {
        "case": case,
        "member": member,
        "card": queries.card_context(case, at) if case is not None and member else None,
        "pools": [] if case is not None else queries.pools(),
        "at": at,
    }
    return render(request, "union/home/home.html", context)


def _my_case(request: HttpRequest) -> Membership | None:
    actor = access.actor_of(request)
    return queries.membership_of(actor.id) if actor.id is not None else None


def _unit(unit_id: UUID) -> Organisation:
    unit = organisation_or_refuse(unit_id)
    if unit.kind not in JOINABLE:
        raise NotFound
    return unit


@access.public
@never_cache
@require_http_methods(FORM)
def join(request: HttpRequest, unit_id: UUID) -> HttpResponse:
    """The page behind a unit's poster: sign in, four questions, done."""
    unit, at = _unit(unit_id), now()
    if not request.user.is_authenticated:
        return render(request, "union/home/join.html", {"unit": unit})
    person = request.user
    case = _my_case(request)
    again = case is not None and case.state == Membership.State.REJECTED
    initial = {"name": person.name}
    if again and case is not None:
        initial |= {"occupation": case.occupation, "employer": case.employer}
    form = JoinForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        receipt = attempt(
            form, lambda: joining.apply_membership(
                actor=access.actor_of(request), at=at, organisation_id=unit_id, **form.cleaned_data
            ),
        )  # fmt: skip
        if receipt is not None:
            messages.success(request, _("交上去了,审核通过就发会员卡。"))
            return redirect("union:home")
    context = {
        "unit": unit, "form": form, "case": case, "again": again, "key": new_key(), "person": person,
        "elsewhere": case is not None and case.state == Membership.State.APPROVED and case.organisation_id != unit_id,
        "asking": case is not None and case.transfers.filter(state=Transfer.State.OPEN).exists(),
    }  # fmt: skip
    return answer(request, "union/home/join.html", context, form)


@access.signed_in
@require_POST
def move(request: HttpRequest, unit_id: UUID) -> HttpResponseBase:
    """A member at another unit's poster: ask to be transferred there."""
    case = _my_case(request)
    if case is None:
        raise NotFound
    try:
        joining.ask_transfer(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), membership_id=case.pk,
            target_id=unit_id,
        )  # fmt: skip
    except Problem as problem:
        say(request, problem)
        return redirect("union:join", unit_id)
    messages.success(request, _("转会申请交上去了,两边单位都同意就转。"))
    return redirect("union:home")


def _card(request: HttpRequest, template: str) -> HttpResponse:
    case = _my_case(request)
    if case is None or case.state != Membership.State.APPROVED:
        raise NotFound(text=_("还没有会员卡。"), remedy=_("入会审核通过后,会员卡会出现在卡包里。"))
    return render(
        request, template, {"case": case, "tab": "wallet", "key": new_key(), **queries.card_context(case, now())}
    )


@access.signed_in
@never_cache
@require_safe
def card(request: HttpRequest) -> HttpResponse:
    """The member card, large."""
    return _card(request, "union/home/card.html")


@access.signed_in
@never_cache
@require_safe
def card_code(request: HttpRequest) -> HttpResponse:
    """The code alone, fresh."""
    return _card(request, "union/home/code.html")


@access.signed_in
@require_POST
def leave(request: HttpRequest) -> HttpResponseBase:
    """Leave the union."""
    case = _my_case(request)
    if case is None:
        raise NotFound
    try:
        joining.leave_union(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), membership_id=case.pk,
            reason=request.POST.get("reason", ""),
        )  # fmt: skip
    except Problem as problem:
        say(request, problem)
        return redirect("union:card")
    messages.success(request, _("已退会。什么时候想回来都可以。"))
    return redirect("union:home")
