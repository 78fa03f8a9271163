"""A session in its client's terminal interface that idles is woken by a message and starts a turn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agents.desk import Desk
from agents.model import Reply, Request
from agents.programs import Program
from support import until

BODY = "The tests are red since your last change."


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.promise("A3")
def test_an_idle_session_is_woken_by_a_message(desk: Desk, program: Program) -> None:
    if program.interface is None:
        pytest.skip("the tests do not know how to start its interface")
    desk.bus.sessions.register("alice", "alice's session", "human")

    def woken(request: Request) -> Reply:
        assert BODY in request.told
        assert "not your user" in request.told
        until(lambda: desk.session_of(program).status == "working")
        return Reply("I look into it.")

    model = desk.model(Reply("Ready."), woken)
    desk.prepare(program, model)
    terminal = desk.terminal(program, model, *program.interface)
    try:
        until(lambda: program.ready in terminal.screen, 60)
        terminal.types("are you there?")
        terminal.presses("Enter")
        until(lambda: len(model.requests) == 1, 60)
        until(lambda: "Ready." in terminal.screen, 60)
        until(lambda: desk.session_of(program).status == "idle")
        session_id = desk.session_of(program).session_id
        sent = desk.bus.messages.send("alice", session_id, "request", "tests", BODY)
        until(lambda: len(model.requests) == 2, 10)
        until(lambda: "I look into it." in terminal.screen)
        until(lambda: desk.session_of(program).status == "idle")
        model.check()
    finally:
        print(terminal.screen, model.errors)
    assert [each.state for each in desk.bus.messages.deliveries(sent.message_id)] == ["injected"]
    assert not (Path(desk.bus.folder) / "hooks.log").exists(), "a hook could not do its work"
