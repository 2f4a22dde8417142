"""Synchronising what a till served without network.

Every record was signed by the till when the meal was served. Good ones become uses like any other. What the books cannot take
(the voucher was used elsewhere meanwhile, the person already ate) is found, booked to a named account and reported, never forced:
the union bears it up to the programme's declared exposure per till and day, the venue beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction

from doorstep.kernel.audit.log import record
from doorstep.kernel.common.access import DevicePrincipal
from doorstep.kernel.common.canonical import canonical
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.errors import Problem, TooMany
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.models import OfflineConflict, Refusal, Use
from doorstep.kernel.entitlements.recording import KeyTaken, NewUse, record_uses
from doorstep.kernel.ledger.actions import NewTransfer, post
from doorstep.services.canteen.actions.redeeming import ACTION, check_key, new_use, read_code, request_digest
from doorstep.services.canteen.models import VoucherKind
from doorstep.services.canteen.queries.redemption import Loaded, load
from doorstep.services.canteen.refusals import REFUSALS, RedemptionRefused
from doorstep.services.canteen.rules.asking import Request
from doorstep.services.canteen.rules.redemption import CLOCK_SKEW, OFFLINE_HOURS, Refused, decide

MAX_RECORDS = 200


@dataclass(frozen=True, slots=True)
class OfflineRecord:
    """One meal served without network. ``signature``: Ed25519 of :func:`signed_text` by the till's own key."""

    key: str
    code: str
    at: datetime
    signature: bytes


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What became of one record: ``recorded``, ``repeated`` (already there), ``conflict`` or ``refused``."""

    key: str
    result: str
    receipt: str = ""
    code: str = ""
    text: str = ""
    bearer: str = ""


def signed_text(key: str, code: str, at_text: str) -> bytes:
    """The bytes a till signs; its first line keeps the signature apart from any other."""
    return f"doorstep-offline-redemption/1\n{key}\n{code}\n{at_text}\n".encode()


def sync_redemptions(
    *, device: DevicePrincipal, at: datetime, records: Sequence[tuple[OfflineRecord, str]]
) -> list[SyncOutcome]:
    """Take in up to 200 records; each comes with its time as the text that was signed. Same records, same outcomes.

    Raises: TooMany, KeyMissing. Everything else is an outcome of its own record.
    """
    if len(records) > MAX_RECORDS:
        raise TooMany(limit=MAX_RECORDS)
    outcomes: dict[str, SyncOutcome] = {}
    requests: list[Request] = []
    for item, at_text in records:
        check_key(item.key)
        problem = _unacceptable(device, at, item, at_text)
        if problem is not None:
            outcomes[item.key] = _refuse(device, item, problem)
            continue
        try:
            scanned = read_code(item.code, item.at, device.id)
        except RedemptionRefused as refused:
            outcomes[item.key] = _refuse(device, item, refused)
            continue
        requests.append(Request(item.key, scanned, item.at, request_digest(item.code)))
    # Oldest first, and each key once: of two meals on one voucher the earlier one stands.
    unique = {request.key: request for request in sorted(requests, key=lambda request: (request.at, request.key))}
    outcomes |= _take(device, at, list(unique.values()))
    return [outcomes[item.key] for item, _at in records]


@lru_cache(maxsize=256)
def _public_key(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def _unacceptable(device: DevicePrincipal, at: datetime, item: OfflineRecord, at_text: str) -> Problem | None:
    if device.public_key is None:
        return RedemptionRefused("bad_signature")
    try:
        _public_key(device.public_key).verify(item.signature, signed_text(item.key, item.code, at_text))
    except InvalidSignature:
        return RedemptionRefused("bad_signature")
    if item.at > at + CLOCK_SKEW or item.at < at - timedelta(hours=OFFLINE_HOURS) - CLOCK_SKEW:
        return RedemptionRefused("clock_skew")
    return None


def _refuse(device: DevicePrincipal, item: OfflineRecord, problem: Problem) -> SyncOutcome:
    """Keep the refusal once, however often the till sends the record."""
    known = Refusal.objects.filter(device_id=device.id, key=item.key, source=Use.Source.OFFLINE).exists()
    if not known:
        Refusal.objects.create(
            id=uuid7(),
            code=problem.code,
            place_id=device.place_id,
            device_id=device.id,
            source=Use.Source.OFFLINE,
            key=item.key,
            at=item.at,
        )
    return SyncOutcome(item.key, "refused", code=problem.code, text=problem.message)


def _take(device: DevicePrincipal, at: datetime, requests: list[Request]) -> dict[str, SyncOutcome]:
    """Record what can be recorded, in rounds in which no entitlement occurs twice; the rest are conflicts."""
    outcomes: dict[str, SyncOutcome] = {}
    known = {
        conflict.key: SyncOutcome(
            conflict.key, "conflict", code=conflict.code, text=_text(conflict.code), bearer=conflict.data["bearer"]
        )
        for conflict in OfflineConflict.objects.filter(
            device_id=device.id, key__in=[request.key for request in requests]
        )
    }
    waiting = [request for request in requests if request.key not in known]
    outcomes |= known
    while waiting:
        round_, waiting = _next_round(waiting)
        outcomes |= _one_round(device, at, round_)
    return outcomes


def _next_round(waiting: list[Request]) -> tuple[list[Request], list[Request]]:
    now: dict[tuple[UUID | None, int | None], Request] = {}
    later = []
    for request in waiting:
        target = (request.scanned.entitlement_id, request.scanned.number)
        if target in now:
            later.append(request)
        else:
            now[target] = request
    return list(now.values()), later


def _one_round(device: DevicePrincipal, at: datetime, requests: list[Request]) -> dict[str, SyncOutcome]:
    outcomes: dict[str, SyncOutcome] = {}
    uses: list[tuple[Request, Loaded, NewUse]] = []
    slots: set[str] = set()
    entitlements: set[UUID] = set()
    conflicts: list[tuple[Request, Loaded, str]] = []
    for request, loaded in zip(requests, load(device, requests), strict=True):
        if loaded.kept_digest is not None:
            same = loaded.kept_digest == request.digest
            outcomes[request.key] = (
                SyncOutcome(request.key, "repeated", receipt=loaded.kept_receipt)
                if same
                else SyncOutcome(request.key, "refused", code="key_reused", text=_text("key_reused"))
            )
            continue
        decision = Refused(loaded.missing) if loaded.situation is None else decide(loaded.situation)
        if isinstance(decision, Refused):
            conflicts.append((request, loaded, decision.code))
        elif decision.slot in slots or loaded.entitlement_id in entitlements:
            conflicts.append((request, loaded, "already_this_window"))
        else:
            assert loaded.entitlement_id is not None
            slots.add(decision.slot)
            entitlements.add(loaded.entitlement_id)
            use = new_use(loaded, decision, request, device, source="offline", evidence={"synced_at": at.isoformat()})
            uses.append((request, loaded, use))
    recorded, lost = _record(device, [use for _request, _loaded, use in uses])
    for request, loaded, use in uses:
        if use.id in recorded:
            outcomes[request.key] = SyncOutcome(request.key, "recorded", receipt=use.receipt)
        else:
            conflicts.append((request, loaded, lost.get(use.id, "already_used")))
    for request, loaded, code in sorted(conflicts, key=lambda item: (item[0].at, item[0].key)):
        outcomes[request.key] = book_conflict(device=device, at=at, request=request, loaded=loaded, code=code)
    return outcomes


def _record(device: DevicePrincipal, uses: list[NewUse]) -> tuple[set[UUID], dict[UUID, str]]:
    """All at once; when a live rival spoils the batch, one by one, so that every good record is kept."""
    if not uses:
        return set(), {}
    try:
        return record_uses(actor=device.actor, action=ACTION, uses=uses), {}
    except Problem:
        recorded: set[UUID] = set()
        lost: dict[UUID, str] = {}
        for use in uses:
            try:
                recorded |= record_uses(actor=device.actor, action=ACTION, uses=[use])
            except KeyTaken:
                recorded.add(use.id)
            except Problem as problem:
                lost[use.id] = problem.code
        return recorded, lost


def _text(code: str) -> str:
    return str(REFUSALS[code][1]) if code in REFUSALS else ""


_DOUBLES = frozenset({"already_used", "already_this_window", "monthly_limit", "voided", "expired"})


@transaction.atomic
def book_conflict(*, device: DevicePrincipal, at: datetime, request: Request, loaded: Loaded, code: str) -> SyncOutcome:
    """Book a meal that was served in good faith but cannot be charged to its voucher.

    The union's named account bears its share while the till's declared exposure of the day lasts; beyond it, and for codes
    that were never good, the venue does.
    """
    kind = (
        VoucherKind.objects.select_related("programme").filter(terms_id=loaded.terms_id).first()
        if loaded.terms_id
        else None
    )
    amount = loaded.situation.unit_fen if loaded.situation else 0
    bearer_id, batch = None, None
    if kind is not None and amount and code in _DOUBLES:
        used_fen = exposure_today(device.id, local(request.at).date(), lock=True)
        if used_fen + amount <= kind.programme.exposure_cap_fen:
            bearer_id = kind.programme.offline_losses_id
    conflict_id = uuid7()
    if bearer_id is not None:
        batch = post(
            [
                NewTransfer(
                    bearer_id,
                    loaded.payee_id,
                    amount,
                    "canteen.offline_loss",
                    "offline_conflict",
                    conflict_id,
                    request.at,
                )
            ]
        )
    bearer = "union" if bearer_id else "venue"
    OfflineConflict.objects.create(
        id=conflict_id,
        code=code,
        data={"bearer": bearer},
        entitlement_id=loaded.entitlement_id,
        person_id=loaded.person_id,
        place_id=device.place_id,
        device_id=device.id,
        payee_id=loaded.payee_id,
        bearer_id=bearer_id,
        batch=batch,
        amount_fen=amount,
        key=request.key,
        at=request.at,
    )
    record(
        actor=device.actor,
        action="canteen.book_conflict",
        subject_kind="offline_conflict",
        subject_id=conflict_id,
        organisation_id=loaded.payer_id,
        at=at,
        data={"code": code, "amount_fen": amount, "bearer": bearer, "key": request.key},
    )
    return SyncOutcome(request.key, "conflict", code=code, text=_text(code), bearer=bearer)


def exposure_today(device_id: UUID, day: date, *, lock: bool = False) -> int:
    """What the union already bears for this till on this day, in fen. ``lock`` makes two synchronisations take turns."""
    with connection.cursor() as cursor:
        if lock:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"exposure:{device_id}:{day}"])
        cursor.execute(
            """SELECT coalesce(sum(amount_fen), 0)::bigint FROM entitlements_offlineconflict
               WHERE device_id = %s AND bearer_id IS NOT NULL
               AND (at AT TIME ZONE 'Asia/Shanghai')::date = %s""",
            [device_id, day],
        )
        return int(cursor.fetchone()[0])


def as_json(outcomes: Sequence[SyncOutcome]) -> str:
    """The answer's text. Receipts go in as they were kept, byte for byte, without being read and written again."""
    parts = []
    for outcome in outcomes:
        words = canonical(
            {
                "key": outcome.key,
                "result": outcome.result,
                "code": outcome.code,
                "text": outcome.text,
                "bearer": outcome.bearer,
            }
        )
        parts.append(f'{words[:-1]},"receipt":{outcome.receipt or "null"}}}')
    return f'{{"outcomes":[{",".join(parts)}]}}'
