"""Codes to be read out or typed: digits only, with a time code in them and a check digit at the end.

Three parts: the number (a keyed permutation of the sequential number, so that codes tell nothing and cannot be counted
up), five digits of HMAC over number and time step, and one Damm digit, which catches every single wrong digit and every
swap of neighbours before anything is looked up. Five digits do not stand guessing: who reads codes limits attempts.
"""

import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from doorstep.kernel.audit.signing import SigningKey, newest_key, signing_keys
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.passes.codes import ROTATE_SECONDS, PassKind
from doorstep.kernel.passes.errors import ShortCodeExpired, ShortCodeMistyped

MIN_NUMBER_DIGITS = 7
MAX_NUMBER_DIGITS = 14
TIME_DIGITS = 5
CHECK_DIGITS = 1
GROUP = 4

# Which kinds can be typed. A number is stored as number * 4 + place here, so there is room for two more.
_KINDS = (PassKind.ENTITLEMENT, PassKind.ENTITLEMENT_PRINTED)
_KIND_SLOTS = 4
_ROUNDS = 10

# A totally anti-symmetric quasigroup of order ten (H. Michael Damm, 2004).
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


@dataclass(frozen=True, slots=True)
class ShortCode:
    """What a good short code says."""

    number: int
    kind: PassKind


def damm(digits: str) -> int:
    """Check digit of ``digits``; 0 for digits that already end in theirs."""
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


def _mac(key: SigningKey, purpose: str, *parts: int) -> int:
    secret = hmac.digest(key.seed, b"doorstep-short-code/1", "sha256")
    text = ":".join([purpose, *map(str, parts)])
    return int.from_bytes(hmac.digest(secret, text.encode(), "sha256")[:16], "big")


def permute(key: SigningKey, value: int, width: int, *, back: bool = False) -> int:
    """A keyed permutation of the numbers below 10**width: an alternating Feistel network over its two halves."""
    low: int = 10 ** (width // 2)
    high: int = 10 ** (width - width // 2)
    left, right = divmod(value, low)
    sign = -1 if back else 1
    for turn in reversed(range(_ROUNDS)) if back else range(_ROUNDS):
        if turn % 2 == 0:
            left = (left + sign * _mac(key, "permute", width, turn, right)) % high
        else:
            right = (right + sign * _mac(key, "permute", width, turn, left)) % low
    return left * low + right


def _step(kind: PassKind, at: datetime) -> int:
    """The time step: half a minute, or the city's day for a printed code."""
    if kind is PassKind.ENTITLEMENT_PRINTED:
        return local_day(at).toordinal()
    return int(at.timestamp()) // ROTATE_SECONDS


def _time_code(key: SigningKey, value: int, width: int, step: int) -> str:
    return f"{_mac(key, 'time', width, value, step) % 10**TIME_DIGITS:0{TIME_DIGITS}d}"


def short_code(number: int, at: datetime, kind: PassKind = PassKind.ENTITLEMENT) -> str:
    """The typed form of ``number``: good for this 30 s step and the next; printed, for the city's day of ``at``."""
    if kind not in _KINDS:
        raise ValueError(f"there are no short codes for {kind.name}")
    value = number * _KIND_SLOTS + _KINDS.index(kind)
    width = max(MIN_NUMBER_DIGITS, len(str(value)))
    if number < 0 or width > MAX_NUMBER_DIGITS:
        raise ValueError(f"{number} does not fit into {MAX_NUMBER_DIGITS} digits")
    key = newest_key()
    digits = f"{permute(key, value, width):0{width}d}" + _time_code(key, value, width, _step(kind, at))
    digits += str(damm(digits))
    return " ".join(digits[start : start + GROUP] for start in range(0, len(digits), GROUP))


def _digits(text: str) -> str:
    """Only the digits, whatever keyboard they come from. Raises: ShortCodeMistyped."""
    plain = "".join(unicodedata.normalize("NFKC", text).replace("-", " ").split())
    width = len(plain) - TIME_DIGITS - CHECK_DIGITS
    if not plain.isascii() or not plain.isdigit() or not MIN_NUMBER_DIGITS <= width <= MAX_NUMBER_DIGITS:
        raise ShortCodeMistyped
    if damm(plain) != 0:
        raise ShortCodeMistyped
    return plain


def read_short_code(text: str, at: datetime) -> ShortCode:
    """Read what somebody typed; spaces, hyphens and full-width digits are fine.

    Raises: ShortCodeMistyped (length or check digit), ShortCodeExpired (any other time, or never one of ours).
    """
    digits = _digits(text)
    width = len(digits) - TIME_DIGITS - CHECK_DIGITS
    shown, given = int(digits[:width]), digits[width:-CHECK_DIGITS]
    for key in signing_keys():
        value = permute(key, shown, width, back=True)
        number, slot = divmod(value, _KIND_SLOTS)
        if slot >= len(_KINDS) or max(MIN_NUMBER_DIGITS, len(str(value))) != width:
            continue
        kind = _KINDS[slot]
        step = _step(kind, at)
        steps = (step,) if kind is PassKind.ENTITLEMENT_PRINTED else (step, step - 1)
        if any(hmac.compare_digest(_time_code(key, value, width, when), given) for when in steps):
            return ShortCode(number, kind)
    raise ShortCodeExpired
