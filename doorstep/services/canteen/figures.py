"""The canteen's figures of the newspaper page, computed from its records; nothing of them is stored.

Each figure looks at *every* record it speaks of, so that one wrong record makes it differ.
"""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.clock import at_local, local
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.common.money import format_fen
from doorstep.kernel.common.rooms import Figure, FigureRows
from doorstep.kernel.places.hours import open_periods
from doorstep.services.canteen.models import Meal, MenuItem, Venue, VoucherKind

MAX_ROWS = 100


def _rows(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or [])
        return list(cursor.fetchall())


_SETS = """
FROM entitlements_use u JOIN entitlements_termsversion v ON v.id = u.terms_version_id
JOIN canteen_voucherkind k ON k.terms_id = v.terms_id JOIN places_place p ON p.id = u.place_id
WHERE k.kind = %s AND u.reversed_at IS NULL
"""


def price() -> Figure:
    """Every meal on an amount-off voucher: what it cost, what the union took off, the most a worker paid."""
    sets = _rows(
        f"SELECT u.list_price_fen, u.payer_fen, u.person_fen, count(*) {_SETS} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2",
        [VoucherKind.Kind.OFF],
    )
    meals = sum(row[3] for row in sets)
    prices = ",".join(sorted({format_fen(row[0]) for row in sets})) or "—"
    shares = ",".join(sorted({format_fen(row[1]) for row in sets})) or "—"
    most = format_fen(max((row[2] for row in sets), default=0))
    computed = f"{prices} − {shares} ≤ {most}"
    page = "13.00 − 4.00 ≤ 9.00"
    values = {"list": prices, "union": shares, "worker": most, "meals": f"{meals:,}"}
    label = _("套餐价、工会减免、职工最多付")
    return Figure(1, "price", label, page, computed, meals, computed == page, values, _meals_by_day())


def _meals_by_day() -> tuple[tuple[str, int], ...]:
    """Meals on the last days on which anybody ate, oldest first."""
    rows = _rows(
        """SELECT day, count(*) FROM entitlements_use u JOIN canteen_venue n ON n.place_id = u.place_id
           WHERE u.reversed_at IS NULL GROUP BY day ORDER BY day DESC LIMIT 14"""
    )
    return tuple((f"{day.month}/{day.day}", count) for day, count in reversed(rows))


def free_meals() -> Figure:
    """Free-meal vouchers were used beside the four-off ones, and cost the worker nothing."""
    ((meals, most),) = _rows(
        f"SELECT count(*), coalesce(max(u.person_fen), 0)::bigint {_SETS}",
        [VoucherKind.Kind.FREE],
    )
    off = VoucherKind.objects.filter(kind=VoucherKind.Kind.OFF).count()
    good = meals > 0 and most == 0 and off > 0
    computed = str(_("免费券与 4.00 元减免券并行")) if good else f"{meals} / {format_fen(most)}"
    values = {"meals": f"{meals:,}"}
    return Figure(2, "free", _("免费餐券"), str(_("免费券与 4.00 元减免券并行")), computed, meals, good, values)


def menu() -> Figure:
    """Dishes and soups of every set on every day's menu."""
    sets = _rows(
        """SELECT dishes, soups, count(*) FROM (
             SELECT venue_id, day, meal, count(*) FILTER (WHERE kind = 'dish') AS dishes,
                    count(*) FILTER (WHERE kind = 'soup') AS soups
             FROM canteen_menuitem GROUP BY venue_id, day, meal) AS s GROUP BY dishes, soups ORDER BY 3 DESC"""
    )
    items = MenuItem.objects.count()
    computed = ";".join(f"{dishes} + {soups}" for dishes, soups, _count in sets) or "—"
    dishes, soups = sets[0][:2] if sets else ("—", "—")
    values = {"dishes": str(dishes), "soups": str(soups)}
    return Figure(3, "menu", _("一份工作餐:菜 + 汤"), "8 + 1", computed, items, computed == "8 + 1", values)


# A day without holiday rules, to read the everyday hours from.
_PLAIN_DAY = date(2025, 5, 7)
# The page speaks of the venues of its year's programme; what opens later may keep other hours.
PAGE_UNTIL = date(2025, 12, 1)


def closing_times(opening_hours: str, windows: list[dict[str, str]]) -> tuple[str, str]:
    """When lunch and dinner end: the earlier of the venue's hours and the voucher's window."""
    ends = {window["code"]: window["end"] for window in windows}
    found = {}
    for meal in (Meal.LUNCH, Meal.DINNER):
        hour, _, minute = ends.get(meal, "0:0").partition(":")
        limit = int(hour) * 60 + int(minute)
        last = 0
        for period in open_periods(opening_hours, _PLAIN_DAY, {}):
            start, end = local(period.start), local(period.end)
            first = start.hour * 60 + start.minute
            until = end.hour * 60 + end.minute + (1440 if end.date() > _PLAIN_DAY else 0)
            if first < limit:
                last = max(last, min(until, limit))
        found[meal] = f"{last // 60}:{last % 60:02d}"
    return found[Meal.LUNCH], found[Meal.DINNER]


