"""Forms of games and check-ups. Decisions are the actions'."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.forms import DayInput, KeyedForm, MomentField
from doorstep.services.union.models import Occupation, Stall


def _choose(form: forms.Form, field: str, choices: Sequence[tuple[Any, Any]]) -> None:
    chosen: Any = form.fields[field]
    chosen.choices = [(str(ident), name) for ident, name in choices]
    if len(choices) == 1:
        chosen.initial = str(choices[0][0])


class ClockField(forms.TimeField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), **kwargs)


class EventForm(KeyedForm):
    """Games around a holiday."""

    organisation = forms.ChoiceField(label=_("主办工会"))
    title = forms.CharField(label=_("活动名称"), max_length=60)
    holiday = forms.CharField(label=_("节日"), max_length=20, required=False, help_text=_("例如:劳动节"))
    where = forms.CharField(label=_("地点"), max_length=80, required=False)
    starts_on = forms.DateField(label=_("开始"), widget=DayInput())
    ends_on = forms.DateField(label=_("结束"), widget=DayInput())

    def __init__(self, *args: Any, organisations: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "organisation", organisations)


class StallForm(KeyedForm):
    """A game."""

    name = forms.CharField(label=_("摊位"), max_length=30, help_text=_("例如:快递分拣赛"))
    rules = forms.CharField(label=_("玩法"), max_length=300, required=False)
    unit = forms.CharField(label=_("计分单位"), max_length=8, help_text=_("秒、个、分"))
    better = forms.ChoiceField(label=_("怎么算赢"), choices=Stall.Better.choices, widget=forms.RadioSelect)
    opens = ClockField(label=_("每天开始"), help_text=_("避开 11:00–13:30 和 17:00–19:30"))
    closes = ClockField(label=_("每天结束"))
    tries = forms.IntegerField(label=_("每队几次"), min_value=1, max_value=10, initial=3)


class PrizeForm(KeyedForm):
    """What one can win."""

    stall = forms.ChoiceField(label=_("摊位"))
    name = forms.CharField(label=_("奖品"), max_length=40)
    stock = forms.IntegerField(label=_("数量"), min_value=1, max_value=10_000)
    best = forms.IntegerField(
        label=_("给前几名"), min_value=1, max_value=10, required=False, help_text=_("不填就是玩过都有")
    )

    def __init__(self, *args: Any, stalls: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "stall", stalls)


class ScoreForm(KeyedForm):
    """One try."""

    stall = forms.ChoiceField(label=_("摊位"))
    team = forms.ChoiceField(label=_("队"))
    attempt = forms.IntegerField(label=_("第几次"), min_value=1, max_value=10, initial=1)
    value = forms.DecimalField(label=_("成绩"), max_digits=9, decimal_places=2, min_value=0, required=False)
    correct = forms.BooleanField(label=_("更正已记的这一次(成绩留空就是划掉)"), required=False)

    def __init__(
        self, *args: Any, stalls: Sequence[tuple[UUID, str]], teams: Sequence[tuple[UUID, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "stall", stalls)
        _choose(self, "team", teams)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("value") is None and not given.get("correct") and "value" not in self.errors:
            self.add_error("value", _("请填写成绩。"))
        return given


class TeamForm(KeyedForm):
    """A new team."""

    name = forms.CharField(label=_("队名"), max_length=20)
    occupation = forms.ChoiceField(label=_("职业"), choices=Occupation.choices)


class RoundForm(KeyedForm):
    """An offer of check-ups."""

    organisation = forms.ChoiceField(label=_("主办工会"))
    clinic = forms.ChoiceField(label=_("体检机构"))
    title = forms.CharField(label=_("名称"), max_length=60)
    items = forms.CharField(label=_("项目"), max_length=300, help_text=_("例如:血压、血糖、心电图、B 超"))

    def __init__(
        self, *args: Any, organisations: Sequence[tuple[UUID, str]], clinics: Sequence[tuple[UUID, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "organisation", organisations)
        _choose(self, "clinic", clinics)


class SlotForm(KeyedForm):
    """One time."""

    starts_at = MomentField(label=_("开始"))
    ends_at = MomentField(label=_("结束"))
    capacity = forms.IntegerField(label=_("名额"), min_value=1, max_value=500, initial=10)


class ResultForm(KeyedForm):
    """What was found, for the person."""

    text = forms.CharField(label=_("结果"), max_length=4000, widget=forms.Textarea({"rows": 5}))
