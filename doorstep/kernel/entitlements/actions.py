"""What may be done with entitlements: promise (terms), grant, claim, void, expire, reverse.

Using one is decided by each service's own rules and recorded through :mod:`recording`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotFound, TooMany
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements import errors
from doorstep.kernel.entitlements.models import Entitlement, Grant, Terms, TermsVersion, Use
from doorstep.kernel.ledger.actions import NewTransfer, post
from doorstep.kernel.people.models import Standing

MAX_GRANT = 20_000


@dataclass(frozen=True, slots=True)
class GrantReceipt:
    """``granted`` new entitlements; ``skipped`` people who already had theirs from this grant."""

    grant_id: UUID
    granted: int
    skipped: int
    reserved_fen: int


def terms_in_force(terms_id: UUID, at: datetime) -> TermsVersion | None:
    """The version of the terms that judges a use at this instant."""
    return TermsVersion.objects.filter(terms_id=terms_id, effective_from__lte=at).order_by("-effective_from").first()


def eligible(person_ids: Sequence[UUID], standings: Sequence[str], at: datetime) -> set[UUID]:
    """Which of these people hold one of the standings now; with no standings asked for, all of them."""
    if not standings:
        return set(person_ids)
    held = Standing.objects.valid(at).filter(person_id__in=person_ids, kind__in=standings)
    return set(held.values_list("person_id", flat=True))


def _reserve(terms: Terms, amount_fen: int, grant_id: UUID, at: datetime) -> None:
    if amount_fen:
        post([NewTransfer(terms.budget_id, terms.reserved_id, amount_fen, "entitlement.grant", "grant", grant_id, at)])


def _release(terms: Terms, amount_fen: int, code: str, kind: str, subject_id: UUID, at: datetime) -> None:
    if amount_fen:
        post([NewTransfer(terms.reserved_id, terms.budget_id, amount_fen, code, kind, subject_id, at)])


def _check_period(valid_from: datetime, valid_until: datetime, units: int) -> None:
    if valid_until <= valid_from:
        raise Invalid("valid_until", text=_("有效期的结束要晚于开始。"))
    if not 1 <= units <= 1000:
        raise Invalid("units", text=_("次数应在 1 到 1000 之间。"))


def grant_to(
    *,
    actor: Actor,
    at: datetime,
    terms: Terms,
    person_ids: Sequence[UUID],
    valid_from: datetime,
    valid_until: datetime,
    source: str,
    title: str = "",
    units: int = 1,
    each: int = 1,
) -> GrantReceipt:
    """Give each of these people ``each`` entitlements and reserve the budget for them. Inside the caller's transaction.

    Raises: NotEnoughMoney (nobody gets anything), TooMany, Invalid.
    """
    _check_period(valid_from, valid_until, units)
    people = list(dict.fromkeys(person_ids))
    if len(people) * each > MAX_GRANT:
        raise TooMany(limit=MAX_GRANT)
    if not people:
        raise Invalid("persons", text=_("没有符合条件的人,一张也没有发。"))
    version = terms_in_force(terms.pk, max(at, valid_from))
    if version is None:
        raise NotFound(text=_("这种券还没有生效的规则。"))
    grant = Grant.objects.create(
        id=uuid7(),
        terms=terms,
        source=source,
        title=title,
        offered=len(people) * each,
        taken=len(people) * each,
        unit_fen=version.payer_share_fen,
        units=units,
        valid_from=valid_from,
        valid_until=valid_until,
        opens_at=at,
        closed_at=at,
        made_by_id=actor.id if actor.kind == "person" else None,
        at=at,
    )
    reserved = version.payer_share_fen * units * len(people) * each
    _reserve(terms, reserved, grant.pk, at)
    Entitlement.objects.bulk_create(
        [
            _entitlement(grant, person_id, ordinal, version.payer_share_fen, at)
            for person_id in people
            for ordinal in range(each)
        ],
        batch_size=2000,
    )
    record(
        actor=actor,
        action="entitlements.grant",
        subject_kind="grant",
        subject_id=grant.pk,
        organisation_id=terms.payer_id,
        at=at,
        data={"terms": terms.code, "source": source, "count": len(people) * each, "reserved_fen": reserved},
    )
    return GrantReceipt(grant.pk, len(people) * each, 0, reserved)


def _entitlement(grant: Grant, person_id: UUID, ordinal: int, unit_fen: int, at: datetime) -> Entitlement:
    return Entitlement(
        id=uuid7(),
        terms_id=grant.terms_id,
        grant=grant,
        person_id=person_id,
        ordinal=ordinal,
        units=grant.units,
        unit_fen=unit_fen,
        valid_from=grant.valid_from,
        valid_until=grant.valid_until,
        granted_at=at,
    )


def offer(
    *,
    actor: Actor,
    at: datetime,
    terms: Terms,
    quota: int,
    opens_at: datetime,
    closes_at: datetime,
    valid_from: datetime,
    valid_until: datetime,
    title: str = "",
    units: int = 1,
) -> GrantReceipt:
    """Open ``quota`` entitlements for claiming; the budget for all of them is reserved now. Inside the caller's transaction.

    Raises: NotEnoughMoney, Invalid, TooMany.
    """
    _check_period(valid_from, valid_until, units)
    if closes_at <= opens_at:
        raise Invalid("closes_at", text=_("领取的结束时间要晚于开始时间。"))
    if quota < 1:
        raise Invalid("quota", text=_("数量至少是 1。"))
    if quota > MAX_GRANT:
        raise TooMany(limit=MAX_GRANT)
    version = terms_in_force(terms.pk, max(at, valid_from))
    if version is None:
        raise NotFound(text=_("这种券还没有生效的规则。"))
    grant = Grant.objects.create(
        id=uuid7(),
        terms=terms,
        source=Grant.Source.CLAIM,
        title=title,
        offered=quota,
        taken=0,
        unit_fen=version.payer_share_fen,
        units=units,
        valid_from=valid_from,
        valid_until=valid_until,
        opens_at=opens_at,
        closes_at=closes_at,
        made_by_id=actor.id if actor.kind == "person" else None,
        at=at,
    )
    reserved = version.payer_share_fen * units * quota
    _reserve(terms, reserved, grant.pk, at)
    record(
        actor=actor,
        action="entitlements.offer",
        subject_kind="grant",
        subject_id=grant.pk,
        organisation_id=terms.payer_id,
        at=at,
        data={"terms": terms.code, "quota": quota, "reserved_fen": reserved},
    )
    return GrantReceipt(grant.pk, 0, 0, reserved)


@dataclass(frozen=True, slots=True)
class ClaimReceipt:
    entitlement_id: UUID
    grant_id: UUID
    title: str
    valid_from: datetime
    valid_until: datetime


@action
def claim(*, actor: Actor, at: datetime, key: str, grant_id: UUID) -> ClaimReceipt:
    """Take one of an offer's entitlements, first come first served.

    Raises: NotFound, ClaimNotOpen, NotEligible, AlreadyClaimed, QuotaGone.
    """
    if actor.kind != "person" or actor.id is None:
        raise errors.NotEligible
    grant = Grant.objects.select_related("terms").filter(pk=grant_id, source=Grant.Source.CLAIM).first()
    if grant is None:
        raise NotFound
    if grant.closed_at is not None or not grant.opens_at <= at < (grant.closes_at or grant.valid_until):
        raise errors.ClaimNotOpen
    version = terms_in_force(grant.terms_id, max(at, grant.valid_from))
    if version is None or not eligible([actor.id], version.standings, at):
        raise errors.NotEligible
    if Entitlement.objects.filter(grant_id=grant_id, person_id=actor.id).exists():
        raise errors.AlreadyClaimed
    take_from_quota(grant_id)
    entitlement = _entitlement(grant, actor.id, 0, grant.unit_fen, at)
    # Two claims of one person at once: the unique (grant, person, ordinal) lets one through, the other rolls back.
    created = Entitlement.objects.bulk_create([entitlement], ignore_conflicts=True)
    if not created or not Entitlement.objects.filter(pk=entitlement.pk).exists():
        raise errors.AlreadyClaimed
    record(
        actor=actor,
        action="entitlements.claim",
        subject_kind="entitlement",
        subject_id=entitlement.pk,
        organisation_id=grant.terms.payer_id,
        at=at,
        data={"grant_id": grant_id},
    )
    return ClaimReceipt(entitlement.pk, grant_id, grant.title or grant.terms.title, grant.valid_from, grant.valid_until)


def take_from_quota(grant_id: UUID) -> None:
    """One conditional update: the last place goes to one claimer, whoever else asks. Raises: QuotaGone."""
    if not Grant.objects.filter(pk=grant_id, taken__lt=F("offered"), closed_at=None).update(taken=F("taken") + 1):
        raise errors.QuotaGone


def close_offer(*, actor: Actor, at: datetime, grant_id: UUID) -> int:
    """End an offer and give back the budget of what nobody claimed; returns the number released.

    Raises: NotFound. Closing a closed offer changes nothing.
    """
    grant = Grant.objects.select_for_update().select_related("terms").filter(pk=grant_id).first()
    if grant is None:
        raise NotFound
    if grant.closed_at is not None:
        return 0
    left = grant.offered - grant.taken
    grant.closed_at = at
    grant.save(update_fields=["closed_at"])
    _release(grant.terms, left * grant.units * grant.unit_fen, "entitlement.offer_closed", "grant", grant.pk, at)
    record(
        actor=actor,
        action="entitlements.close_offer",
        subject_kind="grant",
        subject_id=grant.pk,
        organisation_id=grant.terms.payer_id,
        at=at,
        data={"released": left},
    )
    return left


def void_entitlement(*, actor: Actor, at: datetime, entitlement_id: UUID, reason: str) -> int:
    """Take an unused right back and release its budget; returns the fen released. Inside the caller's transaction.

    Raises: NotFound, Voided, Expired, AlreadyUsed (nothing left), Invalid (no reason).
    """
    if not reason.strip():
        raise Invalid("reason", text=_("请写明作废的原因。"))
    entitlement = (
        Entitlement.objects.select_for_update(of=("self",)).select_related("terms").filter(pk=entitlement_id).first()
    )
    if entitlement is None:
        raise NotFound
    if entitlement.state == Entitlement.State.VOID:
        raise errors.Voided
    if entitlement.state == Entitlement.State.EXPIRED:
        raise errors.Expired
    if entitlement.used >= entitlement.units:
        raise errors.AlreadyUsed
    released = (entitlement.units - entitlement.used) * entitlement.unit_fen
    entitlement.state, entitlement.closed_at = Entitlement.State.VOID, at
    entitlement.closed_reason = reason.strip()
    entitlement.save(update_fields=["state", "closed_at", "closed_reason"])
    _release(entitlement.terms, released, "entitlement.void", "entitlement", entitlement.pk, at)
    record(
        actor=actor,
        action="entitlements.void",
        subject_kind="entitlement",
        subject_id=entitlement.pk,
        organisation_id=entitlement.terms.payer_id,
        at=at,
        data={"reason": reason.strip(), "released_fen": released},
    )
    return released


_EXPIRE = """
WITH due AS (
  SELECT id FROM entitlements_entitlement
  WHERE state = 'open' AND valid_until <= %(before)s AND used < units ORDER BY valid_until, id LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
)
UPDATE entitlements_entitlement e SET state = 'expired', closed_at = e.valid_until FROM due WHERE e.id = due.id
RETURNING e.terms_id, (e.units - e.used) * e.unit_fen
"""

# Tills may synchronise what they served without network for this long after a right's last moment.
OFFLINE_GRACE = timedelta(hours=4)


@action
def expire_entitlements(*, actor: Actor, at: datetime, limit: int = 5000) -> int:
    """Close rights whose time is over (and whose offline grace too) and give their budget back; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRE, {"before": at - OFFLINE_GRACE, "limit": limit})
        rows = cursor.fetchall()
    released: dict[UUID, int] = {}
    for terms_id, amount in rows:
        released[terms_id] = released.get(terms_id, 0) + amount
    for terms in Terms.objects.filter(pk__in=released).order_by("pk"):
        _release(terms, released[terms.pk], "entitlement.expired", "terms", terms.pk, at)
        record(
            actor=actor,
            action="entitlements.expire",
            subject_kind="terms",
            subject_id=terms.pk,
            organisation_id=terms.payer_id,
            at=at,
            data={"released_fen": released[terms.pk]},
        )
    return len(rows)


