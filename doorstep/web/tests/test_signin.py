"""Signing in, with a small SMS provider that the adapter really calls."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.urls import reverse

from doorstep.kernel.common.clock import now
from doorstep.kernel.organisations.actions import appoint, found_organisation
from doorstep.kernel.people.actions import find_by_phone, register_person
from doorstep.kernel.people.models import Person
from doorstep.kernel.testing.cast import SYSTEM

pytestmark = pytest.mark.django_db
PHONE = "13807319001"
PASSWORD = "Nine-yuan-lunch-2025"


class Provider(BaseHTTPRequestHandler):
    """Takes what the adapter posts and remembers it."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.sent.append({**body, "authorization": self.headers["Authorization"]})
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def sms(settings):
    """The text messages that went out, oldest first."""
    server = HTTPServer(("127.0.0.1", 0), Provider)
    server.sent, server.answer = [], 204
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.SMS_URL, settings.SMS_TOKEN = f"http://127.0.0.1:{server.server_port}/send", "token-of-the-provider"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


def ask(client, phone=PHONE, **query):
    return client.post(reverse("sign-in", query=query), {"phone": phone})


def code_in(sms):
    return re.search(r"\d{6}", sms.sent[-1]["text"])[0]


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06d}"


def give(client, code, **query):
    return client.post(reverse("sign-in-code", query=query), {"code": code, "action": "verify"})


def signed_in_as(client):
    return client.session.get("_auth_user_id")


def staff(username="officer", role="union_officer"):
    person = Person.objects.get(pk=register_person(actor=SYSTEM, at=now(), name="易经办", username=username).person_id)
    person.set_password(PASSWORD)
    person.save()
    union = found_organisation(actor=SYSTEM, at=now(), kind="union", name="天元区总工会")
    appoint(actor=SYSTEM, at=now(), person_id=person.pk, organisation_id=union, role=role)
    return person


def password(client, username="officer", given=PASSWORD):
    return client.post(reverse("sign-in-staff"), {"login": username, "password": given})


def one_time_code(secret, ahead=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


# Residents -----------------------------------------------------------------------------------------------------------


def test_an_unknown_phone_gets_a_code_and_is_registered_only_when_it_comes_back(client, sms):
    response = ask(client)
    assert response.status_code == 302
    assert response["Location"] == reverse("sign-in-code")
    assert sms.sent[-1]["to"] == PHONE
    assert sms.sent[-1]["authorization"] == "Bearer token-of-the-provider"
    assert find_by_phone(PHONE) is None

    response = give(client, code_in(sms))
    assert response["Location"] == reverse("home")
    person = find_by_phone(PHONE)
    assert signed_in_as(client) == str(person.pk)
    assert person.phone_verified_at is not None
    assert not person.has_usable_password()


def test_a_known_phone_signs_in_as_the_person_who_has_it(client, sms):
    known = register_person(actor=SYSTEM, at=now(), name="凌涛", phone=PHONE).person_id
    ask(client, "+86 138 0731 9001")
    give(client, code_in(sms))
    assert signed_in_as(client) == str(known)
    assert Person.objects.count() == 1


def test_known_and_unknown_phones_are_answered_alike(client, sms):
    register_person(actor=SYSTEM, at=now(), name="凌涛", phone=PHONE)
    answers = []
    for phone in (PHONE, "13807319002"):
        client.logout()
        first = ask(client, phone)
        second = client.get(first["Location"])
        page = second.content.decode().replace(f"{phone[:3]}****{phone[-4:]}", "PHONE")
        answers.append((first.status_code, first["Location"], re.sub(r'(value|content)="[\w-]{64}"', "", page)))
    assert answers[0] == answers[1]
    assert re.sub(r"\d{6}", "", sms.sent[0]["text"]) == re.sub(r"\d{6}", "", sms.sent[1]["text"])


def test_after_signing_in_one_comes_back_to_the_page_one_wanted(client, sms):
    response = client.get(reverse("wallet"))
    assert response["Location"] == f"{reverse('sign-in')}?next={reverse('wallet')}"
    response = ask(client, next=reverse("wallet"))
    assert response["Location"].endswith(f"?next={reverse('wallet').replace('/', '%2F')}")
    assert give(client, code_in(sms), next=reverse("wallet"))["Location"] == reverse("wallet")


def test_one_is_never_sent_to_another_site(client, sms):
    ask(client, next="https://elsewhere.example/")
    assert give(client, code_in(sms), next="https://elsewhere.example/")["Location"] == reverse("home")


def test_a_wrong_code_is_refused_and_nobody_is_registered(client, sms):
    ask(client)
    response = give(client, wrong(code_in(sms)))
    assert "验证码不对。请核对最近一条短信里的数字。" in response.content.decode()
    assert signed_in_as(client) is None
    assert Person.objects.count() == 0


def test_the_third_wrong_code_ends_the_attempt(client, sms):
    ask(client)
    right = code_in(sms)
    for _attempt in range(2):
        assert give(client, wrong(right)).status_code == 200
    response = give(client, wrong(right))
    assert response["Location"] == reverse("sign-in")
    assert "试得太多了" in client.get(response["Location"]).content.decode()
    assert give(client, right)["Location"] == reverse("sign-in")  # the right one is too late
    assert signed_in_as(client) is None


def test_an_old_code_no_longer_works(client, sms, monkeypatch):
    ask(client)
    later = time.time() + 301
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: later)
    response = give(client, code_in(sms))
    assert response["Location"] == reverse("sign-in")
    assert "验证码过期了" in client.get(response["Location"]).content.decode()
    assert signed_in_as(client) is None


