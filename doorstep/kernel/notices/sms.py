"""Sending a text message: an HTTP endpoint when one is configured, the console otherwise."""

import json
import logging
import urllib.request

from django.conf import settings

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10


class SmsFailed(Exception):
    """The provider did not take the message; it may be tried again."""


def send_sms(phone: str, text: str) -> None:
    """POST ``{"to", "text"}`` with the bearer token. Raises: SmsFailed."""
    if not settings.SMS_URL:
        logger.warning("SMS to %s****%s: %s", phone[:3], phone[-4:], text)
        return
    request = urllib.request.Request(  # noqa: S310  (the address is the operator's own setting)
        settings.SMS_URL,
        data=json.dumps({"to": phone, "text": text}, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {settings.SMS_TOKEN}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            if response.status >= 300:
                raise SmsFailed(f"HTTP {response.status}")
    except OSError as error:
        raise SmsFailed(str(error)) from error
