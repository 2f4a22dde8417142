"""The union's small world: a district union, a federation with two levels below, one merchant, people who join.

Everything is made by calling actions. Ask for what you need; the world is built once, on first use::

    world = UnionWorld(cast)
    member = world.member("何骁")
"""

import csv
import io
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from uuid import UUID

from doorstep.kernel.common.actor import Actor, person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.actions import found_organisation
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.people.identity import check_character as identity_check
from doorstep.kernel.people.models import Person
from doorstep.kernel.testing.cast import SYSTEM, Cast
from doorstep.services.union.actions import joining, organising
from doorstep.services.union.actions.joining import ListReport
from doorstep.services.union.models import Membership
from doorstep.services.union.rules.registration import check_character

DAY = date(2025, 5, 12)  # a Monday
MEMBER_HEADER = ("姓名", "手机号", "身份证号", "职业", "商户")
MERCHANT_HEADER = ("商户名称", "统一社会信用代码", "联系人", "联系电话", "地址", "商户联盟")


def key() -> str:
    return str(uuid7())


def identity(number: int) -> str:
    """A made-up identity number that passes the check."""
    first = f"43020419900101{number:03d}"
    return first + identity_check(first)


def registration(number: int) -> str:
    """A made-up unified social credit code that passes the check."""
    first = f"92430204MA4{number:06d}"
    return first + check_character(first)


def as_csv(header: tuple[str, ...], *lines: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *lines])
    return text.getvalue().encode("utf-8-sig")


@dataclass
class UnionWorld:
    """``at`` is noon of Monday 2025-05-12; the union and the federation were founded before."""

    cast: Cast
    at: datetime = field(default_factory=lambda: at_local(DAY, 12))
    _numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begins = self.cast.at
        self.union = self.cast.organisation("石峰区总工会")
        self.party = self.cast.organisation("学林街道党工委", "party_committee")
        self.officer: Actor = self.cast.appointed("文经办", "union_officer", self.union)
        self.leader: Actor = self.cast.appointed("陈主席", "union_leader", self.union)
        self.secretary: Actor = self.cast.appointed("黄书记", "street_secretary", self.party)
        self.stranger = person_actor(self.cast.stranger(), "路人甲")

    # Organisations ----------------------------------------------------------------------------------------------

    @cached_property
    def federation(self) -> UUID:
        """Chartered by the level above and linked to the street's party committee."""
        made = organising.charter_federation(
            actor=self.leader, at=self.begins, key=key(), parent_id=self.union, name="万达商圈新业态工会联合会",
            term_years=3,
        ).organisation_id  # fmt: skip
        assert made is not None
        self.link(made, self.party)
        return made

    @cached_property
    def steward(self) -> Actor:
        """The federation's own officer."""
        return self.cast.appointed("罗干事", "union_officer", self.federation)

    @cached_property
    def association(self) -> UUID:
        return self.below("餐饮行业协会", "association", self.federation, linked=True)

    @cached_property
    def alliance(self) -> UUID:
        return self.below("美食街商户联盟", "alliance", self.association, linked=True)

    @cached_property
    def pool(self) -> UUID:
        return organising.open_holding_pool(
            actor=self.officer, at=self.begins, union_id=self.union, name="石峰区待转入会员"
        )

    def below(self, name: str, kind: str, parent: UUID, *, linked: bool = False) -> UUID:
        made = found_organisation(actor=SYSTEM, at=self.begins, kind=kind, name=name, parent_id=parent)
        if linked:
            self.link(made, parent)
        return made

    def link(self, lower: UUID, upper: UUID) -> None:
        organising.link_levels(
            actor=self.officer, at=self.begins, lower_id=lower, upper_id=upper, since=self.begins.date()
        )

    def upload_merchants(self, *lines: tuple[object, ...], **other: object) -> ListReport:
        given: dict[str, object] = {
            "actor": self.officer, "at": self.begins, "key": key(), "organisation_id": self.federation,
            "content": as_csv(MERCHANT_HEADER, *lines),
        }  # fmt: skip
        return organising.upload_merchants(**{**given, **other})

    def merchant(self, name: str, number: int = 1, parent: str = "") -> UUID:
        """A merchant of the federation, as the organisation it is."""
        report = self.upload_merchants((name, registration(number), "唐姐", "13707320001", "101 铺", parent))
        assert report.bad == ()
        return Organisation.objects.get(name=name).pk

    # People -----------------------------------------------------------------------------------------------------

    def number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers) + 901)

    def person(self, name: str) -> Actor:
        return person_actor(self.cast.person(name), name)

    def phone(self, name: str) -> str:
        phone = Person.objects.get(pk=self.cast.person(name)).phone
        assert phone is not None
        return phone.reveal()

    def apply(self, who: str, unit: UUID | None = None, /, **other: object) -> joining.JoinReceipt:
        """The person of that name asks to join."""
        given: dict[str, object] = {
            "actor": self.person(who), "at": self.at, "key": key(), "organisation_id": unit or self.federation,
            "name": who, "identity_number": identity(self.number(who)), "occupation": "rider", "employer": "美团",
        }  # fmt: skip
        return joining.apply_membership(**{**given, **other})

    def approve(self, *membership_ids: UUID, actor: Actor | None = None, at: datetime | None = None) -> None:
        joining.approve_memberships(
            actor=actor or self.officer, at=at or self.at, key=key(), membership_ids=list(membership_ids)
        )

    def member(self, name: str, unit: UUID | None = None, at: datetime | None = None) -> Membership:
        """A member, from ``at`` on."""
        asked = self.apply(name, unit, at=at or self.at)
        self.approve(asked.membership_id, at=at)
        return Membership.objects.select_related("organisation").get(pk=asked.membership_id)

    def upload(self, *lines: tuple[object, ...], **other: object) -> ListReport:
        given: dict[str, object] = {
            "actor": self.officer, "at": self.at, "key": key(), "organisation_id": self.federation, "employer": "美团",
            "verified_until": self.at + timedelta(days=365), "content": as_csv(MEMBER_HEADER, *lines),
        }  # fmt: skip
        return joining.upload_members(**{**given, **other})
