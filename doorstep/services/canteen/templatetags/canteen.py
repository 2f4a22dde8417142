"""Words of the canteen: opening hours, facilities and standings as people say them."""

from collections.abc import Iterable

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from doorstep.kernel.places.words import hours_in_words

register = template.Library()

FACILITIES = {
    "microwave": gettext_lazy("微波炉"), "water": gettext_lazy("热水"), "toilet": gettext_lazy("厕所"),
    "charging": gettext_lazy("充电"),
}  # fmt: skip
STANDINGS = {"rider": gettext_lazy("外卖骑手"), "courier": gettext_lazy("快递员"), "driver": gettext_lazy("司机")}


register.filter("opening_hours", hours_in_words)


def _words(codes: Iterable[str], known: dict[str, object]) -> str:
    return _("、").join(str(known.get(code, code)) for code in codes)


@register.filter
def facility_words(codes: Iterable[str]) -> str:
    return _words(codes, dict(FACILITIES))


@register.filter
def standing_words(codes: Iterable[str]) -> str:
    """外卖骑手、司机; nobody named means everybody."""
    return _words(codes, dict(STANDINGS)) or _("不限身份")
