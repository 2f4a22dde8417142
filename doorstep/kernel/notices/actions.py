"""Telling people things: put into the outbox with the fact, delivered by the worker, read in the app."""

from datetime import datetime, timedelta
from uuid import UUID

from django.core.mail import send_mail
from django.db import transaction
from django.utils.translation import gettext as _

from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.notices.sms import SmsFailed, send_sms

QUIET_FROM_HOUR, QUIET_UNTIL_HOUR = 22, 7
MAX_ATTEMPTS = 5


def after_quiet_hours(at: datetime) -> datetime:
    """No text message between 22:00 and 7:00: the next morning at seven instead."""
    wall = local(at)
    if QUIET_UNTIL_HOUR <= wall.hour < QUIET_FROM_HOUR:
        return at
    morning = wall.replace(hour=QUIET_UNTIL_HOUR, minute=0, second=0, microsecond=0)
    return morning if wall.hour < QUIET_UNTIL_HOUR else morning + timedelta(days=1)


def notify(
    *,
    person_ids: list[UUID],
    template: str,
    title: str,
    body: str,
    at: datetime,
    url: str = "",
    channels: tuple[str, ...] = (Notice.Channel.IN_APP,),
) -> int:
    """Put a message for each person and channel into the outbox, in the caller's transaction; returns how many."""
    rows = [
        Notice(
            id=uuid7(),
            person_id=person_id,
            channel=channel,
            template=template,
            title=title,
            body=body,
            url=url,
            not_before=after_quiet_hours(at) if channel == Notice.Channel.SMS else at,
            state=Notice.State.SENT if channel == Notice.Channel.IN_APP else Notice.State.WAITING,
            sent_at=at if channel == Notice.Channel.IN_APP else None,
            created_at=at,
        )
        for person_id in person_ids
        for channel in channels
    ]
    Notice.objects.bulk_create(rows, batch_size=2000)
    return len(rows)


def deliver_waiting(*, at: datetime, limit: int = 100) -> int:
    """Send what is due, oldest first; returns how many were sent. Two workers at once take different rows."""
    sent = 0
    for _round in range(limit):
        with transaction.atomic():
            notice = (
                Notice.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("person")
                .filter(state=Notice.State.WAITING, not_before__lte=at)
                .order_by("not_before", "pk")
                .first()
            )
            if notice is None:
                break
            sent += _deliver(notice, at)
    return sent


def _deliver(notice: Notice, at: datetime) -> int:
    notice.attempts += 1
    try:
        if notice.channel == Notice.Channel.SMS:
            if notice.person.phone is None:
                raise SmsFailed(_("没有手机号"))
            send_sms(notice.person.phone.reveal(), notice.body)
        else:
            if not notice.person.email:
                raise SmsFailed(_("没有邮箱"))
            send_mail(notice.title, notice.body, None, [notice.person.email])
    except (SmsFailed, OSError) as error:
        notice.error = str(error)
        if notice.attempts >= MAX_ATTEMPTS:
            notice.state = Notice.State.FAILED
        notice.not_before = at + timedelta(minutes=2**notice.attempts)
        notice.save(update_fields=["attempts", "error", "state", "not_before"])
        return 0
    notice.state, notice.sent_at, notice.error = Notice.State.SENT, at, ""
    notice.save(update_fields=["attempts", "error", "state", "sent_at"])
    return 1


@action
def mark_read(*, actor: Actor, at: datetime, notice_id: UUID) -> bool:
    """The person has seen a message; only their own."""
    if actor.id is None:
        return False
    return bool(Notice.objects.filter(pk=notice_id, person_id=actor.id, read_at=None).update(read_at=at))
