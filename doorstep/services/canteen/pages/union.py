"""The union's desk: programmes and their money, giving vouchers out, restaurants from application to open."""

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local, local_day, now
from doorstep.kernel.common.errors import NotAllowed, NotFound
from doorstep.kernel.common.money import format_fen
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.people.actions import find_by_phone, phone_or_refuse
from doorstep.services.canteen.actions import issuing, programmes, venues
from doorstep.services.canteen.forms import union as forms_of
from doorstep.services.canteen.forms.parts import attempt
from doorstep.services.canteen.models import Venue, VoucherKind
from doorstep.services.canteen.pages.parts import answer, mine, named, uuid_or_none
from doorstep.services.canteen.queries import programmes as programme_queries
from doorstep.services.canteen.queries import venues as venue_queries
from doorstep.services.canteen.rules.vetting import SCORES_NEEDED
from doorstep.services.canteen.spreadsheets import MAX_BYTES

FORM = ("GET", "HEAD", "POST")
VALID_DAYS = 30


# Programmes --------------------------------------------------------------------------------------------------------


@access.needs("canteen.programme")
@require_safe
def programme_list(request: HttpRequest) -> HttpResponse:
    """Every programme with its money."""
    at = now()
    rows = programme_queries.programmes(mine(access.actor_of(request), "canteen.programme", at))
    totals = {name: sum(getattr(row, name) for row in rows) for name in ("available_fen", "reserved_fen", "used_fen")}
    return render(
        request, "canteen/union/programmes.html", {"nav": "canteen:programmes", "programmes": rows, "totals": totals}
    )


@access.needs("canteen.programme")
@require_http_methods(FORM)
def programme_new(request: HttpRequest) -> HttpResponse:
    """Open a programme."""
    actor, at = access.actor_of(request), now()
    unions = named(mine(actor, "canteen.programme", at))
    form = forms_of.ProgrammeForm(request.POST or None, organisations=unions, initial={"starts_on": local_day(at)})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: programmes.open_programme(
                actor=actor, at=at, key=given["key"], organisation_id=UUID(given["organisation"]), name=given["name"],
                starts_on=given["starts_on"], ends_on=given["ends_on"], exposure_cap_fen=given["exposure_cap"],
            ),
            {"exposure_cap_fen": "exposure_cap"},
        )  # fmt: skip
        if made:
            messages.success(request, _("项目开好了,下一步拨经费、建券种。"))
            return redirect("canteen:programme", made.programme_id)
    context = {
        "nav": "canteen:programmes", "form": form, "heading": _("新开补贴项目"), "label": _("开项目"),
        "back": reverse("canteen:programmes"),
    }  # fmt: skip
    return answer(request, "canteen/union/form.html", context, form)


def _programme(actor: Actor, programme_id: UUID, at: datetime) -> programme_queries.ProgrammeRow:
    """The programme for one of its officers or leaders. Raises: NotFound, NotAllowed."""
    row = programme_queries.programme(programme_id)
    if row is None:
        raise NotFound
    if not any(access.can(actor, one, row.organisation_id, at) for one in ("canteen.programme", "canteen.fund")):
        raise NotAllowed
    return row


def _programme_page(request: HttpRequest, programme_id: UUID, fund_form: forms_of.FundForm) -> HttpResponse:
    actor, at = access.actor_of(request), now()
    row = _programme(actor, programme_id, at)
    kinds = programme_queries.kinds(programme_id, at)
    states = ("used", "open", "expired", "void")
    fates = {state: sum(getattr(kind.fates, state) for kind in kinds) for state in ("issued", *states)}
    labels = {"used": _("已用"), "open": _("未用"), "expired": _("过期"), "void": _("作废")}
    context = {
        "nav": "canteen:programmes",
        "programme": row,
        "kinds": kinds,
        "fates": fates,
        "shares": [(labels[state], fates[state]) for state in states],
        "money": [(_("已用"), row.used_fen), (_("已预留"), row.reserved_fen), (_("可用"), row.available_fen)],
        "daily": [(f"{day.month}/{day.day}", count) for day, count in programme_queries.daily_meals(programme_id, at)],
        "may_fund": access.can(actor, "canteen.fund", row.organisation_id, at),
        "may_change": access.can(actor, "canteen.programme", row.organisation_id, at),
        "fund_form": fund_form,
        "at": at,
    }
    return answer(request, "canteen/union/programme.html", context, fund_form)


