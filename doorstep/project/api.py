"""The HTTP/JSON face: one API, a router per room; errors are ``application/problem+json`` with a stable code."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from doorstep.kernel.common import access, problems
from doorstep.kernel.common.errors import Invalid, NotFound, NotSignedIn, Problem
from doorstep.kernel.common.problems import PROBLEM_TYPE


class HouseAPI(NinjaAPI):
    """The framework takes every answer for plain JSON; here refusals are problem documents, and the contract says so."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        for methods in schema["paths"].values():
            for operation in methods.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400 and "content" in answer:
                        answer["content"] = {PROBLEM_TYPE: answer["content"]["application/json"]}
        return schema


# Anybody may read what the API offers; what it does is asked of each operation.
api = HouseAPI(
    title="家门口 Doorstep", version="1", urls_namespace="api", docs_url="docs", docs_decorator=access.public
)


@api.exception_handler(Problem)
def refused(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problems.json_response(problem)


@api.exception_handler(ValidationError)
def unreadable(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first thing wrong, by field; the rest is in ``data``."""
    wrong: list[dict[str, Any]] = [
        {"field": ".".join(str(part) for part in item["loc"][1:]), "reason": item["msg"]} for item in error.errors
    ]
    return problems.json_response(Invalid(wrong[0]["field"] if wrong else "", wrong=wrong))


class BodyTooBig(Problem):
    code = "too_big"
    status = 413
    text = _("发来的内容太大了。")
    remedy = _("请分几次来。")


@api.exception_handler(RequestDataTooBig)
def too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problems.json_response(BodyTooBig())


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    problem: Problem = Invalid("", code="malformed", reason=str(error))
    problem.status = error.status_code
    if error.status_code == 401:
        problem = NotSignedIn()
    elif error.status_code == 404:
        problem = NotFound()
    return problems.json_response(problem)


api.add_router("/canteen/", "doorstep.services.canteen.api.router")
