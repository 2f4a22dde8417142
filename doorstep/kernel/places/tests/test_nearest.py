"""The nearest open places: exactly right on the ground, whatever order the index hands them out in."""

import random
from datetime import date
from uuid import UUID

import pytest

from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.places.geo import distance_m, metres_between
from doorstep.kernel.places.models import Place
from doorstep.kernel.places.queries import nearest_places
from doorstep.kernel.testing.cast import Cast

HERE = (113.1340, 27.8274)
NOON = at_local(date(2025, 5, 7), 12)
HOURS = ("24/7", "Mo-Su 08:00-20:00", "Mo-Su 18:00-23:00", "Mo-Fr 09:00-12:00", "")
OPEN_AT_NOON = {"24/7", "Mo-Su 08:00-20:00"}  # 12:00 itself is past the end of 09:00-12:00


def place(
    cast: Cast, lon: float, lat: float, hours: str = "24/7", facilities: tuple[str, ...] = (), kind: str = "k"
) -> UUID:
    made = Place.objects.create(
        id=uuid7(), organisation_id=cast.union(), kind=kind, name="点", longitude=lon, latitude=lat,
        opening_hours=hours, facilities=list(facilities),
    )  # fmt: skip
    return made.pk


def scattered(cast: Cast, count: int, spread: float) -> list[Place]:
    chosen = random.Random(42)
    rows = [
        Place(
            id=uuid7(), organisation_id=cast.union(), kind=chosen.choice(("home", "station", "shop")), name=str(number),
            longitude=HERE[0] + chosen.uniform(-spread, spread), latitude=HERE[1] + chosen.uniform(-spread, spread),
            opening_hours=chosen.choice(HOURS),
            facilities=[name for name in ("wifi", "microwave", "fridge") if chosen.random() < 0.6],
        )
        for number in range(count)
    ]  # fmt: skip
    return Place.objects.bulk_create(rows)


@pytest.mark.parametrize("spread", [0.02, 3.0])
def test_the_answer_is_the_one_of_looking_at_every_place(cast: Cast, spread: float) -> None:
    everything = scattered(cast, 1500, spread)
    wanted = [
        row for row in everything
        if row.kind in ("home", "station") and {"wifi", "microwave"} <= set(row.facilities) and row.opening_hours in OPEN_AT_NOON
    ]  # fmt: skip
    wanted.sort(key=lambda row: (metres_between(*HERE, row.longitude, row.latitude), row.pk))
    found = nearest_places(
        longitude=HERE[0], latitude=HERE[1], at=NOON, kind=("home", "station"), facilities=("wifi", "microwave")
    )
    assert [row.place_id for row in found] == [row.pk for row in wanted[:20]]
    assert found[0].distance_m == distance_m(*HERE, wanted[0].longitude, wanted[0].latitude)


def test_east_is_nearer_on_the_ground_than_in_degrees(cast: Cast) -> None:
    north = place(cast, HERE[0], HERE[1] + 0.0100)  # 1,112 m, and nearer in degrees
    east = place(cast, HERE[0] + 0.0110, HERE[1])  # 1,082 m
    found = nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k", limit=1)
    assert [row.place_id for row in found] == [east]
    both = nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k")
    assert [(row.place_id, row.distance_m) for row in both] == [(east, 1082), (north, 1112)]


def test_a_closed_place_says_when_it_opens(cast: Cast) -> None:
    place(cast, *HERE, hours="Mo-Su 18:00-23:00")
    assert nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k") == []
    (row,) = nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k", open_now=False)
    assert (row.open_until, row.opens_at) == (None, at_local(date(2025, 5, 7), 18))


def test_the_end_of_opening_is_excluded(cast: Cast) -> None:
    place(cast, *HERE, hours="Mo-Su 08:00-20:00")
    last = at_local(date(2025, 5, 7), 19, 59, 59)
    assert len(nearest_places(longitude=HERE[0], latitude=HERE[1], at=last, kind="k")) == 1
    assert nearest_places(longitude=HERE[0], latitude=HERE[1], at=at_local(date(2025, 5, 7), 20), kind="k") == []


def test_a_place_that_closed_for_good_is_not_found(cast: Cast) -> None:
    Place.objects.filter(pk=place(cast, *HERE)).update(closed_on=date(2025, 5, 7))
    assert nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k") == []


def test_more_than_a_hundred_are_refused(db: None) -> None:
    with pytest.raises(TooMany):
        nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind="k", limit=101)


def test_statements_are_the_same_for_one_place_and_for_twenty(cast: Cast, django_assert_num_queries) -> None:
    for number in range(21):
        place(cast, HERE[0] + number / 1000, HERE[1], kind="many")
    place(cast, *HERE, kind="one")
    for kind in ("one", "many"):
        with django_assert_num_queries(4):  # calendar, declare, fetch, close
            nearest_places(longitude=HERE[0], latitude=HERE[1], at=NOON, kind=kind)
