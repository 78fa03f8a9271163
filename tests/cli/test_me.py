"""`me` is who types: the session whose agent runs the command, else the person at the machine."""

from __future__ import annotations

import pytest

from cli.person import Person


@pytest.mark.promise("S7")
@pytest.mark.parametrize("variable", ["CLAUDE_CODE_SESSION_ID", "HALLWAY_SESSION"])
def test_an_agents_command_speaks_as_its_session(team: Person, variable: str) -> None:
    team.environ[variable] = "s1"
    team.types("status", "me", "working", "--task", "mend the login")
    assert team.gets("show", "s1")["status"] == "working"
    team.types("send", "me", "s2", "which port?")
    (message,) = team.gets("inbox", "s2")
    assert message["from_session"] == "s1"
    assert team.gets("heartbeat", "me")["session_id"] == "s1"


def test_a_person_is_no_session(team: Person) -> None:
    done = team.types("heartbeat", "me")
    assert done.returncode == 2
    assert "export HALLWAY_SESSION=ID" in done.stderr
    team.types("send", "me", "s2", "hello")
    (message,) = team.gets("inbox", "s2")
    assert message["from_session"] == "user:alice"
