"""Places: a point, opening hours, facilities; and the country's public-holiday calendar."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


class Point(Func):
    """PostgreSQL's own point(x, y): GiST indexes it, ``<->`` orders by it, no extension needed."""

    function = "point"
    output_field = models.TextField()


class Place(Identified):
    """Somewhere people go. ``longitude``/``latitude`` are WGS-84 degrees; ``opening_hours`` is OpenStreetMap syntax."""

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="places")
    kind = models.TextField()
    name = models.TextField()
    address = models.TextField(blank=True, db_default="")
    longitude = models.FloatField()
    latitude = models.FloatField()
    opening_hours = models.TextField(blank=True, db_default="")
    facilities = ArrayField(models.TextField(), default=list, blank=True)
    area_m2 = models.DecimalField(max_digits=8, decimal_places=1, null=True, blank=True)
    opened_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Mainland China, Hong Kong, Macau and Taiwan lie inside; swapped or foreign coordinates do not.
            models.CheckConstraint(
                condition=Q(longitude__gte=73, longitude__lte=136, latitude__gte=3, latitude__lte=54),
                name="place_in_china",
            )
        ]
        indexes = [
            GistIndex(Point(F("longitude"), F("latitude")), name="place_point"),
            GinIndex(fields=["facilities"], name="place_facilities"),
        ]

    def __str__(self) -> str:
        return self.name


class CalendarDay(models.Model):
    """A day that differs from its weekday: a public holiday, or a weekend day worked to make up for one.

    Loaded for years the calendar library does not know yet, and able to correct those it does.
    """

    class Kind(models.TextChoices):
        HOLIDAY = "holiday", "假日"
        WORKDAY = "workday", "调休上班"

    day = models.DateField(primary_key=True)
    kind = models.TextField(choices=Kind)
    name = models.TextField(blank=True, db_default="")
    source = models.TextField(blank=True, db_default="")
