"""What a till served without network, handed in: nothing lost, nothing booked twice, every difference borne by somebody."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common import clock
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.entitlements import queries as entitlement_queries
from doorstep.kernel.entitlements.actions import void_entitlement
from doorstep.kernel.entitlements.models import Entitlement, OfflineConflict, Refusal, Use
from doorstep.kernel.ledger import queries as ledger_queries
from doorstep.kernel.ledger.models import Transfer
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.canteen.actions.redeeming import preview_voucher, redeem_voucher
from doorstep.services.canteen.actions.syncing import (
    MAX_RECORDS,
    OfflineRecord,
    SyncOutcome,
    exposure_today,
    signed_text,
    sync_redemptions,
)
from doorstep.services.canteen.tests.till_world import TillWorld

LATER = timedelta(hours=1)
NAME = "1 号收银台"


@pytest.fixture
def world(cast: Any) -> TillWorld:
    return TillWorld(cast)


def served(
    world: TillWorld, voucher: Entitlement, key: str, minutes: float = 0, code: str = "", till: str = NAME
) -> tuple[OfflineRecord, str]:
    """A record as the till signs it."""
    at = world.noon + timedelta(minutes=minutes)
    text = at.isoformat()
    code = code or world.code(voucher, at)
    return OfflineRecord(key, code, at, world.keys[till].sign(signed_text(key, code, text))), text


def sync(world: TillWorld, *records: tuple[OfflineRecord, str], at: Any = None) -> list[SyncOutcome]:
    return sync_redemptions(device=world.till, at=at or world.noon + LATER, records=records)


def results(outcomes: list[SyncOutcome]) -> list[tuple[str, str, str]]:
    return [(outcome.result, outcome.code, outcome.bearer) for outcome in outcomes]


def books_are_right() -> bool:
    return ledger_queries.verify() == [] and entitlement_queries.verify() == []


def losses(world: TillWorld) -> int:
    """What the union's named account has borne, in fen."""
    return -ledger_queries.balance(world.losses.pk).net_credit_fen


def test_a_meal_served_offline_is_a_use_at_the_time_it_was_served(world):
    voucher = world.voucher()
    [outcome] = sync(world, served(world, voucher, "a", minutes=2))
    assert results([outcome]) == [("recorded", "", "")]
    use = Use.objects.get()
    assert (use.at, use.source, use.payer_fen, use.person_fen) == (
        world.noon + timedelta(minutes=2), "offline", 400, 900,
    )  # fmt: skip
    assert use.evidence["synced_at"] == (world.noon + LATER).isoformat()
    assert json.loads(outcome.receipt)["use_id"] == str(use.pk)
    assert books_are_right()


def test_sending_the_same_batch_again_gives_the_same_receipts_and_books_nothing(world):
    records = [served(world, world.voucher(world.rider(name)), name) for name in ("凌涛", "周小满", "陈建")]
    first = sync(world, *records)
    before = (Use.objects.count(), Transfer.objects.count())
    again = sync(world, *records, at=world.noon + 2 * LATER)
    assert [outcome.result for outcome in again] == ["repeated"] * 3
    assert [outcome.receipt for outcome in again] == [outcome.receipt for outcome in first]
    assert (Use.objects.count(), Transfer.objects.count()) == before == (3, before[1])


def test_one_voucher_twice_in_a_batch_the_earlier_meal_stands_whatever_the_order(world):
    voucher = world.voucher()
    late, early = served(world, voucher, "late", minutes=9), served(world, voucher, "early", minutes=1)
    outcomes = sync(world, late, early)
    assert results(outcomes) == [("conflict", "already_used", "union"), ("recorded", "", "")]
    assert Use.objects.get().key == "early"
    assert losses(world) == 400
    assert ledger_queries.balance(world.venue.payee_id).net_credit_fen == 800
    assert books_are_right()


def test_two_vouchers_of_one_person_at_one_meal_are_one_meal_and_one_conflict(world):
    outcomes = sync(world, served(world, world.voucher(), "a"), served(world, world.voucher(), "b", minutes=1))
    assert results(outcomes) == [("recorded", "", ""), ("conflict", "already_this_window", "union")]
    assert books_are_right()


