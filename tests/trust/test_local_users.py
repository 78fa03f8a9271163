"""A hub on loopback: whose requests it takes for its owner's, and what everybody else needs (P4)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.hub.auth import peers
from hub.client import Client
from hub.process import HubProcess, environment
from hub.test_http import serve
from support import until
from trust.conftest import make_tokens
from trust.test_login import Browser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOBODY_UID = 65533
CANNOT_TELL = {"hallway.hub.auth.peers.SOURCES": []}

needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells whose a connection is")


def as_another_user(work: Callable[[], Any]) -> Any:
    """What a function returns that runs in a process of another user; it must need no files."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY_UID)
            os.setuid(NOBODY_UID)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def ask_as_another_user(port: int, *requests: tuple[str, str], **headers: str) -> dict[str, int]:
    def ask() -> dict[str, int]:
        answers = {}
        for method, path in requests:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, path, headers=headers)
            answers[f"{method} {path}"] = connection.getresponse().status
        return answers

    found: dict[str, int] = as_another_user(ask)
    return found


# -- the kernel's answer ----------------------------------------------------------------------------------------------


@needs_linux
@pytest.mark.parametrize("source", ["sock_diag", "proc"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_kernel_tells_who_owns_the_other_end(source: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SOURCES", (source,))
    try:
        listening = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    except OSError:
        pytest.skip(f"{address} is not there on this machine")
    with listening, socket.create_connection(listening.getsockname()[:2]) as near:
        peer, own = near.getsockname()[:2], listening.getsockname()[:2]
        assert peers.owner_of(peer, own) == os.geteuid()
        assert peers.owner_of((peer[0], 1), own) is None
        assert peers.owner_of(peer, (own[0], 1)) is None
        assert peers.owner_of(own, peer) is None  # it listens, and nobody has accepted the connection


@needs_linux
@pytest.mark.parametrize("source", ["sock_diag", "proc"])
def test_a_socket_that_its_owner_has_closed_is_nobodys(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SOURCES", (source,))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
        with far:
            peer = near.getsockname()
            assert peers.owner_of(peer, listening.getsockname()) == os.geteuid()
            near.close()  # the kernel keeps it until `far` closes, and calls it root's
            assert peers.owner_of(peer, listening.getsockname()) is None


# -- the hub ----------------------------------------------------------------------------------------------------------


@needs_linux
@needs_root
@pytest.mark.promise("P4")
def test_another_user_of_the_machine_needs_a_token(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub()
    asked = [
        ("GET", "/sessions"),
        ("GET", "/me"),
        ("POST", "/tokens"),
        ("POST", "/mcp"),
        ("GET", "/events"),
        ("GET", "/metrics"),
        ("GET", "/page/home.json"),
    ]
    assert set(ask_as_another_user(hub.port, *asked).values()) == {401}
    assert ask_as_another_user(hub.port, ("GET", "/health"), ("GET", "/")) == {"GET /health": 200, "GET /": 303}
    with_token = {"Authorization": f"Bearer {tokens['alice']}"}
    assert ask_as_another_user(hub.port, ("GET", "/me"), **with_token) == {"GET /me": 200}
    with Client(hub.port) as own:
        assert own.get("/me").json["role"] == "admin"


@needs_linux
@needs_root
@pytest.mark.promise("P4")
def test_a_hub_can_be_open_to_every_user_of_the_machine(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub("--open-to-local-users")
    assert ask_as_another_user(hub.port, ("GET", "/me"), ("GET", "/sessions")) == {"GET /me": 200, "GET /sessions": 200}


@needs_linux
@needs_root
@pytest.mark.promise("P4")
def test_a_request_whose_sender_is_gone_is_nobodys(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    body = json.dumps({"from_session": "user:mallory", "to_session": "user:alice", "subject": "forged"}).encode()
    head = b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)

    def send_and_leave() -> bool:
        with socket.create_connection(("127.0.0.1", hub.port)) as connection:
            connection.sendall(head + body)
        return True

    hub.signal(signal.SIGSTOP)
    try:
        as_another_user(send_and_leave)
    finally:
        hub.signal(signal.SIGCONT)
    with Client(hub.port) as own:
        assert own.get("/health").status == 200
        # The hub audits what it refuses, so this is there once it has looked at the request.
        until(lambda: "POST /messages" in str(own.get("/events?kinds=access&limit=1000").json))
        assert "forged" not in own.get("/sessions/user:alice/inbox").body.decode()


@pytest.mark.promise("P4")
def test_where_the_system_does_not_tell_commands_work_without_ceremony(
    start_hub: Callable[..., HubProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = start_hub(constants=CANNOT_TELL)
    with Client(hub.port) as nobody:
        assert nobody.get("/sessions").status == 401
    home = tmp_path / "hallway"
    stored = home / "credentials.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    monkeypatch.setenv("HALLWAY_HOME", str(home))
    for name in ("127.0.0.1", "localhost"):
        with hallway.connect(f"http://{name}:{hub.port}") as bus:
            assert bus.tokens.whoami().role == "admin"
    again = start_hub(constants=CANNOT_TELL)
    with hallway.connect(again.url) as bus:
        assert [each.name for each in bus.tokens.list_tokens()] == ["alice-local"]
    stored.unlink()
    third = start_hub(constants=CANNOT_TELL)
    with hallway.connect(third.url) as bus:
        assert [each.name for each in bus.tokens.list_tokens()] == ["alice-local"]


def test_demanding_tokens_on_this_machine_gives_its_user_one_where_there_is_none(
    start_hub: Callable[..., HubProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = start_hub("--require-tokens")
    monkeypatch.setenv("HALLWAY_HOME", str(tmp_path / "hallway"))
    with hallway.connect(hub.url) as bus:
        assert bus.tokens.whoami().name == "alice-local"


def test_whoever_manages_tokens_gets_none_made(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    make_tokens(tmp_path / "hallway")
    start_hub("--require-tokens")
    assert not (tmp_path / "hallway" / "credentials.json").exists()


def test_open_to_local_users_is_for_loopback_without_tokens(tmp_path: Path) -> None:
    for options in (("--require-tokens",), ("--behind-proxy",), ("--host", "0.0.0.0")):  # noqa: S104
        done: Any = serve(tmp_path / "hallway", "--open-to-local-users", *options)
        assert done.returncode == 2
        assert "--open-to-local-users" in done.stderr
    assert environment(tmp_path)["HALLWAY_USER"] == "alice"


@needs_linux
@needs_root
@pytest.mark.promise("P5")
def test_a_login_is_for_the_user_of_the_machine_that_logged_in(
    start_hub: Callable[..., HubProcess], tmp_path: Path
) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub("--require-tokens")
    browser = Browser(hub.port)
    browser.log_in(tokens["alice"])
    assert browser.ask("GET", "/me").json["name"] == "alice"
    # A program of another user that listens on this host gets the cookie when the browser visits it.
    stolen = {"Cookie": f"hallway_login={browser.cookies['hallway_login']}"}
    assert ask_as_another_user(hub.port, ("GET", "/me"), ("GET", "/sessions"), **stolen) == {
        "GET /me": 401,
        "GET /sessions": 401,
    }
