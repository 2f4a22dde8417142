"""The yardstick: a throwaway Django project as ``startproject`` leaves it, with one view that calls one SQL function.

The function stores what a redemption has to leave behind: the unit taken, the use with its key and receipt, two transfers, four
running balances and a log row. It knows no rules (whose voucher, which meal, which venue, which hours, which papers), no signed
codes, no devices, no comparing of retries, no refusals. ``bare`` leaves the middleware out too.
"""

import json
import os
from typing import Any

FUNCTION = """
CREATE SCHEMA yardstick;
CREATE TABLE yardstick.voucher (id uuid PRIMARY KEY, person uuid NOT NULL, used int NOT NULL DEFAULT 0 CHECK (used <= 1));
CREATE TABLE yardstick.redemption (id uuid PRIMARY KEY DEFAULT uuidv7(), voucher uuid NOT NULL REFERENCES yardstick.voucher,
  meal text NOT NULL UNIQUE, key text NOT NULL UNIQUE, receipt jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE yardstick.transfer (id uuid PRIMARY KEY DEFAULT uuidv7(), redemption uuid NOT NULL REFERENCES yardstick.redemption,
  debit int NOT NULL, credit int NOT NULL, amount_fen bigint NOT NULL CHECK (amount_fen > 0));
CREATE INDEX ON yardstick.transfer (redemption);
CREATE TABLE yardstick.balance (account int, slot int, fen bigint NOT NULL DEFAULT 0, PRIMARY KEY (account, slot));
INSERT INTO yardstick.balance (account, slot) SELECT a, s FROM generate_series(1, 4) a, generate_series(0, 15) s;
CREATE TABLE yardstick.log (id uuid PRIMARY KEY DEFAULT uuidv7(), redemption uuid NOT NULL, body text NOT NULL, hash bytea NOT NULL);
CREATE FUNCTION yardstick.redeem(asked uuid, asked_key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE made uuid; eater uuid; told jsonb; mine int := mod(pg_backend_pid(), 16);
BEGIN
  UPDATE yardstick.voucher SET used = used + 1 WHERE id = asked AND used < 1 RETURNING person INTO eater;
  IF eater IS NULL THEN RETURN 'used'; END IF;
  told := jsonb_build_object('voucher', asked, 'person', eater, 'meal', 'lunch', 'union_fen', 400, 'worker_fen', 900, 'at', now());
  INSERT INTO yardstick.redemption (voucher, meal, key, receipt) VALUES (asked, eater || ':lunch', asked_key, told)
    RETURNING id INTO made;
  INSERT INTO yardstick.transfer (redemption, debit, credit, amount_fen) VALUES (made, 1, 2, 400), (made, 3, 4, 900);
  UPDATE yardstick.balance b SET fen = b.fen + v.fen FROM (VALUES (1, -400), (2, 400), (3, -900), (4, 900)) v(account, fen)
    WHERE b.account = v.account AND b.slot = mine;
  INSERT INTO yardstick.log (redemption, body, hash) VALUES (made, told::text, sha256(convert_to(told::text, 'UTF8')));
  RETURN told::text;
END $$;
"""
CALL = "SELECT yardstick.redeem(%s, %s)"


APPS = ["auth", "contenttypes", "sessions", "messages"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


def make_application() -> Any:
    """A WSGI application on the database of ``DATABASE_OWNER_URL``, with the middleware every new project has."""
    return _application(MIDDLEWARE)


def make_bare() -> Any:
    """The same without any middleware."""
    return _application([])


def _application(middleware: list[str]) -> Any:
    from django.conf import settings

    from doorstep.project.settings import database

    settings.configure(
        ROOT_URLCONF="benchmarks.minimal",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="a yardstick keeps no secrets",
        DATABASES={"default": database(os.environ["DATABASE_OWNER_URL"])},
        MIDDLEWARE=middleware,
        INSTALLED_APPS=[f"django.contrib.{name}" for name in APPS],
        USE_TZ=True,
    )
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def redeem(request: Any) -> Any:
    from django.db import connection
    from django.http import JsonResponse

    body = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(CALL, [body["voucher"], request.headers["Idempotency-Key"]])
        (made,) = cursor.fetchone()
    return JsonResponse({"redemption": made}, status=409 if made == "used" else 200)


redeem.csrf_exempt = True  # type: ignore[attr-defined]  (what django's decorator does, without importing it before settings)


def __getattr__(name: str) -> Any:
    if (
        name == "urlpatterns"
    ):  # read by Django when the first request comes; made late, so that importing needs no settings
        from django.urls import path

        return [path("redeem", redeem)]
    raise AttributeError(name)