def test_a_voucher_used_online_meanwhile_is_a_conflict_and_the_venue_is_still_paid(world):
    voucher = world.voucher()
    record = served(world, voucher, "offline")
    redeem_voucher(
        device=world.pair("天台小厨", "2 号收银台"), at=world.noon + timedelta(minutes=5), key="online",
        code=world.code(voucher, world.noon + timedelta(minutes=5)),
    )  # fmt: skip
    assert results(sync(world, record)) == [("conflict", "already_used", "union")]
    conflict = OfflineConflict.objects.get()
    assert (conflict.amount_fen, conflict.key, conflict.bearer_id, conflict.person_id) == (
        400, "offline", world.losses.pk, voucher.person_id,
    )  # fmt: skip
    assert ledger_queries.balance(world.venue.payee_id).net_credit_fen == 800
    assert books_are_right()


def test_a_conflict_sent_again_is_the_same_conflict_booked_once(world):
    voucher = world.voucher()
    records = [served(world, voucher, "a"), served(world, voucher, "b", minutes=1)]
    sync(world, *records)
    assert results(sync(world, *records)) == [("repeated", "", ""), ("conflict", "already_used", "union")]
    assert OfflineConflict.objects.count() == 1
    assert losses(world) == 400


def test_the_union_bears_doubles_up_to_the_declared_exposure_and_the_venue_beyond(cast):
    world = TillWorld(cast, cap_fen=1000)
    vouchers = [world.voucher(world.rider(f"{name}师傅")) for name in "赵钱孙李"]
    first = [served(world, voucher, f"first{n}", minutes=n) for n, voucher in enumerate(vouchers)]
    second = [served(world, voucher, f"second{n}", minutes=10 + n) for n, voucher in enumerate(vouchers)]
    outcomes = sync(world, *first, *second)
    assert results(outcomes) == [("recorded", "", "")] * 4 + [
        ("conflict", "already_used", "union"),
        ("conflict", "already_used", "union"),
        ("conflict", "already_used", "venue"),
        ("conflict", "already_used", "venue"),
    ]
    assert losses(world) == exposure_today(world.till.id, world.noon.date()) == 800
    assert ledger_queries.balance(world.venue.payee_id).net_credit_fen == 4 * 400 + 800
    assert list(OfflineConflict.objects.order_by("at").values_list("amount_fen", "bearer_id")) == [
        (400, world.losses.pk), (400, world.losses.pk), (400, None), (400, None),
    ]  # fmt: skip
    assert books_are_right()


def test_the_exposure_counts_per_till(cast):
    world = TillWorld(cast, cap_fen=400)
    other = world.pair("天台小厨", "2 号收银台")
    one, two = world.voucher(world.rider("赵师傅")), world.voucher(world.rider("钱师傅"))
    sync(world, served(world, one, "a"), served(world, one, "b", minutes=1))
    there = [served(world, two, key, minutes=n, till="2 号收银台") for n, key in enumerate("cd")]
    outcomes = sync_redemptions(device=other, at=world.noon + LATER, records=there)
    assert results(outcomes)[1] == ("conflict", "already_used", "union")
    assert losses(world) == 800


def test_a_voided_voucher_is_a_conflict_and_a_code_never_ours_is_refused(world):
    voucher = world.voucher()
    void_entitlement(actor=SYSTEM, at=world.noon, entitlement_id=voucher.pk, reason="发错了")
    forged = world.code(voucher)[:-5] + "AAAAA"
    outcomes = sync(world, served(world, voucher, "a"), served(world, voucher, "b", code=forged))
    assert outcomes[0].result == "conflict"
    assert outcomes[0].code == "voided"
    assert outcomes[1].result == "refused"
    assert outcomes[1].code in ("pass_forged", "pass_unreadable")
    assert books_are_right()


def test_a_record_somebody_else_signed_is_refused_and_kept_once(world):
    voucher = world.voucher()
    record, text = served(world, voucher, "a")
    forged = OfflineRecord("a", record.code, record.at, Ed25519PrivateKey.generate().sign(b"x"))
    for _ in range(2):
        assert results(sync(world, (forged, text))) == [("refused", "bad_signature", "")]
    assert list(Refusal.objects.values_list("code", "key", "source")) == [("bad_signature", "a", "offline")]
    assert Use.objects.count() == 0
    assert results(sync(world, (record, text))) == [("recorded", "", "")]


@pytest.mark.parametrize("part", ["key", "code", "at"])
def test_a_signature_covers_key_code_and_time(world, part):
    voucher = world.voucher()
    record, text = served(world, voucher, "a")
    changed = {
        "key": (OfflineRecord("b", record.code, record.at, record.signature), text),
        "code": (OfflineRecord("a", world.code(world.voucher()), record.at, record.signature), text),
        "at": (OfflineRecord("a", record.code, record.at, record.signature), (record.at + LATER).isoformat()),
    }[part]
    assert results(sync(world, changed)) == [("refused", "bad_signature", "")]


