"""The whole API under generated requests, in this process: no fault of ours, and only answers that are declared."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from doorstep.kernel.common.clock import travel
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.services.canteen.tests.world import CanteenWorld
from tests.permissions_table import operations

EXAMPLES = 60
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ADDRESSES = [(method, f"/{entry.address}") for entry in operations() for method in entry.methods]


def test_all_operations_are_in_the_contract():
    from doorstep.project.api import api

    paths = api.get_openapi_schema()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ADDRESSES)


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """A request's end closes connections, and with them the test's transaction: not here."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize(("method", "path"), ADDRESSES, ids=[path for _, path in ADDRESSES])
def test_generated_requests_get_declared_answers(cast: Any, request: pytest.FixtureRequest, method: str, path: str):
    number = request.config.getoption("randomly_seed", 1)
    print(f"seed {number}")
    world = CanteenWorld(cast)
    vouchers = [world.give_voucher(person) for person in (world.rider, world.courier, world.driver)]
    codes = [issue(PassKind.ENTITLEMENT, voucher.pk, world.at) for voucher in vouchers]
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
    headers = {
        "device": {"Authorization": f"Device {world.till.token}"},
        "nobody": {},
        "forged": {"Authorization": "Device x.y"},
    }
    seen: set[int] = set()

    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=schema[path][method].as_strategy(),
        who=st.sampled_from(["device", "device", "device", "nobody", "forged"]),
        code=st.sampled_from([None, *codes]),
    )
    def ask(case: Any, who: str, code: str | None) -> None:
        if code and isinstance(case.body, dict) and "code" in case.body:
            case.body["code"] = code
        with travel(world.at):
            response = case.call(headers=headers[who], base_url="http://localhost")
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    ask()
    # A run that never came past the door, or always did, would have tried nothing.
    assert 401 in seen
    assert len(seen) > 1
