"""Codes shown as QR: who or what may pass, until when, signed so that a till without a network can tell.

The text is ``DS1`` and base32 in capitals, so that a QR code stays in its compact alphanumeric mode (162 characters).
The bytes: version, kind, key id (1 each), subject (16), issued at (4), lifetime seconds (4), scope (8), signature (64).
"""

import base64
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from uuid import UUID

from doorstep.kernel.audit.signing import newest_key, signing_keys
from doorstep.kernel.passes.errors import PassExpired, PassForged, PassNotYetValid, PassUnreadable

PREFIX = "DS1"
VERSION = 1
ROTATE_SECONDS = 30  # a shown code is replaced by a new one this often
DEAD_SECONDS = 60  # and is worth nothing after this long, so that a screenshot cannot be sold
CLOCK_SKEW_SECONDS = 30
MAX_LIFETIME_SECONDS = 400 * 24 * 3600

_FIELDS = struct.Struct(">BBB16sII8s")
_SIGNATURE_BYTES = 64
_TEXT_LENGTH = len(PREFIX) + -(-(_FIELDS.size + _SIGNATURE_BYTES) * 8 // 5)
# In front of what is signed, so that a pass can never be taken for anything else that the same key signs.
_CONTEXT = b"doorstep-pass/1\n"


class PassKind(IntEnum):
    """What a pass is for. The numbers are printed in codes: never reuse one."""

    ENTITLEMENT = 1
    ENTITLEMENT_PRINTED = 2
    DEVICE_PAIRING = 3
    CHECK_IN = 4
    PERSON = 5
    THING = 6
    BOOKING = 7


@dataclass(frozen=True, slots=True)
class Pass:
    """What a good code says."""

    kind: PassKind
    subject: UUID
    issued_at: datetime
    expires_at: datetime
    scope: int
    key_id: int


def issue(kind: PassKind, subject: UUID, at: datetime, lifetime_seconds: int = DEAD_SECONDS, scope: int = 0) -> str:
    """A signed code for ``subject``, good from ``at`` for ``lifetime_seconds``; a ``scope`` other than 0 narrows it."""
    if not 1 <= lifetime_seconds <= MAX_LIFETIME_SECONDS:
        raise ValueError(f"a pass lives 1 to {MAX_LIFETIME_SECONDS} seconds")
    if at.tzinfo is None:
        raise ValueError("a pass needs an aware datetime")
    key = newest_key()
    payload = _FIELDS.pack(
        VERSION,
        PassKind(kind),
        key.id,
        subject.bytes,
        int(at.timestamp()),
        lifetime_seconds,
        scope.to_bytes(8, "big"),
    )
    signed = payload + key.sign(_CONTEXT + payload)
    return PREFIX + base64.b32encode(signed).decode().rstrip("=")


def _decode(text: str) -> bytes:
    plain = "".join(text.split()).upper()
    if len(plain) != _TEXT_LENGTH or not plain.startswith(PREFIX):
        raise PassUnreadable
    body = plain.removeprefix(PREFIX)
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError as error:
        raise PassUnreadable from error
    # The last character has spare bits; only one spelling of a code is good, so that a code can serve as a key.
    if base64.b32encode(data).decode().rstrip("=") != body:
        raise PassUnreadable
    return data


def read(text: str, at: datetime, clock_skew_seconds: int = CLOCK_SKEW_SECONDS) -> Pass:
    """Check a code's form, signature and time. Whether it was revoked is another question: ``queries.is_revoked``.

    The skew forgives a reader whose clock is behind the issuer's; it never makes a code live longer.
    Raises: PassUnreadable, PassForged, PassNotYetValid, PassExpired, looked for in this order.
    """
    data = _decode(text)
    payload, signature = data[: _FIELDS.size], data[_FIELDS.size :]
    version, kind, key_id, subject, issued, lifetime, scope = _FIELDS.unpack(payload)
    if version != VERSION:
        raise PassUnreadable
    key = next((key for key in signing_keys() if key.id == key_id), None)
    if key is None or not key.verifies(_CONTEXT + payload, signature):
        raise PassForged
    try:
        known = PassKind(kind)
    except ValueError as error:  # signed by us, but by a newer version of this program
        raise PassUnreadable from error
    issued_at = datetime.fromtimestamp(issued, UTC)
    expires_at = issued_at + timedelta(seconds=lifetime)
    if at < issued_at - timedelta(seconds=clock_skew_seconds):
        raise PassNotYetValid
    if at >= expires_at:
        raise PassExpired
    return Pass(known, UUID(bytes=subject), issued_at, expires_at, int.from_bytes(scope, "big"), key_id)


def public_keys() -> dict[int, bytes]:
    """Key id → raw public key, for tills and browsers that check codes offline."""
    return {key.id: key.public_bytes for key in signing_keys()}


def public_keys_json() -> dict[str, str]:
    """The same as JSON wants it, base64; what ``static/passes/verify.js`` is given."""
    return {str(number): base64.b64encode(key).decode() for number, key in public_keys().items()}
