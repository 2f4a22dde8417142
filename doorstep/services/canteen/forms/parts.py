"""What every form here has: the house's own parts, and amounts in yuan."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.forms import DayInput, KeyedForm, MomentField, MomentInput, attempt, new_key
from doorstep.kernel.common.money import format_fen, parse_yuan

__all__ = ["DayInput", "KeyedForm", "MomentField", "MomentInput", "YuanField", "attempt", "new_key"]


class YuanField(forms.CharField):
    """An amount typed in yuan, read into fen."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return format_fen(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_yuan(text)
        except ValueError:
            raise forms.ValidationError(_("请填写金额,例如 13.00。")) from None
