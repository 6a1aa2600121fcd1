"""Requests that a machine makes up from the OpenAPI document, sensible and not: none is a server error, every answer is as described."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.lifecycle import Outcome
from tests.architecture import HOME
from tests.server.asking import ask
from tests.serving import Serving

# The committed document, whose paths have an order, so that every test process has its tests in the same one.
schema = schemathesis.openapi.from_path(HOME.parent / "docs" / "openapi.json")
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
EXAMPLES = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with Serving("memory://") as server:
        yield server


@pytest.fixture(scope="module")
def ids(server: Serving) -> list[str]:
    """Jobs in several states, a schedule and a worker to ask about."""
    jobs = [{"queue": "q", "payload": {"n": n}, "delay": "1h" if n % 2 else 0} for n in range(8)]
    made = ask(server.url, "POST", "/v1/jobs/batch", jobs).json
    ask(server.url, "POST", "/v1/schedules", {"name": "nightly", "cron": "0 3 * * *", "queue": "q"})
    with open_backend(server.url) as store:
        consumer = Consumer(store)
        consumer.register(queues=("q",))
        for kind in ("permanent", "succeeded"):
            [job] = consumer.claim(["q"])
            consumer.write([consumer.settle(job, Outcome(kind, error="SMTP 451"))])
        consumer.claim(["q"])
    return [each["id"] for each in made]


@pytest.mark.parametrize("known", [True, False], ids=["what is there", "anything"])
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
def test_no_request_is_a_server_error(server: Serving, ids: list[str], case: schemathesis.Case, known: bool) -> None:
    if known:
        named = {"id": ids[len(str(case.body)) % len(ids)], "queue": "q", "name": "nightly"}
        case.path_parameters.update({name: value for name, value in named.items() if name in case.path_parameters})
    if case.path.endswith("/wait"):
        case.query["timeout"] = 0
    case.call_and_validate(base_url=server.url, checks=CHECKS)
