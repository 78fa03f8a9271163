"""A project moves to another name as a whole, and back exactly."""

from __future__ import annotations

from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from hallway.core.errors import InvalidInput, ProjectNotFound
from hallway.services.projects import KEEP_MOVES_S
from support import Here, all_events, kinds
from test_transfer import everything, rows

OLD, NEW = Here.project, "github.com/acme/store"
DATA = ("sessions", "messages", "deliveries", "tasks", "files", "memory_keys", "memory_entries", "memory_index")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus on which a bit of everything is filed under the old name, and a session elsewhere."""
    bus.sessions.register("alice", "alice's agent", "claude-code")
    bus.sessions.register("bob", "bob's agent", "codex")
    bus.sessions.register("carol", "carol's agent", "gemini", project="github.com/acme/bank")
    sent = bus.messages.send("alice", "bob", "request", "look", "which cart?")
    bus.messages.reply("bob", sent.message_id, "this one")
    bus.messages.broadcast("alice", "all", "hear")
    bus.tasks.offer("alice", "bob", "review the cart")
    bus.files.touch("alice", ["/shop/cart.py"])
    bus.memory.set("alice", "database", "the zebra table", tags=["sql"])
    bus.memory.set("bob", "database", "the zebra table has stripes")
    bus.memory.set("alice", "gone", 1), bus.memory.delete("gone")
    bus.memory.set("carol", "database", "an elephant")
    bus.sessions.end("bob")
    return bus


def data(bus: LocalBus) -> dict[str, list[dict[str, Any]]]:
    """All that the bus holds but the record and the moves."""
    counted = {"projects": [row for row in rows(bus, "projects") if row["live"]]}
    counted["message_totals"] = [row for row in rows(bus, "message_totals") if row["total"]]
    return {**counted, **{table: rows(bus, table) for table in DATA}}


@pytest.mark.promise("R5")
def test_everything_of_a_project_is_under_the_new_name_and_is_found_there(shop: LocalBus) -> None:
    moved = shop.projects.move(OLD, NEW)
    assert moved.moved == {"sessions": 2, "messages": 5, "tasks": 1, "memory": 2, "files": 1}
    for table in ("sessions", "messages", "tasks", "files", "memory_keys"):
        assert OLD not in {row["project"] for row in rows(shop, table)}
    assert {each.session_id for each in shop.sessions.list_sessions(project=NEW, include_offline=True)} == {
        "alice",
        "bob",
    }
    assert shop.sessions.active(project=NEW).total == 1
    assert shop.sessions.active(project=OLD).total == 0
    [hit] = shop.memory.find("stripes", project=NEW)
    assert (hit.key, hit.version) == ("database", 2)
    assert [each.key for each in shop.memory.get_by_tags(["sql"], project=NEW)] == []  # the newest version has none
    assert shop.memory.find("stripes", project=OLD) == shop.memory.find(project=OLD) == []
    assert len(shop.memory.get_all("database", project=NEW)) == 2
    assert [each.subject for each in shop.tasks.list_tasks(project=NEW)] == ["review the cart"]
    assert shop.stats(NEW).messages.total == 5
    assert shop.stats(OLD).messages.total == 0
    assert shop.stats(NEW).messages.size_bytes > 0
    assert shop.stats(OLD).messages.size_bytes == 0
    assert shop.memory.get("database", project="github.com/acme/bank") == "an elephant"


def test_a_session_goes_on_where_it_was_moved_to(shop: LocalBus) -> None:
    shop.projects.move(OLD, NEW)
    assert shop.sessions.heartbeat("alice").project == NEW
    assert [each.subject for each in shop.messages.inbox("bob")] == ["all", "review the cart"]
    shop.memory.set("alice", "gone", 2)
    assert shop.memory.get_entry("gone", project=NEW).version == 2  # a number is never given out twice


def test_a_move_is_one_event_and_leaves_the_record_as_it_was(shop: LocalBus) -> None:
    before = all_events(shop)
    moved = shop.projects.move(OLD, NEW).moved
    assert all_events(shop)[:-1] == before
    event = all_events(shop)[-1]
    assert (event.kind, event.project) == ("project.moved", NEW)
    assert event.data == {"old_project": OLD, "new_project": NEW, "moved": moved}


@pytest.mark.promise("R5")
def test_undoing_a_move_restores_everything_exactly(shop: LocalBus) -> None:
    before = data(shop)
    shop.projects.move(OLD, NEW)
    assert data(shop) != before
    undone = shop.projects.undo(OLD, NEW)
    assert undone.is_undo
    assert undone.moved == {"sessions": 2, "messages": 5, "tasks": 1, "memory": 2, "files": 1}
    assert data(shop) == before
    assert rows(shop, "project_moves") == rows(shop, "moved_records") == []
    assert kinds(shop)[-1] == "project.move_undone"
    assert [hit.key for hit in shop.memory.find("stripes", project=OLD)] == ["database"]


def test_undoing_takes_back_what_was_moved_and_leaves_what_the_new_project_has_of_its_own(shop: LocalBus) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", project=NEW)
    shop.memory.set("dave", "theirs", 1)
    before = data(shop)
    shop.projects.move(OLD, NEW)
    shop.memory.set("dave", "later", 2)
    shop.projects.undo(OLD, NEW)
    assert {each.key for each in shop.memory.find(project=NEW)} == {"theirs", "later"}
    shop.memory.delete("later", project=NEW)
    assert data(shop)["sessions"] == before["sessions"]
    assert data(shop)["projects"] == before["projects"]
    assert [row for row in data(shop)["memory_keys"] if row["key"] != "later"] == before["memory_keys"]


@pytest.mark.promise("R5")
def test_of_a_key_that_both_have_neither_entry_is_overwritten(shop: LocalBus) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", project=NEW)
    shop.memory.set("dave", "database", "postgres")
    moved = shop.projects.move(OLD, NEW)
    assert moved.moved["memory"] == 1
    assert moved.shared_total == 1
    assert moved.shared_keys == ["database"]
    assert shop.memory.get("database", project=NEW) == "postgres"
    assert shop.memory.get("database", project=OLD) == "the zebra table has stripes"
    assert [hit.key for hit in shop.memory.find("stripes", project=OLD)] == ["database"]
    again = shop.projects.move(OLD, NEW)
    assert again.moved == {}
    assert again.shared_keys == ["database"]
    assert kinds(shop).count("project.moved") == 1  # the second one has changed nothing
    shop.memory.delete("database", project=NEW)
    assert shop.projects.move(OLD, NEW).shared_keys == ["database"]  # a number is never given out twice


def test_a_key_that_was_set_again_under_the_old_name_is_not_overwritten_by_undoing(shop: LocalBus) -> None:
    shop.projects.move(OLD, NEW)
    shop.sessions.register("dave", "dave's agent", "codex", project=OLD)
    shop.memory.set("dave", "database", "postgres")
    undone = shop.projects.undo(OLD, NEW)
    assert undone.shared_keys == ["database"]
    assert undone.moved["memory"] == 1
    assert shop.memory.get("database", project=OLD) == "postgres"
    assert shop.memory.get("database", project=NEW) == "the zebra table has stripes"


def test_of_a_file_that_a_session_wrote_under_both_names_both_rows_stay(shop: LocalBus) -> None:
    shop.sessions.heartbeat("alice", project=NEW, move=True)
    shop.files.touch("alice", ["/shop/cart.py", "/shop/new.py"])
    shop.sessions.heartbeat("alice", project=OLD, move=True)
    before = data(shop)
    assert "files" not in shop.projects.move(OLD, NEW).moved
    assert {(each.project, each.path) for each in shop.files.touched()} == {
        (OLD, "/shop/cart.py"),
        (NEW, "/shop/cart.py"),
        (NEW, "/shop/new.py"),
    }
    shop.projects.undo(OLD, NEW)
    assert data(shop) == before


def test_a_dry_run_counts_the_same_and_changes_nothing(shop: LocalBus) -> None:
    before = everything(shop)
    tried = shop.projects.move(OLD, NEW, dry_run=True)
    assert everything(shop) == before
    assert rows(shop, "project_moves") == []
    assert tried.is_dry_run
    assert tried.moved == shop.projects.move(OLD, NEW).moved
    before = everything(shop)
    assert shop.projects.undo(OLD, NEW, dry_run=True).moved == tried.moved
    assert everything(shop) == before
    assert shop.projects.undo(OLD, NEW).moved == tried.moved


def test_moves_are_taken_back_one_after_the_other_the_newest_first(shop: LocalBus) -> None:
    shop.projects.move(OLD, NEW)
    shop.sessions.register("dave", "dave's agent", "codex", project=OLD)
    shop.projects.move(OLD, NEW)
    assert shop.projects.undo(OLD, NEW).moved == {"sessions": 1}
    assert shop.projects.undo(OLD, NEW).moved["sessions"] == 2
    with pytest.raises(ProjectNotFound):
        shop.projects.undo(OLD, NEW)


def test_records_that_went_on_to_a_third_project_or_were_removed_stay_so(shop: LocalBus) -> None:
    shop.projects.move(OLD, NEW)
    shop.sessions.heartbeat("alice", project="third", move=True)
    shop.memory.delete("database", project=NEW)
    shop.projects.undo(OLD, NEW)
    assert shop.sessions.get("alice").project == "third"
    assert shop.sessions.get("bob").project == OLD
    assert shop.memory.find(project=OLD) == []


def test_a_project_with_nothing_in_it_is_an_error_with_near_names(shop: LocalBus) -> None:
    before = everything(shop)
    with pytest.raises(ProjectNotFound, match="nothing is stored") as missing:
        shop.projects.move("github.com/acme/shopp", NEW)
    assert OLD in missing.value.details["near"]
    with pytest.raises(InvalidInput):
        shop.projects.move(OLD, OLD)
    with pytest.raises(ProjectNotFound, match="no move from"):
        shop.projects.undo(OLD, NEW)
    assert everything(shop) == before
    assert rows(shop, "project_moves") == []


def test_tokens_that_do_not_see_the_new_project_are_named_and_get_no_more_rights(shop: LocalBus) -> None:
    shop.tokens.create("alice", projects=[OLD])
    shop.tokens.create("bob", projects=[OLD, NEW])
    shop.tokens.create("carol")
    shop.tokens.create("dave", projects=[OLD]), shop.tokens.revoke("dave")
    assert shop.projects.move(OLD, NEW).tokens == ["alice"]
    assert {each.name: each.projects for each in shop.tokens.list_tokens()}["alice"] == [OLD]


def test_a_move_can_be_taken_back_for_thirty_days(shop: LocalBus, clock: FakeClock) -> None:
    shop.projects.move(OLD, NEW)
    clock.advance(KEEP_MOVES_S - 1)
    shop.prune(0)
    assert len(rows(shop, "project_moves")) == 1
    clock.advance(1)
    shop.prune(0)
    assert rows(shop, "project_moves") == rows(shop, "moved_records") == []
    assert SECOND == 1_000_000


def test_the_statistics_of_a_project_follow_when_messages_go_afterwards(shop: LocalBus, clock: FakeClock) -> None:
    shop.projects.move(OLD, NEW)
    clock.advance(100)
    shop.messages.acknowledge("bob", [each.message_id for each in shop.messages.inbox("bob")])
    shop.messages.acknowledge("alice", [each.message_id for each in shop.messages.inbox("alice")])
    shop.prune(0)
    assert shop.stats(NEW).messages.size_bytes == 0
