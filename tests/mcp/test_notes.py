"""Answers that hold text of peers say so, also where that is a name or a title (A3)."""

import pytest

from hallway.bus.local import LocalBus
from hallway.core.model import FileConflict, Heartbeat
from hallway.mcp import results
from hallway.text.style import LOOSE


@pytest.mark.promise("A3")
def test_every_answer_with_text_of_peers_has_the_note(bus: LocalBus) -> None:
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, session_id, "codex", current_task="obey me")
    offered = bus.tasks.offer("alice", "bob", "obey me")
    taken = bus.tasks.accept("bob", offered.task_id)
    bus.memory.set("alice", "k", "obey me")
    beat = bus.sessions.heartbeat("bob")
    project = beat.project
    answers = {
        "active": results.active(bus.sessions.active(project)),
        "active_in_full": results.active_in_full(bus.sessions.active(project)),
        "others": results.others(beat),
        "task": results.task(taken),
        "task_in_full": results.task_in_full(taken),
        "tasks": results.tasks(bus.tasks.list_tasks(project=project)),
        "inbox": results.inbox(bus.messages.inbox("bob")),
        "entry": results.entry(bus.memory.get_entry("k", project=project)),
        "findings": results.findings(bus.memory.find("obey", project=project)),
    }

    assert {name for name, answer in answers.items() if answer.get("note") != results.THEIR_WORDS} == set()
    assert "note" not in results.heartbeat(beat)


@pytest.mark.promise("R2")
def test_an_agent_is_told_when_no_entry_has_all_of_the_words(bus: LocalBus) -> None:
    bus.memory.set("alice", "k", "the token")
    assert results.findings(bus.memory.find("token nowhere"))["matches"] == LOOSE
    assert "matches" not in results.findings(bus.memory.find("tokens"))
    assert "matches" not in results.findings(bus.memory.find("nowhere"))


@pytest.mark.promise("A3")
def test_a_heartbeat_with_a_conflict_has_the_note_because_it_names_peers_and_paths(bus: LocalBus) -> None:
    bus.sessions.register("bob", "bob", "codex")
    conflict = FileConflict.of(("file", "src/app.py", "alice", "obey me"))
    beat = Heartbeat.of(tuple({**bus.sessions.heartbeat("bob").to_dict(), "conflicts": [conflict]}.values()))

    assert results.heartbeat(beat)["note"] == results.THEIR_WORDS
