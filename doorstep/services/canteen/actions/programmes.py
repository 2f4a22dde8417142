"""A union's subsidy: its budget, its kinds of voucher, and the dated conditions of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Conflict, Invalid, NotFound
from doorstep.kernel.common.explaining import explained
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.money import MAX_FEN
from doorstep.kernel.entitlements.actions import set_terms
from doorstep.kernel.entitlements.models import Terms, TermsVersion
from doorstep.kernel.ledger.actions import NewTransfer, open_account, post
from doorstep.kernel.ledger.models import Account
from doorstep.services.canteen.models import Programme, Venue, VoucherKind
from doorstep.services.canteen.rules.windows import MAX_PER_MONTH, WINDOWS, limits_of, windows_wrong

SERVICE = "canteen"
FUNDS_ACCOUNT = "outside/union-funds"
MAX_EXPOSURE_FEN = 200_000

WINDOW_TEXTS = {
    "none": _("至少要有一个用餐时段。"),
    "code": _("用餐时段只能是午餐和晚餐,各一个。"),
    "clock": _("时间请写成 10:30 这样。"),
    "order": _("时段的结束要晚于开始。"),
    "overlap": _("午餐和晚餐的时段不能重叠。"),
}


class WorkerCap(Invalid):
    code = "worker_cap"
    text = _("13.00 元的套餐,本人最多付 9.00 元。")
    remedy = _("请把工会补贴提高到 4.00 元或以上。")

    def __init__(self) -> None:
        super().__init__("union_share_fen")


class KindNameTaken(Conflict):
    code = "kind_name_taken"
    text = _("这个项目里已经有同名的券。")
    remedy = _("请换一个名称。")


class TermsDateTaken(Conflict):
    code = "terms_date_taken"
    text = _("这个时间已经有一版规则。")
    remedy = _("请换一个生效时间。")


@dataclass(frozen=True, slots=True)
class ProgrammeReceipt:
    programme_id: UUID
    budget_id: UUID
    reserved_id: UUID


@dataclass(frozen=True, slots=True)
class KindReceipt:
    """A voucher kind with the version of its terms that this step made."""

    kind_id: UUID
    terms_id: UUID
    version_id: UUID
    worker_share_fen: int


@action
def open_programme(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    name: str,
    starts_on: date,
    ends_on: date | None = None,
    exposure_cap_fen: int = 20_000,
) -> ProgrammeReceipt:
    """Open a subsidy with a budget that never goes below zero.

    ``exposure_cap_fen`` is what one till may serve on one day while it has no network. Raises: NotAllowed, Invalid.
    """
    access.require(actor, "canteen.programme", organisation_id, at)
    if not name.strip():
        raise Invalid("name", text=_("请填写项目名称。"))
    if ends_on is not None and ends_on <= starts_on:
        raise Invalid("ends_on", text=_("结束日期要晚于开始日期。"))
    if not 0 <= exposure_cap_fen <= MAX_EXPOSURE_FEN:
        raise Invalid("exposure_cap_fen", text=_("离线额度应在 0 到 2,000 元之间。"))
    programme_id = uuid7()
    titles = {"budget": gettext("预算"), "reserved": gettext("已预留"), "offline-losses": gettext("离线损失")}
    accounts = {
        purpose: open_account(
            code=f"canteen/programme/{programme_id}/{purpose}",
            title=f"{name.strip()} {title}",
            at=at,
            organisation_id=organisation_id,
            bound=Account.Bound.DEBITS_WITHIN_CREDITS if purpose == "budget" else Account.Bound.NONE,
        )
        for purpose, title in titles.items()
    }
    Programme.objects.create(
        id=programme_id,
        organisation_id=organisation_id,
        name=name.strip(),
        budget=accounts["budget"],
        reserved=accounts["reserved"],
        offline_losses=accounts["offline-losses"],
        exposure_cap_fen=exposure_cap_fen,
        starts_on=starts_on,
        ends_on=ends_on,
        opened_by_id=actor.id if actor.kind == "person" else None,
        opened_at=at,
    )
    record(
        actor=actor,
        action="canteen.open_programme",
        subject_kind="programme",
        subject_id=programme_id,
        organisation_id=organisation_id,
        at=at,
        data={"name": name.strip(), "starts_on": starts_on, "ends_on": ends_on, "exposure_cap_fen": exposure_cap_fen},
    )
    return ProgrammeReceipt(programme_id, accounts["budget"].pk, accounts["reserved"].pk)


@action
def fund_programme(
    *, actor: Actor, at: datetime, key: str, programme_id: UUID, amount_fen: int, note: str = ""
) -> UUID:
    """Put union money into the budget; returns the ledger batch. Raises: NotFound, NotAllowed, Invalid."""
    programme = Programme.objects.filter(pk=programme_id).first()
    if programme is None:
        raise NotFound
    access.require(actor, "canteen.fund", programme.organisation_id, at)
    if not 0 < amount_fen <= MAX_FEN:
        raise Invalid("amount_fen", text=_("请填写大于 0 的金额。"))
    funds = open_account(code=FUNDS_ACCOUNT, title=gettext("工会经费(外部)"), at=at)
    batch = post(
        [NewTransfer(funds.pk, programme.budget_id, amount_fen, "canteen.fund", "programme", programme.pk, at)]
    )
    record(
        actor=actor,
        action="canteen.fund_programme",
        subject_kind="programme",
        subject_id=programme.pk,
        organisation_id=programme.organisation_id,
        at=at,
        data={"amount_fen": amount_fen, "batch": batch, "note": note.strip()},
    )
    return batch


def _places(programme: Programme, venue_ids: Sequence[UUID]) -> list[UUID]:
    """The venues' places, in order; venues of another union or that have left are not taken. Raises: Invalid."""
    venues = Venue.objects.filter(pk__in=venue_ids, organisation__path__contains=[programme.organisation_id])
    found = dict(venues.exclude(state__in=[Venue.State.REJECTED, Venue.State.CLOSED]).values_list("pk", "place_id"))
    if set(found) != set(venue_ids):
        raise Invalid("venues", text=_("有的餐厅不在本项目范围内,或已经退出。"))
    return sorted(found.values())


