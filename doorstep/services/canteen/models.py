"""What the shared canteen keeps: venues and their vetting, programmes and voucher kinds, menus, alerts, complaints.

Vouchers are entitlements, redemptions are uses, statements are settlements: those live in the kernel.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.ids import Identified

SET_PRICE_FEN = 1300
WORKER_CAP_FEN = 900


class Meal(models.TextChoices):
    LUNCH = "lunch", _("午餐")
    DINNER = "dinner", _("晚餐")


class Call(Identified):
    """A union's call for restaurants to join."""

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="canteen_calls")
    title = models.TextField()
    requirements = models.TextField()
    opens_on = models.DateField()
    closes_on = models.DateField()
    published_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(closes_on__gte=F("opens_on")), name="canteen_call_period")]


class Venue(Identified):
    """A restaurant on its way from application to serving. ``payee`` is the ledger account of what it is owed."""

    class State(models.TextChoices):
        APPLIED = "applied", _("已申请")
        VISITED = "visited", _("已走访")
        APPROVED = "approved", _("已通过")
        REJECTED = "rejected", _("未通过")
        OPEN = "open", _("营业中")
        SUSPENDED = "suspended", _("暂停")
        CLOSED = "closed", _("已退出")

    call = models.ForeignKey(Call, models.PROTECT, related_name="venues")
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="canteen_venues")
    place = models.OneToOneField("places.Place", models.PROTECT, related_name="canteen_venue")
    contact_name = models.TextField()
    payee = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    takings = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    bank_name = models.TextField(blank=True, db_default="")
    bank_account = models.TextField(blank=True, db_default="")
    bank_code = models.TextField(blank=True, db_default="")
    state = models.TextField(choices=State, default=State.APPLIED)
    state_reason = models.TextField(blank=True, db_default="")
    applied_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state"], name="canteen_venue_state")]


class VenueStateChange(Identified):
    """Who moved a venue from one state to the next, when and why."""

    append_only = True

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="changes")
    before = models.TextField()
    after = models.TextField()
    reason = models.TextField(blank=True, db_default="")
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()


class Paper(Identified):
    """A licence with an expiry. From 00:00 of the day after ``expires_on`` the venue may not redeem."""

    class Kind(models.TextChoices):
        BUSINESS_LICENCE = "business_licence", _("营业执照")
        FOOD_PERMIT = "food_permit", _("食品经营许可证")
        HEALTH_CERTIFICATE = "health_certificate", _("健康证")

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="papers")
    kind = models.TextField(choices=Kind)
    number = models.TextField()
    holder = models.TextField(blank=True, db_default="")
    expires_on = models.DateField()
    file = models.ForeignKey("files.StoredFile", models.PROTECT, null=True, related_name="+")
    added_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)
    warned_days = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue", "kind", "number"], condition=Q(replaced_at=None), name="canteen_paper_once"
            )
        ]


class SiteVisit(Identified):
    """Somebody went there and wrote down what they saw."""

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="visits")
    visitor = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    visited_on = models.DateField()
    notes = models.TextField()
    recorded_at = models.DateTimeField()


class Score(Identified):
    """One member's points for one venue: kitchen, dishes, price, hours, 0–25 each."""

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="scores")
    scorer = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    kitchen = models.SmallIntegerField()
    dishes = models.SmallIntegerField()
    price = models.SmallIntegerField()
    hours = models.SmallIntegerField()
    comment = models.TextField(blank=True, db_default="")
    scored_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "scorer"], name="canteen_score_once"),
            models.CheckConstraint(
                condition=Q(kitchen__range=(0, 25), dishes__range=(0, 25), price__range=(0, 25), hours__range=(0, 25)),
                name="canteen_score_range",
            ),
        ]

    @property
    def total(self) -> int:
        return self.kitchen + self.dishes + self.price + self.hours


class Decision(Identified):
    """Approve or reject, by somebody who did not score."""

    venue = models.OneToOneField(Venue, models.PROTECT, related_name="decision")
    approved = models.BooleanField()
    reason = models.TextField()
    average_points = models.DecimalField(max_digits=5, decimal_places=2)
    decided_by = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()


class Agreement(Identified):
    """What union and restaurant agreed: the set's price, the longer hours, from when to when."""

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="agreements")
    list_price_fen = models.BigIntegerField()
    dishes = models.SmallIntegerField(default=8)
    soups = models.SmallIntegerField(default=1)
    opening_hours = models.TextField()
    valid_from = models.DateField()
    valid_until = models.DateField()
    signed_by = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="canteen_agreement_period"),
            models.CheckConstraint(
                condition=Q(list_price_fen__gt=0, list_price_fen__lte=SET_PRICE_FEN), name="canteen_agreement_price"
            ),
        ]


