"""What each program calls its session is the session's name on the bus, from the next hook on."""

from __future__ import annotations

import shutil

import pytest

from agents.conftest import needs
from agents.machine import TIMEOUT_S, Machine
from agents.model import ASIDE, Reply
from agents.programs import Program
from hallway.core.naming import slug
from support import until

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("S9"),
]


def is_done(machine: Machine, program: Program) -> bool:
    """Whether the program's session is on the bus, and its turn is over."""
    sessions = [each for each in machine.bus.sessions.list_sessions() if each.agent_type == program.name]
    return [each.reason for each in sessions] == ["done"]


@pytest.mark.parametrize("name", ["claude-code", "codex", "qwen", "copilot", "pi"])
def test_a_rename_in_the_client_is_the_sessions_name_from_the_next_hook_on(machine: Machine, name: str) -> None:
    program = needs(name)
    model = machine.model(Reply("Ready."), Reply("Mended."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, "look around")
    try:
        until(lambda: is_done(machine, program), TIMEOUT_S)
        assert machine.session_of(program).name == "shop"
        program.renames(terminal, "login-form")
        machine.give(program, model, terminal, "mend the login")
        until(lambda: machine.session_of(program).name == "login-form", TIMEOUT_S)
    finally:
        print(terminal.screen)


@pytest.mark.promise("S14")
def test_a_name_outlives_clear(machine: Machine) -> None:
    program = needs("claude-code")
    model = machine.model(Reply("Ready."), Reply("Mended."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, "look around")
    try:
        until(lambda: is_done(machine, program), TIMEOUT_S)
        before = machine.session_of(program).session_id
        machine.bus.sessions.heartbeat(before, name="login-form")
        terminal.enters("/clear")
        until(lambda: machine.bus.sessions.get(before).ended_at, TIMEOUT_S)
        session = machine.session_of(program)
        assert session.session_id != before
        assert session.name == "login-form"
    finally:
        print(terminal.screen)


def test_the_title_that_opencodes_model_makes_is_the_sessions_name(machine: Machine) -> None:
    program = needs("opencode")
    model = machine.model(Reply("Ready."), Reply("Mended."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, "look around")
    try:
        until(lambda: is_done(machine, program), TIMEOUT_S)
        machine.give(program, model, terminal, "mend the login")
        until(lambda: machine.session_of(program).name == slug(ASIDE), TIMEOUT_S)
    finally:
        print(terminal.screen)
