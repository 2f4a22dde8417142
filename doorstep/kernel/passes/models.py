"""Which passes are void before their time."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import UUID7, Now

from doorstep.kernel.passes.codes import PassKind


class Revocation(models.Model):
    """Every pass of this kind for this subject that was issued up to ``at`` is void; one issued later is good again."""

    append_only: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, db_default=UUID7(), editable=False)
    kind = models.SmallIntegerField(choices=[(kind.value, kind.name) for kind in PassKind])
    subject = models.UUIDField()
    at = models.DateTimeField()
    reason = models.TextField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["subject", "kind", "-at"], name="passes_revocation_subject"),
            models.Index(fields=["at", "id"], name="passes_revocation_at"),
        ]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="passes_revocation_reason")]
