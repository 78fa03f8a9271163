"""Statements that go to PostgreSQL together: they take effect in order, fail alone, and are never lost in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import pq

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.hub.auth.caller import Caller
from hallway.hub.workers.writer import ThreadWriter
from hallway.services.messages import CollaborationHub
from hallway.store.postgres import deferred
from hallway.store.postgres.dialect import Statement
from hallway.store.postgres.store import PostgresStore
from support import Here, all_events, open_store, run_apart

SEND = CollaborationHub.operations["send"]
# As `wakes.share`, which nobody waits for, but it fails for messages of one session.
FAILS_FOR_BOB = "SELECT :thread_id, :now, 1 / (CASE WHEN :session_id = 'bob' THEN 0 ELSE 1 END)"


@pytest.fixture
def bus(database: str) -> Iterator[LocalBus]:
    with open_store(database) as bus:
        for name in ("alice", "bob", "carol"):
            bus.sessions.register(name, "agent", "codex")
        yield bus


def written(subject: str) -> dict[str, Any]:
    return {"from_session": "alice", "to_session": "bob", "subject": subject}


def run_batch(database: str, *sends: dict[str, Any], change: Callable[[LocalBus], object] = bool) -> list[Any]:
    """The outcomes of sends that a hub's writer runs in one batch."""

    async def run() -> list[Any]:
        writer = ThreadWriter(open_store(database), asyncio.get_running_loop())
        change(writer.bus)
        jobs = [writer.run(SEND, SEND.arguments((), said), Caller(Here())) for said in sends]
        outcomes = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 60)
        assert writer.batches == 1
        await writer.close()
        return outcomes

    return run_apart(run())


