"""A hub that is told to stop finishes what it has, and hubs are restarted in turn behind a proxy without a loss."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hallway.bus.remote import RemoteBus
from hallway.core.errors import HallwayError, HubUnreachable
from hub.client import Client
from hub.process import HubProcess
from postgres import free_port
from real_proxies import PROXIES, RealProxy, listens
from support import Here, open_store, until
from trust.conftest import make_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[Callable[[str, list[int]], int]]:
    """Starts a proxy before the ports of two hubs, and gives its own."""
    started: list[RealProxy] = []

    def start_proxy(name: str, ports: list[int]) -> int:
        started.append(RealProxy(name, tmp_path, ports))
        return started[-1].port

    yield start_proxy
    for proxy in started:
        proxy.close()


def ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


# -- one hub ----------------------------------------------------------------------------------------------------------


def test_a_hub_that_stops_says_so_and_serves_until_its_proxy_has_noticed(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    options = ("--behind-proxy", "--name", "localhost", "--stop-within", "60")
    with HubProcess(tmp_path / "hallway", *options) as hub, Client(hub.port, token=tokens["alice"]) as client:
        assert client.get("/ready").json["is_ready"]
        hub.signal(signal.SIGTERM)
        until(lambda: ask(hub.port, "/ready") == 503)
        with Client(hub.port, token=tokens["alice"]) as late:
            refused = late._exchange("GET", "/ready")
            assert refused.error["is_ready"] is False
            assert refused.headers["connection"] == "close"
            alive = late._exchange("GET", "/health")
            assert (alive.status, alive.json["is_ready"]) == (200, False)
            assert late._exchange("GET", "/me").status == 200
        hub.signal(signal.SIGTERM)  # in a hurry
        assert hub.ends() == 0


def test_a_hub_without_a_proxy_stops_at_once_and_answers_a_request_that_is_under_way(
    start_hub: Callable[..., HubProcess],
) -> None:
    hub = start_hub("--stop-within", "60")
    body = b'{"project": "github.com/acme/shop"}'
    head = b"POST /sessions/late/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as begun:
        begun.sendall(head[:20])
        until(lambda: ask(hub.port, "/health") == 200)
        hub.signal(signal.SIGTERM)
        until(lambda: not listens(hub.port))
        begun.sendall(head[20:] + body)
        answer = http.client.HTTPResponse(begun)
        answer.begin()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert hub.ends() == 0


# -- two hubs behind a proxy ------------------------------------------------------------------------------------------


class Load:
    """Threads that talk to a hub through a proxy until they are stopped, and what failed of it."""

    def __init__(self, port: int, token: str) -> None:
        self.sent: list[str] = []
        self.failed: list[str] = []
        self.asked = 0
        self._is_over = threading.Event()
        self._url, self._port, self._token = f"http://127.0.0.1:{port}", port, token
        self._threads = [threading.Thread(target=self._send, args=(f"sender-{number}",)) for number in range(3)]
        self._threads += [threading.Thread(target=self._ask)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, name: str) -> None:
        with RemoteBus(self._url, Here(), self._token) as bus:
            count = 0
            while not self._is_over.is_set():
                count += 1
                try:
                    bus.sessions.heartbeat(name)
                    bus.messages.send(name, "reader", subject=f"{name} {count}")
                    self.sent.append(f"{name} {count}")
                except HallwayError as error:
                    self.failed.append(f"our client: {error}")
                time.sleep(0.02)  # a loop without a pause would be refused as one

    def _ask(self) -> None:
        """Read with a client that repeats nothing."""
        while not self._is_over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.request("GET", "/me", headers={"Authorization": f"Bearer {self._token}"})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.failed.append(f"another client: {response.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"another client: {error!r}")
            finally:
                connection.close()
            self.asked += 1
            time.sleep(0.005)


@pytest.mark.parametrize("proxy", list(PROXIES))
def test_hubs_are_restarted_in_turn_and_nobody_behind_the_proxy_notices(
    tmp_path: Path, start_proxy: Callable[[str, list[int]], int], proxy: str
) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    store = str(tmp_path / "hallway")
    ports = [free_port(), free_port()]
    port = start_proxy(proxy, ports)

    def start(number: int) -> HubProcess:
        options = ("--store", store, "--behind-proxy", "--name", "127.0.0.1", "--stop-within", "4")
        return HubProcess(tmp_path / f"hub-{number}", *options, port=ports[number])

    hubs = [start(0), start(1)]
    try:
        with RemoteBus(f"http://127.0.0.1:{port}", Here(), tokens["wide"]) as bus:
            until(lambda: ask(port, "/ready") == 200)
            bus.sessions.register("reader", "agent", "codex")
        with Load(port, tokens["wide"]) as load:
            for number in (0, 1):
                asked = load.asked
                until(lambda asked=asked: load.asked > asked + 20)  # type: ignore[misc]
                assert hubs[number].stop() == 0
                hubs[number] = start(number)
                until(lambda number=number: ask(ports[number], "/ready") == 200)  # type: ignore[misc]
                asked = load.asked
                until(lambda asked=asked: load.asked > asked + 100)  # type: ignore[misc]
        assert load.failed == []
        with open_store(f"{store}/bus.db") as bus:
            for name in {each.split()[0] for each in load.sent}:
                got = [each.subject for each in bus.messages.sent(name, limit=1000)]
                assert sorted(got) == sorted(each for each in load.sent if each.startswith(f"{name} "))
    finally:
        for hub in hubs:
            hub.kill()


@pytest.mark.parametrize("proxy", list(PROXIES))
def test_a_proxy_takes_no_hub_out_while_writes_wait(
    tmp_path: Path, start_proxy: Callable[[str, list[int]], int], proxy: str
) -> None:
    token, store = make_tokens(tmp_path / "hallway")["wide"], str(tmp_path / "hallway")
    options = ("--store", store, "--behind-proxy", "--name", "127.0.0.1")
    constants = {"hallway.hub.app.HEALTH_WITHIN_S": 0.3}
    hubs = [HubProcess(tmp_path / f"hub-{number}", *options, constants=constants) for number in (0, 1)]
    try:
        port = start_proxy(proxy, [hub.port for hub in hubs])
        until(lambda: ask(port, "/ready") == 200)
        with open_store(f"{store}/bus.db") as bus, bus.store.write(), Client(port, token=token) as client:
            until_s = time.monotonic() + 3  # in which a proxy probes each hub several times
            while time.monotonic() < until_s:
                assert client.get("/me").status == 200
                assert client.get("/ready").status == 200
                time.sleep(0.02)
    finally:
        for hub in hubs:
            hub.kill()


# -- our client at one address ----------------------------------------------------------------------------------------


def answering(answers: list[bytes]) -> tuple[str, list[Any]]:
    """A server that gives each connection one answer, in order, and the requests that it was sent."""
    server, requests = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with server:
            for answer in answers:
                with server.accept()[0] as connection:
                    requests.append(whole_request(connection))
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}", requests


def whole_request(connection: socket.socket) -> bytes:
    request = b""
    while True:
        head, ended, body = request.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        if ended and len(body) >= length:
            return request
        request += connection.recv(65536)


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize("lost", [b"", answer(502, b"<html>bad gateway</html>"), answer(503, b"no server")])
def test_a_request_that_a_proxy_loses_is_repeated_at_its_single_address(lost: bytes) -> None:
    url, requests = answering([lost, lost, answer(200, b"7")])
    with RemoteBus(url, Here()) as bus:
        assert bus.events.last_seq() == 7
    assert len(requests) == 3


def test_a_repeated_send_has_the_key_of_the_first() -> None:
    refused = answer(404, b'{"error": {"code": "session_not_found", "message": "no", "hint": "no"}}')
    url, requests = answering([b"", refused])
    with RemoteBus(url, Here()) as bus, pytest.raises(HallwayError, match="no"):
        bus.messages.send("alice", "bob", subject="once")
    bodies = [each.partition(b"\r\n\r\n")[2] for each in requests]
    assert b"idempotency_key" in bodies[0]
    assert bodies[0] == bodies[1]


def test_what_must_not_be_done_twice_and_what_a_hub_itself_says_is_not_repeated() -> None:
    url, requests = answering([b""])
    with RemoteBus(url, Here()) as bus, pytest.raises(HubUnreachable):
        bus.tokens.create("alice")
    assert len(requests) == 1
    said = answer(503, b'{"error": {"code": "unavailable", "message": "the database is gone", "hint": "wait"}}')
    url, requests = answering([said])
    with RemoteBus(url, Here()) as bus, pytest.raises(HallwayError, match="the database is gone"):
        bus.events.last_seq()
    assert len(requests) == 1
