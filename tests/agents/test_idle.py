"""A session in its client's terminal interface that idles is woken by a message and starts a turn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agents.conftest import needs
from agents.machine import Machine, Terminal
from agents.model import Model, Reply, Request
from agents.programs import Program
from support import until

BODY = "The tests are red since your last change."


pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("A3"),
]


def prompt(program: Program, terminal: Terminal, model: Model) -> None:
    """Type a prompt as soon as the client takes one; Codex holds an Enter right after text for part of a paste."""

    def is_sent() -> bool:
        terminal.presses("Enter")
        return bool(model.requests)

    until(lambda: program.ready in terminal.screen, 60)
    terminal.types("are you there?")
    until(lambda: "are you" in terminal.screen, 60)  # Codex may hold the last letters, too
    until(is_sent, 60)


def test_an_idle_session_is_woken_by_a_message(machine: Machine, program: Program) -> None:
    if not program.is_woken:
        pytest.skip(f"hallway has no way to wake {program.name}")
    machine.bus.sessions.register("alice", "alice's session", "human")

    def woken(request: Request) -> Reply:
        assert BODY in request.context
        assert "not your user" in request.context
        until(lambda: machine.session_of(program).status == "working")
        return Reply("I look into it.")

    model = machine.model(Reply("Ready."), woken)
    machine.prepare(program, model)
    terminal = machine.terminal(program, model, *(program.interface or ()))
    try:
        prompt(program, terminal, model)
        until(lambda: "Ready." in terminal.screen, 60)
        until(lambda: machine.session_of(program).status == "idle")
        session_id = machine.session_of(program).session_id
        sent = machine.bus.messages.send("alice", session_id, "request", "tests", BODY)
        until(lambda: len(model.requests) == 2, 10)
        until(lambda: "I look into it." in terminal.screen)
        until(lambda: machine.session_of(program).status == "idle")
        model.check()
    finally:
        print(terminal.screen, model.errors)
    assert [each.state for each in machine.bus.messages.deliveries(sent.message_id)] == ["injected"]
    assert not (Path(machine.bus.folder) / "hooks.log").exists(), "a hook could not do its work"


@pytest.mark.promise("M3")
def test_a_burst_of_messages_wakes_once_or_twice_and_is_shown_once(machine: Machine, program: Program) -> None:
    if program.name not in ("claude-code", "codex", "qwen"):
        pytest.skip("the burst is about how these are woken")
    machine.bus.sessions.register("alice", "alice's session", "human")
    notes = [f"Note {number} of ten." for number in range(10)]
    model = machine.model(Reply("Ready."), *[Reply("I see.")] * 10)
    machine.prepare(program, model)
    terminal = machine.terminal(program, model, *(program.interface or ()))
    try:
        prompt(program, terminal, model)
        until(lambda: machine.session_of(program).status == "idle", 60)
        session_id = machine.session_of(program).session_id
        sent = [machine.bus.messages.send("alice", session_id, "notification", "notes", note) for note in notes]
        until(lambda: all(shown(machine, each.message_id) for each in sent), 60)
        until(lambda: machine.session_of(program).status == "idle", 60)
        assert len(model.requests) in (2, 3), "woken once or twice"
        assert [model.requests[-1].context.count(note) for note in notes] == [1] * 10
    finally:
        print(terminal.screen, len(model.requests))


def shown(machine: Machine, message_id: str) -> bool:
    return [each.state for each in machine.bus.messages.deliveries(message_id)] == ["injected"]


def test_a_message_during_the_last_call_of_a_turn_wakes_opencode(machine: Machine) -> None:
    program = needs("opencode")
    machine.bus.sessions.register("alice", "alice's session", "human")

    def last_call(request: Request) -> Reply:
        until(lambda: machine.session_of(program).status == "working")
        machine.bus.messages.send("alice", machine.session_of(program).session_id, "request", "tests", BODY)
        return Reply("Ready.")

    def woken(request: Request) -> Reply:
        assert BODY in request.context
        return Reply("I look into it.")

    model = machine.model(last_call, woken)
    machine.prepare(program, model)
    terminal = machine.terminal(program, model, *(program.interface or ()))
    try:
        prompt(program, terminal, model)
        until(lambda: len(model.requests) == 2, 60)
        until(lambda: machine.session_of(program).status == "idle", 60)
        model.check()
    finally:
        print(terminal.screen, model.errors)
