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


def offered(bus: LocalBus, number: int) -> str:
    return bus.tasks.offer("alice", "bob", f"task {number}").task_id


def claimed(bus: LocalBus, number: int) -> str:
    return bus.claims.claim("alice", [f"src/{number}/**"]).claim_id


# An operation, how many round trips it takes in a batch, and its arguments: a number, and what was made for it.
ROUND_TRIPS: dict[str, tuple[int, Callable[[LocalBus, int], str] | None, Callable[[int, str], dict[str, Any]]]] = {
    "messages.send": (5, None, lambda number, _: written(f"finding {number}")),
    "memory.set": (4, None, lambda number, _: {"session_id": "alice", "key": f"key/{number}", "value": number}),
    "claims.claim": (4, None, lambda number, _: {"session_id": "alice", "paths": [f"{number}/a", f"{number}/b/**"]}),
    "claims.release": (4, claimed, lambda _, claim_id: {"session_id": "alice", "claim_id": claim_id}),
    "tasks.accept": (7, offered, lambda _, task_id: {"session_id": "bob", "task_id": task_id}),
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_write_in_a_batch_costs_few_round_trips(name: str, bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, make, arguments = ROUND_TRIPS[name]
    noun, _, verb = name.partition(".")
    service = getattr(bus, noun)
    operation = service.operations[verb]
    made = [make(bus, number) if make else "" for number in range(11)]

    def run(number: int) -> None:
        given = operation.prepare(service, operation.arguments((), arguments(number, made[number])))
        bus.run(operation, service, given)

    with bus.transaction():
        run(0)  # prepares the statements
    trips = count_round_trips(monkeypatch)
    with bus.transaction():
        trips.clear()
        for number in range(1, 11):
            run(number)
        assert len(trips) == 10 * expected


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


def test_the_end_of_a_savepoint_goes_with_what_waits(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus.transaction():
        with bus.transaction():
            pass
        trips = count_round_trips(monkeypatch)
        with bus.transaction():
            bus.events.append("test.kept", Here.project)
        assert trips == ["exec_", "send"]  # its beginning, and the event with its end
        assert len(bus.store._deferred) == 0


def test_what_was_read_ahead_in_a_savepoint_that_failed_is_read_again(bus: LocalBus) -> None:
    read = ("messages.has_inbox", {"session_id": "dora"})

    def fail() -> None:
        with bus.transaction():
            bus.sessions.register("dora", "agent", "codex")
            bus.store.read_ahead(read)
            assert bus.store.one(read[0], **read[1]) is not None
            raise ZeroDivisionError

    with bus.transaction():
        bus.store.read_ahead(read)
        with pytest.raises(ZeroDivisionError):
            fail()
        assert bus.store.one(read[0], **read[1]) is None


def test_what_is_known_is_not_read_ahead_again(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    read, other = (("sessions.owner", {"session_id": name}) for name in ("alice", "bob"))
    with bus.transaction():
        bus.store.read_ahead(read)
        trips = count_round_trips(monkeypatch)
        bus.store.read_ahead(read)
        assert trips == []
        bus.store.read_ahead(read, other)
        assert trips == ["send"]
        assert [bus.store.one(statement, **said)[1] for statement, said in (read, other)] == [Here.project] * 2
        assert trips == ["send"]


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
