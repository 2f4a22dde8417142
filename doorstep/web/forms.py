"""How Django's forms look here: ``FORM_RENDERER = "doorstep.web.forms.Renderer"``."""

from pathlib import Path
from typing import Any

import django.forms
from django.forms.renderers import DjangoTemplates
from django.template.backends.django import DjangoTemplates as Backend
from django.utils.functional import cached_property

OURS = Path(__file__).parent / "templates"
THEIRS = Path(django.forms.__file__).parent / "templates"


class Renderer(DjangoTemplates):
    """Our field templates first, Django's for the rest, with the tags every page has."""

    @cached_property
    def engine(self) -> Any:
        return Backend(
            {
                "APP_DIRS": True,
                "DIRS": [OURS, THEIRS],
                "NAME": "doorstepforms",
                "OPTIONS": {"builtins": ["doorstep.web.templatetags.doorstep"]},
            }
        )
