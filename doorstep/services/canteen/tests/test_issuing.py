"""Giving out: good rows get theirs, bad rows are named, the budget follows, and nothing is ever lost from the count."""

import csv
import io
from datetime import date, timedelta

import pytest
from openpyxl import Workbook

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed
from doorstep.kernel.entitlements import errors
from doorstep.kernel.entitlements import queries as entitlements
from doorstep.kernel.entitlements.actions import OFFLINE_GRACE, claim, expire_entitlements
from doorstep.kernel.entitlements.models import Entitlement, Grant
from doorstep.kernel.ledger import queries as ledger
from doorstep.kernel.ledger.actions import NotEnoughMoney
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.people.actions import check_real_name
from doorstep.kernel.people.models import Person
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.canteen import spreadsheets
from doorstep.services.canteen.actions import issuing, programmes
from doorstep.services.canteen.rules import rows
from doorstep.services.canteen.tests.world import CanteenWorld, key

pytestmark = pytest.mark.django_db
IDENTITY = "43020419900101551X"
OTHER_IDENTITY = "430204198503076318"


def push(world: CanteenWorld, **other):
    given = {
        "actor": world.officer, "at": world.at, "key": key(), "kind_id": world.off.kind_id, "valid_from": world.at,
        "valid_until": world.at + timedelta(days=30),
    }  # fmt: skip
    return issuing.push_vouchers(**{**given, **other})


def upload(world: CanteenWorld, content: bytes, **other):
    given = {
        "actor": world.officer, "at": world.at, "key": key(), "kind_id": world.off.kind_id, "content": content,
        "valid_from": world.at, "valid_until": world.at + timedelta(days=30),
    }  # fmt: skip
    return issuing.issue_list(**{**given, **other})


def as_csv(*lines: tuple[object, ...], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("姓名", "手机号", "身份证号", "张数"), *lines])
    return text.getvalue().encode(encoding)


def as_xlsx(*lines: tuple[object, ...]) -> bytes:
    book = Workbook()
    for line in [("姓名", "手机号", "身份证号", "张数"), *lines]:
        book.active.append(line)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def adds_up(world: CanteenWorld, at=None) -> entitlements.Fates:
    """The fates of all kinds, after checking that books and counts agree."""
    found = entitlements.fates([world.off.terms_id, world.free.terms_id], at or world.at)
    assert found.issued == found.used + found.open + found.expired + found.void
    assert entitlements.verify() == []
    assert ledger.verify() == []
    return found


def money(world: CanteenWorld) -> tuple[int, int]:
    """What the budget can still give and what is reserved, in fen."""
    made = world.programme
    return ledger.balance(made.budget_id).available_fen, ledger.balance(made.reserved_id).net_credit_fen


def test_a_push_reaches_everybody_with_the_standing_and_nobody_else(world: CanteenWorld):
    receipt = push(world, each=2)
    assert (receipt.granted, receipt.reserved_fen) == (6, 2400)
    holders = set(Entitlement.objects.values_list("person_id", flat=True))
    assert holders == {world.rider, world.courier, world.driver}
    assert money(world) == (9_997_600, 2_400)
    assert Notice.objects.filter(template="canteen.vouchers_given").count() == 3
    assert adds_up(world) == entitlements.Fates(issued=6, used=0, open=6, expired=0, void=0)


def test_a_standing_that_ended_yesterday_gets_nothing(world: CanteenWorld):
    person_id = world.cast.person("前骑手")
    world.cast.standing(person_id, "rider", days=30)
    assert push(world).granted == 3


def test_the_same_push_twice_is_one(world: CanteenWorld):
    once = key()
    assert push(world, key=once) == push(world, key=once)
    assert Entitlement.objects.count() == 3
    with pytest.raises(KeyReused):
        push(world, key=once, each=2)
    assert Entitlement.objects.count() == 3


def test_a_budget_that_is_too_small_gives_nobody_anything(world: CanteenWorld):
    poor = programmes.open_programme(
        actor=world.officer, at=world.begins, key=key(), organisation_id=world.union, name="小项目",
        starts_on=world.begins.date(),
    )  # fmt: skip
    programmes.fund_programme(
        actor=world.leader, at=world.begins, key=key(), programme_id=poor.programme_id, amount_fen=1199
    )
    kind = programmes.add_voucher_kind(
        actor=world.officer, at=world.begins, key=key(), programme_id=poor.programme_id, kind="off", name="券",
        list_price_fen=1300, union_share_fen=400, standings=["rider", "courier", "driver"], venue_ids=[],
        effective_from=world.begins,
    )  # fmt: skip
    with pytest.raises(NotEnoughMoney):
        push(world, kind_id=kind.kind_id)
    assert Entitlement.objects.count() == Grant.objects.count() == Notice.objects.count() == 0
    assert ledger.balance(poor.budget_id).available_fen == 1199