@access.signed_in
@require_safe
def programme(request: HttpRequest, programme_id: UUID) -> HttpResponse:
    """One programme: money, vouchers by fate, meals by day, kinds with their dated conditions."""
    return _programme_page(request, programme_id, forms_of.FundForm())


@access.needs("canteen.fund")
@require_POST
def programme_fund(request: HttpRequest, programme_id: UUID) -> HttpResponse:
    """Put money in."""
    actor, at, form = access.actor_of(request), now(), forms_of.FundForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        batch = attempt(
            form,
            lambda: programmes.fund_programme(
                actor=actor, at=at, key=given["key"], programme_id=programme_id, amount_fen=given["amount"],
                note=given["note"],
            ),
            {"amount_fen": "amount"},
        )  # fmt: skip
        if batch:
            messages.success(request, _("已拨入 %(amount)s 元。") % {"amount": format_fen(given["amount"])})
            return redirect("canteen:programme", programme_id)
    return _programme_page(request, programme_id, form)


@access.needs("canteen.fund")
@require_safe
def funding(request: HttpRequest) -> HttpResponse:
    """For those who may only put money in: the programmes."""
    at = now()
    rows = programme_queries.programmes(mine(access.actor_of(request), "canteen.fund", at))
    totals = {name: sum(getattr(row, name) for row in rows) for name in ("available_fen", "reserved_fen", "used_fen")}
    return render(
        request,
        "canteen/union/programmes.html",
        {"nav": "canteen:funding", "programmes": rows, "totals": totals, "only_fund": True},
    )


def _serving(organisation_id: UUID) -> list[Venue]:
    found = Venue.objects.select_related("place").filter(organisation__path__contains=[organisation_id])
    gone = [Venue.State.REJECTED, Venue.State.CLOSED]
    return list(found.exclude(state__in=gone).order_by("place__name", "pk")[:100])


@access.needs("canteen.programme")
@require_http_methods(FORM)
def kind_new(request: HttpRequest, programme_id: UUID) -> HttpResponse:
    """Add a voucher kind with its first conditions."""
    actor, at = access.actor_of(request), now()
    row = _programme(actor, programme_id, at)
    form = forms_of.KindForm(
        request.POST or None,
        venues=_serving(row.organisation_id),
        initial={"effective_on": max(row.starts_on, local_day(at))},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: programmes.add_voucher_kind(
                actor=actor, at=at, key=given["key"], programme_id=programme_id, kind=given["kind"], name=given["name"],
                effective_from=at_local(given["effective_on"]), **form.terms(),
            ),
            forms_of.TERMS_FIELDS,
        )  # fmt: skip
        if made:
            messages.success(request, _("券种建好了,可以发券了。"))
            return redirect("canteen:programme", programme_id)
    context = {
        "nav": "canteen:programmes", "form": form, "heading": _("新建券种"), "sub": row.name, "label": _("建券种"),
        "back": reverse("canteen:programme", args=[programme_id]), "terms": True,
    }  # fmt: skip
    return answer(request, "canteen/union/terms_form.html", context, form)


