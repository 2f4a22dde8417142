"""A small canteen for the till's tests: one programme, one open venue with a till, a second venue, vouchers on demand."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from doorstep.kernel.common.access import DevicePrincipal, device_from_token
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import grant_to, set_terms
from doorstep.kernel.entitlements.models import Entitlement, Terms
from doorstep.kernel.ledger.actions import NewTransfer, open_account, post
from doorstep.kernel.ledger.models import Account
from doorstep.kernel.organisations.actions import add_device, pair_device
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.passes.short_codes import short_code
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast
from doorstep.services.canteen.models import Agreement, Call, Paper, Programme, Venue, VoucherKind

NOON = at_local(date(2025, 5, 7), 12, 6)  # a Wednesday
MEALS = (
    {"code": "lunch", "title": "午餐", "start": "10:30", "end": "15:00"},
    {"code": "dinner", "title": "晚餐", "start": "17:00", "end": "21:00"},
)
ALL_DAY = ({"code": "lunch", "title": "午餐", "start": "00:00", "end": "24:00"},)


@dataclass
class TillWorld:
    """``noon`` is the moment everything is set up for; ``all_day`` serves at any hour, for browsers that cannot travel."""

    cast: Cast
    noon: datetime = NOON
    all_day: bool = False
    cap_fen: int = 20_000
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    venues: dict[str, Venue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = self.noon - timedelta(days=30)
        self.cast.at = self.start
        union = self.cast.union()
        city = open_account(code="outside/city", title="市财政", at=self.start)
        budget = open_account(
            code="test/budget",
            title="预算",
            at=self.start,
            organisation_id=union,
            bound=Account.Bound.DEBITS_WITHIN_CREDITS,
        )
        open_account(code="outside/diners", title="用餐人", at=self.start)
        losses = open_account(code="test/offline-losses", title="离线损失", at=self.start, organisation_id=union)
        post([NewTransfer(city.pk, budget.pk, 10_000_000, "test.fund", "test", None, self.start)])
        self.call = Call.objects.create(
            id=uuid7(), organisation_id=union, title="征集", requirements="证照齐全", opens_on=local_day(self.start),
            closes_on=local_day(self.noon), published_at=self.start,
        )  # fmt: skip
        self.losses = losses
        self.budget = budget
        self.programme = Programme.objects.create(
            id=uuid7(), organisation_id=union, name="暖心餐", budget=budget, reserved=self._reserved("programme"),
            offline_losses=losses, exposure_cap_fen=self.cap_fen, starts_on=local_day(self.start), opened_at=self.start,
        )  # fmt: skip
        self.off = self.kind("off", "4元减免券", 400)
        self.free = self.kind("free", "免费餐券", 1300)
        self.venue = self.open_venue("天台小厨")
        self.till = self.pair("天台小厨", "1 号收银台")

    def _reserved(self, name: str) -> Account:
        return open_account(
            code=f"test/reserved/{name}", title="已发券", at=self.start, organisation_id=self.cast.union(),
            bound=Account.Bound.NONE,
        )  # fmt: skip

    def kind(
        self, kind: str, name: str, union_fen: int, *, per_month: int | None = None, place_ids: tuple[UUID, ...] = (),
        list_price_fen: int = 1300,
    ) -> VoucherKind:  # fmt: skip
        terms = Terms.objects.create(
            id=uuid7(), code=f"canteen/{name}", service="canteen", title=name, payer_id=self.cast.union(),
            budget=self.budget, reserved=self._reserved(name), created_at=self.start,
        )  # fmt: skip
        set_terms(
            actor=SYSTEM, at=self.start, terms=terms, effective_from=self.start, list_price_fen=list_price_fen,
            payer_share_fen=union_fen, windows=ALL_DAY if self.all_day else MEALS,
            limits={"per_window": 1, **({"per_month": per_month} if per_month else {})},
            standings=["rider"], place_ids=place_ids,
        )  # fmt: skip
        return VoucherKind.objects.create(id=uuid7(), programme=self.programme, kind=kind, name=name, terms=terms)

    def open_venue(self, name: str) -> Venue:
        organisation = self.cast.organisation(name, kind="company", parent="天元区总工会")
        hours = "24/7" if self.all_day else "Mo-Su 10:00-21:00"
        place = add_place(
            actor=SYSTEM, at=self.start, organisation_id=organisation, kind="restaurant", name=name, longitude=113.12,
            latitude=27.83, opening_hours=hours,
        )  # fmt: skip
        venue = Venue.objects.create(
            id=uuid7(), call=self.call, organisation_id=organisation, place_id=place, contact_name="王店长",
            payee=open_account(code=f"test/payee/{name}", title=name, at=self.start, organisation_id=organisation),
            takings=open_account(code=f"test/takings/{name}", title=name, at=self.start, organisation_id=organisation),
            state=Venue.State.OPEN, applied_at=self.start, opened_at=self.start,
        )  # fmt: skip
        later = local_day(self.noon) + timedelta(days=300)
        for kind in Paper.Kind.values:
            Paper.objects.create(
                id=uuid7(), venue=venue, kind=kind, number=f"{kind}-1", expires_on=later, added_at=self.start
            )
        Agreement.objects.create(
            id=uuid7(), venue=venue, list_price_fen=1300, opening_hours=hours, valid_from=local_day(self.start),
            valid_until=later, signed_by_id=self.cast.person("李主席"), signed_at=self.start,
        )  # fmt: skip
        self.venues[name] = venue
        return venue

    def device(self, venue: str, name: str, kind: str = "till") -> UUID:
        place = self.venues[venue].place_id
        return add_device(
            actor=SYSTEM, at=self.start, organisation_id=self.venues[venue].organisation_id, place_id=place, kind=kind,
            name=name,
        )  # fmt: skip

    def pair(self, venue: str, name: str, kind: str = "till") -> DevicePrincipal:
        """A paired device; its token and key are kept under its name."""
        self.keys[name] = Ed25519PrivateKey.generate()
        paired = pair_device(
            actor=SYSTEM, at=self.start, device_id=self.device(venue, name, kind),
            public_key=self.keys[name].public_key().public_bytes_raw(),
        )  # fmt: skip
        self.tokens[name] = paired.token
        found = device_from_token(paired.token)
        assert found is not None
        return found

    def voucher(
        self,
        person_id: UUID | None = None,
        kind: VoucherKind | None = None,
        days: tuple[int, int] = (-1, 10),
        units: int = 1,
    ) -> Entitlement:
        """One voucher for the rider (or whoever), good from and until so many days from noon."""
        person = person_id or self.cast.rider()
        given = grant_to(
            actor=SYSTEM, at=self.start, terms=(kind or self.off).terms, person_ids=[person],
            valid_from=self.noon + timedelta(days=days[0]), valid_until=self.noon + timedelta(days=days[1]),
            source="single", units=units,
        )  # fmt: skip
        return Entitlement.objects.get(grant_id=given.grant_id)

    def code(self, voucher: Entitlement, at: datetime | None = None) -> str:
        """What the customer's screen shows at that moment."""
        return issue(PassKind.ENTITLEMENT, voucher.pk, at or self.noon)

    def typed(self, voucher: Entitlement, at: datetime | None = None) -> str:
        return short_code(voucher.number, at or self.noon)

    def pairing_code(self, device_id: UUID, at: datetime | None = None) -> str:
        return issue(PassKind.DEVICE_PAIRING, device_id, at or self.noon, lifetime_seconds=600)

    def rider(self, name: str) -> UUID:
        return self.cast.rider(name)
