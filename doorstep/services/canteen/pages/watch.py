"""The watch's desk: alerts with their evidence, and the holds."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import local_day, now
from doorstep.services.canteen.actions import watching
from doorstep.services.canteen.forms.watch import CloseForm, ReasonForm, RunForm
from doorstep.services.canteen.pages.desk import desk, done, form_problem, new_key, uuid_of
from doorstep.services.canteen.queries import watch as queries
from doorstep.services.canteen.rules import watch as rules


def _states() -> dict[str, tuple[str, str, str]]:
    return {
        "open": (_("待处理"), "amber", "clock"),
        "explained": (_("已说明"), "jade", "check"),
        "confirmed": (_("属实"), "door", "alert"),
    }


def _severities() -> dict[int, tuple[str, str, str]]:
    return {
        rules.URGENT: (_("紧急"), "door", "alert"),
        rules.ATTEND: (_("要查"), "amber", "eye"),
        rules.INFORM: (_("留意"), "indigo", "info"),
    }


@access.needs("canteen.watch")
@require_GET
def list_(request: HttpRequest) -> HttpResponse:
    at_desk = desk(request, "canteen.watch")
    state, rule = request.GET.get("state", "open"), request.GET.get("rule", "")
    found = queries.alerts(
        at_desk.organisation_ids,
        state="" if state == "all" else state,
        rule=rule,
        before=uuid_of(request.GET.get("before")),
    )
    counts = queries.alert_counts(at_desk.organisation_ids)
    words, severities = _states(), _severities()
    chips = [(code, word[0], counts[code]) for code, word in words.items()]
    chips.append(("all", _("全部"), sum(counts[code] for code in words)))
    context = {
        "rows": [{"row": row, "word": words[row.state], "severity": severities[row.severity]} for row in found],
        "more": found[-1].id if len(found) == queries.DEFAULT_LIMIT else None,
        "state": state,
        "rule": rule,
        "counts": counts,
        "chips": [
            {"title": title, "url": f"?state={code}", "count": count, "current": code == state}
            for code, title, count in chips
        ],
        "holds": [
            {"hold": hold, "own": hold.placed_by_id == at_desk.actor.id, "key": new_key()}
            for hold in queries.open_holds(at_desk.organisation_ids)
        ],
        "here": "canteen:watch",
        "today": local_day(at_desk.at),
        "thresholds": rules.thresholds_on(local_day(at_desk.at)),
    }
    return render(request, "canteen/watch/list.html", context)


@access.needs("canteen.watch")
@require_GET
def detail(request: HttpRequest, alert_id: UUID) -> HttpResponse:
    at_desk = desk(request, "canteen.watch")
    row = queries.alert(alert_id, at_desk.organisation_ids)
    hold = queries.hold_of(row.venue_id) if row.venue_id else None
    found = queries.evidence(row)
    evidence = [{"row": item, "what": _what(item.what)} for item in found]
    context = {
        "alert": row,
        "word": _states()[row.state],
        "severity": _severities()[row.severity],
        "evidence": evidence,
        "distances": any(item.distance_m is not None for item in found),
        "hold": hold,
        "own_hold": hold is not None and hold.placed_by_id == at_desk.actor.id,
        "keys": {name: new_key() for name in ("close", "hold", "release")},
        "here": "canteen:watch",
    }
    return render(request, "canteen/watch/detail.html", context)


def _what(code: str) -> str:
    """How a use came, or why it was refused, in words."""
    if code in ("online", "offline"):
        return _("在线核销") if code == "online" else _("离线核销")
    return queries.refusal_words(code)


@access.needs("canteen.watch")
@require_POST
def run(request: HttpRequest) -> HttpResponse:
    form = RunForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:watch")
    return done(
        request,
        lambda: watching.run_watch(actor=access.actor_of(request), at=now(), day=form.cleaned_data["day"]),
        lambda made: (
            _("查完了:新提醒 %(new)s 条,有变化 %(grown)s 条,原有 %(known)s 条。")
            % {"new": made.new, "grown": made.grown, "known": made.known}
        ),
        "canteen:watch",
    )


@access.needs("canteen.watch")
@require_POST
def close(request: HttpRequest, alert_id: UUID) -> HttpResponse:
    form = CloseForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:alert", alert_id=alert_id)
    return done(
        request,
        lambda: watching.close_alert(actor=access.actor_of(request), at=now(), alert_id=alert_id, **form.cleaned_data),
        _("结论已记下。"),
        "canteen:alert",
        alert_id=alert_id,
    )


@access.needs("canteen.watch")
@require_POST
def hold(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:watch")
    return done(
        request,
        lambda: watching.place_hold(
            actor=access.actor_of(request),
            at=now(),
            venue_id=venue_id,
            key=form.cleaned_data["key"],
            reason=form.cleaned_data["reason"],
            alert_id=form.cleaned_data["alert_id"],
        ),
        _("付款已冻结。供餐和核销照常,餐厅已收到通知。"),
        "canteen:watch",
    )


@access.needs("canteen.watch")
@require_POST
def release(request: HttpRequest, hold_id: UUID) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:watch")
    return done(
        request,
        lambda: watching.release_hold(
            actor=access.actor_of(request),
            at=now(),
            hold_id=hold_id,
            key=form.cleaned_data["key"],
            reason=form.cleaned_data["reason"],
        ),
        _("冻结已解除,可以付款了。"),
        "canteen:watch",
    )
