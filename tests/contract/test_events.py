"""The record of events and its wake-ups keep E1 to E3, on every store."""

from __future__ import annotations

import logging
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from hallway.bus import local as bus_module
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock, to_datetime
from hallway.core.model import Event
from hallway.core.topics import EVENTS
from hallway.local.notify import ANYTHING, DatagramSubscription, notify
from postgres import ON_A_FILE
from support import Here, all_events, kinds, open_store, start_together, until, waits

SHOP = Here.project
NEVER_S = 30.0  # a slow look that comes too late for any test: what arrives sooner was woken


def register(bus: LocalBus, *ids: str, **said: object) -> None:
    for session_id in ids:
        bus.sessions.register(session_id, "agent", "codex", **said)


@pytest.fixture
def no_slow_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "LOOK_EVERY_S", NEVER_S)


# -- E1 ---------------------------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[LocalBus, FakeClock], object], str]] = {
    "a registration": (lambda bus, _: register(bus, "new"), "session.registered"),
    "a heartbeat of somebody new": (lambda bus, _: bus.sessions.heartbeat("new"), "session.registered"),
    "a new task": (lambda bus, _: bus.sessions.heartbeat("alice", current_task="write"), "session.updated"),
    "a new status": (lambda bus, _: bus.sessions.update_status("alice", "waiting"), "session.updated"),
    "a new detail": (lambda bus, _: bus.sessions.set_status_detail("alice", {"step": 1}), "session.updated"),
    "an end": (lambda bus, _: bus.sessions.end("alice"), "session.ended"),
    "offline": (lambda bus, _: bus.sessions.update_status("alice", "offline"), "session.ended"),
    "an expiry": (lambda bus, clock: (clock.advance(121), bus.sweep()), "session.expired"),
    "a return": (lambda bus, _: bus.sessions.ping("gone"), "session.resumed"),
    "a clearing": (lambda bus, _: bus.sessions.clear_offline(), "session.cleared"),
}


@pytest.mark.promise("E1")
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_one_event(bus: LocalBus, clock: FakeClock, change: str) -> None:
    act, kind = CHANGES[change]
    register(bus, "alice", "gone")
    bus.sessions.end("gone")
    before = bus.events.last_seq()
    act(bus, clock)
    (event,) = bus.events.read(before)
    assert (event.seq, event.kind, event.project) == (before + 1, kind, SHOP)
    assert event.at == to_datetime(clock.now())


