"""Stations: on the map, kept, mended, judged."""

from datetime import date, timedelta

import pytest

from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed
from doorstep.kernel.places.actions import HoursUnreadable, OutsideChina
from doorstep.kernel.places.models import Place
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import stations
from doorstep.services.union.actions.stations import DateMissing, DefectKnown, StationExited
from doorstep.services.union.models import Defect, Facility, HaveCheck, Station, Supply
from doorstep.services.union.queries.finder import near_stations
from doorstep.services.union.queries.stations import desk_stations, median_fix_minutes, station_page
from doorstep.services.union.rules.stations import EXPIRED, Verdict, expiry_step, verdict
from doorstep.services.union.tests.stations_world import DAY, HERE, MEDICINE_UNTIL, SIX, StationsWorld, key


@pytest.fixture
def world(cast: Cast) -> StationsWorld:
    return StationsWorld(cast)


def near(world: StationsWorld, *facilities: str, at=None) -> list[str]:
    found = near_stations(longitude=HERE[0], latitude=HERE[1], at=at or world.at, facilities=facilities)
    return [one.place.name for one in found]


def test_a_home_is_found_with_its_six_facilities_while_it_is_open(world: StationsWorld) -> None:
    home = world.home
    assert (home.gate, home.place.area_m2, set(home.place.facilities)) == ("1 号门旁", 40, set(SIX))
    assert near(world, *SIX) == ["万达劳动者之家"]
    assert near(world, "toilet") == []
    assert near(world, at=at_local(DAY, 20, 59, 59)) == ["万达劳动者之家"]
    assert near(world, at=at_local(DAY, 21)) == []


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"opening_hours": "早八点到晚九点"}, HoursUnreadable),
        ({"opening_hours": " "}, HoursUnreadable),
        ({"longitude": HERE[1], "latitude": HERE[0]}, OutsideChina),
        ({"facilities": {"first_aid": None}}, DateMissing),
        ({"facilities": {"sauna": None}}, Invalid),
        ({"area_m2": 0}, Invalid),
        ({"kind": "kiosk"}, Invalid),
        ({"name": " "}, Invalid),
    ],
)
def test_what_cannot_be_right_is_refused_and_nothing_is_added(world: StationsWorld, given: dict, refusal: type) -> None:
    with pytest.raises(refusal):
        world.add(**given)
    assert (Station.objects.count(), Place.objects.count(), Facility.objects.count()) == (0, 0, 0)


def test_only_the_union_adds_and_changes(world: StationsWorld) -> None:
    home = world.home
    with pytest.raises(NotAllowed):
        stations.change_station(
            actor=world.keeper, at=world.at, key=key(), station_id=home.pk, name="别名", longitude=HERE[0], latitude=HERE[1],
            opening_hours="24/7",
        )  # fmt: skip
    home.place.refresh_from_db()
    assert (home.place.name, home.place.opening_hours) == ("万达劳动者之家", "Mo-Su 08:00-21:00")


def test_swapped_coordinates_are_refused_when_changing(world: StationsWorld) -> None:
    with pytest.raises(OutsideChina):
        stations.change_station(
            actor=world.officer, at=world.at, key=key(), station_id=world.home.pk, name="新名", longitude=HERE[1],
            latitude=HERE[0], opening_hours="24/7",
        )  # fmt: skip
    place = Place.objects.get()
    assert (place.name, place.longitude, place.latitude) == ("万达劳动者之家", *HERE)


def test_a_broken_facility_leaves_the_finder_until_it_is_mended(world: StationsWorld) -> None:
    home = world.home
    defect = stations.report_defect(
        actor=world.rider, at=world.at, key=key(), station_id=home.pk, text="不转了", facility_code="microwave"
    )
    assert near(world, "microwave") == []
    assert near(world, "wifi") == ["万达劳动者之家"]
    with pytest.raises(DefectKnown):
        stations.report_defect(
            actor=world.courier, at=world.at, key=key(), station_id=home.pk, text="也坏了", facility_code="microwave"
        )
    assert Defect.objects.count() == 1
    stations.fix_defect(actor=world.keeper, at=world.at + timedelta(minutes=95), defect_id=defect)
    assert near(world, "microwave") == ["万达劳动者之家"]
    assert median_fix_minutes([world.union]) == 95


def test_a_stranger_may_not_mend(world: StationsWorld) -> None:
    defect = stations.report_defect(actor=world.rider, at=world.at, key=key(), station_id=world.home.pk, text="灯坏了")
    with pytest.raises(NotAllowed):
        stations.fix_defect(actor=world.stranger, at=world.at, defect_id=defect)
    assert Defect.objects.get().fixed_at is None


