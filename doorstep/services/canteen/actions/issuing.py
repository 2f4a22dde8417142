"""Giving vouchers out: to all who are eligible, to the first who come, from a list, to one person; taking one back.

Giving out reserves the budget; expiry and voiding release it. At any instant issued = used + open + expired + void.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.common.errors import Invalid, NotFound, Text, TooMany
from doorstep.kernel.entitlements.actions import (
    MAX_GRANT,
    GrantReceipt,
    close_offer,
    eligible,
    grant_to,
    offer,
    terms_in_force,
    void_entitlement,
)
from doorstep.kernel.entitlements.errors import NotEligible
from doorstep.kernel.entitlements.models import Entitlement, Grant, TermsVersion
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.people.actions import (
    find_by_phone,
    index_identity,
    index_phone,
    phone_or_refuse,
    register_person,
)
from doorstep.kernel.people.models import Person, Standing
from doorstep.services.canteen.actions.programmes import SERVICE
from doorstep.services.canteen.models import VoucherKind
from doorstep.services.canteen.rules.rows import MAX_EACH, BadRow, GoodRow, Known, check_rows, hidden, refuse_known
from doorstep.services.canteen.spreadsheets import read_rows

WALLET_URL = "/wallet"

ROW_TEXTS: dict[str, Text] = {
    "name_missing": _("没有姓名。"),
    "name_long": _("姓名超过 60 个字。"),
    "phone_wrong": _("手机号应为 11 位,以 1 开头。"),
    "identity_length": _("身份证号应为 18 位。"),
    "identity_region": _("身份证号开头的地区码不存在。"),
    "identity_birth_date": _("身份证号里的出生日期不对。"),
    "identity_check_digit": _("身份证号的校验位不对,请逐位核对。"),
    "identity_differs": _("身份证号与本人实名的不一致。"),
    "count_out_of_range": _("张数应在 1 到 10 之间。"),
    "duplicate": _("这个手机号在名单里出现过。"),
    "unknown_person": _("这个手机号还没有登记,请本人先登录一次。"),
    "name_differs": _("姓名与这个手机号登记的不一致。"),
    "not_eligible": _("没有这种券要求的身份认证,或认证已过期。"),
}


class NotRegistered(NotFound):
    code = "not_registered"
    text = _("这个手机号还没有登记。")
    remedy = _("请对方先用手机号登录一次,再来发券。")


class OutsideProgramme(Invalid):
    code = "outside_programme"
    text = _("券的有效期超出了项目的起止日期。")
    remedy = _("请看项目的起止日期,改短有效期。")

    def __init__(self) -> None:
        super().__init__("valid_until")


@dataclass(frozen=True, slots=True)
class ListReport:
    """What became of an uploaded list: vouchers and people in, and every row that stayed out with its reason."""

    kind_id: UUID
    rows: int
    persons: int
    vouchers: int
    reserved_fen: int
    registered: int
    bad: tuple[BadRow, ...]

    def reasons(self) -> list[tuple[BadRow, Text]]:
        return [(row, ROW_TEXTS[row.code]) for row in self.bad]


def _kind(actor: Actor, kind_id: UUID, at: datetime) -> VoucherKind:
    """The voucher kind, for somebody who may issue it. Raises: NotFound, NotAllowed."""
    kind = VoucherKind.objects.select_related("programme", "terms").filter(pk=kind_id).first()
    if kind is None:
        raise NotFound
    access.require(actor, "canteen.issue", kind.programme.organisation_id, at)
    return kind


def _version(kind: VoucherKind, at: datetime, valid_from: datetime, valid_until: datetime) -> TermsVersion:
    """The conditions under which vouchers of this validity are given. Raises: OutsideProgramme, NotFound."""
    programme = kind.programme
    if valid_from < at_local(programme.starts_on):
        raise OutsideProgramme
    if programme.ends_on is not None and valid_until > at_local(programme.ends_on, 24):
        raise OutsideProgramme
    version = terms_in_force(kind.terms_id, max(at, valid_from))
    if version is None:
        raise NotFound(text=_("这种券还没有生效的规则。"))
    return version


def _tell(kind: VoucherKind, person_ids: Sequence[UUID], each: int, at: datetime) -> None:
    notify(
        person_ids=list(person_ids),
        template="canteen.vouchers_given",
        title=gettext("收到 %(count)s 张%(name)s") % {"count": each, "name": kind.name},
        body=gettext("打开卡包就能看到二维码,到店出示即可。"),
        url=WALLET_URL,
        at=at,
    )


def _note(actor: Actor, verb: str, kind: VoucherKind, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"canteen.{verb}",
        subject_kind="voucher_kind",
        subject_id=kind.pk,
        organisation_id=kind.programme.organisation_id,
        at=at,
        data=data,
    )


@action
def push_vouchers(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    kind_id: UUID,
    valid_from: datetime,
    valid_until: datetime,
    each: int = 1,
    title: str = "",
) -> GrantReceipt:
    """Give everybody who is eligible by a standing at this moment ``each`` vouchers.

    Raises: NotFound, NotAllowed, Invalid (nobody, or open to all), OutsideProgramme, NotEnoughMoney, TooMany.
    """
    kind = _kind(actor, kind_id, at)
    if not 1 <= each <= MAX_EACH:
        raise Invalid("each", text=_("每人 1 到 10 张。"))
    version = _version(kind, at, valid_from, valid_until)
    if not version.standings:
        raise Invalid("kind_id", text=_("这种券不限身份,不能一键发给所有人。"), remedy=_("请用领取、名单或单发。"))
    held = Standing.objects.valid(at).filter(kind__in=version.standings, person__is_active=True)
    person_ids = list(held.order_by("person_id").values_list("person_id", flat=True).distinct()[: MAX_GRANT + 1])
    if len(person_ids) * each > MAX_GRANT:
        raise TooMany(limit=MAX_GRANT)
    receipt = grant_to(
        actor=actor,
        at=at,
        terms=kind.terms,
        person_ids=person_ids,
        valid_from=valid_from,
        valid_until=valid_until,
        source=Grant.Source.PUSH,
        title=title.strip(),
        each=each,
    )
    _tell(kind, person_ids, each, at)
    _note(actor, "push_vouchers", kind, at, grant_id=receipt.grant_id, granted=receipt.granted)
    return receipt


@action
def issue_single(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    kind_id: UUID,
    phone: str,
    valid_from: datetime,
    valid_until: datetime,
    count: int = 1,
) -> GrantReceipt:
    """Give one registered person vouchers, found by phone.

    Raises: NotFound, NotAllowed, PhoneWrong, NotRegistered, NotEligible, Invalid, OutsideProgramme, NotEnoughMoney.
    """
    kind = _kind(actor, kind_id, at)
    if not 1 <= count <= MAX_EACH:
        raise Invalid("count", text=_("张数应在 1 到 10 之间。"))
    person = find_by_phone(phone_or_refuse(phone))
    if person is None:
        raise NotRegistered
    version = _version(kind, at, valid_from, valid_until)
    if not eligible([person.pk], version.standings, at):
        raise NotEligible(text=_("这个人没有这种券要求的身份认证,或认证已过期。"), remedy=_("请先认证身份,再来发券。"))
    receipt = grant_to(
        actor=actor,
        at=at,
        terms=kind.terms,
        person_ids=[person.pk],
        valid_from=valid_from,
        valid_until=valid_until,
        source=Grant.Source.SINGLE,
        each=count,
    )
    _tell(kind, [person.pk], count, at)
    _note(actor, "issue_single", kind, at, grant_id=receipt.grant_id, person_id=person.pk, count=count)
    return receipt


@action
def open_claim(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    kind_id: UUID,
    quota: int,
    opens_at: datetime,
    closes_at: datetime,
    valid_from: datetime,
    valid_until: datetime,
    title: str = "",
) -> GrantReceipt:
    """Offer a number of vouchers to whoever claims first; the budget for all of them is reserved now.

    Raises: NotFound, NotAllowed, Invalid, OutsideProgramme, NotEnoughMoney, TooMany.
    """
    kind = _kind(actor, kind_id, at)
    if closes_at <= at:
        raise Invalid("closes_at", text=_("领取的结束时间要晚于现在。"))
    version = _version(kind, at, valid_from, valid_until)
    receipt = offer(
        actor=actor,
        at=at,
        terms=kind.terms,
        quota=quota,
        opens_at=opens_at,
        closes_at=closes_at,
        valid_from=valid_from,
        valid_until=valid_until,
        title=title.strip(),
    )
    held = Standing.objects.valid(at).filter(kind__in=version.standings, person__is_active=True)
    notify(
        person_ids=list(held.order_by("person_id").values_list("person_id", flat=True).distinct()[:MAX_GRANT]),
        template="canteen.claim_opens",
        title=gettext("%(name)s 开放领取 %(quota)s 张") % {"name": title.strip() or kind.name, "quota": quota},
        body=gettext("先到先得,每人一张。"),
        url="/canteen/claims",
        at=at,
    )
    _note(actor, "open_claim", kind, at, grant_id=receipt.grant_id, quota=quota)
    return receipt


@action
def close_claim(*, actor: Actor, at: datetime, grant_id: UUID) -> int:
    """End an offer; the budget of what nobody took goes back. Returns how many. Raises: NotFound, NotAllowed."""
    grant = Grant.objects.filter(pk=grant_id, source=Grant.Source.CLAIM, terms__service=SERVICE).first()
    if grant is None:
        raise NotFound
    kind = _kind(actor, VoucherKind.objects.get(terms_id=grant.terms_id).pk, at)
    left = close_offer(actor=actor, at=at, grant_id=grant_id)
    _note(actor, "close_claim", kind, at, grant_id=grant_id, left=left)
    return left


def _known(rows: Sequence[GoodRow], standings: Sequence[str], at: datetime) -> dict[str, Known]:
    """What the register says of every phone number in the list. Two statements however long it is."""
    by_index = {index_phone(row.phone): row for row in rows}
    people = {
        bytes(person.phone_index or b""): person
        for person in Person.objects.filter(phone_index__in=list(by_index), is_active=True).only(
            "id", "name", "phone_index", "identity_index"
        )
    }
    allowed = eligible([person.pk for person in people.values()], standings, at)
    known = {}
    for index, person in people.items():
        row = by_index[index]
        kept = bytes(person.identity_index) if person.identity_index is not None else None
        known[row.phone] = Known(
            person_id=str(person.pk),
            name=person.name,
            has_identity=kept is not None,
            identity_matches=bool(row.identity_number) and kept == index_identity(row.identity_number),
            eligible=person.pk in allowed,
        )
    return known


def _recipients(
    actor: Actor, rows: Sequence[GoodRow], version: TermsVersion, register_unknown: bool, at: datetime
) -> tuple[dict[int, list[UUID]], list[BadRow], int]:
    """Count → people who get so many, the rows that get nothing, and how many people were registered on the way."""
    known = _known(rows, version.standings, at)
    by_count: dict[int, list[UUID]] = {}
    bad: list[BadRow] = []
    registered = 0
    for row in rows:
        found = known.get(row.phone)
        if found is None and register_unknown and not version.standings:
            receipt = register_person(actor=actor, at=at, name=row.name, phone=row.phone)
            registered += receipt.created
            by_count.setdefault(row.count, []).append(receipt.person_id)
        elif code := refuse_known(row, found):
            bad.append(BadRow(row.number, row.name, hidden(row.phone), code))
        elif found is not None:
            by_count.setdefault(row.count, []).append(UUID(found.person_id))
    return by_count, bad, registered


@action
def issue_list(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    kind_id: UUID,
    content: bytes,
    valid_from: datetime,
    valid_until: datetime,
    title: str = "",
    register_unknown: bool = False,
) -> ListReport:
    """Give vouchers to the people of an xlsx or csv list: good rows get theirs, each bad row is named with its reason.

    With ``register_unknown`` people who are not registered are, if the kind asks for no standing (the actor needs
    ``people.register``). Not enough budget for all good rows: nobody gets anything.

    Raises: NotFound, NotAllowed, ListUnreadable, ListTooLarge, ListTooLong, ListHeaderWrong, ListEmpty,
    OutsideProgramme, NotEnoughMoney.
    """
    kind = _kind(actor, kind_id, at)
    if register_unknown:
        access.require(actor, "people.register", kind.programme.organisation_id, at)
    version = _version(kind, at, valid_from, valid_until)
    rows = read_rows(content)
    good, bad = check_rows(rows, local_day(at))
    by_count, refused, registered = _recipients(actor, good, version, register_unknown, at)
    vouchers = persons = reserved = 0
    for each, person_ids in sorted(by_count.items()):
        receipt = grant_to(
            actor=actor,
            at=at,
            terms=kind.terms,
            person_ids=person_ids,
            valid_from=valid_from,
            valid_until=valid_until,
            source=Grant.Source.LIST,
            title=title.strip(),
            each=each,
        )
        vouchers += receipt.granted
        persons += len(person_ids)
        reserved += receipt.reserved_fen
        _tell(kind, person_ids, each, at)
    stayed_out = tuple(sorted([*bad, *refused], key=lambda row: row.number))
    _note(
        actor, "issue_list", kind, at,
        list=digest(content), rows=len(rows), persons=persons, vouchers=vouchers, bad=len(stayed_out),
        registered=registered,
    )  # fmt: skip
    return ListReport(kind.pk, len(rows), persons, vouchers, reserved, registered, stayed_out)


@action
def void_voucher(*, actor: Actor, at: datetime, key: str, entitlement_id: UUID, reason: str) -> int:
    """Take an unused voucher back with a reason its holder sees; returns the fen released.

    Raises: NotFound, NotAllowed, Invalid, Voided, Expired, AlreadyUsed.
    """
    entitlement = Entitlement.objects.select_related("terms").filter(pk=entitlement_id, terms__service=SERVICE).first()
    if entitlement is None:
        raise NotFound
    access.require(actor, "canteen.issue", entitlement.terms.payer_id, at)
    released = void_entitlement(actor=actor, at=at, entitlement_id=entitlement_id, reason=reason)
    notify(
        person_ids=[entitlement.person_id],
        template="canteen.voucher_void",
        title=gettext("一张%(name)s已作废") % {"name": entitlement.terms.title},
        body=reason.strip(),
        url=WALLET_URL,
        at=at,
    )
    return released
