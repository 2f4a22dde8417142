"""The API's contract: it changes only on purpose, and its page works under our content policy."""

import json

import pytest

from tests import openapi


def test_the_contract_is_the_one_that_was_agreed():
    """Changed on purpose? ``python -m tests.renew``, and commit the difference."""
    assert openapi.render() == openapi.SNAPSHOT.read_text()


def test_every_operation_declares_its_refusals():
    schema = json.loads(openapi.render())
    bare = [
        (method, path)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if not {"200", "401", "403"} <= set(operation["responses"])
    ]
    assert bare == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_about_the_api_shows_its_operations_and_breaks_no_policy(live_server, chromium):
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    answer = page.goto(f"{live_server.url}/api/docs")
    page.get_by_text("/api/canteen/redeem").wait_for()
    policy = answer.headers["content-security-policy"]
    page.close()
    assert "'unsafe-inline'" not in policy
    assert complaints == []
