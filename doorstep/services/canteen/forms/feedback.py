"""Forms of diners and of those who answer them."""

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.services.canteen.actions.feedback import MAX_TEXT
from doorstep.services.canteen.forms.settlement import Keyed


class RateForm(Keyed):
    stars = forms.IntegerField(
        label=_("几颗星"), min_value=1, max_value=5, error_messages={"required": _("请选择 1 到 5 颗星。")}
    )
    text = forms.CharField(label=_("想说的话"), required=False, max_length=MAX_TEXT, widget=forms.Textarea)
    photo = forms.FileField(label=_("照片"), required=False)


class ReportForm(Keyed):
    venue_id = forms.UUIDField(label=_("哪家餐厅"), error_messages={"required": _("请选择餐厅。")})
    use_id = forms.UUIDField(required=False)
    about = forms.ChoiceField(
        label=_("是什么事"),
        choices=[("complaint", ""), ("1", ""), ("2", ""), ("3", "")],
        error_messages={"required": _("请选择是什么事。")},
    )
    text = forms.CharField(
        label=_("发生了什么"),
        max_length=MAX_TEXT,
        widget=forms.Textarea,
        error_messages={"required": _("请写一写发生了什么。")},
    )
    photo = forms.FileField(label=_("照片"), required=False)


class AnswerForm(Keyed):
    answer = forms.CharField(label=_("答复"), max_length=MAX_TEXT, widget=forms.Textarea)
