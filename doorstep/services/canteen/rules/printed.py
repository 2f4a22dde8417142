"""A voucher on paper: bound to its person, to one day and to the venues its conditions name on that day."""

import hashlib
from collections.abc import Iterable
from uuid import UUID


def venue_group(place_ids: Iterable[UUID]) -> int:
    """The pass scope that stands for a set of places; 0 when it is empty: then no place is closed to the voucher."""
    ordered = sorted(place_ids)
    if not ordered:
        return 0
    return int.from_bytes(hashlib.sha256(b"".join(place.bytes for place in ordered)).digest()[:8], "big") or 1
