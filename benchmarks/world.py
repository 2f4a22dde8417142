"""A canteen that is open round the clock, with as many riders and vouchers as a benchmark needs."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from doorstep.kernel.common.clock import now
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import MAX_GRANT, grant_to
from doorstep.kernel.entitlements.models import Entitlement, Grant, Terms
from doorstep.kernel.organisations.actions import PairedDevice
from doorstep.kernel.people.models import Person, Standing
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen.actions import programmes, venues
from doorstep.services.canteen.actions.programmes import KindReceipt, ProgrammeReceipt
from doorstep.services.canteen.tests.world import STANDINGS, CanteenWorld, key

ALL_DAY = ({"code": "lunch", "title": "午餐", "start": "00:00", "end": "24:00"},)
FUNDS_FEN = 10_000_000_000


class BusyWorld(CanteenWorld):
    """The small world of the tests, open at every hour of the present."""

    def __init__(self) -> None:
        self.present = now()
        super().__init__(Cast(at=self.present - timedelta(days=60)), at=self.present)

    def papers(self, venue_id: UUID, manager: object = None) -> list[UUID]:
        kinds = ("business_licence", "food_permit", "health_certificate")
        until = (self.present + timedelta(days=365)).date()
        return [
            venues.add_paper(
                actor=self.manager, at=self.begins, key=key(), venue_id=venue_id, kind=kind, number=f"{kind}-1",
                holder="唐师傅", expires_on=until,
            )
            for kind in kinds
        ]  # fmt: skip

    def agree(self, venue_id: UUID, hours: str = "00:00-24:00") -> UUID:
        return venues.sign_agreement(
            actor=self.officer, at=self.begins, key=key(), venue_id=venue_id, list_price_fen=1300,
            opening_hours=hours, valid_from=self.begins.date(), valid_until=self.present.date() + timedelta(days=300),
        )  # fmt: skip

    def funded(self) -> ProgrammeReceipt:
        """The programme with a budget for millions of vouchers."""
        made = self.programme
        programmes.fund_programme(
            actor=self.leader, at=self.begins, key=key(), programme_id=made.programme_id, amount_fen=FUNDS_FEN
        )
        return made

    def _kind(self, kind: str, name: str, union_share_fen: int) -> KindReceipt:
        return programmes.add_voucher_kind(
            actor=self.officer, at=self.begins, key=key(), programme_id=self.funded().programme_id, kind=kind,
            name=name, list_price_fen=1300, union_share_fen=union_share_fen, standings=STANDINGS,
            venue_ids=[self.venue.pk], effective_from=self.begins, windows=ALL_DAY,
        )  # fmt: skip

    def riders(self, count: int) -> list[UUID]:
        """People with a rider's standing, written in bulk: registering is not what is measured."""
        people = [Person(id=uuid7(), name=f"骑手{number}", joined_at=self.begins) for number in range(count)]
        Person.objects.bulk_create(people, batch_size=5000)
        Standing.objects.bulk_create(
            [Standing(id=uuid7(), person=person, kind="rider", valid_from=self.begins) for person in people],
            batch_size=5000,
        )
        return [person.pk for person in people]

    def vouchers(self, people: Sequence[UUID], each: int = 1) -> list[UUID]:
        """``each`` four-off vouchers for every one of these people; entitlement ids."""
        terms = Terms.objects.get(pk=self.off.terms_id)
        grants: list[UUID] = []
        step = MAX_GRANT // each
        for start in range(0, len(people), step):
            receipt = grant_to(
                actor=self.officer,
                at=self.begins,
                terms=terms,
                person_ids=people[start : start + step],
                valid_from=self.begins,
                valid_until=self.present + timedelta(days=30),
                source=Grant.Source.PUSH,
                each=each,
            )
            grants.append(receipt.grant_id)
        found = Entitlement.objects.filter(grant_id__in=grants).order_by("ordinal", "number")
        return list(found.values_list("pk", flat=True))

    def tills(self, count: int, public_key: bytes | None = None) -> list[PairedDevice]:
        return [self.new_till(f"收银{number}", public_key=public_key) for number in range(count)]
