"""A Doorstep of its own, in processes of its own: an empty ``DOORSTEP_VAR`` with an embedded server."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

from doorstep.project.environment import ROOT

WAIT_SECONDS = 90
_OURS = ("DATABASE_URL", "DATABASE_OWNER_URL", "DOORSTEP_", "DJANGO_SETTINGS_MODULE")


class Apart:
    """One data folder; ``python`` and ``doorstep`` run in new processes that use it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.environment = kept | {"DOORSTEP_VAR": str(var), "PYTHONPATH": str(ROOT)}

    def _command(self, code: str) -> list[str]:
        start = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'doorstep.project.settings'; import django; django.setup()"
        return [sys.executable, "-c", f"{start}\n{code}"]

    def python(self, code: str) -> str:
        """What the code prints. Fails with its traceback."""
        return self._run(self._command(code))

    def starting(self, code: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            self._command(code), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def doorstep(self, *arguments: str, code: int = 0) -> str:
        """A command of the command line; what it prints, errors too."""
        return self._run([sys.executable, "-m", "doorstep.project.cli", *arguments], code)

    def _run(self, command: list[str], code: int = 0) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=WAIT_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def postmaster(self) -> int | None:
        """The process id of the running server, if one runs."""
        lines = (self.var / "postgres" / "postmaster.pid").read_text().splitlines() if self._has_pid_file() else []
        pid = int(lines[0]) if lines else 0
        return pid if pid and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None

    def _has_pid_file(self) -> bool:
        return (self.var / "postgres" / "postmaster.pid").exists()

    def wait_until_stopped(self) -> bool:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.postmaster() is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.postmaster() is None


@contextmanager
def apart(name: str) -> Iterator[Apart]:
    """An empty one, below var/ (where the server's own user may enter); gone afterwards."""
    var = ROOT / "var" / f"{name}-{uuid4().hex[:8]}"
    place = Apart(var)
    try:
        yield place
    finally:
        if (pid := place.postmaster()) is not None:
            os.kill(pid, signal.SIGQUIT)
            place.wait_until_stopped()
        shutil.rmtree(var, ignore_errors=True)
