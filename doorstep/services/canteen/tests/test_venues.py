"""Vetting: no step without the one before it, nobody decides on their own points, papers warn and stop."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed, WrongState
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes import codes
from doorstep.kernel.places.actions import HoursUnreadable, OutsideChina
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.canteen.actions import venues
from doorstep.services.canteen.models import Agreement, MenuItem, Paper, Score, Venue, VenueStateChange
from doorstep.services.canteen.tests.world import DISHES, PAPERS, SOUPS, VENUE_NAME, CanteenWorld, key

pytestmark = pytest.mark.django_db


def state(venue_id) -> str:
    return Venue.objects.get(pk=venue_id).state


def decide(world: CanteenWorld, venue_id, actor=None, approved: bool = True):
    return venues.decide_venue(
        actor=actor or world.leader, at=world.begins, key=key(), venue_id=venue_id, approved=approved, reason="看过了"
    )


def test_a_restaurant_goes_from_application_to_open(world: CanteenWorld):
    venue = world.venue
    assert venue.state == "open"
    changes = list(venue.changes.order_by("pk").values_list("before", "after"))
    assert changes == [("", "applied"), ("applied", "visited"), ("visited", "approved"), ("approved", "open")]
    assert venue.decision.average_points == Decimal("89.00")
    assert venue.place.opening_hours == "Mo-Su 10:00-15:00,17:00-21:00"
    assert venue.organisation.parent_id == world.union
    assert (venue.payee.code, venue.takings.code) == (
        f"canteen/venue/{venue.pk}/payable",
        f"canteen/venue/{venue.pk}/takings",
    )
    logged = set(Entry.objects.filter(subject_id=venue.pk).values_list("action", flat=True))
    steps = ["apply_venue", "add_paper", "record_visit", "score_venue", "decide_venue", "sign_agreement", "open_venue"]
    assert logged == {f"canteen.{step}" for step in steps}


def test_every_state_change_names_who_did_it(world: CanteenWorld):
    by = dict(world.venue.changes.values_list("after", "by_id"))
    assert by == {
        "applied": world.manager.id,
        "visited": world.officer.id,
        "approved": world.leader.id,
        "open": world.officer.id,
    }


def test_the_same_application_twice_is_one(world: CanteenWorld):
    once = {
        "actor": world.manager, "at": world.begins, "key": key(), "call_id": world.call, "name": "一碗好饭",
        "address": "天元区", "longitude": 113.08, "latitude": 27.81, "contact_name": "唐姐",
    }  # fmt: skip
    assert venues.apply_venue(**once) == venues.apply_venue(**once)
    assert Venue.objects.count() == 1


def test_somebody_else_cannot_apply_for_a_registered_restaurant(world: CanteenWorld):
    world.applied(VENUE_NAME)
    with pytest.raises(venues.NameTaken):
        world.applied(VENUE_NAME, manager=person_actor(world.stranger))
    assert Venue.objects.count() == 1


@pytest.mark.parametrize("day", [date(2025, 3, 31), date(2026, 4, 2)])
def test_outside_the_call_no_application_is_taken(world: CanteenWorld, day: date):
    call = world.call
    with pytest.raises(venues.CallClosed):
        venues.apply_venue(
            actor=world.manager, at=at_local(day, 12), key=key(), call_id=call, name="晚了", address="天元区",
            longitude=113.08, latitude=27.81, contact_name="唐姐",
        )  # fmt: skip
    assert Venue.objects.count() == 0


def test_swapped_coordinates_are_refused_and_nothing_is_left(world: CanteenWorld):
    with pytest.raises(OutsideChina):
        world.applied("反了", longitude=27.81, latitude=113.08)
    assert Venue.objects.count() == 0
    assert not Entry.objects.filter(action="organisations.found_organisation", body__contains="反了").exists()


def test_without_the_visit_nobody_scores(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    with pytest.raises(WrongState):
        world.score(venue_id, 1)
    assert Score.objects.count() == 0


def test_a_scorer_scores_once(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.visit(venue_id)
    world.score(venue_id, 1)
    with pytest.raises(venues.AlreadyScored):
        world.score(venue_id, 1)
    assert Score.objects.count() == 1


@pytest.mark.parametrize("points", [-1, 26])
def test_points_outside_the_scale_are_refused(world: CanteenWorld, points: int):
    venue_id = world.applied(VENUE_NAME)
    world.visit(venue_id)
    with pytest.raises(Invalid) as refused:
        venues.score_venue(
            actor=world.scorers[0], at=world.begins, key=key(), venue_id=venue_id, kitchen=points, dishes=20,
            price=20, hours=20,
        )  # fmt: skip
    assert refused.value.field == "kitchen"
    assert Score.objects.count() == 0


def test_an_officer_without_the_role_does_not_score(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.visit(venue_id)
    with pytest.raises(NotAllowed):
        venues.score_venue(
            actor=world.officer, at=world.begins, key=key(), venue_id=venue_id, kitchen=20, dishes=20, price=20,
            hours=20,
        )  # fmt: skip


def test_approval_needs_all_three_papers(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    ids = world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id)
    Paper.objects.filter(pk=ids[1]).delete()
    with pytest.raises(venues.PapersMissing) as refused:
        decide(world, venue_id)
    assert refused.value.data == {"kinds": "食品经营许可证"}
    assert state(venue_id) == "visited"


def test_approval_needs_papers_that_are_still_good(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id)
    with pytest.raises(venues.PapersMissing):
        venues.decide_venue(
            actor=world.leader, at=at_local(date(2026, 4, 1)), key=key(), venue_id=venue_id, approved=True, reason="好"
        )
    assert state(venue_id) == "visited"


def test_approval_needs_three_scores(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id, 2)
    with pytest.raises(venues.ScoresMissing) as refused:
        decide(world, venue_id)
    assert refused.value.data == {"have": 2, "need": 3}
    assert state(venue_id) == "visited"


def test_approval_needs_a_visit(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    with pytest.raises(venues.VisitMissing):
        decide(world, venue_id)
    assert state(venue_id) == "applied"


@pytest.mark.parametrize("name", ["评甲", "易经办"])
def test_who_scored_or_visited_does_not_decide(world: CanteenWorld, name: str):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id)
    both = world.cast.appointed(name, "union_leader", world.union)
    with pytest.raises(FourEyes):
        decide(world, venue_id, both)
    assert state(venue_id) == "visited"
    assert not hasattr(Venue.objects.get(pk=venue_id), "decision")


def test_a_rejection_needs_only_a_reason_and_ends_it(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    assert decide(world, venue_id, approved=False).state == "rejected"
    with pytest.raises(WrongState):
        world.visit(venue_id)
    assert state(venue_id) == "rejected"


def test_the_set_never_costs_more_than_thirteen_yuan(world: CanteenWorld):
    venue = world.venue
    with pytest.raises(venues.PriceAboveSet):
        venues.sign_agreement(
            actor=world.officer, at=world.begins, key=key(), venue_id=venue.pk, list_price_fen=1301,
            opening_hours="Mo-Su 09:00-22:00", valid_from=date(2025, 4, 1), valid_until=date(2026, 4, 1),
        )  # fmt: skip
    venue.place.refresh_from_db()
    assert venue.place.opening_hours == "Mo-Su 10:00-15:00,17:00-21:00"
    assert Agreement.objects.count() == 1


def test_hours_that_cannot_be_read_are_refused(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id)
    world.approve(venue_id)
    with pytest.raises(HoursUnreadable):
        world.agree(venue_id, "每天十点到三点")
    assert Agreement.objects.count() == 0


def test_nobody_opens_without_an_agreement(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    world.papers(venue_id)
    world.visit(venue_id)
    world.score(venue_id)
    world.approve(venue_id)
    with pytest.raises(venues.AgreementMissing):
        venues.open_venue(actor=world.officer, at=world.begins, key=key(), venue_id=venue_id)
    assert state(venue_id) == "approved"


def test_a_venue_is_suspended_with_a_reason_and_opened_again(world: CanteenWorld):
    venue = world.venue
    with pytest.raises(Invalid):
        venues.suspend_venue(actor=world.officer, at=world.at, key=key(), venue_id=venue.pk, reason=" ")
    assert state(venue.pk) == "open"
    venues.suspend_venue(actor=world.officer, at=world.at, key=key(), venue_id=venue.pk, reason="后厨整改")
    assert state(venue.pk) == "suspended"
    venues.reopen_venue(actor=world.officer, at=world.at, key=key(), venue_id=venue.pk)
    assert state(venue.pk) == "open"
    venues.close_venue(actor=world.officer, at=world.at, key=key(), venue_id=venue.pk, reason="搬走")
    with pytest.raises(WrongState):
        venues.reopen_venue(actor=world.officer, at=world.at, key=key(), venue_id=venue.pk)
    assert state(venue.pk) == "closed"


def test_an_expired_paper_keeps_a_suspended_venue_closed(world: CanteenWorld):
    venue = world.venue
    later = at_local(date(2026, 4, 1), 9)
    venues.suspend_venue(actor=world.officer, at=later, key=key(), venue_id=venue.pk, reason="健康证过期")
    with pytest.raises(venues.PapersMissing):
        venues.reopen_venue(actor=world.officer, at=later, key=key(), venue_id=venue.pk)
    assert state(venue.pk) == "suspended"


def test_the_manager_cannot_open_or_suspend(world: CanteenWorld):
    venue = world.venue
    with pytest.raises(NotAllowed):
        venues.suspend_venue(actor=world.manager, at=world.at, key=key(), venue_id=venue.pk, reason="想歇")
    assert state(venue.pk) == "open"
    assert VenueStateChange.objects.filter(venue=venue).count() == 4


def test_a_stranger_adds_no_papers(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    with pytest.raises(NotAllowed):
        world.papers(venue_id, person_actor(world.stranger))
    assert Paper.objects.count() == 0


def test_a_new_licence_replaces_the_old_one(world: CanteenWorld):
    venue = world.venue
    venues.add_paper(
        actor=world.manager, at=world.at, key=key(), venue_id=venue.pk, kind="food_permit", number="JY-NEW",
        expires_on=date(2030, 1, 1),
    )  # fmt: skip
    current = list(Paper.objects.filter(venue=venue, kind="food_permit", replaced_at=None).values_list("number"))
    assert current == [("JY-NEW",)]
    with pytest.raises(venues.PaperKnown):
        venues.add_paper(
            actor=world.manager, at=world.at, key=key(), venue_id=venue.pk, kind="food_permit", number="JY-NEW",
            expires_on=date(2031, 1, 1),
        )  # fmt: skip
    assert Paper.objects.get(venue=venue, number="JY-NEW", replaced_at=None).expires_on == date(2030, 1, 1)


def test_two_cooks_have_two_health_certificates(world: CanteenWorld):
    venue = world.venue
    venues.add_paper(
        actor=world.manager, at=world.at, key=key(), venue_id=venue.pk, kind="health_certificate", number="健-2",
        holder="帮厨小李", expires_on=date(2026, 1, 1),
    )  # fmt: skip
    assert Paper.objects.filter(venue=venue, kind="health_certificate", replaced_at=None).count() == 2


def test_an_expired_paper_is_not_taken(world: CanteenWorld):
    venue_id = world.applied(VENUE_NAME)
    with pytest.raises(Invalid) as refused:
        venues.add_paper(
            actor=world.manager, at=world.at, key=key(), venue_id=venue_id, kind="food_permit", number="1",
            expires_on=world.at.date() - timedelta(days=1),
        )  # fmt: skip
    assert refused.value.field == "expires_on"
    assert Paper.objects.count() == 0


def warnings_on(*days: date) -> list[int]:
    return [venues.warn_papers(actor=SYSTEM, at=at_local(day, 9)) for day in days]


def test_an_ending_paper_is_warned_of_30_7_and_1_days_before_and_when_it_has_ended(world: CanteenWorld):
    assert world.venue.state == "open"
    end = PAPERS[2][3]
    steps = [end - timedelta(days=days) for days in (31, 30, 29, 8, 7, 6, 2, 1, 0, -1, -2)]
    assert warnings_on(*steps) == [0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0]
    warned = Notice.objects.filter(template="canteen.paper_expiring")
    assert set(warned.values_list("person_id", flat=True)) == {world.manager.id, world.officer.id}
    assert list(warned.filter(person_id=world.manager.id).order_by("pk").values_list("title", flat=True)) == [
        "堂客们私房菜 的健康证还有 30 天到期",
        "堂客们私房菜 的健康证还有 7 天到期",
        "堂客们私房菜 的健康证还有 1 天到期",
        "堂客们私房菜 的健康证已过期",
    ]


def test_a_worker_that_slept_gives_only_the_nearest_warning(world: CanteenWorld):
    assert world.venue.state == "open"
    end = PAPERS[2][3]
    assert warnings_on(end - timedelta(days=3), end - timedelta(days=3)) == [1, 0]
    assert Paper.objects.get(kind="health_certificate").warned_days == 7


def test_a_menu_is_eight_dishes_and_a_soup_and_can_be_put_up_again(world: CanteenWorld):
    venue = world.venue
    for _again in range(2):
        assert (
            venues.add_menu(
                actor=world.manager, at=world.at, venue_id=venue.pk, day=world.at.date(), meal="lunch",
                dishes=[*DISHES, "", DISHES[0]], soups=SOUPS,
            )
            == 9
        )  # fmt: skip
    items = list(MenuItem.objects.filter(venue=venue).order_by("position").values_list("kind", "name"))
    assert items == [("dish", name) for name in DISHES] + [("soup", "紫菜蛋花汤")]


def test_yesterdays_menu_is_not_changed(world: CanteenWorld):
    with pytest.raises(Invalid) as refused:
        venues.add_menu(
            actor=world.manager, at=world.at, venue_id=world.venue.pk, day=date(2025, 5, 6), meal="lunch",
            dishes=["白菜"], soups=[],
        )  # fmt: skip
    assert refused.value.field == "day"
    assert MenuItem.objects.count() == 0


def test_a_till_is_announced_and_its_pairing_code_dies_after_ten_minutes(world: CanteenWorld):
    device_id = venues.add_till(actor=world.manager, at=world.at, key=key(), venue_id=world.venue.pk, name="前台收银")
    code = venues.show_pairing_code(actor=world.manager, at=world.at, device_id=device_id)
    shown = codes.read(code, world.at + timedelta(seconds=599))
    assert (shown.kind, shown.subject) == (codes.PassKind.DEVICE_PAIRING, device_id)
    with pytest.raises(Exception, match="pass_expired"):
        codes.read(code, world.at + timedelta(seconds=600))
    with pytest.raises(NotAllowed):
        venues.show_pairing_code(actor=person_actor(world.stranger), at=world.at, device_id=device_id)


def test_the_worlds_till_is_paired(world: CanteenWorld):
    device = Device.objects.get(pk=world.till.device_id)
    assert (device.kind, device.place_id) == ("till", world.venue.place_id)
    assert device.paired_at == world.begins


def test_an_officer_appoints_a_manager_by_phone(world: CanteenWorld):
    venue = world.venue
    venues.appoint_manager(actor=world.officer, at=world.at, venue_id=venue.pk, phone=world.phone(world.stranger))
    new = person_actor(world.stranger)
    assert venues.add_menu(
        actor=new, at=world.at, venue_id=venue.pk, day=world.at.date(), meal="dinner", dishes=["面"], soups=[]
    ) == 1  # fmt: skip
    with pytest.raises(NotAllowed):
        venues.appoint_manager(actor=world.manager, at=world.at, venue_id=venue.pk, phone=world.phone(world.rider))
