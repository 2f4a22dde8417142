"""Tables every block may need: kept idempotency keys."""

from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    """A client's key, the digest of what it asked and the receipt it got. Kept as long as the money it moved."""

    scope = models.TextField()
    action = models.TextField()
    key = models.TextField()
    digest = models.BinaryField()
    receipt = models.TextField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")]
