"""Signed codes: what is read is what was issued, and nothing else is read."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.passes import codes
from doorstep.kernel.passes.codes import PassKind, issue, public_keys, read
from doorstep.kernel.passes.errors import PassExpired, PassForged, PassNotYetValid, PassUnreadable

AT = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
SUBJECT = UUID("019a0000-0000-7000-8000-00000000000a")
CODE_ERRORS = (PassUnreadable, PassForged)
OLD_SEED = base64.b64encode(b"old".ljust(32)).decode()
NEW_SEED = base64.b64encode(b"new".ljust(32)).decode()


@given(
    st.sampled_from(PassKind),
    st.uuids(),
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, codes.MAX_LIFETIME_SECONDS),
    st.integers(0, 2**64 - 1),
)
def test_what_is_read_is_what_was_issued(
    kind: PassKind, subject: UUID, at: datetime, lifetime: int, scope: int
) -> None:
    shown = read(issue(kind, subject, at, lifetime, scope), at)
    issued_at = at.replace(microsecond=0)
    assert (shown.kind, shown.subject, shown.issued_at, shown.scope) == (kind, subject, issued_at, scope)
    assert shown.expires_at == issued_at + timedelta(seconds=lifetime)
    assert shown.key_id == newest_key().id


@given(st.integers(0, 8 * 99 - 1))
def test_no_flipped_bit_passes(bit: int) -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    data = bytearray(base64.b32decode(text[3:] + "="))
    data[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(CODE_ERRORS):
        read("DS1" + base64.b32encode(bytes(data)).decode().rstrip("="), AT)


@given(st.integers(0, 161), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_no_changed_character_passes(place: int, character: str) -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    changed = text[:place] + character + text[place + 1 :]
    if changed != text:
        with pytest.raises(CODE_ERRORS):
            read(changed, AT)


@given(st.text(max_size=200))
def test_any_other_text_is_unreadable(text: str) -> None:
    with pytest.raises(PassUnreadable):
        read(text, AT)


def test_it_is_short_enough_for_a_qr_code_in_alphanumeric_mode() -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    assert len(text) == 162
    assert re.fullmatch(r"DS1[A-Z2-7]{159}", text)
    qr = segno.make(text, error="m", micro=False)
    assert qr.mode == "alphanumeric"
    assert qr.version == 7


def test_spaces_and_small_letters_of_a_scanner_do_not_matter() -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    assert read(f" {text[:80].lower()}\n{text[80:]}\r\n", AT).subject == SUBJECT


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(-31, PassNotYetValid), (-30, None), (0, None), (59, None), (60, PassExpired), (3600, PassExpired)],
)
def test_a_code_lives_sixty_seconds(seconds: int, error: type[Exception] | None) -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    at = AT + timedelta(seconds=seconds)
    if error is None:
        assert read(text, at).subject == SUBJECT
    else:
        with pytest.raises(error):
            read(text, at)


def test_a_code_signed_by_a_stranger_is_forged() -> None:
    data = base64.b32decode(issue(PassKind.PERSON, SUBJECT, AT)[3:] + "=")
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    forged = data[:35] + stranger.sign(b"doorstep-pass/1\n" + data[:35])
    with pytest.raises(PassForged):
        read("DS1" + base64.b32encode(forged).decode().rstrip("="), AT)


def test_our_signature_over_anything_but_a_pass_is_no_pass() -> None:
    payload = base64.b32decode(issue(PassKind.PERSON, SUBJECT, AT)[3:] + "=")[:35]
    bare = payload + newest_key().sign(payload)
    with pytest.raises(PassForged):
        read("DS1" + base64.b32encode(bare).decode().rstrip("="), AT)


def test_a_kind_from_a_newer_version_is_unreadable() -> None:
    payload = bytearray(base64.b32decode(issue(PassKind.PERSON, SUBJECT, AT)[3:] + "=")[:35])
    payload[1] = 250
    data = bytes(payload) + newest_key().sign(b"doorstep-pass/1\n" + bytes(payload))
    with pytest.raises(PassUnreadable):
        read("DS1" + base64.b32encode(data).decode().rstrip("="), AT)


def test_codes_outlive_a_change_of_keys_until_the_old_key_is_dropped(settings: Any) -> None:
    settings.SIGNING_KEY = OLD_SEED
    text = issue(PassKind.ENTITLEMENT_PRINTED, SUBJECT, AT, 86_400)
    old = set(public_keys())
    settings.SIGNING_KEY = f"{NEW_SEED}, {OLD_SEED}"
    assert read(text, AT).subject == SUBJECT
    assert set(public_keys()) > old
    assert read(issue(PassKind.PERSON, SUBJECT, AT), AT).key_id not in old
    settings.SIGNING_KEY = NEW_SEED
    with pytest.raises(PassForged):
        read(text, AT)


def test_two_keys_with_one_id_and_a_wrong_seed_are_refused(settings: Any) -> None:
    settings.SIGNING_KEY = f"{NEW_SEED},{NEW_SEED}"
    with pytest.raises(ValueError, match="the same key id"):
        public_keys()
    settings.SIGNING_KEY = "QUFB"
    with pytest.raises(ValueError, match="32 bytes"):
        public_keys()


def test_the_public_keys_are_enough_to_check_a_code() -> None:
    data = base64.b32decode(issue(PassKind.CHECK_IN, SUBJECT, AT)[3:] + "=")
    key = Ed25519PublicKey.from_public_bytes(public_keys()[data[2]])
    key.verify(data[35:], b"doorstep-pass/1\n" + data[:35])
    assert codes.public_keys_json() == {str(data[2]): base64.b64encode(key.public_bytes_raw()).decode()}


def test_what_cannot_be_issued_is_refused() -> None:
    for lifetime in (0, codes.MAX_LIFETIME_SECONDS + 1):
        with pytest.raises(ValueError, match="a pass lives"):
            issue(PassKind.PERSON, SUBJECT, AT, lifetime)
    with pytest.raises(ValueError, match="aware"):
        issue(PassKind.PERSON, SUBJECT, datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="0 is not"):
        issue(0, SUBJECT, AT)  # type: ignore[arg-type]