@pytest.mark.parametrize(
    ("handed_in_after", "result"),
    [
        (timedelta(hours=4), "recorded"),
        (timedelta(hours=4, minutes=2), "recorded"),
        (timedelta(hours=4, minutes=2, seconds=1), "refused"),
        (timedelta(minutes=-2), "recorded"),
        (timedelta(minutes=-2, seconds=-1), "refused"),
    ],
)
def test_records_are_taken_for_four_hours_and_not_from_the_future(world, handed_in_after, result):
    [outcome] = sync(world, served(world, world.voucher(), "a"), at=world.noon + handed_in_after)
    assert outcome.result == result
    if result == "refused":
        assert outcome.code == "clock_skew"
        assert Use.objects.count() == 0


def test_one_bad_record_does_not_spoil_the_good_ones(world):
    good = [served(world, world.voucher(world.rider(f"{name}师傅")), name) for name in "赵钱孙"]
    bad, text = served(world, world.voucher(), "bad")
    outcomes = sync(world, good[0], (OfflineRecord("bad", bad.code, bad.at, b"no"), text), *good[1:])
    assert [outcome.result for outcome in outcomes] == ["recorded", "refused", "recorded", "recorded"]
    assert [outcome.key for outcome in outcomes] == ["赵", "bad", "钱", "孙"]
    assert books_are_right()


def test_a_lost_answer_kept_offline_under_its_key_is_the_online_redemption_again(world):
    """The till previewed, confirmed, and never heard back: its signed record has the same key and the same code."""
    voucher = world.voucher()
    scan = preview_voucher(device=world.till, at=world.noon, code=world.code(voucher)).scan
    receipt = redeem_voucher(device=world.till, at=world.noon + timedelta(seconds=3), key="lost", code=scan)
    [outcome] = sync(world, served(world, voucher, "lost", minutes=0.1, code=scan))
    assert (outcome.result, outcome.receipt) == ("repeated", receipt)
    assert Use.objects.count() == 1
    assert OfflineConflict.objects.count() == 0


def test_a_lost_question_kept_offline_under_its_key_is_recorded_then(world):
    voucher = world.voucher()
    scan = preview_voucher(device=world.till, at=world.noon, code=world.code(voucher)).scan
    [outcome] = sync(world, served(world, voucher, "lost", minutes=0.1, code=scan))
    assert outcome.result == "recorded"
    assert Use.objects.get().at == world.noon + timedelta(minutes=0.1)


def test_a_till_without_a_key_of_its_own_can_hand_nothing_in(world):
    from dataclasses import replace

    outcomes = sync_redemptions(
        device=replace(world.till, public_key=None), at=world.noon, records=[served(world, world.voucher(), "a")]
    )
    assert results(outcomes) == [("refused", "bad_signature", "")]


def test_more_than_two_hundred_at_once_are_refused_whole(world):
    record = served(world, world.voucher(), "a")
    with pytest.raises(TooMany):
        sync(world, *[record] * (MAX_RECORDS + 1))
    assert Use.objects.count() == 0


def test_a_batch_without_conflicts_costs_the_same_however_big_it_is(world):
    def statements(names: str) -> int:
        records = [served(world, world.voucher(world.rider(f"{name}师傅")), name) for name in names]
        with CaptureQueriesContext(connection) as seen:
            outcomes = sync(world, *records)
        assert {outcome.result for outcome in outcomes} == {"recorded"}
        return len(seen)

    statements("甲")  # the first one prepares statements and warms caches
    assert statements("乙") == statements("丙丁戊己庚辛壬癸子丑寅卯")


def test_over_http_outcomes_come_back_in_the_order_of_the_records(world):
    voucher = world.voucher()
    records = [served(world, voucher, "a"), served(world, voucher, "b", minutes=1)]
    body = {
        "records": [
            {"key": item.key, "code": item.code, "at": text, "signature": base64.b64encode(item.signature).decode()}
            for item, text in records
        ]
    }
    with clock.travel(world.noon + LATER):
        answer = Client().post(
            "/api/canteen/sync", json.dumps(body), content_type="application/json",
            headers={"Authorization": f"Device {world.tokens[NAME]}"},
        )  # fmt: skip
    assert answer.status_code == 200
    first, second = answer.json()["outcomes"]
    assert (first["result"], first["receipt"]["worker_fen"], first["receipt"]["source"]) == ("recorded", 900, "offline")
    assert (second["result"], second["code"], second["bearer"]) == ("conflict", "already_used", "union")
    assert second["text"] == "这张券已经用过了。"
