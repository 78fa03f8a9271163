"""A turn that ends because the model's API fails: the session idles, with the reason."""

from __future__ import annotations

import shutil

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Failure
from support import until

TIMEOUT_S = 90
BROKEN = Failure(400, "invalid_request_error", "The model is broken.")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.promise("S11")
@pytest.mark.parametrize("name", ["claude-code", "codex", "qwen"])
def test_an_error_of_the_api_ends_the_turn(machine: Machine, name: str) -> None:
    program = needs(name)
    model = machine.model(*[BROKEN] * 20)  # some try again without what they offered first
    machine.prepare(program, model)
    terminal = machine.terminal(program, model, *(program.interface or ()))
    try:
        until(lambda: program.ready in terminal.screen, TIMEOUT_S)
        terminal.enters("mend the login")
        until(lambda: model.requests, TIMEOUT_S)
        until(lambda: (machine.session_of(program).status, machine.session_of(program).reason) == ("idle", "error"), 30)
    finally:
        print(terminal.screen)
