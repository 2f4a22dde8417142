"""What may be done when something looks odd: run the watch over a day, close an alert, freeze and release a payout."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.models import Appointment, Organisation
from doorstep.services.canteen.models import Alert, Hold, Venue
from doorstep.services.canteen.queries import watch as counted
from doorstep.services.canteen.rules import watch

MAX_TOLD = 50


class AlreadyHeld(WrongState):
    code = "already_held"
    text = _("这家餐厅的付款已经冻结。")
    remedy = _("请看「监督」里已有的冻结。")


class AlreadyReleased(WrongState):
    code = "already_released"
    text = _("这笔冻结已经解除。")
    remedy = _("请刷新页面看看最新情况。")


@dataclass(frozen=True, slots=True)
class WatchReceipt:
    """``new`` alerts, ``grown`` ones that are still open and now say more, ``known`` ones that stayed as they were."""

    day: date
    new: int
    grown: int
    known: int


@action
def run_watch(*, actor: Actor, at: datetime, day: date) -> WatchReceipt:
    """Judge a day by its thresholds; running it again adds only what is new. For the system and watching officers.

    Raises: NotAllowed, Invalid (a day before the watch began or not yet come).
    """
    access.require_anywhere(actor, "canteen.watch", at)
    try:
        limits = watch.thresholds_on(day)
    except watch.NoThresholds:
        raise Invalid("day", text=_("这一天还没有监督规则。")) from None
    seen = [finding for rule in counted.RULES for finding in rule(day, limits)]
    new, grown = _keep(seen, at)
    if new or grown:
        record(
            actor=actor,
            action="canteen.run_watch",
            subject_kind="day",
            subject_id=None,
            at=at,
            data={"day": day, "new": [alert.fingerprint for alert in new], "grown": grown},
        )
        _tell(new, at)
    return WatchReceipt(day, len(new), grown, len(seen) - len(new) - grown)


@action
def run_watch_once(*, actor: Actor, at: datetime, key: str, day: date) -> WatchReceipt:
    """:func:`run_watch` for the worker, which comes by every minute: the key says which run this is."""
    return run_watch(actor=actor, at=at, day=day)


def _keep(seen: list[counted.Seen], at: datetime) -> tuple[list[Alert], int]:
    """New findings become alerts; one that is still open takes the larger figures; a closed one that went on is new."""
    wanted = {item.finding.fingerprint: item for item in seen}
    earlier: dict[str, list[Alert]] = {}
    kept_rows = Alert.objects.select_for_update().filter(evidence__finding__in=list(wanted)).order_by("pk")
    for alert in kept_rows:
        earlier.setdefault(alert.evidence["finding"], []).append(alert)
    new, grown = [], []
    for fingerprint, item in wanted.items():
        known = earlier.get(fingerprint, [])
        last = known[-1] if known else None
        if last is None:
            new.append(_alert(item, fingerprint, at))
        elif item.finding.figures.get("count", 0) > last.evidence["figures"].get("count", 0):
            if last.state == Alert.State.OPEN:
                fresh = _alert(item, last.fingerprint, at)
                last.explanation, last.severity, last.evidence = fresh.explanation, fresh.severity, fresh.evidence
                grown.append(last)
            else:
                new.append(_alert(item, f"{fingerprint}#{len(known) + 1}", at))
    created = Alert.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
    Alert.objects.bulk_update(grown, ["explanation", "severity", "evidence"], batch_size=500)
    return created, len(grown)


def _alert(item: counted.Seen, fingerprint: str, at: datetime) -> Alert:
    finding = item.finding
    with translation.override("zh-hans"):
        explanation = counted.in_words(finding.rule, finding.figures)
    return Alert(
        id=uuid7(),
        venue_id=item.venue_id,
        device_id=item.device_id,
        person_id=item.person_id,
        rule=finding.rule,
        severity=finding.severity,
        fingerprint=fingerprint,
        explanation=explanation,
        evidence={"finding": finding.fingerprint, "figures": finding.figures, "rows": list(item.rows)},
        at=item.at,
    )


def people_with(capability: str, organisation_id: UUID, at: datetime) -> list[UUID]:
    """Who holds a capability in this organisation or above it, at most 50: those to be told."""
    path = Organisation.objects.values_list("path", flat=True).get(pk=organisation_id)
    held = Appointment.objects.filter(
        organisation_id__in=path, role__in=access.roles_with(capability), valid_from__lte=at
    ).exclude(valid_until__lte=at)
    return list(held.order_by("person_id").values_list("person_id", flat=True).distinct()[:MAX_TOLD])


def _tell(alerts: Iterable[Alert], at: datetime) -> None:
    """Urgent alerts reach the watching officers at once; the rest waits on the desk."""
    urgent = [alert for alert in alerts if alert.severity == watch.URGENT]
    venues = {
        venue.pk: venue for venue in Venue.objects.filter(pk__in=[a.venue_id for a in urgent]).select_related("place")
    }
    for alert in urgent:
        venue = venues.get(alert.venue_id) if alert.venue_id else None
        if venue is None:
            continue
        notify(
            person_ids=people_with("canteen.watch", venue.organisation_id, at),
            template="canteen.alert",
            title=gettext("监督提醒:{venue}").format(venue=venue.place.name),
            body=alert.explanation,
            at=at,
            url=f"/canteen/desk/watch/{alert.pk}",
        )


@dataclass(frozen=True, slots=True)
class AlertReceipt:
    alert_id: UUID
    state: str


@action
def close_alert(*, actor: Actor, at: datetime, key: str, alert_id: UUID, outcome: str, note: str) -> AlertReceipt:
    """Say what an alert was: explained, or confirmed. The note is compulsory.

    Raises: NotFound, NotAllowed, WrongState (closed already), Invalid.
    """
    alert = Alert.objects.select_for_update(of=("self",)).select_related("venue").filter(pk=alert_id).first()
    if alert is None or alert.venue is None:
        raise NotFound
    access.require(actor, "canteen.watch", alert.venue.organisation_id, at)
    if alert.state != Alert.State.OPEN:
        raise WrongState(text=_("这条提醒已经有人处理。"))
    if outcome not in (Alert.State.EXPLAINED, Alert.State.CONFIRMED):
        raise Invalid("outcome", text=_("请选择「已说明」或「属实」。"))
    if not note.strip():
        raise Invalid("note", text=_("请写明查到了什么。"))
    alert.state, alert.closing_note = outcome, note.strip()
    alert.closed_by_id, alert.closed_at = actor.id if actor.kind == "person" else None, at
    alert.save(update_fields=["state", "closing_note", "closed_by", "closed_at"])
    _record(
        actor, "close_alert", "alert", alert.pk, alert.venue.organisation_id, at, {"outcome": outcome, "note": note}
    )
    return AlertReceipt(alert.pk, outcome)


def _record(
    actor: Actor, verb: str, kind: str, subject_id: UUID, organisation_id: UUID, at: datetime, data: dict[str, Any]
) -> None:
    record(
        actor=actor,
        action=f"canteen.{verb}",
        subject_kind=kind,
        subject_id=subject_id,
        organisation_id=organisation_id,
        at=at,
        data=data,
    )


@dataclass(frozen=True, slots=True)
class HoldReceipt:
    hold_id: UUID
    venue_id: UUID


@action
def place_hold(
    *, actor: Actor, at: datetime, key: str, venue_id: UUID, reason: str, alert_id: UUID | None = None
) -> HoldReceipt:
    """Freeze what is paid out to a restaurant. Meals go on, vouchers are taken, statements are prepared and approved.

    Raises: NotFound, NotAllowed, Invalid, AlreadyHeld.
    """
    venue = Venue.objects.select_for_update(of=("self",)).filter(pk=venue_id).first()
    if venue is None:
        raise NotFound
    access.require(actor, "canteen.watch", venue.organisation_id, at)
    if actor.kind == "person" and not access.can(actor, "canteen.watch", _above(venue), at):
        raise NotAllowed
    if not reason.strip():
        raise Invalid("reason", text=_("请写明冻结的原因,餐厅会看到。"))
    if alert_id is not None and not Alert.objects.filter(pk=alert_id, venue=venue).exists():
        raise NotFound
    try:
        with transaction.atomic():
            hold = Hold.objects.create(
                id=uuid7(),
                venue=venue,
                alert_id=alert_id,
                reason=reason.strip(),
                placed_by_id=actor.id if actor.kind == "person" else None,
                placed_at=at,
            )
    except IntegrityError:
        raise AlreadyHeld from None
    data = {"venue_id": venue_id, "reason": reason.strip(), "alert_id": alert_id}
    _record(actor, "place_hold", "hold", hold.pk, venue.organisation_id, at, data)
    _tell_venue(
        venue, gettext("付款暂时冻结"), gettext("原因:{reason}。供餐和核销照常。").format(reason=reason.strip()), at
    )
    return HoldReceipt(hold.pk, venue.pk)


def _above(venue: Venue) -> UUID:
    """The union that called: a restaurant's own people never decide about a hold."""
    return Venue.objects.values_list("call__organisation_id", flat=True).get(pk=venue.pk)