def test_another_code_replaces_the_first(client, sms, settings):
    settings.ACCOUNT_RATE_LIMITS = {"request_login_code": "20/m/key"}
    ask(client)
    first = code_in(sms)
    while code_in(sms) == first:
        assert client.post(reverse("sign-in-code"), {"action": "resend"}).status_code == 302
    assert give(client, first).status_code == 200
    give(client, code_in(sms))
    assert signed_in_as(client) is not None


def test_one_phone_gets_three_codes_a_minute(client, sms):
    for _code in range(3):
        assert ask(client).status_code == 302
        client.cookies.clear()
    response = ask(client)
    assert response.status_code == 200
    assert "试得太多了。请过几分钟再来。" in response.content.decode()
    assert len(sms.sent) == 3


def test_a_number_that_cannot_be_one_gets_no_message(client, sms):
    assert "手机号应为 11 位,以 1 开头。" in ask(client, "12345678901").content.decode()
    assert sms.sent == []


def test_when_the_provider_fails_the_page_says_so(client, sms):
    sms.answer = 500
    response = ask(client)
    assert "短信没有发出去。" in response.content.decode()
    assert client.get(reverse("sign-in-code"))["Location"] == reverse("sign-in")


def test_the_session_keeps_no_phone_in_the_clear(client, sms):
    ask(client)
    assert PHONE not in json.dumps(Session.objects.get().get_decoded())
    give(client, code_in(sms))
    assert PHONE not in json.dumps(Session.objects.get().get_decoded())


def test_a_person_who_was_stopped_does_not_get_in(client, sms):
    known = register_person(actor=SYSTEM, at=now(), phone=PHONE).person_id
    Person.objects.filter(pk=known).update(is_active=False)
    ask(client)
    assert give(client, code_in(sms))["Location"] == reverse("account_inactive")
    assert "这个账号已停用" in client.get(reverse("account_inactive")).content.decode()
    assert signed_in_as(client) is None


def test_signing_out_needs_a_post(client, sms):
    ask(client)
    give(client, code_in(sms))
    assert client.get(reverse("sign-out")).status_code == 405
    assert signed_in_as(client) is not None
    assert client.post(reverse("sign-out"))["Location"] == reverse("home")
    assert signed_in_as(client) is None


# Staff ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def second_factor(settings):
    settings.STAFF_TOTP = True


def test_staff_without_a_second_factor_set_one_up_before_they_are_in(client, second_factor):
    person = staff()
    assert password(client)["Location"] == reverse("sign-in-factor")
    assert signed_in_as(client) is None
    assert client.get(reverse("desk")).status_code == 302
    page = client.get(reverse("sign-in-factor"))
    secret = page.context["secret"]
    assert secret in page.content.decode()

    assert "动态码不对" in client.post(reverse("sign-in-factor"), {"code": "000000x"}).content.decode()
    assert signed_in_as(client) is None
    response = client.post(reverse("sign-in-factor"), {"code": one_time_code(secret)})
    assert response["Location"] == reverse("mfa_view_recovery_codes")
    assert signed_in_as(client) == str(person.pk)
    assert secret not in json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    codes = client.get(response["Location"])
    assert len(codes.context["unused_codes"]) == 10
    assert client.get(reverse("desk")).status_code == 200


def test_staff_with_a_second_factor_need_it_each_time(client, second_factor):
    person, secret = staff(), generate_totp_secret()
    TOTP.activate(person, secret)
    assert password(client)["Location"] == reverse("mfa_authenticate")
    assert signed_in_as(client) is None
    assert "动态码不对" in client.post(reverse("mfa_authenticate"), {"code": "1234567"}).content.decode()
    assert signed_in_as(client) is None
    code = one_time_code(secret)
    assert client.post(reverse("mfa_authenticate"), {"code": code})["Location"] == reverse("desk")
    assert signed_in_as(client) == str(person.pk)

    client.logout()  # a code seen over a shoulder is worth nothing
    password(client)
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert signed_in_as(client) is None


