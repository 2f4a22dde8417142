"""Forms of joining and of the members' desk."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.forms import DayInput, KeyedForm
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.models import Founding, Occupation, Post
from doorstep.services.union.rules.founding import TERM_YEARS
from doorstep.services.union.rules.posts import MAX_CHARACTERS


class JoinForm(KeyedForm):
    """Four questions; the fifth, the phone, is the one that signed in."""

    name = forms.CharField(label=_("姓名"), max_length=60, help_text=_("和身份证上一样"),
                           widget=forms.TextInput({"autocomplete": "name"}))  # fmt: skip
    identity_number = forms.CharField(
        label=_("身份证号"), max_length=24, help_text=_("加密保存,平时只显示头尾各 4 位"),
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )  # fmt: skip
    occupation = forms.ChoiceField(label=_("职业"), choices=Occupation.choices)
    employer = forms.CharField(
        label=_("平台或单位"), max_length=60, required=False, help_text=_("例如美团、顺丰、某某奶茶店;没有就空着")
    )


def unit_choices(units: Sequence[Organisation]) -> list[tuple[str, str]]:
    return [(str(one.pk), one.name) for one in units]


class UnitForm(KeyedForm):
    """A form about one of the officer's units."""

    organisation = forms.ChoiceField(label=_("哪个单位"))

    def __init__(self, *args: Any, units: Sequence[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["organisation"]
        field.choices = unit_choices(units)  # type: ignore[attr-defined]

    def organisation_id(self) -> UUID:
        return UUID(self.cleaned_data["organisation"])


class MemberListForm(UnitForm):
    employer = forms.CharField(label=_("名单是谁给的"), max_length=60, help_text=_("平台、公司或商户的名称"))
    verified_until = forms.DateField(label=_("认证到哪天(含当天)"), widget=DayInput())
    file = forms.FileField(label=_("名单"), help_text=_("xlsx 或 csv,最多 5,000 行;商户员工请填商户一列。"))
    badge = forms.FileField(
        label=_("工牌照片"), required=False, help_text=_("抽查工牌时拍的照片,JPG、PNG,10 MB 以内。")
    )


class MerchantListForm(UnitForm):
    file = forms.FileField(label=_("名单"), help_text=_("xlsx 或 csv,最多 5,000 行。"))


class ReasonForm(KeyedForm):
    reason = forms.CharField(
        label=_("原因"), max_length=200, help_text=_("对方会看到。"), widget=forms.Textarea({"rows": 2})
    )


class FoundingForm(KeyedForm):
    parent = forms.ChoiceField(label=_("建在哪里下面"))
    name = forms.CharField(label=_("工会名称"), max_length=60)
    units = forms.CharField(
        label=_("由哪些单位组建"), widget=forms.Textarea({"rows": 4}),
        help_text=_("一行一家,写商户名称或信用代码。满 25 名会员可以单独建,不满就几家联合。"),
    )  # fmt: skip
    term_years = forms.TypedChoiceField(
        label=_("委员会任期"), coerce=int, initial=TERM_YEARS[0], widget=forms.RadioSelect, choices=[]
    )

    def __init__(self, *args: Any, units: Sequence[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].choices = unit_choices(units)  # type: ignore[attr-defined]
        self.fields["term_years"].choices = [(years, _years(years)) for years in TERM_YEARS]  # type: ignore[attr-defined]


def _years(years: int) -> str:
    return str(_("{years} 年")).format(years=years)


class CommitteeForm(UnitForm):
    form = forms.ChoiceField(label=_("怎么设的"), choices=Founding.Form.choices)
    term_years = forms.TypedChoiceField(label=_("任期"), coerce=int, choices=[])
    elected_on = forms.DateField(label=_("选举日"), widget=DayInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["term_years"].choices = [(years, _years(years)) for years in TERM_YEARS]  # type: ignore[attr-defined]


class PostForm(KeyedForm):
    category = forms.ChoiceField(label=_("哪一类"), choices=Post.Category.choices)
    text = forms.CharField(
        label=_("写给跑同一片的人"), max_length=4 * MAX_CHARACTERS, widget=forms.Textarea({"rows": 4}),
        help_text=_("最多 280 个字。不放电话、微信、网址,不做买卖。"),
    )  # fmt: skip
