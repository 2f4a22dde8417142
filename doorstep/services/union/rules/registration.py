"""Unified social credit codes of organisations (GB 32100-2015): a pure check on text.

Eighteen characters of 31 (digits and capitals without I, O, S, V, Z); the last is a check character, weights 3^i modulo 31.
"""

import unicodedata

CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LENGTH = 18
_VALUES = {character: value for value, character in enumerate(CHARACTERS)}


class RegistrationNumberWrong(ValueError):
    """``code`` says what is wrong: length, characters, check."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_character(first_17: str) -> str:
    total = sum(_VALUES[character] * pow(3, place, 31) for place, character in enumerate(first_17))
    return CHARACTERS[(31 - total % 31) % 31]


def parse_registration_number(text: str) -> str:
    """Raises: RegistrationNumberWrong, the first thing found wrong."""
    number = "".join(unicodedata.normalize("NFKC", text).split()).upper()
    if len(number) != LENGTH:
        raise RegistrationNumberWrong("length")
    if any(character not in _VALUES for character in number):
        raise RegistrationNumberWrong("characters")
    if check_character(number[:17]) != number[17]:
        raise RegistrationNumberWrong("check")
    return number
