"""Identity numbers after GB 11643 and mobile numbers: what is right, and the first thing that is wrong."""

from datetime import date

import pytest

from doorstep.kernel.people.identity import IdentityNumberWrong, check_character, parse_identity_number, parse_phone

TODAY = date(2025, 5, 7)
FIRST_17 = "43021119900307101"
GOOD = FIRST_17 + check_character(FIRST_17)


def test_the_standards_own_example_has_its_check_character():
    assert check_character("11010519491231002") == "X"  # GB 11643-1999, appendix
    assert parse_identity_number("11010519491231002X", TODAY).born == date(1949, 12, 31)


def test_a_good_number_says_birth_date_and_sex():
    identity = parse_identity_number(GOOD, TODAY)
    assert (identity.number, identity.born, identity.male) == (GOOD, date(1990, 3, 7), True)
    assert parse_identity_number("11010519491231002x", TODAY).male is False


FULL_WIDTH = "".join(chr(ord(character) + 0xFEE0) for character in "11010519491231002X")


@pytest.mark.parametrize("text", ["11010519491231002x", " 110105 19491231 002X ", FULL_WIDTH])
def test_spaces_and_full_width_digits_are_read(text: str):
    assert parse_identity_number(text, TODAY).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1101051949123100", "length"),
        ("110105194912310020X", "length"),
        ("A1010519491231002X", "length"),
        ("99010519491231002X", "region"),
        ("11010519491331002X", "birth_date"),
        ("11010520250229002X", "birth_date"),
        ("110105203001010027", "birth_date"),
        ("11010518991231002X", "birth_date"),
        ("110105194912310021", "check_digit"),
    ],
)
def test_what_is_wrong_is_named(text: str, code: str):
    with pytest.raises(IdentityNumberWrong) as caught:
        parse_identity_number(text, TODAY)
    assert caught.value.code == code


def test_every_single_wrong_digit_and_every_swap_of_neighbours_is_caught():
    for place in range(17):
        for digit in "0123456789":
            if digit != GOOD[place]:
                with pytest.raises(IdentityNumberWrong):
                    parse_identity_number(GOOD[:place] + digit + GOOD[place + 1 :], TODAY)
    for place in range(16):
        if GOOD[place] != GOOD[place + 1]:
            swapped = GOOD[:place] + GOOD[place + 1] + GOOD[place] + GOOD[place + 2 :]
            with pytest.raises(IdentityNumberWrong):
                parse_identity_number(swapped, TODAY)


@pytest.mark.parametrize("text", ["13807311234", "+86 138 0731 1234", "0086-138-0731-1234", "(138)07311234"])
def test_mobile_numbers_are_read_as_people_write_them(text: str):
    assert parse_phone(text) == "13807311234"


@pytest.mark.parametrize("text", ["", "12807311234", "1380731123", "138073112345", "0731-28881234", "+1 5551234567"])
def test_what_is_no_mobile_number_is_refused(text: str):
    with pytest.raises(ValueError, match="not a mobile number"):
        parse_phone(text)
