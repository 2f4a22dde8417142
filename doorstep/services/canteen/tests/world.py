"""The canteen's small world: a union, its officers and scorers, one open restaurant with a till, a funded programme.

Everything is made by calling actions. Ask for what you need; the world is built once, on first use::

    world = CanteenWorld(cast)
    voucher = world.give_voucher(world.rider, world.off)
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from uuid import UUID

from doorstep.kernel.common.actor import Actor, person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.models import Entitlement
from doorstep.kernel.organisations.actions import PairedDevice, pair_device
from doorstep.kernel.people.models import Person
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen.actions import issuing, programmes, venues
from doorstep.services.canteen.actions.programmes import KindReceipt, ProgrammeReceipt
from doorstep.services.canteen.models import Venue, VoucherKind

DAY = date(2025, 5, 7)  # a Wednesday
HOURS = "Mo-Su 10:00-15:00,17:00-21:00"
STANDINGS = ("rider", "courier", "driver")
VENUE_NAME = "堂客们私房菜"
LONGITUDE, LATITUDE = 113.0816, 27.8123  # the motor-parts park in Tianyuan

PAPERS = (
    ("business_licence", "91430211MA4QXXXX1A", "", date(2035, 1, 1)),
    ("food_permit", "JY24302110012345", "", date(2027, 6, 30)),
    ("health_certificate", "健430211250088", "唐师傅", date(2026, 3, 31)),
)
DISHES = ("辣椒炒肉", "红烧排骨", "清炒时蔬", "番茄炒蛋", "麻婆豆腐", "酸豆角肉末", "蒜蓉空心菜", "外婆菜")
SOUPS = ("紫菜蛋花汤",)


def key() -> str:
    return str(uuid7())


@dataclass
class CanteenWorld:
    """``at`` is noon of Wednesday 2025-05-07; the world itself is vetted, opened and funded in the weeks before."""

    cast: Cast
    at: datetime = field(default_factory=lambda: at_local(DAY, 12))

    def __post_init__(self) -> None:
        self.begins = self.cast.at
        self.union = self.cast.union()
        self.officer: Actor = self.cast.officer()
        self.leader: Actor = self.cast.leader()
        self.scorers = [self.cast.appointed(name, "venue_scorer", self.union) for name in ("评甲", "评乙", "评丙")]
        self.manager = person_actor(self.cast.person("唐姐"), "唐姐")
        self.rider = self.cast.rider("凌涛")
        self.courier = self._standing("快递小周", "courier")
        self.driver = self._standing("司机老彭", "driver")
        self.stranger = self.cast.stranger()

    def _standing(self, name: str, kind: str) -> UUID:
        person_id = self.cast.person(name)
        self.cast.standing(person_id, kind)
        return person_id

    def at_noon(self, day: date = DAY) -> datetime:
        return at_local(day, 12)

    def at_clock(self, hour: int, minute: int = 0, second: int = 0, day: date = DAY) -> datetime:
        return at_local(day, hour, minute, second)

    def phone(self, person_id: UUID) -> str:
        phone = Person.objects.get(pk=person_id).phone
        assert phone is not None
        return phone.reveal()

    # Venues -----------------------------------------------------------------------------------------------------

    @cached_property
    def call(self) -> UUID:
        return venues.publish_call(
            actor=self.officer, at=self.begins, key=key(), organisation_id=self.union, title="共享食堂征集餐厅",
            requirements="八菜一汤,13 元一份;午餐供到 15:00,晚餐供到 21:00。",
            opens_on=self.begins.date(), closes_on=self.begins.date() + timedelta(days=365),
        )  # fmt: skip

    def applied(
        self, name: str, manager: Actor | None = None, longitude: float = LONGITUDE, latitude: float = LATITUDE
    ) -> UUID:
        """A restaurant that has applied, with nothing else."""
        return venues.apply_venue(
            actor=manager or self.manager, at=self.begins, key=key(), call_id=self.call, name=name,
            address="天元区高科汽配园 3 栋 101", longitude=longitude, latitude=latitude, contact_name="唐姐",
            facilities=("microwave", "toilet"), bank_name="株洲农商银行天元支行", bank_account="8101000100200300",
            bank_code="402552000018",
        ).venue_id  # fmt: skip

    def papers(self, venue_id: UUID, manager: Actor | None = None) -> list[UUID]:
        return [
            venues.add_paper(
                actor=manager or self.manager,
                at=self.begins,
                key=key(),
                venue_id=venue_id,
                kind=kind,
                number=number,
                holder=holder,
                expires_on=expires_on,
            )
            for kind, number, holder, expires_on in PAPERS
        ]

    def visit(self, venue_id: UUID) -> None:
        venues.record_visit(
            actor=self.officer, at=self.begins, key=key(), venue_id=venue_id, visited_on=self.begins.date(),
            notes="后厨整洁,生熟分开,有 40 个座位。",
        )  # fmt: skip

    def score(self, venue_id: UUID, scorers: int = 3) -> None:
        for scorer in self.scorers[:scorers]:
            venues.score_venue(
                actor=scorer, at=self.begins, key=key(), venue_id=venue_id, kitchen=22, dishes=23, price=24, hours=20
            )

    def approve(self, venue_id: UUID) -> None:
        venues.decide_venue(
            actor=self.leader, at=self.begins, key=key(), venue_id=venue_id, approved=True, reason="离骑手近,口味好。"
        )

    def agree(self, venue_id: UUID, hours: str = HOURS) -> UUID:
        return venues.sign_agreement(
            actor=self.officer, at=self.begins, key=key(), venue_id=venue_id, list_price_fen=1300,
            opening_hours=hours, valid_from=self.begins.date(), valid_until=date(2026, 12, 31),
        )  # fmt: skip

    def opened(
        self, name: str, manager: Actor | None = None, longitude: float = LONGITUDE, latitude: float = LATITUDE
    ) -> Venue:
        """A restaurant taken all the way to open."""
        venue_id = self.applied(name, manager, longitude, latitude)
        self.papers(venue_id, manager)
        self.visit(venue_id)
        self.score(venue_id)
        self.approve(venue_id)
        self.agree(venue_id)
        venues.open_venue(actor=self.officer, at=self.begins, key=key(), venue_id=venue_id)
        return Venue.objects.select_related("place", "organisation").get(pk=venue_id)

    @cached_property
    def venue(self) -> Venue:
        """堂客们私房菜, open."""
        return self.opened(VENUE_NAME)

    def menu(self, venue: Venue | None = None, day: date = DAY, meal: str = "lunch") -> None:
        place = venue or self.venue
        venues.add_menu(
            actor=self.officer, at=self.begins, venue_id=place.pk, day=day, meal=meal, dishes=DISHES, soups=SOUPS
        )

    @cached_property
    def till(self) -> PairedDevice:
        """The paired till of 堂客们私房菜; ``token`` goes into ``Authorization: Device …``."""
        return self.new_till("前台收银")

    def new_till(self, name: str, venue: Venue | None = None, public_key: bytes | None = None) -> PairedDevice:
        place = venue or self.venue
        device_id = venues.add_till(actor=self.officer, at=self.begins, key=key(), venue_id=place.pk, name=name)
        return pair_device(actor=self.officer, at=self.begins, device_id=device_id, public_key=public_key)

    # Programme --------------------------------------------------------------------------------------------------

    @cached_property
    def programme(self) -> ProgrammeReceipt:
        """Funded with 100,000.00 yuan."""
        made = programmes.open_programme(
            actor=self.officer, at=self.begins, key=key(), organisation_id=self.union, name="骑手暖心餐",
            starts_on=self.begins.date(),
        )  # fmt: skip
        programmes.fund_programme(
            actor=self.leader, at=self.begins, key=key(), programme_id=made.programme_id, amount_fen=10_000_000
        )
        return made

    def _kind(self, kind: str, name: str, union_share_fen: int) -> KindReceipt:
        return programmes.add_voucher_kind(
            actor=self.officer, at=self.begins, key=key(), programme_id=self.programme.programme_id, kind=kind,
            name=name, list_price_fen=1300, union_share_fen=union_share_fen, standings=STANDINGS,
            venue_ids=[self.venue.pk], effective_from=self.begins,
        )  # fmt: skip

    @cached_property
    def off(self) -> KindReceipt:
        """4元减免券: 13.00 − 4.00 = 9.00."""
        return self._kind(VoucherKind.Kind.OFF, "4元减免券", 400)

    @cached_property
    def free(self) -> KindReceipt:
        """免费餐券: the union pays all 13.00."""
        return self._kind(VoucherKind.Kind.FREE, "免费餐券", 1300)

    def give_voucher(self, person_id: UUID, kind: KindReceipt | None = None, days: int = 30) -> Entitlement:
        """One voucher for one person, good from the world's beginning until ``days`` after its present."""
        return self.give_vouchers(person_id, kind, 1, days)[0]

    def give_vouchers(
        self, person_id: UUID, kind: KindReceipt | None = None, count: int = 1, days: int = 30
    ) -> list[Entitlement]:
        receipt = issuing.issue_single(
            actor=self.officer, at=self.begins, key=key(), kind_id=(kind or self.off).kind_id,
            phone=self.phone(person_id), count=count, valid_from=self.begins,
            valid_until=self.at + timedelta(days=days),
        )  # fmt: skip
        return list(Entitlement.objects.filter(grant_id=receipt.grant_id).order_by("ordinal"))
