"""What may be asked of programmes: what is left, what is promised, what was eaten; what a union has given out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.entitlements.models import Entitlement, Grant, TermsVersion
from doorstep.kernel.entitlements.queries import Fates
from doorstep.services.canteen.models import VoucherKind

MAX_ROWS = 100
CHART_DAYS = 14


@dataclass(frozen=True, slots=True)
class ProgrammeRow:
    """A programme and its money, in fen. ``persons`` are people, ``uses`` meals: never added up into each other."""

    id: UUID
    name: str
    union: str
    organisation_id: UUID
    starts_on: date
    ends_on: date | None
    exposure_cap_fen: int
    available_fen: int
    reserved_fen: int
    used_fen: int
    uses: int
    persons: int

    @property
    def funded_fen(self) -> int:
        return self.available_fen + self.reserved_fen + self.used_fen


_PROGRAMMES = """
SELECT p.id, p.name, o.name, p.organisation_id, p.starts_on, p.ends_on, p.exposure_cap_fen,
  (SELECT coalesce(sum(credits_posted - debits_posted - debits_pending), 0)::bigint FROM ledger_balance b
   WHERE b.account_id = p.budget_id),
  (SELECT coalesce(sum(credits_posted - debits_posted), 0)::bigint FROM ledger_balance b
   WHERE b.account_id = p.reserved_id),
  coalesce(u.fen, 0)::bigint, coalesce(u.uses, 0), coalesce(u.persons, 0)
FROM canteen_programme p JOIN organisations_organisation o ON o.id = p.organisation_id
LEFT JOIN LATERAL (
  SELECT sum(u.payer_fen) AS fen, count(*) AS uses, count(DISTINCT u.person_id) AS persons
  FROM entitlements_use u JOIN entitlements_termsversion v ON v.id = u.terms_version_id
  JOIN canteen_voucherkind k ON k.terms_id = v.terms_id
  WHERE k.programme_id = p.id AND u.reversed_at IS NULL) u ON true
WHERE {where} ORDER BY p.starts_on DESC, p.id LIMIT %s
"""


def _programmes(where: str, parameter: Any, limit: int) -> list[ProgrammeRow]:
    with connection.cursor() as cursor:
        cursor.execute(_PROGRAMMES.format(where=where), [parameter, limit])
        return [ProgrammeRow(*row) for row in cursor.fetchall()]


def programmes(organisation_ids: Sequence[UUID], limit: int = 20) -> list[ProgrammeRow]:
    """Programmes of these organisations and those below them, newest first. One statement. Raises: TooMany."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    return _programmes("o.path && %s::uuid[]", list(organisation_ids), limit)


def programme(programme_id: UUID) -> ProgrammeRow | None:
    return next(iter(_programmes("p.id = %s", programme_id, 1)), None)


@dataclass(frozen=True, slots=True)
class KindRow:
    """A voucher kind, what became of its vouchers, and its dated conditions (newest first)."""

    id: UUID
    terms_id: UUID
    kind: str
    name: str
    fates: Fates
    versions: tuple[TermsVersion, ...]
    in_force: TermsVersion | None


_FATES = """
WITH units AS (
  SELECT e.terms_id, e.units, e.used, e.valid_until, e.state FROM entitlements_entitlement e
  WHERE e.terms_id = ANY(%(terms)s) AND e.granted_at <= %(at)s)
SELECT terms_id, sum(units)::bigint, sum(used)::bigint,
  coalesce(sum(units - used) FILTER (WHERE state = 'void'), 0)::bigint,
  coalesce(sum(units - used) FILTER (WHERE state <> 'void' AND valid_until <= %(at)s), 0)::bigint
FROM units GROUP BY terms_id
"""


def kinds(programme_id: UUID, at: datetime) -> list[KindRow]:
    """The programme's voucher kinds. Three statements however many there are."""
    found = list(VoucherKind.objects.filter(programme_id=programme_id).order_by("pk")[:MAX_ROWS])
    terms = [kind.terms_id for kind in found]
    versions: dict[UUID, list[TermsVersion]] = {terms_id: [] for terms_id in terms}
    for version in TermsVersion.objects.filter(terms_id__in=terms).order_by("-effective_from"):
        versions[version.terms_id].append(version)
    with connection.cursor() as cursor:
        cursor.execute(_FATES, {"terms": terms, "at": at})
        fates = {
            terms_id: Fates(issued, used, issued - used - void - expired, expired, void)
            for terms_id, issued, used, void, expired in cursor.fetchall()
        }
    return [
        KindRow(
            kind.pk,
            kind.terms_id,
            kind.kind,
            kind.name,
            fates.get(kind.terms_id, Fates(0, 0, 0, 0, 0)),
            tuple(versions[kind.terms_id]),
            next((version for version in versions[kind.terms_id] if version.effective_from <= at), None),
        )
        for kind in found
    ]


def daily_meals(programme_id: UUID, at: datetime) -> list[tuple[date, int]]:
    """Meals of the last fourteen days, days without any included. One statement."""
    last = local_day(at)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT d::date, count(u.id) FROM generate_series(%s::date, %s::date, '1 day') d
               LEFT JOIN (entitlements_use u JOIN entitlements_termsversion v ON v.id = u.terms_version_id
                 JOIN canteen_voucherkind k ON k.terms_id = v.terms_id AND k.programme_id = %s)
               ON u.day = d::date AND u.reversed_at IS NULL GROUP BY 1 ORDER BY 1""",
            [last - timedelta(days=CHART_DAYS - 1), last, programme_id],
        )
        return [(day, count) for day, count in cursor.fetchall()]


def issuable_kinds(organisation_ids: Sequence[UUID], limit: int = MAX_ROWS) -> list[VoucherKind]:
    """Kinds that somebody with rights in these organisations may give out. One statement."""
    found = VoucherKind.objects.select_related("programme__budget", "terms").filter(
        programme__organisation__path__overlap=list(organisation_ids)
    )
    return list(found.order_by("-programme__starts_on", "pk")[:limit])


def grants(organisation_ids: Sequence[UUID], limit: int = 20) -> list[Grant]:
    """What was given out last, newest first. One statement. Raises: TooMany."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    found = Grant.objects.select_related("terms", "made_by").filter(
        terms__service="canteen", terms__payer__path__overlap=list(organisation_ids)
    )
    return list(found.order_by("-at", "-pk")[:limit])


def vouchers_of(person_id: UUID, organisation_ids: Sequence[UUID], limit: int = 20) -> list[Entitlement]:
    """A person's canteen vouchers as an officer of these organisations sees them, newest first. One statement."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    found = Entitlement.objects.select_related("terms").filter(
        person_id=person_id, terms__service="canteen", terms__payer__path__overlap=list(organisation_ids)
    )
    return list(found.order_by("-granted_at", "-number")[:limit])
