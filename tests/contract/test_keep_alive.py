"""What waits stays live: a program that follows events, listens or waits, and nobody that it only looks at (S12)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from hallway.bus import keep_alive
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock, to_datetime
from hallway.core.model import Session
from hallway.services.sessions import SessionRegistry
from support import Here, kinds, live_ids, store_at, until

Open = Callable[[], LocalBus]

FOLLOWS: dict[str, Callable[[LocalBus], Any]] = {
    "follows": lambda bus: bus.events.follow(),
    "handles events": lambda bus: bus.events.on("*", lambda event: None),
    "handles messages": lambda bus: bus.messages.register_handler("*", lambda message: None),
    "handles its inbox": lambda bus: bus.messages.register_handler("*", lambda message: None, "alice"),
}
CALLS: dict[str, Callable[[LocalBus], object]] = {
    "waits for its inbox": lambda bus: bus.messages.inbox("alice", wait_s=60),
    "waits for an answer": lambda bus: bus.messages.request("alice", "bob", "still there?", timeout_s=60),
}


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a session of 120 seconds pinged every 10 milliseconds: the tests' clock moves fast."""
    monkeypatch.setattr(keep_alive, "PINGS_PER_TTL", 12_000)


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Runs calls that wait until their bus is closed."""
    calls: list[Future[object]] = []
    with ThreadPoolExecutor(4) as pool:
        yield lambda call: calls.append(pool.submit(call))
    for call in calls:
        assert "closed" in str(call.exception())


def seen_now(bus: LocalBus, clock: FakeClock, *names: str) -> bool:
    return all(bus.sessions.get(name).last_seen == to_datetime(clock.now()) for name in names)


def stay_live(bus: LocalBus, clock: FakeClock, *names: str) -> None:
    """Let thrice the time to live pass; the sessions are live all the time."""
    for _ in range(4):
        clock.advance(100)
        assert live_ids(bus) >= set(names)
        until(lambda: seen_now(bus, clock, *names))
    for name in names:
        assert kinds(bus, name).count("session.registered") == 1
        assert not {"session.expired", "session.resumed", "session.updated"} & set(kinds(bus, name))


@pytest.mark.promise("S12")
@pytest.mark.parametrize("way", FOLLOWS)
@pytest.mark.usefixtures("quick_pings")
def test_a_program_that_only_follows_is_live_for_as_long_as_it_does(open_bus: Open, clock: FakeClock, way: str) -> None:
    bus, other = open_bus(), open_bus()
    bus.sessions.register("alice", "a", "codex")
    bus.sessions.register("alice-2", "a", "codex")  # one program may have several sessions
    follower = FOLLOWS[way](bus)
    stay_live(other, clock, "alice", "alice-2")
    follower.close()
    until(lambda: bus.keep_alive._thread is None)
    clock.advance(121)
    assert live_ids(other) == set()


@pytest.mark.promise("S2")
@pytest.mark.usefixtures("quick_pings")
def test_a_program_that_sent_a_heartbeat_for_another_session_does_not_keep_it_live(
    open_bus: Open, clock: FakeClock
) -> None:
    bus, other = open_bus(), open_bus()
    other.sessions.register("bob", "b", "codex")
    bus.sessions.register("alice", "a", "codex")
    bus.sessions.heartbeat("bob")
    follower = FOLLOWS["follows"](bus)
    stay_live(other, clock, "alice")
    assert "bob" not in live_ids(other)
    follower.close()


@pytest.mark.promise("S12")
@pytest.mark.parametrize("way", CALLS)
@pytest.mark.usefixtures("quick_pings")
def test_a_session_that_waits_is_live_for_as_long_as_it_does(
    open_bus: Open, clock: FakeClock, in_thread: Callable[[Callable[[], object]], None], way: str
) -> None:
    bus, other = open_bus(), open_bus()
    for name in ("alice", "alice-2"):
        bus.sessions.register(name, "a", "codex")
    other.sessions.register("bob", "b", "codex", ttl_s=3600)
    in_thread(lambda: CALLS[way](bus))
    try:
        stay_live(other, clock, "alice", "alice-2")
    finally:
        bus.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_a_handler_that_takes_long_keeps_its_session_live(open_bus: Open, clock: FakeClock) -> None:
    bus, other = open_bus(), open_bus()
    bus.sessions.register("alice", "a", "codex")
    called, finish = threading.Event(), threading.Event()
    listener = bus.messages.register_handler("*", lambda message: called.set() or finish.wait(60), "alice")
    other.messages.send("user:bob", "alice", subject="a long piece of work")
    until(called.is_set)
    stay_live(other, clock, "alice")
    finish.set()
    listener.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_the_session_that_the_environment_names_stays_live(address: str, open_bus: Open, clock: FakeClock) -> None:
    class AliceHere(Here):
        session_id = "alice"

    other = open_bus()
    with LocalBus(store_at(address, clock), AliceHere()) as bus:
        follower = bus.events.follow()
        until(lambda: "alice" in bus.keep_alive._due)  # pinged before it is there
        assert live_ids(other) == set()
        other.sessions.register("alice", "a", "codex")
        bus.keep_alive._due.clear()  # what 40 seconds do
        bus.keep_alive.refresh()
        stay_live(other, clock, "alice")
        follower.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_while_a_program_follows_its_ended_session_stays_so_and_an_expired_one_is_live_again(
    open_bus: Open, clock: FakeClock
) -> None:
    bus, other = open_bus(), open_bus()
    for name in ("alice", "bob"):
        bus.sessions.register(name, "a", "codex")
    follower = bus.events.follow()
    other.sessions.end("bob", "logout")
    clock.advance(500)  # its process was stopped for so long
    until(lambda: live_ids(other) == {"alice"})
    for _ in range(3):
        clock.advance(100)
        until(lambda: seen_now(other, clock, "alice"))
    assert other.sessions.get("bob").end_reason == "logout"
    follower.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_who_only_looks_keeps_nobody_live(
    address: str, open_bus: Open, clock: FakeClock, in_thread: Callable[[Callable[[], object]], None]
) -> None:
    class CarolHere(Here):
        session_id = "carol"

    other, observer = open_bus(), open_bus()
    for name in ("bob", "carol"):
        other.sessions.register(name, "a", "codex")
    other.sessions.end("carol")
    following = observer.events.follow()  # of a program without a session, such as a person's `hallway watch`
    with LocalBus(store_at(address, clock), CarolHere()) as bus:
        listener = bus.messages.register_handler("*", lambda message: None, "bob")
        in_thread(lambda: bus.messages.inbox("bob", wait_s=60))
        until(lambda: "carol" in bus.keep_alive._due)
        clock.advance(121)
        until(lambda: "session.expired" in kinds(other, "bob"))
        time.sleep(0.1)  # ten pings
        assert live_ids(other) == set()
        listener.close()
    following.close()


@pytest.mark.promise("S12")
def test_waiting_costs_one_small_write_in_a_third_of_the_time_to_live(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinged: list[str] = []
    ping = SessionRegistry.ping

    def note_ping(self: SessionRegistry, session_id: str, **options: bool) -> Session:
        pinged.append(session_id)
        return ping(self, session_id, **options)

    monkeypatch.setattr(SessionRegistry, "ping", note_ping)
    bus.sessions.register("alice", "a", "codex")
    for _ in range(20):
        follower = bus.events.follow()
        assert not bus.messages.inbox("alice", wait_s=0.01)
        follower.close()
    assert pinged == ["alice"]
    assert kinds(bus) == ["session.registered"]


@pytest.mark.promise("S12")
def test_a_session_with_a_short_time_to_live_is_written_down_more_often(bus: LocalBus, clock: FakeClock) -> None:
    bus.sessions.register("alice", "a", "codex", ttl_s=10)
    for number in range(10):
        clock.advance(6)
        bus.memory.set("alice", "key", number)
    assert "session.expired" not in kinds(bus, "alice")
    assert live_ids(bus) == {"alice"}
