"""Forms of the watch's desk."""

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.services.canteen.forms.settlement import Day, Keyed


class RunForm(forms.Form):
    day = Day(label=_("哪一天"))


class CloseForm(Keyed):
    outcome = forms.ChoiceField(label=_("结论"), choices=[("explained", _("已说明")), ("confirmed", _("属实"))])
    note = forms.CharField(label=_("查到了什么"), max_length=500, widget=forms.Textarea)


class ReasonForm(Keyed):
    reason = forms.CharField(label=_("原因"), max_length=500)
    alert_id = forms.UUIDField(required=False)