def _check_terms(windows: Sequence[Mapping[str, Any]], per_window: int, per_month: int | None) -> None:
    if wrong := windows_wrong(windows):
        raise Invalid("windows", text=WINDOW_TEXTS[wrong])
    if per_window != 1:
        raise Invalid("per_window", text=_("一人一餐一张,不能更多。"))
    if per_month is not None and not 1 <= per_month <= MAX_PER_MONTH:
        raise Invalid("per_month", text=_("每月次数应在 1 到 62 之间。"))


def _check_share(kind: str, list_price_fen: int, union_share_fen: int) -> None:
    if list_price_fen <= 0 or list_price_fen > MAX_FEN:
        raise Invalid("list_price_fen", text=_("请填写套餐定价。"))
    if kind == VoucherKind.Kind.FREE and union_share_fen != list_price_fen:
        raise Invalid("union_share_fen", text=_("免费餐券由工会全额承担,补贴要等于定价。"))
    if kind == VoucherKind.Kind.OFF and not 0 < union_share_fen < list_price_fen:
        raise Invalid("union_share_fen", text=_("减免金额要大于 0,小于定价。"))


@action
def add_voucher_kind(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    programme_id: UUID,
    kind: str,
    name: str,
    list_price_fen: int,
    union_share_fen: int,
    standings: Sequence[str],
    venue_ids: Sequence[UUID],
    effective_from: datetime,
    windows: Sequence[Mapping[str, Any]] = WINDOWS,
    per_window: int = 1,
    per_month: int | None = None,
) -> KindReceipt:
    """Add a kind of voucher with its first conditions. No standings: everybody; no venues: all of the programme's.

    Raises: NotFound, NotAllowed, Invalid, WorkerCap, KindNameTaken.
    """
    programme = Programme.objects.select_related("organisation").filter(pk=programme_id).first()
    if programme is None:
        raise NotFound
    access.require(actor, "canteen.programme", programme.organisation_id, at)
    if kind not in VoucherKind.Kind.values:
        raise Invalid("kind", text=_("请选择免费餐券或减免券。"))
    if not name.strip():
        raise Invalid("name", text=_("请填写券的名称。"))
    _check_share(kind, list_price_fen, union_share_fen)
    _check_terms(windows, per_window, per_month)
    if effective_from < at_local(programme.starts_on):
        raise Invalid("effective_from", text=_("生效时间不能早于项目开始的日期。"))
    terms = Terms.objects.create(
        id=uuid7(),
        code=f"canteen/{uuid7()}",
        service=SERVICE,
        title=name.strip(),
        payer_id=programme.organisation_id,
        budget_id=programme.budget_id,
        reserved_id=programme.reserved_id,
        created_at=at,
    )
    with explained(canteen_kind_name_once=KindNameTaken):
        made = VoucherKind.objects.create(id=uuid7(), programme=programme, kind=kind, name=name.strip(), terms=terms)
    version = _set(
        actor, at, made, effective_from, list_price_fen, union_share_fen, windows, limits_of(per_window, per_month),
        standings, _places(programme, venue_ids),
    )  # fmt: skip
    return KindReceipt(made.pk, terms.pk, version.pk, version.person_share_fen)


