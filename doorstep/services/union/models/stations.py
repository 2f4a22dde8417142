"""Workers' homes and union stations: what they offer, how they are kept, who came in."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.ids import Identified
from doorstep.services.union.models.membership import Occupation


class StationKind(models.TextChoices):
    HOME = "union_home", _("劳动者之家")
    STATION = "union_station", _("工会驿站")


class Have(models.TextChoices):
    """The six things a station must have 六有."""

    SIGN = "sign", _("有标识")
    PLACE = "place", _("有场所")
    FACILITIES = "facilities", _("有设施")
    RULES = "rules", _("有制度")
    KEEPER = "keeper", _("有专人")
    MAP = "map", _("上地图")


class Station(Identified):
    """A workers' home or a union station; name, point, hours, area and what works today are its place's."""

    class State(models.TextChoices):
        OPEN = "open", _("正常")
        WARNED = "warned", _("已警告")
        EXITED = "exited", _("已退出")

    place = models.OneToOneField("places.Place", models.PROTECT, related_name="union_station")
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="union_stations")
    kind = models.TextField(choices=StationKind)
    gate = models.TextField(blank=True, db_default="")
    keeper = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="kept_stations")
    state = models.TextField(choices=State, default=State.OPEN)
    state_reason = models.TextField(blank=True, db_default="")
    mend_by = models.DateField(null=True)
    added_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "state"], name="union_station_organisation"),
            models.Index(fields=["keeper"], name="union_station_keeper"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="warned", mend_by__isnull=False) | ~Q(state="warned"),
                name="union_station_warned_until",
            )
        ]


class StationChange(Identified):
    """Who moved a station from one state to the next, when and why."""

    append_only = True

    station = models.ForeignKey(Station, models.PROTECT, related_name="changes")
    before = models.TextField()
    after = models.TextField()
    reason = models.TextField()
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()


class HaveCheck(Identified):
    """Somebody looked whether a station has one of the six, with a photo. The newest of each counts."""

    append_only = True

    station = models.ForeignKey(Station, models.PROTECT, related_name="have_checks")
    have = models.TextField(choices=Have)
    met = models.BooleanField()
    photo = models.ForeignKey("files.StoredFile", models.PROTECT, null=True, related_name="+")
    note = models.TextField(blank=True, db_default="")
    checked_on = models.DateField()
    checked_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["station", "have", "-checked_on", "-id"], name="union_have_newest")]


class Facility(Identified):
    """One thing a station offers. What is broken, or past its date (medicines), is not shown as there."""

    class State(models.TextChoices):
        WORKING = "working", _("可用")
        BROKEN = "broken", _("待修")
        REMOVED = "removed", _("已撤")

    station = models.ForeignKey(Station, models.PROTECT, related_name="facilities")
    code = models.TextField()
    state = models.TextField(choices=State, default=State.WORKING)
    expires_on = models.DateField(null=True)
    warned_days = models.IntegerField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["station", "code"], name="union_facility_once")]
        indexes = [
            models.Index(fields=["expires_on"], condition=Q(expires_on__isnull=False), name="union_facility_expiring")
        ]


class Supply(Identified):
    """So many of a thing that is used up: plasters, cups, cooling drinks; one row for each expiry date."""

    station = models.ForeignKey(Station, models.PROTECT, related_name="supplies")
    name = models.TextField()
    quantity = models.IntegerField()
    expires_on = models.DateField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["station", "name", "expires_on"], name="union_supply_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="union_supply_not_negative"),
        ]


class Defect(Identified):
    """Something is broken, from the report to the repair."""

    station = models.ForeignKey(Station, models.PROTECT, related_name="defects")
    facility = models.ForeignKey(Facility, models.PROTECT, null=True, related_name="defects")
    text = models.TextField()
    reported_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    reported_at = models.DateTimeField()
    fixed_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    fixed_at = models.DateTimeField(null=True)
    fix_note = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["facility"],
                condition=Q(fixed_at__isnull=True, facility__isnull=False),
                name="union_defect_open_once",
            ),
            models.CheckConstraint(
                condition=Q(fixed_at__isnull=True) | Q(fixed_at__gte=F("reported_at")), name="union_defect_fixed_after"
            ),
        ]
        indexes = [models.Index(fields=["station", "-reported_at"], name="union_defect_station")]


class Inspection(Identified):
    """An unannounced visit, 0–25 points each."""

    append_only = True

    station = models.ForeignKey(Station, models.PROTECT, related_name="inspections")
    inspector = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    visited_at = models.DateTimeField()
    open_as_posted = models.SmallIntegerField()
    working = models.SmallIntegerField()
    tidy = models.SmallIntegerField()
    records = models.SmallIntegerField()
    note = models.TextField(blank=True, db_default="")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    open_as_posted__range=(0, 25), working__range=(0, 25), tidy__range=(0, 25), records__range=(0, 25)
                ),
                name="union_inspection_points",
            )
        ]
        indexes = [models.Index(fields=["station", "-visited_at"], name="union_inspection_station")]

    @property
    def points(self) -> int:
        return self.open_as_posted + self.working + self.tidy + self.records


class Visit(Identified):
    """Somebody came in. ``slot`` is what makes it one: person, station and half hour; for a tap the tap's own key.

    The headline counts these rows, so it cannot exceed the evidence.
    """

    append_only = True

    class Method(models.TextChoices):
        DOOR = "door", _("扫门口的码")
        CARD = "card", _("出示会员卡")
        TAP = "tap", _("工作人员登记")

    station = models.ForeignKey(Station, models.PROTECT, related_name="visits")
    person = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="station_visits")
    occupation = models.TextField(choices=Occupation)
    method = models.TextField(choices=Method)
    at = models.DateTimeField()
    slot = models.TextField(unique=True)
    distance_m = models.IntegerField(null=True)
    recorded_by_kind = models.TextField()
    recorded_by_id = models.UUIDField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(person__isnull=False) | Q(method="tap"), name="union_visit_by_somebody")
        ]
        indexes = [
            models.Index(fields=["station", "-at"], name="union_visit_station"),
            models.Index(fields=["person", "station", "-at"], name="union_visit_person"),
            models.Index(fields=["occupation"], name="union_visit_occupation"),
        ]
