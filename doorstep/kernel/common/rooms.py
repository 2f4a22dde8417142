"""What a service tells the house about itself, so that the house needs no service's name.

A room registers once, in its ``apps.py``; the shells, the wallet, the live page, the story command and the periodic
worker read the register.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from doorstep.kernel.common.errors import Text


@dataclass(frozen=True, slots=True)
class DeskPage:
    """One entry in the desk's sidebar; shown to those who hold ``capability`` somewhere."""

    url_name: str
    title: Text
    icon: str
    capability: str


@dataclass(frozen=True, slots=True)
class WalletItem:
    """One thing a person holds, as the pile 卡包 shows it; soonest first."""

    room: str
    id: UUID
    title: Text
    subtitle: Text
    valid_until: datetime
    url: str
    template: str
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the live page, computed from records.

    ``number`` is the figure's place in the page's table, ``key`` its name within the room. ``page`` is what the newspaper
    said, ``computed`` what the records say, ``evidence`` how many records are behind it; ``holds``: the two agree. ``values``
    are its parts by name, for the running text; ``series`` its course over time, for a chart.
    """

    number: int
    key: str
    label: Text
    page: str
    computed: str
    evidence: int
    holds: bool
    values: Mapping[str, str] = field(default_factory=dict)
    series: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FigureRows:
    """The records behind a figure, at most 100 of ``total``: column titles and rows of texts."""

    columns: tuple[Text, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class ConsentKind:
    """A purpose a room asks people to agree to, in words they can decide by."""

    purpose: str
    title: Text
    text: Text


@dataclass(frozen=True, slots=True)
class DemoEntry:
    """A way into the demo that is not a person's sign-in, e.g. a till: ``url`` makes the address when it is clicked."""

    code: str
    title: Text
    note: Text
    icon: str
    url: Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Room:
    """A service as the house sees it.

    ``wallet(person_id, at)`` gives what a person holds; ``figures()`` and ``figure_rows(key)`` the live page's numbers,
    ``article`` its template; ``story(scale, step)`` replays what the page tells; ``periodic(at)`` is called every minute by
    the worker; ``demo`` are ways into the demo; ``consents`` the purposes it asks people to agree to; ``tone`` its colour.
    """

    code: str
    title: Text
    icon: str
    summary: Text
    url_name: str
    desk: tuple[DeskPage, ...] = ()
    wallet: Callable[[UUID, datetime], Iterable[WalletItem]] | None = None
    figures: Callable[[], list[Figure]] | None = None
    figure_rows: Callable[[str], FigureRows] | None = None
    article: str = ""
    story: "Callable[[str, Step], None] | None" = None
    periodic: Callable[[datetime], None] | None = None
    demo: tuple[DemoEntry, ...] = ()
    consents: tuple[ConsentKind, ...] = ()
    tone: str = "door"
    order: int = 100


# Tells the one who waits how far a story is: a text and how many steps of it are done of how many.
Step = Callable[[str, int, int], None]

_rooms: dict[str, Room] = {}


def register(room: Room) -> None:
    """Called once per room when its app is ready."""
    if room.code in _rooms and _rooms[room.code] != room:
        raise ValueError(f"the room {room.code} is registered twice")
    _rooms[room.code] = room


def all_rooms() -> list[Room]:
    return sorted(_rooms.values(), key=lambda room: (room.order, room.code))
