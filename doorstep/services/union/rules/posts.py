"""What may stand on the experience board: short, and no advertising. Pure."""

import re
import unicodedata

MAX_CHARACTERS = 280
MIN_CHARACTERS = 6
POSTS_A_DAY = 5

_ADVERT = re.compile(
    r"https?:|www\.|\.(?:com|cn|net|top|vip)\b"  # addresses
    r"|1[3-9]\d{9}|\d{3,4}-\d{7,8}"  # phone numbers
    r"|(?:加|\+|➕)\s*(?:我)?\s*(?:微信|薇信|v信|vx|wx|qq|群)|(?:微信|vx|wx|qq)(?:号)?[::]"  # contacts
    r"|优惠价|低价|代理|招代理|返利|刷单|贷款|兼职日结|扫码领|限时抢",  # offers
    re.IGNORECASE,
)


def refuse_post(text: str) -> str:
    """``too_short``, ``too_long``, ``advert``, or empty when the text may be handed to the moderator."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if len(plain) < MIN_CHARACTERS:
        return "too_short"
    if len(plain) > MAX_CHARACTERS:
        return "too_long"
    # Spaces inside a number are the usual way round such a check.
    squeezed = re.sub(r"(?<=\d)[\s.\-·](?=\d)", "", plain)
    return "advert" if _ADVERT.search(plain) or _ADVERT.search(squeezed) else ""
