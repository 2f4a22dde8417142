"""A small world of stations and games: a union with an officer and a keeper, one home that is open, workers with standings."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from doorstep.kernel.common.actor import Actor, person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import activities, checkups, stations
from doorstep.services.union.models import Station, StationKind

DAY = date(2025, 5, 7)  # a Wednesday
HERE = (113.1513, 27.8675)
MEDICINE_UNTIL = date(2025, 12, 31)
SIX = ("microwave", "seats", "first_aid", "wifi", "charging", "fridge")


def key() -> str:
    return str(uuid7())


@dataclass
class StationsWorld:
    """``at`` is noon of Wednesday 2025-05-07."""

    cast: Cast
    at: datetime = field(default_factory=lambda: at_local(DAY, 12))

    def __post_init__(self) -> None:
        self.union = self.cast.union()
        self.officer: Actor = self.cast.officer()
        self.keeper: Actor = self.cast.appointed("彭桂兰", "station_keeper", self.union)
        self.rider = self.worker("凌涛", "rider")
        self.courier = self.worker("杨雷", "courier")
        self.stranger = person_actor(self.cast.stranger(), "路人甲")

    def worker(self, name: str, kind: str) -> Actor:
        person_id = self.cast.person(name)
        self.cast.standing(person_id, kind)
        return person_actor(person_id, name)

    def add(self, name: str = "万达劳动者之家", **given: object) -> Station:
        details: dict[str, object] = {
            "kind": StationKind.HOME, "name": name, "longitude": HERE[0], "latitude": HERE[1], "gate": "1 号门旁",
            "opening_hours": "Mo-Su 08:00-21:00", "area_m2": Decimal(40),
            "facilities": {code: MEDICINE_UNTIL if code == "first_aid" else None for code in SIX}, **given,
        }  # fmt: skip
        made = stations.add_station(
            actor=self.officer, at=self.at - timedelta(days=30), key=key(), organisation_id=self.union, **details
        )
        return Station.objects.select_related("place").get(pk=made.station_id)

    @cached_property
    def home(self) -> Station:
        home = self.add()
        stations.put_keeper(actor=self.officer, at=self.at, station_id=home.pk, person_id=self.keeper.id)
        return Station.objects.select_related("place").get(pk=home.pk)

    # Games -------------------------------------------------------------------------------------------------------

    @cached_property
    def event(self) -> UUID:
        return activities.open_event(
            actor=self.officer, at=self.at, key=key(), organisation_id=self.union, title="五一游艺", holiday="劳动节",
            starts_on=date(2025, 5, 1), ends_on=date(2025, 5, 10),
        )  # fmt: skip

    @cached_property
    def stall(self) -> UUID:
        return self.add_stall("分拣接力", "low")

    def add_stall(self, name: str, better: str) -> UUID:
        return activities.add_stall(
            actor=self.officer, at=self.at, key=key(), event_id=self.event, name=name, unit="秒", better=better,
            opens=time(19, 30), closes=time(21),
        )  # fmt: skip

    def team(self, name: str, people: list[Actor]) -> UUID:
        captain, *others = people
        made = activities.found_team(
            actor=captain, at=self.at, key=key(), event_id=self.event, name=name, occupation="rider"
        )
        for actor in others:
            activities.join_team(actor=actor, at=self.at, key=key(), team_id=made.team_id)
        return made.team_id

    def score(self, team_id: UUID, value: str, attempt: int = 1, stall_id: UUID | None = None) -> UUID:
        return activities.record_score(
            actor=self.officer, at=self.at, key=key(), stall_id=stall_id or self.stall, team_id=team_id, attempt=attempt,
            value=Decimal(value),
        )  # fmt: skip

    def prize(self, stock: int = 10, best: int | None = None, name: str = "保温杯") -> UUID:
        return activities.add_prize(
            actor=self.officer, at=self.at, key=key(), stall_id=self.stall, name=name, stock=stock, best=best
        )

    # Check-ups ---------------------------------------------------------------------------------------------------

    @cached_property
    def clinic(self) -> UUID:
        return self.cast.organisation("泰山路社区卫生服务中心", "clinic")

    @cached_property
    def doctor(self) -> Actor:
        return self.cast.appointed("谭医生", "checkup_doctor", self.clinic)

    @cached_property
    def round(self) -> UUID:
        return checkups.open_checkup(
            actor=self.officer, at=self.at, key=key(), organisation_id=self.union, clinic_id=self.clinic, title="体检",
            items="血压、血糖",
        )  # fmt: skip

    def slot(self, capacity: int = 1, days: int = 3) -> UUID:
        starts = at_local(DAY + timedelta(days=days), 8)
        return checkups.add_slot(
            actor=self.officer, at=self.at, key=key(), round_id=self.round, starts_at=starts,
            ends_at=starts + timedelta(hours=3), capacity=capacity,
        )  # fmt: skip