@access.needs("canteen.programme")
@require_http_methods(FORM)
def kind_terms(request: HttpRequest, kind_id: UUID) -> HttpResponse:
    """Write the next version of a kind's conditions, from a day still to come."""
    actor, at = access.actor_of(request), now()
    kind = VoucherKind.objects.select_related("programme").filter(pk=kind_id).first()
    if kind is None:
        raise NotFound
    row = _programme(actor, kind.programme_id, at)
    newest = kind.terms.versions.order_by("-effective_from").first()
    serving = _serving(row.organisation_id)
    initial: dict[str, Any] = {"effective_on": local_day(at) + timedelta(days=1)}
    if newest is not None:
        windows = {window["code"]: window for window in newest.windows}
        initial |= {
            "list_price": newest.list_price_fen,
            "union_share": newest.payer_share_fen,
            "standings": newest.standings,
            "venues": [str(venue.pk) for venue in serving if venue.place_id in newest.place_ids],
            "per_month": newest.limits.get("per_month"),
        } | {
            f"{code}_{edge}": windows.get(code, {}).get(edge, "")
            for code in ("lunch", "dinner")
            for edge in ("start", "end")
        }
    form = forms_of.TermsForm(request.POST or None, venues=serving, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: programmes.change_terms(
                actor=actor, at=at, key=given["key"], kind_id=kind_id, effective_from=at_local(given["effective_on"]),
                **form.terms(),
            ),
            forms_of.TERMS_FIELDS,
        )  # fmt: skip
        if made:
            messages.success(request, _("新规则记下了,到日子自动生效,以前的用餐不受影响。"))
            return redirect("canteen:programme", kind.programme_id)
    context = {
        "nav": "canteen:programmes", "form": form, "heading": _("改规则:%(name)s") % {"name": kind.name},
        "sub": _("只改以后,不改以前。"), "label": _("记下新规则"), "terms": True,
        "back": reverse("canteen:programme", args=[kind.programme_id]),
    }  # fmt: skip
    return answer(request, "canteen/union/terms_form.html", context, form)


# Giving out --------------------------------------------------------------------------------------------------------

WAYS: dict[str, type[forms_of.ValidityForm]] = {
    "push": forms_of.PushForm,
    "claim": forms_of.ClaimForm,
    "list": forms_of.ListForm,
    "single": forms_of.SingleForm,
}


def _way_labels() -> dict[str, tuple[str, str, str]]:
    """Title, explanation and button of each way of giving out."""
    return {
        "push": (_("发给所有符合的人"), _("此刻有身份认证的每个人都收到。"), _("现在发")),
        "claim": (_("开放领取"), _("先到先得,每人一张;名额的钱先预留,没领完的退回。"), _("开放领取")),
        "list": (_("按名单发"), _("上传名单,一行一行核对,好的发出,坏的说明原因。"), _("上传并发券")),
        "single": (_("发给一个人"), _("用手机号找人。"), _("发给他")),
    }


def _valid_days(at: datetime) -> dict[str, Any]:
    today = local_day(at)
    return {
        "valid_from": today,
        "valid_until": today + timedelta(days=VALID_DAYS - 1),
        "opens_at": at + timedelta(minutes=10),
        "closes_at": at + timedelta(hours=2),
    }


def _give(actor: Actor, at: datetime, way: str, kind: VoucherKind, form: Any) -> Callable[[], Any]:
    """The one domain call of this way of giving out."""
    given = form.cleaned_data
    common = {"actor": actor, "at": at, "key": given["key"], "kind_id": kind.pk, **form.validity()}
    if way == "push":
        return lambda: issuing.push_vouchers(**common, each=given["each"])
    if way == "claim":
        offer = {name: given[name] for name in ("quota", "opens_at", "closes_at", "title")}
        return lambda: issuing.open_claim(**common, **offer)
    if way == "list":
        # Read one byte more than allowed: what is longer is refused without being held in memory.
        content = given["file"].read(MAX_BYTES + 1)
        return lambda: issuing.issue_list(**common, content=content, register_unknown=given["register_unknown"])
    return lambda: issuing.issue_single(**common, phone=given["phone"], count=given["count"])


def _said(way: str, receipt: Any) -> str:
    reserved = format_fen(receipt.reserved_fen)
    if way == "claim":
        return _("已开放领取,预留 %(reserved)s 元。") % {"reserved": reserved}
    return _("发出 %(granted)s 张,预留 %(reserved)s 元。") % {"granted": receipt.granted, "reserved": reserved}


