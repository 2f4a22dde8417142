"""From a union's call to an open restaurant, and out again. Every step leaves who, when and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor, system_actor
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import Conflict, FourEyes, Invalid, NotAllowed, NotFound, Problem, WrongState
from doorstep.kernel.common.explaining import explained
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.ledger.actions import open_account
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.actions import add_device, appoint, found_organisation
from doorstep.kernel.organisations.models import Appointment, Device, Organisation
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.people.actions import find_by_phone, phone_or_refuse
from doorstep.kernel.places.actions import HoursUnreadable, add_place, change_hours
from doorstep.kernel.places.hours import readable
from doorstep.services.canteen.models import (
    Agreement,
    Call,
    Decision,
    Meal,
    MenuItem,
    Paper,
    Score,
    SiteVisit,
    Venue,
    VenueStateChange,
)
from doorstep.services.canteen.queries.redemption import DINERS_ACCOUNT
from doorstep.services.canteen.rules import vetting

PLACE_KIND = "canteen"
PAIRING_SECONDS = 600
MAX_DISHES, MAX_SOUPS, MAX_DISH_CHARACTERS = 20, 5, 20


class CallClosed(WrongState):
    code = "call_closed"
    text = _("这次征集现在不收报名。")
    remedy = _("请看征集公告上的起止日期。")


class NameTaken(Conflict):
    code = "restaurant_name_taken"
    text = _("这家餐厅已经有人登记过。")
    remedy = _("请由原来登记的负责人报名,或联系工会核对。")


class PapersMissing(Problem):
    code = "papers_missing"
    status = 409
    text = _("证照不齐或已过期:{kinds}。")
    remedy = _("请补齐在有效期内的证照再来。")


class VisitMissing(Problem):
    code = "visit_missing"
    status = 409
    text = _("还没有实地走访记录。")
    remedy = _("请先安排人到店里看一看,并写下所见。")


class ScoresMissing(Problem):
    code = "scores_missing"
    status = 409
    text = _("只有 {have} 份评分,至少要 {need} 份。")
    remedy = _("请等其他评审成员打完分。")


class AlreadyScored(Conflict):
    code = "already_scored"
    text = _("您已经给这家餐厅打过分。")
    remedy = _("每人只打一次,打完不能改。")


class PaperKnown(Conflict):
    code = "paper_known"
    text = _("这张证照已经登记过。")
    remedy = _("换了新证请填新的证号;同一证号延期请先核对。")


class PriceAboveSet(Invalid):
    code = "price_above_set"
    text = _("套餐定价不能超过 13.00 元。")
    remedy = _("请按征集公告的定价填写。")

    def __init__(self) -> None:
        super().__init__("list_price_fen")


class AgreementMissing(Problem):
    code = "agreement_missing"
    status = 409
    text = _("没有今天有效的合作协议。")
    remedy = _("请先签好协议再开业。")


@dataclass(frozen=True, slots=True)
class VenueReceipt:
    venue_id: UUID
    state: str


def _venue(venue_id: UUID) -> Venue:
    """The venue, locked until the end of the transaction. Raises: NotFound."""
    found = Venue.objects.select_for_update(of=("self",)).select_related("organisation", "place").filter(pk=venue_id)
    venue = found.first()
    if venue is None:
        raise NotFound
    return venue


def _require_manager(actor: Actor, venue: Venue, at: datetime) -> None:
    """The restaurant's own manager, or the union that vets it. Raises: NotAllowed."""
    if not access.can(actor, "canteen.venue", venue.organisation_id, at):
        access.require(actor, "canteen.vet", venue.organisation_id, at)


def _note(actor: Actor, verb: str, venue: Venue, at: datetime, **data: Any) -> None:
    record(
        actor=actor,
        action=f"canteen.{verb}",
        subject_kind="venue",
        subject_id=venue.pk,
        organisation_id=venue.organisation_id,
        at=at,
        data=data,
    )


