"""Serving: the web processes and the background worker, in one process group that starts and stops as one.

This process holds the embedded database (when there is one), runs granian, which starts the web processes, and keeps one
background worker running. Its children end by themselves should it be killed; what a killed run left is cleared at the next
start, so that starting again is always enough.
"""

import json
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from doorstep.project import embedded
from doorstep.project.lifeline import PARENT
from doorstep.project.migrating import migrate

logger = logging.getLogger("doorstep.serving")

BLOCKING_THREADS = 4
STOP_SECONDS = 10
RESTART_SECONDS = 1.0


class Background:
    """The background worker as a child process, started again when it ends unasked."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.thread = threading.Thread(target=self._keep, name="background", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _keep(self) -> None:
        while not self.stopping.is_set():
            self.process = subprocess.Popen([sys.executable, "-m", "doorstep.project.worker"])
            code = self.process.wait()
            if not self.stopping.wait(RESTART_SECONDS):
                logger.error("the background worker ended with %s; starting it again", code)

    def stop(self) -> None:
        self.stopping.set()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.thread.join(STOP_SECONDS)


class DatabaseKeeper:
    """Starts the embedded database again when its main process is gone; an own server is its operator's matter."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._keep, name="database", daemon=True)

    def start(self) -> None:
        if settings.EMBEDDED is not None:
            self.thread.start()

    def _keep(self) -> None:
        running: embedded.Embedded | None = settings.EMBEDDED
        assert running is not None
        while not self.stopping.wait(RESTART_SECONDS):
            if psutil.pid_exists(running.pid) and psutil.Process(running.pid).status() != psutil.STATUS_ZOMBIE:
                continue
            logger.error("the database's main process is gone; starting it again")
            try:
                running = embedded.start(running.data)
            except Exception:
                logger.exception("the database did not start; next try in a moment")

    def stop(self) -> None:
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join(STOP_SECONDS)


def _record() -> Path:
    return Path(settings.VAR_DIR) / "serving.json"


def _same(pid: int, started: float) -> psutil.Process | None:
    """The process of that id, if it is still the one that was meant."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < 1:
            return process
    return None


def claim_folder() -> bool:
    """Note that this process serves from this folder; False when another one does and is alive."""
    path = _record()
    if path.exists():
        with suppress(ValueError, KeyError, TypeError):
            former = json.loads(path.read_text())
            process = _same(int(former["pid"]), float(former["started"]))
            if process is not None and process.pid != os.getpid():
                return False
    me = psutil.Process()
    path.write_text(json.dumps({"pid": me.pid, "started": me.create_time()}))
    return True


def _release_folder() -> None:
    _record().unlink(missing_ok=True)


def _address_in_use(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def prepare() -> None:
    """Everything that must be true before the first request: schema, privileges, catalogues, static files."""
    from doorstep.project.messages import compile_catalogues

    migrate()
    compile_catalogues()
    call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()


def _announce(host: str, port: int, demo: bool) -> None:
    shown = f"[{host}]" if ":" in host else host
    out = sys.stdout.write
    out(f"\n家门口 Doorstep  http://{shown}:{port}/   (Ctrl-C 停止 / to stop)\n")
    if demo:
        out("演示:打开页面,用顶上的「换个身份」一键进入骑手、收银员、工会经办、工会负责人、审计的角色。\n")
        out("Demo: open the page and pick a role in the strip at the top: rider, cashier, officer, leader, auditor.\n")
    sys.stdout.flush()


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def run(*, host: str, port: int, workers: int, announce_demo: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    # Before granian takes the signals over, they end this process in order too, and the database with it.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    if not claim_folder():
        logger.error("another Doorstep serves from %s; stop it first, or give DOORSTEP_VAR another folder", _record())
        return 1
    background, keeper = Background(), DatabaseKeeper()
    try:
        if _address_in_use(host, port):
            logger.error("port %d on %s is taken; choose another with --port", port, host)
            return 1
        prepare()
        os.environ[PARENT] = str(os.getpid())
        keeper.start()
        background.start()
        _announce(host, port, announce_demo)
        web_server("doorstep.project.wsgi:application", host, port, workers).serve()
    finally:
        background.stop()
        keeper.stop()
        _release_folder()
    return 0


def web_server(target: str, host: str, port: int, workers: int, *, factory: bool = False) -> Any:
    """Granian as we run it, for any WSGI target: benchmarks serve their yardstick with the same settings."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    # This process has threads: a forked child could inherit a lock that nobody will ever release, and our signal handlers.
    multiprocessing.set_start_method("spawn", force=True)
    return Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=BLOCKING_THREADS,
        blocking_threads_idle_timeout=600,  # a thread keeps its database connection and its prepared statements
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        factory=factory,
    )
