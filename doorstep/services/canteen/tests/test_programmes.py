"""A subsidy: the budget holds, the worker never pays above nine, conditions change only from a date on."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, NotAllowed
from doorstep.kernel.entitlements.actions import terms_in_force
from doorstep.kernel.entitlements.models import Terms, TermsVersion
from doorstep.kernel.ledger import queries as ledger
from doorstep.services.canteen.actions import programmes
from doorstep.services.canteen.models import Programme, VoucherKind
from doorstep.services.canteen.rules.windows import WINDOWS, windows_wrong
from doorstep.services.canteen.tests.world import STANDINGS, CanteenWorld, key

pytestmark = pytest.mark.django_db


def add_kind(world: CanteenWorld, **other):
    given = {
        "actor": world.officer, "at": world.begins, "key": key(), "programme_id": world.programme.programme_id,
        "kind": "off", "name": "券", "list_price_fen": 1300, "union_share_fen": 400, "standings": STANDINGS,
        "venue_ids": [world.venue.pk], "effective_from": world.begins,
    }  # fmt: skip
    return programmes.add_voucher_kind(**{**given, **other})


def change(world: CanteenWorld, **other):
    given = {
        "actor": world.officer, "at": world.at, "key": key(), "kind_id": world.off.kind_id,
        "effective_from": world.at + timedelta(days=1), "list_price_fen": 1300, "union_share_fen": 400,
        "standings": STANDINGS, "venue_ids": [world.venue.pk],
    }  # fmt: skip
    return programmes.change_terms(**{**given, **other})


def test_a_funded_programme_has_its_money_in_the_budget(world: CanteenWorld):
    made = world.programme
    assert ledger.balance(made.budget_id).available_fen == 10_000_000
    assert ledger.balance(made.reserved_id).net_credit_fen == 0
    programme = Programme.objects.select_related("budget", "reserved", "offline_losses").get(pk=made.programme_id)
    bounds = [programme.budget.bound, programme.reserved.bound, programme.offline_losses.bound]
    assert bounds == ["debits_within_credits", "none", "none"]
    assert programme.exposure_cap_fen == 20_000
    assert ledger.verify() == []


def test_funding_twice_with_one_key_is_once(world: CanteenWorld):
    made, once = world.programme, key()
    for _again in range(2):
        programmes.fund_programme(
            actor=world.leader, at=world.at, key=once, programme_id=made.programme_id, amount_fen=500
        )
    assert ledger.balance(made.budget_id).available_fen == 10_000_500


def test_an_officer_does_not_fund(world: CanteenWorld):
    made = world.programme
    with pytest.raises(NotAllowed):
        programmes.fund_programme(
            actor=world.officer, at=world.at, key=key(), programme_id=made.programme_id, amount_fen=500
        )
    assert ledger.balance(made.budget_id).available_fen == 10_000_000


@pytest.mark.parametrize("amount_fen", [0, -1, 10**15])
def test_impossible_amounts_are_refused(world: CanteenWorld, amount_fen: int):
    made = world.programme
    with pytest.raises(Invalid):
        programmes.fund_programme(
            actor=world.leader, at=world.at, key=key(), programme_id=made.programme_id, amount_fen=amount_fen
        )
    assert ledger.balance(made.budget_id).available_fen == 10_000_000


def test_four_off_thirteen_is_nine_for_the_worker(world: CanteenWorld):
    version = TermsVersion.objects.get(pk=world.off.version_id)
    assert (version.list_price_fen, version.payer_share_fen, version.person_share_fen) == (1300, 400, 900)
    assert version.windows == [dict(window) for window in WINDOWS]
    assert version.limits == {"per_window": 1}
    assert version.standings == ["courier", "driver", "rider"]
    assert version.place_ids == [world.venue.place_id]


def test_a_worker_share_above_nine_is_refused_by_name_and_leaves_nothing(world: CanteenWorld):
    programme = world.programme
    with pytest.raises(programmes.WorkerCap) as refused:
        add_kind(world, union_share_fen=399)
    assert (refused.value.code, refused.value.field) == ("worker_cap", "union_share_fen")
    assert VoucherKind.objects.filter(programme_id=programme.programme_id).count() == 0
    assert Terms.objects.count() == TermsVersion.objects.count() == 0


def test_the_database_itself_holds_the_nine_yuan(world: CanteenWorld):
    terms_id = world.off.terms_id
    insert = """INSERT INTO entitlements_termsversion (terms_id, effective_from, list_price_fen,
        payer_share_fen, person_share_fen, windows, limits, standings, place_ids)
        VALUES (%s, %s, 1300, %s, %s, '[]', '{}', '{}', '{}')"""
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="canteen_terms_nine_yuan"), transaction.atomic():
            cursor.execute(insert, [terms_id, world.at, 399, 901])
        cursor.execute(insert, [terms_id, world.at, 400, 900])
    assert TermsVersion.objects.filter(terms_id=terms_id).count() == 2


@pytest.mark.parametrize(
    ("kind", "share", "field"),
    [("free", 1299, "union_share_fen"), ("off", 0, "union_share_fen"), ("off", 1300, "union_share_fen")],
)
def test_shares_fit_the_kind(world: CanteenWorld, kind: str, share: int, field: str):
    with pytest.raises(Invalid) as refused:
        add_kind(world, kind=kind, union_share_fen=share)
    assert refused.value.field == field
    assert VoucherKind.objects.count() == 0


def test_two_kinds_of_one_name_are_refused(world: CanteenWorld):
    add_kind(world)
    with pytest.raises(programmes.KindNameTaken):
        add_kind(world)
    assert VoucherKind.objects.count() == 1


def test_a_venue_of_another_union_is_not_taken(world: CanteenWorld):
    other = world.cast.organisation("荷塘区总工会")
    officer = world.cast.appointed("别区经办", "union_officer", other)
    elsewhere = programmes.open_programme(
        actor=officer, at=world.begins, key=key(), organisation_id=other, name="别的", starts_on=world.begins.date()
    )
    with pytest.raises(Invalid) as refused:
        add_kind(world, actor=officer, programme_id=elsewhere.programme_id)
    assert refused.value.field == "venues"
    assert VoucherKind.objects.count() == 0


def test_an_officer_of_another_union_may_do_nothing_here(world: CanteenWorld):
    other = world.cast.organisation("荷塘区总工会")
    officer = world.cast.appointed("别区经办", "union_officer", other)
    with pytest.raises(NotAllowed):
        add_kind(world, actor=officer)
    with pytest.raises(NotAllowed):
        programmes.open_programme(
            actor=officer, at=world.begins, key=key(), organisation_id=world.union, name="x", starts_on=world.at.date()
        )
    assert VoucherKind.objects.count() == 0
    assert Programme.objects.count() == 1


def test_new_conditions_count_from_their_moment_and_not_before(world: CanteenWorld):
    later = world.at + timedelta(days=1)
    windows = [{"code": "lunch", "title": "午餐", "start": "11:00", "end": "14:00"}]
    made = change(world, windows=windows, per_month=22)
    before = terms_in_force(world.off.terms_id, later - timedelta(seconds=1))
    after = terms_in_force(world.off.terms_id, later)
    assert before is not None
    assert before.pk == world.off.version_id
    assert after is not None
    assert (after.pk, after.windows, after.limits) == (made.version_id, windows, {"per_window": 1, "per_month": 22})


def test_conditions_never_change_backwards(world: CanteenWorld):
    with pytest.raises(Invalid) as refused:
        change(world, effective_from=world.at)
    assert refused.value.field == "effective_from"
    assert TermsVersion.objects.filter(terms_id=world.off.terms_id).count() == 1


def test_four_off_stays_four_off_once_given(world: CanteenWorld):
    world.give_voucher(world.rider)
    with pytest.raises(Invalid) as refused:
        change(world, union_share_fen=500)
    assert refused.value.field == "payer_share_fen"
    assert TermsVersion.objects.filter(terms_id=world.off.terms_id).count() == 1


def test_conditions_before_the_programme_starts_are_refused(world: CanteenWorld):
    with pytest.raises(Invalid):
        add_kind(world, effective_from=at_local(world.begins.date()) - timedelta(seconds=1))
    assert VoucherKind.objects.count() == 0


LUNCH, DINNER = WINDOWS


@pytest.mark.parametrize(
    ("windows", "wrong"),
    [
        (WINDOWS, None),
        ([LUNCH], None),
        ([], "none"),
        ([LUNCH, LUNCH], "code"),
        ([{**LUNCH, "code": "supper"}], "code"),
        ([{**LUNCH, "start": "10.30"}], "clock"),
        ([{**LUNCH, "end": "25:00"}], "clock"),
        ([{**LUNCH, "end": "10:30"}], "order"),
        ([LUNCH, {**DINNER, "start": "14:59"}], "overlap"),
        ([LUNCH, {**DINNER, "start": "15:00", "end": "24:00"}], None),
    ],
)
def test_windows(windows, wrong):
    assert windows_wrong(windows) == wrong