@pytest.mark.promise("E1")
def test_heartbeats_that_change_nothing_are_no_events(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", current_task="read")
    for _ in range(100):
        clock.advance(60)
        bus.sessions.heartbeat("alice", current_task="read", status="active")
        bus.sessions.ping("alice")
        bus.sessions.update_status("alice", "active", "read")
    assert bus.events.last_seq() == 1


def fail_in_a_transaction(bus: LocalBus) -> float:
    with bus.transaction():
        register(bus, "never")
        return 1 / 0


@pytest.mark.promise("E1")
def test_what_fails_leaves_neither_an_event_nor_a_gap(bus: LocalBus) -> None:
    with bus.transaction():
        register(bus, "alice")
        with pytest.raises(ZeroDivisionError):
            fail_in_a_transaction(bus)
        with pytest.raises(errors.SessionNotFound):
            bus.sessions.ping("nobody")
        register(bus, "bob")
    with pytest.raises(ZeroDivisionError):
        fail_in_a_transaction(bus)
    register(bus, "carol")
    assert [(event.seq, event.session_id) for event in all_events(bus)] == [(1, "alice"), (2, "bob"), (3, "carol")]


@pytest.mark.promise("E1")
def test_a_reader_that_resumes_misses_nothing_and_repeats_nothing(bus: LocalBus) -> None:
    with bus.transaction():
        register(bus, *(f"s{n}" for n in range(1200)))
    read: list[Event] = []
    for limit in (1, 7, 300, 500, 1000):
        read += bus.events.read(read[-1].seq if read else 0, limit=limit)
    assert [event.session_id for event in read] == [f"s{n}" for n in range(1200)]
    assert [event.seq for event in read] == list(range(1, 1201))
    assert bus.events.read(read[-1].seq) == []


@pytest.mark.promise("E1")
def test_a_reader_that_tails_concurrent_writers_has_everything_once(
    address: str, start: Callable[..., Popen[str]]
) -> None:
    with open_store(address) as bus:
        writers = [start("register_many", address, f"w{n}", 100) for n in range(4)]
        start_together(writers)
        read: list[Event] = []
        while len(read) < 400:
            limit = min(random.randint(1, 40), 400 - len(read))
            stream = bus.events.follow(read[-1].seq if read else 0, timeout_s=20)  # resumed again and again
            read += [event for _, event in zip(range(limit), stream, strict=False)]
            stream.close()
        assert [event.seq for event in read] == list(range(1, 401))
        assert len({event.session_id for event in read}) == 400
        for writer in range(4):
            own = [event.session_id for event in read if event.session_id.startswith(f"w{writer}-")]
            assert own == [f"w{writer}-{n}" for n in range(100)]


@pytest.mark.promise("E1")
def test_a_seq_is_not_used_twice_though_its_event_is_gone(bus: LocalBus) -> None:
    register(bus, "alice", "bob")
    bus.store._connection.execute("DELETE FROM events")
    register(bus, "carol")
    assert [event.seq for event in all_events(bus)] == [3]


@pytest.mark.promise("E1")
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"kinds": ["session"]}, "1234"),
        ({"kinds": ["session.ended"]}, "3"),
        ({"kinds": ["session.ended", "session.updated"]}, "23"),
        ({"kinds": ["sess"]}, ""),
        ({"kinds": ["session%"]}, ""),
        ({"project": "github.com/acme/other"}, "4"),
        ({"project": SHOP, "kinds": ["session.registered"]}, "1"),
        ({"after": 2}, "34"),
        ({"after": 2, "limit": 1}, "3"),
        ({"after": 99}, ""),
    ],
)
def test_events_are_read_by_kind_project_and_seq(bus: LocalBus, filters: dict[str, object], found: str) -> None:
    register(bus, "alice")
    bus.sessions.update_status("alice", "waiting")
    bus.sessions.end("alice")
    register(bus, "bob", project="github.com/acme/other")
    assert "".join(str(event.seq) for event in bus.events.read(**filters)) == found


# -- E2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("E2")
def test_following_starts_when_it_is_called(bus: LocalBus) -> None:
    register(bus, "before")
    stream = bus.events.follow(timeout_s=0)
    register(bus, "alice", "bob")
    assert [event.session_id for event in stream] == ["alice", "bob"]


@pytest.mark.promise("E2")
def test_following_from_a_seq_gives_what_came_after_it_and_then_goes_on(bus: LocalBus) -> None:
    with bus.transaction():
        register(bus, *(f"s{n}" for n in range(1100)))
    stream = bus.events.follow(1, timeout_s=5)
    assert [next(stream).seq for _ in range(1099)] == list(range(2, 1101))
    register(bus, "later")
    assert next(stream).session_id == "later"
    stream.close()


@pytest.mark.promise("E2")
def test_following_may_be_narrowed_to_kinds_and_a_project(bus: LocalBus) -> None:
    stream = bus.events.follow(kinds=["session.ended"], project=SHOP, timeout_s=0)
    register(bus, "alice")
    register(bus, "bob", project="github.com/acme/other")
    bus.sessions.end("bob")
    bus.sessions.end("alice")
    assert [(event.kind, event.session_id) for event in stream] == [("session.ended", "alice")]


@pytest.mark.promise("E2")
def test_following_ends_when_nothing_came_for_its_time(bus: LocalBus) -> None:
    began = time.monotonic()
    assert list(bus.events.follow(timeout_s=0.05)) == []
    assert 0.05 <= time.monotonic() - began < 5


