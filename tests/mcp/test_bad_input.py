"""Whatever a client sends: an error by the book, no traceback, no half-done write, and a server that goes on."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.mcp.stdio import MAX_BYTES, MAX_WAITS
from hub.process import HubProcess
from mcp_server import MODERN, Server, environment
from support import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hallway.bus.base import Bus

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
META = "io.modelcontextprotocol/"


class Raw(Server):
    """A server, and bytes."""

    def raw(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def error(self) -> dict[str, Any]:
        """The next message, which must be an error and nothing else."""
        answer = self.receive()
        assert answer.keys() == {"jsonrpc", "id", "error"}
        assert isinstance(answer["error"]["message"], str)
        assert "Traceback" not in answer["error"]["message"]
        return answer

    def still_serves(self) -> None:
        """Nothing else is on its way, and the next request is answered."""
        assert self.answer_to("server/discover", _meta=MODERN)["result"]["supportedVersions"] == ["2026-07-28"]
        assert not self.notes

    def still_waits(self) -> None:
        """It has done what it can: it sleeps."""
        until(lambda: Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S")
        time.sleep(0.2)
        until(lambda: Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S")

    def ends_well(self) -> None:
        """Its exit status is 0, and it had nothing to complain of."""
        assert self.process.stderr
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0
        assert self.process.stderr.read() == b""


@pytest.fixture
def bus(home: Path) -> Iterator[Bus]:
    with hallway.connect(home / "hallway", project="github.com/acme/shop") as bus:
        yield bus


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Raw]]:
    """Starts servers of the session s1, by name."""
    started: list[Raw] = []

    def start(**environ: str) -> Raw:
        started.append(Raw(home / "hallway", **{"HALLWAY_SESSION": "s1", "PYTHONWARNINGS": "error", **environ}))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.wait()


@pytest.fixture
def server(start: Callable[..., Raw]) -> Iterator[Raw]:
    """A server that has to end well, whatever the test sent."""
    server = start()
    yield server
    server.ends_well()


def request(method: Any = "ping", params: Any = None, **rest: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params, **rest}


def modern(method: str, **params: Any) -> dict[str, Any]:
    return request(method, {**params, "_meta": MODERN})


# What is no request at all: bytes, and the error that the specification has for them. The id is not known: null.
NO_MESSAGE = {
    "not JSON": (b"hello", PARSE_ERROR),
    "half an object": (b'{"jsonrpc": "2.0", "id": 1, "method": "ping"', PARSE_ERROR),
    "two messages in a line": (b'{"jsonrpc":"2.0","id":1,"method":"ping"}' * 2, PARSE_ERROR),
    "no UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"p\xff\xfeing"}', PARSE_ERROR),
    "UTF-16": ('{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"), PARSE_ERROR),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', PARSE_ERROR),
    "Infinity": (b'{"jsonrpc":"2.0","id":-Infinity,"method":"ping"}', PARSE_ERROR),
    "nested too deep": (b"[" * 100_000 + b"]" * 100_000, PARSE_ERROR),
    "objects nested too deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, PARSE_ERROR),
    "a bare control character": (b'{"jsonrpc":"2.0","id":1,"method":"pi\x01ng"}', PARSE_ERROR),
    "a zero byte": (b"\0", PARSE_ERROR),
    "a number": (b"1", INVALID_REQUEST),
    "a string": (b'"ping"', INVALID_REQUEST),
    "null": (b"null", INVALID_REQUEST),
    "a huge number": (b"9" * 10_000, PARSE_ERROR),
    "an empty batch": (b"[]", INVALID_REQUEST),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST),
    "a batch of batches": (b"[[[]]]", INVALID_REQUEST),
    "an empty object": (b"{}", INVALID_REQUEST),
    "no version of JSON-RPC": (b'{"method":"ping","id":null}', INVALID_REQUEST),
}

# What is a message, and wrong: the error, and whether the id is told.
WRONG = {
    "another JSON-RPC": (request(jsonrpc="1.0"), INVALID_REQUEST, True),
    "a method that is no text": (request(7), INVALID_REQUEST, True),
    "params that are a list": (request("ping", [1]), INVALID_REQUEST, True),
    "an id that is null": (request(id=None), INVALID_REQUEST, False),
    "an id that is an object": (request(id={}), INVALID_REQUEST, False),
    "an id that is a fraction": (request(id=1.5), INVALID_REQUEST, False),
    "an id that is true": (request(id=True), INVALID_REQUEST, False),
    "metadata that are a list": (request("tools/list", {"_meta": []}), INVALID_PARAMS, True),
    "an unknown method": (modern("tools/nope"), METHOD_NOT_FOUND, True),
    "a method of no text": (modern(""), METHOD_NOT_FOUND, True),
    "a method with half a character": (modern("\ud800"), METHOD_NOT_FOUND, True),
    "a method that is gone": (modern("initialize"), METHOD_NOT_FOUND, True),
    "a method that hallway has not": (modern("prompts/list"), METHOD_NOT_FOUND, True),
    "an unknown tool": (modern("tools/call", name="nope", arguments={}), INVALID_PARAMS, True),
    "a tool that is no text": (modern("tools/call", name=["send"], arguments={}), INVALID_PARAMS, True),
    "no tool": (modern("tools/call"), INVALID_PARAMS, True),
    "arguments that are a list": (modern("tools/call", name="status", arguments=[1]), INVALID_PARAMS, True),
    "arguments that are null": (modern("tools/call", name="status", arguments=None), INVALID_PARAMS, True),
    "an unknown resource": (modern("resources/read", uri="hallway://nope"), INVALID_PARAMS, True),
    "a resource of nothing": (modern("resources/read"), INVALID_PARAMS, True),
    "a resource that is no text": (modern("resources/read", uri=5), INVALID_PARAMS, True),
    "an encoding that is none": (modern("resources/read", uri="hallway://memory/%ff%fe"), INVALID_PARAMS, True),
    "a cursor that nobody gave": (modern("resources/list", cursor="x"), INVALID_PARAMS, True),
    "a cursor that is no text": (modern("resources/list", cursor=3), INVALID_PARAMS, True),
    "a subscription to nothing": (modern("subscriptions/listen"), INVALID_PARAMS, True),
    "an unknown version": (
        request("tools/list", {"_meta": {**MODERN, f"{META}protocolVersion": "2031-01-01"}}),
        UNSUPPORTED_VERSION,
        True,
    ),
    "a version that is no text": (
        request("tools/list", {"_meta": {**MODERN, f"{META}protocolVersion": 2}}),
        INVALID_PARAMS,
        True,
    ),
    "no capabilities": (
        request("tools/list", {"_meta": {f"{META}protocolVersion": "2026-07-28"}}),
        INVALID_PARAMS,
        True,
    ),
    "capabilities that are a list": (
        request("tools/list", {"_meta": {**MODERN, f"{META}clientCapabilities": []}}),
        INVALID_PARAMS,
        True,
    ),
}

# What a tool is asked in a wrong way: the error is the tool's, with its code.
WRONG_ARGUMENTS = {
    "an unknown parameter": ({"to_session": "s2", "body": "x", "from_session": "s2"}, "invalid_input"),
    "a number for a text": ({"to_session": "s2", "body": 7}, "invalid_input"),
    "half a character": ({"to_session": "s2", "body": "a\ud800b"}, "invalid_input"),
    "a zero byte": ({"to_session": "s2", "body": "a\0b"}, "invalid_input"),
    "a control character in a name": ({"to_session": "s\x1b[2J", "body": "x"}, "invalid_input"),
    "an id that is far too long": ({"to_session": "s" * 100_000, "body": "x"}, "too_large"),
    "a text that is far too long": ({"to_session": "s2", "body": "x" * 900_000}, "too_large"),
    "data that are no object": ({"to_session": "s2", "body": "x", "data": [1]}, "invalid_input"),
    "nobody": ({"body": "x"}, "invalid_input"),
    "nothing": ({}, "invalid_input"),
}


# -- over standard input and output -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "code"), NO_MESSAGE.values(), ids=NO_MESSAGE)
def test_a_line_that_is_no_message_is_refused_and_the_next_is_answered(server: Raw, data: bytes, code: int) -> None:
    server.raw(data + b"\n")
    answer = server.error()
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    server.still_serves()


@pytest.mark.parametrize(("message", "code", "is_told"), WRONG.values(), ids=WRONG)
def test_a_wrong_message_gets_the_error_of_the_book(
    server: Raw, message: dict[str, Any], code: int, is_told: bool
) -> None:
    server.write(message)
    answer = server.error()
    assert (answer["id"], answer["error"]["code"]) == (1 if is_told else None, code)
    server.still_serves()


@pytest.mark.parametrize(("arguments", "code"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments_are_the_tools_error_and_nothing_is_written(
    server: Raw, bus: Bus, arguments: dict[str, Any], code: str
) -> None:
    bus.sessions.register("s2", "two", "codex")
    server.write(modern("tools/call", name="send", arguments=arguments))
    result = server.receive()["result"]
    assert result["isError"] is True
    told = json.loads(result["content"][0]["text"])
    assert told["code"] == code
    assert told["hint"]
    assert len(result["content"][0]["text"]) < 2000  # what was too long is not said back
    server.still_serves()
    assert bus.messages.inbox("s2") == []


def test_a_version_that_nobody_speaks_is_answered_with_those_that_are_spoken(server: Raw) -> None:
    server.write(request("tools/list", {"_meta": {**MODERN, f"{META}protocolVersion": "2031-01-01"}}))
    assert server.error()["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2031-01-01"}
    server.write(request("initialize", {"protocolVersion": "2024-01-01", "capabilities": {}}))
    assert server.receive()["result"]["protocolVersion"] == "2025-11-25"


def test_a_request_before_any_agreement_is_told_how_to_begin(server: Raw) -> None:
    server.write(request("tools/list"))
    error = server.error()["error"]
    assert error["code"] == INVALID_PARAMS
    assert "initialize" in error["message"]
    server.still_serves()


def test_a_line_that_comes_in_pieces_is_one_message(server: Raw) -> None:
    data = json.dumps(modern("tools/list")).encode() + b"\n"
    for begin in range(0, len(data), 10):
        server.raw(data[begin : begin + 10])
        time.sleep(0.002)
    assert server.receive()["result"]["tools"]


def test_many_lines_in_one_piece_are_many_messages(server: Raw) -> None:
    server.raw(b"".join(json.dumps({**modern("server/discover"), "id": each}).encode() + b"\n" for each in range(50)))
    assert [server.receive()["id"] for _ in range(50)] == list(range(50))


@pytest.mark.parametrize("ending", [b"\r\n", b"\n\n\n", b"  \t \n"])
def test_white_space_is_no_message(server: Raw, ending: bytes) -> None:
    server.raw(b" " + json.dumps(modern("server/discover")).encode() + ending)
    assert server.receive()["result"]
    server.still_serves()


def test_a_line_of_two_mebibytes_is_refused_and_not_kept(server: Raw) -> None:
    server.still_serves()
    before = memory_kib(server)
    for _ in range(5):
        server.raw(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 << 20) + b'"}\n')
        answer = server.error()
        assert (answer["id"], answer["error"]["code"]) == (None, INVALID_REQUEST)
        assert str(MAX_BYTES) in answer["error"]["message"]
    server.still_serves()
    assert memory_kib(server) - before < 4096


def test_a_line_just_short_of_the_most_is_read(server: Raw) -> None:
    rest = json.dumps(modern("server/discover")).encode()
    server.raw(rest + b" " * (MAX_BYTES - len(rest)) + b"\n")
    assert server.receive()["result"]
    server.raw(rest + b" " * (MAX_BYTES - len(rest) + 1) + b"\n")
    assert server.error()["error"]["code"] == INVALID_REQUEST


def test_half_a_line_at_the_end_is_no_message(server: Raw, bus: Bus) -> None:
    bus.sessions.register("s2", "two", "codex")
    server.still_serves()
    call = modern("tools/call", name="send", arguments={"to_session": "s2", "body": "half"})
    server.raw(json.dumps(call).encode())  # whole, but for the end of the line
    server.ends_well()
    assert server.process.stdout
    assert server.process.stdout.read() == b""
    assert bus.messages.inbox("s2") == []


def test_the_oldest_handshake_has_batches(server: Raw) -> None:
    server.initialize(version="2025-03-26")
    server.write(
        [
            {**request(), "id": "a"},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            7,
            {**request("tools/list"), "id": "b"},
            [],
            {**request("nope"), "id": "c"},
        ]
    )
    assert server.process.stdout
    answers = json.loads(server.line())
    said = [(each["id"], each.get("error", {}).get("code")) for each in answers]
    assert said == [
        ("a", None),
        (None, INVALID_REQUEST),
        ("b", None),
        (None, INVALID_REQUEST),
        ("c", METHOD_NOT_FOUND),
    ]
    server.write([{"jsonrpc": "2.0", "method": "notifications/initialized"}])  # nothing to answer
    server.write([])
    assert server.error()["error"]["code"] == INVALID_REQUEST
    server.still_serves()


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_the_later_handshakes_have_none(server: Raw, bus: Bus, version: str) -> None:
    server.initialize(version=version)
    call = request("tools/call", {"name": "remember", "arguments": {"key": "k", "value": 1}})
    server.write([call])
    assert server.error()["error"]["code"] == INVALID_REQUEST
    server.still_serves()
    assert bus.memory.find("") == []


def test_a_wait_in_a_batch_holds_up_nobody_for_ever(server: Raw) -> None:
    """A batch has one answer, so it comes when its slowest part is there."""
    server.initialize(version="2025-03-26")
    wait = request("tools/call", {"name": "inbox", "arguments": {"wait_s": 1}})
    server.write([{**wait, "id": "w"}, {**request(), "id": "p"}])
    server.write({**request(), "id": "now"})
    assert server.receive()["id"] == "now"
    assert {each["id"] for each in json.loads(server.line())} == {"w", "p"}


def test_an_id_that_is_used_twice_is_answered_twice(server: Raw) -> None:
    for _ in range(2):
        server.write(modern("server/discover"))
    assert [server.receive()["id"] for _ in range(2)] == [1, 1]
    server.still_serves()


@pytest.mark.parametrize(
    "params", [{"requestId": 77}, {"requestId": "never"}, {"requestId": {}}, {"requestId": [1]}, {}]
)
def test_to_cancel_what_is_not_there_is_nothing(server: Raw, params: dict[str, Any]) -> None:
    server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    server.still_serves()


def test_what_only_looks_like_a_cancellation_is_a_wrong_message(server: Raw) -> None:
    server.write({"jsonrpc": "2.0", "id": 5, "method": "notifications/cancelled", "params": [1]})
    assert server.error()["error"]["code"] == INVALID_REQUEST
    server.write({"method": "notifications/cancelled"})
    assert server.error()["error"]["code"] == INVALID_REQUEST
    server.still_serves()


def test_answers_to_questions_that_were_never_asked_are_passed_over(server: Raw) -> None:
    server.write({"jsonrpc": "2.0", "id": 9, "result": {}})
    server.write({"jsonrpc": "2.0", "id": 9, "error": {"code": 1, "message": "x"}})
    server.write({"jsonrpc": "2.0", "method": "notifications/nobody/knows"})
    server.still_serves()


def test_a_client_that_closes_its_end_of_the_answers_ends_the_server(start: Callable[..., Raw], bus: Bus) -> None:
    server = start()
    server.call("status", current_task="mends")
    assert server.process.stdout
    server.process.stdout.close()
    server.write(modern("tools/list"))
    server.ends_well()
    assert bus.sessions.get("s1").status == "offline"


def test_a_client_that_closes_both_ends_at_once_is_nobodys_trouble(start: Callable[..., Raw]) -> None:
    server = start()
    server.still_serves()
    assert server.process.stdout
    for _ in range(20):
        server.write(modern("tools/list"))
    server.process.stdout.close()
    server.ends_well()


CHANGED = """\
import hallway.mcp.session_binding, hallway.mcp.stdio
hallway.mcp.session_binding.HEARTBEAT_S = 0.2
hallway.mcp.stdio.STUCK_S = 0.5
hallway.mcp.stdio.serve()
"""


class Hasty(Raw):
    """A server that beats often and has little patience with a client that does not read."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHANGED],
            env=environment(home, HALLWAY_SESSION="s1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._rest = b""
        self._count = 0
        self.notes = []

    def fill(self, lines: bytes, patience_s: float = 1.0) -> bytes:
        """Write until the server takes no more; what it has not taken."""
        assert self.process.stdin
        os.set_blocking(self.process.stdin.fileno(), False)
        while lines and select.select([], [self.process.stdin], [], patience_s)[1]:
            lines = lines[self.process.stdin.write(lines[:65536]) or 0 :]
        return lines


@pytest.fixture
def hasty(home: Path) -> Iterator[Hasty]:
    server = Hasty(home / "hallway")
    yield server
    server.process.kill()
    server.wait()


MANY = 5000
LISTS = b"".join(json.dumps({**modern("tools/list"), "id": each}).encode() + b"\n" for each in range(MANY))


def test_a_client_that_never_reads_is_waited_for_in_bounded_memory(hasty: Hasty, bus: Bus) -> None:
    """It holds up its own answers; the session is kept alive all the while, and nothing is lost once it reads."""
    hasty.call("status", current_task="mends")
    rest = hasty.fill(LISTS)
    assert rest, "the server took every request of a client that takes no answer"
    assert memory_kib(hasty) < 40 * 1024
    for _ in range(3):
        seen = bus.sessions.get("s1").last_seen
        until(lambda seen=seen: bus.sessions.get("s1").last_seen > seen)  # beats go on
    ids = []
    while len(ids) < MANY:
        rest = hasty.fill(rest, 0)
        ids.append(hasty.receive()["id"])
    assert ids == list(range(MANY))
    assert memory_kib(hasty) < 40 * 1024
    hasty.ends_well()


def test_a_client_that_never_reads_and_goes_leaves_no_server(hasty: Hasty, bus: Bus) -> None:
    hasty.call("status", current_task="mends")
    assert hasty.fill(LISTS)
    assert hasty.process.stdin
    hasty.process.stdin.close()
    assert hasty.process.wait(PATIENCE_S) == 0
    assert bus.sessions.get("s1").status == "offline"


def test_only_so_many_wait_at_once_and_the_others_are_answered(server: Raw) -> None:
    waits = [
        {**modern("tools/call", name="inbox", arguments={"wait_s": 30}), "id": each} for each in range(MAX_WAITS + 5)
    ]
    for message in waits:
        server.write(message)
    assert [server.receive()["id"] for _ in range(5)] == [each["id"] for each in waits[-5:]]
    server.write(modern("subscriptions/listen", notifications={"resourcesListChanged": True}))
    assert str(MAX_WAITS) in server.error()["error"]["message"]
    for message in waits:
        server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}})
    server.write(modern("subscriptions/listen", notifications={"resourcesListChanged": True}))
    assert server.receive()["method"] == "notifications/subscriptions/acknowledged"


