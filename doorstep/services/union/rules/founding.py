"""How many members make a committee, and how long it sits. Pure.

Trade Union Law of the People's Republic of China, article 11: 25 members or more set up a basic-level committee; fewer may set up
one together with other units. Article 16: a basic-level committee sits for three or five years.
"""

from collections.abc import Mapping
from datetime import date

COMMITTEE_MEMBERS = 25
TERM_YEARS = (3, 5)


def committee_form(members_by_unit: Mapping[str, int]) -> str:
    """``committee`` or ``joint``; empty when one unit alone has too few and must join with others."""
    if sum(members_by_unit.values()) >= COMMITTEE_MEMBERS:
        return "committee"
    return "joint" if len(members_by_unit) > 1 else ""


def term_end(elected_on: date, term_years: int) -> date:
    """The day on which the next committee is due. Raises: ValueError for a term the law does not know."""
    if term_years not in TERM_YEARS:
        raise ValueError(f"a committee sits for 3 or 5 years, not {term_years}")
    try:
        return elected_on.replace(year=elected_on.year + term_years)
    except ValueError:  # 29 February
        return elected_on.replace(year=elected_on.year + term_years, day=28)
