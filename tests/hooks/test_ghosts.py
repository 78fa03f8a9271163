"""No session is on the bus that no client has open, and none leaves it that one still has."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hallway.bus.local import LocalBus
from hallway.local import presence
from hallway.local.hook_gate import SOCKETS
from hooks.client import SESSION, Client
from hooks.test_serving import HELLO
from support import until

StartClient = Callable[..., Client]
pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are watched through /proc")


@pytest.fixture
def terminal(start_client: StartClient) -> Iterator[Callable[[], tuple[Client, subprocess.Popen[str]]]]:
    """Opens the session in a terminal more: a client process, and the hooks that it runs."""
    started: list[subprocess.Popen[str]] = []

    def terminal() -> tuple[Client, subprocess.Popen[str]]:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
        started.append(process)
        client = start_client()
        client.environ["CLAUDE_PID"] = str(process.pid)
        return client, process

    yield terminal
    for process in started:
        process.kill()
        process.communicate()


def is_live(bus: LocalBus) -> bool:
    return bus.sessions.get(SESSION).is_live


@pytest.mark.promise("A5")
def test_a_session_open_in_two_terminals_goes_on_when_one_of_them_closes(
    shop: LocalBus, terminal: Callable[[], tuple[Client, subprocess.Popen[str]]]
) -> None:
    first, first_process = terminal()
    second, second_process = terminal()
    first.does("start", source="startup")
    second.does("start", source="resume")
    first.does("end", reason="prompt_input_exit")
    assert is_live(shop)
    first_process.kill()
    first_process.wait()
    time.sleep(1.1)  # so that the processes are looked at anew
    assert is_live(shop)
    second.does("end", reason="prompt_input_exit")
    assert not is_live(shop)
    assert second_process.poll() is None


@pytest.mark.promise("A5")
def test_a_terminal_that_left_the_session_for_another_does_not_keep_it(
    shop: LocalBus, terminal: Callable[[], tuple[Client, subprocess.Popen[str]]]
) -> None:
    first, _ = terminal()
    second, _ = terminal()
    first.does("start", source="startup")
    second.does("start", source="resume")
    second.session_id = second.environ["CLAUDE_CODE_SESSION_ID"] = "next"
    second.does("start", source="clear")
    first.does("end", reason="prompt_input_exit")
    assert not is_live(shop)


@pytest.mark.promise("A5")
def test_the_start_of_a_client_that_is_dead_already_leaves_no_session(
    shop: LocalBus, start_client: StartClient
) -> None:
    client = start_client()
    client.environ["CLAUDE_PID"] = str(2**22 + 1)
    client.does("start", source="startup")
    assert not is_live(shop)


@pytest.mark.promise("A5")
def test_a_client_that_died_while_its_start_hook_ran_leaves_no_session(shop: LocalBus, client: Client) -> None:
    """The hook's parent is gone, and whoever took it over is no client."""
    hook = subprocess.Popen(
        ["/bin/sh", "-c", client.command("start")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=client.environ,
        cwd=client.directory,
    )
    assert hook.stdin
    assert hook.stdout
    hook.stdout.close()
    hook.stdin.write(json.dumps(client.payload("start")).encode())
    hook.stdin.close()
    assert hook.wait(timeout=60) == 0
    assert not is_live(shop)
    assert shop.sessions.get(SESSION).end_reason == presence.GONE


@pytest.mark.promise("A5")
def test_an_end_that_was_inferred_gets_the_reason_that_the_client_gives(shop: LocalBus, client: Client) -> None:
    client.does("prompt", prompt="go on")
    shop.sessions.end(SESSION, "client closed")
    client.does("end", reason="prompt_input_exit")
    assert shop.sessions.get(SESSION).end_reason == "prompt_input_exit"
    shop.sessions.end(SESSION, "process gone")
    assert shop.sessions.get(SESSION).end_reason == "prompt_input_exit"


@pytest.fixture
def codex_server(shop: LocalBus, start_client: StartClient) -> Iterator[Client]:
    """The MCP server of a Codex window in which nobody has typed yet."""
    client = start_client("codex")
    with subprocess.Popen(
        [sys.executable, "-m", "hallway", "mcp"],
        env=client.environ,
        cwd=client.directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        hello = json.dumps(HELLO).replace("claude-code", "codex-mcp-client")
        server.stdin.write(hello + "\n")
        server.stdin.flush()
        server.stdout.readline()
        yield client
        server.stdin.close()
        server.wait(timeout=60)


@pytest.mark.promise("A5")
def test_the_server_of_an_idle_window_learns_its_session_from_the_first_hook(
    shop: LocalBus, codex_server: Client
) -> None:
    """At once, so that the session can be woken at once; and until then it makes none up."""
    wakes = Path(shop.folder) / "wake"
    until(lambda: wakes.exists() and any(name.startswith("processes-") for name in os.listdir(wakes)))
    assert shop.sessions.list_sessions() == []
    codex_server.does("prompt", prompt="mend the login")
    until(lambda: any(name.startswith("messages-") for name in os.listdir(wakes)), within_s=60)
    assert [each.session_id for each in shop.sessions.list_sessions(include_offline=True)] == [SESSION]


def test_dead_sockets_are_removed_and_living_ones_stay(
    shop: LocalBus, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    for folder, kind in (("wake", socket.SOCK_DGRAM), (SOCKETS, socket.SOCK_STREAM)):
        path = Path(shop.folder) / folder
        path.mkdir(exist_ok=True)
        for name in ("messages-dead.1.1", "messages-live.1.1"):
            bound = socket.socket(socket.AF_UNIX, kind)
            monkeypatch.chdir(path)  # whose name may be too long for a socket's address
            bound.bind(name)
            if name == "messages-dead.1.1":
                bound.close()
                continue
            kept.append(bound)
            if kind == socket.SOCK_STREAM:
                bound.listen()
        (path / "a file").touch()
    start_client().does("start")
    for folder in ("wake", SOCKETS):
        assert sorted(os.listdir(Path(shop.folder) / folder)) == ["a file", "messages-live.1.1"]
    for bound in kept:
        bound.close()
