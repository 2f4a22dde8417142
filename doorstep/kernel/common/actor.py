"""Who acts: a person, a device (a till, a scanner, a door) or the system itself. Always explicit, never ambient."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal of an action.

    ``id`` is the person's or the device's; the system has none. ``label`` is for people to read in a log, never for rules.
    """

    kind: Literal["person", "device", "system"]
    id: UUID | None = None
    label: str = ""

    @property
    def scope(self) -> str:
        """Idempotency keys are unique inside this scope."""
        return f"{self.kind}:{self.id or self.label}"


def person_actor(person_id: UUID, label: str = "") -> Actor:
    return Actor("person", person_id, label)


def device_actor(device_id: UUID, label: str = "") -> Actor:
    return Actor("device", device_id, label)


def system_actor(label: str) -> Actor:
    """The system acting by itself: a sweep, a seal, a delivery. ``label`` names which."""
    return Actor("system", None, label)
