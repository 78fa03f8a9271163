"""A client that dies without a word is offline at once, not when its time to live is over."""

from __future__ import annotations

import os
import threading
import time

import pytest

from agents.machine import Machine
from agents.model import Reply, Request
from agents.programs import Program
from support import until

WITHIN_S = 5


@pytest.mark.promise("A5")
def test_a_session_whose_processes_are_killed_is_offline_within_seconds(machine: Machine, program: Program) -> None:
    is_over = threading.Event()

    def think(_: Request) -> Reply:
        is_over.wait(60)
        return Reply("Too late.")

    model = machine.model(think)
    machine.prepare(program, model)
    process = machine.start(program, model, "think about it")
    until(lambda: model.requests, 60)
    until(lambda: machine.session_of(program).status == "working")
    session_id = machine.session_of(program).session_id
    os.killpg(process.pid, 9)
    began = time.monotonic()
    until(lambda: machine.bus.sessions.get(session_id).status == "offline", WITHIN_S)
    is_over.set()
    assert time.monotonic() - began < WITHIN_S
    assert machine.bus.sessions.list_sessions() == []
