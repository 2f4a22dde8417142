"""The outbox: what people are told, written in the transaction of the fact and delivered after it."""

from django.db import models
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


class Notice(Identified):
    """One message to one person on one channel. ``title`` and ``body`` are rendered in the person's language."""

    class Channel(models.TextChoices):
        IN_APP = "in_app"
        SMS = "sms"
        EMAIL = "email"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    person = models.ForeignKey("people.Person", models.PROTECT, related_name="notices")
    channel = models.TextField(choices=Channel)
    template = models.TextField()
    title = models.TextField()
    body = models.TextField()
    url = models.TextField(blank=True, db_default="")
    state = models.TextField(choices=State, default=State.WAITING)
    not_before = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    error = models.TextField(blank=True, db_default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["person", "-created_at"], name="notice_person"),
            models.Index(fields=["not_before"], condition=models.Q(state="waiting"), name="notice_waiting"),
        ]
