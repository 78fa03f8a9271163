"""The checker of histories finds what it is there to find."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hallway.core import errors
from history import History, Op, check_heard, check_key, check_seen, check_task


def wrote(expected: int, value: str, began: float, ended: float, outcome: str = "ok") -> Op:
    result = SimpleNamespace(version=expected + 1)
    return Op("set", "k", "alice", expected, value, began, ended, outcome, result)


def read(version: int, began: float, ended: float) -> Op:
    return Op("get", "k", "alice", began=began, ended=ended, outcome="ok", result=SimpleNamespace(version=version))


GOOD = [wrote(0, "a", 1, 2), wrote(1, "b", 2, 4), wrote(1, "c", 2, 3, "refused"), wrote(2, "d", 5, 9, "unknown")]


def test_a_history_that_can_have_been_is_accepted() -> None:
    check_key(GOOD, [read(1, 1.5, 3), read(2, 4.5, 5), read(3, 6, 7)], {1: "a", 2: "b", 3: "d"})
    check_key(GOOD, [], {1: "a", 2: "b"})


@pytest.mark.parametrize(
    ("ops", "gets", "versions", "said"),
    [
        (GOOD, [], {1: "a"}, "lost"),
        (GOOD, [], {1: "a", 3: "b"}, "missing"),
        (GOOD, [], {1: "a", 2: "c"}, "refused and done"),
        (GOOD, [], {1: "a", 2: "b", 3: "a"}, "done twice"),
        (GOOD, [], {1: "a", 2: "d"}, "another version"),
        ([wrote(0, "a", 5, 6), wrote(1, "b", 1, 2)], [], {1: "a", 2: "b"}, "had ended"),
        (GOOD, [read(1, 6, 7)], {1: "a", 2: "b"}, "back in time"),
        (GOOD, [read(3, 3, 4)], {1: "a", 2: "b", 3: "d"}, "future"),
    ],
)
def test_one_that_cannot_is_not(ops: list[Op], gets: list[Op], versions: dict[int, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_key(ops, gets, versions)


def test_a_task_with_two_winners_is_found() -> None:
    history = History()
    for name in ("alice", "bob"):
        history.record(Op("accept", "t", name), lambda: None)

    def lose() -> None:
        raise errors.AlreadyTaken("taken", owner="alice")

    history.record(Op("accept", "u", "alice"), lambda: None)
    history.record(Op("accept", "u", "bob"), lose)
    check_task(history.of("accept")["u"], "alice")
    with pytest.raises(AssertionError, match="somebody else"):
        check_task(history.of("accept")["t"], "alice")
    with pytest.raises(AssertionError, match="another winner"):
        check_task(history.of("accept")["u"][1:], "bob")


def beat(at: float, ended: float) -> Op:
    return Op("beat", "alice", "alice", value=at, began=at, ended=ended, outcome="ok")


def look(seen: float, began: float, ended: float) -> Op:
    return Op("look", "alice", "bob", began=began, ended=ended, outcome="ok", result=seen)


def test_a_moment_that_falls_is_found() -> None:
    check_seen([beat(1, 2), beat(3, 9)], [look(1.5, 2.5, 4), look(3.5, 4, 5), look(1.5, 3.5, 5)])
    with pytest.raises(AssertionError, match="not so lately"):
        check_seen([beat(1, 2)], [look(3.5, 4, 5), look(1.5, 6, 7)])
    with pytest.raises(AssertionError, match="heartbeat is lost"):
        check_seen([beat(1, 2), beat(3, 4)], [look(1.5, 5, 6)])


def test_an_event_that_a_handler_missed_or_got_twice_is_found() -> None:
    check_heard([4, 5, 6], 6)
    for seqs in ([4, 6], [4, 5], [4, 5, 5, 6], [5, 4, 6], []):
        with pytest.raises(AssertionError, match="handler"):
            check_heard(seqs, 6)
