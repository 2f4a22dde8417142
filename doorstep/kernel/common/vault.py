"""Sensitive values: encrypted at rest with AES-256-GCM, found by a keyed blind index, masked wherever they are shown.

A stored value is ``key number (1 byte) ‖ nonce (12) ‖ ciphertext and tag``. The newest key encrypts; every key decrypts.
"""

import base64
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _ciphers(keys: tuple[str, ...]) -> tuple[AESGCM, ...]:
    return tuple(AESGCM(base64.b64decode(key)) for key in keys)


def _all() -> tuple[AESGCM, ...]:
    return _ciphers(tuple(settings.FIELD_KEYS))


def seal(text: str, context: str) -> bytes:
    """Encrypt ``text``; ``context`` (the column) is bound in, so a value cannot be moved to another column."""
    ciphers = _all()
    number = len(ciphers) - 1  # keys are listed newest first and numbered from the oldest
    nonce = os.urandom(12)
    return bytes([number]) + nonce + ciphers[0].encrypt(nonce, text.encode(), context.encode())


def unseal(stored: bytes, context: str) -> str:
    """Decrypt. Raises: cryptography.exceptions.InvalidTag when a byte was changed, IndexError for an unknown key."""
    ciphers = _all()
    cipher = ciphers[len(ciphers) - 1 - stored[0]]
    return cipher.decrypt(stored[1:13], stored[13:], context.encode()).decode()


def blind_index(purpose: str, value: str) -> bytes:
    """Keyed digest by which an encrypted value is found: HMAC-SHA256, 32 bytes."""
    key = base64.b64decode(settings.INDEX_KEY)
    return hmac.new(key, f"{purpose}\0{value}".encode(), hashlib.sha256).digest()


def mask(text: str, head: int, tail: int) -> str:
    """Keep ``head`` and ``tail`` characters, star the rest: ``4302**********1234``."""
    if len(text) <= head + tail:
        return "*" * len(text)
    return text[:head] + "*" * (len(text) - head - tail) + (text[-tail:] if tail else "")


class Sealed:
    """A sensitive value as the application holds it: printing it shows the mask, only :meth:`reveal` shows the text."""

    __slots__ = ("_context", "_head", "_plain", "_stored", "_tail")

    def __init__(self, stored: bytes, context: str, head: int, tail: int) -> None:
        self._stored, self._context, self._head, self._tail = stored, context, head, tail
        self._plain: str | None = None

    def reveal(self) -> str:
        """The plain text. Callers leave an access entry first (``people.actions.reveal``) or deliver to the owner."""
        if self._plain is None:
            self._plain = unseal(self._stored, self._context)
        return self._plain

    @property
    def masked(self) -> str:
        return mask(self.reveal(), self._head, self._tail)

    @property
    def stored(self) -> bytes:
        return self._stored

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Sealed({self.masked})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sealed):
            return self.reveal() == other.reveal()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._stored)


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """A text column stored encrypted; read back as :class:`Sealed`. Assign a ``str`` to set it."""

    def __init__(self, *args: Any, head: int = 0, tail: int = 0, **kwargs: Any) -> None:
        self.head, self.tail = head, tail
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "head": self.head, "tail": self.tail}

    @property
    def _context(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"

    def from_db_value(self, value: bytes | None, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(bytes(value), self._context, self.head, self.tail)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, Sealed):
            value = value.stored
        elif isinstance(value, str):
            value = seal(value, self._context)
        return super().get_db_prep_value(value, connection, prepared)
