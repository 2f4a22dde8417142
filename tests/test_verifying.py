"""``doorstep verify``: clean on what actions made, and one changed byte anywhere is found in its table and row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common.access import device_from_token
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.project.verifying import report
from doorstep.services.canteen.actions.redeeming import redeem_voucher
from doorstep.services.canteen.tests.world import CanteenWorld

pytestmark = pytest.mark.django_db


@pytest.fixture
def redeemed(cast: Any) -> CanteenWorld:
    """Five redeemed vouchers of five people, one unused, everything sealed."""
    world = CanteenWorld(cast)
    device = device_from_token(world.till.token)
    assert device is not None
    for number in range(5):
        voucher = world.give_voucher(cast.rider(f"骑手{number}"))
        code = issue(PassKind.ENTITLEMENT, voucher.pk, world.at)
        redeem_voucher(device=device, at=world.at, key=str(uuid7()), code=code)
    world.give_voucher(world.courier)
    seal(world.at + timedelta(minutes=1))
    return world


def one(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def change(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount == 1


def test_what_actions_made_is_proved_with_its_counts(redeemed: CanteenWorld) -> None:
    proof = report()
    assert proof["ok"] is True
    assert proof["findings"] == []
    assert proof["entitlements"] == {
        "entitlements": 6,
        "uses": 5,
        "reversed": 0,
        "persons": 5,
        "payer_fen": 2000,
        "offline_conflicts": 0,
        "findings": 0,
    }
    assert proof["ledger"]["sum_fen"] == 0
    assert proof["ledger"]["debits_fen"] == proof["ledger"]["credits_fen"]
    assert proof["audit"]["sealed"] == proof["audit"]["entries"] > 0
    assert proof["audit"]["waiting"] == 0
    assert len(proof["audit"]["root"]) == 64


SECOND_USE = "SELECT id FROM entitlements_use ORDER BY id OFFSET 1 LIMIT 1"

# What is changed: how to find its row, how to change one byte of it, the finding expected (code, table).
FLIPS: dict[str, tuple[str, Callable[[Any], str], str, str]] = {
    "audit body": (
        f"SELECT id FROM audit_entry WHERE subject_id = ({SECOND_USE})",
        lambda row: f"UPDATE audit_entry SET body = overlay(body placing 'X' from 12 for 1) WHERE id = '{row}'",
        "entry_altered",
        "audit_entry",
    ),
    "leaf hash": (
        "SELECT index FROM audit_leaf ORDER BY index DESC LIMIT 1 OFFSET 3",
        lambda row: f"UPDATE audit_leaf SET hash = set_byte(hash, 7, get_byte(hash, 7) # 1) WHERE index = {row}",
        "leaf_altered",
        "audit_leaf",
    ),
    "use receipt": (
        SECOND_USE,
        lambda row: f"UPDATE entitlements_use SET receipt = replace(receipt, '400', '500') WHERE id = '{row}'",
        "use_differs",
        "entitlements_use",
    ),
    "use amount": (
        SECOND_USE,
        lambda row: (
            f"UPDATE entitlements_use SET payer_fen = payer_fen + 1, person_fen = person_fen - 1 WHERE id = '{row}'"
        ),
        "use_money_differs",
        "entitlements_use",
    ),
    "transfer amount of a use": (
        f"SELECT subject_id FROM ledger_transfer WHERE subject_id = ({SECOND_USE}) AND code = 'entitlement.use'",
        lambda row: (
            f"UPDATE ledger_transfer SET amount_fen = 401 WHERE subject_id = '{row}' AND code = 'entitlement.use'"
        ),
        "use_money_differs",
        "entitlements_use",
    ),
    "transfer amount of a grant": (
        "SELECT batch FROM ledger_transfer WHERE code = 'entitlement.grant' LIMIT 1",
        lambda row: f"UPDATE ledger_transfer SET amount_fen = 401 WHERE batch = '{row}'",
        "batch_differs",
        "ledger_transfer",
    ),
    "balance": (
        "SELECT account_id FROM ledger_balance WHERE credits_posted > 0 AND bound = 'none' LIMIT 1",
        lambda row: (
            "UPDATE ledger_balance SET credits_posted = credits_posted + 1 WHERE id = (SELECT id FROM ledger_balance"
            f" WHERE account_id = '{row}' AND credits_posted > 0 LIMIT 1)"
        ),
        "balance_differs",
        "ledger_balance",
    ),
    "units used": (
        f"SELECT entitlement_id FROM entitlements_use WHERE id = ({SECOND_USE})",
        lambda row: f"UPDATE entitlements_entitlement SET used = 0 WHERE id = '{row}'",
        "units_differ",
        "entitlements_entitlement",
    ),
}


@pytest.mark.parametrize("what", FLIPS)
def test_one_changed_byte_is_found_in_its_table_and_row(redeemed: CanteenWorld, what: str) -> None:
    find, alter, code, table = FLIPS[what]
    row = one(find)
    change(alter(row))
    proof = report()
    assert proof["ok"] is False
    assert (code, table, str(row)) in {(found["code"], found["table"], found["row_id"]) for found in proof["findings"]}


def test_a_use_that_vanished_is_missed(redeemed: CanteenWorld) -> None:
    use = one(SECOND_USE)
    change(f"DELETE FROM entitlements_use WHERE id = '{use}'")
    assert {("use_missing", str(use))} <= {(found["code"], found["row_id"]) for found in report()["findings"]}
