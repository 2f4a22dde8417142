"""Pages of the house itself: the design page, and the switch for large type."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language

from doorstep.kernel.common.access import public
from doorstep.web import samples

YEAR_SECONDS = 60 * 60 * 24 * 365


@public
@require_safe
def design(request: HttpRequest) -> HttpResponse:
    """Every component with its states, for those who build pages and those who judge them."""
    return render(request, "web/samples/design.html", samples.components())


@public
@require_safe
def design_shell(request: HttpRequest, shell: str) -> HttpResponse:
    """One shell filled with sample content."""
    if shell not in samples.SHELLS:
        raise Http404
    return render(request, f"web/samples/{shell}.html", samples.components())


@public
@require_POST
def large_type(request: HttpRequest) -> HttpResponse:
    """Switch the large-type mode where there is no JavaScript to do it, and go back to the page."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    value = "0" if request.COOKIES.get("large_type") == "1" else "1"
    response.set_cookie("large_type", value, max_age=YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    return response


language = public(set_language)
