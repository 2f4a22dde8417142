"""The settlement desk, the approvals desk, a statement and its files."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import now
from doorstep.kernel.entitlements.settling import last_settled_day
from doorstep.services.canteen import indicators
from doorstep.services.canteen.actions import settling
from doorstep.services.canteen.forms.settlement import AdjustForm, ApproveForm, PayingAccountForm, PrepareForm
from doorstep.services.canteen.pages.desk import Desk, desk, done, form_problem, new_key, uuid_of
from doorstep.services.canteen.queries import settlements

CHART_DAYS = 30


def _titles() -> dict[str, tuple[str, str, str]]:
    """State → word, tone and icon."""
    return {
        "prepared": (_("待复核"), "amber", "clock"),
        "approved": (_("待付款"), "indigo", "coins"),
        "paid": (_("已付款"), "jade", "check"),
    }


def _rows(at_desk: Desk, state: str, venue: str, before: str) -> list[dict[str, Any]]:
    titles = _titles()
    found = settlements.statements(
        at_desk.organisation_ids, state=state, venue_id=uuid_of(venue), before=uuid_of(before)
    )
    return [{"row": row, "word": titles[row.state]} for row in found]


@access.needs("canteen.settle")
@require_GET
def list_(request: HttpRequest) -> HttpResponse:
    """What is due, what is open, what was paid."""
    at_desk = desk(request, "canteen.settle")
    state = request.GET.get("state", "")
    rows = _rows(at_desk, state, request.GET.get("venue", ""), request.GET.get("before", ""))
    last = last_settled_day(at_desk.at)
    days = indicators.by_day(at_desk.organisation_ids, last - timedelta(days=CHART_DAYS - 1), last)
    sums = settlements.sums_by_state(at_desk.organisation_ids)
    context = {
        "rows": rows,
        "more": rows[-1]["row"].id if len(rows) == settlements.DEFAULT_LIMIT else None,
        "state": state,
        "chips": [
            {"title": str(title), "url": f"?state={code}", "current": code == state, "count": count}
            for code, title, count in _chips(sums)
        ],
        "due": [
            {"due": due, "key": new_key()}
            for due in settlements.due_days(at_desk.organisation_ids, at_desk.at, settlements.DEFAULT_LIMIT)
        ],
        "sums": sums,
        "last_day": last,
        "here": "canteen:settlements",
        "chart": [(f"{day:%m-%d}", fen) for day, _uses, _persons, fen in days],
    }
    return render(request, "canteen/settlement/list.html", context)


def _chips(sums: dict[str, settlements.Sums]) -> list[tuple[str, str, int]]:
    counts = {code: known.statements for code, known in sums.items()}
    every = ("", _("全部"), sum(counts.values()))
    return [every, *((code, word[0], counts[code]) for code, word in _titles().items())]


@access.needs("canteen.approve")
@require_GET
def approvals(request: HttpRequest) -> HttpResponse:
    """What waits for a second pair of eyes, and the account the union pays from."""
    at_desk = desk(request, "canteen.approve")
    funding = desk(request, "canteen.fund")
    context = {
        "rows": _rows(at_desk, "prepared", "", request.GET.get("before", "")),
        "approved": _rows(at_desk, "approved", "", ""),
        "sums": settlements.sums_by_state(at_desk.organisation_ids),
        "accounts": settlements.paying_accounts(at_desk.organisation_ids),
        "here": "canteen:approvals",
        "may_fund": set(funding.organisation_ids),
        "key": new_key(),
    }
    return render(request, "canteen/settlement/approvals.html", context)


@access.signed_in
@require_GET
def detail(request: HttpRequest, settlement_id: UUID) -> HttpResponse:
    """One statement with its totals, its first lines and the next step. Union, auditor and the restaurant itself."""
    actor, at = access.actor_of(request), now()
    found = settlements.statement(settlement_id, actor, at)
    may = {
        name: access.can(actor, f"canteen.{name}", found.payer_id, at)
        for name in ("settle", "approve", "audit", "watch")
    }
    context = {
        "statement": found,
        "word": _titles()[found.state],
        "lines": settlements.lines(settlement_id, settlements.DEFAULT_LIMIT),
        "may": may,
        "own": found.prepared_by_id == actor.id,
        "keys": {name: new_key() for name in ("approve", "adjust", "pay")},
        "steps": _steps(found.state),
        "here": "canteen:settlements" if may["settle"] else "canteen:approvals",
        "shares": [(kind.title, kind.payer_fen) for kind in found.kinds],
    }
    return render(request, "canteen/settlement/detail.html", context)


def _steps(state: str) -> list[dict[str, str]]:
    reached = ("prepared", "approved", "paid").index(state) + 1
    return [
        {"title": title, "state": "done" if place < reached else "current" if place == reached else ""}
        for place, title in enumerate((_("准备"), _("复核发票"), _("付款")))
    ]


@access.signed_in
@require_GET
def sheet(request: HttpRequest, settlement_id: UUID) -> HttpResponse:
    """The statement on paper, with the log's root that covers it."""
    found = settlements.statement(settlement_id, access.actor_of(request), now())
    return render(request, "canteen/settlement/sheet.html", {"statement": found, "word": _titles()[found.state]})


