"""Pure decisions: registration numbers, committees, adverts, asking to join."""

from datetime import date
from uuid import UUID

import pytest

from doorstep.services.union.rules.founding import committee_form, term_end
from doorstep.services.union.rules.joining import Case, joining
from doorstep.services.union.rules.posts import refuse_post
from doorstep.services.union.rules.registration import (
    CHARACTERS,
    RegistrationNumberWrong,
    check_character,
    parse_registration_number,
)

HERE, THERE = UUID(int=1), UUID(int=2)


# Codes of the kind that are printed in the standard and on public registers.
@pytest.mark.parametrize(
    "code", ["91350100M000100Y43", "92430204MA40000019"[:17] + check_character("92430204MA4000001")]
)
def test_a_correct_registration_number_is_read(code):
    assert parse_registration_number(f" {code[:9].lower()} {code[9:]}") == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("91350100M000100Y4", "length"),
        ("", "length"),
        ("91350100M000100I43", "characters"),
        ("91350100M000100Y44", "check"),
    ],
)
def test_a_wrong_registration_number_says_what_is_wrong(text, code):
    with pytest.raises(RegistrationNumberWrong) as wrong:
        parse_registration_number(text)
    assert wrong.value.code == code


def test_every_single_wrong_character_of_a_registration_number_is_noticed():
    good = "91350100M000100Y43"
    for place in range(18):
        for other in CHARACTERS:
            if other != good[place]:
                with pytest.raises(RegistrationNumberWrong):
                    parse_registration_number(good[:place] + other + good[place + 1 :])


@pytest.mark.parametrize(
    ("members", "form"),
    [
        ({"a": 25}, "committee"),
        ({"a": 24}, ""),
        ({"a": 24, "b": 1}, "committee"),
        ({"a": 3, "b": 4}, "joint"),
        ({"a": 0}, ""),
    ],
)
def test_25_members_form_a_committee_and_fewer_join_together(members, form):
    assert committee_form(members) == form


def test_a_term_is_three_or_five_years():
    assert term_end(date(2025, 5, 9), 3) == date(2028, 5, 9)
    assert term_end(date(2024, 2, 29), 5) == date(2029, 2, 28)
    with pytest.raises(ValueError, match="3 or 5"):
        term_end(date(2025, 5, 9), 4)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("三号门十点关,走一号门", ""),
        ("下午 5 点后走建设北路,快 10 分钟", ""),
        ("短", "too_short"),
        ("长" * 281, "too_long"),
        ("电动车换电池找我 13800138000", "advert"),
        ("电动车换电池找我 1 3 8 0 0 1 3 8 0 0 0", "advert"),
        ("电话138-0013-8000,便宜", "advert"),
        ("点这里 http://x.example 领券", "advert"),
        ("加微信进群有单", "advert"),
    ],
)  # fmt: skip
def test_a_post_is_short_and_no_advert(text, refused):
    assert refuse_post(text) == refused


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (None, "new"),
        (Case(HERE, "left"), "new"),
        (Case(HERE, "pending"), "continue"),
        (Case(THERE, "pending"), "pending_elsewhere"),
        (Case(THERE, "rejected"), "again"),
        (Case(HERE, "approved"), "already_member"),
    ],
)
def test_what_asking_to_join_means(case, verdict):
    assert joining(case, HERE) == verdict