@pytest.mark.parametrize("each", [0, 11])
def test_a_push_of_none_or_too_many_each_is_refused(world: CanteenWorld, each: int):
    with pytest.raises(Invalid) as refused:
        push(world, each=each)
    assert refused.value.field == "each"
    assert Entitlement.objects.count() == 0


def test_vouchers_stay_inside_the_programme(world: CanteenWorld):
    ending = programmes.open_programme(
        actor=world.officer, at=world.begins, key=key(), organisation_id=world.union, name="五月",
        starts_on=date(2025, 5, 1), ends_on=date(2025, 5, 31),
    )  # fmt: skip
    kind = programmes.add_voucher_kind(
        actor=world.officer, at=world.begins, key=key(), programme_id=ending.programme_id, kind="off", name="券",
        list_price_fen=1300, union_share_fen=400, standings=["rider"], venue_ids=[],
        effective_from=at_local(date(2025, 5, 1)),
    )  # fmt: skip
    programmes.fund_programme(
        actor=world.leader, at=world.begins, key=key(), programme_id=ending.programme_id, amount_fen=10_000
    )
    last = at_local(date(2025, 5, 31), 24)
    with pytest.raises(issuing.OutsideProgramme):
        push(world, kind_id=kind.kind_id, valid_until=last + timedelta(seconds=1))
    assert Entitlement.objects.count() == 0
    assert push(world, kind_id=kind.kind_id, valid_until=last).granted == 1


def test_nobody_without_the_right_gives_out(world: CanteenWorld):
    for actor in (person_actor(world.rider), world.manager, world.leader):
        with pytest.raises(NotAllowed):
            push(world, actor=actor)
    assert Entitlement.objects.count() == 0


def single(world: CanteenWorld, phone: str, **other):
    return issuing.issue_single(
        actor=world.officer, at=world.at, key=key(), kind_id=world.off.kind_id, phone=phone, valid_from=world.at,
        valid_until=world.at + timedelta(days=1), **other,
    )  # fmt: skip


def test_one_person_is_given_vouchers_by_phone(world: CanteenWorld):
    assert single(world, f"+86 {world.phone(world.rider)}", count=3).granted == 3
    assert set(Entitlement.objects.values_list("person_id", flat=True)) == {world.rider}


def test_single_refusals_are_told_apart(world: CanteenWorld):
    with pytest.raises(issuing.NotRegistered):
        single(world, "13999999999")
    with pytest.raises(errors.NotEligible):
        single(world, world.phone(world.stranger))
    with pytest.raises(Invalid) as refused:
        single(world, "138")
    assert (refused.value.code, refused.value.field) == ("phone_wrong", "phone")
    assert Entitlement.objects.count() == 0


def opened_claim(world: CanteenWorld, quota: int, **other):
    given = {
        "actor": world.officer, "at": world.at, "key": key(), "kind_id": world.off.kind_id, "quota": quota,
        "opens_at": world.at, "closes_at": world.at + timedelta(hours=2), "valid_from": world.at,
        "valid_until": world.at + timedelta(days=7), "title": "立夏加餐",
    }  # fmt: skip
    return issuing.open_claim(**{**given, **other}).grant_id


def take(world: CanteenWorld, person_id, grant_id, at=None):
    return claim(actor=person_actor(person_id), at=at or world.at, key=key(), grant_id=grant_id)


def test_a_claim_goes_to_the_first_and_the_rest_of_its_budget_comes_back(world: CanteenWorld):
    grant_id = opened_claim(world, 5)
    assert money(world) == (9_998_000, 2_000)
    assert Notice.objects.filter(template="canteen.claim_opens").count() == 3
    assert take(world, world.rider, grant_id).title == "立夏加餐"
    with pytest.raises(errors.AlreadyClaimed):
        take(world, world.rider, grant_id)
    with pytest.raises(errors.NotEligible):
        take(world, world.stranger, grant_id)
    assert issuing.close_claim(actor=world.officer, at=world.at, grant_id=grant_id) == 4
    assert issuing.close_claim(actor=world.officer, at=world.at, grant_id=grant_id) == 0
    assert money(world) == (9_999_600, 400)
    with pytest.raises(errors.ClaimNotOpen):
        take(world, world.courier, grant_id)
    assert adds_up(world).issued == 1


