"""Filters and tags every template has without loading them: people's words for money, time, distance; drawings."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import segno
from django import template
from django.templatetags.static import static
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from doorstep.web import charts
from doorstep.web.people_time import calendar_day, local, spoken_day, spoken_moment, weekday

register = template.Library()
METRES_PER_KILOMETRE = 1000
MOST_QR_CHARACTERS = 1200


def english() -> bool:
    return (get_language() or "").startswith("en")


def _now() -> datetime:
    from doorstep.kernel.common.clock import now

    return now()


@register.filter
def fen(amount_fen: int | str | None) -> str:
    """1300 → 13.00; nothing stays nothing, so that a missing amount never reads as zero."""
    if amount_fen is None or amount_fen == "":
        return ""
    amount = int(amount_fen)
    yuan_part, fen_part = divmod(abs(amount), 100)
    return f"{'−' if amount < 0 else ''}{yuan_part:,}.{fen_part:02}"


@register.filter
def yuan(amount_fen: int | str | None) -> str:
    """1300 → 13.00 元."""
    amount = fen(amount_fen)
    return _("%(amount)s 元") % {"amount": amount} if amount else ""


@register.filter
def when(moment: datetime | date | None) -> str:
    """今天 14:58, 明早 8:15, 5月7日 14:00; a date without a time gives the day alone."""
    if not moment:
        return ""
    if isinstance(moment, datetime):
        return spoken_moment(moment, _now(), english=english())
    return spoken_day(moment, local(_now()).date(), english=english())


@register.filter
def clock(moment: datetime | None) -> str:
    """14:58, on a clock in China."""
    return f"{local(moment):%H:%M}" if moment else ""


@register.filter
def day(moment: datetime | date | None) -> str:
    """5月7日 周三."""
    if not moment:
        return ""
    return calendar_day(local(moment).date() if isinstance(moment, datetime) else moment, english=english())


@register.filter
def week_day(moment: datetime | date | None) -> str:
    """周三."""
    if not moment:
        return ""
    return weekday(local(moment).date() if isinstance(moment, datetime) else moment, english=english())


@register.filter
def distance(metres: float | str | None) -> str:
    """320 → 320 米; 1234 → 1.2 公里."""
    if metres is None or metres == "":
        return ""
    rounded = int(round(float(metres) / 10) * 10) if float(metres) >= 100 else round(float(metres))
    if rounded < METRES_PER_KILOMETRE:
        return _("%(metres)s 米") % {"metres": rounded}
    return _("%(kilometres)s 公里") % {"kilometres": f"{float(metres) / METRES_PER_KILOMETRE:.1f}"}


@register.filter
def count(value: float | str | None) -> str:
    """14300 → 14,300."""
    return "" if value is None or value == "" else charts.number(float(value))


@register.simple_tag
def icon(name: str, modifier: str = "") -> SafeString:
    """A drawing from the sprite. Decoration only: the words beside it carry the meaning."""
    classes = f"icon icon--{modifier}" if modifier else "icon"
    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes,
        static("web/icons.svg"),
        name,
    )


@lru_cache(maxsize=512)
def _qr_svg(text: str) -> str:
    code = segno.make(text, error="m", micro=False)
    # Always dark on white: scanners in shops do not read inverted codes, whatever theme the phone is in.
    return str(code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None))


@register.simple_tag
def qr(text: str, label: str = "") -> SafeString:
    """A QR code with its quiet zone, as inline SVG."""
    if len(text) > MOST_QR_CHARACTERS:
        raise ValueError(f"a QR code of {len(text)} characters cannot be read from a phone; keep it short")
    drawing = mark_safe(_qr_svg(str(text)))  # noqa: S308 only geometry: the text is modules by now
    return format_html('<div class="qr" role="img" aria-label="{}">{}</div>', label or _("二维码"), drawing)


@register.filter
def item(values: Any, index: int) -> Any:
    """The element at a place in a list; nothing past its end, as templates expect."""
    return values[index] if values and index < len(values) else ""


@register.simple_tag
def map_points(element_id: str, places: Iterable[Any], here: Any = None) -> SafeString:
    """What map.js reads: names and coordinates, as data and never as script."""
    points = [
        {
            "name": str(_field(place, "name")),
            "note": str(_field(place, "note") or ""),
            "lat": float(_field(place, "lat")),
            "lon": float(_field(place, "lon")),
            "open": bool(_field(place, "open")),
            "url": str(_field(place, "url") or ""),
        }
        for place in places
    ]
    centre = {"lat": float(_field(here, "lat")), "lon": float(_field(here, "lon"))} if here else None
    return json_script({"places": points, "here": centre}, f"{element_id}-data")


def _field(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


@register.inclusion_tag("web/components/money_line.html")
def money_line(list_fen: int, union_fen: int, worker_fen: int, payer: str = "") -> dict[str, Any]:
    """13.00 − 4.00 = 9.00, read out as list price, what the payer adds, what you pay."""
    if list_fen - union_fen != worker_fen:
        raise ValueError(f"{list_fen} − {union_fen} is not {worker_fen}: the page would show a sum that is wrong")
    return {"list_fen": list_fen, "union_fen": union_fen, "worker_fen": worker_fen, "payer": payer or _("工会补")}


def _text(money: bool, unit: str) -> Any:
    if money:
        return charts.fen_text
    return (lambda value: f"{charts.number(value)}{unit}") if unit.startswith("%") else charts.number


@register.inclusion_tag("web/components/bar_chart.html")
def bar_chart(
    data: Iterable[charts.Row], title: str = "", unit: str = "", money: bool = False, tone: str = ""
) -> dict[str, Any]:
    """Bars of (label, value[, href]); its rows are a table, so that it reads without eyes too."""
    text = _text(money, unit)
    items, top = charts.bars(data, text)
    return {"items": items, "title": title, "unit": unit, "tone": tone, "zero": text(0), "top": text(top)}


@register.inclusion_tag("web/components/line_chart.html")
def line_chart(
    data: Iterable[charts.Row], title: str = "", unit: str = "", money: bool = False, label: str = ""
) -> dict[str, Any]:
    """A line through (label, value[, href]), with the last value written out and the rows behind a disclosure."""
    line = charts.line(data, _text(money, unit))
    return {"line": line, "items": line.items, "title": title, "unit": unit, "label": label or _("时间")}


@register.inclusion_tag("web/components/share_chart.html")
def share_chart(data: Iterable[charts.Row], title: str = "", unit: str = "", money: bool = False) -> dict[str, Any]:
    """Parts of a whole: one bar and a list with amounts and shares."""
    return {"items": charts.shares(data, _text(money, unit)), "title": title, "unit": unit}


@register.inclusion_tag("web/components/funnel_chart.html")
def funnel_chart(data: Iterable[charts.Row], title: str = "", unit: str = "", money: bool = False) -> dict[str, Any]:
    """Steps that lose people, each with what is left of the step before."""
    return {"items": charts.funnel(data, _text(money, unit)), "title": title, "unit": unit}
