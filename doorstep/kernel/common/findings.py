"""What a checker found wrong: enough to go to the very row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` names the broken promise, ``table`` and ``row_id`` the place, ``text`` what was seen."""

    code: str
    table: str
    row_id: str
    text: str
