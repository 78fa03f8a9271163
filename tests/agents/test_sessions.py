"""Each program with hallway installed: on the bus from start to end, shown what it is sent; its answers arrive."""

from __future__ import annotations

import re

import pytest

from agents.machine import PROJECT, Machine
from agents.model import Reply, Request
from agents.programs import Program
from support import until

TASK, QUESTION = "mend the login form", "Which of the forms?"
PATH = ["active", "working", "idle", "ended"]


def asked_by(peer: str, request: Request) -> str:
    """The id of a peer's request that the model was shown, read from what it was shown."""
    found = re.search(rf"- (?:urgent )?request ([\w-]+) \W*{peer}", request.context)
    assert found, f"the model was shown no request of {peer}'s: …{request.context[-3000:]}"
    return found[1]


def path_of(machine: Machine, session_id: str) -> list[str]:
    """What a session has been, one after the other, as the record of events tells it."""
    events = [event for event in machine.bus.events.read(0, limit=1000) if event.session_id == session_id]
    words = [str(event.data.get("status", event.kind.partition(".")[2])) for event in events]
    return [word for at, word in enumerate(words) if words[at - 1 : at] != [word]]


@pytest.mark.promise("A3")
@pytest.mark.promise("A5")
@pytest.mark.promise("S7")
def test_a_session_is_on_the_bus_from_start_to_end(machine: Machine, program: Program) -> None:
    machine.bus.sessions.register("alice", "alice's session", "human", name="alice")

    def while_it_works(request: Request) -> Reply:
        """The session is there, at work on the prompt; then somebody asks it something."""
        until(lambda: machine.session_of(program).status == "working")  # some ask the model while their hook runs
        session = machine.session_of(program)
        assert (session.agent_type, session.project) == (program.name, PROJECT)
        assert session.current_task == TASK
        assert "alice" in request.context, "the other sessions are shown at the start"
        machine.bus.messages.send("alice", session.session_id, "request", "forms", QUESTION)
        return Reply("I look first.", program.runs("echo looked > made.txt; cat made.txt"))

    def once_it_has_read(request: Request) -> Reply:
        assert QUESTION in request.context
        message_id = asked_by("alice", request)
        return Reply(None, program.hallway("reply", to_message=message_id, body="The one in the header."))

    model = machine.model(while_it_works, once_it_has_read, Reply("Done."))
    machine.prepare(program, model)
    run = machine.run(program, model, f"{TASK}\nand nothing else")

    session = machine.bus.sessions.get(program.session_id(run.output + run.errors))
    assert session.agent_type == program.name
    (answer,) = machine.bus.messages.inbox("alice")
    assert (answer.from_session, answer.body) == (session.session_id, "The one in the header.")
    assert (machine.repository / "made.txt").read_text() == "looked\n"
    until(lambda: machine.bus.sessions.get(session.session_id).ended_at is not None, 10)
    path = [word for word in path_of(machine, session.session_id) if word in PATH]
    assert path == PATH
