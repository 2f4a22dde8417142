"""A parcel station with a keeper, its shelf scanner, two couriers' worth of people and a prize counter."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from doorstep.kernel.common import access
from doorstep.kernel.common.access import Role
from doorstep.kernel.common.actor import Actor, device_actor, person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.actions import add_device
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast
from doorstep.kernel.things import actions, stock
from doorstep.kernel.things.actions import CustodyReceipt, Holder

NINE = at_local(datetime(2025, 5, 10).date(), 9)  # noqa: DTZ001


def key() -> str:
    return str(uuid7())


@dataclass
class Station:
    """``organisation`` owns the things, ``place`` is its counter; everything happens on 10 May 2025 at nine."""

    cast: Cast
    at: datetime = NINE

    def __post_init__(self) -> None:
        self.organisation = self.cast.organisation("泰山路驿站", kind="station")
        self.house = Holder("organisation", self.organisation)
        self.place = add_place(
            actor=SYSTEM, at=self.cast.at, organisation_id=self.organisation, kind="station", name="泰山路驿站",
            longitude=113.08, latitude=27.83,
        )  # fmt: skip

    def keeper(self) -> Actor:
        return self.cast.appointed("吴站长", "station_keeper", self.organisation)

    def person(self, name: str = "凌涛") -> Actor:
        return person_actor(self.cast.person(name), name)

    def hands(self, name: str = "凌涛") -> Holder:
        return Holder("person", self.cast.person(name))

    def scanner(self, organisation_id: UUID | None = None) -> Actor:
        return device_actor(
            add_device(
                actor=SYSTEM,
                at=self.at,
                organisation_id=organisation_id or self.organisation,
                place_id=self.place,
                kind="scanner",
                name="货架枪",
            )
        )

    def thing(self, barcode: str = "SF-1001", **given: Any) -> CustodyReceipt:
        chosen = {"kind": "parcel", "name": "包裹", **given}
        return actions.register_thing(
            actor=SYSTEM, at=self.at, key=key(), organisation_id=self.organisation, barcode=barcode, **chosen
        )

    def hand(self, thing_id: UUID, giver: Holder, receiver: Holder, actor: Actor = SYSTEM, **given: Any) -> Any:
        chosen = {"at": self.at, "key": key(), **given}
        return actions.hand_over(actor=actor, thing_id=thing_id, giver=giver, receiver=receiver, **chosen)

    def put(self, quantity: int, kind: str = "prize") -> Any:
        return stock.put_stock(
            actor=SYSTEM, at=self.at, key=key(), place_id=self.place, kind=kind, name="保温杯", quantity=quantity
        )

    def take(self, quantity: int = 1, actor: Actor = SYSTEM, kind: str = "prize") -> Any:
        return stock.take_stock(actor=actor, at=self.at, key=key(), place_id=self.place, kind=kind, quantity=quantity)


@pytest.fixture
def station(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Station:
    allowed = frozenset({"things.manage", "things.stock"})
    monkeypatch.setitem(access._roles, "station_keeper", Role("station_keeper", "站长", allowed))
    return Station(cast)
