"""A small studio with an owner, a door device and as many students as a test asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from doorstep.kernel.bookings import actions, reserving
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.common import access
from doorstep.kernel.common.access import Role
from doorstep.kernel.common.actor import Actor, person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast

DAY = datetime(2025, 5, 10).date()  # noqa: DTZ001
NOON = at_local(DAY, 12)
NINE = at_local(DAY, 9)


def key() -> str:
    return str(uuid7())


@dataclass
class Studio:
    """Everything happens on 10 May 2025; ``at`` is nine in the morning."""

    cast: Cast
    at: datetime = NINE

    def __post_init__(self) -> None:
        self.organisation = self.cast.organisation("天元舞蹈社", kind="studio")
        self.place = add_place(
            actor=SYSTEM, at=self.cast.at, organisation_id=self.organisation, kind="studio", name="一号教室",
            longitude=113.08, latitude=27.83, address="泰山路 1 号", opening_hours="Mo-Su 10:00-12:00,14:00-16:30",
        )  # fmt: skip

    def keeper(self) -> Actor:
        return self.cast.appointed("周店长", "studio_keeper", self.organisation)

    def student(self, number: int = 1) -> Actor:
        name = f"学员{number}"
        return person_actor(self.cast.person(name), name)

    def session(self, capacity: int = 2, **given: Any) -> UUID:
        chosen = {
            "starts_at": NOON,
            "ends_at": NOON + timedelta(hours=1),
            "waitlist": True,
            "title": "少儿拉丁",
            **given,
        }
        return actions.open_session(
            actor=SYSTEM, at=self.at, key=key(), organisation_id=self.organisation, kind="class",
            capacity=capacity, place_id=self.place, **chosen,
        )  # fmt: skip

    def book(self, session_id: UUID, number: int = 1, at: datetime | None = None) -> Booking:
        receipt = actions.book(actor=self.student(number), at=at or self.at, key=key(), session_id=session_id)
        return Booking.objects.get(pk=receipt.booking_id)

    def resource(self, name: str = "一号琴房", pool: int | None = None, place_id: UUID | None = None) -> UUID:
        return reserving.add_resource(
            actor=SYSTEM, at=self.at, key=key(), organisation_id=self.organisation, kind="room", name=name, pool=pool,
            place_id=place_id,
        )  # fmt: skip

    def reserve(self, resource_id: UUID, start: datetime, end: datetime, number: int = 1, **given: Any) -> Any:
        quantity = given.pop("quantity", 1)
        return reserving.reserve(
            actor=self.student(number), at=given.pop("at", self.at), key=key(),
            wanted=[reserving.Wanted(resource_id, quantity)], starts_at=start, ends_at=end, **given,
        )  # fmt: skip


def states(session_id: UUID) -> list[str]:
    return list(Booking.objects.filter(session_id=session_id).order_by("number").values_list("state", flat=True))


def booked(session_id: UUID) -> int:
    return Session.objects.get(pk=session_id).booked


@pytest.fixture
def studio(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Studio:
    allowed = frozenset({"bookings.manage", "bookings.attend"})
    monkeypatch.setitem(access._roles, "studio_keeper", Role("studio_keeper", "店长", allowed))
    return Studio(cast)
