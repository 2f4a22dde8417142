"""The desks of settling, watch, feedback and audit over HTTP: who may open them, and whole paths through the forms."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common.clock import travel
from doorstep.kernel.entitlements.models import Settlement
from doorstep.kernel.people.models import Person
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen.actions import watching
from doorstep.services.canteen.models import Alert, Feedback, Hold
from doorstep.services.canteen.pages import audit_urls, feedback_urls, settlement_urls, watch_urls
from doorstep.services.canteen.tests.served import DAY, NEXT, SYSTEM, Served, key, noon

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def served(cast: Cast) -> Any:
    with travel(NEXT):
        yield Served(cast)


def signed_in(person_id: UUID | None) -> Client:
    client = Client()
    client.force_login(Person.objects.get(pk=person_id), backend="django.contrib.auth.backends.ModelBackend")
    return client


def keys_in(page: str) -> list[str]:
    return re.findall(r'name="key" value="([0-9a-f-]{36})"', page)


def test_each_page_has_exactly_one_mark() -> None:
    for module in (settlement_urls, watch_urls, feedback_urls, audit_urls):
        for pattern in module.urlpatterns:
            assert pattern.callback.face.who in ("public", "person", "capability"), pattern.name


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("settlements", "officer"),
        ("approvals", "leader"),
        ("watch", "officer"),
        ("feedback-desk", "officer"),
        ("audit", "auditor"),
    ],
)
def test_a_desk_opens_for_its_people_only(served: Served, name: str, who: str) -> None:
    served.serve(served.venue(), [noon()])
    url = reverse(f"canteen:{name}")
    assert signed_in(getattr(served.cast, who)().id).get(url).status_code == 200
    assert signed_in(served.cast.stranger()).get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_from_the_due_day_to_the_payment_through_the_pages(served: Served) -> None:
    served.serve(served.venue(), [noon(), noon(1)])
    officer, leader = signed_in(served.cast.officer().id), signed_in(served.cast.leader().id)
    page = officer.get(reverse("canteen:settlements")).content.decode()
    assert "2 人次 · 2 人 · 工会承担 8.00 元" in page
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.split('list-row"', 1)[1]))
    for _twice in range(2):
        assert officer.post(reverse("canteen:settlement-prepare"), form).status_code == 302
    statement = Settlement.objects.get()
    detail = reverse("canteen:settlement", args=[statement.pk])
    account = {
        "key": key(),
        "organisation_id": served.union,
        "account_name": "天元区总工会",
        "bank_name": "建行",
        "bank_account": "43050162010800000123",
    }
    leader.post(reverse("canteen:paying-account"), account)
    approving = {"key": key(), "invoice_number": "2543", "invoice_fen": "8.01"}
    answer = leader.post(reverse("canteen:settlement-approve", args=[statement.pk]), approving, follow=True)
    assert "发票金额 8.01 元,应付 8.00 元,相差 0.01 元。" in answer.content.decode()
    assert officer.get(detail).content.decode().count("复核通过") == 0
    leader.post(
        reverse("canteen:settlement-approve", args=[statement.pk]), approving | {"key": key(), "invoice_fen": "8"}
    )
    page = officer.get(detail).content.decode()
    officer.post(reverse("canteen:settlement-pay", args=[statement.pk]), {"key": keys_in(page)[-1]})
    statement.refresh_from_db()
    assert statement.state == "paid"
    sheet = officer.get(reverse("canteen:settlement-sheet", args=[statement.pk])).content.decode()
    assert bytes(statement.tree_root).hex() in sheet


def test_files_come_with_their_digest_and_the_restaurant_reads_its_own_statement(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    officer = signed_in(served.cast.officer().id)
    form = {"key": key(), "venue_id": venue.pk, "first_day": DAY, "last_day": DAY}
    officer.post(reverse("canteen:settlement-prepare"), form)
    statement = Settlement.objects.get()
    xlsx = officer.get(reverse("canteen:settlement-file", args=[statement.pk, "xlsx"]))
    assert xlsx.content[:2] == b"PK"
    assert len(xlsx["X-Content-SHA256"]) == 64
    assert officer.get(reverse("canteen:settlement-file", args=[statement.pk, "xml"])).status_code == 409
    manager = signed_in(served.manager(venue).id)
    detail = reverse("canteen:settlement", args=[statement.pk])
    assert manager.get(detail).status_code == 200
    assert signed_in(served.manager(served.venue("湘味小馆")).id).get(detail).status_code == 403


def test_an_alert_is_held_closed_and_released_through_the_pages(served: Served) -> None:
    served.serve(served.venue(), [noon(0, 4 * n) for n in range(12)], evidence={"distance_m": 320})
    officer, leader = signed_in(served.cast.officer().id), signed_in(served.cast.leader().id)
    officer.post(reverse("canteen:watch-run"), {"day": DAY})
    alert = Alert.objects.get(rule="distance")
    page = officer.get(reverse("canteen:alert", args=[alert.pk])).content.decode()
    assert "320 米" in page
    hold = {"key": key(), "reason": "查", "alert_id": alert.pk}
    officer.post(reverse("canteen:hold-place", args=[alert.venue_id]), hold)
    placed = Hold.objects.get()
    release = reverse("canteen:hold-release", args=[placed.pk])
    answer = officer.post(release, {"key": key(), "reason": "好了"}, follow=True)
    assert "冻结和解除不能是同一个人" in answer.content.decode()
    leader.post(release, {"key": key(), "reason": "好了"})
    placed.refresh_from_db()
    assert placed.released_at is not None
    officer.post(
        reverse("canteen:alert-close", args=[alert.pk]), {"key": key(), "outcome": "explained", "note": "定位漂移"}
    )
    alert.refresh_from_db()
    assert (alert.state, alert.closing_note) == ("explained", "定位漂移")
    assert officer.get(reverse("canteen:watch") + "?state=explained").status_code == 200


def test_another_unions_officer_sees_no_foreign_alert(served: Served) -> None:
    served.serve(served.venue(), [noon(0, 4 * n) for n in range(12)])
    watching.run_watch(actor=SYSTEM, at=NEXT, day=DAY)
    other = served.cast.appointed("外区经办", "union_officer", served.cast.organisation("荷塘区总工会"))
    alert = Alert.objects.get()
    assert signed_in(other.id).get(reverse("canteen:alert", args=[alert.pk])).status_code == 404


def test_a_diner_rates_with_a_photo_and_the_desk_sees_it(served: Served) -> None:
    [diner] = served.diners(1)
    [use_id] = served.serve(served.venue(), [noon()], people=[diner])
    client, url = signed_in(diner), reverse("canteen:rate", args=[use_id])
    assert "这一餐怎么样?" in client.get(url).content.decode()
    assert client.post(url, {"key": key()}).status_code == 422
    photo = SimpleUploadedFile("a.png", PNG)
    assert client.post(url, {"key": key(), "stars": "4", "text": "好吃", "photo": photo}).status_code == 302
    given = Feedback.objects.get()
    officer = signed_in(served.cast.officer().id)
    assert officer.get(reverse("canteen:feedback", args=[given.pk])).status_code == 200
    picture = officer.get(reverse("canteen:feedback-photo", args=[given.pk]))
    assert (picture["Content-Type"], b"".join(picture.streaming_content)) == ("image/png", PNG)
    assert signed_in(served.cast.stranger()).get(url).status_code == 404
    everybody = Client().get(reverse("canteen:ratings", args=[served.venue().pk])).content.decode()
    assert "4.0" in everybody
    assert "好吃" in everybody


def test_a_report_of_unsafe_food_goes_through_the_page_and_is_answered(served: Served) -> None:
    [diner] = served.diners(1)
    venue = served.venue()
    client = signed_in(diner)
    page = client.get(reverse("canteen:report", args=[venue.pk])).content.decode()
    assert f'value="{venue.pk}" selected' in page
    sent = {"key": key(), "about": "3", "venue_id": venue.pk, "text": "三个人拉肚子"}
    assert "收到了" in client.post(reverse("canteen:report"), sent).content.decode()
    assert client.post(reverse("canteen:report"), sent).status_code == 200
    given = Feedback.objects.get()
    assert (given.kind, given.severity) == ("food_safety", 3)
    officer = signed_in(served.cast.officer().id)
    officer.post(reverse("canteen:feedback-answer", args=[given.pk]), {"key": key(), "answer": "已封存留样"})
    given.refresh_from_db()
    assert given.answer == "已封存留样"


def test_an_auditor_downloads_facts_and_proof_and_checks_the_house(served: Served) -> None:
    [use_id] = served.serve(served.venue(), [noon()])
    auditor = signed_in(served.cast.auditor().id)
    url = reverse("canteen:audit-use", args=[use_id])
    assert "等下一次封存" in auditor.get(url).content.decode()
    seal(NEXT)
    seal_later = seal(NEXT + timedelta(minutes=1))
    assert seal_later is None
    assert "记录和日志一致" in auditor.get(url).content.decode()
    entry = Entry.objects.get(subject_kind="use", subject_id=use_id)
    proof = auditor.get(reverse("canteen:audit-proof", args=[use_id, entry.pk]))
    assert json.loads(proof.content)["format"] == "doorstep-audit-inclusion/1"
    other = Entry.objects.exclude(pk=entry.pk).first()
    assert auditor.get(reverse("canteen:audit-proof", args=[use_id, other.pk])).status_code == 404
    assert auditor.get(reverse("canteen:audit-facts", args=[use_id])).status_code == 200
    assert "全部对得上" in auditor.post(reverse("canteen:audit-check")).content.decode()
    wrong = auditor.get(reverse("canteen:audit") + "?person=xyz").content.decode()
    assert "这不是一个完整的用餐人代号" in wrong
    for page in (url, reverse("canteen:audit-facts", args=[use_id])):
        assert signed_in(served.manager(served.venue()).id).get(page).status_code == 403
