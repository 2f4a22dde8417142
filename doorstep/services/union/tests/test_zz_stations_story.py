"""The stations' part of the story gives the page's figures, and a wrong record shows."""

from collections.abc import Callable

import pytest
from django.db import connection

from doorstep.services.union import story_stations
from doorstep.services.union.figures_stations import EVIDENCE, FIGURES
from doorstep.services.union.models import Facility, PrizeClaim, Score, Station, Visit

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


PLANTED: dict[str, list[Callable[[], object]]] = {
    "games": [
        lambda: Score.objects.filter(value__lt=50).update(value=1),
        lambda: PrizeClaim.objects.first().delete(),  # type: ignore[union-attr]
    ],
    "home": [lambda: Facility.objects.filter(station__gate__contains="1 号门", code="fridge").update(state="removed")],
    "stations": [lambda: Station.objects.filter(kind="union_station").first().place.__class__.objects.filter(  # type: ignore[union-attr]
        union_station__kind="union_station").update(opened_on="2025-06-01")],
    "visits": [lambda: Visit.objects.filter(pk__in=Visit.objects.values("pk")[:1000]).delete()],
}  # fmt: skip


def test_the_story_gives_the_figures_and_a_wrong_record_shows() -> None:
    steps: list[tuple[str, int, int]] = []
    story_stations.tell("small", lambda *step: steps.append(step))
    figures = {key: compute() for key, compute in FIGURES.items()}
    assert {figure.number: figure.holds for figure in figures.values()} == {6: True, 11: True, 12: True, 13: True}
    assert figures["home"].computed == "40 平方米,万达广场 1 号门旁,6 项设施"
    assert figures["stations"].computed == "20 个劳动者之家,7 个工会驿站"
    assert figures["visits"].computed == f"{Visit.objects.count():,} 人次"
    assert figures["visits"].evidence == Visit.objects.values("slot").distinct().count() > 8000
    assert all(EVIDENCE[key]().total > 0 for key in FIGURES)
    assert sum(count for _label, count in figures["visits"].series) == figures["visits"].evidence
    for key, plants in PLANTED.items():
        for plant in plants:
            execute("SAVEPOINT planted")
            plant()
            assert FIGURES[key]().holds is False, f"figure {key} did not notice"
            execute("ROLLBACK TO SAVEPOINT planted")
    assert all(compute().holds for compute in FIGURES.values())


def test_an_empty_system_claims_nothing() -> None:
    assert not any(compute().holds for compute in FIGURES.values())
