"""Reading the code in a photograph, for tills without a scanner whose browser cannot read codes itself."""

import io
from typing import Any

import zxingcpp
from django.core.files import File
from django.utils.translation import gettext_lazy as _
from PIL import Image

from doorstep.kernel.common.errors import Problem

MAX_PHOTO_BYTES = 8 * 1024 * 1024
MAX_PHOTO_PIXELS = 50_000_000  # the largest phone cameras; a bomb claims billions
WORKING_PIXELS = 2000  # a QR code of 162 characters is 45 modules wide: this is plenty, and quick
FORMATS = ("JPEG", "PNG", "WEBP")
QR_CODES = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


class PhotoTooBig(Problem):
    code = "photo_too_big"
    status = 413
    text = _("照片太大了。")
    remedy = _("请把相机调成普通画质再拍,或输入短码。")


class PhotoUnreadable(Problem):
    code = "photo_unreadable"
    status = 422
    text = _("这张照片打不开。")
    remedy = _("请重拍一张(JPEG、PNG 或 WebP),或输入短码。")


class NoCodeFound(Problem):
    code = "no_code_found"
    status = 422
    text = _("照片里没有找到码。")
    remedy = _("请让码占满画面、不要反光,再拍一张;也可以输入短码。")


class SeveralCodes(Problem):
    """Two phones in one picture: the till must not choose whose voucher is used."""

    code = "several_codes_found"
    status = 422
    text = _("照片里有好几个码。")
    remedy = _("请只拍一个人的码。")


def read_photo(photo: "File[Any]", size_bytes: int) -> str:
    """The one QR code in a photograph.

    Raises: PhotoTooBig (bytes or claimed pixels, before anything is unpacked), PhotoUnreadable, NoCodeFound, SeveralCodes.
    """
    if size_bytes > MAX_PHOTO_BYTES:
        raise PhotoTooBig
    data = photo.read(MAX_PHOTO_BYTES + 1)
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotoTooBig
    found = {
        code.text
        for code in zxingcpp.read_barcodes(
            _small_grey(data), formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
        )
    }
    found.discard("")
    if not found:
        raise NoCodeFound
    if len(found) > 1:
        raise SeveralCodes
    return str(found.pop())


def _small_grey(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PHOTO_PIXELS:
                raise PhotoTooBig
            image.draft("L", (WORKING_PIXELS, WORKING_PIXELS))  # JPEG unpacks at a fraction of its size
            image.thumbnail((WORKING_PIXELS, WORKING_PIXELS))
            return image.convert("L")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoTooBig from None
    except (OSError, SyntaxError, ValueError):  # what Pillow raises for files that are broken or something else
        raise PhotoUnreadable from None