def _move(actor: Actor, verb: str, venue: Venue, after: str, reason: str, at: datetime) -> VenueReceipt:
    """Take the venue to its next state and write down who did. Raises: WrongState."""
    before = venue.state
    if not vetting.may_move(before, after):
        raise WrongState(
            text=_("餐厅现在是「{before}」,不能改成「{after}」。"),
            before=Venue.State(before).label,
            after=Venue.State(after).label,
        )
    venue.state, venue.state_reason = after, reason
    if after == Venue.State.OPEN and venue.opened_at is None:
        venue.opened_at = at
    venue.save(update_fields=["state", "state_reason", "opened_at"])
    VenueStateChange.objects.create(
        id=uuid7(), venue=venue, before=before, after=after, reason=reason, by_id=actor.id, at=at
    )
    _note(actor, verb, venue, at, before=before, after=after, reason=reason)
    return VenueReceipt(venue.pk, after)


def _reason_or_refuse(reason: str, text: Any) -> str:
    if not reason.strip():
        raise Invalid("reason", text=text)
    return reason.strip()


@action
def publish_call(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    title: str,
    requirements: str,
    opens_on: date,
    closes_on: date,
) -> UUID:
    """Call for restaurants to join. Raises: NotAllowed, Invalid."""
    access.require(actor, "canteen.vet", organisation_id, at)
    if not title.strip():
        raise Invalid("title", text=_("请填写公告标题。"))
    if closes_on < opens_on:
        raise Invalid("closes_on", text=_("截止日期不能早于开始日期。"))
    call = Call.objects.create(
        id=uuid7(),
        organisation_id=organisation_id,
        title=title.strip(),
        requirements=requirements.strip(),
        opens_on=opens_on,
        closes_on=closes_on,
        published_by_id=actor.id if actor.kind == "person" else None,
        published_at=at,
    )
    record(
        actor=actor,
        action="canteen.publish_call",
        subject_kind="call",
        subject_id=call.pk,
        organisation_id=organisation_id,
        at=at,
        data={"title": call.title, "opens_on": opens_on, "closes_on": closes_on},
    )
    return call.pk


def _restaurant(actor: Actor, call: Call, name: str, at: datetime) -> UUID:
    """The applicant's restaurant under the union, founded when new. The union so holds its rights over it.

    Raises: NameTaken when somebody else registered it, Invalid.
    """
    known = Organisation.objects.filter(parent_id=call.organisation_id, name=name.strip()).first()
    if known is not None:
        if not access.can(actor, "canteen.venue", known.pk, at):
            raise NameTaken
        return known.pk
    house = system_actor("canteen.apply_venue")
    organisation_id = found_organisation(
        actor=house, at=at, kind="restaurant", name=name, parent_id=call.organisation_id
    )
    if actor.kind == "person" and actor.id is not None:
        appoint(actor=house, at=at, person_id=actor.id, organisation_id=organisation_id, role="venue_manager")
    return organisation_id


@action
def apply_venue(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    call_id: UUID,
    name: str,
    address: str,
    longitude: float,
    latitude: float,
    contact_name: str,
    facilities: Sequence[str] = (),
    bank_name: str = "",
    bank_account: str = "",
    bank_code: str = "",
) -> VenueReceipt:
    """Answer a call for one's restaurant. The applicant becomes its manager; coordinates are WGS-84.

    Raises: NotFound, NotAllowed, CallClosed, NameTaken, Invalid, OutsideChina.
    """
    if actor.kind == "device":
        raise NotAllowed
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        raise NotFound
    if not call.opens_on <= local_day(at) <= call.closes_on:
        raise CallClosed
    if not contact_name.strip():
        raise Invalid("contact_name", text=_("请填写联系人。"))
    if not address.strip():
        raise Invalid("address", text=_("请填写地址。"))
    organisation_id = _restaurant(actor, call, name, at)
    place_id = add_place(
        actor=system_actor("canteen.apply_venue"),
        at=at,
        organisation_id=organisation_id,
        kind=PLACE_KIND,
        name=name,
        longitude=longitude,
        latitude=latitude,
        address=address,
        facilities=tuple(facilities),
    )
    venue_id = uuid7()
    accounts = {
        purpose: open_account(
            code=f"canteen/venue/{venue_id}/{purpose}",
            title=f"{name.strip()} {title}",
            at=at,
            organisation_id=organisation_id,
        )
        for purpose, title in (("payable", gettext("应付")), ("takings", gettext("收银")))
    }
    open_account(code=DINERS_ACCOUNT, title=gettext("用餐职工(外部)"), at=at)
    venue = Venue.objects.create(
        id=venue_id,
        call=call,
        organisation_id=organisation_id,
        place_id=place_id,
        contact_name=contact_name.strip(),
        payee=accounts["payable"],
        takings=accounts["takings"],
        bank_name=bank_name.strip(),
        bank_account=bank_account.replace(" ", ""),
        bank_code=bank_code.strip(),
        state=Venue.State.APPLIED,
        applied_at=at,
    )
    VenueStateChange.objects.create(
        id=uuid7(), venue=venue, before="", after=Venue.State.APPLIED, reason="", by_id=actor.id, at=at
    )
    _note(actor, "apply_venue", venue, at, call_id=call_id, name=name.strip())
    return VenueReceipt(venue.pk, venue.state)


