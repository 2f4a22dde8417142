"""Addresses of the house's own pages and of signing in.

allauth's own addresses are listed one by one, so that no page of it is open that nobody here looked at, and each
carries its mark. Some names stand twice: ours for our pages, allauth's for its redirects.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as social
from allauth.socialaccount.providers.openid_connect import views as openid
from allauth.socialaccount.providers.weixin import views as weixin
from django.urls import path

from doorstep.kernel.common.access import public, signed_in
from doorstep.web import demo_signin, house, second_factor, signin

_phone = public(signin.PhoneView.as_view())
_code = public(signin.CodeView.as_view())
_leave = public(account.LogoutView.as_view(http_method_names=["post"]))

urlpatterns = [
    path("", house.home, name="home"),
    path("services", house.services, name="services"),
    path("wallet", house.wallet, name="wallet"),
    path("me", house.me, name="me"),
    path("me/real-name", house.real_name, name="real-name"),
    path("me/consent", house.consent, name="consent"),
    path("me/access-log", house.access_log, name="access-log"),
    path("notices", house.notices, name="notices"),
    path("notices/<uuid:notice_id>", house.notice_open, name="notice-open"),
    path("desk", house.desk, name="desk"),
    path("people/<uuid:person_id>/reveal", house.reveal, name="reveal"),
    # Signing in
    path("sign-in", _phone, name="sign-in"),
    path("sign-in", _phone, name="account_login"),
    path("sign-in", _phone, name="account_request_login_code"),
    path("sign-in/code", _code, name="sign-in-code"),
    path("sign-in/code", _code, name="account_confirm_login_code"),
    path("sign-in/staff", public(signin.StaffView.as_view()), name="sign-in-staff"),
    path("sign-in/factor", public(second_factor.StaffFactorView.as_view()), name="sign-in-factor"),
    path("sign-in/one-time-code", public(mfa.authenticate), name="mfa_authenticate"),
    path("sign-in/demo", demo_signin.demo_sign_in, name="demo-sign-in"),
    path("sign-in/inactive", public(account.account_inactive), name="account_inactive"),
    path("sign-out", _leave, name="sign-out"),
    path("sign-out", _leave, name="account_logout"),
    # Password and second factor of those who have them
    path("me/confirm", signed_in(account.reauthenticate), name="account_reauthenticate"),
    path("me/confirm-code", signed_in(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("me/password", signed_in(signin.PasswordView.as_view()), name="account_change_password"),
    path("me/factor", signed_in(mfa.index), name="mfa_index"),
    path("me/factor/on", signed_in(totp.activate_totp), name="mfa_activate_totp"),
    path("me/factor/off", signed_in(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("me/factor/recovery", signed_in(recovery.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("me/factor/recovery/new", signed_in(recovery.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("me/factor/recovery/file", signed_in(recovery.download_recovery_codes), name="mfa_download_recovery_codes"),
    # WeChat and OpenID; their pages answer only when an operator configured them
    path("sign-in/weixin", public(signin.if_configured(weixin.oauth2_login)), name="weixin_login"),
    path("sign-in/weixin/back", public(signin.if_configured(weixin.oauth2_callback)), name="weixin_callback"),
    path("sign-in/openid/<slug:provider_id>", public(openid.login), name="openid_connect_login"),
    path("sign-in/openid/<slug:provider_id>/back", public(openid.callback), name="openid_connect_callback"),
    path("sign-in/elsewhere/cancelled", public(social.login_cancelled), name="socialaccount_login_cancelled"),
    path("sign-in/elsewhere/failed", public(social.login_error), name="socialaccount_login_error"),
    path("sign-in/elsewhere/new", public(social.signup), name="socialaccount_signup"),
    path("me/elsewhere", signed_in(signin.ElsewhereView.as_view()), name="socialaccount_connections"),
]