def test_large_answers_wait_for_their_reader_one_by_one(server: Raw, bus: Bus) -> None:
    """Requests are short and answers long: what has been read and not answered yet costs little."""
    bus.sessions.register("s2", "two", "codex")
    bus.memory.set("s2", "large", "x" * 250_000)
    server.still_serves()
    before = memory_kib(server)
    reads = [{**modern("resources/read", uri="hallway://memory/large"), "id": each} for each in range(200)]
    for message in reads:
        server.write(message)
    until(lambda: select.select([server.process.stdout], [], [], 0)[0])
    server.still_waits()
    assert memory_kib(server) - before < 12 * 1024
    assert [server.receive()["id"] for _ in reads] == [each["id"] for each in reads]


def memory_kib(server: Raw | subprocess.Popen[bytes]) -> int:
    pid = server.process.pid if isinstance(server, Server) else server.pid
    with open(f"/proc/{pid}/status") as status:
        return int(status.read().partition("VmRSS:")[2].split()[0])


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub whose log must hold no error in the end."""
    with HubProcess(tmp_path_factory.mktemp("bad") / "hallway") as hub:
        yield hub


class Post:
    """Sends bodies to the endpoint of a hub."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/mcp") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            data = response.read()
            return response.status, json.loads(data) if data else None
        finally:
            connection.close()

    def message(self, message: Any, **headers: str) -> tuple[int, Any]:
        """A message with the headers that repeat what it says, and those that a test says otherwise."""
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta") if isinstance(params.get("_meta"), dict) else {}
        repeated = {
            "MCP-Protocol-Version": meta.get(f"{META}protocolVersion"),
            "Mcp-Method": message.get("method"),
            "Mcp-Name": params.get("name", params.get("uri")),
        }
        said = {name: value for name, value in repeated.items() if isinstance(value, str) and value.isascii()}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self(json.dumps(message).encode(), {**said, "Hallway-Session": "s1"})