@dataclass(frozen=True, slots=True)
class ReversalReceipt:
    use_id: UUID
    entitlement_id: UUID
    payer_fen: int
    person_fen: int
    reversed_at: datetime


def reverse_use(
    *,
    actor: Actor,
    at: datetime,
    use_id: UUID,
    reason: str,
    within: timedelta | None,
    organisation_id: UUID,
) -> ReversalReceipt:
    """Undo a use with compensating entries: the unit is back, the slot is free, the money is where it was.

    ``within`` is how long after the use this is allowed (None: without limit). Inside the caller's transaction.

    Raises: NotFound, ReversalTooLate, AlreadyReversed, AlreadySettled, Invalid (no reason).
    """
    if not reason.strip():
        raise Invalid("reason", text=_("请选择撤销的原因。"))
    use = Use.objects.select_for_update(of=("self",)).filter(pk=use_id).first()
    if use is None:
        raise NotFound
    if use.reversed_at is not None:
        raise errors.AlreadyReversed
    if within is not None and at - use.at > within:
        raise errors.ReversalTooLate(minutes=int(within.total_seconds() // 60))
    if hasattr(use, "settled"):
        raise errors.AlreadySettled
    Use.objects.filter(pk=use_id).update(
        reversed_at=at,
        reversed_by_kind=actor.kind,
        reversed_by_id=actor.id,
        reversal_reason=reason.strip(),
        slot=None,
        quota_slot=None,
    )
    entitlement = Entitlement.objects.select_for_update(of=("self",)).select_related("terms").get(pk=use.entitlement_id)
    Entitlement.objects.filter(pk=entitlement.pk).update(used=F("used") - 1)
    post(_compensation(use, at))
    if entitlement.state != Entitlement.State.OPEN:  # its time is over: the unit cannot come back, the budget does
        _release(entitlement.terms, entitlement.unit_fen, "entitlement.expired", "entitlement", entitlement.pk, at)
    record(
        actor=actor,
        action="entitlements.reverse_use",
        subject_kind="use",
        subject_id=use_id,
        organisation_id=organisation_id,
        at=at,
        data={"reason": reason.strip(), "payer_fen": use.payer_fen, "person_fen": use.person_fen},
    )
    return ReversalReceipt(use_id, use.entitlement_id, use.payer_fen, use.person_fen, at)


def _compensation(use: Use, at: datetime) -> list[NewTransfer]:
    """The use's own transfers with their sides exchanged."""
    from doorstep.kernel.ledger.models import Transfer

    return [
        NewTransfer(t.credit_id, t.debit_id, t.amount_fen, "entitlement.reversal", "use", use.pk, at)
        for t in Transfer.objects.filter(subject_kind="use", subject_id=use.pk, code__startswith="entitlement.")
        if t.code != "entitlement.reversal"
    ]


def set_terms(
    *,
    actor: Actor,
    at: datetime,
    terms: Terms,
    effective_from: datetime,
    list_price_fen: int,
    payer_share_fen: int,
    windows: Sequence[Mapping[str, Any]],
    limits: Mapping[str, int],
    standings: Sequence[str],
    place_ids: Sequence[UUID],
) -> TermsVersion:
    """Add a version of the terms that takes effect from a moment, never in the past of a use. Inside the transaction.

    Raises: Invalid (shares, or a moment before the newest version or before an existing use).
    """
    if not 0 <= payer_share_fen <= list_price_fen:
        raise Invalid("payer_share_fen", text=_("工会承担的部分应在 0 和定价之间。"))
    newest = TermsVersion.objects.filter(terms=terms).order_by("-effective_from").first()
    if newest is not None and effective_from <= newest.effective_from:
        raise Invalid("effective_from", text=_("新规则的生效时间要晚于现行规则。"))
    if newest is not None and newest.payer_share_fen != payer_share_fen and Grant.objects.filter(terms=terms).exists():
        # A right keeps what it promised: four off stays four off. Another share is another kind of right.
        raise Invalid("payer_share_fen", text=_("已经发过券,减免金额不能改。请新建一种券。"))
    if Use.objects.filter(terms_version__terms=terms, at__gte=effective_from).exists():
        raise Invalid("effective_from", text=_("这个时间之后已经有核销,规则不能追溯。"))
    version = TermsVersion.objects.create(
        id=uuid7(),
        terms=terms,
        effective_from=effective_from,
        list_price_fen=list_price_fen,
        payer_share_fen=payer_share_fen,
        person_share_fen=list_price_fen - payer_share_fen,
        windows=list(windows),
        limits=dict(limits),
        standings=list(standings),
        place_ids=list(place_ids),
        made_by_id=actor.id if actor.kind == "person" else None,
    )
    record(
        actor=actor,
        action="entitlements.set_terms",
        subject_kind="terms",
        subject_id=terms.pk,
        organisation_id=terms.payer_id,
        at=at,
        data={
            "effective_from": effective_from,
            "list_price_fen": list_price_fen,
            "payer_share_fen": payer_share_fen,
            "windows": list(windows),
            "limits": dict(limits),
            "standings": list(standings),
            "place_ids": list(place_ids),
        },
    )
    return version