@access.needs("canteen.issue")
@require_http_methods(FORM)
def issue(request: HttpRequest) -> HttpResponse:
    """Give vouchers out in one of four ways; a list is answered row by row."""
    actor, at = access.actor_of(request), now()
    unions = mine(actor, "canteen.issue", at)
    kinds = programme_queries.issuable_kinds(unions)
    chosen = uuid_or_none(request.POST.get("kind") or request.GET.get("kind", ""))
    kind = next((one for one in kinds if one.pk == chosen), kinds[0] if kinds else None)
    way = request.POST.get("way") or request.GET.get("way", "push")
    if way not in WAYS:
        raise NotFound
    form = WAYS[way](request.POST or None, request.FILES or None, initial=_valid_days(at))
    report = None
    if request.method == "POST" and kind is not None and form.is_valid():
        receipt = attempt(form, _give(actor, at, way, kind, form))
        if isinstance(receipt, issuing.ListReport):
            report, form = receipt, forms_of.ListForm(initial=_valid_days(at))
        elif receipt is not None:
            messages.success(request, _said(way, receipt))
            return redirect(f"{reverse('canteen:issue')}?way={way}&kind={kind.pk}")
    row = programme_queries.programme(kind.programme_id) if kind else None
    context = {
        "nav": "canteen:issue",
        "kinds": kinds,
        "kind": kind,
        "programme": row,
        "way": way,
        "ways": [{"code": code, "title": words[0], "note": words[1]} for code, words in _way_labels().items()],
        "words": _way_labels()[way],
        "form": form,
        "report": _report(report) if report else None,
        "grants": programme_queries.grants(unions),
        "at": at,
    }
    return answer(request, "canteen/union/issue.html", context, form)


def _report(report: issuing.ListReport) -> dict[str, Any]:
    """The row-by-row answer as the page shows it: bad rows first to be mended, good ones counted."""
    return {
        "ok_text": _("%(persons)s 人,%(vouchers)s 张发出") % {"persons": report.persons, "vouchers": report.vouchers},
        "failed": len(report.bad),
        "failed_text": _("%(rows)s 行没有发") % {"rows": len(report.bad)},
        "registered": report.registered,
        "rows": [
            {"number": row.number, "who": f"{row.name} {row.phone}".strip(), "ok": False, "text": text}
            for row, text in report.reasons()
        ],
        "reserved_fen": report.reserved_fen,
    }


@access.needs("canteen.issue")
@require_safe
def issue_sample(request: HttpRequest) -> HttpResponseBase:
    """An empty list to fill in, which spreadsheets open with its Chinese intact."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="vouchers.csv"'
    csv.writer(response).writerows([("姓名", "手机号", "身份证号", "张数"), ("凌涛", "13800000000", "", 1)])
    return response


@access.needs("canteen.issue")
@require_POST
def claim_close(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """End an offer early."""
    left = issuing.close_claim(actor=access.actor_of(request), at=now(), grant_id=grant_id)
    messages.success(request, _("已结束领取,%(left)s 张的预留退回预算。") % {"left": left})
    return redirect(f"{reverse('canteen:issue')}?way=claim")


@access.needs("canteen.issue")
@never_cache
@require_safe
def vouchers(request: HttpRequest) -> HttpResponse:
    """One person's vouchers, found by phone: to void one, or to print one for somebody without a smartphone."""
    actor, at = access.actor_of(request), now()
    form = forms_of.PhoneForm(request.GET if "phone" in request.GET else None)
    person, held = None, []
    if form.is_bound and form.is_valid():
        number = attempt(form, lambda: phone_or_refuse(form.cleaned_data["phone"]))
        person = find_by_phone(number) if number else None
        if person is not None:
            held = programme_queries.vouchers_of(person.pk, mine(actor, "canteen.issue", at))
        elif number:
            form.add_error("phone", _("这个手机号还没有登记。"))
    context = {"nav": "canteen:issue", "form": form, "person": person, "held": held, "at": at}
    return answer(request, "canteen/union/vouchers.html", context, form)


