"""Coming in: by the door's code, by card, by a tap that says it is one."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, NotAllowed
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.passes.errors import PassExpired
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import doors, stations, visits
from doorstep.services.union.actions.doors import PairingOver
from doorstep.services.union.actions.visits import DoorCodeOld, NotACard, NotADoorCode, Tap, TooFar
from doorstep.services.union.models import Visit
from doorstep.services.union.queries.stations import visits_by_occupation
from doorstep.services.union.tests.stations_world import DAY, HERE, StationsWorld, key


@pytest.fixture
def world(cast: Cast) -> StationsWorld:
    return StationsWorld(cast)


def scan(world: StationsWorld, actor: Actor, at=None, **given: object) -> visits.VisitReceipt:
    moment = at or world.at
    details: dict[str, object] = {"code": visits.door_code(world.home.pk, moment), "scanned_at": moment, **given}
    return visits.check_in_at_door(actor=actor, at=moment, key=key(), **details)


def test_a_scan_at_the_door_is_a_visit_with_the_persons_occupation(world: StationsWorld) -> None:
    receipt = scan(world, world.rider, longitude=HERE[0], latitude=HERE[1])
    assert (receipt.first, receipt.occupation, receipt.station) == (True, "rider", "万达劳动者之家")
    visit = Visit.objects.get()
    assert (visit.method, visit.person_id, visit.distance_m) == ("door", world.rider.id, 0)


def test_a_photographed_code_is_worth_nothing_at_home(world: StationsWorld) -> None:
    photographed = visits.door_code(world.home.pk, world.at)
    later = world.at + timedelta(seconds=60)
    with pytest.raises(DoorCodeOld):
        visits.read_door(photographed, later)
    with pytest.raises(DoorCodeOld):
        scan(world, world.rider, later, code=photographed)
    # Scanned in time and left lying for longer than signing in takes.
    with pytest.raises(DoorCodeOld):
        scan(world, world.rider, world.at + timedelta(minutes=10, seconds=1), code=photographed, scanned_at=world.at)
    # A face cannot claim a scan that is still to come.
    with pytest.raises(DoorCodeOld):
        scan(world, world.rider, code=photographed, scanned_at=world.at + timedelta(seconds=5))
    assert Visit.objects.count() == 0


def test_a_scan_outlives_signing_in(world: StationsWorld) -> None:
    code = visits.door_code(world.home.pk, world.at)
    receipt = scan(world, world.rider, world.at + timedelta(minutes=4), code=code, scanned_at=world.at)
    assert receipt.first is True


def test_a_phone_that_says_it_is_elsewhere_is_refused(world: StationsWorld) -> None:
    with pytest.raises(TooFar) as refused:
        scan(world, world.rider, longitude=HERE[0], latitude=HERE[1] + 0.01)
    assert refused.value.data == {"metres": 1112}
    assert Visit.objects.count() == 0


def test_another_kind_of_code_opens_no_door(world: StationsWorld) -> None:
    with pytest.raises(NotADoorCode):
        scan(world, world.rider, code=issue(PassKind.PERSON, world.home.pk, world.at))
    assert Visit.objects.count() == 0


def test_a_person_counts_once_in_half_an_hour_whatever_the_clock_says(world: StationsWorld) -> None:
    first = scan(world, world.rider, at_local(DAY, 12, 29))
    again = scan(world, world.rider, at_local(DAY, 12, 58, 59))  # another slot of the clock, the same visit
    assert (again.first, again.visit_id) == (False, first.visit_id)
    assert scan(world, world.rider, at_local(DAY, 12, 59)).first is True
    assert scan(world, world.courier, at_local(DAY, 12, 30)).first is True
    assert Visit.objects.count() == 3


def test_a_card_counts_at_the_keepers_and_with_the_doors_device(world: StationsWorld) -> None:
    card = issue(PassKind.PERSON, world.rider.id, world.at)
    receipt = visits.record_card(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, card=card)
    assert (receipt.first, Visit.objects.get().method) == (True, "card")
    with pytest.raises(NotACard):
        visits.record_card(
            actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk,
            card=issue(PassKind.PERSON, world.home.pk, world.at),
        )  # fmt: skip
    late = world.at + timedelta(minutes=2)
    with pytest.raises(PassExpired):
        visits.record_card(actor=world.keeper, at=late, key=key(), station_id=world.home.pk, card=card)
    with pytest.raises(NotAllowed):
        visits.record_card(actor=world.stranger, at=world.at, key=key(), station_id=world.home.pk, card=card)
    assert Visit.objects.count() == 1


def test_a_tap_is_marked_and_one_press_is_one_visit(world: StationsWorld) -> None:
    pressed = key()
    for _ in range(3):
        visits.record_tap(actor=world.keeper, at=world.at, key=pressed, station_id=world.home.pk, occupation="courier")
    visits.record_tap(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, occupation="courier")
    assert [(row.method, row.person_id) for row in Visit.objects.all()] == [("tap", None), ("tap", None)]
    with pytest.raises(Invalid):
        visits.record_tap(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, occupation="king")
    with pytest.raises(NotAllowed):
        visits.record_tap(actor=world.rider, at=world.at, key=key(), station_id=world.home.pk, occupation="rider")
    assert Visit.objects.count() == 2


def test_a_list_counts_each_person_once_a_half_hour_and_every_tap(world: StationsWorld) -> None:
    scan(world, world.rider, world.at - timedelta(minutes=10))
    taps = [
        Tap(world.at, person_id=world.rider.id),  # came ten minutes ago
        Tap(world.at - timedelta(hours=3), person_id=world.courier.id),
        Tap(world.at - timedelta(hours=3) + timedelta(minutes=29), person_id=world.courier.id),
        Tap(world.at - timedelta(hours=2, minutes=30), person_id=world.courier.id),
        Tap(world.at - timedelta(hours=1), occupation="driver"),
        Tap(world.at - timedelta(hours=1), occupation="driver"),
    ]
    receipt = visits.record_visits(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, taps=taps)
    assert (receipt.recorded, receipt.repeated) == (4, 2)
    assert Counter(Visit.objects.values_list("method", flat=True)) == {"door": 1, "card": 2, "tap": 2}
    shares = visits_by_occupation(world.at - timedelta(days=1), world.at + timedelta(days=1), station_id=world.home.pk)
    assert sorted(shares) == [("外卖骑手", 1), ("快递员", 2), ("货车司机", 2)]


def test_a_list_of_the_future_or_of_last_month_is_refused_whole(world: StationsWorld) -> None:
    for moment in (world.at + timedelta(seconds=1), world.at - timedelta(days=7, seconds=1)):
        taps = [Tap(world.at, occupation="rider"), Tap(moment, occupation="rider")]
        with pytest.raises(Invalid):
            visits.record_visits(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, taps=taps)
    unknown = [Tap(world.at, person_id=world.home.pk)]
    with pytest.raises(Invalid):
        visits.record_visits(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, taps=unknown)
    assert Visit.objects.count() == 0


def statements(world: StationsWorld, count: int, capture) -> int:
    people = [world.worker(f"工友{count}-{number}", "rider").id for number in range(count)]
    taps = [Tap(world.at, person_id=person_id) for person_id in people] + [Tap(world.at, occupation="rider")] * count
    with capture() as queries:
        visits.record_visits(actor=world.keeper, at=world.at, key=key(), station_id=world.home.pk, taps=taps)
    return len(queries)


def test_statements_do_not_grow_with_the_list(world: StationsWorld) -> None:
    assert world.home.pk
    capture = lambda: CaptureQueriesContext(connection)  # noqa: E731
    assert statements(world, 1, capture) == statements(world, 20, capture)


def test_a_door_screen_is_paired_once_and_counts_only_at_its_own_station(world: StationsWorld) -> None:
    code = doors.add_door(actor=world.officer, at=world.at, station_id=world.home.pk)
    assert doors.read_pairing(at=world.at, code=code).place == "万达劳动者之家"
    paired = doors.pair_door(at=world.at, code=code)
    with pytest.raises(PairingOver):
        doors.pair_door(at=world.at + timedelta(seconds=1), code=code)
    device = Actor("device", paired.device_id)
    card = issue(PassKind.PERSON, world.rider.id, world.at)
    assert visits.record_card(actor=device, at=world.at, key=key(), station_id=world.home.pk, card=card).first is True
    other = world.add("清石广场劳动者之家")
    with pytest.raises(NotAllowed):
        visits.record_card(actor=device, at=world.at, key=key(), station_id=other.pk, card=card)
    Device.objects.filter(pk=paired.device_id).update(revoked_at=world.at)
    with pytest.raises(NotAllowed):
        visits.record_card(actor=device, at=world.at, key=key(), station_id=world.home.pk, card=card)
    assert Visit.objects.count() == 1


def test_an_exited_station_counts_nobody(world: StationsWorld) -> None:
    code = visits.door_code(world.home.pk, world.at)
    stations.exit_station(actor=world.officer, at=world.at, station_id=world.home.pk, reason="拆迁")
    with pytest.raises(stations.StationExited):
        scan(world, world.rider, code=code)
    assert Visit.objects.count() == 0
