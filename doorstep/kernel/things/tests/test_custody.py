"""Custody: the holder is the last event, a hand-over happens once and only from the holder."""

import hashlib
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed, NotFound, TooMany
from doorstep.kernel.things import actions, errors, queries
from doorstep.kernel.things.actions import Holder, Proof
from doorstep.kernel.things.models import CustodyEvent, Thing
from doorstep.kernel.things.tests.conftest import Station, key

pytestmark = pytest.mark.django_db


def test_a_thing_is_its_organisations_until_it_is_handed_over(station: Station) -> None:
    thing = station.thing().thing_id
    assert queries.holder_of(thing) == station.house
    receipt = station.hand(
        thing, station.house, station.hands(), proof=Proof("code", "3-2-1001"), place_id=station.place
    )
    assert (receipt.ordinal, receipt.giver, receipt.receiver) == (2, station.house, station.hands())
    assert queries.holder_of(thing) == station.hands()
    back = station.hand(thing, station.hands(), station.house, condition="worn", note="边角磨损")
    assert (back.ordinal, back.condition) == (3, "worn")
    history = queries.custody_of(thing)
    assert [(line.ordinal, line.kind, line.condition, line.proof_kind) for line in history] == [
        (3, "handed", "worn", "none"),
        (2, "handed", "good", "code"),
        (1, "registered", "good", "none"),
    ]
    assert queries.verify() == []


def test_who_does_not_hold_it_cannot_give_it(station: Station) -> None:
    thing = station.thing().thing_id
    with pytest.raises(errors.NotTheHolder):
        station.hand(thing, station.hands(), station.hands("何小妹"))
    assert queries.holder_of(thing) == station.house
    assert CustodyEvent.objects.count() == 1


def test_the_same_key_is_one_hand_over_and_another_with_it_is_refused(station: Station) -> None:
    thing, same = station.thing().thing_id, key()
    first = station.hand(thing, station.house, station.hands(), key=same)
    assert station.hand(thing, station.house, station.hands(), key=same, at=station.at + timedelta(minutes=5)) == first
    with pytest.raises(KeyReused):
        station.hand(thing, station.house, station.hands("何小妹"), key=same)
    assert CustodyEvent.objects.count() == 2


def test_a_barcode_is_unique_in_its_organisation_only(station: Station) -> None:
    station.thing("A-1")
    with pytest.raises(errors.BarcodeTaken), transaction.atomic():
        station.thing("A-1")
    elsewhere = station.cast.organisation("别家驿站", kind="station")
    with transaction.atomic():
        actions.register_thing(
            actor=station.keeper(), at=station.at, key=key(), organisation_id=station.organisation, barcode=" A-2 ",
            kind="parcel", name="包裹",
        )  # fmt: skip
    assert queries.by_barcode(station.organisation, "A-2").barcode == "A-2"
    with pytest.raises(errors.UnknownThing):
        queries.by_barcode(elsewhere, "A-1")
    assert Thing.objects.count() == 2


def test_who_gives_may_record_it_and_strangers_may_not(station: Station) -> None:
    thing = station.thing(holder=station.hands("凌涛")).thing_id
    giver, receiver = station.hands("凌涛"), station.hands("何小妹")
    for actor in (station.person("何小妹"), station.person("路人甲"), station.scanner()):
        with pytest.raises(NotAllowed):
            station.hand(thing, giver, receiver, actor=actor)
    station.hand(thing, giver, receiver, actor=station.person("凌涛"))
    station.hand(thing, receiver, station.house, actor=station.keeper())
    station.hand(thing, station.house, giver, actor=station.scanner())
    assert queries.holder_of(thing) == giver
    with pytest.raises(NotAllowed):
        station.hand(thing, giver, receiver, actor=station.scanner(station.cast.organisation("别家")))


def test_the_scanner_at_a_place_gives_what_the_place_holds(station: Station) -> None:
    shelf = Holder("place", station.place)
    thing = station.thing(holder=shelf).thing_id
    elsewhere = station.scanner(station.cast.organisation("别家"))  # another's device, but at this place
    station.hand(thing, shelf, station.hands(), actor=elsewhere)
    assert queries.holder_of(thing) == station.hands()