@action
def appoint_manager(*, actor: Actor, at: datetime, venue_id: UUID, phone: str) -> UUID:
    """Make a registered person the restaurant's manager. Repeating it changes nothing.

    Raises: NotFound (venue, or nobody has this phone), PhoneWrong, NotAllowed.
    """
    venue = _venue(venue_id)
    person = find_by_phone(phone_or_refuse(phone))
    if person is None:
        raise NotFound(text=_("这个手机号还没有登记。"), remedy=_("请对方先用手机号登录一次。"))
    return appoint(actor=actor, at=at, person_id=person.pk, organisation_id=venue.organisation_id, role="venue_manager")


@action
def add_paper(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    kind: str,
    number: str,
    expires_on: date,
    holder: str = "",
    file_name: str = "",
    file_content: bytes = b"",
) -> UUID:
    """Add a licence; a newer one of the same kind (and holder, for health certificates) replaces the older.

    Raises: NotFound, NotAllowed, Invalid, PaperKnown, FileRefused, WrongState.
    """
    venue = _venue(venue_id)
    _require_manager(actor, venue, at)
    if venue.state in (Venue.State.REJECTED, Venue.State.CLOSED):
        raise WrongState
    if kind not in Paper.Kind.values:
        raise Invalid("kind", text=_("请选择证照的种类。"))
    if not number.strip():
        raise Invalid("number", text=_("请填写证号。"))
    if expires_on < local_day(at):
        raise Invalid("expires_on", text=_("这张证照已经过期。"), remedy=_("请换证后再来登记。"))
    if kind == Paper.Kind.HEALTH_CERTIFICATE and not holder.strip():
        raise Invalid("holder", text=_("健康证请填写持证人姓名。"))
    file = store_file(actor=actor, at=at, name=file_name, content=file_content) if file_content else None
    older = Paper.objects.filter(venue=venue, kind=kind, replaced_at=None).exclude(number=number.strip())
    if kind == Paper.Kind.HEALTH_CERTIFICATE:
        older = older.filter(holder=holder.strip())
    with explained(canteen_paper_once=PaperKnown):
        paper = Paper.objects.create(
            id=uuid7(),
            venue=venue,
            kind=kind,
            number=number.strip(),
            holder=holder.strip(),
            expires_on=expires_on,
            file=file,
            added_at=at,
        )
    older.exclude(pk=paper.pk).update(replaced_at=at)
    _note(actor, "add_paper", venue, at, kind=kind, expires_on=expires_on, file=file.sha256 if file else None)
    return paper.pk


@action
def record_visit(*, actor: Actor, at: datetime, key: str, venue_id: UUID, visited_on: date, notes: str) -> VenueReceipt:
    """Write down what somebody saw at the restaurant. Raises: NotFound, NotAllowed, Invalid, WrongState."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    if actor.id is None:
        raise NotAllowed
    if not notes.strip():
        raise Invalid("notes", text=_("请写下走访看到的情况。"))
    if visited_on > local_day(at):
        raise Invalid("visited_on", text=_("走访日期不能晚于今天。"))
    receipt = _move(actor, "record_visit", venue, Venue.State.VISITED, "", at)
    SiteVisit.objects.create(
        id=uuid7(), venue=venue, visitor_id=actor.id, visited_on=visited_on, notes=notes.strip(), recorded_at=at
    )
    return receipt


@action
def score_venue(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    kitchen: int,
    dishes: int,
    price: int,
    hours: int,
    comment: str = "",
) -> UUID:
    """Give points, 0–25 each; once per member. Raises: NotFound, NotAllowed, WrongState, Invalid, AlreadyScored."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.score", venue.organisation_id, at)
    if actor.id is None:
        raise NotAllowed
    if venue.state != Venue.State.VISITED:
        raise WrongState(text=_("走访之后才能打分。"), remedy=_("请先记录实地走访。"))
    points = {"kitchen": kitchen, "dishes": dishes, "price": price, "hours": hours}
    for field, value in points.items():
        if not 0 <= value <= 25:
            raise Invalid(field, text=_("每项 0 到 25 分。"))
    with explained(canteen_score_once=AlreadyScored):
        score = Score.objects.create(
            id=uuid7(), venue=venue, scorer_id=actor.id, comment=comment.strip(), scored_at=at, **points
        )
    _note(actor, "score_venue", venue, at, **points)
    return score.pk


