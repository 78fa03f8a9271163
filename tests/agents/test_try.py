"""`hallway try` with real clients: one asks, the other answers, and the command shows both."""

from __future__ import annotations

import re

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Reply, Request
from hallway.cli.try_clients import QUESTION

ANSWER = "It is forty-two."


@pytest.mark.parametrize(("asks", "answers"), [("claude-code", "codex"), ("codex", "claude-code")])
def test_one_client_asks_and_the_other_answers(machine: Machine, asks: str, answers: str) -> None:
    asker, answerer = needs(asks), needs(answers)

    def ask(request: Request) -> Reply:
        name = re.search(r"to the session ([\w-]+)", request.context)
        assert name
        return Reply(None, asker.hallway("send", to_session=name[1], body=QUESTION, type="request"))

    def answer(request: Request) -> Reply:
        asked = re.search(r"message_id\W+([\w-]+)", request.context)
        assert asked, request.context[-2000:]
        return Reply(None, answerer.hallway("reply", to_message=asked[1], body=ANSWER))

    asking = machine.model(ask, Reply(None, asker.hallway("inbox", wait_s=60)), Reply(ANSWER))
    answering = machine.model(Reply(None, answerer.hallway("inbox", wait_s=60)), answer, Reply("Answered."))
    machine.prepare(asker, asking)
    machine.prepare(answerer, answering)
    environs = [asker.environ(machine.home, asking.url), answerer.environ(machine.home, answering.url)]
    machine.variables |= {**environs[0], **environs[1], "PATH": ":".join(each["PATH"] for each in environs)}
    shown = machine.types(asker, "try", asks, answers, "--yes")
    assert QUESTION in shown
    assert ANSWER in shown
    (question,) = [each for each in machine.bus.messages.sent(limit=10) if each.type == "request"]
    assert f"hallway thread {question.message_id}" in shown
