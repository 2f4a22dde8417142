"""The outbox: quiet hours, delivery over a real HTTP endpoint, retries, and each person's own messages."""

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core import mail

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.notices.actions import after_quiet_hours, deliver_waiting, mark_read, notify
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.testing.cast import Cast

DAY = date(2025, 5, 7)
NOON = at_local(DAY, 12)


@pytest.mark.parametrize(
    ("hour", "minute", "second", "sent"),
    [
        (6, 59, 59, at_local(DAY, 7)),
        (7, 0, 0, at_local(DAY, 7)),
        (21, 59, 59, at_local(DAY, 21, 59, 59)),
        (22, 0, 0, at_local(date(2025, 5, 8), 7)),
        (23, 30, 0, at_local(date(2025, 5, 8), 7)),
        (0, 0, 0, at_local(DAY, 7)),
    ],
)
def test_no_text_message_between_ten_at_night_and_seven(hour: int, minute: int, second: int, sent: datetime):
    assert after_quiet_hours(at_local(DAY, hour, minute, second)) == sent


class Provider(HTTPServer):
    """A stand-in for the provider's endpoint: outside the machine is the only place for a fake."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.got: list[tuple[str, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.headers["Authorization"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Quiet."""


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    server = Provider()
    settings.SMS_URL, settings.SMS_TOKEN = f"http://127.0.0.1:{server.server_port}/send", "secret"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def put(cast: Cast, channel: str, at: datetime = NOON) -> Notice:
    notify(person_ids=[cast.rider()], template="test", title="收到一张券", body="打开卡包", at=at, channels=(channel,))
    return Notice.objects.get(channel=channel)


@pytest.mark.django_db
def test_a_text_message_is_posted_to_the_provider_once(cast: Cast, provider: Provider):
    put(cast, Notice.Channel.SMS)
    assert deliver_waiting(at=NOON) == 1
    assert deliver_waiting(at=NOON) == 0
    assert provider.got == [("Bearer secret", {"to": "13807311000", "text": "打开卡包"})]
    notice = Notice.objects.get()
    assert (notice.state, notice.sent_at, notice.attempts) == ("sent", NOON, 1)


@pytest.mark.django_db
def test_a_message_of_the_night_waits_for_the_morning(cast: Cast, provider: Provider):
    put(cast, Notice.Channel.SMS, at_local(DAY, 23))
    assert deliver_waiting(at=at_local(DAY, 23, 30)) == 0
    assert provider.got == []
    assert deliver_waiting(at=at_local(date(2025, 5, 8), 7)) == 1


@pytest.mark.django_db
def test_a_failing_provider_is_tried_five_times_with_growing_pauses(cast: Cast, provider: Provider):
    put(cast, Notice.Channel.SMS)
    provider.status = 500
    at, pauses = NOON, []
    for _ in range(5):
        assert deliver_waiting(at=at) == 0
        following = Notice.objects.get().not_before
        pauses.append(following - at)
        at = following
    assert pauses == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16, 32)]
    assert Notice.objects.get().state == "failed"
    assert deliver_waiting(at=at + timedelta(days=1)) == 0
    assert len(provider.got) == 5


@pytest.mark.django_db
def test_a_message_in_the_app_is_there_at_once_and_only_its_reader_marks_it_read(cast: Cast):
    notice = put(cast, Notice.Channel.IN_APP)
    assert notice.state == "sent"
    assert mark_read(actor=person_actor(cast.stranger()), at=NOON, notice_id=notice.pk) is False
    assert mark_read(actor=person_actor(cast.rider()), at=NOON, notice_id=notice.pk) is True
    assert mark_read(actor=person_actor(cast.rider()), at=NOON, notice_id=notice.pk) is False
    assert mail.outbox == []
