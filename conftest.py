"""Test databases: made and migrated by the owner, used in the application's role, as in production."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from doorstep.kernel.common.privileges import grant


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """After pytest-django has made the database, give the application's role its privileges."""
    with django_db_blocker.unblock():
        grant(settings.APP_ROLE)
        connection.close()


@pytest.fixture
def as_application(db: None) -> Iterator[None]:
    """Run in the role the application has in production: append-only tables cannot be changed."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {settings.APP_ROLE}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@pytest.fixture
def cast(db: None) -> Any:
    """The named cast, empty until somebody is asked for."""
    from doorstep.kernel.testing.cast import Cast

    return Cast()
