"""Forms of the settlement desk."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.money import parse_yuan


class YuanField(forms.CharField):
    """An amount in yuan as people type it, cleaned to fen."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_yuan(text)
        except ValueError:
            raise forms.ValidationError(_("请填写金额,例如 1234.50。")) from None


class Day(forms.DateField):
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class Keyed(forms.Form):
    """Every form of a keyed action carries its key."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=80)


class PrepareForm(Keyed):
    venue_id = forms.UUIDField(widget=forms.HiddenInput)
    payer_id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    first_day = Day(label=_("从"))
    last_day = Day(label=_("到"))


class ApproveForm(Keyed):
    invoice_number = forms.CharField(
        label=_("发票号码"),
        max_length=40,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    invoice_fen = YuanField(label=_("发票金额(元)"), help_text=_("照发票填写,一分钱也要对上。"))


class AdjustForm(Keyed):
    amount_fen = YuanField(label=_("更正金额(元)"), help_text=_("多付给餐厅填正数,扣回填负数。"))
    reason = forms.CharField(label=_("原因"), max_length=500, widget=forms.TextInput)
    programme_id = forms.UUIDField(required=False, widget=forms.HiddenInput)


class PayingAccountForm(Keyed):
    organisation_id = forms.UUIDField(widget=forms.HiddenInput)
    account_name = forms.CharField(label=_("户名"), max_length=70)
    bank_name = forms.CharField(label=_("开户行"), max_length=70)
    bank_account = forms.CharField(
        label=_("账号"), max_length=40, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )
    bank_code = forms.CharField(label=_("联行号"), max_length=12, required=False)
