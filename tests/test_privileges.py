"""Append-only tables, in the application's role: what is written stays written, whatever the code above tries."""

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, transaction

from doorstep.kernel.common.privileges import append_only_tables

TABLES = append_only_tables()
MODELS = {model._meta.db_table: model for model in apps.get_models()}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_application")]


def tried(statement: str) -> str:
    """``done``, or the database's reason for refusing."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except ProgrammingError as error:
        return str(error.__cause__.sqlstate)
    return "done"


def columns(table: str) -> list[str]:
    return [field.column for field in MODELS[table]._meta.concrete_fields]


INSUFFICIENT_PRIVILEGE = "42501"


def test_the_facts_of_the_platform_are_append_only():
    assert {
        "ledger_account", "ledger_transfer", "audit_entry", "audit_leaf", "audit_head", "entitlements_use",
        "entitlements_termsversion", "entitlements_refusal", "entitlements_offlineconflict",
        "entitlements_settlementline", "entitlements_settlementadjustment", "people_accessentry", "files_storedfile",
    } <= set(TABLES)  # fmt: skip


@pytest.mark.parametrize("table", sorted(TABLES))
def test_nothing_can_be_deleted_or_emptied(table: str):
    assert tried(f"DELETE FROM {table}") == INSUFFICIENT_PRIVILEGE
    assert tried(f"TRUNCATE {table} CASCADE") == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize("table", sorted(TABLES))
def test_only_the_columns_named_for_it_can_be_changed(table: str):
    changeable = {name for name in columns(table) if tried(f'UPDATE {table} SET "{name}" = "{name}"') == "done"}
    assert changeable == set(TABLES[table])


@pytest.mark.parametrize("table", sorted(TABLES))
def test_rows_can_be_read_and_added(table: str):
    assert tried(f"SELECT * FROM {table} LIMIT 1") == "done"
    # A row put together from the table's own rows: the privilege is asked, nothing is written.
    names = ", ".join(f'"{name}"' for name in columns(table))
    assert tried(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} WHERE false") == "done"


def test_every_other_table_can_be_worked_with():
    others = [model._meta.db_table for model in apps.get_models() if model._meta.db_table not in TABLES]
    refused = [table for table in others if tried(f"DELETE FROM {table} WHERE false") != "done"]
    assert len(others) > 10
    assert refused == []


def test_the_application_cannot_change_its_own_rights():
    tried("GRANT DELETE ON ledger_transfer TO CURRENT_USER")  # PostgreSQL warns and grants nothing
    assert tried("DELETE FROM ledger_transfer") == INSUFFICIENT_PRIVILEGE
    assert tried("ALTER TABLE ledger_transfer ADD COLUMN note text") == INSUFFICIENT_PRIVILEGE
    assert tried("DROP TABLE audit_entry CASCADE") == INSUFFICIENT_PRIVILEGE
