"""The hub over HTTP: its routes, and what it answers to what is wrong. Each answer is held against its schema."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import openapi

from hallway.bus.http_hints import HINTS
from hallway.core.model import UNANSWERED_STATES
from hallway.services import service_classes
from hub.client import SHOP, Answer, Client, raw_exchange
from hub.process import HubProcess, environment
from support import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1024 * 1024


def ids(answer: Answer) -> list[str]:
    """The sessions of a list, or of an object that has one."""
    listed = answer.json if isinstance(answer.json, list) else answer.json.get("others") or answer.json["sessions"]
    return [session["session_id"] for session in listed]


# -- the session bus's own three routes -------------------------------------------------------------------------------


def test_a_heartbeat_registers_and_tells_who_else_is_here(client: Client) -> None:
    for who in ("beat-alice", "beat-bob"):
        beat = client.post(f"/sessions/{who}/heartbeat", {"project": "beat", "current_task": f"{who}'s task"})
    assert beat.status == 200
    assert (beat.json["project"], beat.json["status"]) == ("beat", "active")
    assert (beat.json["others_total"], ids(beat)) == (1, ["beat-alice"])
    assert beat.json["others"][0]["current_task"] == "beat-alice's task"


def test_a_heartbeat_needs_no_body(client: Client) -> None:
    assert client.post("/sessions/bare/heartbeat").json["project"] == SHOP


def test_any_json_object_is_a_status_detail(client: Client) -> None:
    client.register("detail")
    told = {"step": 3, "of": [1, 2.5, None, True, {"deep": "ünïcode ☂"}], "big": 10**400, "": ""}
    assert client.post("/sessions/detail/status", told).json["status_detail"] == told
    assert client.get("/sessions/detail").json["status_detail"] == told
    assert client.post("/sessions/detail/status", {}).json["status_detail"] == {}


def test_the_active_sessions_of_a_project_newest_first(client: Client) -> None:
    client.register("active-1", "active-2", project="active")
    client.register("active-3", project="elsewhere")
    answer = client.get("/sessions/active?project=active")
    assert (answer.json["project"], ids(answer), answer.json["total"]) == ("active", ["active-2", "active-1"], 2)
    assert ids(client.get("/sessions/active?project=active&limit=1")) == ["active-2"]


def test_messages_are_searched_at_two_addresses(client: Client) -> None:
    client.register("search-1", "search-2", project="search")
    text = {"from_session": "search-1", "to_session": "search-2", "subject": "May I move the pelican?"}
    assert client.post("/messages", text).status == 200
    (hit,) = client.get("/messages/search?query=pelicans&project=search").json
    assert (hit["from_session"], hit["line"]) == ("search-1", "May I move the **pelican**?")
    assert client.get("/messages/search?q=pelicans").json == [hit]
    assert json.loads(client._exchange("GET", "/messages?q=pelicans").body) == [hit]
    assert client.get("/messages?session_id=search-2").json[0]["subject"] == "May I move the pelican?"
    refused = client.get("/messages?q=pelicans&session_id=search-2")
    assert (refused.status, refused.error["code"]) == (400, "invalid_input")


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_from_its_registration_to_its_end(client: Client) -> None:
    told = {
        "session_id": "whole",
        "agent_name": "alice's agent",
        "agent_type": "codex",
        "human_user": "alice",
        "capabilities": ["go", "review"],
        "metadata": {"os": "linux"},
        "project": "github.com/acme/shop",
        "current_task": "mend the login",
        "status": "working",
        "location": "host:/src",
        "branch": "fix",
        "ttl_s": 60,
    }
    registered = client.post("/sessions", told)
    assert registered.status == 200
    assert {name: registered.json[name] for name in told} == told
    assert client.post("/sessions/whole/ping").json["status"] == "working"
    assert client.call("PATCH", "/sessions/whole", {"status": "waiting"}).json["status"] == "waiting"
    assert client.get("/sessions/whole").json["status"] == "waiting"
    ended = client.post("/sessions/whole/end", {"end_reason": "done"})
    assert (ended.json["status"], ended.json["end_reason"]) == ("offline", "done")
    assert client.get("/sessions/whole").json["ended_at"] == ended.json["ended_at"]
    assert client.post("/sessions/whole/heartbeat").json["status"] == "active"


def test_sessions_are_found_by_every_filter_and_paged(client: Client) -> None:
    client.register("find-1", "find-2", project="find", capabilities=["a,b"], human_user="alice")
    client.register("find-3", project="find", status="waiting", human_user="bob")
    client.post("/sessions/find-2/end")
    found = {
        query: ids(client.get(f"/sessions?project=find&{query}"))
        for query in (
            "status=waiting",
            "status=offline",
            "human_user=alice",
            "capability=a%2Cb",
            "agent_type=none",
            "include_offline=true",
            "include_offline=true&limit=2",
            "include_offline=true&after_id=find-2",
        )
    }
    assert found == {
        "status=waiting": ["find-3"],
        "status=offline": ["find-2"],
        "human_user=alice": ["find-1"],
        "capability=a%2Cb": ["find-1"],
        "agent_type=none": [],
        "include_offline=true": ["find-3", "find-2", "find-1"],
        "include_offline=true&limit=2": ["find-3", "find-2"],
        "include_offline=true&after_id=find-2": ["find-1"],
    }


def test_ended_sessions_are_cleared(client: Client) -> None:
    client.register("clear-1", "clear-2", project="clear")
    client.post("/sessions/clear-1/end")
    assert client.call("DELETE", "/sessions?project=clear&older_than_s=3600").json == 0
    assert client.call("DELETE", "/sessions?project=clear").json == 1
    assert ids(client.get("/sessions?project=clear&include_offline=true")) == ["clear-2"]


def test_stats_count_sessions_and_events(client: Client) -> None:
    client.register("stats-1", "stats-2", project="stats", human_user="alice")
    stats = client.get("/stats?project=stats").json
    assert (stats["sessions"]["total"], stats["sessions"]["by_user"]) == (2, {"alice": 2})
    assert stats["events"]["total"] == 2


def test_an_id_with_odd_characters_is_one_id_everywhere(client: Client) -> None:
    odd = {
        "100%": "100%25",
        "a%2Fb": "a%252Fb",
        "ünï☂": "%C3%BCn%C3%AF%E2%98%82",
        "q?a=b&c#d": "q%3Fa%3Db%26c%23d",
        "a+b;c": "a+b;c",
        "\ufffd": "%EF%BF%BD",
        "{x}": "%7Bx%7D",
        "..a": "..a",
    }
    for session_id, encoded in odd.items():
        client.register(session_id)
        assert client.get(f"/sessions/{encoded}").json["session_id"] == session_id
        assert client.post(f"/sessions/{encoded}/heartbeat").json["session_id"] == session_id


# -- events -----------------------------------------------------------------------------------------------------------


def test_events_are_a_page_of_json_for_who_does_not_ask_for_a_stream(client: Client) -> None:
    client.register("events-1", project="events")
    client.post("/sessions/events-1/end")
    page = client.get("/events?project=events").json
    assert [event["kind"] for event in page] == ["session.registered", "session.ended"]
    assert client.get(f"/events?project=events&after={page[0]['seq']}").json == page[1:]
    assert client.get("/events?project=events&limit=1").json == page[:1]
    assert client.get("/events?project=events&kinds=session.ended,other").json == page[1:]
    assert client.get("/events?project=events&kinds=session").json == page
    assert client.get("/events/last").json >= page[1]["seq"]


# -- what is wrong gets a 4xx with a code and a hint ------------------------------------------------------------------


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


WRONG: dict[str, tuple[str, str, Any, int, str]] = {
    "unknown path": ("GET", "/nope", None, 404, "not_found"),
    "unknown path, posted": ("POST", "/sessions/x/nope", {}, 404, "not_found"),
    "a slash too many": ("GET", "/sessions/", None, 404, "not_found"),
    "an empty id": ("POST", "/sessions//heartbeat", None, 404, "not_found"),
    "unknown session": ("GET", "/sessions/nobody", None, 404, "session_not_found"),
    "wrong method": ("PUT", "/sessions", None, 405, "method_not_allowed"),
    "unknown field": ("POST", "/sessions/x/heartbeat", {"curent_task": "a"}, 400, "invalid_input"),
    "unknown parameter": ("GET", "/sessions?projet=a", None, 400, "invalid_input"),
    "unknown parameter of a write": ("POST", "/sessions/x/heartbeat?projet=a", None, 400, "invalid_input"),
    "unknown parameter beside a whole body": ("POST", "/sessions/x/status?a=b", {}, 400, "invalid_input"),
    "missing field": ("POST", "/sessions", {"session_id": "x", "agent_type": "codex"}, 400, "invalid_input"),
    "missing id": ("POST", "/sessions", {"agent_name": "x", "agent_type": "codex"}, 400, "identity_missing"),
    "wrong type": ("POST", "/sessions/x/heartbeat", {"project": ["a"]}, 400, "invalid_input"),
    "true for a number": ("POST", "/sessions/x/heartbeat", {"ttl_s": True}, 400, "invalid_input"),
    "unknown status": ("POST", "/sessions/x/heartbeat", {"status": "asleep"}, 400, "invalid_input"),
    "malformed JSON": ("POST", "/sessions/x/heartbeat", b'{"project": ', 400, "invalid_input"),
    "two JSON values": ("POST", "/sessions/x/heartbeat", b"{} {}", 400, "invalid_input"),
    "no object": ("POST", "/sessions/x/heartbeat", [b"[]"], 400, "invalid_input"),
    "null": ("POST", "/sessions/x/heartbeat", b"null", 400, "invalid_input"),
    "no object as status detail": ("POST", "/sessions/x/status", b"3", 400, "invalid_input"),
    "invalid UTF-8 in a body": ("POST", "/sessions/x/heartbeat", b'{"project":"\xff"}', 400, "invalid_input"),
    "invalid UTF-8 in a key": ("POST", "/sessions/x/status", b'{"\xc3":1}', 400, "invalid_input"),
    "UTF-16": ("POST", "/sessions/x/status", '{"a": 1}'.encode("utf-16"), 400, "invalid_input"),
    "invalid UTF-8 in a path": ("GET", "/sessions/%FF", None, 400, "invalid_input"),
    "invalid UTF-8 in a query": ("GET", "/sessions?project=%FF", None, 400, "invalid_input"),
    "lone surrogate in a text": ("POST", "/sessions/x/heartbeat", b'{"project":"\\ud800"}', 400, "invalid_input"),
    "lone surrogate in JSON": ("POST", "/sessions/x/status", b'{"a":["\\udfff"]}', 400, "invalid_input"),
    "lone surrogate in a path": ("GET", "/sessions/%ED%A0%80", None, 400, "invalid_input"),
    "control character": ("POST", "/sessions/x/heartbeat", {"current_task": "a\x1b[2J"}, 400, "invalid_input"),
    "NUL": ("POST", "/sessions/x/heartbeat", {"project": "a\x00b"}, 400, "invalid_input"),
    "NUL in a path": ("GET", "/sessions/a%00b", None, 400, "invalid_input"),
    "line end in a path": ("POST", "/sessions/a%0Ab/heartbeat", None, 400, "invalid_input"),
    "slash in an id": ("GET", "/sessions/a%2Fb", None, 400, "invalid_input"),
    "space in an id": ("GET", "/sessions/a%20b", None, 400, "invalid_input"),
    "reserved id": ("POST", "/sessions/*/heartbeat", None, 400, "invalid_input"),
    "long id": ("GET", f"/sessions/{'x' * 300}", None, 413, "too_large"),
    "1 MiB of task": ("POST", "/sessions/x/heartbeat", {"current_task": "x" * (MIB - 100)}, 413, "too_large"),
    "more than 1 MiB": ("POST", "/sessions/x/heartbeat", {"current_task": "x" * MIB}, 413, "too_large"),
    "more than 1 MiB in chunks": ("POST", "/sessions/x/status", [b'{"a":"', *[b"x" * 4096] * 300], 413, "too_large"),
    "long status detail": ("POST", "/sessions/x/status", {"a": "x" * 20_000}, 413, "too_large"),
    "absurd TTL": ("POST", "/sessions/x/heartbeat", {"ttl_s": 10**9}, 400, "invalid_input"),
    "TTL beyond 64 bits": ("POST", "/sessions/x/heartbeat", {"ttl_s": 2**70}, 400, "invalid_input"),
    "negative TTL": ("POST", "/sessions/x/heartbeat", {"ttl_s": -1}, 400, "invalid_input"),
    "fractional TTL": ("POST", "/sessions/x/heartbeat", {"ttl_s": 30.5}, 400, "invalid_input"),
    "limit of nothing": ("GET", "/sessions?limit=0", None, 400, "invalid_input"),
    "limit beyond all": ("GET", "/sessions?limit=1000000000000000000000", None, 400, "invalid_input"),
    "limit in other digits": ("GET", "/sessions?limit=%D9%A3", None, 400, "invalid_input"),
    "deep JSON": ("POST", "/sessions/x/status", deep(100), 400, "invalid_input"),
    "bottomless JSON": ("POST", "/sessions/x/status", b'{"a":' + b"[" * 500_000, 400, "invalid_input"),
    "NaN": ("POST", "/sessions/x/status", b'{"a": NaN}', 400, "invalid_input"),
    "infinity": ("POST", "/sessions/x/status", b'{"a": 1e999}', 400, "invalid_input"),
    "a number of 5000 digits": ("POST", "/sessions/x/status", b'{"a": %s}' % (b"9" * 5000), 400, "invalid_input"),
    "parameter twice": ("GET", "/sessions?project=a&project=b", None, 400, "invalid_input"),
    "parameters without end": (
        "GET",
        "/sessions?" + "&".join(f"p{n}=1" for n in range(200)),
        None,
        400,
        "invalid_input",
    ),
    "path against body": ("POST", "/sessions/x/heartbeat", {"session_id": "y"}, 400, "invalid_input"),
    "path against query": ("POST", "/sessions/x/heartbeat?session_id=y", {}, 400, "invalid_input"),
    "query against body": ("POST", "/sessions/x/heartbeat?project=a", {"project": "b"}, 400, "invalid_input"),
    "after without a number": ("GET", "/events?after=now", None, 400, "invalid_input"),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(client: Client, method: str, path: str, body: Any, status: int, code: str) -> None:
    answer = client.call(method, path, body)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["message"]
    assert answer.error["hint"]
    assert len(answer.body) < 2000
    assert client.get("/sessions?project=x").status == 200  # on the same connection


def test_nothing_that_was_refused_has_been_written(client: Client) -> None:
    for method, path, body, _, _ in WRONG.values():
        client.call(method, path, body)
    assert client.get("/sessions/x").error["code"] == "session_not_found"


HINTED = {
    "/sessions/nobody": "GET /sessions?include_offline=true",
    "/messages/none": "GET /messages?session_id=ID",
    "/tasks/none": "GET /tasks?include_done=true",
    "/memory/none": "GET /memory?query=WORDS",
    "/sessions?limit=x": "GET /sessions in GET /openapi.json",
}


@pytest.mark.parametrize("path", HINTED)
def test_hints_over_http_name_requests(client: Client, path: str) -> None:
    hint = client.get(path).error["hint"]
    assert HINTED[path] in hint
    assert "hallway " not in hint


def test_a_write_without_a_session_is_told_the_parameter_that_names_it(client: Client) -> None:
    error = client.call("PUT", "/memory/color", {"value": 1}).error
    assert error["hint"] == "Name who acts, a session's id or user:NAME: the parameter session_id"


@pytest.mark.parametrize("hint", HINTS.values())
def test_what_a_hint_over_http_names_is_there(client: Client, hint: str) -> None:
    paths = client.get("/openapi.json").json["paths"]
    for method, path, query in re.findall(r"(GET|POST) (/[^ ?]*)(?:\?(\w+)=)?", hint):
        found = paths[path][method.lower()]
        assert not query or query in {each["name"] for each in found["parameters"]}


def test_a_wrong_field_gets_its_near_match_and_a_wrong_id_its_neighbours(client: Client) -> None:
    assert "current_task" in client.post("/sessions/x/heartbeat", {"curent_task": "a"}).error["hint"]
    client.register("near-alice")
    error = client.get("/sessions/near-alcie").error
    assert "near-alice" in error["hint"]
    assert "near-alice" in error["near"]


def test_the_same_value_in_path_and_body_is_no_contradiction(client: Client) -> None:
    assert client.post("/sessions/same/heartbeat", {"session_id": "same"}).status == 200


def test_a_request_that_ends_too_early_does_nothing(hub: HubProcess, client: Client) -> None:
    head = b"POST /sessions/cut/heartbeat HTTP/1.1\r\nHost: localhost\r\n"
    counted, chunked = b"Content-Length: 20\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"
    for rest in (counted, counted + b"{}", chunked + b"2\r\n{}"):
        with socket.create_connection(("127.0.0.1", hub.port)) as connection:
            connection.sendall(head + rest)
    client.register("after-cut")
    assert client.get("/sessions/cut").status == 404


def test_what_is_no_http_gets_a_400_and_the_hub_goes_on(hub: HubProcess, client: Client) -> None:
    for junk in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /sessions/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        assert raw_exchange(hub.port, junk).status == 400
    assert client.get("/health").status == 200


# -- methods ----------------------------------------------------------------------------------------------------------


def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    assert client.call("PUT", "/sessions").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    assert client.call("TRACE", "/sessions/x/heartbeat").headers["allow"] == "OPTIONS, POST"
    assert client.call("DELETE", "/metrics").headers["allow"] == "GET, HEAD, OPTIONS"


def test_options_are_told_without_any_leave_for_other_origins(client: Client) -> None:
    answer = client.call("OPTIONS", "/sessions/x")
    assert (answer.status, answer.headers["allow"]) == (200, "GET, HEAD, OPTIONS, PATCH")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json", "/sessions", "/events", "/sessions/nobody"])
def test_head_is_get_without_the_body(client: Client, path: str) -> None:
    got, head = client.get(path), client.call("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert client.call("HEAD", path, headers={"Accept": "text/event-stream"}).body == b""


# -- Host and Origin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "localhost.evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Host": "localhost:{port}", "Origin": "http://evil.example"},
        {"Host": "localhost:{port}", "Origin": "http://localhost:3000"},
        {"Host": "localhost:{port}", "Origin": "http://localhost"},
        {"Host": "localhost:{port}", "Origin": "null"},
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}.evil.example"},
        {"Host": "localhost:{port}", "Origin": "https://localhost:{port}"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "localhost", "Origin": "http://localhost:{port}"},
        {"Host": "localhost", "Origin": "http://localhost:{port}", "Sec-Fetch-Site": "same-site"},
        {"Host": "localhost:{port}", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost", "Origin": "https://localhost:{port}", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_of_another_site_reaches_nothing(hub: HubProcess, client: Client, headers: dict[str, str]) -> None:
    sent = {name: value.format(port=hub.port) for name, value in headers.items()}
    for method, path in (("GET", "/sessions"), ("POST", "/sessions/evil/heartbeat"), ("GET", "/x")):
        answer = client.call(method, path, headers=sent)
        assert (answer.status, answer.error["code"]) == (403, "refused")
    assert client.get("/sessions/evil").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:{port}"},
        {"Host": "LocalHost:{port}"},
        {"Host": "[::1]:{port}"},
        {"Host": "localhost"},
        {"Host": "localhost.:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "localhost", "Origin": "http://localhost:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost", "Origin": "http://localhost"},
        {"Host": "localhost:80", "Origin": "http://localhost"},
    ],
)
def test_a_hub_answers_to_its_own_names(hub: HubProcess, client: Client, headers: dict[str, str]) -> None:
    sent = {name: value.format(port=hub.port) for name, value in headers.items()}
    assert client.call("GET", "/sessions", headers=sent).status == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_probe_may_name_any_host_or_none(hub: HubProcess, client: Client, path: str) -> None:
    for host in ("10.0.0.7:7433", "bus.example.org", ""):
        assert client.call("GET", path, headers={"Host": host}).json["is_ready"]
    assert raw_exchange(hub.port, b"GET %s HTTP/1.0\r\n\r\n" % path.encode()).status == 200
    assert client.call("GET", path, headers={"Host": "evil.example", "Origin": "http://evil.example"}).status == 403


def test_a_refusal_says_which_name_the_hub_lacks_and_how_to_give_it(client: Client) -> None:
    error = client.call("GET", "/sessions", headers={"Host": "bus.example.org"}).error
    assert "bus.example.org" in error["message"]
    assert "header Host" in error["hint"]
    assert "--name" in error["hint"]


def test_a_request_that_names_no_host_is_refused(hub: HubProcess) -> None:
    for version in (b"1.0", b"1.1"):
        assert raw_exchange(hub.port, b"GET /sessions HTTP/%s\r\n\r\n" % version).error["code"] == "refused"


# -- starting ---------------------------------------------------------------------------------------------------------


def serve(home: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start a hub that must not come up."""
    command = [sys.executable, "-m", "hallway", "serve", *options]
    return subprocess.run(
        command, env={**environment(home), **environ}, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hub.example"])  # noqa: S104 (it is refused)
def test_an_address_that_others_could_reach_is_refused(tmp_path: Path, host: str) -> None:
    done = serve(tmp_path / "hallway", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert "tokens" in done.stderr
    assert "--host 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_hub_on_a_port_is_told_that_it_is_taken(hub: HubProcess, client: Client, tmp_path: Path) -> None:
    done = serve(tmp_path / "hallway", "--port", str(hub.port))
    assert done.returncode == 8
    assert str(hub.port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert client.get("/health").status == 200


def test_a_hub_serves_no_other_hub(tmp_path: Path) -> None:
    done = serve(tmp_path / "hallway", "--port", "0", HALLWAY_URL="http://127.0.0.1:7433")
    assert done.returncode == 2
    assert "HALLWAY_URL" in done.stderr
    assert "Traceback" not in done.stderr


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_hub_on_the_other_loopback(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub("--host", "::1")
    assert hub.url == f"http://[::1]:{hub.port}"
    with Client(hub.port, "::1") as client:
        assert client.get("/health").status == 200


def test_two_hubs_on_one_bus_see_each_others_sessions(start_hub: Callable[..., HubProcess]) -> None:
    with Client(start_hub().port) as one, Client(start_hub().port) as other:
        one.register("alice")
        assert other.get("/sessions/alice").json == one.get("/sessions/alice").json


# -- health, metrics, the document ------------------------------------------------------------------------------------


def test_health_says_that_all_is_well(client: Client) -> None:
    answer = client.get("/health")
    assert (answer.status, answer.json["status"]) == (200, "ok")


def test_health_says_when_the_bus_has_been_replaced_or_is_gone(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with Client(hub.port) as client:
        aside = hub.bus_file.rename(hub.home / "aside.db")
        assert client.get("/health").error["code"] == "unavailable"
        hub.bus_file.write_bytes(b"something else")
        gone = client.get("/health")
        assert (gone.status, gone.error["code"]) == (503, "unavailable")
        aside.rename(hub.bus_file)
        assert client.get("/health").status == 200


def samples(answer: Answer) -> dict[tuple[str, ...], float]:
    """Metrics by name and label values."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_metrics_count_what_happened(start_hub: Callable[..., HubProcess]) -> None:
    with Client(start_hub().port) as client:
        client.register("alice", "bob")
        for _ in range(3):
            client.post("/sessions/alice/heartbeat")
        client.post("/sessions/nobody/ping")
        counted = samples(client.get("/metrics"))
    assert counted["hallway_requests_total", "sessions.register", "200"] == 2
    assert counted["hallway_requests_total", "sessions.heartbeat", "200"] == 3
    assert counted["hallway_requests_total", "sessions.ping", "404"] == 1
    assert counted["hallway_request_seconds_count", "sessions.heartbeat"] == 3
    assert counted["hallway_request_seconds_bucket", "+Inf", "sessions.heartbeat"] == 3
    assert 0 < counted["hallway_request_seconds_sum", "sessions.heartbeat"] < 10
    assert counted["hallway_commits_total",] == counted["hallway_jobs_total", "writer"] == 6
    assert counted["hallway_streams",] == counted["hallway_queued", "writer"] == 0


@pytest.mark.promise("M9")
def test_metrics_count_the_unanswered_requests_by_state(start_hub: Callable[..., HubProcess]) -> None:
    with Client(start_hub().port) as client:
        client.register("alice", "bob")
        for subject in ("which port?", "which host?"):
            client.post(
                "/messages", {"from_session": "alice", "to_session": "bob", "type": "request", "subject": subject}
            )
        counted = samples(client.get("/metrics"))
        assert [counted["hallway_open_requests", each] for each in UNANSWERED_STATES] == [2, 0, 0, 0]
        client.post("/sessions/bob/end")
        counted = samples(client.get("/metrics"))
        assert [counted["hallway_open_requests", each] for each in UNANSWERED_STATES] == [0, 0, 0, 2]


def test_the_document_is_openapi_and_lists_exactly_the_catalogue(client: Client) -> None:
    document = client.get("/openapi.json").json
    openapi.from_dict(document).validate()
    listed = {
        (method.upper(), path, operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    own = {
        ("GET", "/health", "health"),
        ("GET", "/ready", "ready"),
        ("GET", "/metrics", "metrics"),
        ("POST", "/mcp", "mcp"),
    }
    catalogue = {
        (operation.method, operation.path, operation.name)
        for service in service_classes()
        for operation in service.operations.values()
    }
    assert listed == catalogue | own
    assert "text/event-stream" in document["paths"]["/events"]["get"]["responses"]["200"]["content"]


def test_every_parameter_of_the_catalogue_is_in_the_document(client: Client) -> None:
    document = client.get("/openapi.json").json
    for service in service_classes():
        for operation in service.operations.values():
            described = document["paths"][operation.path][operation.method.lower()]
            named = {each["name"] for each in described["parameters"] if each["in"] != "header"}
            body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            named |= {operation.body} if operation.body else body.get("properties", {}).keys()
            assert named == operation.parameters.keys(), operation.name


# -- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_is_one_line_a_record_as_text_or_json(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    until(lambda: hub.log())
    assert hub.log()[0].keys() == {"at", "level", "logger", "message", "address", "pid"}
    assert hub.log()[0]["pid"] == hub.pid
    assert hub.stop() == 0
    assert [record["message"] for record in hub.log()] == ["serving", "stopped"]
    assert json.dumps(hub.log())  # nothing but JSON in it
