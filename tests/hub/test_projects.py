"""The project of a request: named, the session's that calls, or the caller's folder; and keys with slashes in paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from hallway.bus.remote import RemoteBus
from hub.client import SHOP, Client, raw_exchange
from support import Here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.process import HubProcess

SITE = "github.com/acme/site"
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture
def plain(hub: HubProcess) -> Iterator[Client]:
    """A caller that says nothing of where it runs, as curl does."""
    with Client(hub.port, project="") as client:
        yield client


def tool(client: Client, name: str, caller: str | None = None, **arguments: Any) -> Any:
    """Call a tool over HTTP; returns its content, or its error."""
    params = {"name": name, "arguments": arguments, "_meta": MODERN}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": name}
    headers |= {"Hallway-Session": quote(caller, safe="")} if caller else {}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    result = client.call("POST", "/mcp?profile=full" if name.startswith("memory_") else "/mcp", asked, headers).json[
        "result"
    ]
    return result.get("structuredContent") or result["content"][0]["text"]


@pytest.mark.promise("S15")
def test_a_url_that_was_written_can_be_read_by_the_same_session(plain: Client) -> None:
    plain.register("same-url", project=SITE)
    body = {"session_id": "same-url", "value": "red"}
    assert plain.call("PUT", "/memory/color", body).json["project"] == SITE
    asks = plain.get("/memory/color")
    assert (asks.status, asks.error["code"]) == (400, "project_needed")
    assert "header Hallway-Session" in asks.error["hint"]
    assert SITE in asks.error["message"]
    assert plain.get("/memory/color", **{"Hallway-Session": "same-url"}).json["value"] == "red"
    assert plain.get(f"/memory/color?project={SITE}").json["value"] == "red"
    assert plain.get("/memory?q=red", **{"Hallway-Session": "same-url"}).json[0]["key"] == "color"
    assert plain.get("/project", **{"Hallway-Session": "same-url"}).json == SITE


@pytest.mark.promise("S15")
def test_a_session_with_an_odd_id_is_named_percent_encoded(plain: Client) -> None:
    plain.register("ünï☂", project=SITE)
    assert plain.get("/project", **{"Hallway-Session": quote("ünï☂")}).json == SITE
    assert plain.get("/project", **{"Hallway-Session": "a/b"}).error["code"] == "invalid_input"


@pytest.mark.promise("S15")
def test_a_session_is_not_put_into_a_project_that_nobody_named(plain: Client) -> None:
    for path, body in (
        ("/sessions", {"session_id": "lost", "agent_name": "a", "agent_type": "codex"}),
        ("/sessions/lost/heartbeat", {}),
        ("/sessions/lost/status", {"step": 1}),
        ("/messages/broadcast", {"from_session": "lost", "subject": "hello"}),
    ):
        answer = plain.post(path, body)
        assert (answer.status, answer.error["code"]) == (400, "project_needed"), path
    assert plain.get("/sessions/lost").status == 404
    assert plain.get("/health").status == 200


@pytest.mark.promise("S15")
def test_reads_that_say_so_are_about_every_project(plain: Client) -> None:
    plain.register("of-all-1", project=SITE)
    plain.register("of-all-2", project=SHOP)
    found = {each["session_id"] for each in plain.get("/sessions").json}
    assert found >= {"of-all-1", "of-all-2"}
    described = plain.get("/openapi.json").json["paths"]
    for path in ("/sessions", "/tasks", "/events", "/stats", "/files", "/messages/sent", "/inboxes"):
        (project,) = [each for each in described[path]["get"]["parameters"] if each["name"] == "project"]
        assert "every project" in project["schema"]["description"], path


@pytest.mark.promise("S15")
def test_clearing_every_project_has_to_be_said(plain: Client) -> None:
    plain.register("cleared", project="github.com/acme/cleared")
    plain.post("/sessions/cleared/end")
    answer = plain.call("DELETE", "/sessions")
    assert (answer.status, answer.error["code"]) == (400, "project_needed")
    assert plain.get("/sessions/cleared").status == 200
    assert plain.call("DELETE", "/sessions?all_projects=true").json >= 1
    assert plain.get("/sessions/cleared").status == 404


@pytest.mark.promise("S15")
def test_tools_over_http_read_where_they_write(plain: Client) -> None:
    asks = tool(plain, "remember", "tool-1", key="shape", value="round")
    assert "status" in asks
    assert tool(plain, "status", "tool-1", project=SITE)["project"] == SITE
    assert tool(plain, "remember", "tool-1", key="shape", value="round")["version"] == 1
    assert tool(plain, "recall", "tool-1", key="shape")["value"] == "round"
    assert tool(plain, "search_memory", "tool-1", query="round")["entries"][0]["key"] == "shape"
    assert tool(plain, "memory_get_entry", "tool-1", key="shape")["result"]["project"] == SITE
    assert tool(plain, "memory_find", "tool-1", query="round", session_id="tool-1")["result"][0]["key"] == "shape"
    assert "project_needed" in tool(plain, "tasks")
    assert "project_needed" in tool(plain, "recall", key="shape")


@pytest.mark.parametrize(
    "key", ["decision/forms", "a/b/c/d/e", "a//b", "/a", "a/", "a/./b", "a/../b", "a/history", "history", "ünï/☂ x%2F"]
)
def test_a_key_with_slashes_makes_the_round_trip_through_a_remote_client(hub: HubProcess, key: str) -> None:
    with RemoteBus(hub.url, Here()) as bus:
        bus.memory.set("user:alice", key, {"of": key})
        assert bus.memory.get(key) == {"of": key}
        assert [each.key for each in bus.memory.get_all(key)] == [key]
        assert bus.memory.delete(key) == 1


def test_a_key_with_slashes_works_in_a_path_encoded_or_not(client: Client) -> None:
    body = {"session_id": "user:alice", "value": 1}
    client.call("DELETE", "/memory")
    assert client.call("PUT", "/memory/decision/forms", body).json["key"] == "decision/forms"
    assert client.get("/memory/decision/forms").json["value"] == 1
    assert client.get("/memory/decision%2Fforms").json["value"] == 1
    assert client.get("/memory/decision/forms/history").json[0]["key"] == "decision/forms"
    assert client.call("DELETE", "/memory/decision/forms").json == 1
    assert client.call("PUT", "/memory/decision%2Fhistory", body).json["key"] == "decision/history"
    assert client.get("/memory/decision%2Fhistory").json["key"] == "decision/history"
    assert client.get("/memory/decision/history").json == []  # the history of the key "decision"
    assert client.call("PUT", "/memory/decision/history", body).status == 405
    assert client.get("/memory//a").error["code"] == "entry_not_found"
    assert client.get("/memory/").status == 404


def test_only_a_text_takes_slashes(client: Client) -> None:
    for path in ("/sessions/a/b", "/messages/a/b/c", "/tasks/a/b", "/nothing/memory/a", "/memoryx/a/b"):
        assert client.get(path).error["code"] == "not_found", path


def test_a_dotted_path_is_taken_as_it_is(hub: HubProcess, client: Client) -> None:
    answer = raw_exchange(hub.port, b"GET /memory/../sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.status in (400, 404)
