"""A session of Claude Code in its terminal: what it waits for, how its turn ended, and what `/clear` makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from agents.conftest import needs
from agents.desk import Desk, Terminal
from agents.model import Call, Reply
from hallway.core.model import Session
from support import until

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("S11"),
]
PATIENCE_S = 90


def sit_down(desk: Desk, *script: object) -> Terminal:
    """Start Claude Code in a terminal and type a prompt."""
    claude = needs("claude-code")
    model = desk.model(*script)
    desk.prepare(claude, model)
    terminal = desk.terminal(claude, model, "--permission-mode", "default")
    until(lambda: "❯" in terminal.screen or ">" in terminal.screen, PATIENCE_S)
    prompt(terminal, "mend the login")
    return terminal


def prompt(terminal: Terminal, text: str) -> None:
    terminal.types(text)
    terminal.presses("Enter")


def session_is(desk: Desk, fits: Callable[[Session], bool], patience_s: float = PATIENCE_S) -> None:
    until(lambda: any(fits(each) for each in desk.bus.sessions.list_sessions(include_offline=True)), patience_s)


def test_a_permission_says_what_wants_it_until_it_is_given(desk: Desk) -> None:
    call = Call("^Bash$", command="touch made.txt", description="make a file")
    terminal = sit_down(desk, Reply(None, call), Reply("Made.\nIt is empty."))
    try:
        session_is(desk, lambda each: (each.status, each.reason) == ("waiting", "permission"))
        session_is(desk, lambda each: each.detail == "Bash: touch made.txt")
        terminal.presses("Enter")  # yes
        session_is(desk, lambda each: (each.status, each.reason, each.detail) == ("idle", "done", "Made."))
    finally:
        print(terminal.screen)


@pytest.mark.promise("S14")
def test_a_cleared_conversation_goes_on_under_its_new_id(desk: Desk) -> None:
    terminal = sit_down(desk, Reply("Ready."))
    try:
        session_is(desk, lambda each: each.reason == "done")
        (before,) = desk.bus.sessions.list_sessions()
        desk.bus.messages.send(
            "user:alice", before.session_id, "notification", "tests", "They are red.", priority="low"
        )
        prompt(terminal, "/clear")
        session_is(desk, lambda each: (each.end_reason or "").startswith("continued as "))
        (after,) = desk.bus.sessions.list_sessions()
        assert after.session_id != before.session_id
        assert [each.subject for each in desk.bus.messages.inbox(after.session_id)] == ["tests"]
    finally:
        print(terminal.screen)
