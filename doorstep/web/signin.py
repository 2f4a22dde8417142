"""Signing in, on allauth: residents by phone and code, staff by username, password and a one-time code.

allauth's login by code sends a code to known phones only. Here an unknown phone gets one too, and is registered once
the code has come back: nobody can tell which phones are known, and no record is made of a phone its holder never used.
Everything else, the pending login in the session, attempts, expiry, rate limits, the second factor, is allauth's.
"""

import base64
import functools
from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.forms import LoginForm
from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import perform_login, perform_password_login, record_authentication
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from allauth.account.stages import LoginByCodeStage, LoginStage, LoginStageController
from allauth.account.views import ConfirmLoginCodeView, LoginView, PasswordChangeView, RequestLoginCodeView
from allauth.core import ratelimit
from allauth.core.exceptions import RateLimited
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.views import ConnectionsView
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.generic.edit import FormView

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.vault import mask, seal, unseal
from doorstep.kernel.notices.sms import SmsFailed, send_sms
from doorstep.kernel.people.actions import find_by_phone, index_phone, register_person
from doorstep.kernel.people.identity import parse_phone
from doorstep.kernel.people.models import Person
from doorstep.web.second_factor import is_staff_person

STAFF_SESSION_SECONDS = 12 * 60 * 60  # a working day; residents stay signed in for settings.SESSION_COOKIE_AGE
CODE_MINUTES = settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT // 60


def masked_phone(phone: str) -> str:
    return mask(phone, 3, 4)


# What allauth asks of us ---------------------------------------------------------------------------------------------


