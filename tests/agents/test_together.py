"""Two clients of different makers in one repository talk with each other, and nobody helps them."""

from __future__ import annotations

import re

import pytest

from agents.conftest import needs
from agents.desk import Desk
from agents.model import Reply, Request
from support import until

QUESTION, ANSWER = "Which port does the shop listen on?", "It listens on 7171."


@pytest.mark.promise("M1")
@pytest.mark.promise("M3")
def test_claude_code_asks_and_codex_answers(desk: Desk) -> None:
    claude, codex = needs("claude-code"), needs("codex")
    questions: list[str] = []

    def ask_the_other(request: Request) -> Reply:
        other = re.search(r"session_id\W+([\w-]+)\W[^{}]*?\bcodex\b", request.told)
        assert other, request.told[-2000:]
        return Reply(None, claude.hallway("send", to_session=other[1], body=QUESTION, type="request"))

    def read_the_answer(request: Request) -> Reply:
        assert ANSWER in request.told
        return Reply(f"The other session says: {ANSWER}")

    def answer(request: Request) -> Reply:
        assert QUESTION in request.told
        asked = re.search(r"message_id\W+([\w-]+)", request.told)
        assert asked
        questions.append(asked[1])
        return Reply(None, codex.hallway("reply", to_message=asked[1], body=ANSWER))

    asking = desk.model(
        Reply(None, claude.hallway("sessions")),
        ask_the_other,
        Reply(None, claude.hallway("inbox", wait_s=30)),
        read_the_answer,
    )
    answering = desk.model(Reply(None, codex.hallway("inbox", wait_s=30)), answer, Reply("Answered."))
    desk.prepare(claude, asking)
    desk.prepare(codex, answering)

    waiting = desk.start(codex, answering, "help whoever asks")
    until(lambda: answering.requests)
    run = desk.run(claude, asking, "find out the port")
    assert ANSWER in run.output
    assert desk.finish(waiting).status == 0
    answering.check()

    (delivery,) = desk.bus.messages.deliveries(questions[0])
    assert delivery.acknowledged_at is not None
