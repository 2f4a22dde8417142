"""Resources for a time: half-open, never twice, pools by their busiest instant, all or none."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.bookings import actions, errors, queries, reserving
from doorstep.kernel.bookings.models import Reservation, Resource
from doorstep.kernel.bookings.tests.conftest import DAY, NOON, Studio, key
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed, NotFound, TooMany, WrongState

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def active() -> int:
    return Reservation.objects.exclude(state="cancelled").count()


def test_half_open_neighbours_do_not_meet_and_an_overlap_is_taken(studio: Studio) -> None:
    room = studio.resource()
    studio.reserve(room, NOON, NOON + HOUR, 1)
    studio.reserve(room, NOON + HOUR, NOON + 2 * HOUR, 2)
    studio.reserve(room, NOON - HOUR, NOON, 3)
    for start, end in (
        (NOON + 59 * MINUTE, NOON + 61 * MINUTE),
        (NOON, NOON + MINUTE),
        (NOON - 2 * HOUR, NOON + 3 * HOUR),
    ):
        with pytest.raises(errors.Taken):
            studio.reserve(room, start, end, 4)
    assert active() == 3
    assert queries.verify() == []


def test_two_resources_may_be_reserved_at_the_same_time(studio: Studio) -> None:
    studio.reserve(studio.resource("一号"), NOON, NOON + HOUR)
    studio.reserve(studio.resource("二号"), NOON, NOON + HOUR)
    assert active() == 2


def test_the_constraint_is_the_net_without_the_look(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    room = studio.resource()
    studio.reserve(room, NOON, NOON + HOUR, 1)
    monkeypatch.setattr(reserving, "_require_free", lambda *_given, **_more: None)
    with pytest.raises(errors.Taken):
        studio.reserve(room, NOON + MINUTE, NOON + HOUR, 2)
    assert active() == 1


def test_the_database_refuses_periods_that_are_not_half_open(studio: Studio) -> None:
    resource = Resource.objects.get(pk=studio.resource())
    for period in (DateTimeTZRange(NOON, NOON + HOUR, "[]"), DateTimeTZRange(NOON, None), DateTimeTZRange(NOON, NOON)):
        with pytest.raises(IntegrityError, match="reservation_period_half_open"), transaction.atomic():
            Reservation.objects.create(
                resource=resource, number=resource.number, person_id=studio.student().id, period=period,
                state="confirmed", at=studio.at, changed_at=studio.at,
            )  # fmt: skip


def test_a_pool_is_judged_by_its_busiest_instant(studio: Studio) -> None:
    gowns = studio.resource("学士服", pool=10)
    studio.reserve(gowns, NOON, NOON + 2 * HOUR, 1, quantity=6)
    studio.reserve(gowns, NOON + 2 * HOUR, NOON + 4 * HOUR, 2, quantity=6)
    with pytest.raises(errors.PoolShort) as short:
        studio.reserve(gowns, NOON + HOUR, NOON + 3 * HOUR, 3, quantity=5)
    assert short.value.data == {"left": 4}
    studio.reserve(gowns, NOON + HOUR, NOON + 3 * HOUR, 3, quantity=4)
    with pytest.raises(errors.PoolShort):
        studio.reserve(gowns, NOON, NOON + 4 * HOUR, 4)
    studio.reserve(gowns, NOON, NOON + HOUR, 4, quantity=4)
    assert active() == 4
    assert queries.verify() == []


def test_several_resources_are_reserved_all_or_none(studio: Studio) -> None:
    room, drum = studio.resource("鼓房"), studio.resource("架子鼓")
    studio.reserve(drum, NOON, NOON + HOUR, 1)
    wanted = [reserving.Wanted(room), reserving.Wanted(drum)]
    with pytest.raises(errors.Taken):
        reserving.reserve(
            actor=studio.student(2), at=studio.at, key=key(), wanted=wanted, starts_at=NOON, ends_at=NOON + HOUR
        )
    assert active() == 1
    receipt = reserving.reserve(
        actor=studio.student(2), at=studio.at, key=key(), wanted=wanted, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR
    )
    rows = Reservation.objects.in_bulk(receipt.reservation_ids)
    assert [rows[one].resource_id for one in receipt.reservation_ids] == [room, drum]


def test_the_same_key_is_one_reservation(studio: Studio) -> None:
    room, same = studio.resource(), key()
    given = {"actor": studio.student(), "key": same, "wanted": [reserving.Wanted(room)], "ends_at": NOON + HOUR}
    first = reserving.reserve(at=studio.at, starts_at=NOON, **given)
    assert reserving.reserve(at=studio.at + MINUTE, starts_at=NOON, **given) == first
    with pytest.raises(KeyReused):
        reserving.reserve(at=studio.at, starts_at=NOON + MINUTE, **given)
    assert active() == 1


def test_a_cancelled_reservation_frees_its_time_until_its_notice(studio: Studio) -> None:
    room = studio.resource()
    receipt = studio.reserve(room, NOON, NOON + HOUR, 1)
    given = {"reservation_id": receipt.reservation_ids[0], "reason": "改天", "notice": HOUR}
    with pytest.raises(NotAllowed):
        reserving.cancel_reservation(actor=studio.student(2), at=studio.at, **given)
    with pytest.raises(errors.CancelTooLate):
        reserving.cancel_reservation(actor=studio.student(1), at=NOON - HOUR, **given)
    assert active() == 1
    reserving.cancel_reservation(actor=studio.student(1), at=NOON - HOUR - MINUTE, **given)
    with pytest.raises(errors.AlreadyCancelled):
        reserving.cancel_reservation(actor=studio.keeper(), at=studio.at, **given)
    studio.reserve(room, NOON, NOON + HOUR, 2)
    assert active() == 1


def test_what_is_over_is_not_cancelled(studio: Studio) -> None:
    receipt = studio.reserve(studio.resource(), NOON, NOON + HOUR)
    with pytest.raises(WrongState):
        reserving.cancel_reservation(
            actor=studio.keeper(), at=NOON + HOUR, reservation_id=receipt.reservation_ids[0], reason="补记"
        )
    assert active() == 1


def test_a_hold_of_a_resource_is_confirmed_or_over(studio: Studio) -> None:
    room = studio.resource()
    first = studio.reserve(room, NOON, NOON + HOUR, 1, hold_minutes=10)
    assert (first.state, first.held_until) == ("held", studio.at + 10 * MINUTE)
    with pytest.raises(errors.Taken):
        studio.reserve(room, NOON, NOON + HOUR, 2, at=studio.at + 9 * MINUTE)
    second = studio.reserve(room, NOON, NOON + HOUR, 2, at=studio.at + 10 * MINUTE, hold_minutes=10)
    with pytest.raises(errors.HoldOver):
        reserving.confirm_reservation(
            actor=studio.student(1), at=studio.at + 9 * MINUTE, reservation_id=first.reservation_ids[0]
        )
    reserving.confirm_reservation(
        actor=studio.student(2), at=studio.at + 11 * MINUTE, reservation_id=second.reservation_ids[0]
    )
    assert actions.expire_holds(studio.at + HOUR) == 0
    studio.reserve(room, NOON + HOUR, NOON + 2 * HOUR, 3, hold_minutes=10)
    assert actions.expire_holds(studio.at + HOUR) == 1
    assert active() == 1


def test_a_retired_resource_takes_no_more(studio: Studio) -> None:
    room = studio.resource()
    reserving.retire_resource(actor=studio.keeper(), at=studio.at, resource_id=room)
    with pytest.raises(errors.ResourceRetired):
        studio.reserve(room, NOON, NOON + HOUR)
    assert queries.free_slots(room, DAY, minutes=60, at=studio.at) == []


def test_a_session_brings_its_room_along_and_gives_it_back(studio: Studio) -> None:
    room = studio.resource()
    session = studio.session()
    reserving.reserve_for_session(
        actor=studio.keeper(), at=studio.at, key=key(), session_id=session, wanted=[reserving.Wanted(room)]
    )
    with pytest.raises(errors.Taken):
        studio.reserve(room, NOON, NOON + HOUR)
    studio.reserve(room, NOON + HOUR, NOON + 2 * HOUR)
    move = {"actor": studio.keeper(), "at": studio.at, "session_id": session}
    with pytest.raises(errors.Taken):
        actions.change_session(starts_at=NOON + 30 * MINUTE, ends_at=NOON + 90 * MINUTE, **move)
    actions.change_session(starts_at=NOON - 30 * MINUTE, ends_at=NOON + 30 * MINUTE, **move)
    assert Reservation.objects.get(session_id=session).period == DateTimeTZRange(NOON - 30 * MINUTE, NOON + 30 * MINUTE)
    actions.cancel_session(actor=studio.keeper(), at=studio.at, session_id=session, reason="停电")
    studio.reserve(room, NOON - 30 * MINUTE, NOON + HOUR, 2)
    assert active() == 2
    assert queries.verify() == []


def test_staff_mark_who_came(studio: Studio) -> None:
    (row,) = studio.reserve(studio.resource(), NOON, NOON + HOUR).reservation_ids
    with pytest.raises(NotAllowed):
        reserving.mark_reservation(actor=studio.student(), at=NOON, reservation_id=row, came=True)
    with pytest.raises(errors.NotBegun):
        reserving.mark_reservation(actor=studio.keeper(), at=NOON - MINUTE, reservation_id=row, came=False)
    reserving.mark_reservation(actor=studio.keeper(), at=NOON, reservation_id=row, came=False)
    reserving.mark_reservation(actor=studio.keeper(), at=NOON + MINUTE, reservation_id=row, came=True)
    assert Reservation.objects.get(pk=row).state == "attended"
    assert Reservation.objects.get(pk=row).attended_at == NOON + MINUTE


def test_what_cannot_be_right_is_refused(studio: Studio) -> None:
    room = studio.resource()
    for start, end in ((NOON, NOON), (NOON + HOUR, NOON), (NOON, NOON + timedelta(days=401))):
        with pytest.raises(Invalid):
            studio.reserve(room, start, end)
    given = {"actor": studio.student(), "at": studio.at, "starts_at": NOON, "ends_at": NOON + HOUR}
    with pytest.raises(Invalid):
        reserving.reserve(key=key(), wanted=[], **given)
    with pytest.raises(Invalid):
        reserving.reserve(key=key(), wanted=[reserving.Wanted(room), reserving.Wanted(room)], **given)
    with pytest.raises(TooMany):
        reserving.reserve(key=key(), wanted=[reserving.Wanted(key()) for _ in range(21)], **given)
    with pytest.raises(NotFound):
        reserving.reserve(key=key(), wanted=[reserving.Wanted(reserving.uuid7())], **given)
    with pytest.raises(errors.Taken):
        reserving.reserve(key=key(), wanted=[reserving.Wanted(room, 2)], **given)
    assert active() == 0


def test_free_slots_follow_the_places_hours_and_what_is_reserved(studio: Studio) -> None:
    room = studio.resource(place_id=studio.place)
    studio.reserve(room, at_local(DAY, 10, 30), at_local(DAY, 11, 30))
    with CaptureQueriesContext(connection) as seen:
        slots = queries.free_slots(room, DAY, minutes=60, at=studio.at)
    assert len(seen) == 3
    assert slots == [
        queries.Slot(at_local(DAY, 14), at_local(DAY, 15)),
        queries.Slot(at_local(DAY, 15), at_local(DAY, 16)),
    ]
    half = queries.free_slots(room, DAY, minutes=30, at=at_local(DAY, 14, 1))
    quarters = [at_local(DAY, 14) + number * 30 * MINUTE for number in range(1, 6)]
    assert half == [queries.Slot(start, end) for start, end in pairwise(quarters)]
    with pytest.raises(Invalid):
        queries.free_slots(room, DAY, minutes=0, at=studio.at)


def test_free_times_of_a_pool_depend_on_how_many_are_wanted(studio: Studio) -> None:
    gowns = studio.resource("学士服", pool=10)
    studio.reserve(gowns, NOON, NOON + 2 * HOUR, 1, quantity=6)
    studio.reserve(gowns, NOON + HOUR, NOON + 3 * HOUR, 2, quantity=3, hold_minutes=10)
    span = (NOON - HOUR, NOON + 4 * HOUR)

    def free(quantity: int, at: object = studio.at) -> list[tuple[int, int]]:
        found = queries.free_times(gowns, *span, at=at, quantity=quantity)  # type: ignore[arg-type]
        return [((one.starts_at - NOON) // HOUR, (one.ends_at - NOON) // HOUR) for one in found]

    assert free(1) == [(-1, 4)]
    assert free(2) == [(-1, 1), (2, 4)]
    assert free(5) == [(-1, 0), (2, 4)]
    assert free(8) == [(-1, 0), (3, 4)]
    assert free(8, studio.at + 10 * MINUTE) == [(-1, 0), (2, 4)]  # the hold is over
    assert free(11) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE bookings_reservation SET number = number + 1", "reservation_number_differs"),
        ("UPDATE bookings_reservation SET quantity = 8", "over_reserved"),
    ],
)
def test_what_was_changed_behind_the_actions_is_found(studio: Studio, change: str, code: str) -> None:
    gowns = studio.resource("学士服", pool=10)
    for number in (1, 2):
        studio.reserve(gowns, NOON, NOON + HOUR, number, quantity=5)
    assert queries.verify() == []
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert code in {finding.code for finding in queries.verify()}
