"""Makes what the crash test redeems, inside its house, and prints it: ``python -m tests.crash_world PEOPLE``."""

import json
import os
import sys

import django

PASS_SECONDS = 6 * 3600


def main(people: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "doorstep.project.settings"
    django.setup()
    from doorstep.project.migrating import migrate

    migrate()
    from benchmarks.world import BusyWorld
    from doorstep.kernel.common.clock import now
    from doorstep.kernel.passes.codes import PassKind, issue

    world = BusyWorld()
    tokens = [till.token for till in world.tills(8)]
    vouchers = world.vouchers(world.riders(people))
    codes = [issue(PassKind.ENTITLEMENT, voucher, now(), lifetime_seconds=PASS_SECONDS) for voucher in vouchers]
    json.dump({"tokens": tokens, "codes": codes}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
