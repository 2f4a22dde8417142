"""The experience board: members write short tips, a moderator lets them through or not."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import day_bounds, local_day
from doorstep.kernel.common.errors import FourEyes, Invalid, NotFound, NotSignedIn, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.services.union import refusals
from doorstep.services.union.actions.parts import note
from doorstep.services.union.models import Membership, Post
from doorstep.services.union.rules.posts import POSTS_A_DAY, refuse_post


@action
def write_post(*, actor: Actor, at: datetime, key: str, category: str, text: str) -> UUID:
    """A member hands a tip to the moderator of their district.

    Raises: NotSignedIn, MembersOnly, Invalid (category), PostRefused (too short, too long, advertising), TooManyPosts.
    """
    if actor.kind != "person" or actor.id is None:
        raise NotSignedIn
    case = (
        Membership.objects.select_for_update(of=("self",))  # so that two posts at once are counted one after the other
        .select_related("organisation")
        .filter(person_id=actor.id, state=Membership.State.APPROVED)
        .first()
    )
    if case is None:
        raise refusals.MembersOnly
    if category not in Post.Category.values:
        raise Invalid("category", text=_("请选一类。"))
    if refused := refuse_post(text):
        raise refusals.PostRefused("text", code=f"post_{refused}", text=refusals.POST_TEXTS[refused])
    start, stop = day_bounds(local_day(at))
    if Post.objects.filter(author_id=actor.id, written_at__gte=start, written_at__lt=stop).count() >= POSTS_A_DAY:
        raise refusals.TooManyPosts(limit=POSTS_A_DAY)
    post = Post.objects.create(
        id=uuid7(), author_id=actor.id, district_id=case.organisation.path[0], category=category, text=text.strip(),
        written_at=at,
    )  # fmt: skip
    note(actor, "write_post", "post", post.pk, post.district_id, at, category=category)
    return post.pk


@action
def decide_post(*, actor: Actor, at: datetime, key: str, post_id: UUID, shown: bool, reason: str = "") -> str:
    """Let a tip through, or not, with a reason its writer reads; also one that was let through before.

    Raises: NotFound, NotAllowed, FourEyes (one's own), WrongState (nothing would change), Invalid (no reason for a no).
    """
    post = Post.objects.select_for_update(of=("self",)).filter(pk=post_id).first()
    if post is None:
        raise NotFound
    access.require(actor, "union.board", post.district_id, at)
    if post.author_id == actor.id:
        raise FourEyes
    state = Post.State.SHOWN if shown else Post.State.HIDDEN
    if post.state == state:
        raise WrongState
    if not shown and not reason.strip():
        raise Invalid("reason", text=_("不采用请写明原因,作者会看到。"))
    post.state, post.decided_by_id, post.decided_at, post.reason = state, actor.id, at, reason.strip()[:200]
    post.save(update_fields=["state", "decided_by", "decided_at", "reason"])
    note(actor, "decide_post", "post", post.pk, post.district_id, at, shown=shown, reason=post.reason)
    return str(state)
