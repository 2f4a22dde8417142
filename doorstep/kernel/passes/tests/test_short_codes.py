"""Typed codes: mistyping is caught, time is kept, numbers cannot be guessed."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.passes.codes import PassKind
from doorstep.kernel.passes.errors import ShortCodeExpired, ShortCodeMistyped
from doorstep.kernel.passes.short_codes import ShortCode, damm, permute, read_short_code, short_code
from doorstep.kernel.passes.tests.test_codes import NEW_SEED, OLD_SEED

AT = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)  # 12:30 in Zhuzhou, the start of a step
FULL_WIDTH = str.maketrans("0123456789 ", "0123456789 ")


def compact(text: str) -> str:
    return text.replace(" ", "")


def with_check(digits: str) -> str:
    return digits + str(damm(digits))


def test_damm_is_the_published_one() -> None:
    assert damm("572") == 4
    assert damm("5724") == 0


@given(st.integers(0, 10**13), st.sampled_from([PassKind.ENTITLEMENT, PassKind.ENTITLEMENT_PRINTED]))
def test_what_is_read_is_what_was_shown(number: int, kind: PassKind) -> None:
    text = short_code(number, AT, kind)
    assert read_short_code(text, AT) == ShortCode(number, kind)
    assert read_short_code(text.translate(FULL_WIDTH), AT) == ShortCode(number, kind)
    assert read_short_code(" " + compact(text) + " ", AT) == ShortCode(number, kind)
    assert read_short_code(text.replace(" ", "-"), AT) == ShortCode(number, kind)


def test_a_usual_code_has_thirteen_digits_in_groups_of_four() -> None:
    assert re.fullmatch(r"\d{4} \d{4} \d{4} \d", short_code(1, AT))
    assert re.fullmatch(r"\d{4} \d{4} \d{4} \d", short_code(2_499_999, AT))
    assert re.fullmatch(r"\d{4} \d{4} \d{4} \d\d", short_code(2_500_000, AT))


def test_every_wrong_digit_and_every_swap_of_neighbours_is_caught() -> None:
    text = compact(short_code(123_456, AT))
    for place, digit in enumerate(text):
        for other in "0123456789":
            if other != digit:
                with pytest.raises(ShortCodeMistyped):
                    read_short_code(text[:place] + other + text[place + 1 :], AT)
        if place and digit != text[place - 1]:
            swapped = text[: place - 1] + digit + text[place - 1] + text[place + 1 :]
            with pytest.raises(ShortCodeMistyped):
                read_short_code(swapped, AT)


@pytest.mark.parametrize("text", ["", "12", "一二三四", "1234 5678 9012 34567 89012", "123456789012x", "²234567890123"])
def test_what_is_no_code_at_all_is_mistyped(text: str) -> None:
    with pytest.raises(ShortCodeMistyped):
        read_short_code(text, AT)


@given(st.text(alphabet="0123456789 -xX", max_size=24))
def test_typed_nonsense_is_refused_by_name(text: str) -> None:
    with pytest.raises((ShortCodeMistyped, ShortCodeExpired)):
        read_short_code(text, datetime(2031, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(("seconds", "good"), [(-1, False), (0, True), (29, True), (59, True), (60, False)])
def test_a_shown_code_is_good_for_its_step_and_the_next(seconds: int, good: bool) -> None:
    text = short_code(77, AT)
    at = AT + timedelta(seconds=seconds)
    if good:
        assert read_short_code(text, at).number == 77
    else:
        with pytest.raises(ShortCodeExpired):
            read_short_code(text, at)


@pytest.mark.parametrize(
    ("at", "good"),
    [
        ("2026-03-01T15:59:59+00:00", False),
        ("2026-03-01T16:00:00+00:00", True),
        ("2026-03-02T15:59:59+00:00", True),
        ("2026-03-02T16:00:00+00:00", False),
    ],
)
def test_a_printed_code_is_good_on_its_day_in_the_city(at: str, good: bool) -> None:
    text = short_code(77, AT, PassKind.ENTITLEMENT_PRINTED)
    if good:
        assert read_short_code(text, datetime.fromisoformat(at)).kind is PassKind.ENTITLEMENT_PRINTED
    else:
        with pytest.raises(ShortCodeExpired):
            read_short_code(text, datetime.fromisoformat(at))


def test_a_guess_with_a_right_check_digit_is_refused(settings: Any) -> None:
    settings.SIGNING_KEY = OLD_SEED  # with a random key one guess in 50,000 would be right
    text = compact(short_code(77, AT))
    for guess in range(200):
        other = (int(text[7:12]) + 1 + guess * 431) % 100_000
        guessed = with_check(f"{text[:7]}{other:05d}")
        with pytest.raises(ShortCodeExpired):
            read_short_code(guessed, AT + timedelta(seconds=15))


def test_neighbouring_numbers_look_nothing_alike(settings: Any) -> None:
    settings.SIGNING_KEY = OLD_SEED
    shown = [compact(short_code(number, AT))[:7] for number in range(1_000, 1_200)]
    assert len(set(shown)) == 200
    steps = {int(after) - int(before) for before, after in pairwise(shown)}
    assert len(steps) > 190
    assert sum(before[:3] == after[:3] for before, after in pairwise(shown)) < 10


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_permutation_is_one(width: int) -> None:
    key = newest_key()
    image = [permute(key, value, width) for value in range(10**width)]
    assert sorted(image) == list(range(10**width))
    assert [permute(key, value, width, back=True) for value in image] == list(range(10**width))


def test_codes_of_the_old_key_are_still_read_after_a_change(settings: Any) -> None:
    settings.SIGNING_KEY = OLD_SEED
    text = short_code(77, AT)
    settings.SIGNING_KEY = f"{NEW_SEED},{OLD_SEED}"
    assert read_short_code(text, AT).number == 77
    assert short_code(77, AT) != text
    settings.SIGNING_KEY = NEW_SEED
    with pytest.raises(ShortCodeExpired):
        read_short_code(text, AT)


def test_what_has_no_short_code_is_refused() -> None:
    with pytest.raises(ValueError, match="no short codes for PERSON"):
        short_code(1, AT, PassKind.PERSON)
    with pytest.raises(ValueError, match="does not fit"):
        short_code(10**14, AT)
    with pytest.raises(ValueError, match="does not fit"):
        short_code(-1, AT)
