"""What a till asks for, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a code points at: an entitlement by id, or by its number when it was typed."""

    entitlement_id: UUID | None
    number: int | None
    printed: bool
    issued_at: datetime | None
    scope: int


@dataclass(frozen=True, slots=True)
class Request:
    """One redemption asked for. ``key`` is the client's; ``digest`` of the code tells a retry from another request."""

    key: str
    scanned: Scanned
    at: datetime
    digest: bytes
