"""What may be asked of the log."""

from datetime import date
from uuid import UUID

from doorstep.kernel.audit.models import Entry, Head
from doorstep.kernel.common.clock import day_bounds

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def entries(
    *,
    subject_kind: str | None = None,
    subject_id: UUID | None = None,
    action: str | None = None,
    actor_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[Entry]:
    """Entries, newest first, that fit every filter given; ``before`` is the last id of the page already seen."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"at most {MAX_LIMIT} entries at a time")
    if subject_id is not None and subject_kind is None:
        raise ValueError("subject_id needs subject_kind: ids of different kinds are kept in one column")
    wanted = {
        "subject_kind": subject_kind,
        "subject_id": subject_id,
        "action": action,
        "actor_id": actor_id,
        "id__lt": before,
    }
    filters = {name: value for name, value in wanted.items() if value is not None}
    return list(Entry.objects.filter(**filters).order_by("-id")[:limit])


def head_latest() -> Head | None:
    """The newest signed head."""
    return Head.objects.order_by("-size").first()


def day_root(day: date) -> Head | None:
    """The head that stood at the end of a day in the city's time: what is printed on that day's statement."""
    _start, end = day_bounds(day)
    return Head.objects.filter(at__lt=end).order_by("-size").first()
