"""Real clients of two vendors write one file in two worktrees: each is told of it once (C3)."""

from __future__ import annotations

import subprocess

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Call, Reply, Request
from support import until

CONFLICT = "- conflict with"
PATH = "cart.py"
PATIENT = {"HALLWAY_HOOK_BUDGET_MS": "20000"}  # a slow machine's hook has time
WAIT_S = 60


@pytest.mark.promise("C3")
def test_clients_of_two_vendors_in_two_worktrees_are_each_told_once(machine: Machine) -> None:
    claude, qwen = needs("claude-code"), needs("qwen")
    machine.variables |= PATIENT
    other = machine.repository.parent / "shop-login"
    who = ("-c", "user.name=alice", "-c", "user.email=alice@example.com")
    for words in (
        ("init", "-q", "-b", "main"),
        ("commit", "-q", "--allow-empty", "-m", "first"),
        ("worktree", "add", "-q", "-b", "login", str(other)),
    ):
        subprocess.run(["git", *who, *words], cwd=machine.repository, check=True, capture_output=True, timeout=60)

    def go_on_when_both_wrote(request: Request) -> Reply:
        until(lambda: machine.bus.conflicts.find(), WAIT_S)
        return Reply(None, claude.runs("true"))

    def write_the_same_file(request: Request) -> Reply:
        until(lambda: machine.bus.files.touched(), WAIT_S)
        return Reply(None, Call("^write_file$", file_path=str(machine.repository / PATH), content="his\n"))

    def read_once(request: Request) -> Reply:
        assert request.context.count(CONFLICT) == 1, request.context[-3000:]
        assert "same file, other worktree" in request.context
        return Reply("Done.")

    first = machine.model(
        Reply(None, Call("^Write$", file_path=str(other / PATH), content="hers\n")),
        go_on_when_both_wrote,
        read_once,
    )
    second = machine.model(write_the_same_file, read_once)
    machine.prepare(claude, first)
    machine.prepare(qwen, second)
    process = machine.start(claude, first, "change the prices", folder=other)
    machine.run(qwen, second, "change the prices, too")
    assert machine.finish(process).status == 0
    first.check()
    kinds = [each.kind for each in machine.bus.events.read(limit=200) if each.kind == "conflict.found"]
    assert len(kinds) == 1
