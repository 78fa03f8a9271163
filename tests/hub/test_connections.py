"""What one connection may cost the hub: requests sent ahead, answers left unread, heads, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub.client import Client, Stream, raw_exchange
from support import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.process import HubProcess

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SMALL = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MIB = 1024
MAY_GROW_KIB = 60 * MIB
SHORT_UNREAD = {"hallway.hub.http_protocol.UNREAD_WITHIN_S": 1.0}


def flood(port: int, request: bytes, total_bytes: int = 32 * 1024 * 1024, within_s: float = 8.0) -> socket.socket:
    """A connection that sends requests as long as the hub takes them, and reads nothing."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=0.5)
    chunk, deadline, sent = request * (65536 // len(request) + 1), time.monotonic() + within_s, 0
    while sent < total_bytes and time.monotonic() < deadline:
        try:
            sent += connection.send(chunk[sent % len(request) :])
        except TimeoutError:
            break
        except OSError:
            break
    return connection


def one_answer(connection: socket.socket) -> bytes:
    """A whole answer of `/health`."""
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(4096)
        assert part, answer
        answer += part
    return answer


FIRST = (
    GET,
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
    b"GET /sessions/waits/inbox?wait_s=50 HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


@pytest.mark.parametrize("first", FIRST, ids=["answer", "stream", "wait"])
def test_who_sends_ahead_and_never_reads_costs_little_memory(
    start_hub: Callable[..., HubProcess], first: bytes
) -> None:
    hub = start_hub()
    with Client(hub.port) as client:
        client.register("waits")
        before = hub.memory_kib()
        connections = []
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", hub.port), timeout=0.5)
            connection.sendall(first)
            connections.append(connection)
            try:
                for _ in range(400):
                    connection.send(SMALL * 2000)
            except OSError:
                pass  # it takes no more, or has cut us off
        assert client.get("/health").status == 200
        assert hub.memory_kib() - before < MAY_GROW_KIB
        for connection in connections:
            connection.close()


def test_pipelined_requests_are_answered_in_order(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    count = 500
    body = b'{"session_id": "user:alice", "project": "p", "value": %d}'
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        for number in range(count):
            text = body % number
            connection.sendall(
                b"PUT /memory/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
            )
        values = []
        with connection.makefile("rb") as stream:
            for _ in range(count):
                length = 0
                while (line := stream.readline().strip()) != b"":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                answer = stream.read(length)
                values.append(json.loads(answer)["value"])
    assert values == list(range(count))


def test_a_large_body_behind_pipelined_requests_arrives_whole(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    text = b'{"session_id": "user:alice", "project": "p", "value": "%s"}' % (b"x" * 200_000)
    put = b"PUT /memory/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        connection.sendall(GET * 40 + put + GET)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 42:
            part = connection.recv(65536)
            assert part, answers[-2000:]
            answers += part
    assert b'"key":"large"' in answers


def test_who_reads_too_slowly_is_cut_off(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants=SHORT_UNREAD)
    with Client(hub.port) as client:
        with flood(hub.port, GET) as connection:
            connection.settimeout(20)

            def is_cut() -> bool:
                try:
                    connection.send(b"G")
                except OSError:
                    return True
                return False

            until(is_cut)
        assert client.get("/health").status == 200


def test_who_leaves_a_last_answer_unread_does_not_keep_its_connection(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants=SHORT_UNREAD)
    with Client(hub.port) as client:
        client.get("/health")
        open_files = lambda: len(list(Path(f"/proc/{hub.pid}/fd").iterdir()))  # noqa: E731
        before = open_files()
        with flood(hub.port, GET) as connection:
            connection.settimeout(20)
            until(lambda: open_files() <= before)


def test_a_stream_ends_with_its_connection_whatever_was_sent_behind_it(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with Client(hub.port) as client:
        with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n" + GET)
            assert connection.recv(100)
            until(lambda: client.get("/health").json["streams"] == 1)
        until(lambda: client.get("/health").json["streams"] == 0)


# -- heads ------------------------------------------------------------------------------------------------------------


def test_a_url_has_a_limit_in_one_piece_and_in_many(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    for length, status in ((10_000, 200), (31_000, 200), (33_000, 414), (60_000, 414)):
        request = b"GET /health?" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert raw_exchange(hub.port, request).status == status, length


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Origin",
        "Authorization",
        "Sec-Fetch-Site",
        "Hallway-Session",
        "Hallway-Here",
        "X-Hallway-Token",
        "Last-Event-ID",
    ],
)
def test_a_header_that_decides_something_may_be_there_once(start_hub: Callable[..., HubProcess], name: str) -> None:
    hub = start_hub()
    for first, second in ((b"localhost", b"evil.example"), (b"evil.example", b"localhost"), (b"localhost",) * 2):
        own = b"" if name == "Host" else b"Host: localhost\r\n"
        twice = name.encode() + b": " + first + b"\r\n" + name.lower().encode() + b": " + second + b"\r\n"
        answer = raw_exchange(hub.port, b"GET /health HTTP/1.1\r\n" + own + twice + b"\r\n")
        assert (answer.status, answer.error["code"]) == (400, "invalid_input"), (name, first)


def test_the_host_of_a_target_in_absolute_form_is_the_one_that_counts(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    for target, host, status in (
        (b"http://localhost/health", b"evil.example", 200),
        (b"HTTP://localhost:7433/health?a=1", b"localhost", 200),
        (b"http://evil.example/sessions", b"localhost", 403),
        (b"http://localhost", b"localhost", 200),
        (b"http://u:p@localhost/sessions", b"localhost", 403),
        (b"ftp://localhost/health", b"localhost", 400),
        (b"localhost:80", b"localhost", 400),
        (b"http:///sessions", b"localhost", 403),
        (b"http://localhost?a", b"localhost", 200),
    ):
        request = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        assert raw_exchange(hub.port, request).status == status, target
    assert raw_exchange(hub.port, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (400, 404, 405)
    with Client(hub.port) as client:
        assert client.get("/health").status == 200


# -- idle connections -------------------------------------------------------------------------------------------------


def test_an_idle_connection_is_announced_to_end_before_it_does(start_hub: Callable[..., HubProcess]) -> None:
    from hallway.hub.http_protocol import ANNOUNCED_IDLE_S, IDLE_WITHIN_S

    hub = start_hub()
    with Client(hub.port) as client:
        assert client.get("/health").headers["keep-alive"] == f"timeout={ANNOUNCED_IDLE_S}"
    assert ANNOUNCED_IDLE_S + 10 <= IDLE_WITHIN_S


def test_a_request_that_came_while_the_hub_stood_still_is_answered(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants={"hallway.hub.serve.IDLE_WITHIN_S": 1})
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        for _ in range(5):
            connection.sendall(GET)
            assert one_answer(connection).startswith(b"HTTP/1.1 200")
            hub.signal(signal.SIGSTOP)
            try:
                connection.sendall(GET)
                time.sleep(1.2)  # past the moment at which an idle connection ends
            finally:
                hub.signal(signal.SIGCONT)
            assert one_answer(connection).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_ends(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants={"hallway.hub.serve.IDLE_WITHIN_S": 1})
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        connection.sendall(GET)
        while connection.recv(65536):
            pass
    with Stream(hub.port) as stream:
        assert stream.response.status == 200
