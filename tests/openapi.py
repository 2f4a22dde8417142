"""The API's contract as OpenAPI, in one fixed form, so that a change of it is seen."""

import json
from pathlib import Path

from django.utils import translation

SNAPSHOT = Path(__file__).parent / "openapi.json"


def render() -> str:
    from doorstep.project.api import api

    with translation.override("zh-hans"):
        return json.dumps(api.get_openapi_schema(), ensure_ascii=False, indent=1, sort_keys=True, default=str) + "\n"
