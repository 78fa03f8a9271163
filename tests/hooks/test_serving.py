"""Where the session's MCP server runs, it does the hooks' work, and where it does not answer they do it themselves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hallway.agents.hook import log
from hallway.bus.local import LocalBus
from hallway.local.hook_gate import SOCKETS, socket_of
from hooks.client import SESSION, Client
from hooks.test_gate import HEAVY, modules
from support import until

StartClient = Callable[..., Client]
CLAUDE = {"name": "claude-code", "version": "2"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CLAUDE},
}


@pytest.fixture
def client(shop: LocalBus, start_client: StartClient) -> Client:
    shop.sessions.register("bob", "bob's agent", "codex")
    client = start_client()
    client.does("start")
    client.does("prompt", prompt="who is here?")
    client.does("stop")
    return client


def is_listening(path: str) -> bool:
    """Whether somebody answers there: a socket's file is there an instant before anybody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        return caller.connect_ex(path) == 0


@pytest.fixture
def server(shop: LocalBus, client: Client) -> Iterator[subprocess.Popen[str]]:
    """The session's own server, listening for its hooks."""
    with subprocess.Popen(
        [sys.executable, "-m", "hallway", "mcp"],
        env=client.environ,
        cwd=client.directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(HELLO) + "\n")
        server.stdin.flush()
        server.stdout.readline()
        until(lambda: is_listening(socket_of(shop.folder, SESSION)))
        yield server
        server.send_signal(signal.SIGCONT)
        server.stdin.close()
        server.wait(timeout=60)
    assert os.listdir(Path(shop.folder) / SOCKETS) == []


def test_a_hook_that_asks_its_server_imports_next_to_nothing(
    shop: LocalBus, client: Client, server: subprocess.Popen[str]
) -> None:
    client.does("prompt", prompt="mend the login")
    os.utime(Path(shop.folder) / "gates" / SESSION, (0, 0))
    assert not modules(client) & {*HEAVY, "apsw", "hallway.bus.local", "hallway.store", "hallway.core.model"}


def test_all_of_a_turn_goes_through_the_server(shop: LocalBus, client: Client, server: subprocess.Popen[str]) -> None:
    client.does("prompt", prompt="mend the login\nplease")
    session = shop.sessions.get(SESSION)
    assert (session.status, session.current_task) == ("working", "mend the login")
    message_id = shop.messages.send("bob", SESSION, "request", "Which “port”? 漢🙂", priority="urgent").message_id
    shown = client.does("tool", tool_name="Edit", tool_input={"file_path": "/src/ä.py"}).shown
    assert message_id in shown
    assert "漢🙂" in shown
    until(lambda: shop.messages.deliveries(message_id)[0].state == "injected")
    assert [each.path for each in shop.files.touched(session_id=SESSION)] == ["/src/ä.py"]
    assert client.does("tool").out == ""
    assert client.does("stop").answer["decision"] == "block"
    assert client.does("stop").out == ""
    assert shop.sessions.get(SESSION).status == "idle"


def test_the_task_stays_private_there_too(shop: LocalBus, client: Client, server: subprocess.Popen[str]) -> None:
    client.environ["HALLWAY_TASK_FROM_PROMPT"] = "off"
    client.does("prompt", prompt="the secret plan")
    assert (shop.sessions.get(SESSION).status, shop.sessions.get(SESSION).current_task) == ("working", "who is here?")


def test_what_the_client_did_not_take_is_not_injected(
    shop: LocalBus, client: Client, server: subprocess.Popen[str]
) -> None:
    message_id = shop.messages.send("bob", SESSION, "notification", "The cart").message_id
    told = json.dumps(client.payload("prompt", prompt="go on"))
    assert client.runs(f"{{ {client.command('prompt')}; }} >&-", told).status == 0
    assert client.runs(f"{{ {client.command('prompt')}; }} >/dev/full", told.replace("go on", "go")).status == 0
    assert message_id in client.does("prompt", prompt="again").shown


@pytest.mark.promise("A1")
def test_a_server_that_hangs_is_done_without(shop: LocalBus, client: Client, server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGSTOP)
    client.does("prompt", prompt="mend the login")
    assert shop.sessions.get(SESSION).status == "working"
    server.send_signal(signal.SIGCONT)
    client.does("stop")
    assert shop.sessions.get(SESSION).status == "idle"


@pytest.mark.promise("A1")
def test_a_server_that_died_is_done_without(shop: LocalBus, client: Client, server: subprocess.Popen[str]) -> None:
    server.kill()
    server.wait()
    assert os.path.exists(socket_of(shop.folder, SESSION))
    client.does("prompt", prompt="mend the login")
    assert shop.sessions.get(SESSION).status == "working"
    os.unlink(socket_of(shop.folder, SESSION))


@pytest.mark.parametrize("said", [b"", b"hello\n", b"{}\n", b'{"client": "codex"}\n', b"\xff" * 100 + b"\n", b"["])
def test_who_is_no_hook_holds_up_nobody(
    shop: LocalBus, client: Client, server: subprocess.Popen[str], said: bytes
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.connect(socket_of(shop.folder, SESSION))
        stranger.sendall(said)
        began = time.monotonic()
        assert client.does("prompt", prompt="mend the login") == ("", "", 0)
        assert shop.sessions.get(SESSION).status == "working", log.last(shop.folder)
        assert time.monotonic() - began < 10


def test_what_goes_wrong_in_the_server_is_logged_by_the_hook(
    shop: LocalBus, client: Client, server: subprocess.Popen[str]
) -> None:
    ran = client.does("prompt", prompt="mend the login")
    assert ran == ("", "", 0)
    shop.store._connection.execute("ALTER TABLE sessions RENAME TO gone")
    assert client.does("prompt", prompt="and the cart") == ("", "", 0)
    assert "StorageError" in (Path(shop.folder) / "hooks.log").read_text()
    shop.store._connection.execute("ALTER TABLE gone RENAME TO sessions")
