"""A refusal on its way out: RFC 9457 ``application/problem+json`` for programs, a page for people."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from doorstep.kernel.common.canonical import plain
from doorstep.kernel.common.errors import Invalid, Problem

PROBLEM_TYPE = "application/problem+json"


def as_json(problem: Problem) -> dict[str, Any]:
    """``code`` is stable; ``title`` says what happened, ``detail`` what to do next."""
    body: dict[str, Any] = {
        "type": f"urn:doorstep:problem:{problem.code}",
        "code": problem.code,
        "status": problem.status,
        "title": problem.message,
        "detail": problem.next_step,
    }
    if isinstance(problem, Invalid) and problem.field:
        body["field"] = problem.field
    if problem.data:
        body["data"] = plain(problem.data)
    return body


def json_response(problem: Problem) -> HttpResponse:
    return HttpResponse(
        json.dumps(as_json(problem), ensure_ascii=False),
        status=problem.status,
        content_type=PROBLEM_TYPE,
    )


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or request.get_preferred_type(["text/html", "application/json"]) == (
        "application/json"
    )


def response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The refusal in the form this client understands."""
    if wants_json(request):
        return json_response(problem)
    return render(request, "web/error.html", {"problem": problem}, status=problem.status)
