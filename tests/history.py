"""What clients were told, and whether any order of events explains it: a checker for keys, tasks and moments.

Each operation has the time before which it cannot have happened, the time after which it cannot, and an outcome:
`ok`, `refused`, or `unknown` where no answer came, which may have happened at any time since or never. Versions are
unique and every one is kept, so a history of compare-and-set can be judged exactly: it is one chain.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hallway.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NEVER = float("inf")
CLOCK_S = 0.1  # how exactly a client's clock and the store's agree on one machine


@dataclass
class Op:
    """One operation of one client."""

    kind: str
    of: str  # a key or a task
    by: str
    expected: int = 0
    value: Any = None
    began: float = field(default_factory=time.monotonic)
    ended: float = NEVER
    outcome: str = "unknown"
    result: Any = None


class History:
    """Collects operations from many threads."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self._lock = threading.Lock()

    def record(self, op: Op, call: Callable[[], Any]) -> Op:
        """Run an operation and keep what became of it."""
        with self._lock:
            self.ops.append(op)
        try:
            op.result = call()
            op.outcome, op.ended = "ok", time.monotonic()
        except (errors.AlreadyTaken, errors.NotFound) as error:
            op.result = error
            op.outcome, op.ended = "refused", time.monotonic()
        except errors.HallwayError as error:
            op.result = error  # a fault: it may have been done, or be done yet
        return op

    def of(self, kind: str) -> dict[str, list[Op]]:
        """All operations of a kind, by key or task."""
        found: dict[str, list[Op]] = defaultdict(list)
        for op in self.ops:
            if op.kind == kind:
                found[op.of].append(op)
        return found


def check_key(sets: Iterable[Op], gets: Iterable[Op], versions: dict[int, Any]) -> None:
    """A key's compare-and-sets are one chain, in an order that everybody's clock agrees with."""
    sets = list(sets)
    assert sorted(versions) == list(range(1, len(versions) + 1)), "a version is missing"
    by_value = {op.value: op for op in sets}
    writers = [by_value[versions[version]] for version in sorted(versions)]
    assert len({id(op) for op in writers}) == len(writers), "one set was done twice"
    for version, op in enumerate(writers, 1):
        assert op.expected == version - 1, "a set was done though it expected another version"
        assert op.outcome != "refused", "a set was refused and done"
        assert op.outcome != "ok" or op.result.version == version
    done = {op.value for op in writers}
    assert [op for op in sets if op.outcome == "ok" and op.value not in done] == [], "an accepted set is lost"
    latest = 0.0
    for op in writers:
        assert op.ended > latest, "a set was done before one that had ended when it began"
        latest = max(latest, op.began)
    for get in gets:
        if get.outcome == "ok":
            before = [version for version, op in enumerate(writers, 1) if op.ended < get.began]
            assert get.result.version >= max(before, default=0), "a read went back in time"
            assert writers[get.result.version - 1].began < get.ended, "a read saw the future"


def check_task(accepts: Iterable[Op], owner: str | None) -> None:
    """A task has one winner, whom all the others were told."""
    accepts = list(accepts)
    winners = {op.by for op in accepts if op.outcome == "ok"}
    assert winners <= {owner}, "a task was won by somebody else than owns it"
    told = {op.result.details["owner"] for op in accepts if op.outcome == "refused"}
    assert told <= {owner}, "somebody was told another winner"
    if owner is not None:
        assert owner in {op.by for op in accepts if op.outcome != "refused"}, "the owner never tried"


def check_seen(beats: Iterable[Op], looks: Iterable[Op]) -> None:
    """A session's `last_seen` never falls, and is no earlier than any heartbeat that was answered before the look."""
    looks = sorted((op for op in looks if op.outcome == "ok"), key=lambda op: op.began)
    beats = sorted((op for op in beats if op.outcome == "ok"), key=lambda op: op.ended)
    ended = sorted(looks, key=lambda op: op.ended)
    highest = answered = 0.0
    for look in looks:
        while ended and ended[0].ended < look.began:
            highest = max(highest, ended.pop(0).result)
        while beats and beats[0].ended < look.began:
            answered = max(answered, beats.pop(0).value)
        assert look.result >= highest, "a session was seen, and then not so lately"
        assert look.result >= answered - CLOCK_S, "an answered heartbeat is lost"


def check_heard(seqs: list[int], last: int) -> None:
    """A handler was called with every event since it began, each once, in order."""
    assert seqs, "a handler was never called"
    assert seqs == list(range(seqs[0], last + 1)), "a handler missed an event, or got one twice"