def _hours() -> list[tuple[str, str, str, str]]:
    """Venue, hours, end of lunch, end of dinner, for every venue that ever opened and every kind it may take."""
    rows = _rows(
        """SELECT p.name, p.opening_hours, v.windows FROM canteen_venue n JOIN places_place p ON p.id = n.place_id
           JOIN canteen_programme m ON true JOIN canteen_voucherkind k ON k.programme_id = m.id
           JOIN LATERAL (SELECT windows, place_ids FROM entitlements_termsversion w WHERE w.terms_id = k.terms_id
             ORDER BY w.effective_from DESC LIMIT 1) v ON p.id = ANY(v.place_ids)
           WHERE n.opened_at IS NOT NULL AND k.kind = 'off' AND n.opened_at < %s ORDER BY n.opened_at, p.name""",
        [at_local(PAGE_UNTIL)],
    )
    found = []
    for name, hours, windows in rows:
        lunch, dinner = closing_times(hours, json.loads(windows) if isinstance(windows, str) else windows)
        found.append((name, hours, lunch, dinner))
    return found


def hours() -> Figure:
    """Until when one can eat with a voucher."""
    rows = _hours()
    pairs = sorted({(lunch, dinner) for _name, _text, lunch, dinner in rows})
    computed = ";".join(f"{lunch} / {dinner}" for lunch, dinner in pairs) or "—"
    lunch, dinner = pairs[0] if pairs else ("", "")
    values = {"lunch": lunch or "—", "dinner": dinner or "—"}
    page = "15:00 / 21:00"
    return Figure(4, "hours", _("午餐、晚餐延长到"), page, computed, len(rows), computed == page, values)


def venues() -> Figure:
    """The first venue opened in May 2025, several more within that year."""
    moments = Venue.objects.order_by("opened_at").values_list("opened_at", flat=True)
    opened = [at for at in moments if at is not None]
    first = local(opened[0]) if opened else None
    same_year = [at for at in opened[1:] if first and local(at).year == first.year]
    computed = (
        str(_("{first} 首家,年内又 {more} 家")).format(first=f"{first.year}-{first.month:02d}", more=len(same_year))
        if first
        else "—"
    )
    good = first is not None and (first.year, first.month) == (2025, 5) and len(same_year) >= 2
    label, page = _("首家开业,年内还有多家"), str(_("2025-05 首家,年内多家"))
    values = {"first": f"{first.year}-{first.month:02d}", "more": str(len(same_year))} if first else {}
    return Figure(5, "venues", label, page, computed, len(opened), good, values)


FIGURES: dict[str, Callable[[], Figure]] = {
    "price": price,
    "free": free_meals,
    "menu": menu,
    "hours": hours,
    "venues": venues,
}


def figures() -> list[Figure]:
    """All of the canteen's figures, in the page's order."""
    return [compute() for compute in FIGURES.values()]


def _use_rows(kind: str) -> FigureRows:
    statement = f"""SELECT u.at, p.name, u.list_price_fen, u.payer_fen, u.person_fen {_SETS} ORDER BY u.at DESC, u.id LIMIT %s"""
    rows = _rows(statement, [kind, MAX_ROWS])
    ((total,),) = _rows(f"SELECT count(*) {_SETS}", [kind])
    return FigureRows(
        (_("时间"), _("餐厅"), _("套餐价"), _("工会付"), _("职工付")),
        tuple(
            (f"{local(at):%Y-%m-%d %H:%M}", name, format_fen(price), format_fen(union), format_fen(worker))
            for at, name, price, union, worker in rows
        ),
        total,
    )


def _menu_rows() -> FigureRows:
    items = MenuItem.objects.select_related("venue__place").order_by("-day", "venue_id", "meal", "position")
    return FigureRows(
        (_("日期"), _("餐厅"), _("餐次"), _("类别"), _("名称")),
        tuple(
            (item.day.isoformat(), item.venue.place.name, item.get_meal_display(), item.get_kind_display(), item.name)
            for item in items[:MAX_ROWS]
        ),
        MenuItem.objects.count(),
    )


def _venue_rows() -> FigureRows:
    opened = Venue.objects.filter(opened_at__isnull=False).select_related("place").order_by("opened_at")
    return FigureRows(
        (_("餐厅"), _("地址"), _("开业"), _("状态")),
        tuple(
            (venue.place.name, venue.place.address, f"{local(venue.opened_at):%Y-%m-%d}", venue.get_state_display())
            for venue in opened[:MAX_ROWS]
            if venue.opened_at
        ),
        opened.count(),
    )


_EVIDENCE: dict[str, Callable[[], FigureRows]] = {
    "price": lambda: _use_rows(VoucherKind.Kind.OFF),
    "free": lambda: _use_rows(VoucherKind.Kind.FREE),
    "menu": _menu_rows,
    "hours": lambda: FigureRows(
        (_("餐厅"), _("营业时间"), _("午餐到"), _("晚餐到")), tuple(_hours()[:MAX_ROWS]), len(_hours())
    ),
    "venues": _venue_rows,
}


def figure_rows(key: str) -> FigureRows:
    """The records behind one figure. Raises: NotFound."""
    if key not in _EVIDENCE:
        raise NotFound
    return _EVIDENCE[key]()
