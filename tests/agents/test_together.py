"""Two clients of different makers in one repository talk with each other, and nobody helps them."""

from __future__ import annotations

import re

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Reply, Request
from support import until

QUESTION, ANSWER = "Which port does the shop listen on?", "It listens on 7171."


@pytest.mark.promise("M1")
@pytest.mark.promise("M3")
def test_claude_code_asks_and_codex_answers(machine: Machine) -> None:
    claude, codex = needs("claude-code"), needs("codex")
    questions: list[str] = []

    def ask_the_other(request: Request) -> Reply:
        other = re.search(r"session_id\W+([\w-]+)\W[^{}]*?\bcodex\b", request.context)
        assert other, request.context[-2000:]
        return Reply(None, claude.hallway("send", to_session=other[1], body=QUESTION, type="request"))

    def read_the_answer(request: Request) -> Reply:
        assert ANSWER in request.context
        return Reply(f"The other session says: {ANSWER}")

    def answer(request: Request) -> Reply:
        assert QUESTION in request.context
        asked = re.search(r"message_id\W+([\w-]+)", request.context)
        assert asked
        questions.append(asked[1])
        return Reply(None, codex.hallway("reply", to_message=asked[1], body=ANSWER))

    asking = machine.model(
        Reply(None, claude.hallway("sessions")),
        ask_the_other,
        Reply(None, claude.hallway("inbox", wait_s=30)),
        read_the_answer,
    )
    answering = machine.model(Reply(None, codex.hallway("inbox", wait_s=30)), answer, Reply("Answered."))
    machine.prepare(claude, asking)
    machine.prepare(codex, answering)

    waiting = machine.start(codex, answering, "help whoever asks")
    until(lambda: answering.requests)
    run = machine.run(claude, asking, "find out the port")
    assert ANSWER in run.output
    assert machine.finish(waiting).status == 0
    answering.check()

    (delivery,) = machine.bus.messages.deliveries(questions[0])
    assert delivery.acknowledged_at is not None
