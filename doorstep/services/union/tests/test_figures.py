"""The page's figures of the federation come out of the story's records, and a wrong record shows."""

import pytest
from django.db import connection

from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotFound
from doorstep.services.union import figures, story_members
from doorstep.services.union.models import Belonging, Membership, Merchant, UploadedList
from doorstep.services.union.queries import levels

pytestmark = pytest.mark.django_db


def test_the_federations_figures_come_out_and_a_wrong_record_shows():
    story_members.tell("small", lambda _text, _done, _total: None)
    joined, linkage = figures.joined(), figures.linkage()
    assert (joined.computed, joined.evidence, joined.holds) == ("104 家商户,986 人", 1090, True)
    assert (linkage.computed, linkage.evidence, linkage.holds) == (
        "街道党工委 1 + 工会联合会 1 + 行业协会 3 + 商户联盟 6", 10, True,
    )  # fmt: skip
    assert figures.figure_rows("joined").total == 986
    assert len(figures.figure_rows("joined").rows) == 100
    assert figures.figure_rows("linkage").total == 6
    lists = UploadedList.objects.order_by("at").values_list("rows", "accepted")
    assert list(lists) == [(106, 104), (264, 262), (186, 184), (94, 92), (50, 48), (402, 400)]
    assert levels.verify(now()) == []
    # Since then people came and one left the pool: today differs, the page's day does not.
    assert Belonging.objects.filter(valid_until=None).count() == 988

    Merchant.objects.filter(pk__in=Merchant.objects.order_by("pk").values("pk")[:5]).update(joined_at=now())
    assert figures.joined().holds is False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE organisations_link SET until = since WHERE kind = 'four_level'")
    assert figures.linkage().holds is False


def test_without_records_nothing_is_claimed():
    assert [figure.holds for figure in (figures.joined(), figures.linkage())] == [False, False]
    assert figures.figure_rows("joined").total == figures.figure_rows("linkage").total == 0
    with pytest.raises(NotFound):
        figures.figure_rows("nonsense")


def test_the_story_leaves_people_waiting_at_the_desk():
    story_members.tell("small", lambda _text, _done, _total: None)
    assert Membership.objects.filter(state="pending").count() == 6
    assert Membership.objects.get(person__username="demo-member").attempts == 2
