"""What a till asks: what to keep for working without network, and what happened at its counter today."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q

from doorstep.kernel.common.access import DevicePrincipal
from doorstep.kernel.common.clock import local, local_day
from doorstep.kernel.entitlements.models import Refusal, TermsVersion, Use
from doorstep.kernel.passes.codes import PassKind, public_keys_json
from doorstep.kernel.passes.models import Revocation
from doorstep.kernel.places.hours import open_periods
from doorstep.kernel.places.queries import calendar_overrides
from doorstep.services.canteen.actions.syncing import exposure_today
from doorstep.services.canteen.models import Venue, VoucherKind
from doorstep.services.canteen.refusals import REFUSALS
from doorstep.services.canteen.rules.printed import venue_group
from doorstep.services.canteen.rules.redemption import OFFLINE_HOURS, PAPERS_NEEDED

MAX_KINDS = 20
MAX_ROWS = 100
MAX_REFUSALS = 20
MAX_KEPT = 1000  # revocations and used vouchers a till is given
PRINTED_DAYS = 2  # a printed code lives for its day; a revocation older than this can meet no living code


@dataclass(frozen=True, slots=True)
class KindTerms:
    """What one kind of voucher is worth here, so that a till without network can say what to collect."""

    id: UUID
    kind: str
    name: str
    list_price_fen: int
    union_fen: int
    worker_fen: int
    printed_scope: str
    windows: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class TillConfig:
    """Everything a till keeps for the next four hours. ``refusal`` says why this venue may not serve at all.

    ``public_key`` is the one we know for this till: it must sign with the private key that belongs to it.
    """

    device_id: UUID
    device: str
    place: str
    server_time: datetime
    valid_until: datetime
    public_key: str
    refusal: str
    kinds: list[KindTerms]
    open_periods: list[tuple[datetime, datetime]]
    exposure_cap_fen: int
    exposure_used_fen: int
    keys: dict[str, str]
    revocations: list[dict[str, Any]]
    used_today: list[UUID]


def till_config(device: DevicePrincipal, at: datetime) -> TillConfig:
    """What this till may do offline until ``valid_until``; a fixed number of statements."""
    day = local_day(at)
    venue = Venue.objects.select_related("place").filter(place_id=device.place_id).first()
    kinds = _kinds(device.place_id, at, day)
    return TillConfig(
        device_id=device.id,
        device=device.name,
        place=venue.place.name if venue else "",
        server_time=at,
        valid_until=at + timedelta(hours=OFFLINE_HOURS),
        public_key=base64.b64encode(device.public_key or b"").decode(),
        refusal=_refusal(venue, day),
        kinds=[terms for terms, _cap in kinds],
        open_periods=_periods(venue, day),
        # Several programmes may serve one venue: the till keeps to the smallest declaration among them.
        exposure_cap_fen=min((cap for _terms, cap in kinds), default=0),
        exposure_used_fen=exposure_today(device.id, day),
        keys=public_keys_json(),
        revocations=_revocations(at),
        used_today=_used_today(device.place_id, day),
    )


def _kinds(place_id: UUID, at: datetime, day: date) -> list[tuple[KindTerms, int]]:
    programme = Q(programme__ends_on=None) | Q(programme__ends_on__gte=day)
    found = list(
        VoucherKind.objects.filter(programme, programme__starts_on__lte=day)
        .select_related("programme")
        .order_by("-programme__starts_on", "pk")[:MAX_KINDS]
    )
    versions = TermsVersion.objects.filter(terms_id__in=[kind.terms_id for kind in found], effective_from__lte=at)
    latest = {version.terms_id: version for version in versions.order_by("terms_id", "effective_from")}
    rows = []
    for kind in found:
        version = latest.get(kind.terms_id)
        if version is None or (version.place_ids and place_id not in version.place_ids):
            continue
        terms = KindTerms(
            id=kind.pk,
            kind=kind.kind,
            name=kind.name,
            list_price_fen=version.list_price_fen,
            union_fen=version.payer_share_fen,
            worker_fen=version.person_share_fen,
            printed_scope=str(venue_group(version.place_ids)),
            windows=[
                {part: str(window[part]) for part in ("code", "title", "start", "end")} for window in version.windows
            ],
        )
        rows.append((terms, kind.programme.exposure_cap_fen))
    return rows


def _refusal(venue: Venue | None, day: date) -> str:
    """The same checks of the venue as ``rules.redemption`` makes, once for the hours to come."""
    if venue is None:
        return "venue_not_open"
    if venue.state == Venue.State.SUSPENDED:
        return "venue_suspended"
    if venue.state != Venue.State.OPEN:
        return "venue_not_open"
    papers = set(venue.papers.filter(replaced_at=None, expires_on__gte=day).values_list("kind", flat=True))
    if PAPERS_NEEDED - papers:
        return "papers_expired"
    if not venue.agreements.filter(valid_from__lte=day, valid_until__gte=day).exists():
        return "no_agreement"
    return ""


def _periods(venue: Venue | None, day: date) -> list[tuple[datetime, datetime]]:
    if venue is None:
        return []
    overrides = calendar_overrides(day)
    days = (day, day + timedelta(days=1))
    periods = [period for one in days for period in open_periods(venue.place.opening_hours, one, overrides)]
    return [(period.start, period.end) for period in periods]


def _revocations(at: datetime) -> list[dict[str, Any]]:
    kinds = (PassKind.ENTITLEMENT, PassKind.ENTITLEMENT_PRINTED)
    rows = Revocation.objects.filter(kind__in=kinds, at__gte=at - timedelta(days=PRINTED_DAYS)).order_by("-at", "-id")
    return [{"kind": row.kind, "subject": row.subject, "at": row.at} for row in rows[:MAX_KEPT]]


def _used_today(place_id: UUID, day: date) -> list[UUID]:
    """Vouchers with nothing left that were used here today: their screenshots must not work twice at this counter."""
    uses = Use.objects.filter(
        place_id=place_id, day=day, reversed_at=None, entitlement__used__gte=F("entitlement__units")
    )
    return list(uses.order_by("-at", "-id").values_list("entitlement_id", flat=True)[:MAX_KEPT])


@dataclass(frozen=True, slots=True)
class CounterRow:
    """One meal of today. ``void_until`` is None when it cannot be taken back any more."""

    id: UUID
    at: datetime
    person: str
    kind: str
    meal: str
    till: str
    list_price_fen: int
    union_fen: int
    worker_fen: int
    offline: bool
    voided: bool
    reason: str
    void_until: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    at: datetime
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Counter:
    """Today at one place: meals (person-times), persons, money, and what was refused."""

    day: date
    meals: int
    persons: int
    list_price_fen: int
    union_fen: int
    worker_fen: int
    voided: int
    refused: int
    rows: list[CounterRow]
    refusals: list[RefusedRow]


_TOTALS = """
SELECT count(*) FILTER (WHERE reversed_at IS NULL), count(DISTINCT person_id) FILTER (WHERE reversed_at IS NULL),
  coalesce(sum(list_price_fen) FILTER (WHERE reversed_at IS NULL), 0)::bigint,
  coalesce(sum(payer_fen) FILTER (WHERE reversed_at IS NULL), 0)::bigint,
  coalesce(sum(person_fen) FILTER (WHERE reversed_at IS NULL), 0)::bigint,
  count(reversed_at),
  (SELECT count(*) FROM entitlements_refusal r WHERE r.place_id = %(place)s
     AND (r.at AT TIME ZONE 'Asia/Shanghai')::date = %(day)s
     AND r.at >= %(day)s::date - interval '1 day' AND r.at < %(day)s::date + interval '2 days')
