"""Settings of the test run: the same database engine and durability, with its own data folder."""

import os
import tempfile
from pathlib import Path

from doorstep.project.environment import ROOT

os.environ.setdefault("DOORSTEP_VAR", str(ROOT / "var" / "test"))
os.environ.setdefault("DOORSTEP_LOG_LEVEL", "WARNING")
os.environ.setdefault("DOORSTEP_STAFF_TOTP", "0")  # the sign-in's own tests switch it on

from doorstep.project.settings import *  # noqa: F403
from doorstep.project.settings import DATABASE_OWNER_URL, database

# The test runner creates and migrates its databases as the owner; conftest.py then takes on the application's role.
DATABASES = {"default": database(DATABASE_OWNER_URL)}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MEDIA_ROOT = Path(tempfile.gettempdir()) / f"doorstep-test-files-{os.getpid()}"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
WHITENOISE_AUTOREFRESH = True
