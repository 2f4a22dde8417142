"""The short way in for devices: a till's API call has no session, no person, no form and no message to show.

It identifies itself with ``Authorization: Device …``, a header that no page of another site can make a browser send, so what the
rest of the chain does for people (session, CSRF, sign-in, messages) has nothing to do here. Security headers, hosts and the
language are handled as for everybody.
"""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import resolve
from django.utils import translation


def device_calls(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware; stands right after those that guard every answer."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not (
            request.path_info.startswith("/api/") and request.META.get("HTTP_AUTHORIZATION", "").startswith("Device ")
        ):
            return get_response(request)
        request.get_host()  # refuses foreign host names, as CommonMiddleware would
        request.user = AnonymousUser()
        translation.activate(translation.get_language_from_request(request))
        match = resolve(request.path_info)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, HttpResponse) and not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware
