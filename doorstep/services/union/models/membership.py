"""Who belongs to the union, through which unit, since when; merchants, foundings, uploaded lists, the experience board."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.ids import Identified
from doorstep.kernel.common.vault import EncryptedField


class Occupation(models.TextChoices):
    """What a member does. The values are standings of the people block where there is one of that name."""

    RIDER = "rider", _("外卖骑手")
    COURIER = "courier", _("快递员")
    DRIVER = "driver", _("货车司机")
    RIDE_DRIVER = "ride_driver", _("网约车司机")
    LIVESTREAMER = "livestreamer", _("网络主播")
    ECOMMERCE = "ecommerce", _("电商人员")
    SHOP = "shop", _("商户员工")
    OTHER = "other", _("其他")


class Merchant(Identified):
    """A shop that joined a federation. Its staff are members of the federation's union by it.

    The shop is an organisation in the tree, below its alliance, association or directly below the federation.
    """

    class State(models.TextChoices):
        JOINED = "joined", _("已加入")
        LEFT = "left", _("已退出")

    organisation = models.OneToOneField("organisations.Organisation", models.PROTECT, related_name="union_merchant")
    contact_name = models.TextField(blank=True, db_default="")
    contact_phone = EncryptedField(null=True, blank=True, head=3, tail=4)
    address = models.TextField(blank=True, db_default="")
    state = models.TextField(choices=State.choices, default=State.JOINED)
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)
    left_reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(state="joined") & Q(left_at__isnull=True))
                | (Q(state="left") & Q(left_at__gte=F("joined_at"))),
                name="union_merchant_state",
            )
        ]
        indexes = [models.Index(fields=["joined_at", "left_at"], name="union_merchant_period")]


class Membership(Identified):
    """One person's case: asked, approved or refused (and asked again), left. ``number`` is printed on the card.

    ``organisation`` is where the case is now; where the person belonged on any day is told by :class:`Belonging`.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("待审核")
        APPROVED = "approved", _("已入会")
        REJECTED = "rejected", _("未通过")
        LEFT = "left", _("已退会")

    class Source(models.TextChoices):
        SELF = "self", _("本人扫码")
        LIST = "list", _("单位名单")

    number = models.BigIntegerField(
        unique=True,
        db_default=Func(Value("union_member_number"), function="nextval", output_field=models.BigIntegerField()),
        editable=False,
    )
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="union_memberships")
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="union_memberships")
    state = models.TextField(choices=State.choices)
    source = models.TextField(choices=Source.choices)
    occupation = models.TextField(choices=Occupation.choices)
    employer = models.TextField(blank=True, db_default="")
    applied_at = models.DateTimeField()
    attempts = models.IntegerField(default=1)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey("people.Person", models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.TextField(blank=True, db_default="")
    verified_until = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=~Q(state="left"), name="union_membership_once"),
            models.CheckConstraint(
                condition=~Q(state="rejected") | ~Q(reason=""), name="union_membership_rejected_with_reason"
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(verified_until__isnull=False), name="union_membership_verified"
            ),
        ]
        indexes = [models.Index(fields=["organisation", "state", "-applied_at"], name="union_membership_desk")]


class Belonging(Identified):
    """A dated fact: from ``valid_from`` until before ``valid_until`` this member belonged to this organisation.

    Only ``valid_until`` is ever written later, once. ``member_number`` stands in for the membership in the exclusion
    constraint, so that it needs no extension: nobody is ever counted in two places at one moment.
    """

    append_only = True
    updatable = ("valid_until",)

    class Why(models.TextChoices):
        JOINED = "joined", _("入会")
        TRANSFER = "transfer", _("转会")
        FOUNDED = "founded", _("单位建会")
        MERCHANT_LEFT = "merchant_left", _("商户退出")

    membership = models.ForeignKey(Membership, models.PROTECT, related_name="belongings")
    member_number = models.BigIntegerField()
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+", db_index=False)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    why = models.TextField(choices=Why.choices)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="union_belonging_period",
            ),
            models.UniqueConstraint(
                fields=["membership"], condition=Q(valid_until__isnull=True), name="union_belonging_open_once"
            ),
            ExclusionConstraint(
                name="union_belonging_one_at_a_time",
                expressions=[
                    (Func("member_number", "member_number", Value("[]"), function="int8range"), "&&"),
                    (Func("valid_from", "valid_until", function="tstzrange"), "&&"),
                ],
            ),
        ]
        # All that a roll-up reads, so that it need not touch the table.
        indexes = [models.Index(fields=["organisation", "valid_from", "valid_until"], name="union_belonging_rollup")]


class Transfer(Identified):
    """A member on the way from one unit to another; it happens when both units have said yes."""

    class State(models.TextChoices):
        OPEN = "open", _("等对方同意")
        DONE = "done", _("已转入")
        REFUSED = "refused", _("没有同意")

    membership = models.ForeignKey(Membership, models.PROTECT, related_name="transfers")
    source = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    target = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    state = models.TextField(choices=State.choices, default=State.OPEN)
    asked_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    released_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    released_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(source=F("target")), name="union_transfer_moves"),
            models.CheckConstraint(
                condition=~Q(state="done") | (Q(released_at__isnull=False) & Q(accepted_at__isnull=False)),
                name="union_transfer_both_sides",
            ),
            models.CheckConstraint(
                condition=Q(released_by__isnull=True) | Q(accepted_by__isnull=True) | ~Q(released_by=F("accepted_by")),
                name="union_transfer_two_people",
            ),
            models.UniqueConstraint(fields=["membership"], condition=Q(state="open"), name="union_transfer_open_once"),
        ]


class UploadedList(Identified):
    """A list that was taken in: of a platform's or employer's people, or of merchants; with what became of each bad row."""

    append_only = True

    class Kind(models.TextChoices):
        MEMBERS = "members", _("会员名单")
        MERCHANTS = "merchants", _("商户名单")

    kind = models.TextField(choices=Kind.choices)
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    employer = models.TextField(blank=True, db_default="")
    sha256 = models.TextField()
    badge = models.ForeignKey("files.StoredFile", models.PROTECT, null=True, blank=True, related_name="+")
    reviewer = models.ForeignKey("people.Person", models.PROTECT, null=True, blank=True, related_name="+")
    verified_until = models.DateTimeField(null=True, blank=True)
    rows = models.IntegerField()
    accepted = models.IntegerField()
    refused = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organisation", "-at"], name="union_list_desk")]


class Founding(Identified):
    """A wish to found a union below ``parent``, which decides it. ``unit_ids`` are the shops that found it together."""

    class State(models.TextChoices):
        PENDING = "pending", _("待批复")
        APPROVED = "approved", _("已批准")
        REJECTED = "rejected", _("未批准")

    class Form(models.TextChoices):
        COMMITTEE = "committee", _("单独设委员会")
        JOINT = "joint", _("联合设委员会")

    parent = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    name = models.TextField()
    form = models.TextField(choices=Form.choices)
    unit_ids = ArrayField(models.UUIDField())
    members = models.IntegerField()
    term_years = models.IntegerField()
    state = models.TextField(choices=State.choices, default=State.PENDING)
    proposed_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, db_default="")
    organisation = models.OneToOneField("organisations.Organisation", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(term_years__in=[3, 5]), name="union_founding_term"),
            models.CheckConstraint(
                condition=Q(form="joint") | Q(members__gte=25), name="union_founding_committee_of_25"
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(organisation__isnull=False), name="union_founding_founds"
            ),
            models.UniqueConstraint(
                fields=["parent", "name"], condition=Q(state="pending"), name="union_founding_pending_once"
            ),
        ]


class Committee(Identified):
    """A union's committee for one term; the next term is the next row."""

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="union_committees")
    form = models.TextField(choices=Founding.Form.choices)
    term_years = models.IntegerField()
    elected_on = models.DateField()
    ends_on = models.DateField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(term_years__in=[3, 5]), name="union_committee_term"),
            models.CheckConstraint(condition=Q(ends_on__gt=F("elected_on")), name="union_committee_period"),
            models.UniqueConstraint(fields=["organisation", "elected_on"], name="union_committee_once"),
        ]


class Post(Identified):
    """A tip from one member to the others of the district; seen by others when a moderator has let it through."""

    class Category(models.TextChoices):
        ROUTE = "route", _("路线")
        GATE = "gate", _("门禁")
        SKILL = "skill", _("配送技巧")
        EMERGENCY = "emergency", _("应急")

    class State(models.TextChoices):
        WAITING = "waiting", _("待审核")
        SHOWN = "shown", _("已发布")
        HIDDEN = "hidden", _("未采用")

    author = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    district = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    category = models.TextField(choices=Category.choices)
    text = models.TextField()
    state = models.TextField(choices=State.choices, default=State.WAITING)
    written_at = models.DateTimeField()
    decided_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(state="hidden") | ~Q(reason=""), name="union_post_hidden_with_reason"),
        ]
        indexes = [models.Index(fields=["district", "state", "-written_at"], name="union_post_board")]