def count_round_trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets an item for each time that a store waits for the database."""
    trips: list[str] = []
    call, send = PostgresStore._call, deferred.DeferredStatements.send

    def counted_call(store: PostgresStore, function: Callable[..., Any], *arguments: Any) -> Any:
        trips.append(function.__name__)
        return call(store, function, *arguments)

    def counted_send(waiting: deferred.DeferredStatements, *arguments: Any) -> Any:
        trips.append("send")
        return send(waiting, *arguments)

    monkeypatch.setattr(PostgresStore, "_call", counted_call)
    monkeypatch.setattr(deferred.DeferredStatements, "send", counted_send)
    return trips


def test_a_send_in_a_batch_costs_five_round_trips(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(number: int) -> None:
        bus.run(SEND, bus.messages, SEND.arguments((), written(f"finding {number}")))

    with bus.transaction():
        send(0)  # prepares the statements
    trips = count_round_trips(monkeypatch)
    with bus.transaction():
        trips.clear()
        for number in range(1, 21):
            send(number)
        assert len(trips) == 20 * 5
    assert len(bus.messages.inbox("bob", limit=100)) == 21


@pytest.mark.promise("M1", "E1")
def test_what_fails_late_fails_alone_and_leaves_no_gap(bus: LocalBus, database: str) -> None:
    def break_one(other: LocalBus) -> None:
        other.store._statements["wakes.share"] = Statement(FAILS_FOR_BOB, "wakes.share")

    sends = [{**written("hello"), "from_session": name, "to_session": "carol"} for name in ("alice", "bob", "alice")]
    sends[2]["subject"] = "again"
    first, second, third = run_batch(database, *sends, change=break_one)
    assert isinstance(second, errors.StorageError)
    assert "division by zero" in str(second)
    assert [first.seq, third.seq] == [1, 2]
    assert [(each.seq, each.from_session) for each in bus.messages.inbox("carol")] == [(1, "alice"), (2, "alice")]
    assert [each.seq for each in all_events(bus)] == [1, 2, 3, 4, 5]


@pytest.mark.promise("M1")
def test_a_transaction_whose_last_statement_fails_late_is_an_error_and_leaves_nothing(bus: LocalBus) -> None:
    bus.store._statements["wakes.share"] = Statement(FAILS_FOR_BOB, "wakes.share")

    def send() -> None:
        with bus.store.write():
            bus.store.change("wakes.share", thread_id="t", session_id="bob", now=1)

    with pytest.raises(errors.StorageError, match="division by zero"):
        send()
    with pytest.raises(errors.StorageError, match="division by zero"):
        bus.messages.send("bob", "carol", subject="hello")
    assert bus.messages.inbox("carol") == []
    assert bus.messages.send("alice", "carol", subject="hello").seq == 1


def test_a_read_sees_what_waits_before_it(bus: LocalBus) -> None:
    with bus.store.write():
        bus.store.change("wakes.share", thread_id="thread", session_id="alice", now=bus.store.now)
        assert len(bus.store._deferred) == 1
        rows = bus.store.rows("sessions.owner", session_id="alice")
        assert (len(bus.store._deferred), rows) == (0, [(None, Here.project)])
    assert bus.store._pgconn.pipeline_status == pq.PipelineStatus.OFF


def test_what_a_savepoint_takes_back_is_not_sent_later(bus: LocalBus) -> None:
    def fail() -> None:
        with bus.transaction():
            bus.events.append("test.undone", Here.project)
            raise ZeroDivisionError

    with bus.transaction():
        with pytest.raises(ZeroDivisionError):
            fail()
        bus.events.append("test.kept", Here.project)
    assert [each.kind for each in all_events(bus)][3:] == ["test.kept"]


def test_more_statements_than_may_wait_are_sent_on_the_way(bus: LocalBus) -> None:
    with bus.transaction():
        for number in range(3 * deferred.MAX_WAITING):
            bus.events.append("test.many", Here.project, None, number=number)
            assert len(bus.store._deferred) < deferred.MAX_WAITING
        bus.events.append("test.large", Here.project, None, text="x" * deferred.MAX_BYTES)
        assert len(bus.store._deferred) == 0
    found = all_events(bus)[3:]
    assert [each.data.get("number") for each in found] == [*range(3 * deferred.MAX_WAITING), None]
    assert [each.seq for each in found] == list(range(4, 5 + 3 * deferred.MAX_WAITING))


def test_a_connection_that_is_lost_while_statements_wait_is_an_error_and_a_new_one_is_opened(
    bus: LocalBus, database: str
) -> None:
    with open_store(database) as other:

        def append() -> None:
            with bus.transaction():
                bus.events.append("test.lost", Here.project)
                pid = bus.store._pgconn.backend_pid
                other.store._connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
                bus.store.rows("sessions.owner", session_id="alice")

        with pytest.raises(errors.Unavailable):
            append()
    assert len(all_events(bus)) == 3
    bus.sessions.register("dave", "agent", "codex")
    assert [each.session_id for each in all_events(bus)][3:] == ["dave"]


def test_what_was_read_ahead_is_forgotten_at_the_first_write(bus: LocalBus) -> None:
    asked = {"session_id": "alice"}
    with bus.store.write():
        bus.store.read_ahead(("sessions.owner", asked), ("sessions.continued_by", asked))
        assert len(bus.store._ahead) == 2
        assert bus.store.rows("sessions.owner", **asked) == [(None, Here.project)]
        assert bus.store.rows("sessions.seen", **asked)  # another read takes nothing away
        assert len(bus.store._ahead) == 2
        bus.store.rows("sessions.end", now=bus.store.now, end_reason="closed", **asked)
        assert not bus.store._ahead
        bus.store.read_ahead(("sessions.continued_by", asked))
        bus.store.change("sessions.continue_as", session_id="bob", continues="alice")
        assert bus.store.rows("sessions.continued_by", **asked) == [("bob",)]
    bus.store.read_ahead(("sessions.owner", asked))  # outside of a transaction of its own nothing may be kept
    with bus.store.read():
        bus.store.read_ahead(("sessions.owner", asked))
    assert not bus.store._ahead


def test_statements_that_may_write_are_known_by_their_text() -> None:
    assert Statement("-- what it is for\nSELECT 1", "x").is_read
    assert not any(
        Statement(text, "x").is_read for text in ("UPDATE t SET a = 1", "WITH a AS (SELECT 1) DELETE FROM t")
    )
