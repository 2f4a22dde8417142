"""Money is an integer number of fen (1 yuan = 100 fen); there are no floats anywhere near it."""

import re
import unicodedata
from decimal import Decimal

MAX_FEN = 10**14  # ten thousand times a district's yearly canteen budget: a typing error, not a sum


def format_fen(fen: int) -> str:
    """1300 → ``13.00``, with thousands separators."""
    sign = "-" if fen < 0 else ""
    yuan, rest = divmod(abs(fen), 100)
    return f"{sign}{yuan:,}.{rest:02d}"


_PLAIN = re.compile(r"^-?\d{1,12}(\.\d{1,2})?$")


def parse_yuan(text: str) -> int:
    """``"13"``, ``"13.5"`` or ``"1,300.00"`` → fen.

    Raises: ValueError for anything that is not an exact amount of fen.
    """
    plain = unicodedata.normalize("NFKC", text).strip().replace(",", "").removesuffix("元").strip()
    if not _PLAIN.match(plain):
        raise ValueError(f"not an amount in yuan: {text!r}")
    return int(Decimal(plain) * 100)
