"""Whatever comes, the handler answers by the book and the server lives: generated messages, bytes and sessions."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from hallway.core.errors import HallwayError
from hallway.core.schema import decode, encode
from hallway.hub.mcp import HttpPeer
from hallway.mcp import protocol, stdio
from hallway.mcp.protocol import LEGACY, ListenStream, Protocol
from hallway.mcp.server import BusServer
from hallway.mcp.stdio import Lines
from hallway.mcp.tools import DAILY, ENGRAM
from mcp_server import MODERN, Server
from support import PATIENCE_S, Here, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.bus.local import LocalBus

BY_THE_BOOK = {
    protocol.PARSE_ERROR,
    protocol.INVALID_REQUEST,
    protocol.METHOD_NOT_FOUND,
    protocol.INVALID_PARAMS,
    protocol.RESOURCE_NOT_FOUND,
    protocol.HEADER_MISMATCH,
    protocol.UNSUPPORTED_VERSION,
}
METHODS = (
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "subscriptions/listen",
    "notifications/cancelled",
    "prompts/get",
)
NAMES = sorted({name for tool in (*DAILY, *ENGRAM) for name in tool.takes} | {"session_id", "from_session"})

text = st.text(st.characters(exclude_categories=()), max_size=20)  # half characters, too
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
likely = st.sampled_from(["s1", "s2", "*", "capability:x", "user:alice", "request", "urgent", "k", 1, 0, -1, {}, []])
arguments = st.dictionaries(st.sampled_from(NAMES) | text, likely | values, max_size=5)
metadata = st.just(MODERN) | st.dictionaries(st.sampled_from([*MODERN, "sessionId", "progressToken"]), values) | values
uris = st.sampled_from(["hallway://sessions", "hallway://inbox", "hallway://memory/k", "hallway://memory/%00"]) | values
params = st.fixed_dictionaries(
    {},
    optional={
        "_meta": metadata,
        "name": st.sampled_from([tool.name for tool in (*DAILY, *ENGRAM)]) | values,
        "arguments": arguments | values,
        "uri": uris,
        "cursor": values,
        "protocolVersion": st.sampled_from(LEGACY) | values,
        "notifications": st.dictionaries(st.sampled_from(["resourcesListChanged", "resourceSubscriptions"]), values),
    },
)
calls = st.builds(
    lambda name, said, meta: {"name": name, "arguments": said, "_meta": meta},
    st.sampled_from([tool.name for tool in (*DAILY, *ENGRAM)]),
    arguments,
    metadata,
)
messages = st.one_of(
    st.builds(
        lambda request_id, said: {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": said},
        st.integers() | text,
        calls,
    ),
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0") | values, "method": st.sampled_from(METHODS) | values},
        optional={"id": st.integers() | text | values, "params": params | values, "result": values},
    ),
    values,
)


# -- the handler ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBus]:
    with open_store(str(tmp_path_factory.mktemp("fuzz") / "bus.db")) as bus:
        for session_id in ("s1", "s2"):
            bus.sessions.register(session_id, "one", "codex", project=Here.project)
        yield bus


def answer_to(bus: LocalBus, message: Any, peer: HttpPeer) -> Any:
    """What the handler says, its operations run on the bus; nothing waits."""
    work = Protocol(BusServer("engram")).handle(message, peer)
    value, error = None, None
    try:
        while True:
            operation, said = work.throw(error) if error else work.send(value)
            value, error = None, None
            try:
                said = {**said, "wait_s": 0} if "wait_s" in said else said
                value = bus.execute(operation, bus.services[operation.noun], said)
            except HallwayError as refused:
                error = refused
    except StopIteration as done:
        return done.value


def check(message: Any, answer: Any) -> None:
    """The answer is one that JSON-RPC and the protocol allow for the message."""
    if answer is None:
        assert not isinstance(message, dict) or not {"id", "method"} <= message.keys()
        return
    if isinstance(answer, ListenStream):
        answer = answer.acknowledged()
        assert "id" not in answer
    elif isinstance(answer, list):
        assert isinstance(message, list)
        assert 0 < len(answer) <= len(message)
        for each in answer:
            assert isinstance(each, dict)
            check(None, each)
    else:
        assert answer["jsonrpc"] == "2.0"
        assert ("result" in answer) != ("error" in answer)
        if "error" in answer:
            assert answer["error"]["code"] in BY_THE_BOOK, answer
            assert len(answer["error"]["message"]) < 1000
        if isinstance(message, dict) and "result" in answer:
            assert answer["id"] == message["id"]
    encode(answer)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(message=messages | st.lists(messages, max_size=3), version=st.none() | st.sampled_from(LEGACY))
def test_the_handler_answers_whatever_it_is_told(bus: LocalBus, message: Any, version: str | None) -> None:
    check(message, answer_to(bus, message, HttpPeer(version, "s1")))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    message=messages,
    headers=st.dictionaries(
        st.sampled_from(["mcp-protocol-version", "mcp-method", "mcp-name"]),
        st.sampled_from(["2026-07-28", *LEGACY, *METHODS, "=?base64?c2VuZA==?=", "=?base64?c2Vu?", "send"]) | text,
    ),
)
def test_headers_are_right_or_refused(message: Any, headers: dict[str, str]) -> None:
    assert version_or_fault(message, headers) in (
        None,
        *LEGACY,
        (protocol.HEADER_MISMATCH, 400),
        (protocol.UNSUPPORTED_VERSION, 400),
    )


def version_or_fault(message: Any, headers: dict[str, str]) -> Any:
    try:
        return protocol.check_headers(message, headers)
    except protocol.JsonRpcError as fault:
        return fault.code, fault.status


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | text.map(lambda each: each.encode("utf-8", "surrogatepass")))
def test_bytes_are_json_or_an_error(data: bytes) -> None:
    try:
        encode(decode(data))
    except ValueError:
        pass


# -- lines ------------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text("ab\n", max_size=12).map(str.encode), max_size=12))
def test_lines_are_the_same_however_they_come_in_pieces(monkeypatch: pytest.MonkeyPatch, chunks: list[bytes]) -> None:
    monkeypatch.setattr(stdio, "MAX_BYTES", 8)
    lines, given_so_far = Lines(), []
    for chunk in chunks:
        given_so_far += lines.feed(chunk)
        assert len(lines._rest) <= 8
    whole = b"".join(chunks).split(b"\n")[:-1]
    assert given_so_far == [None if len(line) > 8 else line for line in whole]


# -- a whole session over real pipes ----------------------------------------------------------------------------------


class Sessions(RuleBasedStateMachine):
    """A client that mixes requests, waits, cancellations and rubbish, and counts the answers to each."""

    waits = Bundle("waits")

    @initialize(version=st.sampled_from(["2026-07-28", *LEGACY]))
    def begin(self, version: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server = Server(Path(self.folder.name), HALLWAY_SESSION="s1", PYTHONWARNINGS="error")
        self.version = version
        self.count = 0
        self.expected: Counter[Any] = Counter()
        self.heard: Counter[Any] = Counter()
        if version in LEGACY:
            self.server.initialize(version=version)

    def ask(self, method: str, said: dict[str, Any]) -> dict[str, Any]:
        self.count += 1
        meta = {} if self.version in LEGACY else {"_meta": MODERN}
        return {"jsonrpc": "2.0", "id": f"r{self.count}", "method": method, "params": {**said, **meta}}

    def raw(self, data: bytes) -> None:
        assert self.server.process.stdin
        self.server.process.stdin.write(data)
        self.server.process.stdin.flush()

    @rule(
        said=calls.map(lambda said: {**said, "arguments": {**said["arguments"], "wait_s": 0}}), cut=st.integers(0, 200)
    )
    def call(self, said: dict[str, Any], cut: int) -> None:
        message = self.ask("tools/call", {name: each for name, each in said.items() if name != "_meta"})
        data = json.dumps(message).encode() + b"\n"
        self.raw(data[:cut])
        self.raw(data[cut:])
        self.expected[message["id"]] += 1

    @rule(method=st.sampled_from(["tools/list", "resources/list", "resources/templates/list", "no/such/method"]))
    def request(self, method: str) -> None:
        message = self.ask(method, {})
        self.server.write(message)
        self.expected[message["id"]] += 1

    @rule(line=(st.binary(max_size=40) | values.map(lambda each: json.dumps(each).encode())))
    def rubbish(self, line: bytes) -> None:
        """A line that holds no request is answered once with an error, and an empty one not at all."""
        line = line.replace(b"\n", b"")
        self.raw(line + b"\n")
        parts = _batch(line) if self.version == "2025-03-26" else []
        self.expected[None] += len(parts) or bool(line.strip())

    @rule()
    def notify(self) -> None:
        self.server.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    @rule(target=waits)
    def wait(self) -> str:
        message = self.ask("tools/call", {"name": "inbox", "arguments": {"wait_s": 50}})
        self.server.write(message)
        return str(message["id"])

    @rule(request_id=consumes(waits))
    def cancel(self, request_id: str) -> None:
        self.server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}})

    @rule(request_id=values)
    def cancel_nothing(self, request_id: Any) -> None:
        self.server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}})

    @rule()
    def read(self) -> None:
        while self.heard.total() < self.expected.total():
            self.hear(json.loads(self.server.line()))
        assert self.heard == self.expected

    def hear(self, message: Any) -> None:
        for each in message if isinstance(message, list) else [message]:
            self.heard[each["id"]] += 1
            assert ("result" in each) != ("error" in each)

    def teardown(self) -> None:
        if not hasattr(self, "server"):
            return
        self.read()
        process = self.server.process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout.read() == process.stderr.read() == b""  # nothing was answered twice
        self.server.wait()
        self.folder.cleanup()


def _batch(line: bytes) -> list[Any]:
    try:
        value = decode(line)
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def test_a_session_of_sense_and_nonsense_gets_each_answer_once() -> None:
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
