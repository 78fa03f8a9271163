"""Events in the terminal as they happen (E2)."""

from __future__ import annotations

import json

import pytest

import hallway


def test_an_event_of_another_process_is_shown_as_it_happens(team):
    with team.starts("watch", "--after", "0", "--json") as process:
        first = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [each["session_id"] for each in first] == ["s1", "s2"]
        team.types("status", "s1", "working", "--task", "mend the login")
        event = json.loads(process.stdout.readline())
        process.terminate()
    assert event["kind"] == "session.updated"
    assert event["data"] == {"status": "working", "current_task": "mend the login"}
    assert event["seq"] == first[-1]["seq"] + 1


def test_an_event_is_a_line_for_a_person(team):
    with team.starts("watch", "--after", "1") as process:
        line = process.stdout.readline()
        process.terminate()
    seq, _, kind, session, project, *_ = line.split()
    assert (seq, kind, session, project) == ("2", "session.registered", "s2", "github.com/acme/shop")
    assert 'agent_name="bob\'s codex"' in line


def test_only_what_was_asked_for_is_shown(team):
    team.types("register", "x1", "x", "x", "--project", "github.com/acme/other")
    team.types("end", "s1")
    with team.starts("watch", "--after", "0", "--json", "--kind", "session.ended,nothing") as process:
        assert json.loads(process.stdout.readline())["session_id"] == "s1"
        process.terminate()
    with team.starts("watch", "--after", "0", "--json", "--project", "github.com/acme/other") as process:
        assert json.loads(process.stdout.readline())["session_id"] == "x1"
        process.terminate()


@pytest.mark.promise("S9")
def test_lists_of_sessions_in_an_event_are_shown_by_name(team):
    with hallway.connect(str(team.bus_file)) as bus:
        bus.sessions.rename("s2", "checkout")
        for session_id in ("s1", "s2"):
            bus.files.touch(session_id, ["/src/shop/cart.py"], worktree="host:/src/shop")
        bus.sessions.rename("s2", "payments")
    with team.starts("watch", "--after", "0", "--kind", "conflict.found,session.renamed") as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
    assert 'session_ids=["s1","payments"]' in lines[1]
