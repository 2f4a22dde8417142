"""Writing, sealing, proving and checking the log."""

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from doorstep.engines import merkle
from doorstep.kernel.audit import log, proofs, queries
from doorstep.kernel.audit.errors import EntryNotFound, HeadNotFound, NotSealedYet
from doorstep.kernel.audit.heads import head_text
from doorstep.kernel.audit.models import Entry, Head, Leaf, Pending, Subtree
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.audit.verify import verify
from doorstep.kernel.common.actor import person_actor, system_actor
from doorstep.kernel.common.ids import uuid7

AT = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
RIDER = person_actor(UUID("019a0000-0000-7000-8000-000000000001"), "骑手")

pytestmark = pytest.mark.django_db


def write(count: int, *, action: str = "canteen.redeem_voucher") -> list[Entry]:
    return [
        log.record(
            actor=RIDER, action=action, subject_kind="entitlement", subject_id=uuid7(), at=AT, data={"餐": number}
        )
        for number in range(count)
    ]


def test_a_record_is_one_statement_and_waits_to_be_sealed(django_assert_num_queries: Callable) -> None:
    subject = uuid7()
    with django_assert_num_queries(1):
        entry = log.record(
            actor=RIDER, action="canteen.redeem_voucher", subject_kind="entitlement", subject_id=subject, at=AT,
            data={"meal": "lunch", "amount_fen": 1300},
        )  # fmt: skip
    stored = Entry.objects.get()
    assert (stored.id, stored.at, stored.body, stored.recorded_at) == (entry.id, AT, entry.body, entry.recorded_at)
    assert stored.body == (
        '{"action":"canteen.redeem_voucher","actor_id":"019a0000-0000-7000-8000-000000000001","actor_kind":"person",'
        '"at":"2026-03-02T04:30:00.000000+00:00","data":{"amount_fen":1300,"meal":"lunch"},'
        f'"id":"{entry.id}","organisation_id":null,"subject_id":"{subject}","subject_kind":"entitlement"}}'
    )
    assert Pending.objects.get().entry_id == entry.id
    assert verify() == []


def test_an_entry_needs_an_aware_time_a_name_and_a_bounded_body() -> None:
    def attempt(**change: object) -> None:
        given = {"actor": RIDER, "action": "a.b", "subject_kind": "x", "subject_id": None, "at": AT, "data": {}}
        log.record(**{**given, **change})  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="aware"):
        attempt(at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="names its action"):
        attempt(action="")
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        attempt(data={"text": "长" * 30_000})
    assert Entry.objects.count() == 0


def test_a_hot_path_adds_the_entry_to_its_own_statement() -> None:
    sql = "WITH used AS (SELECT 1 WHERE %s), " + log.entry_cte(only_if="used") + " SELECT count(*) FROM audit_new"
    counted = []
    for happens in (True, False):
        row = log.entry_row(actor=system_actor("sweep"), action="a.b", subject_kind="x", subject_id=None, at=AT)
        with connection.cursor() as cursor:
            cursor.execute(sql, [happens, *row.values])
            counted.append(cursor.fetchone()[0])
    assert counted == [1, 0]
    assert Entry.objects.count() == Pending.objects.count() == 1
    assert Entry.objects.get().actor_kind == "system"
    with pytest.raises(ValueError, match="names no table expression"):
        log.entry_cte(only_if="used; DROP TABLE audit_entry")


def test_sealing_takes_waiting_entries_once_in_order_and_signs() -> None:
    written = write(5)
    first = seal(AT, limit=3)
    second = seal(AT + timedelta(minutes=1))
    assert seal(AT) is None
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 5)
    leaves = list(Leaf.objects.order_by("index"))
    assert [leaf.index for leaf in leaves] == [0, 1, 2, 3, 4]
    assert [leaf.entry_id for leaf in leaves] == [entry.id for entry in written]
    hashes = [merkle.leaf_hash(entry.body.encode()) for entry in written]
    assert [bytes(leaf.hash) for leaf in leaves] == hashes
    assert bytes(first.root) == merkle.root(hashes[:3])
    assert bytes(second.root) == merkle.root(hashes)
    assert newest_key().verifies(head_text(5, second.root, AT + timedelta(minutes=1)), second.signature)
    assert Pending.objects.count() == 0
    assert verify() == []


def test_sealing_bit_by_bit_gives_the_same_tree_and_subtrees_as_at_once() -> None:
    write(600)
    for limit in (1, 254, 1, 1, 256, 50_000):
        seal(AT, limit=limit)
    hashes = [bytes(value) for value in Leaf.objects.order_by("index").values_list("hash", flat=True)]
    assert bytes(Head.objects.get(size=600).root) == merkle.root(hashes)
    kept = {(tree.level, tree.index): bytes(tree.hash) for tree in Subtree.objects.all()}
    assert kept == {(8, 0): merkle.root(hashes[:256]), (8, 1): merkle.root(hashes[256:512])}
    for index in (0, 255, 256, 511, 512, 599):
        leaf = Leaf.objects.get(index=index)
        assert proofs.inclusion(leaf.entry_id)["path"] == [step.hex() for step in merkle.inclusion_proof(hashes, index)]
    sizes = [1, 255, 256, 257, 513, 600]
    assert list(Head.objects.order_by("size").values_list("size", flat=True)) == sizes
    for old in sizes:
        path = [step.hex() for step in merkle.consistency_proof(hashes, old)]
        assert proofs.consistency(old, 600)["path"] == path
    assert verify() == []


