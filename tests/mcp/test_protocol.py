"""The protocol alone: two eras from one handler, versions, headers, hints, batches, and which method is whose."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from hallway.core.errors import HallwayError
from hallway.mcp import protocol
from hallway.mcp.protocol import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LEGACY,
    META,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    JsonRpcError,
    ListenStream,
    Peer,
    Protocol,
    check_headers,
)
from hallway.mcp.server import INSTRUCTIONS, BusServer
from support import Here, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hallway.bus.local import LocalBus

MODERN = {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}
METHODS = {
    "server/discover": {},
    "tools/list": {},
    "tools/call": {"name": "sessions", "arguments": {}},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "hallway://sessions"},
}


class Known(Peer):
    """A caller whose session is s1, in the project of the tests."""

    def session_of(self, arguments: Any, meta: Any, *, is_needed: bool = True) -> str:
        return "s1"

    def project(self, session_id: str | None) -> Any:
        yield from ()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[LocalBus]:
    with open_store(str(tmp_path / "bus.db")) as bus:
        bus.sessions.register("s1", "one", "codex", project=Here.project)
        yield bus


@pytest.fixture
def ask(bus: LocalBus) -> Callable[..., Any]:
    """Hands a message to the handler, runs on the bus what it wants done, and gives its answer."""
    handler = Protocol(BusServer())

    def run(message: Any, peer: Peer) -> Any:
        work = handler.handle(message, peer)
        value, error = None, None
        try:
            while True:
                operation, said = work.throw(error) if error else work.send(value)
                value, error = None, None
                try:
                    value = bus.execute(operation, bus.services[operation.noun], said)
                except HallwayError as refused:
                    error = refused
        except StopIteration as done:
            return done.value

    return run


def request(method: str, request_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def modern(method: str, **params: Any) -> dict[str, Any]:
    return request(method, **params, _meta=MODERN)


def hello(version: str = "2025-11-25") -> dict[str, Any]:
    return request("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "some-script"})


# -- eras -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", LEGACY)
def test_the_handshake_agrees_on_the_version_that_is_asked_for(ask: Callable[..., Any], version: str) -> None:
    peer = Known()
    result = ask(hello(version), peer)["result"]
    assert result["protocolVersion"] == peer.version == version
    assert result["serverInfo"] == {"name": "hallway", "version": BusServer.version}
    assert result["instructions"] == INSTRUCTIONS
    assert peer.client == "some-script"
    assert ask(request("tools/list"), peer)["result"]["tools"]


@pytest.mark.parametrize("asked", ["2024-11-05", "2026-07-28", "2031-01-01", ""])
def test_a_version_that_the_handshake_has_not_becomes_the_newest_that_it_has(
    ask: Callable[..., Any], asked: str
) -> None:
    assert ask(hello(asked), Known())["result"]["protocolVersion"] == "2025-11-25"


def test_each_modern_request_stands_alone(ask: Callable[..., Any]) -> None:
    peer = Known()
    for method, params in METHODS.items():
        assert ask(modern(method, **params), peer)["result"]["resultType"] == "complete"
    assert peer.version is None


def test_both_eras_are_served_on_one_connection(ask: Callable[..., Any]) -> None:
    """A client probes with `server/discover`, and may go on either way."""
    peer = Known()
    assert "supportedVersions" in ask(modern("server/discover"), peer)["result"]
    ask(hello(), peer)
    assert "resultType" not in ask(request("tools/list"), peer)["result"]
    assert "resultType" in ask(modern("tools/list"), peer)["result"]


def test_before_an_agreement_only_the_handshake_and_a_ping_are_answered(ask: Callable[..., Any]) -> None:
    for method, params in METHODS.items():
        error = ask(request(method, **params), Known())["error"]
        assert (error["code"], "initialize" in error["message"]) == (INVALID_PARAMS, True)
    assert ask(request("ping"), Known())["result"] == {}


def test_discovery_says_what_is_spoken_and_what_there_is(ask: Callable[..., Any]) -> None:
    result = ask(modern("server/discover"), Known())["result"]
    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["capabilities"] == {"tools": {}, "resources": {"subscribe": True, "listChanged": True}}
    assert result["instructions"] == INSTRUCTIONS


@pytest.mark.parametrize("can_push", [True, False])
def test_the_handshake_promises_notifications_where_they_can_come(ask: Callable[..., Any], *, can_push: bool) -> None:
    told = ask(hello(), Known(can_push=can_push))["result"]["capabilities"]["resources"]
    assert told == ({"subscribe": True, "listChanged": True} if can_push else {})


@pytest.mark.promise("A2")
@pytest.mark.parametrize("name", ["claude-code", "codex-mcp-client", "gemini-cli-mcp-client", "opencode", "qwen-code"])
def test_no_resources_are_announced_to_agents_whose_client_adds_tools_for_them(
    ask: Callable[..., Any], name: str
) -> None:
    said = request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": name})
    assert ask(said, Known(can_push=True))["result"]["capabilities"] == {"tools": {}}
    discovered = modern("server/discover")
    discovered["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = {"name": name, "version": "1"}
    assert ask(discovered, Known())["result"]["capabilities"] == {"tools": {}}


OLD, NEW = "old", "new"
OFFERED = {
    "ping": {OLD},
    "initialize": {OLD},
    "server/discover": {NEW},
    "tools/list": {OLD, NEW},
    "tools/call": {OLD, NEW},
    "resources/list": {OLD, NEW},
    "resources/read": {OLD, NEW},
    "resources/templates/list": {OLD, NEW},
    "resources/subscribe": {OLD},
    "resources/unsubscribe": {OLD},
    "subscriptions/listen": {NEW},
    "prompts/list": set(),
    "prompts/get": set(),
    "completion/complete": set(),
    "logging/setLevel": set(),
    "tasks/get": set(),
    "roots/list": set(),
    "Tools/List": set(),
    "": set(),
}


@pytest.mark.parametrize("era", [OLD, NEW])
@pytest.mark.parametrize("method", OFFERED)
def test_each_era_has_its_own_methods(ask: Callable[..., Any], method: str, era: str) -> None:
    said = {"uri": "hallway://inbox", "name": "sessions", "protocolVersion": "2025-11-25", "notifications": {}}
    peer = Known("2025-11-25" if era == OLD else None, can_push=True)
    answer = ask(modern(method, **said) if era == NEW else request(method, **said), peer)
    is_there = isinstance(answer, ListenStream) or "result" in answer
    assert is_there == (era in OFFERED[method])
    if not is_there:
        assert answer["error"]["code"] == METHOD_NOT_FOUND
        assert repr(method) in answer["error"]["message"]


def test_without_a_way_to_push_there_are_no_older_subscriptions(ask: Callable[..., Any]) -> None:
    answer = ask(request("resources/subscribe", uri="hallway://inbox"), Known("2025-11-25"))
    assert answer["error"]["code"] == METHOD_NOT_FOUND


def test_an_older_subscription_lasts_until_it_is_taken_back(ask: Callable[..., Any]) -> None:
    peer = Known("2025-06-18", can_push=True)
    for _ in range(2):
        assert ask(request("resources/subscribe", uri="hallway://inbox"), peer)["result"] == {}
    assert peer.watched == {"hallway://inbox"}
    for _ in range(2):
        assert ask(request("resources/unsubscribe", uri="hallway://inbox"), peer)["result"] == {}
    assert peer.watched == set()


def test_subscriptions_are_bounded(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_WATCHED", 2)
    peer = Known("2025-06-18", can_push=True)
    answers = [ask(request("resources/subscribe", uri=f"hallway://memory/{each}"), peer) for each in range(3)]
    assert ["error" in each for each in answers] == [False, False, True]


# -- what a result says of itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("server/discover", "public"),
        ("tools/list", "public"),
        ("resources/templates/list", "public"),
        ("resources/list", "private"),
        ("resources/read", "private"),
    ],
)
def test_what_may_be_kept_says_how_long_and_by_whom(ask: Callable[..., Any], method: str, scope: str) -> None:
    """What is the same for all and changes with the version may be kept; what is a session's or the bus's may not."""
    result = ask(modern(method, **METHODS[method]), Known())["result"]
    assert result["cacheScope"] == scope
    assert result["ttlMs"] == (300_000 if scope == "public" else 0)


def test_a_call_is_nothing_to_keep(ask: Callable[..., Any]) -> None:
    result = ask(modern("tools/call", **METHODS["tools/call"]), Known())["result"]
    assert result.keys() == {"resultType", "content", "structuredContent", "_meta"}


@pytest.mark.parametrize("method", METHODS)
def test_every_modern_result_says_who_gave_it(ask: Callable[..., Any], method: str) -> None:
    result = ask(modern(method, **METHODS[method]), Known())["result"]
    assert result["resultType"] == "complete"
    assert result["_meta"] == {f"{META}serverInfo": {"name": "hallway", "version": BusServer.version}}


@pytest.mark.parametrize("version", LEGACY)
@pytest.mark.parametrize("method", [method for method in METHODS if method != "server/discover"])
def test_older_results_have_nothing_of_it(ask: Callable[..., Any], method: str, version: str) -> None:
    result = ask(request(method, **METHODS[method]), Known(version))["result"]
    assert not result.keys() & {"resultType", "ttlMs", "cacheScope", "_meta"}


def test_a_resource_that_is_not_there_has_the_code_of_its_revision(ask: Callable[..., Any]) -> None:
    for uri in ("hallway://memory/nope", "hallway://nope", "https://example.org"):
        error = ask(modern("resources/read", uri=uri), Known())["error"]
        assert (error["code"], error["data"]) == (INVALID_PARAMS, {"uri": uri})
        assert ask(request("resources/read", uri=uri), Known("2025-06-18"))["error"]["code"] == RESOURCE_NOT_FOUND


def test_an_error_of_the_bus_outside_of_a_tool_keeps_its_code(ask: Callable[..., Any]) -> None:
    error = ask(modern("resources/list", cursor="not one"), Known())["error"]
    assert error["code"] == INVALID_PARAMS
    assert error["data"].keys() >= {"code", "message", "hint"}


def test_a_broken_bus_is_an_internal_error_with_its_code(ask: Callable[..., Any], bus: LocalBus) -> None:
    bus.close()
    error = ask(modern("resources/read", uri="hallway://sessions"), Known())["error"]
    assert (error["code"], error["data"]["code"]) == (INTERNAL_ERROR, "storage_error")


# -- what needs no answer, and what gets several -----------------------------------------------------------------------


REMEMBER = {"name": "remember", "arguments": {"key": "k", "value": 1}}


@pytest.mark.parametrize("version", [None, *LEGACY])
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/nobody/knows", "params": {"x": 1}},
        {
            "jsonrpc": "2.0",
            "method": "tools/call",
            "params": {"name": "remember", "arguments": {"key": "k", "value": 1}},
        },
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "x"}},
    ],
    ids=str,
)
def test_notifications_and_answers_get_no_answer_and_do_nothing(
    ask: Callable[..., Any], bus: LocalBus, message: Any, version: str | None
) -> None:
    before = bus.events.last_seq()
    assert ask(message, Known(version)) is None
    assert bus.events.last_seq() == before


def test_a_batch_is_answered_as_one_by_the_revision_that_has_them(ask: Callable[..., Any]) -> None:
    batch = [request("ping", "a"), {"jsonrpc": "2.0", "method": "notifications/initialized"}, request("nope", "b")]
    answers = ask(batch, Known("2025-03-26"))
    assert [(each["id"], "result" in each) for each in answers] == [("a", True), ("b", False)]
    assert ask(batch[1:2], Known("2025-03-26")) is None
    for version in (None, "2025-06-18", "2025-11-25"):
        answer = ask(batch, Known(version))
        assert (answer["id"], answer["error"]["code"]) == (None, INVALID_REQUEST)


@pytest.mark.parametrize("batch", [[], [[]], [1, None]])
def test_what_is_no_message_in_a_batch_is_refused_one_by_one(ask: Callable[..., Any], batch: list[Any]) -> None:
    answers = ask(batch, Known("2025-03-26"))
    answers = answers if isinstance(answers, list) else [answers]
    assert len(answers) == max(len(batch), 1)
    assert {(each["id"], each["error"]["code"]) for each in answers} == {(None, INVALID_REQUEST)}


def test_a_batch_has_no_subscription_and_is_no_longer_than_may_be_answered(ask: Callable[..., Any]) -> None:
    listen = modern("subscriptions/listen", notifications={"resourcesListChanged": True})
    [answer] = ask([listen], Known("2025-03-26"))
    assert (answer["id"], answer["error"]["code"]) == (1, INVALID_REQUEST)
    assert len(ask([request("ping")] * 100, Known("2025-03-26"))) == 100
    assert ask([request("ping")] * 101, Known("2025-03-26"))["error"]["code"] == INVALID_REQUEST


# -- subscriptions ----------------------------------------------------------------------------------------------------


def test_a_subscription_is_granted_as_far_as_it_goes(ask: Callable[..., Any]) -> None:
    wanted = {"toolsListChanged": True, "resourcesListChanged": True, "resourceSubscriptions": ["hallway://inbox", 7]}
    listening = ask(modern("subscriptions/listen", notifications=wanted), Known())
    told = listening.acknowledged()
    assert told["method"] == "notifications/subscriptions/acknowledged"
    assert told["params"]["notifications"] == {
        "resourcesListChanged": True,
        "resourceSubscriptions": ["hallway://inbox"],
    }
    assert told["params"]["_meta"] == {f"{META}subscriptionId": 1}


def test_a_subscription_tells_what_was_asked_for_and_whose_it_is() -> None:
    listening = ListenStream("l1", {"resourceSubscriptions": ["hallway://inbox"]})
    note = listening.about("hallway://inbox")
    assert note == {
        "jsonrpc": "2.0",
        "method": "notifications/resources/updated",
        "params": {"uri": "hallway://inbox", "_meta": {f"{META}subscriptionId": "l1"}},
    }
    assert listening.about("hallway://sessions") is None
    assert listening.about(None) is None
    assert listening.ended()["id"] == "l1"
    assert listening.ended()["result"]["resultType"] == "complete"


def test_a_subscription_to_the_list_hears_of_the_list() -> None:
    note = ListenStream(2, {"resourcesListChanged": True}).about(None)
    assert note is not None
    assert note["method"] == "notifications/resources/list_changed"


# -- headers ----------------------------------------------------------------------------------------------------------


def said(version: str | None = "2026-07-28", method: str | None = None, name: str | None = None) -> dict[str, str]:
    words = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": name}
    return {header: word for header, word in words.items() if word is not None}


def fault_of(message: Any, headers: dict[str, str]) -> JsonRpcError:
    with pytest.raises(JsonRpcError) as caught:
        check_headers(message, headers)
    assert caught.value.status == 400
    return caught.value


def encoded(word: str) -> str:
    return f"=?base64?{base64.b64encode(word.encode()).decode()}?="


CALL = modern("tools/call", name="send", arguments={})


@pytest.mark.parametrize("version", LEGACY)
def test_an_older_request_says_its_version_in_the_header_alone(version: str) -> None:
    assert check_headers(request("tools/list"), said(version)) == version


def test_a_request_without_a_version_is_of_the_oldest_revision() -> None:
    assert check_headers(request("tools/list"), {}) == "2025-03-26"


def test_a_modern_request_repeats_in_its_headers_what_its_body_says() -> None:
    assert check_headers(modern("tools/list"), said(method="tools/list")) is None
    assert check_headers(CALL, said(method="tools/call", name="send")) is None
    read = modern("resources/read", uri="hallway://inbox")
    assert check_headers(read, said(method="resources/read", name="hallway://inbox")) is None


@pytest.mark.parametrize("name", ["naïve", "a\nb", "日本", " padded ", "=?base64?YQ==?=", ""])
def test_a_name_that_no_header_can_hold_is_encoded(name: str) -> None:
    call = modern("tools/call", name=name, arguments={})
    assert check_headers(call, said(method="tools/call", name=encoded(name))) is None


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (CALL, said(None, "tools/call", "send")),
        (CALL, said("2025-11-25", "tools/call", "send")),
        (CALL, said(method="tools/list", name="send")),
        (CALL, said(method="TOOLS/CALL", name="send")),
        (CALL, said(name="send")),
        (CALL, said(method="tools/call")),
        (CALL, said(method="tools/call", name="inbox")),
        (CALL, said(method="tools/call", name="Send")),
        (CALL, said(method="tools/call", name=encoded("inbox"))),
        (CALL, said(method="tools/call", name="=?base64?c2VuZA?=")),
        (CALL, said(method="tools/call", name="=?base64?c2V!uZA==?=")),
        (CALL, said(method="tools/call", name="=?base64?/w==?=")),
        (CALL, said(method="tools/call", name="=?BASE64?c2VuZA==?=")),
    ],
)
def test_headers_that_are_missing_or_say_another_thing_are_refused(message: Any, headers: dict[str, str]) -> None:
    assert fault_of(message, headers).code == HEADER_MISMATCH


def test_a_value_that_only_begins_as_if_encoded_is_taken_as_it_is() -> None:
    for name in ("=?base64?c2VuZA==", "c2VuZA==?="):
        call = modern("tools/call", name=name, arguments={})
        assert check_headers(call, said(method="tools/call", name=name)) is None


@pytest.mark.parametrize("version", ["2024-11-05", "2031-01-01", "latest"])
def test_a_version_that_is_not_spoken_is_refused_with_those_that_are(version: str) -> None:
    fault = fault_of(request("tools/list"), said(version))
    assert (fault.code, fault.data) == (UNSUPPORTED_VERSION, {"supported": ["2026-07-28"], "requested": version})


def test_a_version_that_both_say_and_nobody_speaks_is_the_handlers_to_refuse(ask: Callable[..., Any]) -> None:
    message = request("tools/list", _meta={**MODERN, f"{META}protocolVersion": "2031-01-01"})
    assert check_headers(message, said("2031-01-01")) is None
    assert ask(message, Known())["error"]["code"] == UNSUPPORTED_VERSION


@pytest.mark.parametrize("message", [None, 1, [], {}, {"params": []}, {"params": {"_meta": 1}}])
def test_what_is_no_message_is_left_to_the_handler(message: Any) -> None:
    assert check_headers(message, said()) is None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (METHOD_NOT_FOUND, 404),
        (INVALID_PARAMS, 400),
        (HEADER_MISMATCH, 400),
        (UNSUPPORTED_VERSION, 400),
        (INVALID_REQUEST, 400),
        (INTERNAL_ERROR, 500),
    ],
)
def test_a_fault_has_the_http_status_of_its_kind(code: int, status: int) -> None:
    assert JsonRpcError(code, "x").status == status
