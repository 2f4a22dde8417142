"""What a service tells the house about itself, so that the house needs no service's name.

A room registers once, in its ``apps.py``; the shells, the wallet, the live page, the story command and the periodic
worker read the register.
"""

from collections.abc import Callable, Iterable
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

    ``page`` is what the newspaper said, ``computed`` what the records say, ``evidence`` how many records are behind it.
    ``holds`` says whether the two agree (``at least`` for "over 8,000").
    """

    number: int
    key: str
    label: Text
    page: str
    computed: str
    evidence: int
    holds: bool
    rows_url: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """A service as the house sees it."""

    code: str
    title: Text
    icon: str
    summary: Text
    url_name: str
    desk: tuple[DeskPage, ...] = ()
    wallet: Callable[[UUID, datetime], Iterable[WalletItem]] | None = None
    figures: Callable[[], list[Figure]] | None = None
    article: str = ""
    story: Callable[..., None] | None = None
    periodic: Callable[[datetime], None] | None = None
    order: int = 100
    extra: dict[str, Any] = field(default_factory=dict)


_rooms: dict[str, Room] = {}


def register(room: Room) -> None:
    """Called once per room when its app is ready."""
    if room.code in _rooms and _rooms[room.code] != room:
        raise ValueError(f"the room {room.code} is registered twice")
    _rooms[room.code] = room


def all_rooms() -> list[Room]:
    return sorted(_rooms.values(), key=lambda room: (room.order, room.code))
