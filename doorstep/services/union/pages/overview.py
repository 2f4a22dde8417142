"""The four-level board: what every level comes to, on any day, and the way down from level to level."""

from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local, local_day, now
from doorstep.kernel.common.errors import NotAllowed
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.actions.organising import LEVELS
from doorstep.services.union.pages.shared import mine, uuid_or_none
from doorstep.services.union.queries import levels

CHART_ROWS = 15


def _day(request: HttpRequest, today: date) -> date:
    """The day asked for; nonsense and days to come count as today."""
    try:
        return min(date.fromisoformat(request.GET.get("on", "")), today)
    except ValueError:
        return today


def _instant(day: date, at: datetime) -> datetime:
    """The end of that day, or now."""
    return min(at_local(day, 24), at)


def _over(node: Organisation, day: date) -> list[UUID]:
    """Everything that stands over an organisation and itself: its path, and from there the linkage."""
    over, links = list(node.path), levels.links_on(day)
    for _step in LEVELS:
        over += [upper for lower, upper in links if lower in over and upper not in over]
    return over


def _node(actor: Actor, wanted: UUID | None, day: date, at: datetime) -> tuple[Organisation, list[Organisation]]:
    """The organisation to show, and where the person may begin. A party committee sees what is linked below it.

    Raises: NotAllowed.
    """
    starts = list(Organisation.objects.filter(pk__in=mine(actor, "union.overview", at)).order_by("name", "pk"))
    node = Organisation.objects.filter(pk=wanted).first() if wanted else (starts[0] if starts else None)
    if node is None or not {one.pk for one in starts} & set(_over(node, day)):
        raise NotAllowed
    return node, starts


def _link(organisation_id: UUID, day: date, today: date) -> str:
    query = {"node": str(organisation_id)} | ({"on": day.isoformat()} if day != today else {})
    return f"{reverse('union:overview')}?{urlencode(query)}"


def _table(board: levels.Board, day: date, today: date) -> dict[str, Any]:
    """The board as the table component wants it, amounts in yuan."""
    counters = levels.counters()

    def cell(counter: levels.Counter, value: int) -> dict[str, Any]:
        text = f"{value / 100:,.2f}" if counter.money else f"{value:,}"
        return {"text": text, "sort": value}

    rows = []
    for row in board.rows:
        url = _link(row.organisation.pk, day, today) if row.organisation else ""
        head = [{"text": row.title}, {"text": row.kind}]
        rows.append({"url": url, "cells": [*head, *(cell(one, row.values[one.code]) for one in counters)]})
    foot = [{"text": _("合计")}, {"text": ""}, *(cell(one, board.total[one.code]) for one in counters)]
    columns = [{"title": _("单位"), "sort": True}, {"title": _("层级"), "sort": True}]
    columns += [{"title": one.title, "kind": "num", "sort": True} for one in counters]
    return {"columns": columns, "rows": rows, "foot": foot}


@access.needs("union.overview")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """One node of the linkage on one day: its sums, its children, its course over a year."""
    actor, at = access.actor_of(request), now()
    today = local_day(at)
    day = _day(request, today)
    node, starts = _node(actor, uuid_or_none(request.GET.get("node", "")), day, at)
    instant = _instant(day, at)
    board = levels.board(node.pk, instant)
    totals = levels.level_totals(node.pk, instant)
    over = Organisation.objects.filter(pk__in=_over(node, day)).exclude(pk=node.pk).in_bulk()
    may = {one.pk for one in starts}
    trail = [one for one in over.values() if may & {one.pk, *one.path}]
    trail.sort(key=lambda one: (LEVELS.index(one.kind) if one.kind in LEVELS else -1, len(one.path)))
    context = {
        "nav": "union:overview", "node": node, "kind": levels.KIND_TITLES.get(node.kind, node.kind), "board": board,
        "day": day, "today": today, "starts": [(one, _link(one.pk, day, today)) for one in starts],
        "stats": [
            {"label": one.title, "unit": "" if one.money else one.unit, "money": one.money,
             "value": board.total[one.code]} for one in levels.counters()
        ],
        "levels": [
            {"code": level, "title": levels.LEVEL_TITLES[level], "count": count, "members": values["members"],
             "merchants": values["merchants"]}
            for level, count, values in totals if count
        ],
        "chart": [
            (row.title, row.values["members"], _link(row.organisation.pk, day, today) if row.organisation else "")
            for row in board.rows[:CHART_ROWS]
        ],
        "course": [(f"{month.year}-{month.month:02d}", n) for month, n in levels.monthly_members(node.pk, instant)],
        "trail": [(one, _link(one.pk, day, today)) for one in trail],
        **_table(board, day, today),
    }  # fmt: skip
    return render(request, "union/overview/overview.html", context)