def test_a_claim_ends_with_its_quota_and_with_its_time(world: CanteenWorld):
    grant_id = opened_claim(world, 1)
    take(world, world.rider, grant_id)
    with pytest.raises(errors.QuotaGone):
        take(world, world.courier, grant_id)
    other = opened_claim(world, 1, title="下一批")
    with pytest.raises(errors.ClaimNotOpen):
        take(world, world.courier, other, world.at + timedelta(hours=2))
    assert Entitlement.objects.count() == 1


def mixed(world: CanteenWorld) -> list[tuple[object, ...]]:
    """Two good rows among every kind of bad one."""
    return [
        ("凌涛", world.phone(world.rider), "", 2),
        ("", world.phone(world.courier), "", 1),
        ("快递小周", "12345", "", 1),
        ("快递小周", world.phone(world.courier), IDENTITY[:-1] + "8", 1),
        ("快递小周", world.phone(world.courier), "99" + IDENTITY[2:], 1),
        ("快递小周", world.phone(world.courier), "430204199013015518", 1),
        ("快递小周", world.phone(world.courier), "4302", 1),
        ("快递小周", world.phone(world.courier), "", 11),
        ("快递小周", world.phone(world.courier), IDENTITY, ""),
        ("凌涛", world.phone(world.rider), "", 1),
        ("无名", "13900000000", "", 1),
        ("路人甲", world.phone(world.stranger), "", 1),
        ("司机老王", world.phone(world.driver), "", 1),
    ]


REASONS = [
    (3, "name_missing"), (4, "phone_wrong"), (5, "identity_check_digit"), (6, "identity_region"),
    (7, "identity_birth_date"), (8, "identity_length"), (9, "count_out_of_range"), (11, "duplicate"),
    (12, "unknown_person"), (13, "not_eligible"), (14, "name_differs"),
]  # fmt: skip


@pytest.mark.parametrize("form", ["xlsx", "utf-8-sig", "gb18030"])
def test_good_rows_are_given_and_each_bad_row_is_named(world: CanteenWorld, form: str):
    lines = mixed(world)
    report = upload(world, as_xlsx(*lines) if form == "xlsx" else as_csv(*lines, encoding=form))
    assert [(row.number, row.code) for row in report.bad] == REASONS
    assert (report.rows, report.persons, report.vouchers, report.reserved_fen) == (13, 2, 3, 1200)
    given = dict.fromkeys([world.rider, world.courier], 0)
    for person_id in Entitlement.objects.values_list("person_id", flat=True):
        given[person_id] += 1
    assert given == {world.rider: 2, world.courier: 1}
    assert str(report.reasons()[2][1]) == "身份证号的校验位不对,请逐位核对。"
    assert all("1380731" not in row.phone for row in report.bad)
    assert adds_up(world).open == 3


def test_the_same_list_with_the_same_key_answers_the_same_and_gives_nothing_more(world: CanteenWorld):
    once, content = key(), as_csv(*mixed(world))
    assert upload(world, content, key=once) == upload(world, content, key=once)
    assert Entitlement.objects.count() == 3


def test_an_identity_number_must_be_the_persons_own(world: CanteenWorld):
    check_real_name(
        actor=person_actor(world.rider), at=world.at, person_id=world.rider, name="凌涛", identity_number=IDENTITY
    )
    report = upload(world, as_csv(("凌涛", world.phone(world.rider), OTHER_IDENTITY, 1)))
    assert [row.code for row in report.bad] == ["identity_differs"]
    assert upload(world, as_csv(("凌涛", world.phone(world.rider), IDENTITY, 1))).vouchers == 1


def test_a_phone_number_that_excel_took_for_a_number_is_read(world: CanteenWorld):
    assert upload(world, as_xlsx(("凌涛", int(world.phone(world.rider)), None, 1.0))).vouchers == 1


def test_unknown_people_are_registered_only_when_asked_and_when_no_standing_is_needed(world: CanteenWorld):
    everybody = programmes.add_voucher_kind(
        actor=world.officer, at=world.begins, key=key(), programme_id=world.programme.programme_id, kind="free",
        name="爱心餐券", list_price_fen=1300, union_share_fen=1300, standings=[], venue_ids=[],
        effective_from=world.begins,
    )  # fmt: skip
    content = as_csv(("新人", "13911112222", "", 1))
    people = Person.objects.count()
    for other in ({}, {"register_unknown": True}):
        assert [row.code for row in upload(world, content, **other).bad] == ["unknown_person"]
    assert upload(world, content, kind_id=everybody.kind_id).vouchers == 0
    assert Person.objects.count() == people
    report = upload(world, content, kind_id=everybody.kind_id, register_unknown=True)
    assert (report.vouchers, report.registered, Person.objects.count()) == (1, 1, people + 1)


