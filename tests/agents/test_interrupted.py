"""A turn that the person stops with Esc is over for the bus, too, and what came meanwhile starts the next one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator

import pytest

from agents.conftest import needs
from agents.machine import TIMEOUT_S, Machine, Terminal
from agents.model import Call, Model, Reply, Request
from agents.programs import Program
from support import until

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.promise("S11"),
]
TASK = "mend the login"
QUEUED_S = 12  # longer than Codex takes to look into its queue
SOON_S = 30  # it takes up to 4 seconds on a machine that does nothing else


class Thinker:
    """A model that thinks about its answer until the test is over."""

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def __call__(self, request: Request) -> Reply:
        self.is_over.wait(TIMEOUT_S)
        return Reply("Too late.")


@pytest.fixture
def think() -> Iterator[Thinker]:
    thinker = Thinker()
    yield thinker
    thinker.is_over.set()


def begin(machine: Machine, program: Program, model: Model, *words: str) -> Terminal:
    """Start a client in a terminal, and give it a task."""
    machine.prepare(program, model)
    return machine.begin_turn(program, model, TASK, *(program.interface or ()), *words)


def status_of(machine: Machine, program: Program) -> tuple[str, str | None] | None:
    """The status and reason of the program's one live session; None where it has none yet."""
    found = [each for each in machine.bus.sessions.list_sessions() if each.agent_type == program.name]
    return (found[0].status, found[0].reason) if len(found) == 1 else None


def test_a_turn_that_the_person_stops_is_interrupted(machine: Machine, program: Program, think: Thinker) -> None:
    model = machine.model(think)
    terminal = begin(machine, program, model)
    try:
        until(lambda: model.requests, TIMEOUT_S)
        until(lambda: status_of(machine, program) == ("working", None), TIMEOUT_S)
        terminal.interrupts(program.stop_hint, program.stop_key)
        until(lambda: status_of(machine, program) == ("idle", "interrupted"), SOON_S)
    finally:
        print(terminal.screen)


@pytest.mark.promise("A3")
@pytest.mark.parametrize("name", ["claude-code", "opencode", "pi", "qwen"])
def test_what_came_during_a_turn_that_was_stopped_starts_the_next(machine: Machine, name: str, think: Thinker) -> None:
    program, body = needs(name), "The tests are red since your last change."
    machine.bus.sessions.register("alice", "alice's session", "human")
    model = machine.model(think, Reply("I look into it."))
    terminal = begin(machine, program, model)
    try:
        until(lambda: model.requests, TIMEOUT_S)
        until(lambda: status_of(machine, program) == ("working", None), TIMEOUT_S)
        machine.bus.messages.send("alice", machine.session_of(program).session_id, "request", "tests", body)
        terminal.interrupts(program.stop_hint)
        until(lambda: len(model.requests) == 2, TIMEOUT_S)
        assert body in model.requests[1].context
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
    finally:
        print(terminal.screen)


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini"])
def test_a_dialog_that_the_person_leaves_with_esc_waits_no_longer(machine: Machine, name: str) -> None:
    program = needs(name)
    model = machine.model(Reply(None, program.asks_to_run("touch made.txt")))
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, TASK, *program.lets_ask(machine.home))
    try:
        until(lambda: program.dialog in terminal.screen, TIMEOUT_S)
        until(lambda: status_of(machine, program) == ("waiting", "permission"), TIMEOUT_S)
        terminal.interrupts(program.dialog)
        until(lambda: status_of(machine, program) == ("idle", "interrupted"), SOON_S)
    finally:
        print(terminal.screen)


def test_a_tool_that_the_person_approved_is_at_work_while_it_runs(machine: Machine) -> None:
    program, go_on = needs("claude-code"), machine.repository / "go-on"
    command = "python3 -c \"import os, time\nwhile not os.path.exists('go-on'): time.sleep(0.1)\""
    model = machine.model(Reply(None, Call(program.shell, command=command, description="wait")), Reply("Made."))
    terminal = begin(machine, program, model, "--permission-mode", "default")
    try:
        until(lambda: "Do you want to proceed?" in terminal.screen, TIMEOUT_S)
        until(lambda: status_of(machine, program) == ("waiting", "permission"), TIMEOUT_S)
        terminal.approves("Do you want to proceed?")
        until(lambda: status_of(machine, program) == ("working", None), SOON_S)
        assert len(model.requests) == 1, "the tool still runs"
        go_on.touch()
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
    finally:
        go_on.touch()
        print(terminal.screen)


