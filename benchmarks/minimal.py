"""The yardstick: the smallest Django that redeems something. One view, no middleware, one call of one SQL function.

It knows no rules, no receipts, no audit log and no keys' comparison; it only takes a unit, notes the use and moves the money. What
our redemption costs is told as a ratio to this.
"""

import json
import os
from typing import Any

FUNCTION = """
CREATE SCHEMA yardstick;
CREATE TABLE yardstick.voucher (id uuid PRIMARY KEY, person uuid NOT NULL, used int NOT NULL DEFAULT 0 CHECK (used <= 1));
CREATE TABLE yardstick.redemption (id uuid PRIMARY KEY DEFAULT uuidv7(), voucher uuid NOT NULL REFERENCES yardstick.voucher,
  meal text NOT NULL UNIQUE, key text NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE yardstick.transfer (id uuid PRIMARY KEY DEFAULT uuidv7(), redemption uuid NOT NULL REFERENCES yardstick.redemption,
  debit int NOT NULL, credit int NOT NULL, amount_fen bigint NOT NULL CHECK (amount_fen > 0));
CREATE FUNCTION yardstick.redeem(asked uuid, asked_key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE made uuid; eater uuid;
BEGIN
  UPDATE yardstick.voucher SET used = used + 1 WHERE id = asked AND used < 1 RETURNING person INTO eater;
  IF eater IS NULL THEN RETURN 'used'; END IF;
  INSERT INTO yardstick.redemption (voucher, meal, key) VALUES (asked, eater || ':lunch', asked_key) RETURNING id INTO made;
  INSERT INTO yardstick.transfer (redemption, debit, credit, amount_fen) VALUES (made, 1, 2, 400), (made, 3, 4, 900);
  RETURN made::text;
END $$;
"""
CALL = "SELECT yardstick.redeem(%s, %s)"


def make_application() -> Any:
    """A WSGI application on the database of ``DATABASE_OWNER_URL``."""
    from django.conf import settings

    from doorstep.project.settings import database

    settings.configure(
        ROOT_URLCONF="benchmarks.minimal",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="a yardstick keeps no secrets",
        DATABASES={"default": database(os.environ["DATABASE_OWNER_URL"])},
        MIDDLEWARE=[],
        INSTALLED_APPS=[],
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


def __getattr__(name: str) -> Any:
    if name == "urlpatterns":  # read by Django when the first request comes; made late, so that importing needs no settings
        from django.urls import path

        return [path("redeem", redeem)]
    raise AttributeError(name)
