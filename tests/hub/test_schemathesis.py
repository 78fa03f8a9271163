"""Made-up requests, right and wrong ones, from the hub's own OpenAPI document: every answer is as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from hallway.services import service_classes
from hub.client import Client
from support import sampled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.process import HubProcess

OPERATIONS = {operation.name: operation for service in service_classes() for operation in service.operations.values()}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8
SPEED = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def schema(hub: HubProcess) -> Any:
    """The document, on a hub where alice and bob are."""
    with Client(hub.port) as client:
        client.register("alice", "bob")
        document = client.get("/openapi.json").json
    # A page of events has no use for the header of a stream, and takes no notice of it.
    described = document["paths"]["/events"]["get"]
    described["parameters"] = [each for each in described["parameters"] if each["in"] != "header"]
    schema = openapi.from_dict(document)
    schema.config.base_url = hub.url
    schema.config.checks.negative_data_rejection.expected_statuses = ["4xx"]  # 413, too, for what is too long
    return schema


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def exchange(case: Case, session: requests.Session, checks: list[Any]) -> None:
    if case.query and "wait_s" in case.query:
        case.query["wait_s"] = 0
    case.call_and_validate(session=session, checks=checks)


@pytest.mark.parametrize("name", sampled(OPERATIONS))
def test_right_requests_get_what_is_declared(schema: Any, session: requests.Session, name: str) -> None:
    operation = schema.find_operation_by_id(name)
    known = {"path_parameters": {"session_id": "alice"}} if "{session_id}" in operation.path else {}

    @SPEED
    @given(operation.as_strategy(GenerationMode.POSITIVE, **known))
    def holds(case: Case) -> None:
        exchange(case, session, CHECKS)

    holds()


@pytest.mark.parametrize("name", sampled(name for name, operation in OPERATIONS.items() if operation.parameters))
def test_wrong_requests_are_refused_as_declared(schema: Any, session: requests.Session, name: str) -> None:
    operation = schema.find_operation_by_id(name)

    @SPEED
    @given(operation.as_strategy(GenerationMode.NEGATIVE))
    def holds(case: Case) -> None:
        exchange(case, session, [*CHECKS, negative_data_rejection])

    holds()
