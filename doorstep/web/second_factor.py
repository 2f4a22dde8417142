"""The second factor: whoever has a role types a one-time code from their phone, on top of whatever else they sign in with.

Secrets, codes, recovery codes and the pending login are allauth's; this says who must have them, and leads there.
"""

import base64
from typing import Any

from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.logout import logout
from allauth.account.stages import LoginStage
from allauth.core.internal.httpkit import headed_redirect_response
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP, clear_totp_secret
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.generic.edit import FormView

from doorstep.kernel.common import access
from doorstep.kernel.common.vault import seal, unseal


def is_staff_person(user: Any) -> bool:
    """Somebody whose sign-in opens more than their own things: appointed somewhere, or let into the admin pages."""
    return bool(user.is_staff or user.is_superuser or access.capabilities_of(user))


def needs_second_factor(user: Any) -> bool:
    return settings.STAFF_TOTP and is_staff_person(user) and not is_mfa_enabled(user, [Authenticator.Type.TOTP])


class FactorAdapter(DefaultMFAAdapter):
    """Secrets of the second factor are encrypted like every other sensitive value."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("动态码不对。请用应用里现在显示的 6 位数字。"),
        "cannot_delete_authenticator": _("您的岗位必须使用动态码,不能停用。换手机请联系管理员。"),
    }

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text, "mfa.secret")).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(base64.b64decode(encrypted_text), "mfa.secret")

    def build_totp_svg(self, url: str) -> str:
        return ""  # the page draws the code itself, with the tag every page has

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Only residents may go back to one factor."""
        return not (settings.STAFF_TOTP and is_staff_person(authenticator.user))


class StaffFactorStage(LoginStage):
    """The last step of a sign-in: somebody with a role and without a second factor sets one up first."""

    key = "staff_factor"
    urlname = "sign-in-factor"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None and needs_second_factor(self.login.user):
            return headed_redirect_response("sign-in-factor"), True
        return None, True


@method_decorator(login_stage_required(stage=StaffFactorStage.key, redirect_urlname="sign-in-staff"), name="dispatch")
class StaffFactorView(FormView):  # type: ignore[type-arg]
    """Scan, type the first code, and only then be signed in; the recovery codes come right after."""

    form_class = ActivateTOTPForm
    template_name = "mfa/totp/first.html"

    @property
    def stage(self) -> LoginStage:
        return self.request._login_stage  # type: ignore[attr-defined, no-any-return]

    @property
    def person(self) -> Any:
        return self.stage.login.user

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.person}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        url = FactorAdapter().build_totp_url(self.person, context["form"].secret)
        return context | {"totp_url": url, "secret": context["form"].secret}

    def form_valid(self, form: Any) -> HttpResponse:
        person = self.person
        with transaction.atomic():
            totp = TOTP.activate(person, form.secret)
            Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
            RecoveryCodes.activate(person)
        clear_totp_secret(self.request)
        # The password was given a moment ago and the code just now: that is as fresh as asking again.
        post_authentication(self.request, totp.instance, reauthenticated=True)
        self.stage.login.redirect_url = reverse("mfa_view_recovery_codes")
        return self.stage.exit()  # type: ignore[no-untyped-call, no-any-return]


class SecondFactorMiddleware:
    """Catches the one case the sign-in cannot: somebody appointed while signed in with a phone code alone.

    Pages that need a capability, the admin pages and the API send them to sign in again, now with a second factor.
    """

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)  # type: ignore[no-any-return]

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not settings.STAFF_TOTP or not self._guarded(request, view) or not request.user.is_authenticated:
            return None
        if request.session.get("second_factor") == "held" or not is_staff_person(request.user):
            return None
        if is_mfa_enabled(request.user, [Authenticator.Type.TOTP]):
            request.session["second_factor"] = "held"
            return None
        logout(request, show_message=False)
        messages.info(request, _("您有了工作岗位。请重新登录一次,并设置动态码。"))
        return HttpResponseRedirect(reverse("sign-in"))

    def _guarded(self, request: HttpRequest, view: Any) -> bool:
        face = getattr(view, "face", None)
        if face is not None:
            return bool(face.who == "capability")
        match = request.resolver_match
        return match is not None and bool({"admin", "ninja"} & set(match.app_names))
