"""The embedded server: starts as any user, survives kill -9, stops when nobody uses it any more."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.running import House, house

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SETUP = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'doorstep.project.settings'; import django; django.setup()\n"
WHO = """
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


def run(place: House, code: str) -> str:
    return place.python("-c", SETUP + code)


def holding(place: House) -> "subprocess.Popen[str]":
    """A process that uses the server until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", SETUP + HOLD],
        env=place.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    return holder


def stopped(place: House) -> bool:
    deadline = time.monotonic() + 60
    while place.postmaster() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    return place.postmaster() is None


def server_of(place: House) -> psutil.Process:
    found = place.postmaster()
    assert found is not None
    return found


def test_the_server_starts_recovers_after_a_kill_and_stops_with_its_last_user():
    with house() as place:
        assert run(place, WHO).startswith("doorstep_app doorstep_app PostgreSQL 18")
        assert stopped(place)  # nobody is left
        run(place, MAKE)
        _two_users(place)
        _killed(place)


def _two_users(place: House) -> None:
    """The first to come starts it; it runs on while anybody is there."""
    first, second = holding(place), holding(place)
    pid = server_of(place).pid
    first.communicate(timeout=60)
    assert server_of(place).pid == pid
    second.communicate(timeout=60)
    assert stopped(place)


def _killed(place: House) -> None:
    """kill -9 of the server and of its user: the next start finds everything that was committed."""
    user = holding(place)
    server_of(place).kill()
    user.kill()
    user.communicate(timeout=60)
    assert run(place, COUNT) == "(1000, 500500)\n"
    assert stopped(place)
