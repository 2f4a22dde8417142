"""Whether somebody may ask to join, given the case they already have. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Case:
    """The membership somebody already has."""

    organisation_id: UUID
    state: str


def joining(case: Case | None, organisation_id: UUID) -> str:
    """What asking to join means now.

    ``new``: open a case. ``again``: put a refused case before the same or another unit. ``continue``: it waits here already.
    ``already_member``, ``pending_elsewhere``: refused.
    """
    if case is None or case.state == "left":
        return "new"
    if case.state == "rejected":
        return "again"
    if case.state == "approved":
        return "already_member"
    return "continue" if case.organisation_id == organisation_id else "pending_elsewhere"
