"""The pages of stations, keepers, doors, games and check-ups: who gets in, what they show, what their forms do."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.common.access import DEVICE_COOKIE, Face
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import travel
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.geo import distance_m, to_gcj02
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import checkups, doors, visits
from doorstep.services.union.models import Defect, Event, Inspection, PrizeClaim, Score, Station, Supply, Team, Visit
from doorstep.services.union.pages import activities_urls, keeper_urls, stations_urls
from doorstep.services.union.tests.stations_world import HERE, StationsWorld, key


@pytest.fixture
def world(cast: Cast) -> StationsWorld:
    return StationsWorld(cast)


def browser(actor: Actor | None = None) -> Client:
    client = Client()
    if actor is not None:
        client.force_login(Person.objects.get(pk=actor.id), "django.contrib.auth.backends.ModelBackend")
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def test_every_page_says_who_may_open_it() -> None:
    for module in (stations_urls, keeper_urls, activities_urls):
        for pattern in module.urlpatterns:
            assert isinstance(getattr(pattern.callback, "face", None), Face), pattern


def test_the_finder_lists_open_stations_by_distance_and_by_facilities(world: StationsWorld) -> None:
    near, far = world.home, world.add("清石广场劳动者之家", latitude=HERE[1] + 0.01, opening_hours="24/7")
    with travel(world.at):
        page = text(browser().get(reverse("union:stations"), {"lon": HERE[0], "lat": HERE[1]}))
        assert page.index(near.place.name) < page.index(far.place.name)
        assert ("0 米" in page, "1.1 公里" in page) == (True, True)
        assert near.place.name not in text(browser().get(reverse("union:stations"), {"f": "toilet"}))
    with travel(world.at + timedelta(hours=10)):
        night = text(browser().get(reverse("union:stations")))
        assert (near.place.name in night, far.place.name in night) == (False, True)
        assert near.place.name in text(browser().get(reverse("union:stations"), {"all": "1"}))


def test_nonsense_in_the_address_counts_as_not_said(world: StationsWorld) -> None:
    assert world.home
    with travel(world.at):
        for query in (
            {"lon": "x", "lat": "1"},
            {"lon": "27.8", "lat": "113.1"},
            {"lon": "nan", "lat": "nan"},
            {"f": "x"},
        ):
            response = browser().get(reverse("union:stations"), query)
            assert response.status_code == 200
            assert "距离从万达广场算起" in text(response)


def test_the_station_page_leads_there_on_the_shifted_grid(world: StationsWorld) -> None:
    with travel(world.at):
        page = text(browser().get(reverse("union:station", args=[world.home.pk])))
    assert "1 号门旁" in page
    assert "27.86750, 113.15130(WGS-84)" in page
    lon, lat = to_gcj02(*HERE)
    assert f"uri.amap.com/navigation?to={lon:.6f}%2C{lat:.6f}" in page
    assert distance_m(*HERE, lon, lat) > 500


def test_a_scan_survives_signing_in_and_an_old_code_does_not(world: StationsWorld) -> None:
    code, client = visits.door_code(world.home.pk, world.at), browser()
    with travel(world.at):
        assert client.get(reverse("union:door", args=[code])).headers["Location"] == reverse("union:visit")
        assert "sign-in" in client.get(reverse("union:visit")).headers["Location"]
    client.force_login(Person.objects.get(pk=world.rider.id), "django.contrib.auth.backends.ModelBackend")
    with travel(world.at + timedelta(minutes=3)):
        assert "我来了" in text(client.get(reverse("union:visit")))
        assert "记好了" in text(client.post(reverse("union:visit"), {"key": key()}))
        assert browser(world.courier).get(reverse("union:door", args=[code])).status_code == 409
        assert browser(world.courier).get(reverse("union:visit")).status_code == 404
    assert [visit.person_id for visit in Visit.objects.all()] == [world.rider.id]


def test_the_keeper_counts_reports_and_mends(world: StationsWorld) -> None:
    client, address = browser(world.keeper), reverse("union:keeper", args=[world.home.pk])
    with travel(world.at):
        assert client.get(reverse("union:station-keeper")).headers["Location"] == address
        pressed = key()
        for _ in range(2):
            client.post(f"{address}/tap", {"key": pressed, "occupation": "rider"})
        client.post(f"{address}/supply", {"key": key(), "name": "创可贴", "change": "3"})
        client.post(reverse("union:supply-use", args=[Supply.objects.get().pk]), {"key": key()})
        client.post(f"{address}/defect", {"key": key(), "text": "不转了", "facility_code": "microwave"})
        page = text(client.get(address))
        assert ("今天 1 人次" in page, "不转了" in page) == (True, True)
        client.post(reverse("union:defect-fix", args=[Defect.objects.get().pk]))
    assert Visit.objects.get().method == "tap"
    assert Supply.objects.get().quantity == 2
    assert Defect.objects.get().fixed_at == world.at


def test_another_keeper_is_turned_away(world: StationsWorld) -> None:
    elsewhere = world.cast.organisation("芦淞区总工会")
    other = world.cast.appointed("别处的人", "station_keeper", elsewhere)
    address = reverse("union:keeper", args=[world.home.pk])
    with travel(world.at):
        assert browser(other).get(address).status_code == 404
        assert browser(other).post(f"{address}/tap", {"key": key(), "occupation": "rider"}).status_code == 404
        assert browser(world.rider).get(address).status_code == 403
    assert Visit.objects.count() == 0


def test_a_paired_screen_shows_a_new_code_each_half_minute(world: StationsWorld) -> None:
    with travel(world.at):
        code = doors.add_door(actor=world.officer, at=world.at, station_id=world.home.pk)
        screen = browser()
        assert "万达劳动者之家" in text(screen.get(reverse("union:door-pair"), {"code": code}))
        assert screen.post(reverse("union:door-pair"), {"code": code}).headers["Location"] == reverse(
            "union:door-screen"
        )
        assert DEVICE_COOKIE in screen.cookies
        first = text(screen.get(reverse("union:door-screen"), headers={"HX-Request": "true"}))
    with travel(world.at + timedelta(seconds=30)):
        assert text(screen.get(reverse("union:door-screen"), headers={"HX-Request": "true"})) != first
        assert browser().post(reverse("union:door-pair"), {"code": code}).status_code == 409
        assert browser().get(reverse("union:door-screen")).headers["Location"] == reverse("union:door-pair")
    assert Device.objects.get().paired_at == world.at


def test_the_desk_adds_a_station_and_says_what_is_wrong_with_it(world: StationsWorld) -> None:
    given = {
        "key": key(), "organisation": str(world.union), "kind": "union_home", "name": "新家", "longitude": HERE[1],
        "latitude": HERE[0], "opening_hours": "早上到晚上", "facilities": ["first_aid"],
    }  # fmt: skip
    client = browser(world.officer)
    with travel(world.at):
        assert client.post(reverse("union:station-new"), given).status_code == 422
        swapped = client.post(reverse("union:station-new"), {**given, "key": key(), "medicine_until": "2026-01-01"})
        assert "经度和纬度可能写反了" in text(swapped)
        right = {"longitude": HERE[0], "latitude": HERE[1], "medicine_until": "2026-01-01"}
        assert "营业时间看不懂" in text(client.post(reverse("union:station-new"), {**given, **right, "key": key()}))
        assert Station.objects.count() == 0
        made = client.post(reverse("union:station-new"), {**given, **right, "key": key(), "opening_hours": "24/7"})
    station = Station.objects.get()
    assert made.headers["Location"] == reverse("union:station-case", args=[station.pk])
    assert (station.place.facilities, station.kind) == (["first_aid"], "union_home")


def test_the_desk_judges_and_names_a_keeper(world: StationsWorld) -> None:
    client, address = browser(world.officer), reverse("union:station-case", args=[world.home.pk])
    points = {"open_as_posted": 10, "working": 10, "tidy": 10, "records": 10}
    with travel(world.at):
        client.post(f"{address}/inspection", {"key": key(), **points})
        client.post(f"{address}/have", {"key": key(), "have": "sign", "met": "yes"})
        page = text(client.get(address))
        assert ("已警告" in page, "1 / 6" in page) == (True, True)
        assert browser(world.keeper).get(address).status_code == 403
    assert Inspection.objects.get().points == 40


def test_a_worker_makes_a_team_plays_and_holds_a_prize(world: StationsWorld) -> None:
    worker, officer = browser(world.rider), browser(world.officer)
    cup, address = world.prize(), reverse("union:activity", args=[world.event])
    with travel(world.at):
        worker.post(f"{address}/teams", {"key": key(), "name": "风火轮", "occupation": "rider"})
        team = Team.objects.get()
        browser(world.courier).post(reverse("union:team-join", args=[team.pk]), {"key": key()})
        refused = worker.post(reverse("union:prize-claim", args=[cup]), {"key": key()}, follow=True)
        assert "还没有玩过这个摊位" in text(refused)
        score = {"key": key(), "stall": str(world.stall), "team": str(team.pk), "attempt": "1", "value": "41.2"}
        officer.post(reverse("union:activity-step", args=[world.event, "score"]), score)
        worker.post(reverse("union:prize-claim", args=[cup]), {"key": key()})
        claim = PrizeClaim.objects.get()
        assert "保温杯" in text(worker.get(reverse("union:prize", args=[claim.pk])))
        assert browser(world.courier).get(reverse("union:prize", args=[claim.pk])).status_code == 404
        assert "保温杯" in text(worker.get(reverse("wallet")))
        officer.post(reverse("union:prize-hand-over", args=[claim.pk]), {"key": key()})
        officer.post(reverse("union:activity-close", args=[world.event]))
        assert "和结束时公布的一样" in text(browser().get(address))
    assert (Team.objects.get().size, Score.objects.count(), Event.objects.get().state) == (2, 1, "closed")
    assert PrizeClaim.objects.get().handed_over_at == world.at


def test_a_checkup_is_booked_and_its_result_is_nobody_elses(world: StationsWorld) -> None:
    slot, address = world.slot(), reverse("union:checkup", args=[world.round])
    worker = browser(world.rider)
    with travel(world.at):
        assert "约这个时间" in text(browser().get(address))
        worker.post(reverse("union:checkup-book", args=[slot]), {"key": key(), "consent": "1"})
        assert "我的预约" in text(worker.get(address))
        assert "满了,可以候补" in text(browser(world.courier).get(address))
    case = reverse("union:checkup-case", args=[world.round])
    booking = Booking.objects.get()
    day = world.at + timedelta(days=3)
    with travel(day):
        doctor = browser(world.doctor)
        doctor.post(reverse("union:checkup-booking", args=[booking.pk, "attend"]))
        doctor.post(
            reverse("union:checkup-booking", args=[booking.pk, "result"]), {"key": key(), "text": "血压 128/82"}
        )
        result = booking.union_result.pk
        assert "血压 128/82" in text(worker.get(reverse("union:checkup-result", args=[result])))
        for other in (world.courier, world.officer, world.doctor):
            assert browser(other).get(reverse("union:checkup-result", args=[result])).status_code == 404
        desk = text(browser(world.officer).get(f"{case}?slot={slot}"))
        assert ("凌涛" in desk, "这里只看得到人数" in desk) == (False, True)
        assert "凌涛" in text(doctor.get(f"{case}?slot={slot}"))
        assert browser(world.courier).get(case).status_code == 404
        assert case in text(doctor.get(reverse("union:clinic")))
        assert checkups.CONSENT in {one.purpose for one in Person.objects.get(pk=world.rider.id).consents.all()}