def whole_list_refused(world: CanteenWorld, content: bytes, code: str) -> None:
    assert world.off.kind_id
    with pytest.raises(Invalid) as refused:
        upload(world, content)
    assert (refused.value.code, refused.value.field) == (code, "file")
    assert Entitlement.objects.count() == Grant.objects.count() == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "list_empty"),
        (as_csv(), "list_empty"),
        (as_csv(("", "", "", "")), "list_empty"),
        (b"PK\x03\x04broken", "list_unreadable"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "list_unreadable"),
        (b"\xff\xfe\xff\xff", "list_unreadable"),
        ("名,号码\n凌涛,13807311000\n".encode(), "list_header_wrong"),
        (b"x" * (spreadsheets.MAX_BYTES + 1), "list_too_large"),
        (as_csv(*[("凌涛", "13807311000", "", 1)] * 5001), "list_too_long"),
    ],
    ids=["empty", "header only", "blank rows", "broken xlsx", "picture", "no encoding", "header", "large", "long"],
)
def test_a_list_that_is_wrong_as_a_whole_does_nothing(world: CanteenWorld, content: bytes, code: str):
    whole_list_refused(world, content, code)


def test_a_small_file_that_unpacks_to_a_large_one_is_not_opened(world: CanteenWorld):
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (spreadsheets.MAX_UNPACKED_BYTES + 1))
    assert len(packed.getvalue()) < 100_000
    whole_list_refused(world, packed.getvalue(), "list_too_large")


def test_five_thousand_rows_are_taken(world: CanteenWorld):
    lines = [("某", f"139{number:08d}", "", 1) for number in range(rows.MAX_ROWS - 1)]
    report = upload(world, as_csv(("凌涛", world.phone(world.rider), "", 1), *lines))
    assert (report.rows, report.vouchers, len(report.bad)) == (5000, 1, 4999)


def test_the_number_of_statements_does_not_grow_with_the_list(world: CanteenWorld, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    riders = [world.cast.rider(f"骑手{number}") for number in range(21)]
    lines = [(f"骑手{number}", world.phone(person), "", 1) for number, person in enumerate(riders)]
    assert world.off.kind_id
    with CaptureQueriesContext(connection) as one:
        upload(world, as_csv(lines[0]))
    with django_assert_num_queries(len(one)):
        assert upload(world, as_csv(*lines[1:])).vouchers == 20


def void(world: CanteenWorld, voucher: Entitlement, actor=None, reason: str = "发重了") -> int:
    return issuing.void_voucher(
        actor=actor or world.officer, at=world.at, key=key(), entitlement_id=voucher.pk, reason=reason
    )


def test_a_void_voucher_gives_its_budget_back_and_its_holder_reads_why(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    assert money(world) == (9_999_600, 400)
    assert void(world, voucher) == 400
    assert money(world) == (10_000_000, 0)
    assert Notice.objects.get(template="canteen.voucher_void").body == "发重了"
    with pytest.raises(errors.Voided):
        void(world, voucher)
    assert adds_up(world) == entitlements.Fates(issued=1, used=0, open=0, expired=0, void=1)


def test_voiding_needs_a_reason_and_the_right(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    with pytest.raises(Invalid):
        void(world, voucher, reason="  ")
    with pytest.raises(NotAllowed):
        void(world, voucher, person_actor(world.rider))
    voucher.refresh_from_db()
    assert voucher.state == "open"


def test_issued_is_used_open_expired_and_void_at_every_instant(world: CanteenWorld):
    for_a_day = world.give_vouchers(world.rider, count=3, days=1)
    world.give_vouchers(world.courier, world.free, count=2, days=30)
    void(world, for_a_day[0])
    assert adds_up(world) == entitlements.Fates(issued=5, used=0, open=4, expired=0, void=1)
    end = world.at + timedelta(days=1)
    assert adds_up(world, end - timedelta(seconds=1)).expired == 0
    assert adds_up(world, end) == entitlements.Fates(issued=5, used=0, open=2, expired=2, void=1)
    assert money(world) == (10_000_000 - 2 * 1300 - 2 * 400, 2 * 1300 + 2 * 400)
    assert expire_entitlements(actor=SYSTEM, at=end + OFFLINE_GRACE) == 2
    assert money(world) == (10_000_000 - 2 * 1300, 2 * 1300)
    assert adds_up(world, end + OFFLINE_GRACE) == entitlements.Fates(issued=5, used=0, open=2, expired=2, void=1)
