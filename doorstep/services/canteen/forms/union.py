"""Forms of the union's desk: programmes, voucher kinds, giving out, vetting."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.clock import at_local
from doorstep.services.canteen.forms.parts import DayInput, KeyedForm, MomentField, YuanField
from doorstep.services.canteen.models import SET_PRICE_FEN, Venue, VoucherKind
from doorstep.services.canteen.rules.windows import WINDOWS

STANDINGS = [("rider", _("外卖骑手")), ("courier", _("快递员")), ("driver", _("司机"))]


def _clock(label: Any, initial: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        initial=initial,
        required=False,
        max_length=5,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )


class ProgrammeForm(KeyedForm):
    organisation = forms.ChoiceField(label=_("哪个工会"))
    name = forms.CharField(label=_("项目名称"), max_length=60, help_text=_("骑手在券面上看不到,给工会自己看。"))
    starts_on = forms.DateField(label=_("从哪天开始"), widget=DayInput())
    ends_on = forms.DateField(label=_("到哪天结束"), widget=DayInput(), required=False)
    exposure_cap = YuanField(
        label=_("断网时一台收银台一天最多收"),
        initial=20_000,
        help_text=_("断网时收的券要等联网后才能核对,额度越大风险越大。"),
    )

    def __init__(self, *args: Any, organisations: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["organisation"]
        field.choices = [(str(pk), name) for pk, name in organisations]  # type: ignore[attr-defined]
        if len(organisations) == 1:
            field.initial, field.widget = str(organisations[0][0]), forms.HiddenInput()


class FundForm(KeyedForm):
    amount = YuanField(label=_("拨入多少元"))
    note = forms.CharField(label=_("摘要"), max_length=100, required=False)


class TermsForm(KeyedForm):
    """The conditions of a voucher kind; they count from a day on."""

    list_price = YuanField(label=_("套餐定价"), initial=SET_PRICE_FEN)
    union_share = YuanField(label=_("工会补多少"), initial=400, help_text=_("13.00 元的套餐,本人最多付 9.00 元。"))
    standings = forms.MultipleChoiceField(
        label=_("谁可以用"), choices=STANDINGS, initial=[code for code, _title in STANDINGS], required=False,
        widget=forms.CheckboxSelectMultiple, help_text=_("一个都不选,就是不限身份。"),
    )  # fmt: skip
    venues = forms.MultipleChoiceField(
        label=_("在哪些餐厅用"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("一家都不选,就是所有合作餐厅。"),
    )  # fmt: skip
    lunch_start = _clock(_("午餐从"), WINDOWS[0]["start"])
    lunch_end = _clock(_("午餐到"), WINDOWS[0]["end"])
    dinner_start = _clock(_("晚餐从"), WINDOWS[1]["start"])
    dinner_end = _clock(_("晚餐到"), WINDOWS[1]["end"])
    per_month = forms.IntegerField(label=_("每人每月最多几次"), required=False, min_value=1, max_value=62)
    effective_on = forms.DateField(label=_("从哪天 0:00 起生效"), widget=DayInput())

    def __init__(self, *args: Any, venues: Sequence[Venue], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(venue.pk), venue.place.name) for venue in venues]
        self.fields["venues"].choices = choices  # type: ignore[attr-defined]
        if not choices:
            self.fields["venues"].widget = forms.MultipleHiddenInput()

    def windows(self) -> list[dict[str, str]]:
        """The windows that were filled in; one with an empty start is left out."""
        found = []
        for window in WINDOWS:
            start, end = (self.cleaned_data.get(f"{window['code']}_{edge}", "") for edge in ("start", "end"))
            if start or end:
                found.append({**window, "start": _padded(start), "end": _padded(end)})
        return found

    def terms(self) -> dict[str, Any]:
        """The action's arguments."""
        given = self.cleaned_data
        return {
            "list_price_fen": given["list_price"],
            "union_share_fen": given["union_share"],
            "standings": given["standings"],
            "venue_ids": [UUID(text) for text in given["venues"]],
            "windows": self.windows(),
            "per_month": given["per_month"],
        }


TERMS_FIELDS = {
    "list_price_fen": "list_price",
    "union_share_fen": "union_share",
    "payer_share_fen": "union_share",
    "effective_from": "effective_on",
    "windows": "lunch_start",
}


def _padded(clock: str) -> str:
    """9:30 → 09:30, so that times compare as text."""
    text = clock.strip().replace("\uff1a", ":")
    return text.zfill(5) if ":" in text else text


class KindForm(TermsForm):
    kind = forms.ChoiceField(label=_("哪一种"), choices=VoucherKind.Kind, initial="off", widget=forms.RadioSelect)
    name = forms.CharField(
        label=_("券的名称"), max_length=30, help_text=_("骑手在卡包里看到的名字,例如「4元减免券」。")
    )
    field_order = ("key", "kind", "name")


