"""Forms of the station's desk and the keeper. Decisions are the actions'."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.forms import DayInput, KeyedForm
from doorstep.services.union.models import Have, Occupation, StationKind
from doorstep.services.union.rules.stations import FACILITIES, PERISHABLE

FACILITY_CHOICES = list(FACILITIES.items())


class PlaceFields(KeyedForm):
    """Where it is and when it is open. Coordinates are WGS-84."""

    name = forms.CharField(label=_("名称"), max_length=60, help_text=_("例如:万达广场劳动者之家"))
    address = forms.CharField(label=_("地址"), max_length=120, required=False)
    gate = forms.CharField(label=_("几号门"), max_length=40, required=False, help_text=_("从哪个门进、怎么找"))
    longitude = forms.FloatField(label=_("经度(WGS-84)"))
    latitude = forms.FloatField(label=_("纬度(WGS-84)"))
    opening_hours = forms.CharField(
        label=_("开放时间"),
        max_length=200,
        initial="Mo-Su 08:00-21:00",
        help_text=_("全天开放写 24/7;例如 Mo-Su 08:00-21:00"),
    )
    area_m2 = forms.DecimalField(label=_("面积(平方米)"), max_digits=8, decimal_places=1, required=False)


class StationForm(PlaceFields):
    """A new home or station."""

    organisation = forms.ChoiceField(label=_("所属工会"))
    kind = forms.ChoiceField(label=_("种类"), choices=StationKind.choices, widget=forms.RadioSelect)
    facilities = forms.MultipleChoiceField(
        label=_("设施"), choices=FACILITY_CHOICES, required=False, widget=forms.CheckboxSelectMultiple
    )
    medicine_until = forms.DateField(
        label=_("药品有效期"), required=False, widget=DayInput(), help_text=_("有急救药箱时填最早到期的一种")
    )
    field_order = ("organisation", "kind", "name", "address", "gate")

    def __init__(self, *args: Any, organisations: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["organisation"]
        chosen.choices = [(str(ident), name) for ident, name in organisations]
        if len(organisations) == 1:
            chosen.initial = str(organisations[0][0])

    def wanted(self) -> dict[str, Any]:
        """Facility → good until."""
        given = self.cleaned_data
        return {code: given["medicine_until"] if code in PERISHABLE else None for code in given["facilities"]}


class HaveForm(KeyedForm):
    """One of the six, as seen today."""

    have = forms.ChoiceField(label=_("哪一项"), choices=Have.choices)
    met = forms.ChoiceField(
        label=_("达到了吗"), choices=[("yes", _("达到")), ("no", _("没达到"))], widget=forms.RadioSelect
    )
    note_text = forms.CharField(label=_("说明"), max_length=300, required=False)
    photo = forms.FileField(label=_("照片"), required=False)


class FacilityForm(KeyedForm):
    """Add or renew a facility."""

    code = forms.ChoiceField(label=_("设施"), choices=FACILITY_CHOICES)
    expires_on = forms.DateField(label=_("有效期"), required=False, widget=DayInput(), help_text=_("药品必填"))
    removed = forms.BooleanField(label=_("撤掉这一项"), required=False)


class DefectForm(KeyedForm):
    """What is broken."""

    facility_code = forms.ChoiceField(label=_("哪一项"), required=False)
    text = forms.CharField(label=_("坏在哪里"), max_length=300)

    def __init__(self, *args: Any, facilities: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["facility_code"]
        chosen.choices = [("", _("其他")), *facilities]


class InspectionForm(KeyedForm):
    """An unannounced visit."""

    open_as_posted = forms.IntegerField(label=_("按公示时间开门"), min_value=0, max_value=25)
    working = forms.IntegerField(label=_("设施能用"), min_value=0, max_value=25)
    tidy = forms.IntegerField(label=_("干净整洁"), min_value=0, max_value=25)
    records = forms.IntegerField(label=_("台账"), min_value=0, max_value=25)
    note_text = forms.CharField(label=_("看到了什么"), max_length=300, required=False)


class KeeperForm(KeyedForm):
    """The person in charge, by phone."""

    phone = forms.CharField(label=_("负责人手机号"), max_length=20, widget=forms.TextInput({"inputmode": "tel"}))


class SupplyForm(KeyedForm):
    """Bring in or take out."""

    name = forms.CharField(label=_("物资"), max_length=40, help_text=_("例如:创可贴、藿香正气水、一次性杯"))
    change = forms.IntegerField(label=_("数量"), help_text=_("领进填正数,用掉填负数"))
    expires_on = forms.DateField(label=_("有效期"), required=False, widget=DayInput())


class TapForm(KeyedForm):
    """Somebody without a phone."""

    occupation = forms.ChoiceField(choices=Occupation.choices)
