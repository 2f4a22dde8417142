"""The canteen's HTTP/JSON face, for tills: preview, redeem, void, synchronise, what to keep for working offline."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from ninja import Field, File, Header, Router, Schema, UploadedFile
from pydantic import ConfigDict

from doorstep.kernel.common import clock
from doorstep.kernel.common.access import DevicePrincipal, Face, device_of
from doorstep.kernel.common.action import MAX_KEY_LENGTH
from doorstep.kernel.common.errors import Invalid, KeyMissing, NotAllowed, Problem
from doorstep.services.canteen import photos
from doorstep.services.canteen.actions import redeeming, syncing
from doorstep.services.canteen.queries.till import till_config as load_till_config

router = Router(tags=["canteen"])
TILL_PAGE = "doorstep-till"


class NotFromTillPage(Problem):
    """The cookie came without the header only our own page can add: perhaps another site sent the request."""

    code = "not_from_till_page"
    status = 403
    text = _("这个请求不是从收银页发来的。")
    remedy = _("请打开收银页再操作。")


IdempotencyKey = Annotated[
    str | None, Header(max_length=MAX_KEY_LENGTH, description="made by the client; kept for retries")
]


def till(request: HttpRequest) -> DevicePrincipal | None:
    """A paired till, by ``Authorization: Device <id>.<secret>`` or its cookie.

    The cookie is SameSite=Strict; with it the header ``X-Requested-With: doorstep-till`` is needed too, which a page of
    another site cannot add without asking us first (CORS), and we never agree.
    """
    device = device_of(request)
    if device is None:
        return None
    if "Authorization" not in request.headers and request.headers.get("X-Requested-With") != TILL_PAGE:
        raise NotFromTillPage
    if device.kind != "till":
        raise NotAllowed
    return device


till.face = Face("device", "till")  # type: ignore[attr-defined]


class In(Schema):
    """Requests say nothing that is not asked for."""

    model_config = ConfigDict(extra="forbid")


class Refusal(Schema):
    """RFC 9457 problem document."""

    type: str
    code: str
    status: int
    title: str
    detail: str
    field: str | None = None
    data: dict[str, Any] | None = None


REFUSALS = dict.fromkeys((400, 401, 403, 404, 409, 413, 422), Refusal)


class CodeIn(In):
    code: str = Field(min_length=1, max_length=redeeming.MAX_CODE_LENGTH, description="scanned, typed or previewed")


class RedeemIn(CodeIn):
    distance_m: int | None = Field(None, ge=0, le=1_000_000, description="till to venue, when the till knows")


class PreviewOut(Schema):
    scan: str
    person: str
    kind: str
    meal: str
    list_price_fen: int
    union_fen: int
    worker_fen: int


class ReceiptOut(Schema):
    use_id: UUID
    result: str
    at: datetime
    venue: str
    till: str
    person: str
    kind: str
    meal: str
    meal_title: str
    list_price_fen: int
    union_fen: int
    worker_fen: int
    void_until: datetime
    source: str


class VoidIn(In):
    use_id: UUID
    reason: str = Field(min_length=1, max_length=200)


class VoidOut(Schema):
    use_id: UUID
    payer_fen: int
    person_fen: int
    reversed_at: datetime


class OfflineIn(In):
    key: str = Field(min_length=1, max_length=MAX_KEY_LENGTH)
    code: str = Field(min_length=1, max_length=redeeming.MAX_CODE_LENGTH)
    at: str = Field(min_length=20, max_length=40, description="ISO 8601 with offset, exactly as signed")
    signature: str = Field(max_length=120, description="base64 Ed25519 of the record")


class SyncIn(In):
    records: list[OfflineIn] = Field(max_length=syncing.MAX_RECORDS)


class OutcomeOut(Schema):
    key: str
    result: str
    receipt: ReceiptOut | None = None
    code: str
    text: str
    bearer: str


class SyncOut(Schema):
    outcomes: list[OutcomeOut]


class WindowOut(Schema):
    code: str
    title: str
    start: str
    end: str


class KindOut(Schema):
    id: UUID
    kind: str
    name: str
    list_price_fen: int
    union_fen: int
    worker_fen: int
    printed_scope: str
    windows: list[WindowOut]


class RevocationOut(Schema):
    kind: int
    subject: UUID
    at: datetime


class TillConfigOut(Schema):
    device_id: UUID
    device: str
    place: str
    server_time: datetime
    valid_until: datetime
    public_key: str
    refusal: str
    kinds: list[KindOut]
    open_periods: list[tuple[datetime, datetime]]
    exposure_cap_fen: int
    exposure_used_fen: int
    keys: dict[str, str]
    revocations: list[RevocationOut]
    used_today: list[UUID]


class PhotoOut(Schema):
    code: str


def key_of(key: str | None) -> str:
    """Raises: KeyMissing."""
    if not key:
        raise KeyMissing
    return key


def _device(request: HttpRequest) -> DevicePrincipal:
    device: DevicePrincipal = request.auth  # type: ignore[attr-defined]
    return device


@router.post("/preview", auth=till, response={200: PreviewOut, **REFUSALS}, by_alias=False)
def preview(request: HttpRequest, body: CodeIn) -> Any:
    """What redeeming this code here and now would do."""
    return redeeming.preview_voucher(device=_device(request), at=clock.now(), code=body.code)


@router.post("/redeem", auth=till, response={200: ReceiptOut, **REFUSALS})
def redeem(request: HttpRequest, body: RedeemIn, idempotency_key: IdempotencyKey = None) -> HttpResponse:
    """Redeem one voucher for one meal. The same key and code get the same answer, byte for byte."""
    receipt = redeeming.redeem_voucher(
        device=_device(request),
        at=clock.now(),
        key=key_of(idempotency_key),
        code=body.code,
        evidence={} if body.distance_m is None else {"distance_m": body.distance_m},
    )
    return HttpResponse(receipt, content_type="application/json")


@router.post("/void", auth=till, response={200: VoidOut, **REFUSALS})
def void(request: HttpRequest, body: VoidIn, idempotency_key: IdempotencyKey = None) -> Any:
    """Take a redemption of this till's venue back within ten minutes."""
    device = _device(request)
    return redeeming.void_redemption(
        actor=device.actor,
        at=clock.now(),
        key=key_of(idempotency_key),
        use_id=body.use_id,
        place_id=device.place_id,
        reason=body.reason,
    )


