"""The live page: the newspaper, set by the running system, and the rows behind each of its figures."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from doorstep.kernel.common import access, clock
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.common.rooms import Figure, FigureRows, Room, all_rooms


@dataclass(frozen=True, slots=True)
class Article:
    """A room's article with its figures by key."""

    room: Room
    figures: dict[str, Figure]


def articles() -> list[Article]:
    """The articles of all rooms that have one, with figures computed now."""
    return [
        Article(room, {figure.key: figure for figure in room.figures()})
        for room in all_rooms()
        if room.article and room.figures is not None
    ]


@access.public
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The front page."""
    return render(request, "web/live/page.html", {"articles": articles(), "at": clock.local(clock.now())})


def _room(code: str) -> Room:
    room = next((room for room in all_rooms() if room.code == code), None)
    if room is None or room.figures is None or room.figure_rows is None:
        raise NotFound
    return room


@access.public
@require_safe
def figure(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """One figure: what the page said, what the records say, and the records."""
    room = _room(code)
    found = next((figure for figure in room.figures() if figure.key == key), None) if room.figures else None
    if found is None or room.figure_rows is None:
        raise NotFound
    return render(request, "web/live/figure.html", {"room": room, "figure": found, **_table(room.figure_rows(key))})


def _table(evidence: FigureRows) -> dict[str, Any]:
    return {
        "columns": [{"title": column} for column in evidence.columns],
        "rows": [{"cells": [{"text": text} for text in row]} for row in evidence.rows],
        "shown": len(evidence.rows),
        "total": evidence.total,
    }