def test_medicine_counts_through_its_last_day_and_is_warned_about(world: StationsWorld) -> None:
    home = world.home
    system = system_actor("sweep")
    last = at_local(MEDICINE_UNTIL, 12)
    assert stations.watch_dates(actor=system, at=last - timedelta(days=30)) == 1
    assert stations.watch_dates(actor=system, at=last - timedelta(days=29)) == 0
    assert stations.watch_dates(actor=system, at=last) == 1
    assert near(world, "first_aid", at=last) == ["万达劳动者之家"]
    assert stations.watch_dates(actor=system, at=last + timedelta(days=1)) == 1
    assert near(world, "first_aid", at=last + timedelta(days=1)) == []
    assert stations.watch_dates(actor=system, at=last + timedelta(days=2)) == 0
    stations.put_facility(
        actor=world.keeper,
        at=last + timedelta(days=2),
        station_id=home.pk,
        code="first_aid",
        expires_on=date(2027, 1, 1),
    )
    assert near(world, "first_aid", at=last + timedelta(days=2)) == ["万达劳动者之家"]


@pytest.mark.parametrize(
    ("days", "warned", "step"),
    [
        (31, None, None),
        (30, None, 30),
        (8, 30, None),
        (7, 30, 7),
        (1, 7, 1),
        (0, 1, None),
        (-1, 1, EXPIRED),
        (-2, EXPIRED, None),
    ],
)
def test_each_expiry_warning_is_given_once(days: int, warned: int | None, step: int | None) -> None:
    assert expiry_step(DAY + timedelta(days=days), DAY, warned) == step


@pytest.mark.parametrize(
    ("warned", "late", "points", "expected"),
    [
        (False, 0, 60, Verdict.KEEP), (False, 0, 59, Verdict.WARN), (True, 0, 60, Verdict.RESTORE),
        (True, 1, 60, Verdict.EXIT), (True, 0, 59, Verdict.EXIT),
    ],
)  # fmt: skip
def test_the_rule_of_warning_and_exit(warned: bool, late: int, points: int, expected: Verdict) -> None:
    assert (
        verdict(warned=warned, mend_by=DAY if warned else None, points=points, day=DAY + timedelta(days=late))
        is expected
    )


def inspect(world: StationsWorld, each: int, days: int = 0, actor=None) -> stations.StationReceipt:
    return stations.inspect_station(
        actor=actor or world.officer, at=world.at + timedelta(days=days), key=key(), station_id=world.home.pk,
        open_as_posted=each, working=each, tidy=each, records=each,
    )  # fmt: skip


def test_a_station_that_fails_twice_leaves_the_map(world: StationsWorld) -> None:
    assert (inspect(world, 14).state, inspect(world, 15, 30).state) == ("warned", "open")
    assert inspect(world, 14, 31).verdict == "warn"
    assert near(world) == ["万达劳动者之家"]
    assert inspect(world, 14, 40).state == "exited"
    assert near(world, at=world.at + timedelta(days=41)) == []
    with pytest.raises(StationExited):
        stations.report_defect(actor=world.rider, at=world.at, key=key(), station_id=world.home.pk, text="灯坏了")
    assert [(row.before, row.after) for row in world.home.changes.order_by("at")] == [
        ("open", "warned"), ("warned", "open"), ("open", "warned"), ("warned", "exited"),
    ]  # fmt: skip


def test_nobody_visits_their_own_station_unannounced(world: StationsWorld) -> None:
    stations.put_keeper(actor=world.officer, at=world.at, station_id=world.home.pk, person_id=world.officer.id)
    with pytest.raises(FourEyes):
        inspect(world, 25)
    assert world.home.inspections.count() == 0


def test_supplies_never_go_below_nothing(world: StationsWorld) -> None:
    def move(change: int) -> int:
        return stations.move_supply(
            actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, name="创可贴", change=change
        )

    assert (move(5), move(-3)) == (5, 2)
    with pytest.raises(Invalid):
        move(-3)
    assert Supply.objects.get().quantity == 2


def test_the_newest_look_at_each_of_the_six_counts(world: StationsWorld) -> None:
    def look(have: str, met: bool, days: int, note: str = "") -> None:
        stations.check_have(
            actor=world.keeper, at=world.at + timedelta(days=days), key=key(), station_id=world.home.pk, have=have, met=met,
            note_text=note,
        )  # fmt: skip

    look("sign", True, 0)
    look("rules", True, 0)
    look("rules", False, 1, "牌子掉了")
    page = station_page(world.home.pk, world.at)
    assert {line.code: line.met for line in page.haves} == {
        "sign": True, "place": False, "facilities": False, "rules": False, "keeper": False, "map": False,
    }  # fmt: skip
    with pytest.raises(Invalid):
        look("map", False, 2)
    assert HaveCheck.objects.count() == 3
    assert desk_stations([world.union])[0].haves_met == 1


def test_statements_do_not_grow_with_the_stations(world: StationsWorld, django_assert_num_queries) -> None:
    for number in range(12):
        world.add(f"站{number}")
    with django_assert_num_queries(2):
        assert len(desk_stations([world.union])) == 12
    with django_assert_num_queries(5):  # the finder's four and one for the stations
        assert len(near_stations(longitude=HERE[0], latitude=HERE[1], at=world.at)) == 12
    station = Station.objects.first()
    assert station is not None
    with django_assert_num_queries(8):
        station_page(station.pk, world.at)