@pytest.fixture
def post(hub: HubProcess) -> Iterator[Post]:
    post = Post(hub.port)
    yield post
    status, answer = post.message(modern("server/discover"))
    assert (status, answer["result"]["supportedVersions"]) == (200, ["2026-07-28"])


@pytest.mark.parametrize(("data", "code"), NO_MESSAGE.values(), ids=NO_MESSAGE)
def test_a_body_that_is_no_message_is_refused(post: Post, data: bytes, code: int) -> None:
    status, answer = post(data, {"MCP-Protocol-Version": "2025-11-25"})
    assert (status, answer["id"], answer["error"]["code"]) == (400, None, code)


STATUSES = {METHOD_NOT_FOUND: 404}


NO_HEADER_SAYS = {"a method of no text", "a method with half a character", "a version that is no text"}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_message_over_http_gets_the_same_error(post: Post, name: str) -> None:
    message, code, is_told = WRONG[name]
    code = HEADER_MISMATCH if name in NO_HEADER_SAYS else code
    status, answer = post.message(message)
    assert (answer["id"], answer["error"]["code"]) == (1 if is_told else None, code)
    meta = message["params"].get("_meta") if isinstance(message["params"], dict) else None
    if isinstance(meta, dict) or not is_told:
        assert status == STATUSES.get(code, 400)
    else:
        assert status in (200, 400)  # the older revisions answer a request's own error with 200


