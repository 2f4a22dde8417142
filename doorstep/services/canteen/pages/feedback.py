"""Diners say how it was; restaurant and union read and answer."""

from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.files.actions import path_of, store_file
from doorstep.kernel.files.models import StoredFile
from doorstep.services.canteen.actions import feedback as actions
from doorstep.services.canteen.forms.feedback import AnswerForm, RateForm, ReportForm
from doorstep.services.canteen.models import Venue
from doorstep.services.canteen.pages.desk import desk, done, form_problem, new_key, uuid_of
from doorstep.services.canteen.queries import feedback as queries


def _stored(actor: Actor, request: HttpRequest) -> UUID | None:
    """The photo that came with a form, kept; nothing when there is none. Raises: FileRefused."""
    upload = request.FILES.get("photo")
    if upload is None:
        return None
    return store_file(actor=actor, at=now(), name=upload.name or "photo", content=upload.read()).pk


@access.signed_in
@require_http_methods(["GET", "POST"])
def rate(request: HttpRequest, use_id: UUID) -> HttpResponse:
    """Stars for one's own meal."""
    actor = access.actor_of(request)
    meal = queries.own_meal(actor.id, use_id) if actor.id else None
    if meal is None:
        raise NotFound
    form = RateForm(request.POST or None)
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            actions.rate_meal(
                actor=actor,
                at=now(),
                key=form.cleaned_data["key"],
                use_id=use_id,
                stars=form.cleaned_data["stars"],
                text=form.cleaned_data["text"],
                photo_id=_stored(actor, request),
            )
        except Problem as problem:
            error = f"{problem.message}{problem.next_step}"
        else:
            messages.success(request, _("谢谢,餐厅会看到您的评价。"))
            return redirect("canteen:rate", use_id=use_id)
    context = {
        "meal": meal,
        "form": form,
        "error": error or _first(form),
        "key": request.POST.get("key") or new_key(),
        "chosen": request.POST.get("stars", ""),
        "stars": _star_words(),
    }
    return render(request, "canteen/feedback/rate.html", context, status=422 if context["error"] else 200)


def _first(form: RateForm | ReportForm) -> str:
    return str(next(iter(form.errors.values()))[0]) if form.is_bound and form.errors else ""


def _star_words() -> list[tuple[str, str]]:
    return [("5", _("很好吃")), ("4", _("不错")), ("3", _("一般")), ("2", _("不太好")), ("1", _("很差"))]


@access.signed_in
@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, venue_id: UUID | None = None) -> HttpResponse:
    """A complaint or a food-safety report, about a restaurant and perhaps one meal."""
    actor = access.actor_of(request)
    form = ReportForm(request.POST or None)
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            receipt = _send(actor, request, form)
        except Problem as problem:
            error = f"{problem.message}{problem.next_step}"
        else:
            return render(request, "canteen/feedback/thanks.html", {"receipt": receipt, "tab": "wallet"})
    meals = queries.recent_meals(actor.id) if actor.id else []
    context = {
        "form": form,
        "error": error or _first(form),
        "key": request.POST.get("key") or new_key(),
        "venues": [(str(venue_id), name) for venue_id, name in queries.open_venues()],
        "venue_id": request.POST.get("venue_id") or str(venue_id or request.GET.get("venue", "")),
        "meals": meals,
        "use_id": request.POST.get("use_id") or request.GET.get("meal", ""),
        "about": request.POST.get("about") or request.GET.get("about", ""),
        "choices": [
            ("complaint", _("服务、价格、分量不满意"), _("餐厅和工会都会看到")),
            *((str(number), str(words), _("工会马上收到")) for number, words in actions.SEVERITIES.items()),
        ],
    }
    return render(request, "canteen/feedback/report.html", context, status=422 if context["error"] else 200)


def _send(actor: Actor, request: HttpRequest, form: ReportForm) -> actions.FeedbackReceipt:
    given = form.cleaned_data
    if given["about"] == "complaint":
        return actions.complain(
            actor=actor,
            at=now(),
            key=given["key"],
            venue_id=given["venue_id"],
            text=given["text"],
            use_id=given["use_id"],
            photo_id=_stored(actor, request),
        )
    return actions.report_food_safety(
        actor=actor,
        at=now(),
        key=given["key"],
        venue_id=given["venue_id"],
        severity=int(given["about"]),
        text=given["text"],
        use_id=given["use_id"],
        photo_id=_stored(actor, request),
    )


@access.public
@require_GET
def ratings(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """What diners said of a restaurant, for everybody."""
    venue = Venue.objects.select_related("place").filter(pk=venue_id).first()
    if venue is None:
        raise NotFound
    context = {
        "venue": venue,
        "average": queries.averages([venue_id])[venue_id],
        "rows": queries.public_ratings(venue_id),
        "tab": "services",
    }
    return render(request, "canteen/feedback/ratings.html", context)


def _kinds() -> dict[str, tuple[str, str, str]]:
    return {
        "food_safety": (_("食品安全"), "door", "alert"),
        "complaint": (_("投诉"), "amber", "flag"),
        "rating": (_("评价"), "jade", "star"),
    }


@access.needs("canteen.feedback")
@require_GET
def list_(request: HttpRequest) -> HttpResponse:
    at_desk = desk(request, "canteen.feedback")
    kind = request.GET.get("kind", "")
    open_only = request.GET.get("open") == "1"
    words = _kinds()
    found = queries.desk(
        at_desk.organisation_ids,
        kind=kind if kind in words else "",
        venue_id=uuid_of(request.GET.get("venue")),
        answered=False if open_only else None,
    )
    context = {
        "rows": [{"row": row, "word": words[row.kind]} for row in found],
        "here": "canteen:feedback-desk",
        "counts": queries.counts(at_desk.organisation_ids),
        "chips": [
            {"title": _("全部"), "url": "?", "current": not kind and not open_only},
            {"title": _("未答复"), "url": "?open=1", "current": open_only},
            *({"title": word[0], "url": f"?kind={code}", "current": kind == code} for code, word in words.items()),
        ],
    }
    return render(request, "canteen/feedback/list.html", context)


@access.needs("canteen.feedback")
@require_GET
def detail(request: HttpRequest, feedback_id: UUID) -> HttpResponse:
    row = queries.one(feedback_id, access.actor_of(request), now())
    context = {
        "row": row,
        "word": _kinds()[row.kind],
        "severity": actions.SEVERITIES.get(row.severity or 0, ""),
        "key": new_key(),
        "here": "canteen:feedback-desk",
    }
    return render(request, "canteen/feedback/detail.html", context)


@access.needs("canteen.feedback")
@require_POST
def answer(request: HttpRequest, feedback_id: UUID) -> HttpResponse:
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return form_problem(request, form, "canteen:feedback", feedback_id=feedback_id)
    return done(
        request,
        lambda: actions.answer_feedback(
            actor=access.actor_of(request), at=now(), feedback_id=feedback_id, **form.cleaned_data
        ),
        _("答复已发给用餐人。"),
        "canteen:feedback",
        feedback_id=feedback_id,
    )


@access.needs("canteen.feedback")
@require_GET
def photo(request: HttpRequest, feedback_id: UUID) -> FileResponse:
    """The picture of one piece of feedback, for those who may read it."""
    row = queries.one(feedback_id, access.actor_of(request), now())
    kept = StoredFile.objects.filter(pk=row.photo_id, media_type__startswith="image/").first() if row.photo_id else None
    if kept is None:
        raise NotFound
    return FileResponse(path_of(kept.sha256).open("rb"), content_type=kept.media_type)
