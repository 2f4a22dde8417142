"""Feedback: own meals only, once each; unsafe food on top; answers; averages; the auditor's view and the figures."""

import base64
import hashlib
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.audit import proofs
from doorstep.kernel.audit.models import Entry
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, TooMany
from doorstep.kernel.entitlements.models import Refusal, Use
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen import indicators
from doorstep.services.canteen.actions import feedback
from doorstep.services.canteen.models import Feedback
from doorstep.services.canteen.queries import audit
from doorstep.services.canteen.queries import feedback as asked
from doorstep.services.canteen.tests.served import DAY, NEXT, Served, as_person, key, noon

ROOT = Path(__file__).parents[4]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def served(cast: Cast) -> Served:
    return Served(cast)


def eaten(served: Served) -> tuple[Actor, Any]:
    """A diner and their meal."""
    [person_id] = served.diners(1)
    [use_id] = served.serve(served.venue(), [noon()], people=[person_id])
    return as_person(person_id), use_id


def rate(actor: Actor, use_id: Any, stars: int = 5, **more: Any) -> feedback.FeedbackReceipt:
    return feedback.rate_meal(actor=actor, at=more.pop("at", NEXT), key=key(), use_id=use_id, stars=stars, **more)


def test_a_meal_is_rated_once_by_who_ate_it(served: Served) -> None:
    diner, use_id = eaten(served)
    with pytest.raises(NotFound):
        rate(as_person(served.cast.stranger()), use_id)
    assert Feedback.objects.count() == 0
    rate(diner, use_id, 4, text="辣椒炒肉好吃")
    before = list(Feedback.objects.values())
    with pytest.raises(feedback.AlreadyRated):
        rate(diner, use_id, 1)
    assert list(Feedback.objects.values()) == before


@pytest.mark.parametrize("stars", [0, 6])
def test_stars_are_one_to_five(served: Served, stars: int) -> None:
    diner, use_id = eaten(served)
    with pytest.raises(Invalid):
        rate(diner, use_id, stars)
    assert Feedback.objects.count() == 0


def test_a_meal_can_be_rated_for_thirty_days(served: Served) -> None:
    diner, use_id = eaten(served)
    with pytest.raises(feedback.RatingTooLate):
        rate(diner, use_id, at=noon() + timedelta(days=30, seconds=1))
    assert Feedback.objects.count() == 0
    assert rate(diner, use_id, at=noon() + timedelta(days=30)).kind == "rating"


def test_a_reversed_meal_is_not_rated(served: Served) -> None:
    diner, use_id = eaten(served)
    Use.objects.filter(pk=use_id).update(reversed_at=NEXT, slot=None)
    with pytest.raises(NotFound):
        rate(diner, use_id)


def test_a_photo_must_be_ones_own_picture(served: Served) -> None:
    diner, use_id = eaten(served)
    own = store_file(actor=diner, at=NEXT, name="a.png", content=PNG)
    paper = store_file(actor=diner, at=NEXT, name="a.pdf", content=b"%PDF-1.7")
    other = store_file(actor=as_person(served.cast.stranger()), at=NEXT, name="b.png", content=PNG + b"1")
    for wrong in (paper, other):
        with pytest.raises(Invalid):
            rate(diner, use_id, photo_id=wrong.pk)
    rate(diner, use_id, photo_id=own.pk)
    assert Feedback.objects.get().photo_id == own.pk


def test_a_food_safety_report_comes_first_and_tells_officers_at_once(served: Served) -> None:
    officer, venue = served.cast.officer(), served.venue()
    manager = served.manager(venue)
    diner, use_id = eaten(served)
    common = {"actor": diner, "at": NEXT, "venue_id": venue.pk}
    feedback.report_food_safety(**common, key=key(), severity=1, text="菜里有头发")
    feedback.report_food_safety(**common, key=key(), severity=3, text="三个人拉肚子", use_id=use_id)
    feedback.complain(**common, key=key(), text="等太久")
    listed = asked.desk([served.union])
    assert [(row.kind, row.severity) for row in listed] == [
        ("food_safety", 3),
        ("food_safety", 1),
        ("complaint", None),
    ]
    told = Notice.objects.filter(person_id=officer.id, template="canteen.food_safety")
    assert sorted(told.values_list("channel", flat=True)) == ["in_app", "in_app", "sms", "sms"]
    assert "多人不舒服,或已就医。三个人拉肚子" in set(told.values_list("body", flat=True))
    assert Notice.objects.filter(person_id=manager.id).values_list("template", flat=True).get() == "canteen.complaint"
    assert asked.counts([served.union]) == asked.DeskCounts(2, 1, 0, 0)


