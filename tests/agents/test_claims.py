"""Real clients and a file that another session has claimed: the edit is denied, and the model is shown why (C2)."""

from __future__ import annotations

from typing import Any

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Call, Reply, Request
from agents.programs import Program
from support import until

DENIED = "hallway has stopped this edit"
PATH = "src/cart.py"
QUESTION = "May I have it?"
PATIENT = {"HALLWAY_HOOK_BUDGET_MS": "20000"}  # a slow machine's hook has time
WAIT_S = 60
# The tools that write a file, with their parameters: a path and a text.
WRITERS = {
    "claude-code": ("^Write$", "file_path", "content"),
    "gemini": ("^write_file$", "file_path", "content"),
    "qwen": ("^write_file$", "file_path", "content"),
    "opencode": ("^write$", "filePath", "content"),
    "copilot": ("^create$", "path", "file_text"),
    "pi": ("^write$", "path", "content"),
}


def writes(program: Program, machine: Machine) -> Call:
    """The call of a tool that writes the file; of Codex, which offers the model none, a patch by its shell."""
    if program.name not in WRITERS:
        patch = f"*** Begin Patch\n*** Add File: {PATH}\n+tool\n*** End Patch"
        return program.runs(f"apply_patch <<'EOF'\n{patch}\nEOF")
    tool, path, text = WRITERS[program.name]
    arguments: dict[str, Any] = {path: str(machine.repository / PATH), text: "tool\n"}
    return Call(tool, **arguments)


def overwrites(program: Program, text: str) -> Call:
    return program.runs(f"mkdir -p src && echo {text} > {PATH}")


@pytest.mark.promise("C2")
def test_an_edit_of_a_claimed_file_is_denied_and_the_model_is_shown_why(machine: Machine, program: Program) -> None:
    file = machine.repository / PATH
    machine.variables |= PATIENT
    machine.bus.sessions.register("alice", "alice's agent", "codex", name="checkout", ttl_s=3600)
    claim = machine.bus.claims.claim("alice", ["src/**"], "new prices")

    def read_the_first_denial(request: Request) -> Reply:
        assert request.context.count(DENIED) == 1, request.context[-3000:]
        assert "checkout" in request.context
        assert "new prices" in request.context
        return Reply(None, overwrites(program, "shell"))

    def read_the_second_denial(request: Request) -> Reply:
        assert request.context.count(DENIED) == 2, request.context[-3000:]
        assert not file.exists()
        machine.bus.claims.release("alice", claim.claim_id)
        return Reply(None, overwrites(program, "released"))

    model = machine.model(
        Reply(None, writes(program, machine)), read_the_first_denial, read_the_second_denial, Reply("Done.")
    )
    machine.prepare(program, model)
    machine.run(program, model, "change the prices")
    assert file.read_text() == "released\n"


@pytest.mark.promise("C2")
def test_the_second_of_two_clients_is_denied_asks_and_edits_when_the_first_releases(machine: Machine) -> None:
    claude, codex = needs("claude-code"), needs("codex")
    file = machine.repository / PATH
    machine.variables |= PATIENT
    claims = machine.bus.claims.list_claims

    def release_when_asked(request: Request) -> Reply:
        mine = machine.session_of(claude).session_id
        until(lambda: [each for each in machine.bus.messages.get_messages(mine) if each.body == QUESTION], WAIT_S)
        assert file.read_text() == "first\n"
        until(lambda: claims(state="waiting"), WAIT_S)  # the other one waits for its turn
        return Reply(None, claude.hallway("release"))

    def edit_the_same_file(request: Request) -> Reply:
        until(lambda: file.exists() and claims(state="granted"), WAIT_S)
        return Reply(None, overwrites(codex, "second"))

    def ask_for_it(request: Request) -> Reply:
        assert DENIED in request.context, request.context[-3000:]
        assert "new prices" in request.context
        assert file.read_text() == "first\n"
        holder = machine.session_of(claude).name
        assert holder in request.context
        return Reply(None, codex.hallway("send", to_session=holder, body=QUESTION, type="request"))

    holding = machine.model(
        Reply(None, claude.hallway("claim", paths=[PATH], intent="new prices")),
        Reply(None, overwrites(claude, "first")),
        release_when_asked,
        Reply("Released."),
    )
    wanting = machine.model(
        edit_the_same_file,
        ask_for_it,
        Reply(None, codex.hallway("claim", paths=[PATH], intent="my prices", queue_s=45)),
        Reply(None, overwrites(codex, "second")),
        Reply("Done."),
    )
    machine.prepare(claude, holding)
    machine.prepare(codex, wanting)
    second = machine.start(codex, wanting, "change the prices, too")
    machine.run(claude, holding, "change the prices")
    assert machine.finish(second).status == 0
    wanting.check()
    assert file.read_text() == "second\n"
    kinds = [each.kind for each in machine.bus.events.read(limit=200) if each.kind.startswith("claim.")]
    assert kinds[:4] == ["claim.granted", "claim.queued", "claim.released", "claim.granted"]