def test_a_receipt_says_why_it_cannot_be_given() -> None:
    (entry,) = write(1)
    with pytest.raises(NotSealedYet):
        proofs.inclusion(entry.id)
    with pytest.raises(EntryNotFound):
        proofs.inclusion(uuid7())
    seal(AT)
    with pytest.raises(HeadNotFound):
        proofs.inclusion(entry.id, size=2)
    with pytest.raises(HeadNotFound):
        proofs.consistency(1, 2)
    assert proofs.inclusion(entry.id)["path"] == []


def test_a_proof_takes_a_fixed_number_of_statements(django_assert_num_queries: Callable) -> None:
    written = write(1_000)
    for limit in (300, 700):
        seal(AT, limit=limit)
    for number in (0, 299, 999):
        with django_assert_num_queries(3):
            proofs.inclusion(written[number].id)
    with django_assert_num_queries(2):
        proofs.consistency(300, 1_000)


def test_an_old_receipt_can_be_had_again_against_its_old_head() -> None:
    written = write(4)
    seal(AT, limit=2)
    before = proofs.inclusion(written[1].id)
    seal(AT)
    assert proofs.inclusion(written[1].id, size=2) == before
    assert proofs.inclusion(written[1].id)["size"] == 4


def test_a_rotated_key_leaves_old_heads_and_receipts_valid(settings: Any) -> None:
    old, new = (base64.b64encode(word.ljust(32)).decode() for word in (b"old", b"new"))
    settings.SIGNING_KEY = old
    (entry,) = write(1)
    seal(AT)
    signed_by = proofs.inclusion(entry.id)["public_key"]
    settings.SIGNING_KEY = f"{new},{old}"
    write(1)
    seal(AT)
    assert proofs.inclusion(entry.id, size=1)["public_key"] == signed_by
    assert proofs.inclusion(entry.id)["public_key"] != signed_by
    assert verify() == []


def test_lists_are_bounded_filtered_and_newest_first(django_assert_num_queries: Callable) -> None:
    written = write(25)
    write(1, action="canteen.reverse")
    with django_assert_num_queries(1):
        page = queries.entries(action="canteen.redeem_voucher")
    assert [entry.id for entry in page] == [entry.id for entry in reversed(written[5:])]
    rest = queries.entries(action="canteen.redeem_voucher", before=page[-1].id)
    assert [entry.id for entry in rest] == [entry.id for entry in reversed(written[:5])]
    subject = written[7].subject_id
    assert [e.id for e in queries.entries(subject_kind="entitlement", subject_id=subject)] == [written[7].id]
    assert len(queries.entries(actor_id=RIDER.id, limit=100)) == 26
    with pytest.raises(ValueError, match="at most 100"):
        queries.entries(limit=101)
    with pytest.raises(ValueError, match="needs subject_kind"):
        queries.entries(subject_id=subject)


def test_the_root_of_a_day_is_the_last_head_before_the_citys_midnight() -> None:
    assert queries.head_latest() is None
    for at in ("2026-03-02T15:59:59+00:00", "2026-03-02T16:00:00+00:00"):
        write(1)
        seal(datetime.fromisoformat(at))
    assert queries.day_root(date(2026, 3, 1)) is None
    assert queries.day_root(date(2026, 3, 2)).size == 1
    assert queries.day_root(date(2026, 3, 3)).size == queries.head_latest().size == 2


# What verify() finds -------------------------------------------------------------------------------------------------