def test_the_restaurant_sees_no_name_with_a_food_safety_report_and_cannot_close_it(served: Served) -> None:
    venue = served.venue()
    diner, _use = eaten(served)
    receipt = feedback.report_food_safety(actor=diner, at=NEXT, key=key(), venue_id=venue.pk, severity=2, text="肚子疼")
    manager = served.manager(venue)
    assert asked.desk([venue.organisation_id])[0].person == ""
    assert asked.one(receipt.feedback_id, manager, NEXT).may_answer is False
    assert asked.one(receipt.feedback_id, served.cast.officer(), NEXT).person == "凌*"
    with pytest.raises(feedback.UnionAnswers):
        answer(manager, receipt.feedback_id)
    assert Feedback.objects.get().answered_at is None
    answer(served.cast.officer(), receipt.feedback_id)
    assert Feedback.objects.get().answer == "已经整改"


def answer(actor: Actor, feedback_id: Any) -> feedback.FeedbackReceipt:
    return feedback.answer_feedback(actor=actor, at=NEXT, key=key(), feedback_id=feedback_id, answer="已经整改")


def test_a_complaint_is_answered_once_and_the_diner_is_told(served: Served) -> None:
    diner, _use = eaten(served)
    receipt = feedback.complain(actor=diner, at=NEXT, key=key(), venue_id=served.venue().pk, text="等太久")
    for stranger in (as_person(served.cast.stranger()), served.manager(served.venue("湘味小馆"))):
        with pytest.raises(NotAllowed):
            answer(stranger, receipt.feedback_id)
    answer(served.manager(served.venue()), receipt.feedback_id)
    assert Notice.objects.get(person_id=diner.id).title == "老株洲饭店 的反馈有答复了"
    with pytest.raises(feedback.AlreadyAnswered):
        answer(served.cast.officer(), receipt.feedback_id)


def test_averages_are_exact_to_a_tenth_and_public(served: Served) -> None:
    venue, quiet = served.venue(), served.venue("湘味小馆")
    for stars in (5, 4, 4):
        diner, use_id = eaten(served)
        rate(diner, use_id, stars)
    found = asked.averages([venue.pk, quiet.pk])
    assert (found[venue.pk], found[venue.pk].text) == (asked.Average(3, 43), "4.3")
    assert (found[quiet.pk], found[quiet.pk].text) == (asked.Average(0, 0), "")
    assert [row.stars for row in asked.public_ratings(venue.pk)] == [4, 4, 5]


def test_nothing_is_said_without_words(served: Served) -> None:
    diner, _use = eaten(served)
    with pytest.raises(Invalid):
        feedback.complain(actor=diner, at=NEXT, key=key(), venue_id=served.venue().pk, text=" ")
    with pytest.raises(Invalid):
        feedback.report_food_safety(actor=diner, at=NEXT, key=key(), venue_id=served.venue().pk, severity=4, text="x")
    assert Feedback.objects.count() == 0


def test_feedback_lists_take_the_same_number_of_statements_for_one_and_twenty(served: Served) -> None:
    counts = []
    for number in range(1, 21):
        diner, use_id = eaten(served)
        rate(diner, use_id)
        if number in (1, 20):
            with CaptureQueriesContext(connection) as caught:
                assert len(asked.desk([served.union])) == number
                asked.averages([served.venue().pk])
                asked.recent_meals(diner.id)
            counts.append(len(caught))
    assert counts[0] == counts[1]
    with pytest.raises(TooMany):
        asked.desk([served.union], limit=101)


# The auditor's view