def _require_papers(venue: Venue, at: datetime) -> None:
    """Raises: PapersMissing."""
    papers = Paper.objects.filter(venue=venue, replaced_at=None).values_list("kind", "expires_on")
    if missing := vetting.kinds_missing(papers, local_day(at)):
        raise PapersMissing(kinds="、".join(str(Paper.Kind(kind).label) for kind in missing))


@action
def decide_venue(*, actor: Actor, at: datetime, key: str, venue_id: UUID, approved: bool, reason: str) -> VenueReceipt:
    """Let the restaurant in or turn it away, by somebody who neither scored nor visited. A refusal needs only a reason.

    Raises: NotFound, NotAllowed, Invalid, FourEyes, WrongState, PapersMissing, VisitMissing, ScoresMissing.
    """
    venue = _venue(venue_id)
    access.require(actor, "canteen.decide", venue.organisation_id, at)
    if actor.id is None:
        raise NotAllowed
    reason = _reason_or_refuse(reason, _("请写明决定的理由。"))
    scores = list(Score.objects.filter(venue=venue))
    visitors = set(SiteVisit.objects.filter(venue=venue).values_list("visitor_id", flat=True))
    if vetting.deciding_twice(actor.id, {score.scorer_id for score in scores}, visitors):
        raise FourEyes(text=_("打过分或走访过的人不能再做决定。"), remedy=_("请换一位没有参与的负责人来决定。"))
    if approved:
        _require_papers(venue, at)
        if not visitors:
            raise VisitMissing
        if len(scores) < vetting.SCORES_NEEDED:
            raise ScoresMissing(have=len(scores), need=vetting.SCORES_NEEDED)
    receipt = _move(
        actor, "decide_venue", venue, Venue.State.APPROVED if approved else Venue.State.REJECTED, reason, at
    )
    total = sum(score.total for score in scores)
    Decision.objects.create(
        id=uuid7(),
        venue=venue,
        approved=approved,
        reason=reason,
        average_points=(Decimal(total) / len(scores)).quantize(Decimal("0.01")) if scores else Decimal(0),
        decided_by_id=actor.id,
        decided_at=at,
    )
    return receipt


@action
def sign_agreement(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    list_price_fen: int,
    opening_hours: str,
    valid_from: date,
    valid_until: date,
    dishes: int = 8,
    soups: int = 1,
) -> UUID:
    """Write down what was agreed and put the longer hours up at the restaurant.

    Raises: NotFound, NotAllowed, WrongState, Invalid, HoursUnreadable, PriceAboveSet.
    """
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    if actor.id is None:
        raise NotAllowed
    if venue.state not in (Venue.State.APPROVED, Venue.State.OPEN, Venue.State.SUSPENDED):
        raise WrongState(text=_("通过评审之后才能签协议。"))
    if valid_until <= valid_from:
        raise Invalid("valid_until", text=_("协议的到期日要晚于生效日。"))
    if list_price_fen <= 0:
        raise Invalid("list_price_fen", text=_("请填写套餐定价。"))
    if not (1 <= dishes <= MAX_DISHES and 0 <= soups <= MAX_SOUPS):
        raise Invalid("dishes", text=_("菜 1 到 20 道,汤 0 到 5 道。"))
    if not opening_hours.strip() or not readable(opening_hours.strip()):
        raise HoursUnreadable("opening_hours")
    with explained(canteen_agreement_price=PriceAboveSet):
        agreement = Agreement.objects.create(
            id=uuid7(),
            venue=venue,
            list_price_fen=list_price_fen,
            dishes=dishes,
            soups=soups,
            opening_hours=opening_hours.strip(),
            valid_from=valid_from,
            valid_until=valid_until,
            signed_by_id=actor.id,
            signed_at=at,
        )
    change_hours(actor=actor, at=at, place_id=venue.place_id, opening_hours=opening_hours.strip())
    terms = {"list_price_fen": list_price_fen, "hours": opening_hours.strip(), "from": valid_from, "until": valid_until}
    _note(actor, "sign_agreement", venue, at, **terms)
    return agreement.pk


