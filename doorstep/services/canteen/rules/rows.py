"""Which rows of an uploaded list are good: pure checks on text, one reason per bad row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from doorstep.kernel.common.vault import mask
from doorstep.kernel.people.identity import IdentityNumberWrong, parse_identity_number, parse_phone

MAX_ROWS = 5000
MAX_EACH = 10

# Header cell → field. The first three may be written in any order; others are left alone.
HEADERS: Mapping[str, str] = {
    "姓名": "name",
    "名字": "name",
    "name": "name",
    "手机号": "phone",
    "手机": "phone",
    "手机号码": "phone",
    "电话": "phone",
    "phone": "phone",
    "身份证号": "identity_number",
    "身份证": "identity_number",
    "身份证号码": "identity_number",
    "identity number": "identity_number",
    "张数": "count",
    "数量": "count",
    "count": "count",
}
COMPULSORY = ("name", "phone")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written; ``number`` is what the spreadsheet shows at its left."""

    number: int
    name: str
    phone: str
    identity_number: str
    count: str


@dataclass(frozen=True, slots=True)
class GoodRow:
    number: int
    name: str
    phone: str
    identity_number: str
    count: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """``code`` is stable; ``phone`` is masked, for a report is kept."""

    number: int
    name: str
    phone: str
    code: str


def columns_of(header: list[str]) -> dict[str, int] | None:
    """Field → column, or None when a compulsory column is missing."""
    found: dict[str, int] = {}
    for index, cell in enumerate(header):
        field = HEADERS.get(cell.strip().lower().removeprefix("\ufeff"))
        if field and field not in found:
            found[field] = index
    return found if all(field in found for field in COMPULSORY) else None


def hidden(phone: str) -> str:
    return mask(phone.strip()[:20], 3, 4)


def _bad(row: Row, code: str) -> BadRow:
    return BadRow(row.number, row.name.strip()[:20], hidden(row.phone), code)


def check_row(row: Row, today: date, seen: dict[str, int]) -> GoodRow | BadRow:
    """Look at name, phone, identity number, count and repetition, in this order; ``seen`` remembers phones."""
    if not row.name.strip():
        return _bad(row, "name_missing")
    if len(row.name.strip()) > 60:
        return _bad(row, "name_long")
    try:
        phone = parse_phone(row.phone)
    except ValueError:
        return _bad(row, "phone_wrong")
    identity = ""
    if row.identity_number.strip():
        try:
            identity = parse_identity_number(row.identity_number.strip(), today).number
        except IdentityNumberWrong as wrong:
            return _bad(row, f"identity_{wrong.code}")
    text = row.count.strip().removesuffix(".0") or "1"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MAX_EACH:
        return _bad(row, "count_out_of_range")
    if phone in seen:
        return _bad(row, "duplicate")
    seen[phone] = row.number
    return GoodRow(row.number, row.name.strip(), phone, identity, int(text))


def check_rows(rows: list[Row], today: date) -> tuple[list[GoodRow], list[BadRow]]:
    good: list[GoodRow] = []
    bad: list[BadRow] = []
    seen: dict[str, int] = {}
    for row in rows:
        checked = check_row(row, today, seen)
        if isinstance(checked, GoodRow):
            good.append(checked)
        else:
            bad.append(checked)
    return good, bad


@dataclass(frozen=True, slots=True)
class Known:
    """What the register says of a phone number in the list."""

    person_id: str
    name: str
    has_identity: bool
    identity_matches: bool
    eligible: bool


def refuse_known(row: GoodRow, known: Known | None) -> str:
    """Why this person gets nothing, or the empty string."""
    if known is None:
        return "unknown_person"
    if known.name and known.name != row.name:
        return "name_differs"
    if row.identity_number and known.has_identity and not known.identity_matches:
        return "identity_differs"
    if not known.eligible:
        return "not_eligible"
    return ""
