"""Which rows of an uploaded list are good: pure checks on text, one reason per bad row, in a fixed order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from doorstep.kernel.common.vault import mask
from doorstep.kernel.files.lists import Column, ListRow
from doorstep.kernel.people.identity import IdentityNumberWrong, parse_identity_number, parse_phone
from doorstep.services.union.rules.registration import RegistrationNumberWrong, parse_registration_number

MAX_NAME = 60
MAX_TEXT = 100

MEMBER_COLUMNS = (
    Column("name", "姓名", ("名字",)),
    Column("phone", "手机号", ("手机", "手机号码", "电话")),
    Column("identity_number", "身份证号", ("身份证", "身份证号码")),
    Column("occupation", "职业", ("岗位", "工种")),
    Column("merchant", "商户", ("商户名称", "单位", "统一社会信用代码"), compulsory=False),
)
MERCHANT_COLUMNS = (
    Column("name", "商户名称", ("商户", "名称")),
    Column("registration_number", "统一社会信用代码", ("信用代码", "执照号")),
    Column("contact", "联系人", ()),
    Column("phone", "联系电话", ("电话", "手机", "手机号")),
    Column("address", "地址", ("门牌",), compulsory=False),
    Column("parent", "商户联盟", ("联盟", "协会", "行业协会"), compulsory=False),
)

# What people write for an occupation → its value.
OCCUPATIONS: Mapping[str, str] = {
    "外卖骑手": "rider", "外卖配送员": "rider", "外卖员": "rider", "骑手": "rider",
    "快递员": "courier", "快递小哥": "courier", "货车司机": "driver", "卡车司机": "driver",
    "网约车司机": "ride_driver", "滴滴司机": "ride_driver", "网络主播": "livestreamer", "主播": "livestreamer",
    "电商": "ecommerce", "电商人员": "ecommerce", "商户员工": "shop", "店员": "shop", "其他": "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BadRow:
    """``code`` is stable; ``key`` is what finds the row again (masked, for a report is kept)."""

    number: int
    name: str
    key: str
    code: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    number: int
    name: str
    phone: str
    identity_number: str
    occupation: str
    merchant: str

    def bad(self, code: str) -> BadRow:
        return BadRow(self.number, self.name, hidden(self.phone), code)


@dataclass(frozen=True, slots=True)
class MerchantRow:
    number: int
    name: str
    registration_number: str
    contact: str
    phone: str
    address: str
    parent: str

    def bad(self, code: str) -> BadRow:
        return BadRow(self.number, self.name, self.registration_number, code)


def hidden(phone: str) -> str:
    return mask(phone.strip()[:20], 3, 4)


def check_member(row: ListRow, today: date, seen: dict[str, int]) -> MemberRow | BadRow:
    """Name, phone, identity number, occupation, repetition; ``seen`` remembers phones and identity numbers."""

    def bad(code: str) -> BadRow:
        return BadRow(row.number, row["name"][:20], hidden(row["phone"]), code)

    if not row["name"]:
        return bad("name_missing")
    if len(row["name"]) > MAX_NAME:
        return bad("name_long")
    try:
        phone = parse_phone(row["phone"])
    except ValueError:
        return bad("phone_wrong")
    try:
        identity = parse_identity_number(row["identity_number"], today).number
    except IdentityNumberWrong as wrong:
        return bad(f"identity_{wrong.code}")
    occupation = OCCUPATIONS.get(row["occupation"], "")
    if not occupation:
        return bad("occupation_unknown")
    if phone in seen or identity in seen:
        return bad("duplicate")
    seen[phone] = seen[identity] = row.number
    return MemberRow(row.number, row["name"], phone, identity, occupation, row["merchant"][:MAX_TEXT])


def check_merchant(row: ListRow, today: date, seen: dict[str, int]) -> MerchantRow | BadRow:
    """Name, registration number, contact, phone, repetition; ``seen`` remembers registration numbers and names."""

    def bad(code: str) -> BadRow:
        return BadRow(row.number, row["name"][:20], row["registration_number"][:20], code)

    if not row["name"]:
        return bad("name_missing")
    if len(row["name"]) > MAX_NAME:
        return bad("name_long")
    try:
        registration = parse_registration_number(row["registration_number"])
    except RegistrationNumberWrong as wrong:
        return bad(f"registration_{wrong.code}")
    if not row["contact"]:
        return bad("contact_missing")
    try:
        phone = parse_phone(row["phone"])
    except ValueError:
        return bad("phone_wrong")
    if registration in seen or row["name"] in seen:
        return bad("duplicate")
    seen[registration] = seen[row["name"]] = row.number
    return MerchantRow(
        row.number, row["name"], registration, row["contact"][:MAX_NAME], phone, row["address"][:MAX_TEXT],
        row["parent"][:MAX_TEXT],
    )  # fmt: skip


def sort_rows[Good](
    rows: Sequence[ListRow], today: date, check: Callable[[ListRow, date, dict[str, int]], Good | BadRow]
) -> tuple[list[Good], list[BadRow]]:
    """Good and bad rows, each in the list's order."""
    good: list[Good] = []
    bad: list[BadRow] = []
    seen: dict[str, int] = {}
    for row in rows:
        checked = check(row, today, seen)
        if isinstance(checked, BadRow):
            bad.append(checked)
        else:
            good.append(checked)
    return good, bad
