"""Numbers of a chart: lengths in per cent and round ticks. The templates only draw what is computed here.

The charts are our own SVG because a page may carry no inline style or script, and every length is a percentage so that
letters keep their size on a phone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

type Row = Sequence[object]
MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Item:
    """One mark of a chart with everything its label says."""

    label: str
    value: float
    text: str
    href: str
    share: float
    share_text: str
    left: float = 0.0
    top: float = 0.0
    tone: str = "c1"
    step_text: str = ""


def number(value: float) -> str:
    """12,345 or 3.5: no trailing zeros, thousands apart."""
    return f"{int(value):,}" if value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def fen_text(value: float) -> str:
    return f"{Decimal(int(value)) / 100:,.2f}"


def nice_ceiling(value: float) -> float:
    """The next round number an axis may end on."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value))


def _parse(data: Iterable[Row]) -> list[tuple[str, float, str]]:
    rows = []
    for row in data:
        label, value, *rest = row
        amount = float(value)  # type: ignore[arg-type]
        if amount < 0 or not math.isfinite(amount):
            raise ValueError(f"a chart shows counts and amounts from zero up, not {value!r}")
        rows.append((str(label), amount, str(rest[0]) if rest and rest[0] else ""))
    if len(rows) > MOST_POINTS:
        raise ValueError(f"a chart shows at most {MOST_POINTS} points; group them first")
    return rows


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _share_text(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "–"


def bars(data: Iterable[Row], text: Callable[[float], str] = number) -> tuple[list[Item], float]:
    """Rows of a bar chart and the number its axis ends on."""
    rows = _parse(data)
    top = nice_ceiling(max((value for _, value, _ in rows), default=0))
    total = sum(value for _, value, _ in rows)
    items = [
        Item(label, value, text(value), href, _percent(value, top), _share_text(value, total))
        for label, value, href in rows
    ]
    return items, top


def shares(data: Iterable[Row], text: Callable[[float], str] = number) -> list[Item]:
    """Parts of a whole, side by side."""
    rows = _parse(data)
    total = sum(value for _, value, _ in rows)
    items, left = [], 0.0
    for index, (label, value, href) in enumerate(rows):
        width = _percent(value, total)
        tone = f"c{index % 6 + 1}"
        items.append(Item(label, value, text(value), href, width, _share_text(value, total), round(left, 2), tone=tone))
        left += width
    return items


def funnel(data: Iterable[Row], text: Callable[[float], str] = number) -> list[Item]:
    """Steps that lose people: each with its part of the first step and of the step before."""
    rows = _parse(data)
    first = rows[0][1] if rows else 0
    items, before = [], first
    for label, value, href in rows:
        width = min(_percent(value, first), 100.0)
        step = _share_text(value, before)
        items.append(
            Item(
                label,
                value,
                text(value),
                href,
                width,
                _share_text(value, first),
                round((100 - width) / 2, 2),
                step_text=step,
            )
        )
        before = value
    return items


@dataclass(frozen=True, slots=True)
class Line:
    """A line chart: points in per cent of its width, and of its height from the top."""

    items: list[Item]
    path: str
    area: str
    ticks: list[tuple[float, str]]
    labels: list[tuple[float, str, str]]
    top: float


def line(data: Iterable[Row], text: Callable[[float], str] = number) -> Line:
    """Points of a line chart over a row of equal steps, usually days."""
    rows = _parse(data)
    top = nice_ceiling(max((value for _, value, _ in rows), default=0))
    last = max(len(rows) - 1, 1)
    items = [
        Item(
            label,
            value,
            text(value),
            href,
            _percent(value, top),
            "",
            left=round(10 + 87 * index / last, 2),
            top=round(100 - 100 * value / top, 2),
        )
        for index, (label, value, href) in enumerate(rows)
    ]
    points = " ".join(f"{item.left:g},{item.top:g}" for item in items)
    area = f"{items[0].left:g},100 {points} {items[-1].left:g},100" if items else ""
    ticks = [(100.0 - 50 * step, text(top * step / 2)) for step in (0, 1, 2)]
    labels = []
    if items:
        labels.append((items[0].left, "start", items[0].label))
        if len(items) > 4:
            middle = items[len(items) // 2]
            labels.append((middle.left, "middle", middle.label))
        if len(items) > 1:
            labels.append((items[-1].left, "end", items[-1].label))
    return Line(items, points, area, ticks, labels, top)