@access.needs("canteen.issue")
@require_http_methods(FORM)
def voucher_void(request: HttpRequest, entitlement_id: UUID) -> HttpResponse:
    """Take a voucher back, with the reason its holder will read."""
    actor, at, form = access.actor_of(request), now(), forms_of.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        released = attempt(
            form,
            lambda: issuing.void_voucher(
                actor=actor, at=at, key=given["key"], entitlement_id=entitlement_id, reason=given["reason"]
            ),
        )
        if released is not None:
            messages.success(request, _("已作废,%(amount)s 元退回预算。") % {"amount": format_fen(released)})
            return redirect("canteen:vouchers")
    context = {
        "nav": "canteen:issue", "form": form, "heading": _("作废这张券"), "label": _("作废"), "danger": True,
        "sub": _("对方会收到通知,看到您写的原因;没用的钱退回预算。"), "back": reverse("canteen:vouchers"),
    }  # fmt: skip
    return answer(request, "canteen/union/form.html", context, form)


# Restaurants --------------------------------------------------------------------------------------------------------


def _venue_list(request: HttpRequest, capability: str, states: list[str] | None, here: str) -> HttpResponse:
    actor, at = access.actor_of(request), now()
    unions = mine(actor, capability, at)
    context = {
        "nav": here,
        "venues": venue_queries.venues(unions, at, states),
        "calls": venue_queries.calls(unions, at) if capability == "canteen.vet" else [],
        "may_vet": capability == "canteen.vet",
        "today": local_day(at),
        "soon": local_day(at) + timedelta(days=30),
    }
    return render(request, "canteen/union/venues.html", context)


@access.needs("canteen.vet")
@require_safe
def venue_list(request: HttpRequest) -> HttpResponse:
    """Restaurants, those that wait for somebody first."""
    return _venue_list(request, "canteen.vet", None, "canteen:venues")


@access.needs("canteen.score")
@require_safe
def scoring(request: HttpRequest) -> HttpResponse:
    """For scorers: restaurants that were visited and wait for points."""
    return _venue_list(request, "canteen.score", ["visited"], "canteen:scoring")


@access.needs("canteen.decide")
@require_safe
def deciding(request: HttpRequest) -> HttpResponse:
    """For leaders: restaurants that wait for a decision."""
    return _venue_list(request, "canteen.decide", ["applied", "visited"], "canteen:deciding")


@access.needs("canteen.vet")
@require_http_methods(FORM)
def call_new(request: HttpRequest) -> HttpResponse:
    """Publish a call for restaurants."""
    actor, at = access.actor_of(request), now()
    today = local_day(at)
    form = forms_of.CallForm(
        request.POST or None,
        organisations=named(mine(actor, "canteen.vet", at)),
        initial={"opens_on": today, "closes_on": today + timedelta(days=30)},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            lambda: venues.publish_call(
                actor=actor, at=at, key=given["key"], organisation_id=UUID(given["organisation"]), title=given["title"],
                requirements=given["requirements"], opens_on=given["opens_on"], closes_on=given["closes_on"],
            ),
        )  # fmt: skip
        if made:
            messages.success(request, _("公告发出了,餐厅现在可以报名。"))
            return redirect("canteen:venues")
    context = {
        "nav": "canteen:venues", "form": form, "heading": _("发布征集公告"), "label": _("发布"),
        "back": reverse("canteen:venues"),
    }  # fmt: skip
    return answer(request, "canteen/union/form.html", context, form)


def _case(actor: Actor, venue_id: UUID, at: datetime) -> tuple[Venue, dict[str, bool]]:
    """The restaurant and what this person may do about it. Raises: NotFound, NotAllowed."""
    venue = venue_queries.venue_case(venue_id)
    if venue is None:
        raise NotFound
    may = {one: access.can(actor, f"canteen.{one}", venue.organisation_id, at) for one in ("vet", "score", "decide")}
    if not any(may.values()):
        raise NotAllowed
    return venue, may


