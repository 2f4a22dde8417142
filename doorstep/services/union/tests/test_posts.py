"""The experience board: members write, somebody else lets through."""

from datetime import timedelta

import pytest

from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed, NotSignedIn, WrongState
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.union import refusals
from doorstep.services.union.actions import board
from doorstep.services.union.models import Post
from doorstep.services.union.queries import board as queries
from doorstep.services.union.tests.world import UnionWorld, key

pytestmark = pytest.mark.django_db
TEXT = "三号门十点关,夜宵走一号门。"


def write(world: UnionWorld, name="何骁", text=TEXT, category="gate", at=None, actor=None):
    return board.write_post(
        actor=actor or world.person(name), at=at or world.at, key=key(), category=category, text=text
    )


def decide(world: UnionWorld, post_id, shown=True, reason="", actor=None):
    return board.decide_post(
        actor=actor or world.officer, at=world.at, key=key(), post_id=post_id, shown=shown, reason=reason
    )


def refused(problem, call, code=None):
    before = sorted(Post.objects.values_list("pk", "state", "reason"))
    with pytest.raises(problem) as caught:
        call()
    assert caught.type is problem
    assert code is None or caught.value.code == code
    assert sorted(Post.objects.values_list("pk", "state", "reason")) == before


def test_a_tip_is_seen_when_a_moderator_let_it_through(union_world: UnionWorld):
    union_world.member("何骁")
    post = write(union_world)
    assert queries.posts() == ([], False)
    assert decide(union_world, post) == "shown"
    ((seen,), more) = queries.posts(district_id=union_world.union, category="gate")
    assert (seen.text, seen.district_id, more) == (TEXT, union_world.union, False)
    assert queries.posts(category="route") == ([], False)
    refused(WrongState, lambda: decide(union_world, post))
    refused(Invalid, lambda: decide(union_world, post, shown=False))
    assert decide(union_world, post, shown=False, reason="门禁变了") == "hidden"
    assert queries.posts() == ([], False)


def test_only_members_write_short_honest_tips(union_world: UnionWorld):
    refused(refusals.MembersOnly, lambda: write(union_world, actor=union_world.stranger))
    refused(NotSignedIn, lambda: write(union_world, actor=SYSTEM))
    union_world.apply("何骁")
    refused(refusals.MembersOnly, lambda: write(union_world))
    union_world.approve(union_world.apply("何骁").membership_id)
    refused(Invalid, lambda: write(union_world, category="ads"))
    refused(refusals.PostRefused, lambda: write(union_world, text="加微信有单可以接"), "post_advert")
    refused(refusals.PostRefused, lambda: write(union_world, text="短"), "post_too_short")
    refused(refusals.PostRefused, lambda: write(union_world, text="长" * 281), "post_too_long")


def test_five_a_day_in_the_citys_day(union_world: UnionWorld):
    union_world.member("何骁")
    for hour in range(5):
        write(union_world, at=union_world.at + timedelta(hours=hour))
    refused(refusals.TooManyPosts, lambda: write(union_world, at=union_world.at + timedelta(hours=11, minutes=59)))
    write(union_world, at=union_world.at + timedelta(hours=12))
    assert Post.objects.count() == 6


def test_moderators_of_the_district_decide_and_not_about_their_own(union_world: UnionWorld):
    union_world.member("何骁")
    post = write(union_world)
    elsewhere = union_world.cast.appointed("别处经办", "union_officer", union_world.cast.organisation("荷塘区总工会"))
    for actor in (elsewhere, union_world.stranger, union_world.leader):
        refused(NotAllowed, lambda actor=actor: decide(union_world, post, actor=actor))
    asked = union_world.apply("文经办")
    second = union_world.cast.appointed("第二经办", "union_officer", union_world.union)
    union_world.approve(asked.membership_id, actor=second)
    own = write(union_world, actor=union_world.officer)
    refused(FourEyes, lambda: decide(union_world, own))
    assert decide(union_world, own, actor=second) == "shown"
