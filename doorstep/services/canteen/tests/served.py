"""A small world in which meals were already served: for what comes after the till (settling, watching, feedback).

Venues, programme and vouchers are put straight into the tables: how they come about is tested where it is done.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from doorstep.kernel.common.actor import Actor, device_actor, person_actor, system_actor
from doorstep.kernel.common.canonical import canonical, digest
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import grant_to, set_terms
from doorstep.kernel.entitlements.models import Entitlement, Terms, TermsVersion
from doorstep.kernel.entitlements.recording import MAX_USES, NewUse, record_uses
from doorstep.kernel.ledger.actions import NewTransfer, open_account, post
from doorstep.kernel.ledger.models import Account
from doorstep.kernel.organisations.models import Device, Organisation
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.models import Place
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen.models import Call, Programme, Venue, VoucherKind

DAY = date(2025, 5, 7)
NEXT = at_local(date(2025, 5, 8), 9)  # the morning after: T+1
SYSTEM = system_actor("test")
WINDOWS = [
    {"code": "lunch", "title": "午餐", "start": "10:30", "end": "15:00"},
    {"code": "dinner", "title": "晚餐", "start": "17:00", "end": "21:00"},
]


def noon(minute: int = 0, second: int = 0, day: date = DAY) -> datetime:
    return at_local(day, 12, minute, second)


@dataclass
class Served:
    """One union, one programme, two voucher kinds, venues with a till each; ``serve`` records meals."""

    cast: Cast
    venues: dict[str, Venue] = field(default_factory=dict)
    tills: dict[str, Device] = field(default_factory=dict)
    kinds: dict[str, Terms] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        at = self.cast.at
        self.union = self.cast.union()
        budget = open_account(
            code="canteen/test/budget",
            title="预算",
            at=at,
            organisation_id=self.union,
            bound=Account.Bound.DEBITS_WITHIN_CREDITS,
        )
        reserved = open_account(code="canteen/test/reserved", title="已发未用", at=at, organisation_id=self.union)
        losses = open_account(code="canteen/test/losses", title="离线损失", at=at, organisation_id=self.union)
        outside = open_account(code="outside/bank", title="外部银行", at=at)
        post([NewTransfer(outside.pk, budget.pk, 50_000_000, "fund", "programme", None, at)])
        self.programme = Programme.objects.create(
            id=uuid7(),
            organisation_id=self.union,
            name="共享食堂",
            budget=budget,
            reserved=reserved,
            offline_losses=losses,
            starts_on=date(2025, 4, 1),
            opened_at=at,
        )
        self.call = Call.objects.create(
            id=uuid7(),
            organisation_id=self.union,
            title="征集",
            requirements="有证",
            opens_on=date(2025, 3, 1),
            closes_on=date(2025, 3, 31),
            published_at=at,
        )
        self._kind("off", "减 4 元券", 400)
        self._kind("free", "免费餐券", 1300)

    def _kind(self, kind: str, title: str, share_fen: int) -> None:
        terms = Terms.objects.create(
            id=uuid7(),
            code=f"canteen/test/{kind}",
            service="canteen",
            title=title,
            payer_id=self.union,
            budget_id=self.programme.budget_id,
            reserved_id=self.programme.reserved_id,
            created_at=self.cast.at,
        )
        set_terms(
            actor=SYSTEM,
            at=self.cast.at,
            terms=terms,
            effective_from=self.cast.at,
            list_price_fen=1300,
            payer_share_fen=share_fen,
            windows=WINDOWS,
            limits={"per_window": 1},
            standings=[],
            place_ids=[],
        )
        VoucherKind.objects.create(id=uuid7(), programme=self.programme, kind=kind, name=title, terms=terms)
        self.kinds[kind] = terms

    def venue(self, name: str = "老株洲饭店", hours: str = "Mo-Su 10:00-15:00,17:00-21:00") -> Venue:
        if name in self.venues:
            return self.venues[name]
        at = self.cast.at
        owner_id = self.cast.organisation(name, "restaurant", "天元区总工会")
        place = Place.objects.create(
            id=uuid7(),
            organisation=Organisation.objects.get(pk=owner_id),
            kind="canteen",
            name=name,
            longitude=113.08,
            latitude=27.82,
            opening_hours=hours,
        )
        payee = open_account(code=f"canteen/test/{name}/payee", title=name, at=at, organisation_id=owner_id)
        takings = open_account(code=f"canteen/test/{name}/takings", title=name, at=at, organisation_id=owner_id)
        self.venues[name] = Venue.objects.create(
            id=uuid7(),
            call=self.call,
            organisation_id=owner_id,
            place=place,
            contact_name="王老板",
            payee=payee,
            takings=takings,
            bank_name="中国工商银行株洲天元支行",
            bank_account="1903020209200012345",
            bank_code="102552000017",
            state=Venue.State.OPEN,
            applied_at=at,
            opened_at=at,
        )
        return self.venues[name]

    def till(self, venue: Venue, name: str = "前台", paired_at: datetime | None = None) -> Device:
        known = f"{venue.pk}/{name}"
        if known not in self.tills:
            self.tills[known] = Device.objects.create(
                id=uuid7(),
                organisation_id=venue.organisation_id,
                place=venue.place,
                kind="till",
                name=name,
                created_at=self.cast.at,
                paired_at=paired_at or self.cast.at,
            )
        return self.tills[known]

    def manager(self, venue: Venue) -> Actor:
        return self.cast.appointed(f"{venue.place.name}老板", "venue_manager", venue.organisation_id)

    def diners(self, count: int) -> list[UUID]:
        """So many more people, straight into the table."""
        first = self.number
        self.number += count
        people = [
            Person(id=uuid7(), name=f"凌{number}", password="!", joined_at=self.cast.at)
            for number in range(first, first + count)
        ]
        Person.objects.bulk_create(people, batch_size=2000)
        return [person.pk for person in people]

    def vouchers(self, person_ids: list[UUID], kind: str = "off", valid_until: datetime | None = None) -> list[UUID]:
        """One voucher for each, in their order."""
        until = valid_until or at_local(date(2025, 12, 31), 24)
        receipt = grant_to(
            actor=SYSTEM,
            at=self.cast.at,
            terms=self.kinds[kind],
            person_ids=person_ids,
            valid_from=self.cast.at,
            valid_until=until,
            source="push",
        )
        held = dict(Entitlement.objects.filter(grant_id=receipt.grant_id).values_list("person_id", "pk"))
        return [held[person_id] for person_id in person_ids]

    def serve(
        self,
        venue: Venue,
        times: list[datetime],
        *,
        people: list[UUID] | None = None,
        kind: str = "off",
        source: str = "online",
        till: Device | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> list[UUID]:
        """One meal at each of these instants, each each for another person or for ``people``; returns the uses."""
        eaters = people or self.diners(len(times))
        vouchers = [voucher for eater in eaters for voucher in self.vouchers([eater], kind)] if people else None
        vouchers = vouchers or self.vouchers(eaters, kind)
        device = till or self.till(venue)
        version = TermsVersion.objects.get(terms=self.kinds[kind])
        uses = [
            self._use(venue, device, version, eater, voucher, at, source, evidence or {})
            for eater, voucher, at in zip(eaters, vouchers, times, strict=True)
        ]
        for start in range(0, len(uses), MAX_USES):
            record_uses(
                actor=device_actor(device.pk), action="canteen.redeem_voucher", uses=uses[start : start + MAX_USES]
            )
        return [use.id for use in uses]

    def _use(
        self,
        venue: Venue,
        device: Device,
        version: TermsVersion,
        person_id: UUID,
        entitlement_id: UUID,
        at: datetime,
        source: str,
        evidence: dict[str, Any],
    ) -> NewUse:
        key = str(uuid7())
        day = local_day(at)
        window = "lunch" if at < at_local(day, 16) else "dinner"
        return NewUse(
            id=uuid7(),
            entitlement_id=entitlement_id,
            terms_version_id=version.pk,
            person_id=person_id,
            place_id=venue.place_id,
            device_id=device.pk,
            reserved_id=self.programme.reserved_id,
            payee_id=venue.payee_id,
            at=at,
            day=day,
            window=window,
            slot=f"canteen/{person_id}/{day}/{window}",
            quota_slot=None,
            list_price_fen=version.list_price_fen,
            payer_fen=version.payer_share_fen,
            person_fen=version.person_share_fen,
            source=source,
            key_scope=f"device:{device.pk}",
            key=key,
            request_digest=digest(key),
            receipt=canonical({"list_price_fen": 1300, "person_fen": version.person_share_fen, "at": at}),
            evidence=evidence,
            organisation_id=self.union,
            taken_from_id=None,
            taken_by_id=None,
        )

    def spread(self, count: int, day: date = DAY, seconds: int = 20) -> list[datetime]:
        """So many instants from half past eleven on, ``seconds`` apart."""
        start = at_local(day, 11, 30)
        return [start + timedelta(seconds=seconds * number) for number in range(count)]


def key() -> str:
    return str(uuid7())


def as_person(person_id: UUID) -> Actor:
    return person_actor(person_id, "")
