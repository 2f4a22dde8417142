"""The experience board: to read, to write on, to moderate."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotAllowed, NotFound, Problem
from doorstep.kernel.common.forms import attempt, new_key
from doorstep.services.union.actions import board as actions
from doorstep.services.union.forms.members import PostForm
from doorstep.services.union.models import Membership, Post
from doorstep.services.union.pages.shared import FORM, answer, mine, page_number, say, uuid_or_none
from doorstep.services.union.queries import board as queries
from doorstep.services.union.queries.members import membership_of

ICONS = {"route": "map-pin", "gate": "key", "skill": "star", "emergency": "alert"}
TONES = {"route": "indigo", "gate": "amber", "skill": "jade", "emergency": "door"}


def _tiles(posts: list[Post]) -> list[dict[str, object]]:
    return [{"post": one, "icon": ICONS[one.category], "tone": TONES[one.category]} for one in posts]


@access.public
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """What others found out, by district and category; one's own district first."""
    page, category = page_number(request), request.GET.get("category", "")
    case = membership_of(request.user.pk) if request.user.is_authenticated else None
    district = uuid_or_none(request.GET.get("district", ""))
    if district is None and "district" not in request.GET and case is not None:
        district = case.organisation.path[0]
    posts, more = queries.posts(district_id=district, category=category, page=page)
    place = f"&district={district}" if district else "&district="
    context = {
        "tiles": _tiles(posts), "more": more, "page": page, "category": category, "district": district,
        "districts": queries.districts(), "member": case is not None and case.state == Membership.State.APPROVED,
        "chips": [{"title": _("全部"), "url": f"?category={place}", "current": not category}] + [
            {"title": title, "url": f"?category={value}{place}", "current": value == category}
            for value, title in Post.Category.choices
        ],
        "own": queries.own(request.user.pk) if request.user.is_authenticated else [],
    }  # fmt: skip
    return render(request, "union/board/board.html", context)


@access.signed_in
@require_http_methods(FORM)
def write(request: HttpRequest) -> HttpResponse:
    """Write a tip."""
    form = PostForm(request.POST or None, initial={"category": request.GET.get("category", "route")})
    if request.method == "POST" and form.is_valid():
        post_id = attempt(
            form, lambda: actions.write_post(actor=access.actor_of(request), at=now(), **form.cleaned_data)
        )  # fmt: skip
        if post_id is not None:
            messages.success(request, _("谢谢!审核过就能看到。"))
            return redirect("union:board")
    return answer(request, "union/board/write.html", {"form": form}, form)


@access.needs("union.board")
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """What waits for the moderator, what is shown, what was not taken."""
    actor, at, page = access.actor_of(request), now(), page_number(request)
    scope = mine(actor, "union.board", at)
    state = request.GET.get("state", Post.State.WAITING)
    if state not in Post.State.values:
        raise NotFound
    posts, more = queries.posts(state=state, within=scope, page=page)
    counts = queries.waiting(scope)
    context = {
        "nav": "union:board-desk", "tiles": _tiles(posts), "more": more, "page": page, "state": state,
        "key": new_key(), "me": actor.id,
        "chips": [
            {"title": title, "url": f"?state={value}", "count": counts.get(value, 0), "current": value == state}
            for value, title in Post.State.choices
        ],
    }  # fmt: skip
    return render(request, "union/board/desk.html", context)


@access.needs("union.board")
@require_POST
def decide(request: HttpRequest, post_id: UUID) -> HttpResponseBase:
    """Let a tip through, or not."""
    try:
        actions.decide_post(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), post_id=post_id,
            shown=request.POST.get("wish") == "show", reason=request.POST.get("reason", ""),
        )  # fmt: skip
    except NotAllowed:
        raise
    except Problem as problem:
        say(request, problem)
    else:
        messages.success(request, _("办好了。"))
    return redirect("union:board-desk")
