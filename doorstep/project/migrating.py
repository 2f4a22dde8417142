"""Migrations run as the owner of the tables; afterwards the application's role is given what it needs, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from doorstep.kernel.common.privileges import grant
from doorstep.project.settings import database


@contextmanager
def as_owner() -> Iterator[None]:
    """Inside the block the default connection is the owner's."""
    kept = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(database(settings.DATABASE_OWNER_URL))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


def migrate(verbosity: int = 0) -> None:
    """Bring the schema up to date and renew the privileges. Repeatable."""
    with as_owner():
        call_command("migrate", verbosity=verbosity, interactive=False)
        call_command("createcachetable", verbosity=verbosity)
        grant(settings.APP_ROLE)
