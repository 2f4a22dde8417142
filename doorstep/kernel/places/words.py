"""Opening hours and facilities as people say them."""

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

DAYS = {
    "Mo": gettext_lazy("周一"), "Tu": gettext_lazy("周二"), "We": gettext_lazy("周三"), "Th": gettext_lazy("周四"),
    "Fr": gettext_lazy("周五"), "Sa": gettext_lazy("周六"), "Su": gettext_lazy("周日"), "PH": gettext_lazy("节假日"),
}  # fmt: skip


def hours_in_words(expression: str) -> str:
    """Mo-Su 10:30-15:00,17:00-21:00 → 每天 10:30–15:00、17:00–21:00; what is rarer stays as it was written."""
    if expression.strip() == "24/7":
        return _("全天")
    text = re.sub(r"(\d\d?:\d\d)-(\d\d?:\d\d)", r"\1–\2", expression)
    text = text.replace("Mo-Su", _("每天")).replace(" off", " " + _("休息"))
    text = re.sub(r"\b(Mo|Tu|We|Th|Fr|Sa|Su|PH)\b", lambda found: str(DAYS[found[1]]), text)
    return re.sub(r",\s*", _("、"), text).replace("; ", ";").replace(";", _(";"))