STEPS: dict[str, tuple[str, type[forms.Form]]] = {
    "visit": ("vet", forms_of.VisitForm),
    "score": ("score", forms_of.ScoreForm),
    "decide": ("decide", forms_of.DecisionForm),
    "agree": ("vet", forms_of.AgreementForm),
    "open": ("vet", forms_of.PlainForm),
    "suspend": ("vet", forms_of.ReasonForm),
    "reopen": ("vet", forms_of.PlainForm),
    "close": ("vet", forms_of.ReasonForm),
}
POSSIBLE: dict[str, tuple[str, ...]] = {
    "applied": ("visit", "decide"),
    "visited": ("score", "decide", "visit"),
    "approved": ("agree", "open", "close"),
    "open": ("suspend", "agree", "close"),
    "suspended": ("reopen", "agree", "close"),
}


def _step_words() -> dict[str, tuple[str, str]]:
    """Heading and button of each step."""
    return {
        "visit": (_("记录走访"), _("记下走访")),
        "score": (_("打分"), _("提交评分")),
        "decide": (_("做决定"), _("就这么定")),
        "agree": (_("签协议"), _("记下协议")),
        "open": (_("开业"), _("今天开业")),
        "suspend": (_("暂停供餐"), _("暂停")),
        "reopen": (_("恢复供餐"), _("恢复供餐")),
        "close": (_("退出合作"), _("办理退出")),
    }


def _done_words() -> dict[str, str]:
    return {
        "visit": _("走访记下了。"), "score": _("评分收到了。"), "decide": _("决定记下了。"), "agree": _("协议记下了。"),
        "open": _("开业了,骑手现在能看到这家店。"), "suspend": _("已暂停,从现在起不能核销。"),
        "reopen": _("已恢复供餐。"), "close": _("已办理退出。"),
    }  # fmt: skip


def _stepper(venue: Venue, missing: list[str]) -> list[dict[str, str]]:
    """Papers, visit, scores, decision, agreement, open: done, current or still to come."""
    done = [
        not missing,
        bool(venue.visits.all()),
        len(venue.scores.all()) >= SCORES_NEEDED,
        hasattr(venue, "decision"),
        bool(venue.agreements.all()),
        venue.opened_at is not None,
    ]
    current = next((index for index, one in enumerate(done) if not one), len(done))
    titles = [_("证照"), _("走访"), _("评分"), _("决定"), _("协议"), _("开业")]
    return [
        {"title": title, "state": "done" if done[index] else "current" if index == current else ""}
        for index, title in enumerate(titles)
    ]


TONES = {
    "open": "jade", "suspended": "door", "rejected": "door", "applied": "amber", "visited": "amber", "approved": "indigo",
}  # fmt: skip


def _events(venue: Venue) -> list[dict[str, Any]]:
    icons = {"open": "check", "suspended": "alert", "rejected": "cross", "closed": "exit"}
    return [
        {
            "title": Venue.State(change.after).label, "at": change.at, "note": change.reason,
            "icon": icons.get(change.after, "flag"), "tone": TONES.get(change.after, ""),
        }
        for change in sorted(venue.changes.all(), key=lambda change: (change.at, str(change.pk)), reverse=True)
    ]  # fmt: skip


