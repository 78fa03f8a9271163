"""Whoever tails by `seq` misses nothing, in whatever order PostgreSQL's transactions end (E1, M4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from subprocess import Popen

import pytest

from hallway.bus.local import LocalBus
from hallway.core.model import Event, Message
from support import Here, all_events, open_store, start_together, store_at, until


@pytest.mark.promise("E1", "M4")
def test_a_transaction_that_began_first_and_ends_last_takes_no_seq_that_a_reader_has_passed(database: str) -> None:
    first, second, reader = open_store(database), open_store(database), open_store(database)
    may_end, has_begun = threading.Event(), threading.Event()

    def slow() -> None:
        with first.transaction():
            first.sessions.register("slow", "agent", "codex")  # it has drawn its seq
            has_begun.set()
            may_end.wait(20)

    def quick() -> None:
        second.sessions.register("quick", "agent", "codex")

    threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
    threads[0].start()
    assert has_begun.wait(20)
    threads[1].start()
    blocked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"
    until(lambda: reader.store._connection.execute(blocked).fetchall())
    assert reader.events.read() == []  # neither has ended, so nobody can pass a seq that is still to come
    may_end.set()
    for thread in threads:
        thread.join()
    assert [(event.seq, event.session_id) for event in all_events(reader)] == [(1, "slow"), (2, "quick")]
    for bus in (first, second, reader):
        bus.close()


@pytest.mark.promise("E1", "M4")
def test_a_seq_that_was_drawn_and_taken_back_leaves_no_gap(database: str) -> None:
    with open_store(database) as bus:
        bus.sessions.register("alice", "agent", "codex")

        def send_and_fail() -> None:
            with bus.transaction():
                bus.sessions.register("bob", "agent", "codex")
                bus.messages.send("alice", "bob", subject="never sent")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            send_and_fail()
        bus.sessions.register("carol", "agent", "codex")
        sent = bus.messages.send("alice", "carol", subject="sent")
        assert [event.seq for event in all_events(bus)] == [1, 2, 3]
        assert sent.seq == 1


@pytest.mark.promise("E1", "M4")
def test_an_inbox_that_is_tailed_beside_many_writers_misses_nothing(
    database: str, start: Callable[..., Popen[str]]
) -> None:
    with open_store(database) as bus:
        bus.sessions.register("reader", "agent", "codex", ttl_s=3600)
        for number in range(4):
            bus.sessions.register(f"w{number}", "agent", "codex")
        writers = [start("send_many", database, f"w{n}", "reader", 60) for n in range(4)]
        start_together(writers)
        seqs: list[int] = []
        while len(seqs) < 240:
            found = bus.messages.inbox("reader", 10, after=seqs[-1] if seqs else 0, limit=7)
            assert found
            seqs += [message.seq for message in found]
        assert seqs == sorted(set(seqs))
        assert len(seqs) == 240


@pytest.mark.promise("E1", "M4", "M1")
def test_readers_beside_writers_that_are_killed_have_each_event_and_message_once_in_one_order(
    database: str, start: Callable[..., Popen[str]]
) -> None:
    with open_store(database) as bus:
        bus.sessions.register("reader", "agent", "codex", ttl_s=3600)
        for number in range(4):
            bus.sessions.register(f"w{number}", "agent", "codex", ttl_s=3600, project=f"github.com/acme/p{number}")
        began = bus.events.last_seq()
        writers = [start("send_batches", database, f"w{number}", "reader") for number in range(4)]
        start_together(writers)
        events: list[Event] = []
        messages: list[Message] = []

        def tail() -> int:
            """Read on, and return how much there was."""
            new = bus.events.read(events[-1].seq if events else began, limit=50)
            news = bus.messages.inbox("reader", after=messages[-1].seq if messages else 0, limit=50)
            events.extend(new), messages.extend(news)
            return len(new) + len(news)

        while len(messages) < 400:
            tail()
            if writers and len(messages) > 100 * (5 - len(writers)):
                writers.pop().kill()  # at any point of a transaction
        for writer in writers:
            writer.kill()
        with bus.transaction():
            pass  # after everybody else
        while tail():
            pass
        assert [each.seq for each in events] == list(range(began + 1, bus.events.last_seq() + 1))
        assert [each.seq for each in messages] == list(range(1, len(messages) + 1))
        assert [each.data["message_id"] for each in events] == [each.message_id for each in messages]
        for number in range(4):
            parts = [each.subject for each in messages if each.from_session == f"w{number}"]
            assert parts == [f"{batch}/{part}" for batch in range(len(parts) // 3) for part in range(3)]


def test_a_heartbeat_without_news_waits_for_no_writer(database: str) -> None:
    bus = LocalBus(store_at(database), Here())
    other = open_store(database)
    bus.sessions.register("alice", "agent", "codex")
    events: list[Event] = all_events(bus)
    bus.store.busy_timeout_s = 0.2
    with other.transaction():
        assert bus.sessions.heartbeat("alice").session_id == "alice"
    assert all_events(bus) == events
    bus.close()
    other.close()
