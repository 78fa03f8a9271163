"""What HTTP says in headers and in repeated parameters: conditions, idempotency keys, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hallway.services import service_classes

if TYPE_CHECKING:
    from hub.client import Client

OPERATIONS = [operation for service in service_classes() for operation in service.operations.values()]


def remembers(client: Client, key: str, value: Any, **headers: str) -> Any:
    return client.call("PUT", f"/memory/{key}", {"session_id": "cond", "value": value, "project": "cond"}, headers)


def if_match(version: str) -> dict[str, str]:
    return {"If-Match": version}


@pytest.fixture(autouse=True)
def writer(client: Client) -> None:
    client.register("cond", project="cond")


@pytest.mark.parametrize("quoted", ['"1"', "1"])
def test_a_write_with_if_match_happens_at_that_version_only(client: Client, quoted: str) -> None:
    key = f"match-{len(quoted)}"
    first = remembers(client, key, "one")
    assert first.headers["etag"] == '"1"'
    assert client.get(f"/memory/{key}?project=cond").headers["etag"] == '"1"'
    second = remembers(client, key, "two", **if_match(quoted))
    assert (second.status, second.json["version"], second.headers["etag"]) == (200, 2, '"2"')
    lost = remembers(client, key, "three", **if_match(quoted))
    assert (lost.status, lost.error["code"]) == (412, "version_conflict")
    assert (lost.error["current"]["version"], lost.error["current"]["value"]) == (2, "two")
    assert client.get(f"/memory/{key}?project=cond").json["value"] == "two"


def test_if_none_match_writes_only_where_there_is_nothing(client: Client) -> None:
    assert remembers(client, "none", "one", **{"If-None-Match": "*"}).status == 200
    lost = remembers(client, "none", "two", **{"If-None-Match": "*"})
    assert (lost.status, lost.error["current"]["value"]) == (412, "one")


def test_a_version_in_the_body_conflicts_with_409_as_before(client: Client) -> None:
    body = {"session_id": "cond", "value": 1, "project": "cond", "expected_version": 7}
    assert client.call("PUT", "/memory/body", body).status == 409


@pytest.mark.parametrize("value", ["*", '"a"', '"1", "2"', '"-1"', '"99999999999999999999"', 'W/"1"', '"'])
def test_a_condition_that_is_no_version_is_refused(client: Client, value: str) -> None:
    answer = remembers(client, "odd", "x", **if_match(value))
    assert (answer.status, answer.error["code"]) == (400, "invalid_input")
    assert client.get("/memory/odd?project=cond").status == 404


def test_a_condition_and_a_version_that_differ_are_refused(client: Client) -> None:
    body = {"session_id": "cond", "value": 1, "project": "cond", "expected_version": 2}
    answer = client.call("PUT", "/memory/both", body, if_match('"1"'))
    assert answer.status == 400
    assert "expected_version" in answer.error["message"]


def test_a_write_that_has_no_version_refuses_a_condition_instead_of_ignoring_it(client: Client) -> None:
    body = {"from_session": "cond", "to_session": "user:alice", "body": "kept"}
    answer = client.call("POST", "/messages", body, if_match('"9"'))
    assert (answer.status, answer.error["code"]) == (400, "invalid_input")
    assert client.get("/messages?session_id=user:alice").json == []


def test_an_entry_is_deleted_only_as_the_condition_says(client: Client) -> None:
    remembers(client, "kept", "one")
    answer = client.call("DELETE", "/memory/kept?project=cond", None, if_match('"9"'))
    assert (answer.status, answer.error["code"]) == (412, "version_conflict")
    assert client.get("/memory/kept?project=cond").status == 200
    assert client.call("DELETE", "/memory/kept?project=cond", None, if_match('"1"')).status == 200
    assert client.get("/memory/kept?project=cond").status == 404


@pytest.mark.parametrize("quoted", ["send-1", '"send-2"'])
def test_a_send_with_an_idempotency_key_is_done_once(client: Client, quoted: str) -> None:
    client.register("cond-2", project="cond")
    body = {"from_session": "cond", "to_session": "cond-2", "subject": f"about {quoted}"}
    header = {"Idempotency-Key": quoted}
    first, again = (client.call("POST", "/messages", body, header).json for _ in range(2))
    assert (again["message_id"], first["is_repeat"], again["is_repeat"]) == (first["message_id"], False, True)
    in_body = client.post("/messages", {**body, "idempotency_key": quoted.strip('"')}).json
    assert in_body["message_id"] == first["message_id"]


def test_an_entry_with_an_idempotency_key_is_written_once(client: Client) -> None:
    first, again = (remembers(client, "once", "x", **{"Idempotency-Key": "once-1"}).json for _ in range(2))
    assert (first["version"], again["version"], again["entry_id"]) == (1, 1, first["entry_id"])


def test_every_operation_with_such_a_parameter_has_its_header_in_the_document(client: Client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    for operation in OPERATIONS:
        described = paths[operation.path][operation.method.lower()]
        headers = {each["name"] for each in described["parameters"] if each["in"] == "header"}
        assert ("Idempotency-Key" in headers) == ("idempotency_key" in operation.parameters)
        assert ("If-Match" in headers) == ("expected_version" in operation.parameters)


# -- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["tags=list-a&tags=list-b", "tags=list-a,list-b", 'tags=["list-a"]&tags=list-b'])
def test_a_list_in_a_query_may_be_repeated(client: Client, query: str) -> None:
    for key, tags in (("both", ["list-a", "list-b"]), ("one", ["list-a"])):
        body = {"session_id": "cond", "value": 1, "project": "cond", "tags": tags}
        assert client.call("PUT", f"/memory/list-{key}", body).status == 200
    found = client.get(f"/memory?project=cond&match_all=true&{query}").json
    assert [entry["key"] for entry in found] == ["list-both"]


def test_event_kinds_may_be_repeated(client: Client) -> None:
    remembers(client, "kinds", 1)
    kinds = {each["kind"] for each in client.get("/events?project=cond&kinds=session&kinds=memory.set").json}
    assert kinds == {"session.registered", "memory.set"}


def test_what_is_no_list_may_not_be_repeated(client: Client) -> None:
    answer = client.get("/memory?q=a&q=b")
    assert answer.status == 400
    assert "'q' twice" in answer.error["message"]