def _tell_venue(venue: Venue, title: str, body: str, at: datetime) -> None:
    notify(
        person_ids=list(
            Appointment.objects.filter(
                organisation_id=venue.organisation_id, role__in=access.roles_with("canteen.venue"), valid_until=None
            )
            .order_by("person_id")
            .values_list("person_id", flat=True)[:MAX_TOLD]
        ),
        template="canteen.hold",
        title=title,
        body=body,
        at=at,
    )


@action
def release_hold(*, actor: Actor, at: datetime, key: str, hold_id: UUID, reason: str) -> HoldReceipt:
    """Let a payout go again; another person than the one who froze it.

    Raises: NotFound, NotAllowed, AlreadyReleased, FourEyes, Invalid.
    """
    hold = Hold.objects.select_for_update(of=("self",)).select_related("venue").filter(pk=hold_id).first()
    if hold is None:
        raise NotFound
    access.require(actor, "canteen.watch", _above(hold.venue), at)
    if hold.released_at is not None:
        raise AlreadyReleased
    if actor.id is not None and actor.id == hold.placed_by_id:
        raise FourEyes(text=_("冻结和解除不能是同一个人。"), remedy=_("请换一位同事来解除。"))
    if not reason.strip():
        raise Invalid("reason", text=_("请写明为什么可以解除。"))
    hold.released_at, hold.release_reason = at, reason.strip()
    hold.released_by_id = actor.id if actor.kind == "person" else None
    hold.save(update_fields=["released_at", "release_reason", "released_by"])
    data = {"venue_id": hold.venue_id, "reason": reason.strip()}
    _record(actor, "release_hold", "hold", hold.pk, hold.venue.organisation_id, at, data)
    _tell_venue(hold.venue, gettext("付款已解除冻结"), gettext("说明:{reason}").format(reason=reason.strip()), at)
    return HoldReceipt(hold.pk, hold.venue_id)
