"""Every wait on a hub, over every kind of connection to it, and through what may become of that."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hallway.bus.remote import RemoteBus
from hallway.core import errors
from hub.process import HubProcess
from mcp_server import MODERN, Server
from proxy import Proxy, make_certificate
from support import Here, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAYS = {
    "plain": (None, 65536),
    "plain, trickling": (None, 1),
    "TLS 1.2": (ssl.TLSVersion.TLSv1_2, 65536),
    "TLS 1.2, trickling": (ssl.TLSVersion.TLSv1_2, 7),
    "TLS 1.3": (ssl.TLSVersion.TLSv1_3, 65536),
    "TLS 1.3, trickling": (ssl.TLSVersion.TLSv1_3, 7),
}
QUICK_S = 5.0  # what needs no wait, on a busy machine
CLOSED_WITHIN_S = 0.1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=WAYS)
def proxy(
    request: pytest.FixtureRequest,
    hub: HubProcess,
    certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Proxy]:
    version, at_once = WAYS[request.param]
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with Proxy(hub.port, (*certificate, version) if version else None, at_once) as proxy:
        yield proxy


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An id that no other test of this hub uses."""
    return f"s-{abs(hash(request.node.name))}"


@pytest.fixture
def near(hub: HubProcess, name: str) -> Iterator[RemoteBus]:
    """The hub without a proxy."""
    with RemoteBus(hub.url, Here()) as bus:
        bus.sessions.register(name, "agent", "codex")
        bus.sessions.register(f"{name}-peer", "agent", "codex")
        yield bus


@pytest.fixture
def start_server(tmp_path: Path, certificate: tuple[str, str], name: str) -> Iterator[Callable[[str], Server]]:
    started: list[Server] = []

    def start_server(url: str) -> Server:
        environ = {"HALLWAY_SESSION": name, "HALLWAY_URL": url, "SSL_CERT_FILE": certificate[0]}
        started.append(Server(tmp_path / "mcp", **environ))
        started[-1].initialize()
        return started[-1]

    yield start_server
    for server in started:
        server.kill()


# -- hallway mcp ------------------------------------------------------------------------------------------------------


def test_a_server_answers_every_call_and_ends_when_its_input_closes(
    proxy: Proxy, near: RemoteBus, start_server: Callable[[str], Server], name: str
) -> None:
    server = start_server(proxy.url)
    server.answer_to("resources/subscribe", uri="hallway://inbox")
    for number in range(5):
        assert "sessions" in server.call("sessions")
        near.messages.send(f"{name}-peer", name, subject=f"hello {number}")
        time.sleep(0.05)  # a session ticket, or the news, is there by now
        found = server.call("inbox")["messages"]
        assert [each["subject"] for each in found] == [f"hello {number}"]
        server.call("ack", message_ids=[found[0]["message_id"]])
    began = time.monotonic()
    assert server.close() == 0
    assert time.monotonic() - began < QUICK_S


def test_a_call_that_waits_is_woken_and_resources_are_told_of(
    proxy: Proxy, near: RemoteBus, start_server: Callable[[str], Server], name: str
) -> None:
    server = start_server(proxy.url)
    server.answer_to("resources/subscribe", uri="hallway://inbox")
    server.call("sessions")
    request_id = server.send("tools/call", name="inbox", arguments={"wait_s": 50}, _meta=MODERN)
    time.sleep(0.2)
    near.messages.send(f"{name}-peer", name, subject="wake up")
    heard: list[dict[str, Any]] = []
    until(lambda: heard.append(server.receive()) or {each.get("id", 0) for each in heard} >= {request_id})
    server.call("sessions")
    until(
        lambda: (
            any(each.get("method") == "notifications/resources/updated" for each in [*heard, *server.notes])
            or server.call("sessions") is None
        )
    )


@pytest.mark.parametrize("how", [socket.SHUT_RDWR, socket.SHUT_WR])
def test_a_server_outlives_connections_that_are_cut_or_half_closed(
    proxy: Proxy, near: RemoteBus, start_server: Callable[[str], Server], name: str, how: int
) -> None:
    server = start_server(proxy.url)
    server.call("sessions")
    for number in range(3):
        proxy.cut(how)
        assert "sessions" in server.call("sessions")
        request_id = server.send("tools/call", name="inbox", arguments={"wait_s": 50}, _meta=MODERN)
        near.messages.send(f"{name}-peer", name, subject=f"hello {number}")
        while (answer := server.receive()).get("id") != request_id:
            pass
        assert f"hello {number}" in str(answer)
        server.call("ack", message_ids=[each.message_id for each in near.messages.inbox(name)])
    assert server.close() == 0


