"""What the canteen does by itself, called by the worker about once a minute: every step is safe to run twice."""

from datetime import datetime

from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.clock import local, local_day
from doorstep.kernel.entitlements.actions import close_offer
from doorstep.kernel.entitlements.models import Grant
from doorstep.kernel.entitlements.settling import last_settled_day
from doorstep.services.canteen.actions import venues, watching

WORKER = system_actor("canteen.periodic")
MAX_OFFERS = 100


def close_ended_offers(at: datetime) -> int:
    """Close the canteen's offers whose time is over, so that what nobody claimed goes back to the budget."""
    ended = Grant.objects.filter(
        source=Grant.Source.CLAIM, closed_at=None, closes_at__lte=at, terms__canteen_kind__isnull=False
    ).order_by("closes_at", "pk")[:MAX_OFFERS]
    for grant in ended:
        close_offer(actor=WORKER, at=at, grant_id=grant.pk)
    return len(ended)


def watch(at: datetime) -> None:
    """Every ten minutes over today; once over each day that is over and whose tills have had their time to synchronise."""
    over = last_settled_day(at)
    wall = local(at)
    part = f"{wall:%Y-%m-%d/%H}:{wall.minute // 10}0"
    watching.run_watch_once(actor=WORKER, at=at, key=f"watch/{part}", day=local_day(at))
    watching.run_watch_once(actor=WORKER, at=at, key=f"watch/{over}/over", day=over)


def run(at: datetime) -> None:
    """Offers that ended, papers that will, and what looks odd."""
    close_ended_offers(at)
    venues.warn_papers(actor=WORKER, at=at)
    watch(at)
