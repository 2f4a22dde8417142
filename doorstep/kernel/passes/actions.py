"""What may be done about passes: make them void."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.passes.codes import PassKind
from doorstep.kernel.passes.models import Revocation

MAX_REASON_CHARACTERS = 200


@action
def revoke(*, actor: Actor, at: datetime, kind: PassKind, subject: UUID, reason: str) -> UUID:
    """Void every pass of this kind for ``subject`` issued up to now. The calling room has checked that ``actor`` may.

    Raises: Invalid (no reason, or one too long).
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON_CHARACTERS:
        raise Invalid("reason", text=_("请写明作废的原因,不超过 {limit} 字。"), limit=MAX_REASON_CHARACTERS)
    row = Revocation.objects.create(id=uuid7(), kind=kind, subject=subject, at=at, reason=reason)
    record(
        actor=actor,
        action="passes.revoke",
        subject_kind="pass",
        subject_id=subject,
        at=at,
        data={"kind": PassKind(kind).name, "reason": reason, "revocation": row.pk},
    )
    return row.pk
