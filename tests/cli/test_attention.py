"""What needs a person, on the command line: `hallway` alone, attention, answer, dismiss and nudge (H1, H2)."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import apsw
import pytest

from cli.test_terminal import HOSTILE
from support import until

if TYPE_CHECKING:
    from cli.person import Person


@pytest.fixture
def team(person: Person) -> Person:
    """A person on a bus with two sessions, of which one waits."""
    person.types("register", "s1", "alice's claude", "claude-code", "--name", "login")
    person.types("register", "s2", "bob's codex", "codex", "--user", "bob", "--status", "waiting", "--name", "cart")
    return person


def items(person: Person) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(person.types("attention", "--json").stdout)["items"]
    return found


@pytest.mark.promise("H1")
def test_hallway_alone_says_that_all_is_clear_and_how_to_connect_agents(person: Person) -> None:
    done = person.types()
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        "All clear.",
        "No session is here yet. Connect your coding agents:",
        "  hallway install",
    ]
    found = json.loads(person.types("--json").stdout)
    assert (found["attention"]["items"], found["working"]) == ([], [])


@pytest.mark.promise("H1")
def test_hallway_alone_says_what_needs_attention_and_who_works(team: Person) -> None:
    team.types("status", "s1", "working", "--task", "mend the login")
    team.types(
        "register", "s3", "carol's gemini", "gemini", "--status", "idle", "--reason", "done", "--detail", "Done."
    )
    text = team.types().stdout
    assert [line for line in text.splitlines() if line[:1].isupper()] == [
        "Needs attention (1)",
        "Working (1)",
        "Finished (1)",
        "To answer: hallway answer ITEM TEXT. To take it off: hallway dismiss ITEM",
    ]
    assert " cart " in text
    assert "mend the login" in text
    fully = team.types("--url", str(team.home)).stdout  # through the whole parser
    assert [line.split()[:3] for line in fully.splitlines()] == [line.split()[:3] for line in text.splitlines()]


@pytest.mark.promise("H2")
def test_an_item_is_answered_by_the_beginning_of_its_id(team: Person) -> None:
    team.types("send", "s1", "user:alice", "Which port?", "--type", "request")
    (item,) = [each for each in items(team) if each["kind"] == "request"]
    done = team.types("answer", str(item["item_id"])[:6], "5432")
    assert done.stdout == "Sent to login, who is active. It has not picked it up yet.\n"
    (message,) = json.loads(team.types("inbox", "s1", "--json").stdout)
    assert (message["body"], message["from_session"], message["type"]) == ("5432", "user:alice", "response")
    assert "ago, not yet picked up) Which port?" in team.types("attention").stdout


@pytest.mark.promise("H2")
def test_a_dismissal_says_how_to_undo_it(team: Person) -> None:
    (item,) = items(team)
    done = team.types("dismiss", str(item["item_id"])[:4])
    assert done.stdout.splitlines()[0] == "Dismissed ? question  cart: asks a question"
    assert team.types("attention").stdout == "All clear.\n"
    undo = done.stdout.splitlines()[1].removeprefix("To undo it: hallway ").split()
    assert team.types(*undo).stdout == "Back on the list: ? question  cart: asks a question\n"
    assert len(items(team)) == 1


def test_a_permission_says_where_it_is_answered(team: Person) -> None:
    team.types("status", "s2", "waiting", "--reason", "permission", "--detail", "Bash: ls")
    (item,) = items(team)
    done = team.types("answer", str(item["item_id"]), "yes")
    assert done.returncode == 3
    assert "cart asks for a permission in its own terminal, and codex takes no answer from elsewhere" in done.stderr


def test_the_way_to_a_terminal_is_told_for_what_is_answered_there(team: Person) -> None:
    terminal = {"terminal": {"program": "kitty", "tty": "/dev/pts/3", "pid": 7, "folder": "/src/shop"}}
    team.types("register", "s2", "bob's codex", "codex", "--metadata", json.dumps(terminal))
    team.types("status", "s2", "waiting", "--reason", "permission", "--detail", "Bash: ls")
    done = team.types("answer", str(items(team)[0]["item_id"]), "yes")
    assert done.stderr.splitlines()[1] == "hint: Answer it there: kitty, /dev/pts/3, process 7, in /src/shop"
    team.types("status", "s2", "waiting", "--reason", "question", "--detail", "Which port?")
    done = team.types("answer", str(items(team)[0]["item_id"]), "5432")
    assert "answer it in its terminal: kitty, /dev/pts/3, process 7, in /src/shop" in done.stdout


def test_an_unknown_item_is_an_error_with_the_next_command(team: Person) -> None:
    done = team.types("dismiss", "ffff")
    assert done.returncode == 4
    assert "hint: See them: hallway attention" in done.stderr


def test_a_stuck_session_is_nudged(team: Person) -> None:
    team.types("status", "s1", "working")
    found: list[dict[str, object]] = []

    def is_stuck() -> bool:
        done = team.types("attention", "--json", HALLWAY_STUCK_AFTER="1s")
        found[:] = [each for each in json.loads(done.stdout)["items"] if each["kind"] == "stuck"]
        return bool(found)

    until(is_stuck)
    done = team.types("nudge", str(found[0]["item_id"]), "Still there?", HALLWAY_STUCK_AFTER="1s")
    assert done.stdout.startswith("Sent to login")
    assert json.loads(team.types("inbox", "s1", "--json").stdout)[-1]["body"] == "Still there?"


def test_the_list_is_shown_again_when_it_changes(team: Person) -> None:
    with team.starts("attention", "--watch", "--json") as process:
        assert [each["kind"] for each in json.loads(process.stdout.readline())["items"]] == ["question"]
        team.types("send", "s1", "user:alice", "Which port?", "--type", "request")
        assert len(json.loads(process.stdout.readline())["items"]) == 2
        team.types("status", "s2", "working")
        assert [each["kind"] for each in json.loads(process.stdout.readline())["items"]] == ["request"]
        process.terminate()


@pytest.mark.promise("A3")
def test_no_text_of_a_session_reaches_the_terminal_as_it_is(person: Person) -> None:
    person.types("register", "s1", "alice's claude", "codex", "--branch", "main")
    person.types("send", "s1", "user:alice", "Which port?", "--type", "request")
    with closing(apsw.Connection(str(person.bus_file))) as connection:
        connection.execute(
            "UPDATE sessions SET agent_name = ?1, agent_type = ?1, branch = ?1, project = ?1", (HOSTILE,)
        )
        connection.execute("UPDATE messages SET subject = ?1, project = ?1", (HOSTILE,))
    (item,) = items(person)
    for words in ((), ("attention",), ("answer", str(item["item_id"]), "no"), ("dismiss", str(item["item_id"]))):
        text = person.types(*words).stdout
        assert text
        assert "\x1b" not in text
        assert "\u202e" not in text