def test_an_auditor_finds_uses_by_day_venue_and_pseudonym(served: Served) -> None:
    venue, other = served.venue(), served.venue("湘味小馆")
    [regular] = served.diners(1)
    mine = served.serve(venue, [noon(), at_local(DAY, 18)], people=[regular, regular])
    served.serve(other, [noon(1), noon(day=date(2025, 5, 6))])
    everything = audit.uses([served.union])
    assert len(everything) == 4
    known = audit.pseudonym(regular)
    assert str(regular) not in known
    assert [row.id for row in audit.uses([served.union], person=known)] == mine[::-1]
    assert len(audit.uses([served.union], day=DAY)) == 3
    assert [row.venue_name for row in audit.uses([served.union], day=DAY, venue_id=other.pk)] == ["湘味小馆"]
    assert audit.uses([other.organisation_id]) == []
    with pytest.raises(Invalid):
        audit.uses([served.union], person="abc")


def test_pseudonyms_differ_and_can_be_undone_only_here(served: Served) -> None:
    people = served.diners(50)
    assert len({audit.pseudonym(person) for person in people}) == 50
    assert [audit.person_behind(audit.pseudonym(person)) for person in people] == people


def test_one_use_shows_what_proves_it_and_a_stranger_sees_nothing(served: Served) -> None:
    [use_id] = served.serve(served.venue(), [noon()])
    seal(NEXT)
    proof = audit.use_proof(use_id, served.cast.auditor(), NEXT)
    assert proof.agrees
    assert [(move.amount_fen, move.code) for move in proof.moves] == [(400, "entitlement.use")]
    assert proof.entries[0].index is not None
    content = audit.facts_file(use_id, served.cast.auditor(), NEXT)
    assert hashlib.sha256(content.encode()).hexdigest() == proof.logged_sha256
    for actor in (as_person(served.cast.stranger()), served.manager(served.venue())):
        with pytest.raises(NotAllowed):
            audit.use_proof(use_id, actor, NEXT)


def test_a_changed_use_no_longer_agrees_with_the_log(served: Served) -> None:
    [use_id] = served.serve(served.venue(), [noon()])
    Use.objects.filter(pk=use_id).update(evidence={"touched": True})
    assert not audit.use_proof(use_id, served.cast.auditor(), NEXT).agrees


def test_the_proof_an_auditor_downloads_convinces_the_independent_checker(served: Served, tmp_path: Path) -> None:
    [use_id] = served.serve(served.venue(), [noon()])
    seal(NEXT)
    [entry] = Entry.objects.filter(subject_kind="use", subject_id=use_id)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proofs.inclusion(entry.pk)))
    public = base64.b64encode(newest_key().public_bytes).decode()
    command = [sys.executable, str(ROOT / "docs" / "verify_audit.py"), "--key", public, str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    file.write_text(file.read_text().replace("canteen.redeem_voucher", "canteen.redeem_vouchers"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_the_checkers_find_nothing_in_an_honest_house(served: Served) -> None:
    served.serve(served.venue(), [noon()])
    assert {checked.name: checked.findings for checked in audit.check_everything()} == {
        "ledger": (),
        "entitlements": (),
        "log": (),
    }


# Figures


def test_figures_keep_persons_and_person_times_apart(served: Served) -> None:
    venue = served.venue()
    [regular] = served.diners(1)
    served.serve(venue, [noon(), at_local(DAY, 18), noon(day=date(2025, 5, 6))], people=[regular] * 3)
    served.serve(venue, [noon(1)], kind="free")
    Refusal.objects.create(code="already_used", place=venue.place, at=noon())
    first = date(2025, 5, 5)
    assert indicators.totals([served.union], first, DAY) == indicators.Totals(4, 2, 2500, 2700, 5200, 1)
    assert indicators.totals([served.union], first, DAY).refused_percent == "20.0"
    assert indicators.by_day([served.union], first, DAY) == [
        (date(2025, 5, 5), 0, 0, 0),
        (date(2025, 5, 6), 1, 1, 400),
        (DAY, 3, 2, 2100),
    ]
    rows = indicators.by_day_venue_meal([served.union], DAY, DAY)
    assert [(row.window, row.uses, row.persons, row.payer_fen) for row in rows] == [
        ("lunch", 2, 2, 1700),
        ("dinner", 1, 1, 400),
    ]
    assert indicators.waiting([served.union], DAY, DAY) == indicators.Waiting(60, 1)
    with pytest.raises(Invalid):
        indicators.totals([served.union], date(2024, 5, 6), DAY)
