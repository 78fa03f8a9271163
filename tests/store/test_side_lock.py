"""The side lock lets writers write in turn: who has released it lets others run first, but only if one has waited."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hallway.store import lock
from hallway.store.lock import SideLock

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(lock.fcntl is None, reason="there is no flock here")
GREEDY = """
import sys, time
from hallway.store.lock import SideLock
own = SideLock(sys.argv[1])
end = time.monotonic() + 60
print("begins", flush=True)
while time.monotonic() < end:
    assert own.acquire(5)
    until = time.perf_counter() + 0.001
    while time.perf_counter() < until:
        pass
    own.release()
"""


@pytest.fixture
def yields(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with each time that this process lets others run."""
    counted: list[None] = []
    monkeypatch.setattr(os, "sched_yield", lambda: counted.append(None))
    return counted


def lets_others_run(own: SideLock, yields: list[None]) -> bool:
    before = len(yields)
    assert own.acquire(1)
    own.release()
    return len(yields) > before


def test_a_release_lets_others_run_only_while_one_may_wait(tmp_path: Path, yields: list[None]) -> None:
    path = tmp_path / "bus.db.lock"
    own, other = SideLock(str(path)), SideLock(str(path))
    long_ago = time.time() - 2 * lock.YIELD_FOR_S
    os.utime(path, (long_ago, long_ago))
    assert not lets_others_run(own, yields)
    assert own.acquire(1)
    assert not other.acquire(0.05)  # it says that it waits
    own.release()
    assert len(yields) == 1
    assert lets_others_run(own, yields)
    os.utime(path, (long_ago, long_ago))
    assert not lets_others_run(own, yields)
    for each in (own, other):
        each.close()


def test_a_clock_that_was_set_back_costs_nobody_a_turn(tmp_path: Path, yields: list[None]) -> None:
    path = tmp_path / "bus.db.lock"
    own = SideLock(str(path))
    later = time.time() + 3600
    os.utime(path, (later, later))
    assert lets_others_run(own, yields)
    own.close()


def test_a_process_that_takes_the_lock_again_at_once_leaves_turns_to_others(tmp_path: Path) -> None:
    path = str(tmp_path / "bus.db.lock")
    greedy = subprocess.Popen([sys.executable, "-c", GREEDY, path], stdout=subprocess.PIPE, text=True)
    try:
        assert greedy.stdout is not None
        greedy.stdout.readline()
        own = SideLock(path)
        for _ in range(50):
            assert own.acquire(30)
            own.release()
            time.sleep(0.002)
        assert greedy.poll() is None
        own.close()
    finally:
        greedy.kill()
        greedy.wait()
        greedy.stdout.close()
