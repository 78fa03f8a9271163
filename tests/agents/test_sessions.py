"""Each program with hallway installed: on the bus from start to end, shown what it is sent, heard when it answers."""

from __future__ import annotations

import re

import pytest

from agents.desk import PROJECT, Desk
from agents.model import Reply, Request
from agents.programs import Program
from support import until

TASK, QUESTION = "mend the login form", "Which of the forms?"
PATH = ["active", "working", "idle", "ended"]


def asked_by(peer: str, request: Request) -> str:
    """The id of a peer's request that the model was shown, read from what it was shown."""
    found = re.search(rf"- (?:urgent )?request ([\w-]+) \W*{peer}", request.told)
    assert found, f"the model was shown no request of {peer}'s: …{request.told[-3000:]}"
    return found[1]


def path_of(desk: Desk, session_id: str) -> list[str]:
    """What a session has been, one after the other, as the record of events tells it."""
    told = [event for event in desk.bus.events.read(0, limit=1000) if event.session_id == session_id]
    words = [str(event.data.get("status", event.kind.partition(".")[2])) for event in told]
    return [word for at, word in enumerate(words) if words[at - 1 : at] != [word]]


@pytest.mark.promise("A3")
@pytest.mark.promise("A5")
@pytest.mark.promise("S7")
def test_a_session_is_on_the_bus_from_start_to_end(desk: Desk, program: Program) -> None:
    desk.bus.sessions.register("alice", "alice's session", "human")

    def while_it_works(request: Request) -> Reply:
        """The session is there, at work on the prompt; then somebody asks it something."""
        until(lambda: desk.session_of(program).status == "working")  # some ask the model while their hook runs
        session = desk.session_of(program)
        assert (session.agent_type, session.project) == (program.name, PROJECT)
        assert session.current_task == TASK
        assert "alice" in request.told, "who is here is told at the start"
        desk.bus.messages.send("alice", session.session_id, "request", "forms", QUESTION)
        return Reply("I look first.", program.runs("echo looked > made.txt; cat made.txt"))

    def once_it_has_read(request: Request) -> Reply:
        assert QUESTION in request.told
        message_id = asked_by("alice", request)
        return Reply(None, program.hallway("reply", to_message=message_id, body="The one in the header."))

    model = desk.model(while_it_works, once_it_has_read, Reply("Done."))
    desk.prepare(program, model)
    run = desk.run(program, model, f"{TASK}\nand nothing else")

    session = desk.bus.sessions.get(program.session_id(run.output + run.errors))
    assert session.agent_type == program.name
    (answer,) = desk.bus.messages.inbox("alice")
    assert (answer.from_session, answer.body) == (session.session_id, "The one in the header.")
    assert (desk.repository / "made.txt").read_text() == "looked\n"
    until(lambda: desk.bus.sessions.get(session.session_id).ended_at is not None, 10)
    path = [word for word in path_of(desk, session.session_id) if word in PATH]
    assert path == PATH
