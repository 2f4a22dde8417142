"""The frame of every action: one outermost transaction, and exactly-once when the client brings a key.

The first call with a key does the work and keeps its receipt; the same call again gets the receipt back, byte for byte; the
same key with other arguments is refused. Two such calls at once: the second waits for the first on the key's unique index.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from pydantic import TypeAdapter

from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import canonical, digest
from doorstep.kernel.common.errors import KeyMissing, KeyReused

_TAKE = """
INSERT INTO common_idempotencykey (scope, action, key, digest, receipt, at)
VALUES (%s, %s, %s, %s, '', %s) ON CONFLICT (scope, key) DO NOTHING RETURNING 1
"""
_KEPT = "SELECT action, digest, receipt FROM common_idempotencykey WHERE scope = %s AND key = %s"
_KEEP = "UPDATE common_idempotencykey SET receipt = %s WHERE scope = %s AND key = %s"

MAX_KEY_LENGTH = 80


def action[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorate an action ``def verb_noun(*, actor, at, key, …) -> FrozenReceipt``.

    Opens the transaction (a refusal rolls everything back). With a ``key`` parameter the key is compulsory and the
    receipt, a frozen dataclass, is kept as long as the data.
    """
    name = f"{function.__module__.split('.')[-2]}.{function.__name__}"
    keyed = "key" in inspect.signature(function).parameters

    @functools.wraps(function)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic():
            return function(*args, **kwargs)

    if not keyed:
        return plain

    receipt_type: list[TypeAdapter[R]] = []

    @functools.wraps(function)
    def exactly_once(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = dict(kwargs)
        actor: Actor = given.pop("actor")
        at = given.pop("at")
        key = str(given.pop("key", "") or "")
        if not key or len(key) > MAX_KEY_LENGTH:
            raise KeyMissing
        if not receipt_type:
            hints = inspect.get_annotations(inspect.unwrap(function), eval_str=True)
            receipt_type.append(TypeAdapter(hints["return"]))
        # Acting time is not part of the request: a retry comes later and is still the same request.
        body = digest(given)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_TAKE, [actor.scope, name, key, body, at])
                if cursor.fetchone() is None:
                    cursor.execute(_KEPT, [actor.scope, key])
                    kept_action, kept_digest, receipt = cursor.fetchone()
                    if kept_action != name or bytes(kept_digest) != body:
                        raise KeyReused
                    return receipt_type[0].validate_json(receipt)
            result = function(*args, **kwargs)
            with connection.cursor() as cursor:
                cursor.execute(_KEEP, [canonical(result), actor.scope, key])
            return result

    return exactly_once
