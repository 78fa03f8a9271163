"""Wake-ups from PostgreSQL: by topic, with the commit, and made good after a lost connection (E3, E1)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallway.bus import local as bus_module
from hallway.bus.local import LocalBus
from hallway.cli.main import run
from hallway.core.model import Event
from hallway.core.topics import EVENTS
from hallway.local.notify import ANYTHING, TOO_MANY
from hallway.store.postgres.listener import MAX_BYTES, PostgresSubscription
from support import all_events, open_store, until, waits

NEVER_S = 30.0  # a slow look that comes too late for any test


@pytest.fixture
def bus(database: str) -> Iterator[LocalBus]:
    with open_store(database) as bus:
        yield bus


def end_listeners(bus: LocalBus) -> None:
    """End every connection that listens on this bus's channel."""
    listening = "query = 'LISTEN \"hallway_' || current_schema() || '\"'"
    bus.store._connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}")  # noqa: S608


@pytest.mark.promise("E3")
def test_a_notice_names_the_topics_of_its_commit(bus: LocalBus) -> None:
    subscription = bus.store.subscribe(ANYTHING)
    bus.sessions.register("alice", "agent", "codex")
    heard: set[str] = set()
    until(lambda: heard.update(subscription.receive()) or EVENTS in heard)
    bus.sessions.heartbeat("alice")  # no news: nothing is told
    bus.sessions.register("bob", "agent", "codex")
    bus.messages.send("alice", "bob", subject="hello")
    heard.clear()
    until(lambda: heard.update(subscription.receive()) or any(topic.startswith("messages-") for topic in heard))
    subscription.close()
    assert subscription.fileno() == -1


def test_too_many_topics_are_one_sign() -> None:
    topics = {f"messages-{number:08x}" for number in range(MAX_BYTES // 10)}
    assert PostgresSubscription.payload(topics) == TOO_MANY
    assert PostgresSubscription.payload({"b", "a"}) == "a b"


@pytest.mark.promise("E1", "E3")
def test_what_was_told_while_nobody_listened_is_found_when_somebody_does(
    database: str, bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "LOOK_EVERY_S", NEVER_S)
    with open_store(database) as follower:
        heard: list[Event] = []
        follower.events.on("*", heard.append)
        until(lambda: waits(bus, EVENTS))
        for number in range(3):
            with bus.transaction():  # its notice is sent when nobody hears it
                bus.sessions.register(f"s{number}", "agent", "codex")
                end_listeners(bus)
            until(lambda: len(heard) == number + 1, within_s=NEVER_S / 2)  # noqa: B023 (called at once)
            until(lambda: waits(bus, EVENTS))
    assert [event.seq for event in heard] == [1, 2, 3]


@pytest.mark.promise("E1")
def test_a_lost_connection_is_made_anew_at_the_next_transaction(database: str, bus: LocalBus) -> None:
    with open_store(database) as other:
        bus.sessions.register("alice", "agent", "codex")
        for number in range(3):
            own = bus.store._connection.info.backend_pid
            other.store._connection.execute("SELECT pg_terminate_backend(%s)", (own,))
            if number % 2:
                assert bus.sessions.get("alice").is_live
            else:
                bus.sessions.update_status("alice", "working", str(number))
        assert [event.seq for event in all_events(other)] == [1, 2, 3]


def test_a_forked_child_has_a_connection_of_its_own(bus: LocalBus) -> None:
    bus.sessions.register("parent", "agent", "codex")
    child = os.fork()
    if not child:
        try:
            bus.sessions.register("child", "agent", "codex")
            os._exit(0 if bus.sessions.get("parent").is_live else 1)
        except BaseException:
            os._exit(2)
    bus.sessions.update_status("parent", "working")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    bus.sessions.update_status("parent", "waiting")
    assert {session.session_id for session in bus.sessions.list_sessions()} == {"parent", "child"}


def test_threads_of_one_bus_take_turns(bus: LocalBus) -> None:
    names = [f"s{number}" for number in range(40)]
    threads = [
        threading.Thread(target=lambda mine: [bus.sessions.register(name, "a", "codex") for name in mine], args=(part,))
        for part in (names[:20], names[20:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(session.session_id for session in bus.sessions.list_sessions()) == sorted(names)


def test_the_command_line_moves_a_bus_into_a_database_and_back(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(str(tmp_path / "a" / "bus.db")) as bus:
        bus.sessions.register("alice", "agent", "codex")
        bus.messages.send("alice", "user:bob", subject="hello")
        bus.memory.set("alice", "plan", {"steps": [1, 2]}, tags=["x"])
    exports = []
    for source, target in (("a/bus.db", database), (database, "b/bus.db"), ("b/bus.db", None)):
        address = source if "://" in source else str(tmp_path / source)
        assert run(["export", "--url", address]) == 0
        exports.append(capsys.readouterr().out)
        if target is not None:
            (tmp_path / "bus.jsonl").write_text(exports[-1])
            goal = target if "://" in target else str(tmp_path / target)
            assert run(["import", str(tmp_path / "bus.jsonl"), "--url", goal]) == 0
            capsys.readouterr()
    assert exports[0] == exports[1] == exports[2]
    assert len(exports[0].splitlines()) > 5