@pytest.mark.promise("A6")
def test_a_subagent_of_codex_leaves_its_parents_task_and_conversation_alone(machine: Machine) -> None:
    program = needs("codex")
    inner = Call("spawn_agent$", message="count the files", task_name="count_files", agent_type="default")
    model = machine.model(Reply(None, inner), Reply("Ready."))
    terminal = begin(machine, program, model)
    try:
        until(lambda: "Spawned" in terminal.screen, TIMEOUT_S)
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
        (session,) = machine.bus.sessions.list_sessions(include_offline=True)
        assert (session.current_task, session.is_live) == (TASK, True)
        model.check()
    finally:
        print(terminal.screen, model.errors)


@pytest.mark.promise("A6")
def test_a_subagent_of_codex_that_outlives_its_parents_turn_leaves_the_parent_idle(machine: Machine) -> None:
    program, parents, inner = needs("codex"), "mend the logout", "count the files"
    seen: list[tuple[str, str | None, str | None]] = []

    def answer(request: Request) -> Reply:
        """The parent starts a subagent and stops; the subagent goes on, with a tool, once the parent idles."""
        if parents in request.context:
            start = Call("spawn_agent$", message=inner, task_name="count_files", agent_type="default")
            return Reply("Started.") if inner in request.context else Reply(None, start)
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
        session = machine.session_of(program)
        seen.append((session.status, session.detail, session.current_task))
        return Reply("Three.") if len(seen) > 1 else Reply(None, program.runs("ls"))

    model = machine.model(*[answer] * 4)
    machine.prepare(program, model)
    terminal = machine.begin_turn(program, model, parents)
    try:
        until(lambda: len(seen) == 2, TIMEOUT_S)
        assert seen == [("idle", "Started.", parents)] * 2
        (session,) = machine.bus.sessions.list_sessions(include_offline=True)
        assert session.status == "idle"
    finally:
        print(terminal.screen, model.errors, seen)


@pytest.mark.promise("S14")
def test_a_new_conversation_in_codex_continues_the_one_before(machine: Machine) -> None:
    program = needs("codex")
    model = machine.model(Reply("Ready."), Reply("Done."))
    terminal = begin(machine, program, model)
    try:
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
        before = machine.session_of(program).session_id
        machine.bus.messages.send("user:alice", before, "notification", "tests", "They are red.", priority="low")
        until(lambda: "Worked for" in terminal.screen, TIMEOUT_S)  # it refuses `/new` until its turn is over
        terminal.enters("/new")
        terminal.approves("Where should the new conversation run?")
        until(lambda: "Ready." not in terminal.screen and program.ready in terminal.screen, TIMEOUT_S)
        terminal.enters("and the logout")
        until(lambda: machine.bus.sessions.get(before).ended_at, TIMEOUT_S)
        after = machine.session_of(program).session_id
        assert machine.bus.sessions.get(before).end_reason == f"continued as {after}"
        assert [each.subject for each in machine.bus.messages.inbox(after)] == ["tests"]
    finally:
        print(terminal.screen)


@pytest.mark.promise("S14")
def test_a_conversation_that_was_left_by_new_takes_no_turn_unseen(machine: Machine) -> None:
    program, body = needs("codex"), "The tests are red since your last change."
    machine.bus.sessions.register("alice", "alice's session", "human")
    model = machine.model(Reply("Ready."), Reply("Done."), Reply("Done, too."))
    terminal = begin(machine, program, model)
    try:
        until(lambda: status_of(machine, program) == ("idle", "done"), TIMEOUT_S)
        before = machine.session_of(program).session_id
        until(lambda: "Worked for" in terminal.screen, TIMEOUT_S)
        terminal.enters("/new")
        terminal.approves("Where should the new conversation run?")
        until(lambda: "Ready." not in terminal.screen and program.ready in terminal.screen, TIMEOUT_S)
        machine.bus.messages.send("alice", before, "request", "tests", body)
        end = time.monotonic() + QUEUED_S
        while time.monotonic() < end:
            assert len(model.requests) == 1
            time.sleep(0.2)
        machine.give(program, model, terminal, "and the logout")
        until(lambda: len(model.requests) == 2, TIMEOUT_S)
        # The wake-up may have queued the message in Codex by then, which begins the next turn with it, unasked.
        until(lambda: body in model.requests[-1].context, TIMEOUT_S)
        assert len(model.requests) <= 3
    finally:
        print(terminal.screen)