class Programme(Identified):
    """A union's subsidy with its own budget. ``exposure_cap_fen`` is what one till may serve offline in one day."""

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="canteen_programmes")
    name = models.TextField()
    budget = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    reserved = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    offline_losses = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    exposure_cap_fen = models.BigIntegerField(default=20_000)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    opened_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField()


class VoucherKind(Identified):
    """Free meal or fixed amount off. Its dated conditions are versions of kernel terms."""

    class Kind(models.TextChoices):
        FREE = "free", _("免费餐券")
        OFF = "off", _("减免券")

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="kinds")
    kind = models.TextField(choices=Kind)
    name = models.TextField()
    terms = models.OneToOneField("entitlements.Terms", models.PROTECT, related_name="canteen_kind")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["programme", "name"], name="canteen_kind_name_once")]


class MenuItem(Identified):
    """One dish or soup of a venue's set on a day; the page's "eight dishes and a soup" is counted from these."""

    class Kind(models.TextChoices):
        DISH = "dish", _("菜")
        SOUP = "soup", _("汤")

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="menu")
    day = models.DateField()
    meal = models.TextField(choices=Meal)
    kind = models.TextField(choices=Kind)
    name = models.TextField()
    position = models.SmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "day", "meal", "name"], name="canteen_menu_item_once")]


class Alert(Identified):
    """A watch rule saw something; ``explanation`` says it in words, ``evidence`` counts and ids."""

    class State(models.TextChoices):
        OPEN = "open", _("待处理")
        EXPLAINED = "explained", _("已说明")
        CONFIRMED = "confirmed", _("属实")

    venue = models.ForeignKey(Venue, models.PROTECT, null=True, related_name="alerts")
    device = models.ForeignKey("organisations.Device", models.PROTECT, null=True, related_name="+")
    person = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    rule = models.TextField()
    severity = models.SmallIntegerField()
    fingerprint = models.TextField(unique=True)
    explanation = models.TextField()
    evidence = models.JSONField(default=dict)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    state = models.TextField(choices=State, default=State.OPEN)
    closed_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)
    closing_note = models.TextField(blank=True, db_default="")


class Hold(Identified):
    """Payout to a venue is frozen; lunch goes on."""

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="holds")
    alert = models.ForeignKey(Alert, models.PROTECT, null=True, related_name="holds")
    reason = models.TextField()
    placed_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    placed_at = models.DateTimeField()
    released_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    released_at = models.DateTimeField(null=True)
    release_reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue"], condition=Q(released_at=None), name="canteen_one_open_hold_a_venue"
            ),
            models.CheckConstraint(
                condition=Q(released_by__isnull=True) | Q(placed_by__isnull=True) | ~Q(released_by=F("placed_by")),
                name="canteen_hold_needs_two_people",
            ),
        ]


class Feedback(Identified):
    """A diner's rating, complaint or food-safety report. ``severity`` (1–3) is of food-safety reports alone."""

    class Kind(models.TextChoices):
        RATING = "rating", _("评价")
        COMPLAINT = "complaint", _("投诉")
        FOOD_SAFETY = "food_safety", _("食品安全")

    kind = models.TextField(choices=Kind)
    venue = models.ForeignKey(Venue, models.PROTECT, related_name="feedback")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    use = models.ForeignKey("entitlements.Use", models.PROTECT, null=True, related_name="+")
    stars = models.SmallIntegerField(null=True)
    severity = models.SmallIntegerField(null=True)
    text = models.TextField(blank=True, db_default="")
    photo = models.ForeignKey("files.StoredFile", models.PROTECT, null=True, related_name="+")
    given_at = models.DateTimeField()
    answer = models.TextField(blank=True, db_default="")
    answered_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["use", "kind"], condition=Q(kind="rating"), name="canteen_one_rating_a_meal"
            ),
            models.CheckConstraint(
                condition=Q(stars__isnull=True) | Q(stars__range=(1, 5)), name="canteen_stars_range"
            ),
            models.CheckConstraint(
                condition=Q(kind="food_safety", severity__range=(1, 3))
                | (~Q(kind="food_safety") & Q(severity__isnull=True)),
                name="canteen_severity_of_food_safety",
            ),
        ]
        indexes = [models.Index(fields=["venue", "-given_at"], name="canteen_feedback_venue")]


class PayingAccount(Identified):
    """The bank account a union pays its restaurants from."""

    organisation = models.OneToOneField("organisations.Organisation", models.PROTECT, related_name="canteen_paying")
    account_name = models.TextField()
    bank_name = models.TextField()
    bank_account = models.TextField()
    bank_code = models.TextField(blank=True, db_default="")
    set_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    set_at = models.DateTimeField()
