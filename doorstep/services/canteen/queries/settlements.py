"""What may be asked of statements: what is due, the list, one statement with its lines and totals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import local, local_day
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, TooMany
from doorstep.kernel.entitlements.models import Settlement
from doorstep.kernel.entitlements.settling import last_settled_day
from doorstep.services.canteen.exports import Sheet
from doorstep.services.canteen.models import Hold, Meal, PayingAccount, Venue

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
READERS = ("canteen.settle", "canteen.approve", "canteen.audit", "canteen.watch")
MAX_EXPORT_LINES = 200_000


@dataclass(frozen=True, slots=True)
class DueDay:
    """A venue's day with uses on no statement yet; ``uses`` person-times, ``persons`` people."""

    venue_id: UUID
    venue_name: str
    payer_id: UUID
    payer_name: str
    day: date
    uses: int
    persons: int
    payer_fen: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One line of the list of statements."""

    id: UUID
    number: str
    venue_id: UUID
    venue_name: str
    first_day: date
    last_day: date
    uses: int
    persons: int
    payer_fen: int
    borne_fen: int
    adjustment_fen: int
    state: str
    prepared_at: datetime
    prepared_by: str
    held: bool

    @property
    def owed_fen(self) -> int:
        return self.payer_fen + self.borne_fen + self.adjustment_fen


@dataclass(frozen=True, slots=True)
class KindTotal:
    """Totals of one voucher kind on a statement."""

    title: str
    uses: int
    persons: int
    list_fen: int
    payer_fen: int
    person_fen: int


@dataclass(frozen=True, slots=True)
class DayTotal:
    day: date
    window: str
    uses: int
    persons: int
    payer_fen: int
    offline: int

    @property
    def meal(self) -> str:
        return meal_title(self.window)


@dataclass(frozen=True, slots=True)
class Adjustment:
    amount_fen: int
    reason: str
    made_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with everything its sheet shows, save the lines."""

    id: UUID
    number: str
    state: str
    venue_id: UUID
    venue_name: str
    payer_id: UUID
    payer_name: str
    first_day: date
    last_day: date
    uses: int
    persons: int
    late: int
    list_fen: int
    payer_fen: int
    person_fen: int
    borne_fen: int
    adjustment_fen: int
    tree_size: int
    tree_root: str
    head_at: datetime | None
    prepared_by_id: UUID | None
    prepared_by: str
    prepared_at: datetime
    approved_by: str
    approved_at: datetime | None
    invoice_number: str
    paid_at: datetime | None
    parties: dict[str, Any] = field(default_factory=dict)
    held_because: str = ""
    kinds: tuple[KindTotal, ...] = ()
    days: tuple[DayTotal, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()

    @property
    def owed_fen(self) -> int:
        return self.payer_fen + self.borne_fen + self.adjustment_fen


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    return limit


_DUE = """
SELECT p.venue_id, p.venue_name, t.payer_id, o.name, u.day, count(*)::int, count(DISTINCT u.person_id)::int,
  sum(u.payer_fen)::bigint
FROM entitlements_use u
JOIN (SELECT v.id AS venue_id, v.payee_id, place.name AS venue_name FROM canteen_venue v
      JOIN places_place place ON place.id = v.place_id) p ON p.payee_id = u.payee_id
JOIN entitlements_termsversion v ON v.id = u.terms_version_id
JOIN entitlements_terms t ON t.id = v.terms_id
JOIN organisations_organisation o ON o.id = t.payer_id
LEFT JOIN entitlements_settlementline l ON l.use_id = u.id
WHERE t.service = 'canteen' AND o.path && %(within)s AND l.id IS NULL AND u.reversed_at IS NULL AND u.day <= %(until)s
GROUP BY p.venue_id, p.venue_name, t.payer_id, o.name, u.day ORDER BY u.day, p.venue_name, p.venue_id LIMIT %(limit)s
"""


def due_days(organisation_ids: Sequence[UUID], at: datetime, limit: int = MAX_LIMIT) -> list[DueDay]:
    """Days that are over with uses on no statement, oldest first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE, {"within": list(organisation_ids), "until": last_settled_day(at), "limit": _bounded(limit)}
        )
        return [DueDay(*row) for row in cursor.fetchall()]


_LIST = """
SELECT s.id, s.number, v.id, p.name, s.first_day, s.last_day, s.uses, s.persons, s.payer_fen, s.borne_fen,
  s.adjustment_fen, s.state, s.prepared_at, coalesce(who.name, ''), EXISTS (
    SELECT 1 FROM canteen_hold h WHERE h.venue_id = v.id AND h.released_at IS NULL)
FROM entitlements_settlement s
JOIN organisations_organisation o ON o.id = s.payer_id
JOIN canteen_venue v ON v.payee_id = s.payee_id
JOIN places_place p ON p.id = v.place_id
LEFT JOIN people_person who ON who.id = s.prepared_by_id
WHERE s.service = 'canteen' AND o.path && %(within)s AND (%(state)s = '' OR s.state = %(state)s)
  AND (%(venue)s::uuid IS NULL OR v.id = %(venue)s)
  AND (%(before)s::uuid IS NULL OR s.id < %(before)s)
ORDER BY s.id DESC LIMIT %(limit)s
"""


def statements(
    organisation_ids: Sequence[UUID],
    *,
    state: str = "",
    venue_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[StatementRow]:
    """Statements of these unions and those below, newest first. One statement. Raises: Invalid (state), TooMany."""
    if state and state not in Settlement.State.values:
        raise Invalid("state")
    with connection.cursor() as cursor:
        cursor.execute(
            _LIST,
            {
                "within": list(organisation_ids),
                "state": state,
                "venue": venue_id,
                "before": before,
                "limit": _bounded(limit),
            },
        )
        return [StatementRow(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Sums:
    """Statements of one state: how many and how much."""

    statements: int
    uses: int
    owed_fen: int


def sums_by_state(organisation_ids: Sequence[UUID]) -> dict[str, Sums]:
    """One statement; every state is there, with zeros when there is nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT s.state, count(*)::int, sum(s.uses)::int, sum(s.payer_fen + s.borne_fen + s.adjustment_fen)::bigint
               FROM entitlements_settlement s JOIN organisations_organisation o ON o.id = s.payer_id
               WHERE s.service = 'canteen' AND o.path && %s GROUP BY s.state""",
            [list(organisation_ids)],
        )
        found = {state: Sums(*rest) for state, *rest in cursor.fetchall()}
    return {state: found.get(state, Sums(0, 0, 0)) for state in Settlement.State.values}


def may_read(actor: Actor, payer_id: UUID, venue: Venue, at: datetime) -> bool:
    """The union's desk, its auditors, and the restaurant itself."""
    if any(access.can(actor, capability, payer_id, at) for capability in READERS):
        return True
    return access.can(actor, "canteen.venue", venue.organisation_id, at)


def statement(settlement_id: UUID, actor: Actor, at: datetime) -> Statement:
    """One statement with its totals, for those who may read it.

    Raises: NotFound, NotAllowed.
    """
    found = (
        Settlement.objects.select_related("payer", "prepared_by", "approved_by")
        .filter(pk=settlement_id, service="canteen")
        .first()
    )
    if found is None:
        raise NotFound
    venue = Venue.objects.select_related("place").get(payee_id=found.payee_id)
    if not may_read(actor, found.payer_id, venue, at):
        raise NotAllowed
    hold = Hold.objects.filter(venue=venue, released_at=None).first()
    return Statement(
        id=found.pk,
        number=found.number,
        state=found.state,
        venue_id=venue.pk,
        venue_name=str((found.parties or {}).get("creditor", {}).get("name", "")) or venue.place.name,
        payer_id=found.payer_id,
        payer_name=found.payer.name,
        first_day=found.first_day,
        last_day=found.last_day,
        uses=found.uses,
        persons=found.persons,
        late=found.late,
        list_fen=found.list_fen,
        payer_fen=found.payer_fen,
        person_fen=found.person_fen,
        borne_fen=found.borne_fen,
        adjustment_fen=found.adjustment_fen,
        tree_size=found.tree_size,
        tree_root=bytes(found.tree_root).hex(),
        head_at=_head_at(found.tree_size),
        prepared_by_id=found.prepared_by_id,
        prepared_by=found.prepared_by.name if found.prepared_by else "",
        prepared_at=found.prepared_at,
        approved_by=found.approved_by.name if found.approved_by else "",
        approved_at=found.approved_at,
        invoice_number=found.invoice_number,
        paid_at=found.paid_at,
        parties=found.parties,
        held_because=hold.reason if hold else "",
        kinds=_kinds(found.pk),
        days=_days(found.pk),
        adjustments=_adjustments(found),
    )


def _head_at(size: int) -> datetime | None:
    from doorstep.kernel.audit.models import Head

    return Head.objects.filter(size=size).values_list("at", flat=True).first()


_KINDS = """
SELECT t.title, count(*)::int, count(DISTINCT u.person_id)::int, sum(u.list_price_fen)::bigint,
  sum(u.payer_fen)::bigint, sum(u.person_fen)::bigint
FROM entitlements_settlementline l JOIN entitlements_use u ON u.id = l.use_id
JOIN entitlements_termsversion v ON v.id = u.terms_version_id JOIN entitlements_terms t ON t.id = v.terms_id
WHERE l.settlement_id = %s GROUP BY t.id, t.title ORDER BY t.title, t.id
"""
_DAYS = """
SELECT u.day, u."window", count(*)::int, count(DISTINCT u.person_id)::int, sum(u.payer_fen)::bigint,
  (count(*) FILTER (WHERE u.source = 'offline'))::int
FROM entitlements_settlementline l JOIN entitlements_use u ON u.id = l.use_id
WHERE l.settlement_id = %s GROUP BY u.day, u."window" ORDER BY u.day, min(u.at)
"""


def _kinds(settlement_id: UUID) -> tuple[KindTotal, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_KINDS, [settlement_id])
        return tuple(KindTotal(*row) for row in cursor.fetchall())


def _days(settlement_id: UUID) -> tuple[DayTotal, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [settlement_id])
        return tuple(DayTotal(*row) for row in cursor.fetchall())


def _adjustments(settlement: Settlement) -> tuple[Adjustment, ...]:
    return tuple(
        Adjustment(a.amount_fen, a.reason, a.made_by.name if a.made_by else "", a.at)
        for a in settlement.adjustments.select_related("made_by").order_by("pk")
    )


_LINES = """
SELECT u.at, u."window", coalesce(d.name, ''), t.title, u.list_price_fen, u.payer_fen, u.person_fen, u.source,
  left(person.name, 1), u.id
FROM entitlements_settlementline l JOIN entitlements_use u ON u.id = l.use_id
JOIN entitlements_termsversion v ON v.id = u.terms_version_id JOIN entitlements_terms t ON t.id = v.terms_id
JOIN people_person person ON person.id = u.person_id
LEFT JOIN organisations_device d ON d.id = u.device_id
WHERE l.settlement_id = %s ORDER BY u.at, u.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One use on a statement; ``person`` is the first character and a star."""

    at: datetime
    window: str
    till: str
    kind: str
    list_fen: int
    payer_fen: int
    person_fen: int
    source: str
    person: str
    use_id: UUID


def lines(settlement_id: UUID, limit: int = MAX_LIMIT) -> list[Line]:
    """The first lines of a statement, by time. One statement. Raises: TooMany."""
    return list(_lines(settlement_id, _bounded(limit)))


def _lines(settlement_id: UUID, limit: int) -> Iterator[Line]:
    with connection.cursor() as cursor:
        cursor.execute(_LINES, [settlement_id, limit])
        for at, window, till, kind, list_fen, payer_fen, person_fen, source, first, use_id in cursor.fetchall():
            yield Line(
                at, window, till, kind, list_fen, payer_fen, person_fen, source, f"{first}*" if first else "*", use_id
            )


def meal_title(window: str) -> str:
    """午餐, 晚餐; a window this service does not know is named as it is."""
    return str(Meal(window).label) if window in Meal.values else window


def source_title(source: str) -> str:
    return _("离线") if source == "offline" else _("在线")


def sheets(found: Statement) -> list[Sheet]:
    """Sheets of the workbook: every line, then the totals. Always in Chinese: they are for the books."""
    with translation.override("zh-hans"):
        return [_lines_sheet(found), _totals_sheet(found)]


def _lines_sheet(found: Statement) -> Sheet:
    header = ("时间", "餐厅", "餐次", "收银台", "券种", "定价(元)", "工会承担(元)", "职工自付(元)", "来源", "用餐人")
    meals: dict[str, str] = {}
    rows: list[Sequence[Any]] = []
    for line in _lines(found.id, MAX_EXPORT_LINES):
        meal = meals.setdefault(line.window, meal_title(line.window))
        rows.append(
            (
                f"{local(line.at):%Y-%m-%d %H:%M:%S}",
                found.venue_name,
                meal,
                line.till,
                line.kind,
                line.list_fen,
                line.payer_fen,
                line.person_fen,
                "离线" if line.source == "offline" else "在线",
                line.person,
            )
        )
    return Sheet("明细", header, rows, (20, 20, 8, 14, 16, 12, 14, 14, 8, 10), frozenset({5, 6, 7}))


def _totals_sheet(found: Statement) -> Sheet:
    header = ("项目", "人次", "人数", "定价(元)", "工会承担(元)", "职工自付(元)")
    rows: list[Sequence[Any]] = [
        (kind.title, kind.uses, kind.persons, kind.list_fen, kind.payer_fen, kind.person_fen) for kind in found.kinds
    ]
    rows.append(("合计", found.uses, found.persons, found.list_fen, found.payer_fen, found.person_fen))
    if found.borne_fen:
        rows.append(("离线冲突,工会承担", None, None, None, found.borne_fen, None))
    rows += [(f"更正:{a.reason}", None, None, None, a.amount_fen, None) for a in found.adjustments]
    rows.append(("应付", None, None, None, found.owed_fen, None))
    for label, value in (
        ("结算单号", found.number),
        ("餐厅", found.venue_name),
        ("付款单位", found.payer_name),
        ("期间", f"{found.first_day} 至 {found.last_day}"),
        ("日志树根", found.tree_root),
        ("日志条数", str(found.tree_size)),
    ):
        rows.append((label, value, None, None, None, None))
    return Sheet("合计", header, rows, (24, 14, 10, 14, 14, 14), frozenset({3, 4, 5}))


def payment_day(approved_at: datetime) -> date:
    """The bank is asked to pay on the day of the approval."""
    return local_day(approved_at)


def remark(found: Statement) -> str:
    """What stands on the bank's advice."""
    days = f"{found.first_day}" if found.first_day == found.last_day else f"{found.first_day}至{found.last_day}"
    return f"共享食堂餐补 {days} {found.uses}人次 结算单{found.number}"


@dataclass(frozen=True, slots=True)
class Paying:
    """The account a union pays from, its number masked."""

    organisation_id: UUID
    organisation: str
    account_name: str
    bank_name: str
    masked: str
    set_at: datetime | None


def paying_accounts(organisation_ids: Sequence[UUID]) -> list[Paying]:
    """The paying account of each of these unions, empty where none was named. Two statements."""
    from doorstep.kernel.organisations.models import Organisation

    names = dict(Organisation.objects.filter(pk__in=organisation_ids).values_list("pk", "name"))
    kept = {account.organisation_id: account for account in PayingAccount.objects.filter(organisation_id__in=names)}
    found = []
    for organisation_id, name in sorted(names.items()):
        account = kept.get(organisation_id)
        if account is None:
            found.append(Paying(organisation_id, name, "", "", "", None))
        else:
            masked = f"**** {account.bank_account[-4:]}"
            found.append(Paying(organisation_id, name, account.account_name, account.bank_name, masked, account.set_at))
    return found