@pytest.mark.promise("E2", "S3")
def test_a_follower_hears_of_an_expiry_though_nobody_else_is_there(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    stream = bus.events.follow(timeout_s=5)
    clock.advance(121)
    assert next(stream).kind == "session.expired"
    stream.close()


@pytest.mark.promise("E2")
def test_a_handler_is_called_with_the_events_of_its_kind(bus: LocalBus) -> None:
    heard: dict[str, list[str]] = {"*": [], "session.ended": [], "session": [], "session.*": [], "message": []}
    for kind, seen in heard.items():
        bus.events.on(kind, lambda event, seen=seen: seen.append(event.kind))
    register(bus, "alice")
    bus.sessions.end("alice")
    both = ["session.registered", "session.ended"]
    until(lambda: heard["*"] == heard["session"] == heard["session.*"] == both and heard["session.ended"])
    assert heard["session.ended"] == ["session.ended"]
    assert heard["message"] == []


@pytest.mark.promise("E2")
def test_a_handler_outlives_its_errors(bus: LocalBus, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str | None] = []

    def handler(event: Event) -> None:
        heard.append(event.session_id)
        raise ValueError("a bug of the handler's own")

    with caplog.at_level(logging.ERROR, "hallway.bus.subscriptions"):
        bus.events.on("session", handler)
        register(bus, "alice", "bob")
        until(lambda: heard == ["alice", "bob"])
        bus.close()
    assert caplog.text.count("ValueError: a bug of the handler's own") == 2
    assert "at event 2" in caplog.text


@pytest.mark.promise("E2")
def test_closing_ends_the_threads_and_the_sockets(bus: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    other = open_bus()
    before = threading.active_count()
    heard: list[Event] = []
    first = bus.events.on("*", heard.append)
    bus.events.on("session", heard.append)
    assert threading.active_count() == before + 2
    first.close()
    assert threading.active_count() == before + 1
    register(bus, "alice")
    until(lambda: len(heard) == 1)
    bus.close()
    until(lambda: threading.active_count() == before)
    until(lambda: not waits(other, EVENTS))


@pytest.mark.promise("E2")
def test_a_handler_may_close_its_own_bus(bus: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    other = open_bus()
    closed = threading.Event()
    listener = bus.events.on("*", lambda _: (listener.close(), closed.set()))
    register(other, "alice", "bob")
    assert closed.wait(20)
    until(lambda: not listener._thread.is_alive())


# -- E3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("E3")
def test_a_follower_in_another_process_is_woken(address: str, start: Callable[..., Popen[str]]) -> None:
    with open_store(address) as bus:
        followers = [start("follow", address, NEVER_S, 20) for _ in range(2)]
        for follower in followers:
            assert follower.stdout.readline() == "ready\n"
        # Its ear is made when it first waits; what came before that it reads without being woken.
        until(lambda: waits(bus, EVENTS) == 2)
        late_s = []
        for number in range(20):
            sent_at = time.time()
            register(bus, f"s{number}")
            for follower in followers:
                seq, came_at = follower.stdout.readline().split()
                assert int(seq) == number + 1
                late_s.append(float(came_at) - sent_at)
                assert late_s[-1] < NEVER_S / 3
    assert sorted(late_s)[len(late_s) // 2] < 0.1


@pytest.mark.promise("E3")
@pytest.mark.usefixtures("no_slow_look")
def test_threads_of_one_bus_wake_each_other(bus: LocalBus) -> None:
    heard: list[Event] = []
    bus.events.on("*", heard.append)
    register(bus, "alice")
    until(lambda: len(heard) == 1, within_s=NEVER_S / 3)


@pytest.mark.promise("E3")
@pytest.mark.usefixtures("no_slow_look")
def test_a_writer_tells_of_its_news_though_other_threads_write_too(bus: LocalBus) -> None:
    waiter = bus.store.subscribe(EVENTS)
    may_end, is_open = threading.Event(), threading.Event()

    def hold() -> None:
        with bus.transaction():
            is_open.set()
            may_end.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_open.wait(20)
    writer = threading.Thread(target=register, args=(bus, "alice"))
    writer.start()
    may_end.set()
    holder.join()
    writer.join()
    until(lambda: EVENTS in waiter.receive(), within_s=NEVER_S / 3)
    waiter.close()


@ON_A_FILE
@pytest.mark.promise("E3")
def test_a_lost_wake_up_is_made_good_by_the_slow_look(bus: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    other = open_bus()
    heard: list[Event] = []
    bus.events.on("*", heard.append)
    until(lambda: os.path.isdir(bus.store.wake_folder) and os.listdir(bus.store.wake_folder))
    shutil.rmtree(bus.store.wake_folder, ignore_errors=True)
    register(other, "alice")
    until(lambda: len(heard) == 1)


@ON_A_FILE
@pytest.mark.promise("E3")
def test_where_no_socket_can_be_bound_following_still_works(bus: LocalBus) -> None:
    Path(bus.store.wake_folder).write_text("somebody's file")
    heard: list[Event] = []
    bus.events.on("*", heard.append)
    register(bus, "alice")
    until(lambda: len(heard) == 1)


@ON_A_FILE
@pytest.mark.promise("E3")
def test_sockets_of_the_dead_are_removed_by_the_next_writer(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(bus.store.wake_folder)
    folder.mkdir(parents=True)
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.chdir(folder)  # a name short enough for any socket
    dead.bind(f"{EVENTS}.4242.1")
    dead.close()
    (folder / "other-topic.4242.2").touch()
    register(bus, "alice")
    assert [entry.name for entry in folder.iterdir()] == ["other-topic.4242.2"]


@pytest.mark.promise("E3")
@pytest.mark.usefixtures("no_slow_look")
def test_a_very_long_path_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(5):
        folder /= "a-folder-with-quite-a-long-name-" * 2  # SQLite itself takes 500 characters in all
    with open_store(str(folder / "bus.db")) as bus:
        heard: list[Event] = []
        bus.events.on("*", heard.append)
        register(bus, "alice")
        until(lambda: len(heard) == 1, within_s=NEVER_S / 3)


@pytest.mark.promise("E3")
def test_a_waiter_that_never_reads_holds_nobody_up(tmp_path: Path) -> None:
    folder = str(tmp_path / "wake")
    waiter = DatagramSubscription(folder, EVENTS)
    began = time.monotonic()
    for _ in range(5000):
        notify(folder, {EVENTS})
    assert time.monotonic() - began < 10
    waiter.drain()
    notify(folder, {EVENTS})
    assert waiter.socket.recv(100) == b"events"
    waiter.close()


@pytest.mark.promise("E3")
def test_only_those_who_wait_for_a_topic_are_woken(tmp_path: Path) -> None:
    folder = str(tmp_path / "wake")
    waiters = {topic: DatagramSubscription(folder, topic) for topic in (EVENTS, ANYTHING, "inbox-alice")}
    notify(folder, {EVENTS})
    woken = []
    for topic, waiter in waiters.items():
        waiter.socket.setblocking(False)
        try:
            woken.append((topic, waiter.socket.recv(100)))
        except BlockingIOError:
            pass
        waiter.close()
    assert woken == [(EVENTS, b"events"), (ANYTHING, b"events")]


@pytest.mark.promise("E3")
def test_waiters_made_at_once_do_not_take_each_others_names(tmp_path: Path) -> None:
    made: list[DatagramSubscription] = []
    threads = [
        threading.Thread(target=lambda: made.extend(DatagramSubscription(str(tmp_path), EVENTS) for _ in range(25)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(os.listdir(tmp_path)) == len(made) == 200
    for waiter in made:
        waiter.close()


@ON_A_FILE
@pytest.mark.promise("E3")
def test_a_committed_write_succeeds_whatever_becomes_of_the_wake_ups(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    waiter = DatagramSubscription(bus.store.wake_folder, EVENTS)
    for name in ("listdir", "unlink"):
        with monkeypatch.context() as broken:
            broken.setattr(os, name, fail)
            register(bus, name)
    waiter.close()
    assert kinds(bus) == ["session.registered"] * 2
