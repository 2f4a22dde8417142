"""The till's pages: pairing, scan and confirm, today's counter, taking back; and the service worker that keeps them offline.

Everything works with plain forms; the scripts add the camera, the sound and working without network.
"""

import base64
import binascii
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import clock
from doorstep.kernel.common.access import DEVICE_COOKIE, DevicePrincipal, devices, public
from doorstep.kernel.common.errors import Invalid, NotFound, Problem
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.places.models import Place
from doorstep.services.canteen import photos
from doorstep.services.canteen.actions import redeeming
from doorstep.services.canteen.actions.pairing import pair_till, read_pairing
from doorstep.services.canteen.queries.till import Counter, counter_today
from doorstep.services.canteen.refusals import REFUSALS
from doorstep.services.canteen.rules.redemption import VOID_WITHIN

YEAR_SECONDS = 60 * 60 * 24 * 365
# What the till's modules import by their plain names, and what its page loads by the names the page gives them.
MODULES = (
    "canteen/till/api.js", "canteen/till/offline.js", "canteen/till/scanner.js", "canteen/till/screen.js",
    "canteen/till/store.js", "passes/verify.js",
)  # fmt: skip
PAGE_FILES = (
    "canteen/till/till.js", "canteen/till/till.css", "django_htmx/htmx-2.min.js", "web/base.css", "web/components.css",
    "web/doorstep.js", "web/icons.svg", "web/mark.svg", "web/print.css", "web/shells.css", "web/till.css", "web/tokens.css",
)  # fmt: skip


def _device(request: HttpRequest) -> DevicePrincipal:
    device: DevicePrincipal = request.device  # type: ignore[attr-defined]
    return device


def _counter(device: DevicePrincipal, limit: int = 100) -> Counter:
    return counter_today(device.place_id, clock.now(), VOID_WITHIN, limit)


# Pairing -----------------------------------------------------------------------------------------------------------


@public
@never_cache
@require_http_methods(["GET", "POST"])
def pair(request: HttpRequest) -> HttpResponse:
    """Make this browser a till with a code from the desk; without a code, say how to get one."""
    given = request.POST if request.method == "POST" else request.GET
    code = given.get("code", "").strip()
    context: dict[str, Any] = {"code": code}
    status = 200
    try:
        if request.method == "POST":
            return _paired(request, code)
        if code:
            context["offer"] = read_pairing(at=clock.now(), code=code)
    except Problem as problem:
        context["problem"], status = problem, problem.status
    return render(request, "canteen/till/pair.html", context, status=status)


def _paired(request: HttpRequest, code: str) -> HttpResponse:
    try:
        key = base64.b64decode(request.POST.get("public_key", ""), validate=True)
    except binascii.Error:
        raise Invalid("public_key", text=_("设备公钥看不懂。")) from None
    paired = pair_till(at=clock.now(), code=code, public_key=key or None)
    response = redirect("canteen:till")
    response.set_cookie(
        DEVICE_COOKIE,
        paired.token,
        max_age=YEAR_SECONDS,
        httponly=True,
        secure=request.is_secure(),
        samesite="Strict",
    )
    return response


# Scan and confirm ---------------------------------------------------------------------------------------------------


@devices("till")
@never_cache
@require_safe
def counter(request: HttpRequest) -> HttpResponse:
    """The till. ``?done=`` shows the receipt of a redemption made without scripts."""
    device = _device(request)
    done = request.GET.get("done", "")
    receipt = _receipt(device, done) if done else None
    return _till(request, {"receipt": receipt})


def _receipt(device: DevicePrincipal, use_id: str) -> dict[str, Any]:
    try:
        kept = Use.objects.filter(pk=UUID(use_id), place_id=device.place_id).values_list("receipt", flat=True).first()
    except ValueError:
        kept = None
    if kept is None:
        raise NotFound
    receipt: dict[str, Any] = json.loads(kept)
    return receipt