@pytest.mark.parametrize(
    ("proof", "right"),
    [
        (Proof("none", ""), True),
        (Proof("none", "x"), False),
        (Proof("code", "12-3-4567"), True),
        (Proof("code", ""), False),
        (Proof("photo", hashlib.sha256(b"photo").hexdigest()), True),
        (Proof("photo", "photo.jpg"), False),
        (Proof("signature", "ab" * 64), True),
        (Proof("signature", "ab" * 32), False),
        (Proof("word", "x"), False),
    ],
)
def test_a_proof_has_its_form(station: Station, proof: Proof, right: bool) -> None:
    thing = station.thing().thing_id
    if right:
        station.hand(thing, station.house, station.hands(), proof=proof)
        assert CustodyEvent.objects.get(ordinal=2).proof_value == proof.value
    else:
        with pytest.raises(errors.ProofWrong):
            station.hand(thing, station.house, station.hands(), proof=proof)
        assert CustodyEvent.objects.count() == 1


def test_what_cannot_be_right_is_refused(station: Station) -> None:
    thing = station.thing().thing_id
    with pytest.raises(Invalid):
        station.hand(thing, station.house, station.house)
    with pytest.raises(NotFound):
        station.hand(thing, station.house, Holder("person", station.organisation))
    with pytest.raises(Invalid):
        station.hand(thing, station.house, Holder("cat", station.organisation))
    with pytest.raises(Invalid):
        station.hand(thing, station.house, station.hands(), condition="shiny")
    with pytest.raises(errors.UnknownThing):
        station.hand(station.organisation, station.house, station.hands())
    for wrong in ({"quantity": 0}, {"name": " "}, {"barcode": ""}, {"condition": "shiny"}):
        with pytest.raises(Invalid):
            station.thing(**{"barcode": "B-1", **wrong})
    assert CustodyEvent.objects.count() == Thing.objects.count() == 1


def test_an_inspection_changes_the_condition_and_not_the_holder(station: Station) -> None:
    thing = station.thing(holder=station.hands()).thing_id
    with pytest.raises(NotAllowed):
        actions.inspect_thing(actor=station.person(), at=station.at, key=key(), thing_id=thing, condition="new")
    actions.inspect_thing(
        actor=station.keeper(), at=station.at, key=key(), thing_id=thing, condition="damaged",
        proof=Proof("photo", "0" * 64),
    )  # fmt: skip
    assert (queries.holder_of(thing), Thing.objects.get(pk=thing).condition) == (station.hands(), "damaged")
    assert queries.verify() == []


def test_a_retired_thing_moves_no_more(station: Station) -> None:
    thing = station.thing().thing_id
    actions.retire_thing(
        actor=station.keeper(), at=station.at, key=key(), thing_id=thing, condition="lost", note="盘点未见"
    )
    with pytest.raises(errors.ThingRetired):
        station.hand(thing, station.house, station.hands())
    assert queries.held_by(station.house) == []
    assert queries.verify() == []


def test_what_somebody_holds_is_bounded_paged_and_one_statement(station: Station) -> None:
    for number in range(22):
        station.thing(f"C-{number:02}")
    station.hand(queries.by_barcode(station.organisation, "C-00").pk, station.house, station.hands())
    for limit in (1, 20):
        with CaptureQueriesContext(connection) as seen:
            rows = queries.held_by(station.house, limit=limit)
        assert (len(rows), len(seen)) == (limit, 1)
    assert [row.barcode for row in queries.held_by(station.house, after=rows[-1].thing_id)] == ["C-21"]
    assert [row.barcode for row in queries.held_by(station.hands())] == ["C-00"]
    with pytest.raises(TooMany):
        queries.held_by(station.house, limit=101)


def test_the_application_cannot_change_custody(station: Station, as_application: None) -> None:
    station.thing()
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        CustodyEvent.objects.update(note="x")


def test_the_database_keeps_one_event_an_ordinal(station: Station) -> None:
    thing = station.thing().thing_id
    with pytest.raises(IntegrityError, match="custody_ordinal_once"), transaction.atomic():
        CustodyEvent.objects.create(
            thing_id=thing, ordinal=1, kind="registered", to_kind="place", to_id=station.place, condition="good",
            by_kind="system", at=station.at,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ("UPDATE things_thing SET holder_id = organisation_id, holder_kind = 'organisation'", {"holder_differs"}),
        ("UPDATE things_thing SET condition = 'new'", {"holder_differs"}),
        ("UPDATE things_custodyevent SET note = 'x' WHERE ordinal = 2", {"custody_event_differs"}),
        (
            "UPDATE things_custodyevent SET from_id = to_id WHERE ordinal = 2",
            {"custody_broken", "custody_event_differs"},
        ),
        ("DELETE FROM things_custodyevent WHERE ordinal = 2", {"holder_differs", "custody_event_missing"}),
    ],
)
def test_what_was_changed_behind_the_actions_is_found(station: Station, change: str, codes: set[str]) -> None:
    thing = station.thing().thing_id
    station.hand(thing, station.house, station.hands())
    assert queries.verify() == []
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert {finding.code for finding in queries.verify()} == codes
