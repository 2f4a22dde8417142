"""What may be asked about passes."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.passes.codes import Pass, PassKind
from doorstep.kernel.passes.errors import PassRevoked
from doorstep.kernel.passes.models import Revocation

MAX_LIMIT = 1_000  # a till that was away for a week fetches this many at a time; a row is a few dozen bytes


def is_revoked(kind: PassKind, subject: UUID, issued_at: datetime) -> bool:
    """Whether a pass issued at that time was made void since. One indexed statement."""
    return Revocation.objects.filter(kind=kind, subject=subject, at__gte=issued_at).exists()


def require_not_revoked(shown: Pass) -> None:
    """Raises: PassRevoked."""
    if is_revoked(shown.kind, shown.subject, shown.issued_at):
        raise PassRevoked


def revoked_since(at: datetime, *, after: UUID | None = None, limit: int = MAX_LIMIT) -> list[Revocation]:
    """Revocations from ``at`` on, oldest first, for tills to keep. For the next page give the last row's ``at`` and id.

    Transactions end in any order, so a till asks again from some minutes before its last answer; rows are few.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    wanted = Q(at__gte=at) if after is None else Q(at__gt=at) | Q(at=at, id__gt=after)
    return list(Revocation.objects.filter(wanted).order_by("at", "id")[:limit])
