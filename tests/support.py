"""Small helpers that several test files share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from hallway.bus.base import Bus
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.model import Event, Message
from hallway.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from hallway.store.postgres.store import PostgresStore

T = TypeVar("T")

STORES = ("sqlite", "postgres")
PATIENCE_S = 60.0  # how long a slow machine may take for what is quick


class Here:
    """Where the tests' callers say they run."""

    project = "github.com/acme/shop"
    branch = "main"
    location = "host:/src/shop"
    user = "alice"
    suggested_name = None
    session_id = None


def store_at(address: str, clock: FakeClock | None = None) -> SQLiteStore | PostgresStore:
    """The store at an address: a file's path, or a database's URL."""
    if "://" not in address:
        return SQLiteStore(address, clock=clock)
    from hallway.store.postgres.store import PostgresStore  # which takes longer to import than most workers live

    return PostgresStore(address, clock=clock)


def open_store(address: str) -> LocalBus:
    """A bus at an address, at its store's own time."""
    return LocalBus(store_at(address), Here())


def waits(bus: LocalBus, topic: str) -> int:
    """How many wait for a topic that begins so, and would be woken."""
    if isinstance(bus.store, SQLiteStore):
        return len(list(Path(bus.store.wake_folder).glob(f"{topic}*")))
    listening = "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN \"hallway_' || current_schema() || '\"'"
    return len(bus.store._connection.execute(listening).fetchall())


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop in a thread of its own: a browser's tests leave theirs running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def sampled(values: Iterable[Any], one_in: int = 4) -> list[Any]:
    """Parameters of a long matrix: one in so many for `make test`, the others only for `make test-all`."""
    return [
        each if number % one_in == 0 else pytest.param(each, marks=pytest.mark.slow)
        for number, each in enumerate(values)
    ]


def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait for something to become true; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not true after {within_s:g} s"
        time.sleep(0.005)


def kinds(bus: LocalBus, session_id: str | None = None) -> list[str]:
    """The kinds of all events, or of one session's, in order."""
    return [event.kind for event in all_events(bus) if session_id in (None, event.session_id)]


def all_events(bus: LocalBus) -> list[Event]:
    events: list[Event] = []
    while page := bus.events.read(events[-1].seq if events else 0, limit=1000):
        assert not events or page[0].seq > events[-1].seq
        events += page
    return events


def all_messages(bus: Bus, name: str) -> list[Message]:
    """Everything that a session or person received, page by page."""
    found: list[Message] = []
    while page := bus.messages.get_messages(name, after=found[-1].seq if found else 0, limit=1000):
        found += page
    return found


def live_ids(bus: LocalBus, **filters: object) -> set[str]:
    return {session.session_id for session in bus.sessions.list_sessions(**filters)}


def measured() -> dict[str, str]:
    """Return the variables by which `make coverage` reaches a process with an environment of its own."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def start_worker(function: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a function of workers.py in a process of its own, with pipes for standard input and output."""
    script = str(Path(__file__).with_name("workers.py"))
    return subprocess.Popen(
        [sys.executable, script, function, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def start_together(workers: list[subprocess.Popen[str]]) -> None:
    """Let workers that wait in `ready` go, once all of them are there."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()


def answer_of(worker: subprocess.Popen[str]) -> str:
    """What a worker printed last, once it has ended well."""
    output, _ = worker.communicate(timeout=300)
    assert worker.returncode == 0
    return output.strip().rpartition("\n")[2]
