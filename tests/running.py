"""Running the whole house as its operator does, in a folder of its own, and looking at its processes."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from doorstep.project.environment import ROOT

START_SECONDS = 90
STOP_SECONDS = 60


def folder() -> Path:
    """An empty data folder. Not under pytest's own: the database runs as another user, who may not look in there."""
    path = ROOT / "var" / "test" / f"house-{uuid4().hex[:8]}"
    path.mkdir(parents=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class House:
    """``doorstep`` commands on one data folder. ``serve`` runs in a process group of its own."""

    var: Path = field(default_factory=folder)
    port: int = field(default_factory=free_port)
    serving: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        dropped = ("DATABASE_URL", "DATABASE_OWNER_URL", "DJANGO_SETTINGS_MODULE", "DOORSTEP_SERVING_PID")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        return {
            **kept,
            "DOORSTEP_VAR": str(self.var),
            "DOORSTEP_LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
            "PYTHONFAULTHANDLER": "1",
        }

    def python(self, *arguments: str, timeout: int = 300) -> str:
        """Run Python in this house and return what it printed; its errors become ours."""
        done = subprocess.run(  # noqa: PLW1510
            [sys.executable, *arguments],
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def command(self, *arguments: str) -> str:
        return self.python("-m", "doorstep.project.cli", *arguments)

    def serve(self) -> psutil.Process:
        """Start serving and wait until it answers."""
        with (self.var / "serve.log").open("ab") as log:
            command = [sys.executable, "-m", "doorstep.project.cli", "serve", "--port", str(self.port)]
            self.serving = subprocess.Popen(command, env=self.environment(), cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.serving.poll() is None:
            if self.answers():
                return psutil.Process(self.serving.pid)
            time.sleep(0.2)
        raise AssertionError("it does not answer:\n" + self.log())

    def answers(self) -> bool:
        address = f"http://127.0.0.1:{self.port}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.read() == b"ok\n")
        return False

    def log(self) -> str:
        return (self.var / "serve.log").read_text()

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C or a service manager would; its exit code."""
        assert self.serving is not None
        self.serving.terminate()
        try:
            return self.serving.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.serving.send_signal(signal.SIGABRT)  # with faulthandler on, this tells where every thread stands
            self.serving.wait(10)
            raise AssertionError("it does not stop:\n" + self.log()[-8000:]) from None

    def postmaster(self) -> psutil.Process | None:
        """The database's main process, when there is one."""
        with contextlib.suppress(OSError, psutil.Error, ValueError, IndexError):
            lines = (self.var / "postgres" / "postmaster.pid").read_text().splitlines()
            return psutil.Process(int(lines[0]))
        return None

    def _children(self, background: bool) -> list[psutil.Process]:
        found = []
        with contextlib.suppress(psutil.Error):
            assert self.serving is not None
            for one in psutil.Process(self.serving.pid).children():
                with contextlib.suppress(psutil.Error):  # it may be ending just now
                    words = " ".join(one.cmdline())
                    if ("doorstep.project.worker" in words) == background and "resource_tracker" not in words:
                        found.append(one)
        return found

    def web_workers(self) -> list[psutil.Process]:
        return self._children(background=False)

    def background(self) -> list[psutil.Process]:
        return self._children(background=True)

    def backends(self) -> list[psutil.Process]:
        """The database's processes that work for the application."""
        found = []
        with contextlib.suppress(psutil.Error):
            postmaster = self.postmaster()
            for one in postmaster.children() if postmaster else []:
                with contextlib.suppress(psutil.Error):
                    if "doorstep_app" in " ".join(one.cmdline()):
                        found.append(one)
        return found

    def processes(self) -> list[psutil.Process]:
        """Everything that lives off this folder, found by what it was started with."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid == os.getpid():
                    continue
                home = str(self.var)
                if home in " ".join(process.cmdline()) or process.environ().get("DOORSTEP_VAR") == home:
                    found.append(process)
        return found

    def verify(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.command("verify", "--json"))
        return result

    def remove(self) -> None:
        """End whatever is left of this house and delete its folder."""
        if self.serving is not None and self.serving.poll() is None:
            with contextlib.suppress(AssertionError):
                self.stop()
        left = self.processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        shutil.rmtree(self.var, ignore_errors=True)


@contextmanager
def house() -> Iterator[House]:
    """A house that leaves nothing behind."""
    made = House()
    try:
        yield made
    finally:
        made.remove()