@access.signed_in
@require_safe
def venue_case(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """One restaurant: everything collected about it, what it lacks, and the next step."""
    actor, at = access.actor_of(request), now()
    venue, may = _case(actor, venue_id, at)
    today = local_day(at)
    papers = [paper for paper in venue.papers.all() if paper.replaced_at is None]
    missing = venue_queries.missing_papers(papers, today)
    words = _step_words()
    steps = [{"code": code, "title": words[code][0]} for code in POSSIBLE.get(venue.state, ()) if may[STEPS[code][0]]]
    scores = list(venue.scores.all())
    context = {
        "nav": "canteen:venues" if may["vet"] else "canteen:deciding" if may["decide"] else "canteen:scoring",
        "venue": venue,
        "tone": TONES.get(venue.state, ""),
        "may": may,
        "steps": steps,
        "stepper": _stepper(venue, missing),
        "papers": sorted(papers, key=lambda paper: (paper.kind, paper.expires_on)),
        "missing": missing,
        "scores": scores,
        "average": sum(score.total for score in scores) / len(scores) if scores else None,
        "agreement": venue_queries.agreement_on(list(venue.agreements.all()), today),
        "events": _events(venue),
        "tills": venue_queries.tills(venue.place_id) if may["vet"] else [],
        "till_form": forms_of.TillForm(),
        "today": today,
        "soon": today + timedelta(days=30),
    }
    return render(request, "canteen/union/venue.html", context)


def _take_step(actor: Actor, at: datetime, venue_id: UUID, step: str, given: dict[str, Any]) -> Callable[[], Any]:
    """The one domain call of this step."""
    common = {"actor": actor, "at": at, "key": given["key"], "venue_id": venue_id}
    rest = {name: value for name, value in given.items() if name not in ("key", "list_price", "approved")}
    calls: dict[str, Callable[[], Any]] = {
        "visit": lambda: venues.record_visit(**common, **rest),
        "score": lambda: venues.score_venue(**common, **rest),
        "decide": lambda: venues.decide_venue(**common, **rest, approved=given["approved"] == "yes"),
        "agree": lambda: venues.sign_agreement(**common, **rest, list_price_fen=given["list_price"]),
        "open": lambda: venues.open_venue(**common),
        "suspend": lambda: venues.suspend_venue(**common, **rest),
        "reopen": lambda: venues.reopen_venue(**common),
        "close": lambda: venues.close_venue(**common, **rest),
    }
    return calls[step]


@access.signed_in
@require_http_methods(FORM)
def venue_step(request: HttpRequest, venue_id: UUID, step: str) -> HttpResponse:
    """Visit, score, decide, agree, open, suspend, reopen or close."""
    if step not in STEPS:
        raise NotFound
    actor, at = access.actor_of(request), now()
    venue, may = _case(actor, venue_id, at)
    capability, form_class = STEPS[step]
    if not may[capability]:
        raise NotAllowed
    today = local_day(at)
    initial = {"visited_on": today, "valid_from": today, "valid_until": today + timedelta(days=364)}
    form = form_class(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        taken = _take_step(actor, at, venue_id, step, form.cleaned_data)
        if attempt(form, taken, {"list_price_fen": "list_price"}):
            messages.success(request, _done_words()[step])
            return redirect("canteen:venue-case", venue_id)
    heading, label = _step_words()[step]
    context = {
        "nav": "canteen:venues" if may["vet"] else "canteen:deciding" if may["decide"] else "canteen:scoring",
        "form": form,
        "heading": heading,
        "sub": venue.place.name,
        "label": label,
        "danger": step in ("suspend", "close"),
        "back": reverse("canteen:venue-case", args=[venue_id]),
        "tight": step == "score",
    }
    return answer(request, "canteen/union/form.html", context, form)


@access.needs("organisations.devices")
@require_POST
def till_add(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """Announce a till and go on to its pairing code."""
    form = forms_of.TillForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("请给收银台起个名字,最多 30 个字。"))
        return redirect("canteen:venue-case", venue_id)
    given = form.cleaned_data
    device_id = venues.add_till(
        actor=access.actor_of(request), at=now(), key=given["key"], venue_id=venue_id, name=given["name"]
    )
    return redirect("canteen:till-pairing", device_id)


@access.needs("organisations.devices")
@never_cache
@require_safe
def till_pairing(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The code that makes a phone or tablet this till; each look gives a fresh one, good for ten minutes."""
    at = now()
    code = venues.show_pairing_code(actor=access.actor_of(request), at=at, device_id=device_id)
    device = Device.objects.select_related("place__canteen_venue").get(pk=device_id)
    address = request.build_absolute_uri(f"/canteen/till/pair?code={code}")
    context = {
        "nav": "canteen:counter",
        "device": device,
        "address": address,
        "until": at + timedelta(seconds=venues.PAIRING_SECONDS),
        "minutes": venues.PAIRING_SECONDS // 60,
    }
    return render(request, "canteen/union/pairing.html", context)
