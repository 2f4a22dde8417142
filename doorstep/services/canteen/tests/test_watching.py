"""The watch: each rule on both sides of its threshold, alerts that are never doubled, holds by two people."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed, NotFound, TooMany, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.models import OfflineConflict, Refusal, Use
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen import periodic
from doorstep.services.canteen.actions import watching
from doorstep.services.canteen.models import Alert, Hold, VenueStateChange
from doorstep.services.canteen.queries import watch as counted
from doorstep.services.canteen.rules import watch
from doorstep.services.canteen.rules.watch import AtTill, AtVenue, Burst, Pair
from doorstep.services.canteen.tests.served import DAY, NEXT, SYSTEM, Served, as_person, key, noon

LIMITS = watch.thresholds_on(DAY)


@pytest.fixture
def served(cast: Cast) -> Served:
    return Served(cast)


def run(day: date = DAY) -> watching.WatchReceipt:
    return watching.run_watch(actor=SYSTEM, at=NEXT, day=day)


def found(rule: str) -> list[Alert]:
    return list(Alert.objects.filter(rule=rule).order_by("pk"))


# Rules alone: pure, on both sides of the line


def test_thresholds_are_chosen_by_the_days_date() -> None:
    assert watch.thresholds_on(date(2025, 6, 30)).burst_uses == 12
    assert watch.thresholds_on(date(2025, 7, 1)).burst_uses == 15
    with pytest.raises(watch.NoThresholds):
        watch.thresholds_on(date(2024, 12, 31))


def test_the_dated_rows_leave_no_gap_and_do_not_overlap() -> None:
    rows = watch.THRESHOLDS
    for earlier, later in pairwise(rows):
        assert earlier.until is not None
        assert later.since == earlier.until + timedelta(days=1)
    assert rows[-1].until is None


@pytest.mark.parametrize(("count", "seconds", "severity"), [(11, 60, None), (12, 60, 2), (12, 61, None), (24, 59, 3)])
def test_a_burst_is_so_many_uses_within_a_minute_both_ends_counted(
    count: int, seconds: int, severity: int | None
) -> None:
    fact = Burst("t", "前台", DAY, count, noon(), noon() + timedelta(seconds=seconds))
    finding = watch.judge_burst(fact, LIMITS)
    assert (finding.severity if finding else None) == severity


@pytest.mark.parametrize(("count", "total", "hit"), [(10, 200, True), (10, 201, False), (9, 10, False), (14, 14, True)])
def test_a_pair_is_often_and_a_noticeable_share(count: int, total: int, hit: bool) -> None:
    assert (watch.judge_pair(Pair("v", "p", "店", "凌*", DAY, count, total), LIMITS) is not None) is hit


@pytest.mark.parametrize(("metres", "hit"), [(150, False), (151, True)])
def test_a_hundred_and_fifty_metres_is_near_enough(metres: int, hit: bool) -> None:
    assert (watch.judge_distance(AtVenue("v", "店", DAY, 1, noon(), metres), LIMITS) is not None) is hit


@pytest.mark.parametrize(("count", "hit"), [(29, False), (30, True)])
def test_a_new_device_is_a_finding_from_thirty_uses(count: int, hit: bool) -> None:
    assert (watch.judge_new_device(AtTill("t", "前台", DAY, count), LIMITS) is not None) is hit


@pytest.mark.parametrize(("count", "hit"), [(7, False), (8, True)])
def test_refusals_are_a_finding_from_eight(count: int, hit: bool) -> None:
    fact = AtTill("t", "前台", DAY, count, reason="already_used")
    assert (watch.judge_refused(fact, LIMITS) is not None) is hit


@pytest.mark.parametrize(("fen", "cap", "hit"), [(17_999, 20_000, False), (18_000, 20_000, True), (1, 0, False)])
def test_exposure_is_a_finding_from_nine_tenths_of_the_cap(fen: int, cap: int, hit: bool) -> None:
    fact = AtTill("t", "前台", DAY, 5, amount_fen=fen, cap_fen=cap)
    assert (watch.judge_exposure(fact, LIMITS) is not None) is hit


def test_every_rule_has_a_title_and_words() -> None:
    assert set(watch.TITLES) == set(watch.TEXTS)
    assert len(watch.TITLES) == len(counted.RULES) == 8


# Rules over records


def test_a_burst_of_twelve_in_a_minute_is_explained_with_its_figures(served: Served) -> None:
    venue = served.venue()
    uses = served.serve(venue, [noon(0, 5 * n) for n in range(12)])
    served.serve(venue, [noon(30), noon(31)])
    assert run() == watching.WatchReceipt(DAY, 1, 0, 0)
    [alert] = found("burst")
    assert alert.explanation == (
        "「前台」在 1 分钟内核销了 12 笔(12:00:00–12:00:55),门槛是 12 笔。"
        "一个人扫码、报价、收钱大约要 10 秒,请核对当时是否真有这么多人用餐。"
    )
    assert alert.evidence["rows"] == [str(use) for use in uses]
    assert (alert.severity, alert.venue_id, alert.state) == (2, venue.pk, "open")


def test_eleven_in_a_minute_and_twelve_over_two_tills_are_no_burst(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(0, 5 * n) for n in range(11)])
    served.serve(venue, [noon(0, 5 * n) for n in range(11)], till=served.till(venue, "二号"))
    assert run().new == 0


def test_uses_served_offline_are_no_burst(served: Served) -> None:
    served.serve(served.venue(), [noon(0, n) for n in range(12)], source="offline")
    run()
    assert found("burst") == []


def test_reversed_uses_do_not_count(served: Served) -> None:
    uses = served.serve(served.venue(), [noon(0, n) for n in range(12)])
    Use.objects.filter(pk=uses[0]).update(reversed_at=NEXT, slot=None)
    assert run().new == 0


def test_a_pair_is_found_once_a_week_however_often_the_watch_runs(served: Served) -> None:
    venue = served.venue()
    [regular] = served.diners(1)
    days = [DAY - timedelta(days=back) for back in range(9, -1, -1)]
    served.serve(venue, [noon(day=day) for day in days], people=[regular] * 10)
    served.serve(venue, served.spread(30))
    run()
    run(DAY - timedelta(days=1))
    [alert] = found("pair")
    assert alert.explanation.startswith("凌* 最近 14 天在「老株洲饭店」用了 10 次,占这家店 40 人次的 25.0%")
    assert alert.person_id == regular


def test_nine_times_are_no_pair_nor_ten_of_which_one_is_fifteen_days_old(served: Served) -> None:
    venue = served.venue()
    [regular] = served.diners(1)
    days = [DAY - timedelta(days=back) for back in (14, *range(9))]
    served.serve(venue, [noon(day=day) for day in days], people=[regular] * 10)
    run()
    assert found("pair") == []


def test_the_last_second_is_open_and_the_first_second_after_is_not(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [at_local(DAY, 14, 59, 59)])
    run()
    assert found("closed") == []
    [late] = served.serve(venue, [at_local(DAY, 15)])
    run()
    [alert] = found("closed")
    assert alert.evidence["rows"] == [str(late)]
    assert "第一笔在 15:00:00" in alert.explanation


def test_a_make_up_workday_is_a_workday_and_a_holiday_is_not(served: Served) -> None:
    venue = served.venue(hours="Mo-Fr 10:00-15:00; PH off")
    served.serve(venue, [noon(day=date(2025, 9, 28))])
    run(date(2025, 9, 28))
    assert found("closed") == []
    served.serve(venue, [noon(day=date(2025, 10, 8))])
    run(date(2025, 10, 8))
    assert len(found("closed")) == 1


def test_a_use_while_suspended_is_found_though_the_hours_fit(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(9), noon(11)])
    for minute, after in ((10, "suspended"), (20, "open")):
        VenueStateChange.objects.create(venue=venue, before="open", after=after, at=noon(minute))
    served.serve(venue, [noon(21)])
    run()
    [alert] = found("closed")
    assert alert.evidence["figures"]["count"] == 1


def test_phones_farther_than_the_limit_are_counted_with_the_farthest(served: Served) -> None:
    venue = served.venue()
    for metres in (150, 151, 820.5):
        served.serve(venue, [noon()], evidence={"distance_m": metres})
    served.serve(venue, [noon()], evidence={"distance_m": None})
    run()
    [alert] = found("distance")
    assert (alert.evidence["figures"]["count"], alert.evidence["figures"]["farthest"]) == (2, 821)
    assert alert.severity == watch.INFORM


def test_a_till_paired_within_a_day_and_busy_is_found(served: Served) -> None:
    venue = served.venue()
    fresh = served.till(venue, "新机", paired_at=at_local(DAY, 9))
    served.serve(venue, served.spread(30), till=fresh)
    old = served.till(venue, "老机", paired_at=at_local(DAY - timedelta(days=1), 11))
    served.serve(venue, served.spread(30), till=old)
    run()
    assert [alert.device_id for alert in found("new_device")] == [fresh.pk]


def refuse(served: Served, times: list[datetime], code: str = "already_used") -> None:
    venue = served.venue()
    for at in times:
        Refusal.objects.create(id=uuid7(), code=code, place=venue.place, device=served.till(venue), at=at)


def test_eight_refusals_in_five_minutes_are_found_with_the_commonest_reason(served: Served) -> None:
    refuse(served, [noon() + timedelta(seconds=30 * n) for n in range(7)])
    refuse(served, [noon(5)], "unknown_code")
    run()
    [alert] = found("refused")
    assert "「前台」在 5 分钟内有 8 次扫码被拒绝" in alert.explanation
    assert "最多的原因是「这张券已经用过了」" in alert.explanation
    assert alert.evidence["figures"]["reason"] == "already_used"


def test_eight_refusals_over_more_than_five_minutes_are_not(served: Served) -> None:
    refuse(served, [noon() + timedelta(seconds=30 * n) for n in range(7)])
    refuse(served, [noon(5, 1)])
    run()
    assert found("refused") == []


def conflict(served: Served, fen: int, resolved: bool = False, borne: bool = True) -> None:
    venue = served.venue()
    OfflineConflict.objects.create(
        id=uuid7(),
        code="already_used",
        place=venue.place,
        device=served.till(venue),
        payee_id=venue.payee_id,
        bearer_id=served.programme.offline_losses_id if borne else None,
        amount_fen=fen,
        key=key(),
        at=noon(),
        resolved_at=NEXT if resolved else None,
    )


def test_what_the_union_bears_is_found_from_ninety_percent_of_the_cap(served: Served) -> None:
    conflict(served, 17_999, resolved=True)
    conflict(served, 5_000, resolved=True, borne=False)
    run()
    assert found("exposure") == []
    conflict(served, 1, resolved=True)
    run()
    [alert] = found("exposure")
    assert "工会已承担 180.00 元,是一天上限 200.00 元的 90%" in alert.explanation


def test_conflicts_are_reported_until_they_are_resolved(served: Served) -> None:
    conflict(served, 400, resolved=True)
    run()
    assert found("conflicts") == []
    conflict(served, 400)
    run()
    [alert] = found("conflicts")
    assert "有 1 笔与账上冲突,共 4.00 元" in alert.explanation


# Running


def test_running_again_changes_nothing(served: Served) -> None:
    served.serve(served.venue(), [noon(0, 5 * n) for n in range(12)])
    run()
    before = list(Alert.objects.values())
    assert run() == watching.WatchReceipt(DAY, 0, 0, 1)
    assert list(Alert.objects.values()) == before


def test_an_open_alert_grows_and_a_closed_one_that_goes_on_is_new(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(0, 4 * n) for n in range(12)])
    run()
    served.serve(venue, [noon(0, 50)])
    assert run() == watching.WatchReceipt(DAY, 0, 1, 0)
    [alert] = found("burst")
    assert alert.evidence["figures"]["count"] == 13
    close(served, alert.pk)
    assert run().new == 0
    served.serve(venue, [noon(0, 51)])
    assert run().new == 1
    assert [(a.state, a.evidence["figures"]["count"]) for a in found("burst")] == [("explained", 13), ("open", 14)]


def test_urgent_alerts_reach_the_officers_at_once_and_others_wait(served: Served) -> None:
    officer = served.cast.officer()
    served.serve(served.venue(), [noon(0, 4 * n) for n in range(12)])
    run()
    assert Notice.objects.filter(person_id=officer.id).count() == 0
    served.serve(served.venue(), [at_local(DAY, 16)])
    run()
    assert [notice.title for notice in Notice.objects.filter(person_id=officer.id)] == ["监督提醒:老株洲饭店"]


def test_strangers_and_restaurants_do_not_run_the_watch_and_no_day_before_it_began(served: Served) -> None:
    for actor in (as_person(served.cast.stranger()), served.manager(served.venue())):
        with pytest.raises(NotAllowed):
            watching.run_watch(actor=actor, at=NEXT, day=DAY)
    with pytest.raises(Invalid):
        run(date(2024, 12, 31))
    assert Alert.objects.count() == 0


def test_the_watch_takes_the_same_number_of_statements_for_one_and_for_many_tills(served: Served) -> None:
    counts = []
    for number in range(1, 5):
        venue = served.venue(f"店{number}")
        served.serve(venue, [noon(0, 4 * n) for n in range(12)])
        if number in (1, 4):
            Alert.objects.all().delete()
            with CaptureQueriesContext(connection) as caught:
                run()
            counts.append(len(caught))
    assert counts[0] == counts[1]
    assert Alert.objects.count() == 4


def test_the_worker_watches_every_ten_minutes_and_each_finished_day_once(served: Served) -> None:
    served.serve(served.venue(), [noon(0, 4 * n) for n in range(12)])
    periodic.watch(noon(30))
    assert Alert.objects.count() == 1
    served.serve(served.venue(), [noon(0, 50)])
    periodic.watch(noon(31))
    assert Alert.objects.get().evidence["figures"]["count"] == 12
    periodic.watch(NEXT)
    assert Alert.objects.get().evidence["figures"]["count"] == 13


# Closing


def close(served: Served, alert_id: UUID, **more: Any) -> watching.AlertReceipt:
    return watching.close_alert(
        actor=more.get("actor") or served.cast.officer(),
        at=NEXT,
        key=key(),
        alert_id=alert_id,
        outcome=more.get("outcome", "explained"),
        note=more.get("note", "看了监控,工地下班,人是真的"),
    )


def one_alert(served: Served) -> Alert:
    served.serve(served.venue(), [noon(0, 4 * n) for n in range(12)])
    run()
    return Alert.objects.get()


def test_closing_wants_an_outcome_and_a_note_and_happens_once(served: Served) -> None:
    alert = one_alert(served)
    before = list(Alert.objects.values())
    for wrong in ({"note": " "}, {"outcome": "open"}):
        with pytest.raises(Invalid):
            close(served, alert.pk, **wrong)
    with pytest.raises(NotAllowed):
        close(served, alert.pk, actor=served.manager(served.venue()))
    assert list(Alert.objects.values()) == before
    assert close(served, alert.pk, outcome="confirmed").state == "confirmed"
    with pytest.raises(WrongState):
        close(served, alert.pk)
    with pytest.raises(NotFound):
        close(served, uuid7())


# Holds


def hold(served: Served, actor: Any = None, reason: str = "同一收银台一分钟 24 笔") -> watching.HoldReceipt:
    return watching.place_hold(
        actor=actor or served.cast.officer(), at=NEXT, key=key(), venue_id=served.venue().pk, reason=reason
    )


def test_one_hold_at_a_time_and_with_a_reason(served: Served) -> None:
    with pytest.raises(Invalid):
        hold(served, reason="")
    hold(served)
    before = list(Hold.objects.values())
    with pytest.raises(watching.AlreadyHeld):
        hold(served, served.cast.leader())
    assert list(Hold.objects.values()) == before


def test_a_restaurant_neither_places_nor_releases_a_hold(served: Served) -> None:
    manager = served.manager(served.venue())
    with pytest.raises(NotAllowed):
        hold(served, manager)
    placed = hold(served)
    with pytest.raises(NotAllowed):
        watching.release_hold(actor=manager, at=NEXT, key=key(), hold_id=placed.hold_id, reason="没事")
    assert Hold.objects.get().released_at is None
    assert [notice.title for notice in Notice.objects.filter(person_id=manager.id)] == ["付款暂时冻结"]


def test_who_froze_does_not_release(served: Served) -> None:
    placed = hold(served)
    with pytest.raises(FourEyes):
        watching.release_hold(actor=served.cast.officer(), at=NEXT, key=key(), hold_id=placed.hold_id, reason="查清了")
    assert Hold.objects.get().released_at is None
    with pytest.raises(IntegrityError, match="canteen_hold_needs_two_people"), transaction.atomic():
        Hold.objects.update(released_at=NEXT, released_by_id=served.cast.officer().id)
    watching.release_hold(actor=served.cast.leader(), at=NEXT, key=key(), hold_id=placed.hold_id, reason="查清了")
    assert Hold.objects.get().release_reason == "查清了"
    with pytest.raises(watching.AlreadyReleased):
        watching.release_hold(actor=served.cast.leader(), at=NEXT, key=key(), hold_id=placed.hold_id, reason="再来")


# The desk


def test_the_desk_reads_alerts_with_their_evidence(served: Served) -> None:
    alert = one_alert(served)
    [row] = counted.alerts([served.union])
    assert (row.title, row.text) == ("一台收银台短时间核销太多", alert.explanation)
    rows = counted.evidence(row)
    assert len(rows) == 12
    assert (rows[0].till, rows[0].person, rows[0].amount_fen) == ("前台", "凌*", 400)
    assert counted.alert_counts([served.union]) == {"open": 1, "explained": 0, "confirmed": 0, "urgent": 0}
    assert counted.alerts([served.venue().organisation_id], state="confirmed") == []
    for wrong in ({"limit": 101}, {"limit": 0}):
        with pytest.raises(TooMany):
            counted.alerts([served.union], **wrong)
    with pytest.raises(Invalid):
        counted.alerts([served.union], state="lost")
