"""What diners may say (rate a meal, complain, report unsafe food) and how they are answered."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Conflict, Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.files.models import StoredFile
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.notices.models import Notice
from doorstep.services.canteen.actions.watching import people_with
from doorstep.services.canteen.models import Feedback, Venue

RATING_DAYS = 30
MAX_TEXT = 1000
SEVERITIES = {1: _("饭菜有问题(异物、变质)"), 2: _("有人吃完不舒服"), 3: _("多人不舒服,或已就医")}


class AlreadyRated(Conflict):
    code = "already_rated"
    text = _("这一餐您已经评过了。")
    remedy = _("还想补充的,可以写投诉或建议。")


class RatingTooLate(Conflict):
    code = "rating_too_late"
    text = _("超过 {days} 天的用餐不能再评分。")
    remedy = _("有问题仍然可以投诉或反映食品安全。")


class AlreadyAnswered(WrongState):
    code = "already_answered"
    text = _("这条反馈已经答复过。")
    remedy = _("请刷新页面看看答复。")


class UnionAnswers(NotAllowed):
    """A restaurant does not close a report about its own food."""

    code = "union_answers"
    text = _("食品安全反映由工会答复,餐厅不能自己结案。")
    remedy = _("请把情况告诉工会经办人员。")


@dataclass(frozen=True, slots=True)
class FeedbackReceipt:
    feedback_id: UUID
    venue_id: UUID
    kind: str


@action
def rate_meal(
    *, actor: Actor, at: datetime, key: str, use_id: UUID, stars: int, text: str = "", photo_id: UUID | None = None
) -> FeedbackReceipt:
    """Give one's own meal one to five stars, once, within 30 days.

    Raises: NotFound (not one's own, or reversed), Invalid, RatingTooLate, AlreadyRated.
    """
    use = _own_use(actor, use_id)
    if not 1 <= stars <= 5:
        raise Invalid("stars", text=_("请选择 1 到 5 颗星。"))
    if at - use.at > timedelta(days=RATING_DAYS):
        raise RatingTooLate(days=RATING_DAYS)
    venue = Venue.objects.get(place_id=use.place_id)
    try:
        with transaction.atomic():
            feedback = _create(actor, at, venue, Feedback.Kind.RATING, text, photo_id, use=use, stars=stars)
    except IntegrityError as error:
        if "canteen_one_rating_a_meal" not in str(error):
            raise
        raise AlreadyRated from None
    return _recorded(actor, at, feedback, venue, "rate_meal", {"use_id": use_id, "stars": stars})


def _own_use(actor: Actor, use_id: UUID) -> Use:
    """Raises: NotAllowed (nobody eats for a device), NotFound."""
    if actor.kind != "person" or actor.id is None:
        raise NotAllowed
    own = Use.objects.filter(pk=use_id, person_id=actor.id, reversed_at=None, place__canteen_venue__isnull=False)
    use = own.first()
    if use is None:
        raise NotFound(text=_("没有找到您的这一餐。"), remedy=_("请从卡包的用餐记录里打开。"))
    return use


def _create(
    actor: Actor, at: datetime, venue: Venue, kind: str, text: str, photo_id: UUID | None, **more: Any
) -> Feedback:
    if actor.kind != "person" or actor.id is None:
        raise NotAllowed
    if len(text) > MAX_TEXT:
        raise Invalid("text", text=_("最多写 1000 个字。"))
    if (
        photo_id is not None
        and not StoredFile.objects.filter(pk=photo_id, stored_by_id=actor.id, media_type__startswith="image/").exists()
    ):
        raise Invalid("photo", text=_("照片应为 JPG、PNG 或 WebP。"))
    return Feedback.objects.create(
        id=uuid7(),
        kind=kind,
        venue=venue,
        person_id=actor.id,
        text=text.strip(),
        photo_id=photo_id,
        given_at=at,
        **more,
    )


def _recorded(
    actor: Actor, at: datetime, feedback: Feedback, venue: Venue, verb: str, data: dict[str, Any]
) -> FeedbackReceipt:
    record(
        actor=actor,
        action=f"canteen.{verb}",
        subject_kind="feedback",
        subject_id=feedback.pk,
        organisation_id=venue.organisation_id,
        at=at,
        data={"venue_id": venue.pk, **data},
    )
    return FeedbackReceipt(feedback.pk, venue.pk, str(feedback.kind))


def _venue(venue_id: UUID) -> Venue:
    venue = Venue.objects.select_related("place", "call").filter(pk=venue_id).first()
    if venue is None:
        raise NotFound
    return venue


@action
def complain(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    text: str,
    use_id: UUID | None = None,
    photo_id: UUID | None = None,
) -> FeedbackReceipt:
    """Complain about a restaurant; a meal may be named. Restaurant and union see it. Raises: NotFound, Invalid."""
    venue = _venue(venue_id)
    if not text.strip():
        raise Invalid("text", text=_("请写一写发生了什么。"))
    use = _own_use(actor, use_id) if use_id else None
    feedback = _create(actor, at, venue, Feedback.Kind.COMPLAINT, text, photo_id, use=use)
    notify(
        person_ids=people_with("canteen.feedback", venue.organisation_id, at),
        template="canteen.complaint",
        title=gettext("新的投诉:{venue}").format(venue=venue.place.name),
        body=text.strip()[:200],
        at=at,
        url=f"/canteen/desk/feedback/{feedback.pk}",
    )
    return _recorded(actor, at, feedback, venue, "complain", {"use_id": use_id})


@action
def report_food_safety(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    severity: int,
    text: str,
    use_id: UUID | None = None,
    photo_id: UUID | None = None,
) -> FeedbackReceipt:
    """Report unsafe food: on top of the desk, and the union's officers are told at once, by text message too.

    Raises: NotFound, Invalid.
    """
    venue = _venue(venue_id)
    if severity not in SEVERITIES:
        raise Invalid("severity", text=_("请选择情况有多严重。"))
    if not text.strip():
        raise Invalid("text", text=_("请写一写吃了什么、哪里不对。"))
    use = _own_use(actor, use_id) if use_id else None
    feedback = _create(actor, at, venue, Feedback.Kind.FOOD_SAFETY, text, photo_id, use=use, severity=severity)
    notify(
        person_ids=people_with("canteen.feedback", venue.call.organisation_id, at),
        template="canteen.food_safety",
        title=gettext("食品安全反映:{venue}").format(venue=venue.place.name),
        body=gettext("{severity}。{text}").format(severity=SEVERITIES[severity], text=text.strip()[:200]),
        at=at,
        url=f"/canteen/desk/feedback/{feedback.pk}",
        channels=(Notice.Channel.IN_APP, Notice.Channel.SMS),
    )
    return _recorded(actor, at, feedback, venue, "report_food_safety", {"use_id": use_id, "severity": severity})


@action
def answer_feedback(*, actor: Actor, at: datetime, key: str, feedback_id: UUID, answer: str) -> FeedbackReceipt:
    """The restaurant or the union answers; about unsafe food only the union. The diner is told.

    Raises: NotFound, NotAllowed, UnionAnswers, AlreadyAnswered, Invalid.
    """
    feedback = (
        Feedback.objects.select_for_update(of=("self",))
        .select_related("venue__place", "venue__call")
        .filter(pk=feedback_id)
        .first()
    )
    if feedback is None:
        raise NotFound
    venue = feedback.venue
    access.require(actor, "canteen.feedback", venue.organisation_id, at)
    if feedback.kind == Feedback.Kind.FOOD_SAFETY and not access.can(
        actor, "canteen.feedback", venue.call.organisation_id, at
    ):
        raise UnionAnswers
    if feedback.answered_at is not None:
        raise AlreadyAnswered
    if not answer.strip():
        raise Invalid("answer", text=_("请写答复。"))
    if len(answer) > MAX_TEXT:
        raise Invalid("answer", text=_("最多写 1000 个字。"))
    feedback.answer, feedback.answered_at = answer.strip(), at
    feedback.answered_by_id = actor.id if actor.kind == "person" else None
    feedback.save(update_fields=["answer", "answered_at", "answered_by"])
    notify(
        person_ids=[feedback.person_id],
        template="canteen.feedback_answered",
        title=gettext("{venue} 的反馈有答复了").format(venue=venue.place.name),
        body=answer.strip()[:200],
        at=at,
    )
    return _recorded(actor, at, feedback, venue, "answer_feedback", {"answer": answer.strip()})
