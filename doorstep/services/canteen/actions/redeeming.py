"""Redeeming vouchers at a till: preview, redeem, void; and synchronising what a till served without network.

A redemption is two statements: one loads everything the rules look at, one records the use, the money and the audit entry.
The second is a transaction by itself. The till believes the server, never the customer's screen.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing

from doorstep.kernel.common.access import DevicePrincipal
from doorstep.kernel.common.action import MAX_KEY_LENGTH, action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import canonical, digest
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.errors import KeyMissing, KeyReused, NotFound, Problem
from doorstep.kernel.common.hot import fetch
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import ReversalReceipt, reverse_use
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.entitlements.recording import KeyTaken, NewUse, record_uses
from doorstep.kernel.passes.codes import Pass, PassKind, read
from doorstep.kernel.passes.short_codes import read_short_code
from doorstep.kernel.places.queries import calendar_overrides
from doorstep.services.canteen.models import Venue
from doorstep.services.canteen.queries.redemption import Loaded, load
from doorstep.services.canteen.refusals import REFUSALS, RedemptionRefused
from doorstep.services.canteen.rules.asking import Request, Scanned
from doorstep.services.canteen.rules.redemption import VOID_WITHIN, Allowed, Refused, decide, outside

ACTION = "canteen.redeem_voucher"
SCAN_PREFIX = "SCAN:"
SCAN_SECONDS = 120
_SCAN_SALT = "canteen.scan"
MAX_CODE_LENGTH = 400


@dataclass(frozen=True, slots=True)
class Preview:
    """What the cashier sees before confirming. ``scan`` stands for the code for two minutes."""

    scan: str
    person: str
    kind: str
    meal: str
    list_price_fen: int
    union_fen: int
    worker_fen: int


def read_code(code: str, at: datetime, device_id: UUID) -> Scanned:
    """What was scanned, typed or previewed, checked for form, signature and time.

    Raises: RedemptionRefused (pass_*, short_code_*, scan_expired, foreign_code).
    """
    text = code.strip()
    if len(text) > MAX_CODE_LENGTH:
        raise RedemptionRefused("pass_unreadable")
    if text.startswith(SCAN_PREFIX):
        return _read_scan(text, at, device_id)
    try:
        if text[:1].isdigit():
            short = read_short_code(text, at)
            return Scanned(None, short.number, short.kind is PassKind.ENTITLEMENT_PRINTED, None, 0)
        return _from_pass(read(text, at))
    except RedemptionRefused:
        raise
    except Problem as problem:
        if problem.code not in REFUSALS:
            raise
        raise RedemptionRefused(problem.code) from problem


def _from_pass(shown: Pass) -> Scanned:
    if shown.kind not in (PassKind.ENTITLEMENT, PassKind.ENTITLEMENT_PRINTED):
        raise RedemptionRefused("foreign_code")
    return Scanned(shown.subject, None, shown.kind is PassKind.ENTITLEMENT_PRINTED, shown.issued_at, shown.scope)


def make_scan(entitlement_id: UUID, scanned: Scanned, device_id: UUID, at: datetime) -> str:
    """A token of this till for what it just scanned, so that confirming may take longer than a code lives."""
    return SCAN_PREFIX + signing.dumps(
        [entitlement_id.hex, device_id.hex, int(at.timestamp()), scanned.printed, scanned.scope], salt=_SCAN_SALT
    )


def _read_scan(text: str, at: datetime, device_id: UUID) -> Scanned:
    try:
        entitlement, device, issued, printed, scope = signing.loads(text.removeprefix(SCAN_PREFIX), salt=_SCAN_SALT)
    except signing.BadSignature:
        raise RedemptionRefused("pass_forged") from None
    if device != device_id.hex:
        raise RedemptionRefused("pass_forged")
    if not 0 <= at.timestamp() - issued < SCAN_SECONDS:
        raise RedemptionRefused("scan_expired")
    return Scanned(UUID(entitlement), None, printed, None, scope)


def request_digest(code: str) -> bytes:
    return digest({"action": ACTION, "code": "".join(code.split())})


def key_scope(device: DevicePrincipal) -> str:
    return f"device:{device.id}"


def check_key(key: str) -> str:
    """Raises: KeyMissing."""
    if not key or len(key) > MAX_KEY_LENGTH:
        raise KeyMissing
    return key


def preview_voucher(*, device: DevicePrincipal, at: datetime, code: str) -> Preview:
    """What redeeming this code here and now would do; changes nothing except that a refusal is kept.

    Raises: RedemptionRefused.
    """
    scanned: Scanned | None = None
    try:
        scanned = read_code(code, at, device.id)
        loaded = load(device, [Request("preview", scanned, at, b"")])[0]
        allowed = _allowed(loaded, at)
    except RedemptionRefused as refused:
        keep_refusal(refused, device=device, at=at, scanned=scanned, key="", source="online")
        raise
    assert loaded.entitlement_id is not None
    return Preview(
        scan=make_scan(loaded.entitlement_id, scanned, device.id, at),
        person=loaded.first_character,
        kind=loaded.kind_name,
        meal=allowed.window.title,
        list_price_fen=allowed.list_price_fen,
        union_fen=allowed.union_fen,
        worker_fen=allowed.worker_fen,
    )


def redeem_voucher(
    *, device: DevicePrincipal, at: datetime, key: str, code: str, evidence: dict[str, Any] | None = None
) -> str:
    """Redeem one voucher for one meal; returns the receipt as the JSON text that is kept and answered on every retry.

    Raises: KeyMissing, KeyReused (409: the key is on another code), RedemptionRefused.
    """
    check_key(key)
    asked = request_digest(code)
    scanned: Scanned | None = None
    try:
        try:
            scanned = read_code(code, at, device.id)
        except RedemptionRefused:
            # A retry may come when the code has died: the first answer still counts.
            kept = _kept_receipt(device, key, asked)
            if kept is not None:
                return kept
            raise
        request = Request(key, scanned, at, asked)
        loaded = load(device, [request])[0]
        if loaded.kept_digest is not None:
            return _repeat(loaded.kept_digest, loaded.kept_receipt, asked)
        use = new_use(loaded, _allowed(loaded, at), request, device, source="online", evidence=evidence or {})
        try:
            done = record_uses(actor=device.actor, action=ACTION, uses=[use])
        except KeyTaken:
            kept = _kept_receipt(device, key, asked)
            if kept is None:
                raise KeyReused from None
            return kept
        except Problem as problem:
            raise _refused(
                Refused(problem.code, {"meal": json.loads(use.receipt)["meal_title"], "limit": ""})
            ) from None
        if use.id not in done:
            # A rival took the unit between the two statements: look again and say why.
            again = load(device, [request])[0]
            if again.kept_digest is not None:
                return _repeat(again.kept_digest, again.kept_receipt, asked)
            _allowed(again, at)
            raise RedemptionRefused("already_used")
        return use.receipt
    except RedemptionRefused as refused:
        keep_refusal(refused, device=device, at=at, scanned=scanned, key=key, source="online")
        raise


def _allowed(loaded: Loaded, at: datetime) -> Allowed:
    """Raises: RedemptionRefused."""
    if loaded.situation is None:
        raise RedemptionRefused(loaded.missing)
    decision = decide(loaded.situation)
    if isinstance(decision, Refused):
        if decision.code in ("outside_window", "venue_closed"):
            # Only now is the calendar of the coming days worth a statement.
            situation = loaded.situation_with_calendar(calendar_overrides(local(at).date()))
            decision = outside(situation, None if decision.code == "outside_window" else loaded.window_now)
        raise _refused(decision)
    return decision


def _refused(decision: Refused) -> RedemptionRefused:
    return RedemptionRefused(decision.code, **decision.data)


def _repeat(kept_digest: bytes, receipt: str, asked: bytes) -> str:
    if kept_digest != asked:
        raise KeyReused
    return receipt


_KEPT = "SELECT request_digest, receipt FROM entitlements_use WHERE key_scope = %(scope)s AND key = %(key)s"


def _kept_receipt(device: DevicePrincipal, key: str, asked: bytes) -> str | None:
    rows = fetch(_KEPT, {"scope": key_scope(device), "key": key})
    return _repeat(bytes(rows[0][0]), rows[0][1], asked) if rows else None


def new_use(
    loaded: Loaded,
    allowed: Allowed,
    request: Request,
    device: DevicePrincipal,
    *,
    source: str,
    evidence: dict[str, Any],
) -> NewUse:
    """The use the rules allowed, with the receipt the client will see."""
    assert loaded.entitlement_id is not None
    use_id = uuid7()
    wall = local(request.at)
    receipt = canonical(
        {
            "use_id": use_id,
            "result": "accepted",
            "at": request.at,
            "venue": loaded.venue_name,
            "till": device.name,
            "person": loaded.first_character,
            "kind": loaded.kind_name,
            "meal": allowed.window.code,
            "meal_title": allowed.window.title,
            "list_price_fen": allowed.list_price_fen,
            "union_fen": allowed.union_fen,
            "worker_fen": allowed.worker_fen,
            "void_until": request.at + VOID_WITHIN,
            "source": source,
        }
    )
    month = f"{wall.year}-{wall.month:02d}"
    number = allowed.month_number
    return NewUse(
        id=use_id,
        entitlement_id=loaded.entitlement_id,
        terms_version_id=loaded.terms_version_id,
        person_id=loaded.person_id,
        place_id=device.place_id,
        device_id=device.id,
        reserved_id=loaded.reserved_id,
        payee_id=loaded.payee_id,
        at=request.at,
        day=wall.date(),
        window=allowed.window.code,
        slot=allowed.slot,
        quota_slot=None if number is None else f"{loaded.terms_id}:{loaded.person_id}:{month}:{number}",
        list_price_fen=allowed.list_price_fen,
        payer_fen=allowed.union_fen,
        person_fen=allowed.worker_fen,
        source=source,
        key_scope=key_scope(device),
        key=request.key,
        request_digest=request.digest,
        receipt=receipt,
        evidence={"code": "printed" if request.scanned.printed else "screen", **evidence},
        organisation_id=loaded.payer_id,
        taken_from_id=loaded.diners_id,
        taken_by_id=loaded.takings_id,
    )


_REFUSE = """
INSERT INTO entitlements_refusal (id, code, data, person_id, entitlement_id, place_id, device_id, source, key, at)
SELECT %(id)s, %(code)s, %(data)s::jsonb, e.person_id, e.id, %(place)s, %(device)s, %(source)s, %(key)s, %(at)s
FROM (SELECT 1) AS one LEFT JOIN entitlements_entitlement e ON e.id = %(entitlement)s OR e.number = %(number)s
"""


def keep_refusal(
    refused: Problem,
    *,
    device: DevicePrincipal,
    at: datetime,
    scanned: Scanned | None,
    key: str,
    source: str,
) -> None:
    """Keep a refusal with its reason: one statement, after everything else was rolled back or never began."""
    fetch(
        _REFUSE,
        {
            "id": uuid7(),
            "code": refused.code,
            "data": canonical(refused.data),
            "place": device.place_id,
            "device": device.id,
            "source": source,
            "key": key,
            "at": at,
            "entitlement": scanned.entitlement_id if scanned else None,
            "number": scanned.number if scanned else None,
        },
    )


@action
def void_redemption(
    *, actor: Actor, at: datetime, key: str, use_id: UUID, place_id: UUID, reason: str
) -> ReversalReceipt:
    """Take a redemption back at the till it was made at, within ten minutes.

    Raises: NotFound (another venue's), ReversalTooLate, AlreadyReversed, Invalid (no reason).
    """
    use = Use.objects.filter(pk=use_id, place_id=place_id).first()
    if use is None:
        raise NotFound
    venue = Venue.objects.only("organisation_id").get(place_id=place_id)
    return reverse_use(
        actor=actor,
        at=at,
        use_id=use_id,
        reason=reason,
        within=VOID_WITHIN,
        organisation_id=venue.organisation_id,
    )
