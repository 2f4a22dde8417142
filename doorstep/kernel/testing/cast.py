"""One named cast for all rooms, made by calling actions: a rider, a cashier's venue, a union officer, a stranger, …

Tests ask for whom they need: ``cast.rider()`` registers the rider on first call and returns the same person after.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from doorstep.kernel.common.actor import Actor, person_actor, system_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.organisations.actions import appoint, found_organisation
from doorstep.kernel.people.actions import attest_standing, register_person

SYSTEM = system_actor("test")


@dataclass
class Cast:
    """People and organisations of a small Tianyuan district, made when first asked for. ``at`` is when they appear."""

    at: datetime = field(default_factory=lambda: at_local(datetime(2025, 4, 1).date(), 9))  # noqa: DTZ001
    _people: dict[str, UUID] = field(default_factory=dict)
    _organisations: dict[str, UUID] = field(default_factory=dict)

    def person(self, name: str, phone: str = "") -> UUID:
        """A person of that name, registered once; phone numbers are made up in order."""
        if name not in self._people:
            number = phone or f"1380731{1000 + len(self._people):04d}"
            self._people[name] = register_person(actor=SYSTEM, at=self.at, name=name, phone=number).person_id
        return self._people[name]

    def organisation(self, name: str, kind: str = "union", parent: str | None = None) -> UUID:
        if name not in self._organisations:
            parent_id = self.organisation(parent) if parent else None
            self._organisations[name] = found_organisation(
                actor=SYSTEM, at=self.at, kind=kind, name=name, parent_id=parent_id
            )
        return self._organisations[name]

    def union(self) -> UUID:
        """天元区总工会, the district union that pays."""
        return self.organisation("天元区总工会")

    def appointed(self, name: str, role: str, organisation_id: UUID) -> Actor:
        """A person holding a role, as the actor they are."""
        person_id = self.person(name)
        appoint(actor=SYSTEM, at=self.at, person_id=person_id, organisation_id=organisation_id, role=role)
        return person_actor(person_id, name)

    def officer(self) -> Actor:
        return self.appointed("易经办", "union_officer", self.union())

    def leader(self) -> Actor:
        return self.appointed("李主席", "union_leader", self.union())

    def auditor(self) -> Actor:
        return self.appointed("审计员", "auditor", self.union())

    def standing(self, person_id: UUID, kind: str, days: int = 3650) -> None:
        attest_standing(
            actor=SYSTEM,
            at=self.at,
            person_id=person_id,
            kind=kind,
            organisation_id=self.union(),
            valid_until=self.at + timedelta(days=days),
        )

    def rider(self, name: str = "凌涛") -> UUID:
        """A verified rider."""
        person_id = self.person(name)
        self.standing(person_id, "rider")
        return person_id

    def stranger(self) -> UUID:
        """Signed up, attested nothing, appointed nowhere."""
        return self.person("路人甲")