@pytest.mark.parametrize(("arguments", "code"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments_over_http_are_the_tools_error(
    post: Post, hub: HubProcess, arguments: dict[str, Any], code: str
) -> None:
    with hallway.connect(hub.home, project="github.com/acme/shop") as bus:
        for session_id in ("s1", "s2"):
            bus.sessions.register(session_id, "one", "codex")
        status, answer = post.message(modern("tools/call", name="send", arguments=arguments))
        assert (status, answer["result"]["isError"]) == (200, True)
        assert json.loads(answer["result"]["content"][0]["text"])["code"] == code
        assert bus.messages.inbox("s2") == []


def test_a_body_of_two_mebibytes_is_refused(post: Post) -> None:
    status, answer = post(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 << 20) + b'"}')
    assert (status, answer["error"]["code"]) == (413, INVALID_REQUEST)


def test_a_body_that_ends_too_soon_is_nobodys_trouble(post: Post, hub: HubProcess) -> None:
    with hallway.connect(hub.home, project="github.com/acme/shop") as bus:
        for session_id in ("s1", "s3"):
            bus.sessions.register(session_id, "one", "codex")
        body = json.dumps(modern("tools/call", name="send", arguments={"to_session": "s3", "body": "x"})).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: localhost:{hub.port}\r\nHallway-Session: s1\r\n"
            f"Content-Length: {len(body)}\r\n"
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: send\r\n\r\n"
        )
        for cut in (0, 1, len(body) - 1):
            with socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE_S) as connection:
                connection.sendall(head.encode() + body[:cut])
        assert post.message(modern("server/discover"))[0] == 200
        assert bus.messages.inbox("s3") == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"MCP_Protocol_Version": "2025-11-25"}, HEADER_MISMATCH),
        ({"MCP_Protocol_Version": "2031-01-01"}, HEADER_MISMATCH),
        ({"Mcp_Method": "tools/list"}, HEADER_MISMATCH),
        ({"Mcp_Name": "inbox"}, HEADER_MISMATCH),
        ({"Mcp_Name": "=?base64?c2VuZA=?="}, HEADER_MISMATCH),
        ({"Mcp_Name": "=?base64?!!!!?="}, HEADER_MISMATCH),
        ({"Mcp_Name": "=?base64?//79?="}, HEADER_MISMATCH),
    ],
    ids=str,
)
def test_a_header_that_says_another_thing_than_the_body_is_refused(
    post: Post, hub: HubProcess, headers: dict[str, str], code: int
) -> None:
    with hallway.connect(hub.home, project="github.com/acme/shop") as bus:
        for session_id in ("s1", "s2"):
            bus.sessions.register(session_id, "one", "codex")
        call = modern("tools/call", name="send", arguments={"to_session": "s2", "body": "x"})
        status, answer = post.message(call, **headers)
        assert (status, answer["id"], answer["error"]["code"]) == (400, 1, code)
        assert bus.messages.inbox("s2") == []


