"""One archive that holds a whole Doorstep: the database, the uploaded files, the secrets made on the first run.

The archive is a tar: ``manifest.json`` with the SHA-256 of every member, ``database.dump`` (pg_dump's custom format),
``secrets.json`` and ``files/…``. Reading it checks every digest first, and then replaces the database in one transaction:
a restore that fails leaves what was there.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.db import connection

from doorstep.project.migrating import as_owner, migrate

FORMAT = 1
MANIFEST, DUMP, SECRETS, FILES = "manifest.json", "database.dump", "secrets.json", "files"


class BackupUnreadable(Exception):
    """The archive is not whole, or not one of ours; nothing was changed."""


class ToolFailed(Exception):
    """A PostgreSQL tool is missing or gave up; its own words are in the message."""


def write(path: Path) -> str:
    """Write the archive at ``path`` and say what is in it. Raises: ToolFailed."""
    path = path.expanduser().absolute()
    if path.is_dir():
        path = path / f"doorstep-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        dump = Path(folder) / DUMP
        _run("pg_dump", "--format=custom", f"--schema={_schema()}", f"--file={dump}", f"--dbname={_owner_url()}")
        members = {DUMP: dump, **_secrets(), **_uploads()}
        manifest = Path(folder) / MANIFEST
        manifest.write_text(json.dumps(_manifest(members), indent=1, sort_keys=True))
        archive = Path(folder) / "archive"
        archive.touch(mode=0o600)  # it holds the keys of encrypted fields
        with tarfile.open(archive, "w") as tar:
            for name, source in {MANIFEST: manifest, **members}.items():
                tar.add(source, name, recursive=False)
        archive.replace(path)
    return f"{path}: database, {len(members) - 1 - (SECRETS in members)} files, {path.stat().st_size:,} bytes"


def read(path: Path) -> str:
    """Put an archive back in place of what is there now.

    Raises: BackupUnreadable (before anything is changed), ToolFailed (the database is as it was).
    """
    # Beside the uploads, so that putting them in place is a rename on one disk.
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as folder:
        unpacked = Path(folder)
        members = _unpack(path, unpacked)
        _restore_database(unpacked)
        uploads = [name for name in members if name.startswith(f"{FILES}/")]
        for name in uploads:
            target = Path(settings.MEDIA_ROOT) / name.removeprefix(f"{FILES}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(unpacked / name, target)
        if SECRETS in members:
            _restore_secrets(unpacked / SECRETS)
    migrate()
    return f"{path}: restored the database and {len(uploads)} files. Start Doorstep anew: its secrets may have changed."


def _schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def _owner_url() -> str:
    return str(settings.DATABASE_OWNER_URL)


def _secrets() -> dict[str, Path]:
    made = Path(settings.VAR_DIR) / SECRETS
    return {SECRETS: made} if made.exists() else {}


def _uploads() -> dict[str, Path]:
    root = Path(settings.MEDIA_ROOT)
    return {f"{FILES}/{path.relative_to(root)}": path for path in sorted(root.rglob("*")) if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _manifest(members: dict[str, Path]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "doorstep": version("doorstep"),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {name: _digest(path) for name, path in members.items()},
    }


def _unpack(path: Path, folder: Path) -> list[str]:
    """Unpack and check every digest; the members' names. Raises: BackupUnreadable."""
    try:
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
        manifest = json.loads((folder / MANIFEST).read_text())
        wanted: dict[str, str] = manifest["sha256"]
        known_format = manifest["format"] == FORMAT
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnreadable(f"{path} is no archive of Doorstep, or it is cut off: {error}") from error
    if not known_format:
        raise BackupUnreadable(f"{path} was written by a newer Doorstep: upgrade first, then restore")
    there = {str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file()} - {MANIFEST}
    wrong = sorted(name for name in there | set(wanted) if name not in there or name not in wanted)
    wrong += sorted(name for name in there & set(wanted) if _digest(folder / name) != wanted[name])
    if wrong or DUMP not in wanted:
        raise BackupUnreadable(f"{path} is damaged: {', '.join(wrong[:5]) or DUMP}. Take another archive.")
    return list(wanted)


def _restore_database(unpacked: Path) -> None:
    """Drop the schema and make it again from the dump, in one transaction as the owner."""
    script = unpacked / "restore.sql"
    _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(unpacked / DUMP))
    with as_owner():
        schema = connection.ops.quote_name(_schema())
    connection.close()  # an open transaction of ours would make the statement below wait for ever
    _run(
        "psql", "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--dbname={_owner_url()}",
        f"--command=DROP SCHEMA {schema} CASCADE", f"--file={script}",
    )  # fmt: skip


def _restore_secrets(source: Path) -> None:
    """Put the archive's secrets in place; other ones that were there are kept beside them."""
    target = Path(settings.VAR_DIR) / SECRETS
    if target.exists() and _digest(target) != _digest(source):
        target.replace(target.with_name(f"secrets.before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"))
    source.chmod(0o600)
    shutil.move(source, target)


def _run(tool: str, *arguments: str) -> None:
    """One of PostgreSQL's own tools: the embedded server's, or the one on PATH. Raises: ToolFailed."""
    program = str(settings.EMBEDDED.bin_path / tool) if settings.EMBEDDED else shutil.which(tool)
    if program is None:
        raise ToolFailed(f"{tool} is not on PATH: install PostgreSQL 18's client tools (Debian: postgresql-client-18)")
    environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
    done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ToolFailed(f"{tool}: {done.stderr.strip()}")