class PhoneField(forms.CharField):
    """A mainland mobile number, however it was typed; cleaned to eleven digits."""

    widget = forms.TextInput({"type": "tel", "inputmode": "tel", "autocomplete": "tel-national", "maxlength": "20"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("手机号"))
        super().__init__(max_length=20, **kwargs)

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            return parse_phone(text) if text else ""
        except ValueError:
            raise forms.ValidationError(_("手机号应为 11 位,以 1 开头。请核对后重填。"), code="phone_wrong") from None


class AccountAdapter(DefaultAccountAdapter):
    """Where allauth finds a phone, how a code goes out, which steps a sign-in has, and what refusals say."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("这个账号已停用。请联系就近的工会站点。"),
        "incorrect_code": _("验证码不对。请核对最近一条短信里的数字。"),
        "incorrect_password": _("密码不对。请再输一次。"),
        "invalid_login": _("没有登录成功。请核对后再试。"),
        "rate_limited": _("操作太快了。请过一分钟再试。"),
        "too_many_login_attempts": _("试得太多了。请过几分钟再来。"),
        "username_password_mismatch": _("用户名或密码不对。请核对后再试。"),
        "phone_password_mismatch": _("用户名或密码不对。请核对后再试。"),
    }

    def phone_form_field(self, **kwargs: Any) -> forms.Field:
        return PhoneField(**kwargs)

    def get_user_by_phone(self, phone: str) -> Person | None:
        return find_by_phone(phone)

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        return (user.phone.reveal(), user.phone_verified_at is not None) if user.phone else None

    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        user.phone, user.phone_index = phone, index_phone(phone)
        user.phone_verified_at = now() if verified else None
        user.save(update_fields=["phone", "phone_index", "phone_verified_at"])

    def set_phone_verified(self, user: Any, phone: str) -> None:
        known = Person.objects.filter(pk=user.pk, phone_index=index_phone(phone), phone_verified_at=None)
        known.update(phone_verified_at=now())

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        """Raises: SmsFailed. ``user`` is nobody yet when the phone is unknown."""
        text = _("家门口验证码 %(code)s,%(minutes)d 分钟内有效。不是您本人操作请不用理会,也不要告诉别人。")
        send_sms(phone, str(text) % {"code": code, "minutes": CODE_MINUTES})

    def get_login_stages(self) -> list[str]:
        """Phone and e-mail are proven elsewhere; staff end with a second factor, or do not get in."""
        return [
            "allauth.account.stages.LoginByCodeStage",
            "allauth.mfa.stages.AuthenticateStage",
            "doorstep.web.second_factor.StaffFactorStage",
        ]

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        if is_staff_person(user):
            request.session.set_expiry(STAFF_SESSION_SECONDS)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff begin at their desk, residents at home."""
        return reverse("desk" if access.capabilities_of(request.user) else "home")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("me")

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People come in by phone; allauth's own sign-up form stays shut."""
        return False


class SocialAdapter(DefaultSocialAccountAdapter):
    """WeChat and OpenID open an account they were tied to before; they never make one without a phone."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False


# Residents: phone and code -------------------------------------------------------------------------------------------


class PhoneCode(LoginCodeVerificationProcess):
    """allauth's login by code, in which an unknown phone gets a code as well and is registered when it comes back."""

    @classmethod
    def begin(cls, request: HttpRequest, phone: str) -> "PhoneCode":
        """Send a code and keep the pending login in the session. Raises: SmsFailed."""
        person = find_by_phone(phone)
        login = Login(user=person)
        login.state["stages"] = {"current": LoginByCodeStage.key}
        stage = LoginByCodeStage(LoginStageController(request, login), request, login)
        stage.state.update(cls.initial_state(user=person))
        # The session lies in the database: the phone is as encrypted there as in the person's record.
        stage.state["sealed_phone"] = base64.b64encode(seal(phone, "session.phone")).decode()
        stage.state["initiated_by_user"] = True
        process = cls(stage)
        process.send()
        process.persist()
        return process

    @classmethod
    def resume(cls, stage: LoginStage) -> "PhoneCode | None":
        if "sealed_phone" not in stage.state:
            return None
        process = cls(stage)
        if not process.is_valid():
            process.abort()
            return None
        return process

    @property
    def phone(self) -> str:
        return unseal(base64.b64decode(self.state["sealed_phone"]), "session.phone")

    def send(self, skip_enumeration_mails: bool = False) -> None:
        adapter, person = AccountAdapter(self.request), cast(Any, self.user)  # nobody yet when the phone is new
        self.state["code"] = adapter.generate_phone_verification_code(user=person, phone=self.phone)
        adapter.send_verification_code_sms(user=person, phone=self.phone, code=self.code)

    def resend(self) -> None:
        """A new code; the old one stops working, the failed attempts stay counted. Raises: RateLimited, SmsFailed."""
        ratelimit.consume(self.request, action="request_login_code", key=self.phone, raise_exception=True)
        self.send()
        self.record_resend()
        self.persist()

    def finish(self, redirect_url: str | None) -> HttpResponse:
        """The code came back: register the phone if it is new, and sign in."""
        person = self.user
        if person is None:
            known = register_person(actor=system_actor("sign-in"), at=now(), phone=self.phone)
            person = Person.objects.get(pk=known.person_id)
        record_authentication(self.request, person, method="code")
        get_adapter(self.request).set_phone_verified(person, self.phone)
        return perform_login(self.request, Login(user=person, redirect_url=redirect_url))


def entrances() -> dict[str, bool]:
    """Which other ways in the operator has configured."""
    return {name: name in settings.SOCIALACCOUNT_PROVIDERS for name in ("weixin", "openid_connect")}


class PhoneView(RequestLoginCodeView):
    """Step one: the phone number."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.DEMO and request.user.is_authenticated:
            return HttpResponseRedirect(reverse("demo-sign-in"))
        return super().dispatch(request, *args, **kwargs)

    def _redirect_to_pending_stage(self, request: HttpRequest, stage: LoginStage) -> None:
        """Coming back to this page means starting anew, perhaps with another number."""
        clear_login(request)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            PhoneCode.begin(self.request, form.cleaned_data["phone"])
        except SmsFailed:
            form.add_error("phone", _("短信没有发出去。请过一分钟再试,或到就近的工会站点。"))
            return self.form_invalid(form)
        return HttpResponseRedirect(self.passthrough_next_url(reverse("sign-in-code")))  # type: ignore[no-untyped-call]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"entrances": entrances(), "code_minutes": CODE_MINUTES}


@method_decorator(login_stage_required(stage=LoginByCodeStage.key, redirect_urlname="sign-in"), name="dispatch")
class CodeView(ConfirmLoginCodeView):
    """Step two: the code from the text message."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.stage = request._login_stage  # type: ignore[attr-defined]
        self._process = PhoneCode.resume(self.stage)
        if self._process is None:
            clear_login(request)
            messages.error(request, _("验证码过期了。请重新获取一个。"))
            return HttpResponseRedirect(reverse("sign-in"))
        return FormView.dispatch(self, request, *args, **kwargs)

    def _resend_form_valid(self, form: Any) -> HttpResponse:
        try:
            self._process.resend()
            messages.success(self.request, _("又发了一条短信,请用新的验证码。"))
        except RateLimited:
            messages.error(self.request, str(AccountAdapter.error_messages["rate_limited"]))
        except SmsFailed:
            messages.error(self.request, _("短信没有发出去。请过一分钟再试,或到就近的工会站点。"))
        return HttpResponseRedirect(self.passthrough_next_url(reverse("sign-in-code")))  # type: ignore[no-untyped-call]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context | {"phone": masked_phone(self._process.phone), "code_minutes": CODE_MINUTES}


# Staff: username, password, one-time code ----------------------------------------------------------------------------


class StaffForm(LoginForm):
    """Username and password; the second factor follows on its own page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = forms.CharField(
            label=_("用户名"),
            max_length=150,
            widget=forms.TextInput({"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
        )
        self.fields["password"].label = _("密码")
        self.fields["password"].help_text = ""
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.order_fields(["login", "password"])

    def _setup_password_field(self) -> None:
        """allauth drops the password where people sign up without one; this form is for those who have one."""

    def user_credentials(self) -> dict[str, str]:
        return {"username": self.cleaned_data["login"], "password": self.cleaned_data["password"]}

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """allauth's, without its "remember me": how long staff stay signed in is not theirs to choose."""
        self._login.redirect_url = redirect_url
        return perform_password_login(request, self.user_credentials(), self._login)


class StaffView(LoginView):
    """Staff sign in here."""

    template_name = "account/login.html"

    def get_form_class(self) -> type[StaffForm]:
        return StaffForm

    def _redirect_to_pending_stage(self, request: HttpRequest, stage: LoginStage) -> None:
        clear_login(request)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"entrances": entrances()}


class PasswordView(PasswordChangeView):
    """Only those who have a password may change it; residents have none."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not isinstance(request.user, Person) or not request.user.has_usable_password():
            raise Http404
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class ElsewhereView(ConnectionsView):
    """WeChat and OpenID accounts that open this account."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"entrances": entrances()}


def if_configured(view: access.View) -> access.View:
    """A provider's page without its provider is no page: 404, not a fault of ours."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except SocialApp.DoesNotExist:
            raise Http404 from None

    return answered
