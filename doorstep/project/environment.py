"""Every setting a running Doorstep reads from its environment, in one table.

``docs/operating.md`` prints this table and a test holds the two together: a setting without a line there fails.
Secrets that are not given are made once and kept in ``var/secrets.json`` (mode 600), so that a first run needs nothing.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, what it means and what holds when it is absent."""

    name: str
    default: str
    meaning: str

    def read(self) -> str:
        return os.environ.get(self.name, self.default)


SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (
        Setting("DATABASE_URL", "", "PostgreSQL 18 for the application; empty: the embedded server under var/"),
        Setting("DATABASE_OWNER_URL", "", "login that owns the tables, for migrations; empty: DATABASE_URL"),
        Setting(
            "DOORSTEP_APP_ROLE", "doorstep_app", "role the application takes on; may only add to append-only tables"
        ),
        Setting("DOORSTEP_VAR", str(ROOT / "var"), "folder for the embedded database, uploads and made secrets"),
        Setting("DOORSTEP_SECRET_KEY", "", "signs sessions and forms; made once when empty"),
        Setting("DOORSTEP_FIELD_KEYS", "", "AES-256 keys for encrypted fields, base64, newest first, comma-separated"),
        Setting("DOORSTEP_INDEX_KEY", "", "HMAC key of the blind index, base64; changing it means re-indexing"),
        Setting("DOORSTEP_SIGNING_KEY", "", "Ed25519 seed, base64, of passes, receipts and the audit log's heads"),
        Setting("DOORSTEP_HOSTS", "localhost,127.0.0.1,[::1]", "host names the site answers to, comma-separated"),
        Setting("DOORSTEP_HTTPS", "0", "1: cookies only over TLS, HSTS, redirect from http"),
        Setting("DOORSTEP_DEBUG", "0", "1: Django's debug pages; never in production"),
        Setting("DOORSTEP_DEMO", "0", "1: one-click sign-in in every role; never in production"),
        Setting("DOORSTEP_CITY", "株洲", "the city's name in the page header"),
        Setting("DOORSTEP_SMS_URL", "", "HTTP endpoint that sends SMS (POST JSON: to, text); empty: the console"),
        Setting("DOORSTEP_SMS_TOKEN", "", "bearer token for the SMS endpoint"),
        Setting("DOORSTEP_EMAIL_URL", "", "smtp://user:password@host:port; empty: the console"),
        Setting("DOORSTEP_WECHAT_APP_ID", "", "WeChat open-platform app id; empty: no WeChat sign-in"),
        Setting("DOORSTEP_WECHAT_SECRET", "", "WeChat app secret"),
        Setting("DOORSTEP_OIDC_ISSUER", "", "OpenID Connect issuer for staff; empty: none"),
        Setting("DOORSTEP_OIDC_CLIENT_ID", "", "OpenID Connect client id"),
        Setting("DOORSTEP_OIDC_SECRET", "", "OpenID Connect client secret"),
        Setting("DOORSTEP_TILES", "", "map tile address, e.g. https://…/{z}/{x}/{y}.png; empty: a map without tiles"),
        Setting(
            "DOORSTEP_TILES_GCJ02", "0", "1: the tiles are in GCJ-02 (most Chinese providers); shift points for them"
        ),
        Setting("DOORSTEP_STAFF_TOTP", "1", "0: staff may sign in without a one-time code (tests only)"),
        Setting("DOORSTEP_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    )
}


def read(name: str) -> str:
    """Value of one declared setting; an undeclared name is a programming error."""
    return SETTINGS[name].read()


def flag(name: str) -> bool:
    return read(name) not in ("", "0", "false", "no")


def var_dir() -> Path:
    path = Path(read("DOORSTEP_VAR")).expanduser()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _b64(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()


def secret(name: str) -> str:
    """A secret from the environment, or the one made on the first run and kept beside the data."""
    value = read(name)
    if value:
        return value
    path = var_dir() / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if name not in kept:
        kept[name] = _b64(48) if name == "DOORSTEP_SECRET_KEY" else _b64(32)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(kept, indent=1))
        temporary.replace(path)
    return kept[name]