FROM entitlements_use WHERE place_id = %(place)s AND day = %(day)s
"""


def counter_today(place_id: UUID, at: datetime, void_within: timedelta, limit: int = MAX_ROWS) -> Counter:
    """The counter's day with its newest meals and refusals. Three statements. Raises: ValueError (limit)."""
    if not 1 <= limit <= MAX_ROWS:
        raise ValueError(f"between 1 and {MAX_ROWS} rows")
    day = local_day(at)
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"place": place_id, "day": day})
        meals, persons, list_fen, union_fen, worker_fen, voided, refused = cursor.fetchone()
    uses = (
        Use.objects.filter(place_id=place_id, day=day)
        .select_related("person", "device", "entitlement__terms__canteen_kind")
        .order_by("-at", "-id")[:limit]
    )
    refusals = Refusal.objects.filter(place_id=place_id, at__gte=at - timedelta(days=1)).order_by("-at", "-id")
    today = [row for row in refusals[:MAX_REFUSALS] if local_day(row.at) == day]
    return Counter(
        day=day,
        meals=meals,
        persons=persons,
        list_price_fen=list_fen,
        union_fen=union_fen,
        worker_fen=worker_fen,
        voided=voided,
        refused=refused,
        rows=_rows(uses, at, void_within),
        refusals=_refused(today),
    )


def _rows(uses: Iterable[Use], at: datetime, void_within: timedelta) -> list[CounterRow]:
    return [
        CounterRow(
            id=use.pk,
            at=local(use.at),
            person=f"{str(use.person.name)[:1]}*",
            kind=use.entitlement.terms.canteen_kind.name,
            meal=use.window,
            till=use.device.name if use.device else "",
            list_price_fen=use.list_price_fen,
            union_fen=use.payer_fen,
            worker_fen=use.person_fen,
            offline=use.source == Use.Source.OFFLINE,
            voided=use.reversed_at is not None,
            reason=use.reversal_reason,
            void_until=use.at + void_within if use.reversed_at is None and at - use.at <= void_within else None,
        )
        for use in uses
    ]


def _refused(rows: Iterable[Refusal]) -> list[RefusedRow]:
    return [RefusedRow(local(row.at), row.code, _words(row)) for row in rows]


def _words(row: Refusal) -> str:
    """What happened, as the cashier read it then; a code this version does not know is shown as it is."""
    if row.code not in REFUSALS:
        return row.code
    text = str(REFUSALS[row.code][1])
    try:
        return text.format(**row.data)
    except (KeyError, IndexError):
        return text