def _require_ready(venue: Venue, at: datetime) -> None:
    """Papers and an agreement good today. Raises: PapersMissing, AgreementMissing."""
    _require_papers(venue, at)
    today = local_day(at)
    if not Agreement.objects.filter(venue=venue, valid_from__lte=today, valid_until__gte=today).exists():
        raise AgreementMissing


@action
def open_venue(*, actor: Actor, at: datetime, key: str, venue_id: UUID) -> VenueReceipt:
    """Start serving. Raises: NotFound, NotAllowed, WrongState, PapersMissing, AgreementMissing."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    if venue.state != Venue.State.APPROVED:
        raise WrongState
    _require_ready(venue, at)
    return _move(actor, "open_venue", venue, Venue.State.OPEN, "", at)


@action
def suspend_venue(*, actor: Actor, at: datetime, key: str, venue_id: UUID, reason: str) -> VenueReceipt:
    """Stop redemption at the restaurant from now on. Raises: NotFound, NotAllowed, WrongState, Invalid."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    reason = _reason_or_refuse(reason, _("请写明暂停的原因,餐厅会看到。"))
    return _move(actor, "suspend_venue", venue, Venue.State.SUSPENDED, reason, at)


@action
def reopen_venue(*, actor: Actor, at: datetime, key: str, venue_id: UUID) -> VenueReceipt:
    """Go on serving after a suspension. Raises: NotFound, NotAllowed, WrongState, PapersMissing, AgreementMissing."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    if venue.state != Venue.State.SUSPENDED:
        raise WrongState
    _require_ready(venue, at)
    return _move(actor, "reopen_venue", venue, Venue.State.OPEN, "", at)


@action
def close_venue(*, actor: Actor, at: datetime, key: str, venue_id: UUID, reason: str) -> VenueReceipt:
    """End it for good; what is owed is still paid. Raises: NotFound, NotAllowed, WrongState, Invalid."""
    venue = _venue(venue_id)
    access.require(actor, "canteen.vet", venue.organisation_id, at)
    reason = _reason_or_refuse(reason, _("请写明退出的原因。"))
    return _move(actor, "close_venue", venue, Venue.State.CLOSED, reason, at)


def _names(field: str, names: Sequence[str], most: int) -> list[str]:
    """Dish names in order, each once. Raises: Invalid."""
    clean = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(clean) > most:
        raise Invalid(field, text=_("最多 {most} 道。"), most=most)
    for name in clean:
        if len(name) > MAX_DISH_CHARACTERS:
            raise Invalid(field, text=_("「{name}」太长,菜名最多 20 个字。"), name=name)
    return clean


@action
def add_menu(
    *, actor: Actor, at: datetime, venue_id: UUID, day: date, meal: str, dishes: Sequence[str], soups: Sequence[str]
) -> int:
    """Put up the set of one meal; it replaces what was up for it. Returns the number of dishes and soups.

    Raises: NotFound, NotAllowed, Invalid (no dish, too many, a past day).
    """
    venue = _venue(venue_id)
    _require_manager(actor, venue, at)
    if meal not in Meal.values:
        raise Invalid("meal", text=_("请选择午餐或晚餐。"))
    if day < local_day(at):
        raise Invalid("day", text=_("过去的菜单不能改。"))
    wanted = _names("dishes", dishes, MAX_DISHES)
    broth = [name for name in _names("soups", soups, MAX_SOUPS) if name not in wanted]
    if not wanted:
        raise Invalid("dishes", text=_("请至少填一道菜。"))
    MenuItem.objects.filter(venue=venue, day=day, meal=meal).delete()
    items = [(MenuItem.Kind.DISH, name) for name in wanted] + [(MenuItem.Kind.SOUP, name) for name in broth]
    MenuItem.objects.bulk_create(
        [
            MenuItem(id=uuid7(), venue=venue, day=day, meal=meal, kind=kind, name=name, position=position)
            for position, (kind, name) in enumerate(items)
        ]
    )
    _note(actor, "add_menu", venue, at, day=day, meal=meal, dishes=wanted, soups=broth)
    return len(items)


@action
def add_till(*, actor: Actor, at: datetime, key: str, venue_id: UUID, name: str) -> UUID:
    """Announce a till at the restaurant; it works once it is paired. Raises: NotFound, NotAllowed, Invalid."""
    venue = _venue(venue_id)
    return add_device(
        actor=actor, at=at, organisation_id=venue.organisation_id, place_id=venue.place_id, kind="till", name=name
    )


@action
def show_pairing_code(*, actor: Actor, at: datetime, device_id: UUID) -> str:
    """A signed code by which one device becomes this till within ten minutes.

    Raises: NotFound, NotAllowed, WrongState.
    """
    device = Device.objects.filter(pk=device_id, kind="till").first()
    if device is None:
        raise NotFound
    access.require(actor, "organisations.devices", device.organisation_id, at)
    if device.revoked_at is not None:
        raise WrongState(text=_("这台收银台已停用。"), remedy=_("请新增一台再配对。"))
    record(
        actor=actor,
        action="canteen.show_pairing_code",
        subject_kind="device",
        subject_id=device.pk,
        organisation_id=device.organisation_id,
        at=at,
        data={"lifetime_seconds": PAIRING_SECONDS},
    )
    return issue(PassKind.DEVICE_PAIRING, device.pk, at, PAIRING_SECONDS)


def _told_about(venue: Venue, at: datetime) -> list[UUID]:
    """The restaurant's managers and the officers of the unions above it, each once."""
    found = Appointment.objects.filter(
        Q(organisation_id=venue.organisation_id, role__in=access.roles_with("canteen.venue"))
        | Q(organisation_id__in=venue.organisation.path, role__in=access.roles_with("canteen.vet")),
        Q(valid_until__isnull=True) | Q(valid_until__gt=at),
        valid_from__lte=at,
    )
    return list(dict.fromkeys(found.order_by("pk").values_list("person_id", flat=True)))