@access.signed_in
@require_GET
def file(request: HttpRequest, settlement_id: UUID, file_format: str) -> HttpResponse:
    """Payment order, workbook or CSV; each download leaves the file's digest in the log."""
    made = settling.export_settlement(
        actor=access.actor_of(request), at=now(), settlement_id=settlement_id, file_format=file_format
    )
    response = HttpResponse(made.content, content_type=made.media_type)
    response["Content-Disposition"] = f'attachment; filename="{made.name}"'
    response["X-Content-SHA256"] = made.sha256
    return response


@access.needs("canteen.settle")
@require_POST
def prepare(request: HttpRequest) -> HttpResponse:
    form = PrepareForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:settlements")
    return done(
        request,
        lambda: settling.prepare_settlement(actor=access.actor_of(request), at=now(), **form.cleaned_data),
        lambda made: (
            _("结算单 %(number)s 已准备,%(uses)s 人次、%(persons)s 人,请另一位同事复核。")
            % {"number": made.number, "uses": made.uses, "persons": made.persons}
        ),
        "canteen:settlements",
    )


@access.needs("canteen.settle")
@require_POST
def adjust(request: HttpRequest, settlement_id: UUID) -> HttpResponse:
    form = AdjustForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:settlement", settlement_id=settlement_id)
    return done(
        request,
        lambda: settling.adjust_settlement(
            actor=access.actor_of(request), at=now(), settlement_id=settlement_id, **form.cleaned_data
        ),
        _("更正已记下,复核通过时入账。"),
        "canteen:settlement",
        settlement_id=settlement_id,
    )


@access.needs("canteen.approve")
@require_POST
def approve(request: HttpRequest, settlement_id: UUID) -> HttpResponse:
    form = ApproveForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:settlement", settlement_id=settlement_id)
    return done(
        request,
        lambda: settling.approve_settlement(
            actor=access.actor_of(request), at=now(), settlement_id=settlement_id, **form.cleaned_data
        ),
        _("复核通过,经办人可以付款了。"),
        "canteen:settlement",
        settlement_id=settlement_id,
    )


@access.needs("canteen.settle")
@require_POST
def pay(request: HttpRequest, settlement_id: UUID) -> HttpResponse:
    return done(
        request,
        lambda: settling.pay_settlement(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), settlement_id=settlement_id
        ),
        _("付款已记账。请把付款文件交给银行。"),
        "canteen:settlement",
        settlement_id=settlement_id,
    )


@access.needs("canteen.fund")
@require_POST
def paying_account(request: HttpRequest) -> HttpResponse:
    form = PayingAccountForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:approvals")
    return done(
        request,
        lambda: settling.set_paying_account(actor=access.actor_of(request), at=now(), **form.cleaned_data),
        _("付款账户已登记。"),
        "canteen:approvals",
    )
