"""The embedded server: starts as any user, survives kill -9, stops when nobody uses it any more."""

import os
import signal

import pytest

from tests.apart import Apart, apart

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

WRITE = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT current_user, session_user, version()")
    print(*cursor.fetchone())
"""
HOLD = "import sys\nprint('up', flush=True)\nsys.stdin.read()"
OWNER = """
import psycopg
from django.conf import settings
with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as server:
    {statement}
"""
MAKE = OWNER.format(
    statement="server.execute('CREATE TABLE fact (n int)'); server.execute('INSERT INTO fact SELECT generate_series(1, 1000)')"
)
COUNT = OWNER.format(statement="print(server.execute('SELECT count(*), sum(n) FROM fact').fetchone())")


def test_the_server_starts_recovers_after_a_kill_and_stops_with_its_last_user():
    with apart("embedded") as place:
        told = place.python(WRITE)
        assert told.startswith("doorstep_app doorstep_app PostgreSQL 18")
        assert place.wait_until_stopped()  # nobody is left
        place.python(MAKE)
        _two_users(place)
        _killed(place)


def _two_users(place: Apart) -> None:
    """The first to come starts it; it runs on while anybody is there."""
    first, second = place.starting(HOLD), place.starting(HOLD)
    assert [first.stdout.readline(), second.stdout.readline()] == ["up\n", "up\n"]
    pid = place.postmaster()
    assert pid is not None
    first.communicate(timeout=60)
    assert place.postmaster() == pid
    second.communicate(timeout=60)
    assert place.wait_until_stopped()


def _killed(place: Apart) -> None:
    """kill -9 of the server and of its user: the next start finds everything that was committed."""
    user = place.starting(HOLD)
    assert user.stdout.readline() == "up\n"
    pid = place.postmaster()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    user.kill()
    user.communicate(timeout=60)
    assert place.python(COUNT) == "(1000, 500500)\n"
    assert place.wait_until_stopped()
