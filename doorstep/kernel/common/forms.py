"""What every room's forms have: a hidden key, days and moments, and a refusal shown at the field it speaks of."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.clock import CITY_ZONE
from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed, NotFound, Problem
from doorstep.kernel.common.ids import uuid7


def new_key() -> str:
    return str(uuid7())


class KeyedForm(forms.Form):
    """A form whose action happens once, however often its button is pressed."""

    key = forms.CharField(widget=forms.HiddenInput, initial=new_key, max_length=80)


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(format="%Y-%m-%d", attrs=attrs)


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M", attrs=attrs)


class MomentField(forms.DateTimeField):
    """An instant typed as the city's clock shows it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", MomentInput())
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(CITY_ZONE) if isinstance(value, datetime) and value.tzinfo else value


def attempt[Receipt](
    form: forms.Form, call: Callable[[], Receipt], fields: Mapping[str, str] | None = None
) -> Receipt | None:
    """Call the action; a refusal goes to the field it names, or above the form. ``fields`` renames the action's names.

    Raises: NotAllowed, NotFound — those are answers of the whole page.
    """
    try:
        return call()
    except (NotAllowed, NotFound) as problem:
        if type(problem) in (NotAllowed, NotFound):
            raise
        _say(form, "", problem)
    except KeyReused:
        if isinstance(form.data, QueryDict):
            renewed = form.data.copy()
            renewed["key"] = new_key()
            form.data = renewed
        form.add_error(None, _("这张表刚才已经提交过。内容确实要改的话,请再提交一次。"))
    except Problem as problem:
        name = problem.field if isinstance(problem, Invalid) else ""
        _say(form, (fields or {}).get(name, name), problem)
    return None


def _say(form: forms.Form, field: str, problem: Problem) -> None:
    text = f"{problem.message}{problem.next_step}"
    form.add_error(field if field in form.fields else None, text)
