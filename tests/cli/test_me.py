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


@pytest.mark.promise("S15")
def test_an_agent_that_works_in_another_folder_reads_where_it_writes(team: Person) -> None:
    """The session lives in the shop; its agent's shell has gone to another repository."""
    team.environ |= {"HALLWAY_SESSION": "s1", "HALLWAY_PROJECT": "github.com/acme/site"}
    team.types("memory", "set", "me", "color", "red")
    assert team.gets("memory", "get", "color")["value"] == "red"
    assert [each["key"] for each in team.gets("memory", "search", "red")] == ["color"]
    assert team.types("memory", "clear", "--dry-run").stdout == "Would remove 1 memory key of github.com/acme/shop.\n"
    team.environ.pop("HALLWAY_SESSION")
    assert team.types("memory", "get", "color").returncode == 4
    assert team.gets("memory", "get", "color", "--project", "github.com/acme/shop")["value"] == "red"
