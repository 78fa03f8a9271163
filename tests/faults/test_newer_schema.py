"""A newer hallway migrates the bus while an older one has it open: the older one stops writing, at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.store.migrate import newest_version
from hub.client import Client
from hub.process import HubProcess
from support import all_events, until


def change_schema(bus: LocalBus, by: int) -> None:
    """Do what the last step of a newer hallway's migration does, or undo it."""
    store = bus.store
    with store.write():
        if isinstance(store.path, str) and "://" not in store.path:
            version = newest_version("sqlite") + (by if by > 0 else 0)
            store._connection.execute(f"PRAGMA user_version = {version}")
        elif by > 0:
            store._connection.execute("INSERT INTO hallway_migrations VALUES (%s)", [newest_version("postgres") + by])
        else:
            store._connection.execute("DELETE FROM hallway_migrations WHERE number > %s", [newest_version("postgres")])


@pytest.fixture
def newer(open_bus: Callable[[], LocalBus], monkeypatch: pytest.MonkeyPatch) -> LocalBus:
    """Another connection, whose hallway knows any schema."""
    bus = open_bus()
    bus.store._newest_version = 1000
    return bus


WRITES: dict[str, Callable[[LocalBus], object]] = {
    "a heartbeat without news": lambda bus: bus.sessions.heartbeat("alice"),
    "a heartbeat with news": lambda bus: bus.sessions.heartbeat("alice", current_task="write the tests"),
    "a registration": lambda bus: bus.sessions.register("bob", "agent", "codex"),
    "a message": lambda bus: bus.messages.send("alice", "alice", subject="hello"),
    "a memory entry": lambda bus: bus.memory.set("alice", "plan", "ready"),
}


@pytest.mark.parametrize("write", WRITES)
def test_an_older_hallway_writes_nothing_to_a_bus_that_was_migrated(bus: LocalBus, newer: LocalBus, write: str) -> None:
    bus.sessions.register("alice", "agent", "codex")
    events, seen = all_events(bus), bus.sessions.get("alice").last_seen
    change_schema(newer, 1)
    bus.store.clock.advance(10)
    for _ in range(2):
        with pytest.raises(errors.BusIsNewer, match="this bus is newer") as refused:
            WRITES[write](bus)
    assert "Upgrade" in refused.value.hint
    assert newer.sessions.get("alice").last_seen == seen
    assert all_events(newer) == events
    change_schema(newer, -1)
    WRITES[write](bus)


def test_a_read_that_a_migration_has_broken_says_why(bus: LocalBus, newer: LocalBus) -> None:
    bus.sessions.register("alice", "agent", "codex")
    assert bus.memory.search("plan") == []
    change_schema(newer, 1)
    newer.store._connection.execute("ALTER TABLE memory_entries RENAME TO entries")
    with pytest.raises((errors.BusIsNewer, errors.BusGone)) as refused:
        bus.memory.search("plan")
    assert refused.value.status == 503
    newer.store._connection.execute("ALTER TABLE entries RENAME TO memory_entries")
    change_schema(newer, -1)
    assert bus.memory.search("plan") == []


def test_a_writer_that_waits_for_the_migration_is_refused_after_it(bus: LocalBus, newer: LocalBus) -> None:
    bus.sessions.register("alice", "agent", "codex")
    bus.store.busy_timeout_s = 20
    refused: list[str] = []

    def write() -> None:
        try:
            bus.sessions.register("bob", "agent", "codex")
        except errors.HallwayError as error:
            refused.append(error.code)

    thread = threading.Thread(target=write)
    with newer.store.write():
        thread.start()
        change_schema(newer, 1)
    thread.join(20)
    assert refused == ["bus_is_newer"]
    change_schema(newer, -1)


def test_a_lane_for_heartbeats_that_becomes_exclusive_looks_again(bus: LocalBus, newer: LocalBus) -> None:
    """On PostgreSQL a heartbeat begins without the bus's lock, so the bus may be migrated until it takes it."""
    bus.sessions.register("alice", "agent", "codex")
    if bus.store.is_local:
        pytest.skip("every write to a file has the lock from its beginning")
    transaction = bus.transaction(is_durable=False)
    transaction.__enter__()
    change_schema(newer, 1)
    with pytest.raises(errors.BusIsNewer):
        bus.sessions.heartbeat("alice", current_task="write the tests")
    transaction.__exit__(errors.BusIsNewer, None, None)
    change_schema(newer, -1)


def test_a_hub_of_an_older_hallway_says_that_its_bus_is_newer(address: str, tmp_path: Path, newer: LocalBus) -> None:
    with HubProcess(tmp_path / "hub", "--store", address) as hub, Client(hub.port) as client:
        client.register("alice", "bob")
        change_schema(newer, 1)
        for path in ("/sessions/alice/heartbeat", "/sessions/alice/status"):
            answer = client.post(path, {})
            assert (answer.status, answer.error["code"]) == (503, "bus_is_newer")
        health = client.get("/health")
        assert (health.status, health.error["cause"]) == (503, "bus_is_newer")
        assert "this bus is newer" in health.error["message"]
        assert "Upgrade" in health.error["hint"]
        change_schema(newer, -1)
        until(lambda: client.get("/health").status == 200)
        assert client.post("/sessions/alice/heartbeat").status == 200
