"""Tasks as a person types and reads them."""

from __future__ import annotations

import pytest


@pytest.fixture
def task_id(team):
    return team.gets("task", "offer", "me", "s1", "Mend the login", "It forgets\nwho is logged in.")["task_id"]


def test_an_offer_says_to_whom_and_under_which_id(team):
    said = team.types("task", "offer", "me", "*", "Mend the login").stdout
    (task,) = team.gets("task", "list")
    assert said == f"◇ offered to everybody: Mend the login  {task['task_id']}\n"
    assert [message["type"] for message in team.gets("inbox", "s1")] == ["task_offer"]


def test_who_is_too_late_is_told_who_was_first(team):
    task_id = team.gets("task", "offer", "me", "*", "Mend the login")["task_id"]
    assert team.types("task", "accept", "s2", task_id).stdout.startswith("● accepted by s2: Mend the login")
    done = team.types("task", "accept", "s1", task_id)
    assert done.returncode == 5
    assert f"was accepted by {team.gets('show', 's2')['name']} (s2)" in done.stderr
    assert "hint: See how it is now: hallway task show TASK" in done.stderr


def test_a_task_goes_from_hand_to_hand_and_is_done(team, task_id):
    team.types("task", "accept", "s1", task_id)
    handed = team.types("task", "handoff", "s1", task_id, "s2", "Only the tests are left.").stdout
    assert handed.startswith("● accepted by s1, who hands it to s2: ")
    assert team.gets("inbox", "s2")[-1]["body"] == "Only the tests are left."
    team.types("task", "accept", "s2", task_id)
    assert team.types("task", "complete", "s2", task_id, "Done,\nwith tests.").stdout.startswith("✓ completed by s2: ")
    text = team.types("task", "show", task_id).stdout
    for fact in (
        "✓ completed (is done)",
        "from     user:alice",
        "owner    s2",
        "  It forgets\n  who is logged in.\n",
        "result\n  Done,\n  with tests.\n",
    ):
        assert fact in text


def test_a_task_may_be_called_off(team, task_id):
    assert team.types("task", "cancel", "s2", task_id).returncode == 5
    assert team.types("task", "cancel", "me", task_id, "not needed").stdout.startswith("× cancelled: Mend the login")


def test_the_list_has_what_is_open_and_more_when_asked(team, task_id):
    other = team.gets("task", "offer", "s1", "s2", "Review it")["task_id"]
    team.types("task", "accept", "s1", task_id)
    headings, first, second = team.types("task", "list").stdout.splitlines()
    assert headings.split() == ["STATUS", "SUBJECT", "FROM", "OFFERED", "TO", "OWNER", "AGE", "TASK"]
    assert first.split()[:6] == ["◇", "offered", "Review", "it", "s1", "s2"]
    assert second.split()[:7] == ["●", "accepted", "Mend", "the", "login", "user:alice", "s1"]
    team.types("task", "complete", "s1", task_id)
    team.types("task", "cancel", "s1", other)
    assert team.types("task", "list").stdout == "No task is open.\nThose that are done: hallway task list --all\n"
    assert {task["status"] for task in team.gets("task", "list", "--all")} == {"completed", "cancelled"}
    assert [task["task_id"] for task in team.gets("task", "list", "--status", "cancelled")] == [other]
    assert [task["task_id"] for task in team.gets("task", "list", "--owner", "s1", "--all")] == [task_id]
    assert "No task fits" in team.types("task", "list", "--owner", "s2").stdout


def test_a_full_page_tells_how_to_get_the_next(team, task_id):
    team.types("task", "offer", "me", "s1", "Another")
    words = team.types("task", "list", "--limit", "1").stdout.partition("add ")[2].split()
    assert [task["task_id"] for task in team.gets("task", "list", "--limit", "1", *words)] == [task_id]
