"""What a person holds of the union's: the member card, and what other modules of the room add to ``PARTS``."""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from doorstep.kernel.common.rooms import WalletItem
from doorstep.services.union.queries import activities, members

PARTS: list[Callable[[UUID, datetime], Iterable[WalletItem]]] = [members.wallet, activities.wallet]


def wallet(person_id: UUID, at: datetime) -> list[WalletItem]:
    return [item for part in PARTS for item in part(person_id, at)]
