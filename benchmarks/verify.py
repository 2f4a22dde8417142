"""``doorstep verify`` over 100,000 redemptions: how long it takes, and whether one flipped byte is located."""

import time
from datetime import timedelta
from typing import Any

from benchmarks import harness
from benchmarks.harness import Figure, figure

REDEMPTIONS = 100_000
SECONDS_TARGET = 120.0  # a night has room for far more; a run that takes minutes would not be run daily


def make_redemptions(count: int, days_ago: int = 0) -> Any:
    """Redemptions through ``sync_redemptions``, 200 at a time, sealed; returns their world."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from django.db import connection

    from benchmarks.world import BusyWorld
    from doorstep.kernel.audit.sealing import seal
    from doorstep.kernel.common.access import device_from_token
    from doorstep.kernel.common.ids import uuid7
    from doorstep.kernel.passes.codes import PassKind, issue
    from doorstep.services.canteen.actions.syncing import OfflineRecord, signed_text, sync_redemptions

    world, private = BusyWorld(), Ed25519PrivateKey.generate()
    device = device_from_token(world.tills(1, private.public_key().public_bytes_raw())[0].token)
    assert device is not None
    vouchers = world.vouchers(world.riders(count))
    at = world.present - timedelta(days=days_ago)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for start in range(0, count, 200):
        records = []
        for voucher in vouchers[start : start + 200]:
            key, code = str(uuid7()), issue(PassKind.ENTITLEMENT, voucher, at, lifetime_seconds=3600)
            signature = private.sign(signed_text(key, code, at.isoformat()))
            records.append((OfflineRecord(key, code, at, signature), at.isoformat()))
        outcomes = sync_redemptions(device=device, at=at + timedelta(seconds=1), records=records)
        if {outcome.result for outcome in outcomes} != {"recorded"}:
            raise RuntimeError(f"not recorded: {[outcome for outcome in outcomes if outcome.result != 'recorded'][:3]}")
    while seal(at + timedelta(minutes=1)):
        pass
    return world


def flip_one() -> str:
    """Change one byte of one receipt in the middle, as the owner of the tables; returns the row's id."""
    from django.db import connection

    from doorstep.project.migrating import as_owner

    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE entitlements_use SET receipt = overlay(receipt placing '5' from position('400' in receipt) for 1)
               WHERE id = (SELECT id FROM entitlements_use ORDER BY id
                           OFFSET (SELECT count(*) / 2 FROM entitlements_use) LIMIT 1)
               RETURNING id"""
        )
        return str(cursor.fetchone()[0])


def run(quick: bool) -> list[Figure]:
    count = 2_000 if quick else REDEMPTIONS
    harness.start()
    from doorstep.project.verifying import report

    began = time.perf_counter()
    make_redemptions(count)
    made_seconds = time.perf_counter() - began
    began = time.perf_counter()
    clean: dict[str, Any] = report()
    clean_seconds = time.perf_counter() - began
    row = flip_one()
    began = time.perf_counter()
    dirty = report()
    dirty_seconds = time.perf_counter() - began
    located = [(one["table"], one["row_id"]) for one in dirty["findings"]] == [("entitlements_use", row)]
    return [
        figure("redemptions", clean["entitlements"]["uses"], "", count),
        figure("made and sealed, per second", count / made_seconds, "/s"),
        figure("findings on clean books", len(clean["findings"]), "", 0, "lower"),
        figure("Σ debits − credits", abs(clean["ledger"]["sum_fen"]), "fen", 0, "lower"),
        figure("verify", clean_seconds, "s", SECONDS_TARGET, "lower"),
        figure("verify, redemptions a second", count / clean_seconds, "/s"),
        figure("one flipped byte located in its row", int(located), "", 1),
        figure("verify with the flipped byte", dirty_seconds, "s"),
    ]


if __name__ == "__main__":
    harness.main("verify", run)