def test_a_server_over_the_hubs_own_tls_answers_every_call(
    tmp_path: Path, certificate: tuple[str, str], start_server: Callable[[str], Server]
) -> None:
    cert, key = certificate
    with HubProcess(tmp_path / "hallway", "--tls-cert", cert, "--tls-key", key) as hub:
        server = start_server(f"https://127.0.0.1:{hub.port}")
        for _ in range(5):
            assert "sessions" in server.call("sessions")
            time.sleep(0.05)
        assert server.close() == 0


def test_a_frozen_proxy_holds_up_no_call_for_long_and_no_end(
    proxy: Proxy, start_server: Callable[[str], Server]
) -> None:
    server = start_server(proxy.url)
    assert "sessions" in server.call("sessions")
    proxy.freeze()
    began = time.monotonic()
    assert server.call("sessions")["code"] == "hub_unreachable"
    assert server.ask("tools/list", _meta=MODERN)["tools"]
    assert time.monotonic() - began < 5 + QUICK_S
    began = time.monotonic()
    assert server.close() == 0
    assert time.monotonic() - began < QUICK_S


# -- the library ------------------------------------------------------------------------------------------------------


@pytest.mark.promise("E2", "M6")
def test_followers_handlers_and_inboxes_hear_at_once(proxy: Proxy, near: RemoteBus, name: str) -> None:
    with RemoteBus(proxy.url, Here()) as bus:
        heard: list[str] = []
        followed: list[Any] = []
        bus.events.on("message.sent", lambda event: heard.append(f"event {event.data['type']}"))
        bus.messages.register_handler("notification", lambda message: heard.append(message.subject), name)
        bus.messages.register_handler("request", lambda message: heard.append(message.subject))
        events = bus.events.follow(kinds=["message.sent"], timeout_s=20)
        threading.Thread(target=lambda: followed.append(next(events)), daemon=True).start()
        near.messages.send(f"{name}-peer", name, subject="hello")
        until(lambda: {"event notification", "hello"} <= set(heard) and followed)
        near.messages.send(name, f"{name}-peer", "request", "question")
        until(lambda: "question" in heard)
        waiter: list[Any] = []
        thread = threading.Thread(target=lambda: waiter.extend(bus.messages.inbox(f"{name}-peer", 50, ["sync"])))
        thread.start()
        near.messages.send(name, f"{name}-peer", "sync", "late")
        thread.join(20)
        assert [each.subject for each in waiter] == ["late"]


@pytest.mark.promise("E1", "E2")
@pytest.mark.parametrize("how", [socket.SHUT_RDWR, socket.SHUT_WR])
def test_followers_and_handlers_go_on_after_connections_are_cut_or_half_closed(
    proxy: Proxy, near: RemoteBus, name: str, how: int
) -> None:
    with RemoteBus(proxy.url, Here()) as bus:
        subjects: list[str] = []
        bus.messages.register_handler("notification", lambda message: subjects.append(message.subject), name)
        events = bus.events.follow(kinds=["session.updated"], project=Here.project, timeout_s=20)
        told = []
        for number in range(3):
            near.sessions.update_status(name, "working", f"task {number}")
            told.append(next(events).session_id)
            near.messages.send(f"{name}-peer", name, subject=f"{number}")
            until(lambda: len(subjects) == number + 1)  # noqa: B023 (called at once)
            proxy.cut(how)
        assert told == [name] * 3
        assert subjects == ["0", "1", "2"]


@pytest.mark.promise("E2")
def test_closing_ends_every_wait_at_once_though_the_proxy_is_frozen(proxy: Proxy, name: str, near: RemoteBus) -> None:
    bus = RemoteBus(proxy.url, Here())
    before = threading.active_count()
    ended: list[str] = []
    begun = threading.Event()

    def follow() -> None:
        events = bus.events.follow(timeout_s=None)
        begun.set()
        for _ in events:
            pass
        ended.append("follower")

    def wait() -> None:
        with pytest.raises(errors.Unavailable):
            bus.messages.inbox(name, 50)
        ended.append("inbox")

    threads = [threading.Thread(target=each, daemon=True) for each in (follow, wait)]
    for thread in threads:
        thread.start()
    bus.events.on("*", lambda _: None)
    bus.messages.register_handler("*", lambda _: None, name)
    assert begun.wait(20)
    until(lambda: "hallway-subscription" in {each.name for each in threading.enumerate()})
    time.sleep(0.3)  # all of them wait
    proxy.freeze()
    began = time.monotonic()
    bus.close()
    for thread in threads:
        thread.join(20)
    assert sorted(ended) == ["follower", "inbox"]
    assert time.monotonic() - began < QUICK_S
    proxy.thaw()
    until(lambda: threading.active_count() <= before)
