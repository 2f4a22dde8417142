"""Words of the canteen: opening hours, facilities and standings as people say them."""

import re
from collections.abc import Iterable

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

register = template.Library()

DAYS = {
    "Mo": gettext_lazy("周一"), "Tu": gettext_lazy("周二"), "We": gettext_lazy("周三"), "Th": gettext_lazy("周四"),
    "Fr": gettext_lazy("周五"), "Sa": gettext_lazy("周六"), "Su": gettext_lazy("周日"), "PH": gettext_lazy("节假日"),
}  # fmt: skip
FACILITIES = {
    "microwave": gettext_lazy("微波炉"), "water": gettext_lazy("热水"), "toilet": gettext_lazy("厕所"),
    "charging": gettext_lazy("充电"),
}  # fmt: skip
STANDINGS = {"rider": gettext_lazy("外卖骑手"), "courier": gettext_lazy("快递员"), "driver": gettext_lazy("司机")}


@register.filter
def opening_hours(expression: str) -> str:
    """Mo-Su 10:30-15:00,17:00-21:00 → 每天 10:30–15:00、17:00–21:00; what is rarer stays as it was written."""
    if expression.strip() == "24/7":
        return _("全天")
    text = re.sub(r"(\d\d?:\d\d)-(\d\d?:\d\d)", r"\1–\2", expression)
    text = text.replace("Mo-Su", _("每天")).replace(" off", " " + _("休息"))
    text = re.sub(r"\b(Mo|Tu|We|Th|Fr|Sa|Su|PH)\b", lambda found: str(DAYS[found[1]]), text)
    return re.sub(r",\s*", _("、"), text).replace("; ", ";").replace(";", _(";"))


def _words(codes: Iterable[str], known: dict[str, object]) -> str:
    return _("、").join(str(known.get(code, code)) for code in codes)


@register.filter
def facility_words(codes: Iterable[str]) -> str:
    return _words(codes, dict(FACILITIES))


@register.filter
def standing_words(codes: Iterable[str]) -> str:
    """外卖骑手、司机; nobody named means everybody."""
    return _words(codes, dict(STANDINGS)) or _("不限身份")