def test_an_older_version_that_is_not_spoken_is_refused_with_those_that_are(post: Post) -> None:
    status, answer = post(json.dumps(request("tools/list")).encode(), {"MCP-Protocol-Version": "2024-11-05"})
    assert (status, answer["error"]["code"]) == (400, UNSUPPORTED_VERSION)


def test_a_batch_over_http_is_the_oldest_revisions_alone(post: Post) -> None:
    batch = json.dumps([{**request(), "id": "a"}, {**request("tools/list"), "id": "b"}]).encode()
    for headers in ({}, {"MCP-Protocol-Version": "2025-03-26"}):
        status, answer = post(batch, headers)
        assert (status, [each["id"] for each in answer]) == (200, ["a", "b"])
    for version in ("2025-06-18", "2025-11-25", "2026-07-28"):
        status, answer = post(batch, {"MCP-Protocol-Version": version})
        assert (status, answer["error"]["code"]) == (400, INVALID_REQUEST)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_the_endpoint_takes_posts_alone(hub: HubProcess, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE_S)
    connection.request(method, "/mcp")
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "OPTIONS, POST")
    connection.close()


def test_a_profile_that_is_not_there_is_refused(post: Post) -> None:
    status, answer = post(json.dumps(modern("tools/list")).encode(), path="/mcp?profile=nope")
    assert (status, answer["error"]["code"]) == (400, INVALID_REQUEST)
    assert "daily" in answer["error"]["message"]


def test_a_stream_whose_reader_goes_leaves_nothing_behind(post: Post, hub: HubProcess) -> None:
    listen = modern("subscriptions/listen", notifications={"resourcesListChanged": True})
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen", "Hallway-Here": "project=p"}
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE_S)
        connection.request("POST", "/mcp", json.dumps(listen), headers)
        with connection.getresponse() as response:
            assert response.readline().startswith(b"data: ")
        connection.close()

    def streams() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE_S)
        connection.request("GET", "/health")
        count: int = json.loads(connection.getresponse().read())["streams"]
        connection.close()
        return count

    until(lambda: streams() == 0)
