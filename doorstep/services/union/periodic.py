"""What the union does by itself, called every minute by the worker."""

from datetime import datetime

from doorstep.kernel.common.actor import system_actor
from doorstep.services.union.actions.stations import watch_dates


def run(at: datetime) -> None:
    """Warn about medicines that end; what is over leaves the finder."""
    watch_dates(actor=system_actor("union"), at=at)