def test_a_phone_code_alone_does_not_open_a_post(client, sms, second_factor):
    person = staff()
    union = found_organisation(actor=SYSTEM, at=now(), kind="union", name="天元区总工会")
    by_phone = register_person(actor=SYSTEM, at=now(), phone=PHONE).person_id
    appoint(actor=SYSTEM, at=now(), person_id=by_phone, organisation_id=union, role="union_officer")
    ask(client)
    assert give(client, code_in(sms))["Location"] == reverse("sign-in-factor")
    assert signed_in_as(client) is None
    assert person.pk != by_phone


def test_somebody_appointed_while_signed_in_signs_in_again(client, second_factor):
    resident = register_person(actor=SYSTEM, at=now(), phone=PHONE).person_id
    client.force_login(Person.objects.get(pk=resident))
    assert client.get(reverse("reveal", args=[resident])).status_code == 403
    union = found_organisation(actor=SYSTEM, at=now(), kind="union", name="天元区总工会")
    appoint(actor=SYSTEM, at=now(), person_id=resident, organisation_id=union, role="union_officer")
    assert client.get(reverse("reveal", args=[resident]))["Location"] == reverse("sign-in")
    assert signed_in_as(client) is None


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client):
    staff()
    answers = [
        password(client, "officer", "wrong").content.decode(),
        password(client, "nobody", "wrong").content.decode(),
    ]
    for page in answers:
        assert "用户名或密码不对。请核对后再试。" in page
    assert signed_in_as(client) is None


def test_guessing_passwords_is_stopped(client):
    staff()
    for _guess in range(5):
        password(client, "officer", "wrong")
    assert "试得太多了" in password(client).content.decode()  # even the right one, now
    assert signed_in_as(client) is None


def test_the_admin_pages_have_no_password_form_of_their_own(client):
    response = client.get("/admin/login/")
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


def test_staff_are_signed_out_after_a_working_day_and_residents_are_not(client, settings):
    staff()
    assert password(client)["Location"] == reverse("desk")
    assert client.session.get_expiry_age() == 12 * 60 * 60
    client.logout()
    client.force_login(Person.objects.get(pk=register_person(actor=SYSTEM, at=now(), phone=PHONE).person_id))
    assert client.session.get_expiry_age() == settings.SESSION_COOKIE_AGE


# Other ways in -------------------------------------------------------------------------------------------------------


def test_wechat_and_openid_are_offered_only_when_configured(client, settings):
    page = client.get(reverse("sign-in")).content.decode()
    assert "微信登录" not in page
    assert "单位统一账号登录" not in page
    app = {"client_id": "wx-test", "secret": "s", "key": ""}
    settings.SOCIALACCOUNT_PROVIDERS = {"weixin": {"APPS": [app]}}
    page = client.get(reverse("sign-in")).content.decode()
    assert "微信登录" in page
    assert "单位统一账号登录" not in page
    response = client.post(reverse("weixin_login"))
    assert response["Location"].startswith("https://open.weixin.qq.com/connect/")
    assert "appid=wx-test" in response["Location"]


def test_the_demo_sign_in_exists_only_in_the_demo(client, settings):
    rider = register_person(actor=SYSTEM, at=now(), name="凌涛", username="demo-rider", phone=PHONE).person_id
    officer = staff("demo-officer")
    staff("officer-of-flesh")
    settings.DEMO = False
    assert client.get(reverse("demo-sign-in")).status_code == 404
    assert client.post(reverse("demo-sign-in"), {"username": "demo-rider"}).status_code == 404
    assert signed_in_as(client) is None

    settings.DEMO = True
    page = client.get(reverse("demo-sign-in")).content.decode()
    assert "凌涛" in page
    assert "工会经办 · 天元区总工会" in page
    assert "officer-of-flesh" not in page
    assert client.post(reverse("demo-sign-in"), {"username": "demo-rider"})["Location"] == reverse("home")
    assert signed_in_as(client) == str(rider)
    assert client.post(reverse("demo-sign-in"), {"username": "demo-officer"})["Location"] == reverse("desk")
    assert signed_in_as(client) == str(officer.pk)
    assert client.post(reverse("demo-sign-in"), {"username": "officer-of-flesh"}).status_code == 404
    assert signed_in_as(client) == str(officer.pk)
    assert client.get(reverse("sign-in"))["Location"] == reverse("demo-sign-in")


def test_every_address_of_signing_in_says_who_may_open_it():
    from doorstep.web import house_urls

    assert [pattern.name for pattern in house_urls.urlpatterns if not hasattr(pattern.callback, "face")] == []
