"""Test databases: made and migrated by the owner, used in the application's role, as in production."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connection

from doorstep.kernel.common.privileges import grant

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without chromium the browser's tests are left out at a desk, and are a failure where everything must run."""
    if item.get_closest_marker("browser") and not CHROMIUM.exists():
        missing = "needs Debian's chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a process: Playwright has one loop a thread, and starting takes seconds."""
    from playwright.sync_api import sync_playwright

    # Playwright's loop lives in this thread; Django would take the tests' own database calls for asynchronous ones.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


# A busy machine is no failure: hypothesis bounds the number of examples, pytest-timeout the time of a test.
hypothesis.settings.register_profile("doorstep", deadline=None, print_blob=True)
hypothesis.settings.load_profile("doorstep")


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