@router.post("/sync", auth=till, response={200: SyncOut, **REFUSALS})
def sync(request: HttpRequest, body: SyncIn) -> Any:
    """Take in what the till served without network; every record carries its own key and signature."""
    records = [(_record(item, index), item.at) for index, item in enumerate(body.records)]
    outcomes = syncing.sync_redemptions(device=_device(request), at=clock.now(), records=records)
    return HttpResponse(syncing.as_json(outcomes), content_type="application/json")


def _record(item: OfflineIn, index: int) -> syncing.OfflineRecord:
    try:
        at = datetime.fromisoformat(item.at)
        signature = base64.b64decode(item.signature, validate=True)
    except (ValueError, binascii.Error):
        raise Invalid(f"records.{index}") from None
    if at.tzinfo is None:
        raise Invalid(f"records.{index}.at")
    return syncing.OfflineRecord(item.key, item.code, at, signature)


@router.get("/till-config", auth=till, response={200: TillConfigOut, 401: Refusal, 403: Refusal})
def till_config(request: HttpRequest) -> Any:
    """What a till keeps so that it can serve for four hours without network."""
    return load_till_config(_device(request), clock.now())


@router.post("/read-photo", auth=till, response={200: PhotoOut, **REFUSALS})
def read_photo(request: HttpRequest, photo: File[UploadedFile]) -> Any:
    """The code in a photograph; nothing is kept."""
    return {"code": photos.read_photo(photo, photo.size or 0)}
