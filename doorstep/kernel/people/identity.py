"""Resident identity numbers (GB 11643-1999) and mobile numbers: pure checks on text.

An identity number is six digits of region, eight of birth date, three of order (odd: male) and a check character computed
with ISO 7064 MOD 11-2.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
# GB/T 2260 province-level codes.
PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()  # noqa: SIM905
)
_MOBILE = re.compile(r"^1[3-9]\d{9}$")


class IdentityNumberWrong(ValueError):
    """``code`` says what is wrong: length, region, birth_date, check_digit."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Identity:
    """What a correct identity number says."""

    number: str
    born: date
    male: bool


def check_character(first_17: str) -> str:
    return CHECK_CHARACTERS[sum(int(digit) * weight for digit, weight in zip(first_17, WEIGHTS, strict=True)) % 11]


def parse_identity_number(text: str, today: date) -> Identity:
    """Raises: IdentityNumberWrong, the first thing found wrong in reading order."""
    number = unicodedata.normalize("NFKC", text).replace(" ", "").upper()
    if not re.fullmatch(r"\d{17}[\dX]", number):
        raise IdentityNumberWrong("length")
    if number[:2] not in PROVINCES:
        raise IdentityNumberWrong("region")
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdentityNumberWrong("birth_date") from None
    if not date(1900, 1, 1) <= born <= today:
        raise IdentityNumberWrong("birth_date")
    if check_character(number[:17]) != number[17]:
        raise IdentityNumberWrong("check_digit")
    return Identity(number, born, int(number[16]) % 2 == 1)


def parse_phone(text: str) -> str:
    """A mainland mobile number as eleven digits. Raises: ValueError."""
    digits = re.sub(r"[\s\-()()]", "", unicodedata.normalize("NFKC", text)).removeprefix("+86").removeprefix("0086")
    if not _MOBILE.match(digits):
        raise ValueError("not a mobile number")
    return digits
