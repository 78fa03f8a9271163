"""Why a session waits or idles, as each program tells it: a permission, a question, an answer, an error, a limit."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest

from agents.conftest import needs
from agents.machine import TIMEOUT_S, Machine
from agents.model import Call, Failure, Reply
from agents.programs import Program
from support import until

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("S11"),
]
TASK = "mend the login"
COMMAND = "touch made.txt"
STAYS_S = 5  # longer than it takes a server to read what the client notes about its turn

PERMISSIONS = {
    "claude-code": f"Bash: {COMMAND}",
    "codex": f"Bash: {COMMAND}",
    "gemini": f"Shell: {COMMAND}",
    "opencode": f"bash: {COMMAND}",
    "qwen": f"run_shell_command: {COMMAND}",
    "copilot": f"Run command: {COMMAND}",
}
OPTIONS = [{"label": "8080", "description": "usual"}, {"label": "9090", "description": "other"}]
QUESTION = {"question": "Which port?", "header": "Port", "multiSelect": False, "options": OPTIONS}
SCHEMA = {"type": "object", "properties": {"port": {"type": "string", "enum": ["8080", "9090"]}}}
# The tool with which the agent asks, and what the bus is told.
QUESTIONS: dict[str, tuple[Call, str | None]] = {
    "claude-code": (Call("^AskUserQuestion$", questions=[QUESTION]), "Which port? (8080 / 9090)"),
    "gemini": (Call("^ask_user$", questions=[{**QUESTION, "type": "choice"}]), None),
    "opencode": (Call("^question$", questions=[QUESTION]), "Which port? (8080 / 9090)"),
    "qwen": (Call("^ask_user_question$", questions=[QUESTION]), "Which port? (8080 / 9090)"),
    "copilot": (Call("^ask_user$", message="Which port?", requestedSchema=SCHEMA), "Which port? (8080 / 9090)"),
}


def why(machine: Machine, program: Program) -> tuple[str, str | None, str | None] | None:
    """The status, reason and detail of the program's one live session; None where it has none yet."""
    sessions = [each for each in machine.bus.sessions.list_sessions() if each.agent_type == program.name]
    return (sessions[0].status, sessions[0].reason, sessions[0].detail) if len(sessions) == 1 else None


def becomes(machine: Machine, program: Program, *expected: str | None) -> None:
    """Wait until the session's status, reason and detail are these."""
    try:
        until(lambda: why(machine, program) == expected, TIMEOUT_S)
    except AssertionError:
        assert why(machine, program) == expected  # which says what differs
        raise


def test_a_permission_says_which_command_until_it_is_given(machine: Machine, program: Program) -> None:
    if not program.dialog:
        pytest.skip(f"{program.name} asks for no permission")
    model = machine.model(Reply(None, program.asks_to_run(COMMAND)), Reply("Made.\nIt is empty."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, TASK, *program.lets_ask(machine.home))
    try:
        until(lambda: program.dialog in terminal.screen, TIMEOUT_S)
        expected = ("waiting", "permission", PERMISSIONS[program.name])
        becomes(machine, program, *expected)
        end = time.monotonic() + STAYS_S
        while time.monotonic() < end:
            assert why(machine, program) == expected
            time.sleep(0.2)
        terminal.approves(program.dialog)
        becomes(machine, program, "idle", "done", "Made.")
    finally:
        print(terminal.screen)


def test_a_turn_that_ended_says_what_the_agent_answered(machine: Machine, program: Program) -> None:
    model = machine.model(Reply("I look first.", program.runs(COMMAND)), Reply("Made.\nIt is empty."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, TASK)
    try:
        becomes(machine, program, "idle", "done", "Made.")
    finally:
        print(terminal.screen)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_told_with_its_choices(machine: Machine, name: str) -> None:
    program = needs(name)
    call, detail = QUESTIONS[name]
    model = machine.model(Reply(None, call), Reply("Thanks."))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, TASK, *program.lets_ask(machine.home))
    try:
        until(lambda: "Which port?" in terminal.screen, TIMEOUT_S)
        becomes(machine, program, "waiting", "question", detail)
        terminal.presses_until("Enter", lambda: len(model.requests) > 1)
        becomes(machine, program, "idle", "done", "Thanks.")
    finally:
        print(terminal.screen)


def fails(machine: Machine, program: Program, failure: Failure) -> Any:
    """Have every request of a turn fail."""
    model = machine.model(*[failure] * 40)  # some try again
    machine.prepare(program, model)
    return machine.begin_turn(program, model, TASK)


def test_an_error_of_the_models_api_says_what_broke(machine: Machine, program: Program) -> None:
    terminal = fails(machine, program, Failure(400, "invalid_request_error", "The model is broken."))
    try:
        until(lambda: (why(machine, program) or ())[:2] == ("idle", "error"), TIMEOUT_S)
        assert "The model is broken." in str((why(machine, program) or ())[2])
    finally:
        print(terminal.screen)


@pytest.mark.parametrize("name", ["claude-code", "codex", "copilot", "pi"])
def test_a_limit_is_told_apart_from_an_error(machine: Machine, name: str) -> None:
    program = needs(name)
    kind = "usage_limit_reached" if name == "codex" else "rate_limit_error"
    terminal = fails(machine, program, Failure(429, kind, "Rate limit reached. Try again in 20 s."))
    try:
        until(lambda: (why(machine, program) or ())[:2] == ("idle", "limited"), TIMEOUT_S)
        if name != "codex":  # which has words of its own for it
            assert "Try again in 20 s." in str((why(machine, program) or ())[2])
    finally:
        print(terminal.screen)
