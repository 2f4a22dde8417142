"""Append-only is held by the database: the application's role cannot change or remove a fact, whatever our code does."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from doorstep.kernel.common.privileges import append_only_tables, grant

pytestmark = pytest.mark.django_db

TABLES = append_only_tables()
# The books, the log and the proof of who had what must be among them, whatever else is.
FACTS = {
    "audit_entry", "audit_head", "audit_leaf", "audit_subtree", "entitlements_refusal", "entitlements_settlementline",
    "entitlements_termsversion", "entitlements_use", "ledger_account", "ledger_transfer", "passes_revocation",
    "people_accessentry",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _application(as_application: Iterator[None]) -> None:
    """Everything here runs in the application's role."""


def refused(statement: str) -> bool:
    """Whether PostgreSQL refuses the statement for want of a privilege."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except ProgrammingError as error:
        return "permission denied" in str(error) or "must be owner" in str(error)
    return False


def columns_of(table: str) -> list[str]:
    model = next(one for one in apps.get_models() if one._meta.db_table == table)
    return [field.column for field in model._meta.concrete_fields]


def test_the_facts_are_declared_append_only() -> None:
    assert FACTS - set(TABLES) == set()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_fact_cannot_be_deleted_or_emptied(table: str) -> None:
    assert refused(f"DELETE FROM {table}")
    assert refused(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_facts_columns_cannot_be_changed_except_those_declared(table: str) -> None:
    for column in columns_of(table):
        statement = f'UPDATE {table} SET "{column}" = "{column}"'
        assert refused(statement) is (column not in TABLES[table]), column


def test_the_role_cannot_give_itself_more() -> None:
    assert refused("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
    assert refused("DROP TABLE audit_entry")
    assert refused("ALTER TABLE audit_entry OWNER TO CURRENT_USER")
    assert refused("CREATE TABLE mine (id int)")


def test_what_is_not_a_fact_can_be_changed() -> None:
    assert not refused("UPDATE people_person SET name = name")
    assert not refused("DELETE FROM django_session")


def test_the_owner_can_grant_again_and_nothing_widens() -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    grant(settings.APP_ROLE)
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {settings.APP_ROLE}")
    assert refused("DELETE FROM audit_entry")
    assert refused("UPDATE entitlements_use SET payer_fen = 0")


def test_migrating_as_the_application_itself_is_refused() -> None:
    with pytest.raises(RuntimeError, match="it would own the append-only tables"):
        grant(settings.APP_ROLE)