def _set(
    actor: Actor,
    at: datetime,
    kind: VoucherKind,
    effective_from: datetime,
    list_price_fen: int,
    union_share_fen: int,
    windows: Sequence[Mapping[str, Any]],
    limits: Mapping[str, int],
    standings: Sequence[str],
    place_ids: Sequence[UUID],
) -> TermsVersion:
    """Write a version and say on which kind of voucher. Raises: Invalid, WorkerCap, TermsDateTaken."""
    with explained(canteen_terms_nine_yuan=WorkerCap, terms_version_once=TermsDateTaken):
        version = set_terms(
            actor=actor,
            at=at,
            terms=kind.terms,
            effective_from=effective_from,
            list_price_fen=list_price_fen,
            payer_share_fen=union_share_fen,
            windows=windows,
            limits=limits,
            standings=sorted(set(standings)),
            place_ids=place_ids,
        )
    record(
        actor=actor,
        action="canteen.set_kind_terms",
        subject_kind="voucher_kind",
        subject_id=kind.pk,
        organisation_id=kind.programme.organisation_id,
        at=at,
        data={"version_id": version.pk, "effective_from": effective_from, "name": kind.name},
    )
    return version


@action
def change_terms(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    kind_id: UUID,
    effective_from: datetime,
    list_price_fen: int,
    union_share_fen: int,
    standings: Sequence[str],
    venue_ids: Sequence[UUID],
    windows: Sequence[Mapping[str, Any]] = WINDOWS,
    per_window: int = 1,
    per_month: int | None = None,
) -> KindReceipt:
    """Change a kind's conditions from a moment still to come; earlier meals stay judged by the earlier version.

    Raises: NotFound, NotAllowed, Invalid, WorkerCap, TermsDateTaken.
    """
    kind = VoucherKind.objects.select_related("programme__organisation", "terms").filter(pk=kind_id).first()
    if kind is None:
        raise NotFound
    access.require(actor, "canteen.programme", kind.programme.organisation_id, at)
    if effective_from <= at:
        raise Invalid("effective_from", text=_("新规则只能从以后生效,不能追溯。"))
    _check_share(kind.kind, list_price_fen, union_share_fen)
    _check_terms(windows, per_window, per_month)
    version = _set(
        actor, at, kind, effective_from, list_price_fen, union_share_fen, windows, limits_of(per_window, per_month),
        standings, _places(kind.programme, venue_ids),
    )  # fmt: skip
    return KindReceipt(kind.pk, kind.terms_id, version.pk, version.person_share_fen)
