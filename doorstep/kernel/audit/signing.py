"""The Ed25519 keys that sign audit heads and passes.

``SIGNING_KEY`` holds one base64 seed, or several separated by commas, newest first: the newest signs, all are trusted.
To rotate, put a new seed in front; drop the old one when nothing signed with it needs to be believed any more.
"""

import base64
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

SEED_BYTES = 32


@dataclass(frozen=True)
class SigningKey:
    """One key pair. Its id is the first byte of SHA-256 over the public key, so nobody has to number keys by hand."""

    seed: bytes

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def public_bytes(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @cached_property
    def id(self) -> int:
        return sha256(self.public_bytes).digest()[0]

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            self.private.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"


@lru_cache(maxsize=8)
def _parse(text: str) -> tuple[SigningKey, ...]:
    keys = tuple(SigningKey(base64.b64decode(part, validate=True)) for part in text.replace(" ", "").split(","))
    if any(len(key.seed) != SEED_BYTES for key in keys):
        raise ValueError(f"DOORSTEP_SIGNING_KEY: every seed is {SEED_BYTES} bytes in base64")
    if len({key.id for key in keys}) != len(keys):
        # One chance in 256 for each pair; another seed is cheaper than wider ids in every printed code.
        raise ValueError("DOORSTEP_SIGNING_KEY: two seeds have the same key id; make another new seed")
    return keys


def signing_keys() -> tuple[SigningKey, ...]:
    """All trusted keys, newest first."""
    return _parse(settings.SIGNING_KEY)


def newest_key() -> SigningKey:
    return signing_keys()[0]


def key_that_verifies(message: bytes, signature: bytes) -> SigningKey | None:
    """The trusted key that made this signature, if any."""
    return next((key for key in signing_keys() if key.verifies(message, signature)), None)
