"""A session in its client's terminal: what it waits for, how its turn ended, what `/clear` and closing make of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from agents.conftest import needs
from agents.machine import Machine, Terminal
from agents.model import Call, Model, Reply, Request
from hallway.core.model import Session
from support import until

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("S11"),
]
TIMEOUT_S = 90


TASK = "mend the login"


def start_turn(machine: Machine, *script: object) -> Terminal:
    """Start Claude Code in a terminal and type a prompt."""
    claude = needs("claude-code")
    model = machine.model(*script)
    machine.prepare(claude, model)
    terminal = open_terminal(machine, model)
    terminal.enters(TASK)
    return terminal


def open_terminal(machine: Machine, model: Model, *words: str) -> Terminal:
    """Start Claude Code in a terminal, to where it takes a prompt."""
    claude = needs("claude-code")
    terminal = machine.terminal(claude, model, "--permission-mode", "default", "--allowedTools", "mcp__hallway", *words)
    until(lambda: claude.ready in terminal.screen, TIMEOUT_S)
    return terminal


def session_is(machine: Machine, fits: Callable[[Session], bool], timeout_s: float = TIMEOUT_S) -> None:
    until(lambda: any(fits(each) for each in machine.bus.sessions.list_sessions(include_offline=True)), timeout_s)


def test_a_permission_says_what_wants_it_until_it_is_given(machine: Machine) -> None:
    call = Call("^Bash$", command="touch made.txt", description="make a file")
    terminal = start_turn(machine, Reply(None, call), Reply("Made.\nIt is empty."))
    try:
        session_is(machine, lambda each: (each.status, each.reason) == ("waiting", "permission"))
        session_is(machine, lambda each: each.detail == "Bash: touch made.txt")
        terminal.approves("Do you want to proceed?")
        session_is(machine, lambda each: (each.status, each.reason, each.detail) == ("idle", "done", "Made."))
    finally:
        print(terminal.screen)


@pytest.mark.promise("S14")
def test_a_cleared_conversation_goes_on_under_its_new_id(machine: Machine) -> None:
    terminal = start_turn(machine, Reply("Ready."))
    try:
        session_is(machine, lambda each: each.reason == "done")
        (before,) = machine.bus.sessions.list_sessions()
        machine.bus.messages.send(
            "user:alice", before.session_id, "notification", "tests", "They are red.", priority="low"
        )
        terminal.enters("/clear")
        session_is(machine, lambda each: (each.end_reason or "").startswith("continued as "))
        (after,) = machine.bus.sessions.list_sessions()
        assert after.session_id != before.session_id
        assert [each.subject for each in machine.bus.messages.inbox(after.session_id)] == ["tests"]
    finally:
        print(terminal.screen)


@pytest.mark.promise("S14")
def test_launchers_before_the_server_hide_no_new_conversation(machine: Machine) -> None:
    claude = needs("claude-code")
    machine.bus.sessions.register("alice", "alice's session", "human")
    send = claude.hallway("send", to_session="alice", body="Hello.", type="notification")
    model = machine.model(Reply("Ready."), Reply(None, send), Reply("Sent."))
    machine.prepare(claude, model)
    settings = machine.home / ".claude.json"
    written = json.loads(settings.read_text())
    server = written["mcpServers"]["hallway"]
    launchers = ["timeout", "600", "sh", "-c", '"$@"; exit $?', "sh"]
    server.update(command="env", args=[*launchers, server["command"], *server["args"]])
    settings.write_text(json.dumps(written))
    terminal = open_terminal(machine, model)
    try:
        terminal.enters(TASK)
        session_is(machine, lambda each: each.reason == "done")
        before = machine.session_of(claude).session_id
        terminal.enters("/clear")
        until(lambda: machine.bus.sessions.get(before).ended_at, TIMEOUT_S)
        terminal.enters("greet alice")
        until(lambda: machine.bus.messages.inbox("alice"), TIMEOUT_S)
        (message,) = machine.bus.messages.inbox("alice")
        assert message.from_session == machine.session_of(claude).session_id != before
        assert machine.bus.sessions.get(before).ended_at is not None
    finally:
        print(terminal.screen)


@pytest.mark.promise("S7")
def test_a_session_in_two_terminals_ends_with_the_last(machine: Machine) -> None:
    first = start_turn(machine, Reply("Ready."), Reply("Still here."))
    (model,) = machine.models
    try:
        session_is(machine, lambda each: each.reason == "done")
        (session,) = machine.bus.sessions.list_sessions()
        second = open_terminal(machine, model, "--resume", session.session_id)
        until(lambda: "Ready." in second.screen, TIMEOUT_S)
        second.enters("/exit")
        until(lambda: not second.is_open, TIMEOUT_S)
        first.enters("and now?")
        session_is(machine, lambda each: (each.reason, each.detail) == ("done", "Still here."))
        events = machine.bus.events.read(0, limit=1000)
        assert "session.ended" not in [each.kind for each in events if each.session_id == session.session_id]
        first.enters("/exit")
        until(lambda: machine.bus.sessions.get(session.session_id).ended_at, TIMEOUT_S)
    finally:
        print(first.screen if first.is_open else "closed")


def test_a_subagent_sets_neither_the_task_nor_the_status_of_its_parent(machine: Machine) -> None:
    claude = needs("claude-code")
    seen: list[tuple[str, str | None]] = []

    def look() -> None:
        session = machine.session_of(claude)
        seen.append((session.status, session.current_task))

    def answer(request: Request) -> Reply:
        """The parent starts a subagent and stops; the subagent goes on, with a tool, once the parent idles."""
        if TASK in request.context:
            until(lambda: machine.session_of(claude).status == "working")
            inner = {"description": "x", "prompt": "count the files", "subagent_type": "general-purpose"}
            start = Call("^(Agent|Task)$", **inner, run_in_background=True)
            return Reply("Started.") if "tool_use" in request.context else Reply(None, start)
        until(lambda: machine.session_of(claude).status == "idle", TIMEOUT_S)
        look()
        return Reply("Three.") if "tool_use" in request.context else Reply(None, Call("^Bash$", command="ls"))

    terminal = start_turn(machine, *[answer] * 5)
    try:
        until(lambda: len(seen) == 2, TIMEOUT_S)
        assert seen == [("idle", TASK)] * 2
    finally:
        print(terminal.screen, seen)