def change(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")  # as somebody with the keys to the server might
        cursor.execute(sql, values)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def sealed() -> list[Entry]:
    written = write(600)
    for _ in range(3):
        seal(AT, limit=200)
    return written


def found() -> list[tuple[str, str, str]]:
    return [(finding.code, finding.table, finding.row_id) for finding in verify()]


def test_one_changed_character_of_a_body_is_located(sealed: list[Entry]) -> None:
    entry = sealed[321]
    change("UPDATE audit_entry SET body = replace(body, '\"餐\":321', '\"餐\":322') WHERE id = %s", entry.id)
    assert found() == [("entry_altered", "audit_entry", str(entry.id))]


def test_one_flipped_bit_of_a_leaf_is_located(sealed: list[Entry]) -> None:
    change("UPDATE audit_leaf SET hash = set_bit(hash, 7, 1 - get_bit(hash, 7)) WHERE index = 17")
    assert found() == [("leaf_altered", "audit_leaf", "17")]


def test_a_changed_column_is_located(sealed: list[Entry]) -> None:
    entry = sealed[5]
    change("UPDATE audit_entry SET at = at + interval '1 microsecond', actor_id = NULL WHERE id = %s", entry.id)
    (finding,) = verify()
    assert (finding.code, finding.row_id) == ("columns_differ", str(entry.id))
    assert finding.text == "not what the body says: at, actor_id"


def test_a_changed_waiting_entry_is_located(sealed: list[Entry]) -> None:
    (entry,) = write(1)
    change("UPDATE audit_entry SET action = 'canteen.other' WHERE id = %s", entry.id)
    assert found() == [("columns_differ", "audit_entry", str(entry.id))]


def test_one_flipped_bit_of_a_head_is_located(sealed: list[Entry]) -> None:
    change("UPDATE audit_head SET signature = set_bit(signature, 7, 1 - get_bit(signature, 7)) WHERE size = 200")
    assert found() == [("signature_invalid", "audit_head", "200")]
    change("UPDATE audit_head SET root = set_bit(root, 7, 1 - get_bit(root, 7)) WHERE size = 400")
    assert found()[1:] == [("signature_invalid", "audit_head", "400"), ("root_differs", "audit_head", "400")]


def test_one_flipped_bit_of_a_frontier_or_subtree_is_located(sealed: list[Entry]) -> None:
    change("UPDATE audit_head SET frontier = set_bit(frontier, 99, 1 - get_bit(frontier, 99)) WHERE size = 400")
    change("UPDATE audit_subtree SET hash = set_bit(hash, 7, 1 - get_bit(hash, 7)) WHERE index = 1")
    assert found() == [("frontier_differs", "audit_head", "400"), ("subtree_differs", "audit_subtree", "8/1")]


def test_removed_rows_are_located(sealed: list[Entry]) -> None:
    change("DELETE FROM audit_entry WHERE id = %s", sealed[3].id)
    assert found() == [("entry_missing", "audit_entry", str(sealed[3].id))]


def test_a_removed_leaf_is_located_and_its_entry_is_an_orphan(sealed: list[Entry]) -> None:
    change("DELETE FROM audit_leaf WHERE index = 599")
    assert found() == [("leaf_missing", "audit_leaf", "599"), ("entry_orphaned", "audit_entry", str(sealed[599].id))]


def test_a_removed_head_leaves_its_leaves_unsigned(sealed: list[Entry]) -> None:
    change("DELETE FROM audit_head WHERE size = 600")
    assert found() == [("leaves_unsigned", "audit_leaf", "400")]


def test_an_entry_outside_the_queue_and_one_queued_again_are_located(sealed: list[Entry]) -> None:
    (entry,) = write(1)
    change("DELETE FROM audit_pending")
    change("INSERT INTO audit_pending VALUES (%s)", sealed[0].id)
    assert found() == [
        ("entry_sealed_twice", "audit_pending", str(sealed[0].id)),
        ("entry_orphaned", "audit_entry", str(entry.id)),
    ]


def test_a_rewritten_log_without_the_key_is_found_out(sealed: list[Entry]) -> None:
    entry = sealed[599]
    body = entry.body.replace('"餐":599', '"餐":0')
    change("UPDATE audit_entry SET body = %s WHERE id = %s", body, entry.id)
    change("UPDATE audit_leaf SET hash = %s WHERE index = 599", merkle.leaf_hash(body.encode()))
    hashes = [bytes(value) for value in Leaf.objects.order_by("index").values_list("hash", flat=True)]
    frontier = merkle.Frontier()
    frontier.extend(hashes)
    change("UPDATE audit_head SET root = %s, frontier = %s WHERE size = 600", frontier.root(), frontier.to_bytes())
    assert found() == [("signature_invalid", "audit_head", "600")]


def test_the_pass_ends_after_a_thousand_findings() -> None:
    write(1_100)
    seal(AT)
    change("UPDATE audit_entry SET subject_kind = 'other'")
    assert len(verify()) == 1_000


def test_the_applications_role_cannot_change_or_remove_evidence() -> None:
    from doorstep.kernel.common import privileges

    write(2)
    seal(AT, limit=1)
    privileges.grant("doorstep_app")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE doorstep_app")
        for table in ("audit_entry", "audit_leaf", "audit_subtree", "audit_head"):
            for verb in (f"DELETE FROM {table}", f"UPDATE {table} SET {'id = id' if 'entry' in table else 'at = at'}"):
                with pytest.raises(DatabaseError), transaction.atomic():
                    cursor.execute(verb)
    write(1)
    assert seal(AT).size == 3
    assert Entry.objects.count() == 3
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def test_the_database_refuses_a_second_leaf_for_an_entry() -> None:
    (entry,) = write(1)
    seal(AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Leaf.objects.create(index=1, entry=entry, hash=b"x" * 32)
