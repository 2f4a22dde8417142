"""What the union's actions share: whose units, moving members between units, one note in the log."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.models import Belonging, Membership

BATCH_ROWS = 2000
FOUR_LEVEL = "four_level"
POOL = "holding_pool"
# Kinds of organisation people may ask to join.
JOINABLE = ("union", "federation", "association", "alliance", "merchant", "unit", POOL)


def note(
    actor: Actor, verb: str, kind: str, subject_id: UUID | None, organisation_id: UUID | None, at: datetime, **data: Any
) -> None:
    record(
        actor=actor,
        action=f"union.{verb}",
        subject_kind=kind,
        subject_id=subject_id,
        organisation_id=organisation_id,
        at=at,
        data=data,
    )


def organisation_or_refuse(organisation_id: UUID) -> Organisation:
    """Raises: NotFound (also for one that was closed)."""
    found = Organisation.objects.filter(pk=organisation_id, closed_on__isnull=True).first()
    if found is None:
        raise NotFound
    return found


def scope(actor: Actor, capability: str, organisations: Iterable[Organisation], at: datetime) -> dict[UUID, UUID]:
    """Organisation → the topmost one over it in which the actor holds the capability. Two statements at most.

    Raises: NotAllowed, when it is not held over one of them.
    """
    if actor.kind == "system":
        return {one.pk: one.path[0] for one in organisations}
    held = set(access.organisations_with(actor.id, capability, at)) if actor.kind == "person" and actor.id else set()
    found = {}
    for one in organisations:
        top = next((above for above in one.path if above in held), None)
        if top is None:
            raise NotAllowed
        found[one.pk] = top
    return found


def settle(rows: Sequence[tuple[Membership, UUID]], why: str, at: datetime) -> None:
    """Begin a belonging for each membership at each organisation. One statement."""
    Belonging.objects.bulk_create(
        [
            Belonging(
                id=uuid7(), membership=membership, member_number=membership.number, organisation_id=organisation_id,
                valid_from=at, why=why,
            )
            for membership, organisation_id in rows
        ],
        batch_size=BATCH_ROWS,
    )  # fmt: skip


def end(membership_ids: Sequence[UUID], at: datetime) -> None:
    """End the open belongings of these memberships. Raises: WrongState, when one began only now or later."""
    still = Belonging.objects.filter(membership_id__in=membership_ids, valid_until__isnull=True)
    if still.filter(valid_from__gte=at).exists():
        raise WrongState
    still.update(valid_until=at)


def move(memberships: Sequence[Membership], organisation_id: UUID, why: str, at: datetime) -> None:
    """Members leave one unit and belong to another from the same instant on. Four statements however many they are."""
    end([one.pk for one in memberships], at)
    settle([(one, organisation_id) for one in memberships], why, at)
    Membership.objects.filter(pk__in=[one.pk for one in memberships]).update(organisation_id=organisation_id)