def _warning(paper: Paper, step: int, left: int) -> tuple[str, str]:
    values = {"venue": paper.venue.place.name, "paper": Paper.Kind(paper.kind).label, "days": left}
    if step == vetting.EXPIRED:
        return (
            gettext("%(venue)s 的%(paper)s已过期") % values,
            gettext("从今天 0:00 起不能核销。请换证后在「我的餐厅」登记新证。"),
        )
    title = gettext("%(venue)s 的%(paper)s还有 %(days)s 天到期") if left else gettext("%(venue)s 的%(paper)s今天到期")
    return title % values, gettext("到期次日 0:00 起不能核销。请尽快换证,并在「我的餐厅」登记新证。")


@action
def warn_papers(*, actor: Actor, at: datetime, limit: int = 500) -> int:
    """Tell managers and officers about papers that end in 30, 7 or 1 days, and that have ended; each step once.

    For the periodic worker; two workers at once take different papers. Returns how many papers were warned about.
    """
    today = local_day(at)
    papers = (
        Paper.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("venue__organisation", "venue__place")
        .filter(replaced_at=None, expires_on__lte=date.fromordinal(today.toordinal() + max(vetting.WARNING_DAYS)))
        .exclude(venue__state__in=[Venue.State.REJECTED, Venue.State.CLOSED])
        .exclude(warned_days=vetting.EXPIRED)
        .order_by("pk")[:limit]
    )
    warned = 0
    for paper in papers:
        step = vetting.warning_due(paper.expires_on, today, paper.warned_days)
        if step is None:
            continue
        title, body = _warning(paper, step, (paper.expires_on - today).days)
        people = _told_about(paper.venue, at)
        notify(person_ids=people, template="canteen.paper_expiring", title=title, body=body, at=at)
        paper.warned_days = step
        paper.save(update_fields=["warned_days"])
        _note(actor, "warn_papers", paper.venue, at, paper_id=paper.pk, step=step, told=len(people))
        warned += 1
    return warned
