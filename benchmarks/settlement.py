"""Settling the page's 14,300 redemptions with all their evidence: prepared, approved, exported; and exported again, byte for byte."""

import time
from datetime import timedelta
from typing import Any

from benchmarks import harness
from benchmarks.harness import Figure, figure
from benchmarks.verify import make_redemptions

REDEMPTIONS = 14_300
SECONDS_TARGET = 10.0
UNION_FEN = 400
FORMATS = ("xml", "xlsx", "csv")


def settle(world: Any, at: Any, day: Any) -> tuple[Any, dict[str, float]]:
    """Prepare and approve the day's statement; the statement and the seconds each step took."""
    from doorstep.kernel.common.ids import uuid7
    from doorstep.services.canteen.actions import settling

    took: dict[str, float] = {}
    settling.set_paying_account(
        actor=world.leader, at=at, key=str(uuid7()), organisation_id=world.union, account_name="株洲市天元区总工会",
        bank_name="中国建设银行株洲天元支行", bank_account="43050162010800000123", bank_code="105552000015",
    )  # fmt: skip
    began = time.perf_counter()
    statement = settling.prepare_settlement(
        actor=world.officer, at=at, key=str(uuid7()), venue_id=world.venue.pk, first_day=day, last_day=day
    )
    took["prepare"] = time.perf_counter() - began
    began = time.perf_counter()
    settling.approve_settlement(
        actor=world.leader, at=at, key=str(uuid7()), settlement_id=statement.settlement_id, invoice_number="INV-1",
        invoice_fen=statement.payer_fen,
    )  # fmt: skip
    took["approve"] = time.perf_counter() - began
    return statement, took


def export(world: Any, at: Any, settlement_id: Any) -> dict[str, bytes]:
    from doorstep.services.canteen.actions import settling

    return {
        one: settling.export_settlement(
            actor=world.leader, at=at, settlement_id=settlement_id, file_format=one
        ).content
        for one in FORMATS
    }  # fmt: skip


def run(quick: bool) -> list[Figure]:
    count = 1_000 if quick else REDEMPTIONS
    harness.start()
    from doorstep.kernel.common.clock import local_day
    from doorstep.project.verifying import report

    world = make_redemptions(count, days_ago=2)
    at = world.present
    statement, took = settle(world, at, local_day(at - timedelta(days=2)))
    began = time.perf_counter()
    first = export(world, at, statement.settlement_id)
    took["export"] = time.perf_counter() - began
    again = export(world, at + timedelta(minutes=5), statement.settlement_id)
    proof = report()
    return [
        figure("redemptions on the statement", statement.uses, "", count),
        figure("owed − uses × 4.00", abs(statement.payer_fen - count * UNION_FEN), "fen", 0, "lower"),
        *(figure(name, seconds, "s") for name, seconds in took.items()),
        figure("prepare, approve and export", sum(took.values()), "s", SECONDS_TARGET, "lower"),
        figure("files that differ when made again", sum(first[one] != again[one] for one in FORMATS), "", 0, "lower"),
        figure("findings afterwards", len(proof["findings"]), "", 0, "lower"),
    ]


if __name__ == "__main__":
    harness.main("settlement", run)
