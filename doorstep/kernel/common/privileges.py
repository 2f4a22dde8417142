"""Append-only tables are held by privileges: the application's role may add and read there, nothing else.

A model says so with ``append_only = True``; ``updatable = ("column", …)`` opens single columns for UPDATE.
Migrations run as the owner, and the migrate command calls :func:`grant` after them.
"""

from django.apps import apps
from django.db import connection
from psycopg import sql


def append_only_tables() -> dict[str, tuple[str, ...]]:
    """Table name → columns that may be updated in it."""
    return {
        model._meta.db_table: tuple(getattr(model, "updatable", ()))
        for model in apps.get_models()
        if getattr(model, "append_only", False)
    }


def grant(role: str) -> None:
    """Give ``role`` what the application needs in the current schema, and no more. Run as the owner; repeatable."""
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        schema_name, owner = cursor.fetchone()
        if owner == role:
            raise RuntimeError(f"migrations must not run as {role}: it would own the append-only tables")
        schema = sql.Identifier(schema_name)
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
        cursor.execute("SELECT pg_has_role(current_user, %s, 'SET')", [role])
        if not cursor.fetchone()[0]:
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
        cursor.execute(
            sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}").format(schema, name)
        )
        cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}").format(schema, name))
        for table, columns in append_only_tables().items():
            cursor.execute(sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM {}").format(sql.Identifier(table), name))
            if columns:
                cursor.execute(
                    sql.SQL("GRANT UPDATE ({}) ON {} TO {}").format(
                        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table), name
                    )
                )
