"""Where a session's terminal is, recorded when the session starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.agents.hook import spool
from hallway.bus.local import LocalBus
from hallway.local.session_terminal import MAX_TEXT, describe
from hooks.client import SESSION, Client

pytestmark = pytest.mark.promise("A5")
StartClient = Callable[..., Client]
TMUX = {"TMUX": "/tmp/tmux-1000/default,4894,2", "TMUX_PANE": "%7"}
PANE = {"pane": "%7", "socket": "/tmp/tmux-1000/default", "session": "$2"}
PID = os.getpid()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        (TMUX, {"tmux": PANE}),
        ({**TMUX, "TERM_PROGRAM": "tmux"}, {"tmux": PANE, "program": "tmux"}),
        (
            {**TMUX, "TERM_PROGRAM": "tmux", "KITTY_WINDOW_ID": "3"},
            {"tmux": PANE, "program": "kitty", "window": "3"},
        ),
        ({"TMUX": "/tmp/a,b,1,x", "TMUX_PANE": "%1"}, {"tmux": {"pane": "%1", "socket": "/tmp/a,b"}}),
        ({"TMUX": "/tmp/tmux"}, {}),
        ({"TMUX": "/tmp/tmux", "TMUX_PANE": "%1"}, {}),
        ({"TMUX_PANE": "%1"}, {}),
        ({"TERM_PROGRAM": "vscode"}, {"program": "vscode"}),
        ({"WEZTERM_PANE": "5"}, {"program": "WezTerm", "window": "5"}),
        ({"GHOSTTY_RESOURCES_DIR": "/usr/share/ghostty"}, {"program": "ghostty"}),
        ({"TERM_PROGRAM": "x" * 1000}, {"program": "x" * MAX_TEXT}),
        ({"TERM_PROGRAM": "a\x1b[31m\n"}, {"program": "a[31m"}),
        ({"TERM_PROGRAM_SECRET": "hunter2", "SSH_CONNECTION": "10.0.0.1 22", "GITHUB_TOKEN": "x"}, {}),
    ],
)
def test_a_terminal_is_described_by_what_it_tells_its_programs(
    environ: dict[str, str], expected: dict[str, Any]
) -> None:
    described = describe(PID, "/home/alice/shop", environ)
    described.pop("tty", None)
    assert described == {**expected, "pid": PID, "folder": "/home/alice/shop"}


def test_a_process_without_a_terminal_has_no_tty() -> None:
    assert "tty" not in describe(2**22 + 1, "", {})


def test_a_session_tells_where_its_terminal_is(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client("claude-code")
    client.environ = {name: value for name, value in client.environ.items() if not name.startswith("TERM")} | TMUX
    with client.in_process(with_terminal=True):
        client.does("start")
        terminal = shop.sessions.get(SESSION).metadata["terminal"]
        assert client.process is not None
        assert terminal["tmux"] == PANE
        assert terminal["pid"] == client.process.pid
        assert terminal["folder"] == str(client.directory)


def test_a_clients_tty_is_told(shop: LocalBus) -> None:
    ours, its = os.openpty()
    pid = os.fork()
    if pid == 0:
        os.dup2(its, 0)
        os.read(0, 1)
        os._exit(0)
    try:
        expected = os.ttyname(its)
        while describe(pid, "", {}).get("tty") != expected:
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    finally:
        os.write(ours, b"\n")
        os.waitpid(pid, 0)
        os.close(ours)
        os.close(its)


def test_a_resumed_session_is_where_it_is_now(shop: LocalBus, start_client: StartClient) -> None:
    shop.sessions.register(SESSION, "alice's agent", "claude-code", metadata={"team": "web", "terminal": {"pid": 1}})
    client = start_client()
    client.environ |= TMUX
    client.does("start", source="resume")
    metadata = shop.sessions.get(SESSION).metadata
    assert metadata["team"] == "web"
    assert metadata["terminal"]["tmux"] == PANE
    count = len(shop.events.read(0, limit=1000))
    client.does("start", source="compact")
    updated = [each for each in shop.events.read(0, limit=1000)[count:] if "metadata" in each.data]
    assert updated == []


def test_other_hooks_do_not_look_for_the_terminal(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.does("start")
    before = shop.sessions.get(SESSION).metadata
    client.environ |= TMUX
    client.does("prompt", prompt="mend the login")
    client.does("tool")
    client.does("stop")
    assert shop.sessions.get(SESSION).metadata == before


def test_a_start_that_was_too_late_tells_it_later(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.environ |= {**TMUX, "HALLWAY_HOOK_BUDGET_MS": "3000"}
    with shop.transaction():
        client.does("start")
    assert (Path(shop.folder) / spool.NAME).exists()
    client.environ["HALLWAY_HOOK_BUDGET_MS"] = "20000"
    client.does("prompt", prompt="mend the login")
    assert shop.sessions.get(SESSION).metadata["terminal"]["tmux"] == PANE