def _till(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    device = _device(request)
    place = Place.objects.only("name").get(pk=device.place_id)
    words = _words(get_language() or settings.LANGUAGE_CODE)
    filled = {
        "device": device,
        "place_name": place.name,
        "today": _counter(device, 1),
        "words": words,
        "now": clock.now(),
        **context,
    }
    return render(request, "canteen/till/till.html", filled, status=status)


@lru_cache(maxsize=4)
def _words(language: str) -> dict[str, Any]:
    """Every sentence the scripts may have to say without asking the server."""
    return {
        "refusals": {code: [str(text), str(remedy)] for code, (_status, text, remedy) in REFUSALS.items()},
        "yuan": _("元"),
        "ok": _("成功"),
        "no": _("不能用"),
        "wait": _("尚未确认"),
        "collect": _("请收 {amount} 元"),
        "collect_now": _("请收"),
        "collect_none": _("不收钱"),
        "collect_hold": _("先不收钱"),
        "collect_later": _("先不收钱,联网后再看"),
        "unconfirmed": _("已存在本机,联网后自动确认"),
        "offline": _("离线,已存 {n} 笔"),
        "exposure": _("上限 {cap} 元,已用 {used} 元"),
        "waiting": _("{n} 笔等待确认"),
        "asking": _("没收到回答,正在再问一次…"),
        "unanswered": _("没收到回答"),
        "unanswered_next": _("网络恢复后会自动再问,不会重复扣券。先请顾客稍等。"),
        "resumed": _("上一笔有结果了"),
        "recorded": _("已确认"),
        "repeated": _("已确认(早就记上了)"),
        "conflict": _("有冲突"),
        "refused": _("没有通过"),
        "pending": _("等待确认"),
        "bearer_union": _("由工会承担"),
        "bearer_venue": _("由店里承担"),
        "differs": _("应收 {right} 元,当时收了 {taken} 元"),
        "sync_done": _("确认了 {n} 笔"),
        "sync_failed": _("还没连上,稍后自动再试。"),
        "signed_out": _("这台设备已停用或换了配对。"),
        "signed_out_next": _("请店长重新配对;本机存的记录不会丢。"),
        "camera_refused": _("摄像头没有打开。请在浏览器里允许使用摄像头,或输入短码。"),
        "reading": _("正在读照片…"),
        "pick_kind": _("顾客屏幕上是哪种券?"),
        "pick_unknown": _("看不清"),
        "voucher": _("券"),
        "network": _("网络没通,这一步没有做成。"),
        "network_next": _("请再试一次。"),
        "server": _("系统出了问题。"),
        "offline_refusals": _offline_refusals(),
    }


def _offline_refusals() -> dict[str, list[str]]:
    """What only a till without network can have to say: what happened, and what helps."""
    return {
        "short_code_offline": [_("离线时不能用短码。"), _("请扫顾客屏幕上的二维码。")],
        "photo_offline": [_("离线时不能读照片。"), _("请用扫码枪或摄像头。")],
        "no_config": [_("离线资料已过期,现在不能收券。"), _("资料最多用 4 小时;请先连上网络。")],
        "clock_moved": [_("这台设备的时间被改过。"), _("请连上网络校准后再收券。")],
        "no_signing_key": [_("这台设备没有签名钥匙,离线时不能收券。"), _("请连上网络,或重新配对。")],
        "no_kind": [_("这家店现在没有能用的券。"), _("请联系工会。")],
        "exposure_cap": [_("离线额度用完了。"), _("请连上网络再收券;现在按原价收。")],
        "used_here": [_("这张券今天在这里用过了。"), _("看看卡包里还有没有别的券。")],
        "scanned_here": [_("这张券刚刚在这台设备上收过。"), _("联网后会显示结果。")],
        "pass_check_unsupported": [_("这个浏览器不能离线验码。"), _("请连上网络,或换新版浏览器。")],
    }


@devices("till")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Without scripts: look at a typed code or a photograph and show what redeeming it would do."""
    device = _device(request)
    try:
        photo = request.FILES.get("photo")
        code = photos.read_photo(photo, photo.size or 0) if photo else request.POST.get("code", "")
        shown = redeeming.preview_voucher(device=device, at=clock.now(), code=code)
    except Problem as problem:
        return _till(request, {"problem": problem}, problem.status)
    return _till(request, {"preview": shown, "key": uuid7()})


@devices("till")
@require_POST
def redeem(request: HttpRequest) -> HttpResponse:
    """Without scripts: confirm. Sending the form twice is one redemption."""
    device = _device(request)
    try:
        receipt = redeeming.redeem_voucher(
            device=device, at=clock.now(), key=request.POST.get("key", ""), code=request.POST.get("scan", "")
        )
    except Problem as problem:
        return _till(request, {"problem": problem}, problem.status)
    return redirect(f"{reverse('canteen:till')}?done={json.loads(receipt)['use_id']}")


# Today, and taking back ------------------------------------------------------------------------------------------------


@devices("till")
@never_cache
@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """What happened at this counter today, newest first, with what was refused."""
    device = _device(request)
    context = {
        "device": device,
        "place_name": Place.objects.only("name").get(pk=device.place_id).name,
        "counter": _counter(device),
        "words": _words(get_language() or settings.LANGUAGE_CODE),
    }
    return render(request, "canteen/till/today.html", context)


def void_reasons() -> list[dict[str, Any]]:
    return [
        {"value": reason, "title": reason, "note": note, "checked": False}
        for reason, note in (
            (_("扫错了人"), _("券回到卡包,马上能再用")),
            (_("没有用餐"), _("顾客改主意了,钱已退")),
            (_("重复操作"), _("同一顿点了两次")),
            (_("菜卖完了"), _("没有给到套餐")),
        )
    ]


@devices("till")
@never_cache
@require_http_methods(["GET", "POST"])
def void(request: HttpRequest, use_id: UUID) -> HttpResponse:
    """Take one redemption of this counter back within ten minutes, with a reason."""
    device = _device(request)
    refused: Problem | None = None
    if request.method == "POST":
        try:
            done = redeeming.void_redemption(
                actor=device.actor,
                at=clock.now(),
                key=request.POST.get("key", ""),
                use_id=use_id,
                place_id=device.place_id,
                reason=request.POST.get("reason", ""),
            )
        except Problem as problem:
            refused = problem
        else:
            back = f"{done.person_fen // 100}.{done.person_fen % 100:02d}"
            messages.success(request, _("撤销了。请退给顾客 {amount} 元。").format(amount=back))
            return redirect("canteen:till-today")
    context = {
        "place_name": Place.objects.only("name").get(pk=device.place_id).name,
        "receipt": _receipt(device, str(use_id)),
        "reasons": void_reasons(),
        "use_id": use_id,
        "key": uuid7(),
        "problem": refused,
    }
    return render(request, "canteen/till/void.html", context, status=refused.status if refused else 200)


# Without network -------------------------------------------------------------------------------------------------------


def _content(name: str) -> bytes:
    found = finders.find(name)
    return Path(found).read_bytes() if isinstance(found, str) else b""


@lru_cache(maxsize=1)
def _shell_files() -> tuple[str, ...]:
    plain = [f"{settings.STATIC_URL}{name}" for name in MODULES]
    return (*plain, *(static(name) for name in PAGE_FILES))


@lru_cache(maxsize=1)
def _version() -> str:
    """Changes with any of the files, so that a till takes a new version whole or not at all."""
    return hashlib.sha256(b"\0".join(_content(name) for name in (*MODULES, *PAGE_FILES))).hexdigest()[:16]


@public
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, with the names of everything the till needs without network. Nothing in it is secret."""
    context = {
        "setup": json.dumps(
            {"version": _version(), "page": reverse("canteen:till"), "files": _shell_files()}, ensure_ascii=True
        )
    }
    response = render(request, "canteen/till/sw.js", context, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    return response