class ValidityForm(KeyedForm):
    """Days on which what is given out is good, the last one included."""

    valid_from = forms.DateField(label=_("从哪天起可用"), widget=DayInput())
    valid_until = forms.DateField(label=_("用到哪天(含当天)"), widget=DayInput())

    def validity(self) -> dict[str, datetime]:
        """From the first day's 0:00 until the last day's 24:00."""
        first: date = self.cleaned_data["valid_from"]
        last: date = self.cleaned_data["valid_until"]
        return {"valid_from": at_local(first), "valid_until": at_local(last, 24)}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        first, last = given.get("valid_from"), given.get("valid_until")
        if first and last and last < first:
            self.add_error("valid_until", _("最后一天不能早于第一天。"))
        return given


class PushForm(ValidityForm):
    each = forms.IntegerField(label=_("每人几张"), min_value=1, max_value=10, initial=1)


class ClaimForm(ValidityForm):
    title = forms.CharField(
        label=_("标题"), max_length=30, required=False, help_text=_("例如「立夏加餐」,不填就用券名。")
    )
    quota = forms.IntegerField(label=_("一共几张"), min_value=1, max_value=20_000)
    opens_at = MomentField(label=_("什么时候开抢"))
    closes_at = MomentField(label=_("什么时候截止"))
    field_order = ("key", "title", "quota", "opens_at", "closes_at")


class ListForm(ValidityForm):
    file = forms.FileField(
        label=_("名单文件"), help_text=_("xlsx 或 csv,第一行写「姓名、手机号、身份证号、张数」,最多 5,000 行、4 MB。"),
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv"}), allow_empty_file=True,
    )  # fmt: skip
    register_unknown = forms.BooleanField(
        label=_("没登记过的人,顺便登记"), required=False, help_text=_("只对不限身份的券有效。")
    )
    field_order = ("key", "file")


class SingleForm(ValidityForm):
    phone = forms.CharField(
        label=_("手机号"), max_length=20, widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"})
    )
    count = forms.IntegerField(label=_("几张"), min_value=1, max_value=10, initial=1)
    field_order = ("key", "phone", "count")


class CallForm(KeyedForm):
    organisation = forms.ChoiceField(label=_("哪个工会"))
    title = forms.CharField(label=_("标题"), max_length=60)
    requirements = forms.CharField(label=_("要求"), widget=forms.Textarea, max_length=2000)
    opens_on = forms.DateField(label=_("从哪天起报名"), widget=DayInput())
    closes_on = forms.DateField(label=_("报名到哪天"), widget=DayInput())

    def __init__(self, *args: Any, organisations: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["organisation"]
        field.choices = [(str(pk), name) for pk, name in organisations]  # type: ignore[attr-defined]
        if len(organisations) == 1:
            field.initial, field.widget = str(organisations[0][0]), forms.HiddenInput()


class VisitForm(KeyedForm):
    visited_on = forms.DateField(label=_("哪天去的"), widget=DayInput())
    notes = forms.CharField(
        label=_("看到了什么"), widget=forms.Textarea, max_length=2000, help_text=_("后厨、座位、卫生、菜量。")
    )


class ScoreForm(KeyedForm):
    kitchen = forms.IntegerField(label=_("后厨"), min_value=0, max_value=25, help_text=_("0–25 分"))
    dishes = forms.IntegerField(label=_("菜品"), min_value=0, max_value=25, help_text=_("0–25 分"))
    price = forms.IntegerField(label=_("价格"), min_value=0, max_value=25, help_text=_("0–25 分"))
    hours = forms.IntegerField(label=_("时段"), min_value=0, max_value=25, help_text=_("0–25 分"))
    comment = forms.CharField(label=_("说明"), widget=forms.Textarea, required=False, max_length=500)


class DecisionForm(KeyedForm):
    approved = forms.ChoiceField(
        label=_("决定"), choices=[("yes", _("通过")), ("no", _("不通过"))], widget=forms.RadioSelect
    )
    reason = forms.CharField(label=_("理由"), widget=forms.Textarea, max_length=500, help_text=_("餐厅会看到。"))


class AgreementForm(KeyedForm):
    list_price = YuanField(label=_("套餐定价"), initial=SET_PRICE_FEN)
    dishes = forms.IntegerField(label=_("几道菜"), initial=8, min_value=1, max_value=20)
    soups = forms.IntegerField(label=_("几道汤"), initial=1, min_value=0, max_value=5)
    opening_hours = forms.CharField(
        label=_("营业时间"), initial="Mo-Su 10:30-15:00,17:00-21:00", max_length=200,
        help_text=_("Mo-Su 是周一到周日,PH off 是节假日休息;时段用逗号隔开。"),
    )  # fmt: skip
    valid_from = forms.DateField(label=_("从哪天起"), widget=DayInput())
    valid_until = forms.DateField(label=_("到哪天止"), widget=DayInput())


class ReasonForm(KeyedForm):
    reason = forms.CharField(label=_("原因"), widget=forms.Textarea, max_length=500)


class PlainForm(KeyedForm):
    """A button and its key."""


class PhoneForm(forms.Form):
    phone = forms.CharField(
        label=_("手机号"), max_length=20, widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"})
    )


class TillForm(KeyedForm):
    name = forms.CharField(label=_("收银台名称"), max_length=30, initial=_("前台收银"))
