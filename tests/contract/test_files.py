"""Who wrote which files, and when last."""

from __future__ import annotations

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.services.files import MAX_FILES
from support import kinds


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    bus.sessions.register("alice", "alice's agent", "claude-code")
    bus.sessions.register("bob", "bob's agent", "codex")
    return bus


def test_a_file_is_one_row_for_each_session_however_often_it_was_written(team: LocalBus, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(1)
        team.files.touch("alice", ["/shop/cart.py"])
    team.files.touch("bob", ["/shop/cart.py", "/shop/login.py"])
    assert {(each.path, each.session_id) for each in team.files.touched()} == {
        ("/shop/cart.py", "alice"),
        ("/shop/cart.py", "bob"),
        ("/shop/login.py", "bob"),
    }
    assert {each.at.timestamp() * 1_000_000 for each in team.files.touched()} == {clock.now()}
    assert [each.session_id for each in team.files.touched(path="/shop/login.py")] == ["bob"]


def test_what_was_written_long_ago_is_not_asked_for(team: LocalBus, clock: FakeClock) -> None:
    team.files.touch("alice", ["/shop/cart.py"])
    clock.advance(3600)
    team.files.touch("bob", ["/shop/login.py"])
    assert [each.path for each in team.files.touched(within_s=3599)] == ["/shop/login.py"]
    assert len(team.files.touched(within_s=3600)) == 2


def test_a_session_that_rewrites_a_tree_keeps_the_newest(team: LocalBus, clock: FakeClock) -> None:
    team.files.touch("bob", ["/shop/mine.py"])
    for part in range(7):
        clock.advance(1)
        team.files.touch("alice", [f"/shop/{part}/{number}.py" for number in range(100)])
    found = team.files.touched(session_id="alice", limit=1000)
    assert MAX_FILES <= len(found) < MAX_FILES + 100
    assert {each.path.split("/")[2] for each in found} == {"2", "3", "4", "5", "6"}
    assert len(team.files.touched(session_id="bob")) == 1


def test_what_is_written_is_no_event(team: LocalBus) -> None:
    before = kinds(team)
    team.files.touch("alice", ["/shop/cart.py"])
    assert kinds(team) == before


def test_old_rows_are_pruned(team: LocalBus, clock: FakeClock) -> None:
    team.files.touch("alice", ["/shop/cart.py"])
    clock.advance(100)
    team.files.touch("alice", ["/shop/login.py"])
    assert team.prune(older_than_s=50).removed["files"] == 1
    assert [each.path for each in team.files.touched()] == ["/shop/login.py"]
