"""Many organisations at once, in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.models import Organisation

BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class NewOrganisation:
    """An organisation of a list; ``parent_id`` is one of those below the list's own organisation, or that itself."""

    parent_id: UUID
    kind: str
    name: str
    registration_number: str | None = None


@action
def found_organisations(
    *, actor: Actor, at: datetime, organisation_id: UUID, organisations: Sequence[NewOrganisation]
) -> list[UUID]:
    """Put many organisations into the tree at or below one organisation, in the list's order; none may exist yet.

    Raises: NotAllowed.
    """
    access.require(actor, "organisations.manage", organisation_id, at)
    wanted = {one.parent_id for one in organisations}
    parents = {one.pk: one for one in Organisation.objects.filter(pk__in=wanted, path__contains=[organisation_id])}
    if missing := wanted - set(parents):
        raise ValueError(f"not at or below the list's organisation: {sorted(missing)}")
    rows = []
    for one in organisations:
        new_id = uuid7()
        rows.append(
            Organisation(
                id=new_id, parent_id=one.parent_id, path=[*parents[one.parent_id].path, new_id], kind=one.kind,
                name=one.name, registration_number=one.registration_number, founded_on=None,
            )
        )  # fmt: skip
    Organisation.objects.bulk_create(rows, batch_size=BATCH_ROWS)
    record(
        actor=actor,
        action="organisations.found_organisations",
        subject_kind="organisation",
        subject_id=organisation_id,
        organisation_id=organisation_id,
        at=at,
        data={"list": digest([(row.pk, row.kind, row.name) for row in rows]), "count": len(rows)},
    )  # fmt: skip
    return [row.pk for row in rows]
