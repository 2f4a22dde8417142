"""Forms of a restaurant: apply, papers, the menu."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.services.canteen.forms.parts import DayInput, KeyedForm
from doorstep.services.canteen.models import Meal, Paper

FACILITIES = [("microwave", _("微波炉")), ("water", _("热水")), ("toilet", _("厕所")), ("charging", _("充电"))]


class ApplyForm(KeyedForm):
    name = forms.CharField(label=_("餐厅名称"), max_length=60, help_text=_("与营业执照上的招牌一致。"))
    address = forms.CharField(label=_("地址"), max_length=200)
    latitude = forms.FloatField(label=_("纬度"), min_value=-90, max_value=90, help_text=_("GPS 坐标,例如 27.8123"))
    longitude = forms.FloatField(label=_("经度"), min_value=-180, max_value=180, help_text=_("例如 113.0816"))
    contact_name = forms.CharField(label=_("联系人"), max_length=30)
    facilities = forms.MultipleChoiceField(
        label=_("店里有什么"), choices=FACILITIES, required=False, widget=forms.CheckboxSelectMultiple
    )
    bank_name = forms.CharField(label=_("开户行"), max_length=60, required=False)
    bank_account = forms.CharField(label=_("收款账号"), max_length=40, required=False)
    bank_code = forms.CharField(label=_("行号"), max_length=14, required=False)


class PaperForm(KeyedForm):
    kind = forms.ChoiceField(label=_("哪一种证照"), choices=Paper.Kind, widget=forms.RadioSelect)
    number = forms.CharField(label=_("证号"), max_length=60)
    holder = forms.CharField(label=_("持证人"), max_length=30, required=False, help_text=_("健康证必填。"))
    expires_on = forms.DateField(label=_("有效期到"), widget=DayInput())
    file = forms.FileField(
        label=_("照片或扫描件"), required=False, help_text=_("JPG、PNG 或 PDF,10 MB 以内。"),
        widget=forms.FileInput(attrs={"accept": "image/*,.pdf"}),
    )  # fmt: skip


class MenuForm(forms.Form):
    """One dish a line."""

    day = forms.DateField(label=_("哪天"), widget=DayInput())
    meal = forms.ChoiceField(label=_("哪一餐"), choices=Meal, widget=forms.RadioSelect)
    dishes = forms.CharField(label=_("菜"), widget=forms.Textarea, help_text=_("一行一道,协议是八菜一汤。"))
    soups = forms.CharField(label=_("汤"), widget=forms.Textarea, required=False, help_text=_("一行一道。"))

    def lines(self, field: str) -> list[str]:
        text: Any = self.cleaned_data[field].replace("、", "\n")
        return [line.strip() for line in text.splitlines() if line.strip()]
