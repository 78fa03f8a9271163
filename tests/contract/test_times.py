"""Moments only rise: what commits late, or at a clock that trembles, undoes nothing that was seen since (S2, S8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.model import Session
from hallway.store.migrate import newest_version

LATE: dict[str, Callable[[LocalBus, int], object]] = {
    "a heartbeat": lambda bus, _: bus.sessions.heartbeat("alice"),
    "a heartbeat with news": lambda bus, _: bus.sessions.heartbeat("alice", current_task="write the tests"),
    "a registration": lambda bus, _: bus.sessions.register("alice", "agent", "codex", ttl_s=60),
    "a sign of life": lambda bus, _: bus.messages.send("alice", "alice", subject="hello"),
}


def batched_heartbeat(bus: LocalBus, began_at: int) -> object:
    """Send a heartbeat as a hub's batches do, whose statement began earlier."""
    nothing: list[Any] = [None]
    asked = dict.fromkeys(("statuses", "current_tasks", "branches", "projects", "ttls", "principals"), nothing)
    version = newest_version("postgres")
    return bus.store.rows("heartbeats.many", now=began_at, version=version, limit=1, session_ids=["alice"], **asked)


@pytest.fixture
def alice(bus: LocalBus, clock: FakeClock) -> Session:
    bus.sessions.register("alice", "agent", "codex", ttl_s=60)
    clock.advance(40)
    return bus.sessions.get("alice")


@pytest.mark.promise("S2", "S8")
@pytest.mark.parametrize("late", [*LATE, "a batched heartbeat"])
def test_what_commits_late_undoes_no_newer_heartbeat(
    bus: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, alice: Session, late: str
) -> None:
    if bus.store.is_local:
        pytest.skip("a file's writers take the time one after the other")
    quick, began_at = open_bus(), clock.now()
    with bus.store.write(is_durable=late not in ("a heartbeat", "a heartbeat with news")):
        clock.advance(15)
        quick.sessions.heartbeat("alice")
        seen = quick.sessions.get("alice").last_seen
        assert seen == alice.last_seen + timedelta(seconds=55)
        if late in LATE:
            clock.advance(-15)  # to when it began, for whoever asks the clock again
            LATE[late](bus, began_at)
            clock.advance(15)
        else:
            batched_heartbeat(bus, began_at)
    assert quick.sessions.get("alice").last_seen == seen
    clock.advance(50)
    assert quick.sessions.get("alice").is_live
    clock.advance(11)
    assert not quick.sessions.get("alice").is_live


@pytest.mark.promise("S2", "S8")
@pytest.mark.parametrize("act", LATE)
def test_a_clock_that_trembles_undoes_no_newer_heartbeat(
    bus: LocalBus, clock: FakeClock, alice: Session, act: str
) -> None:
    bus.sessions.heartbeat("alice")
    seen = bus.sessions.get("alice").last_seen
    clock.advance(-0.9)
    LATE[act](bus, 0)
    assert bus.sessions.get("alice").last_seen == seen
    clock.advance(60.8)
    assert bus.sessions.get("alice").is_live
    clock.advance(0.2)
    assert not bus.sessions.get("alice").is_live


def test_a_shorter_time_to_live_still_ends_a_session_sooner(bus: LocalBus, clock: FakeClock, alice: Session) -> None:
    bus.sessions.heartbeat("alice", ttl_s=10)
    clock.advance(11)
    assert not bus.sessions.get("alice").is_live


def test_a_session_that_comes_back_after_the_clock_was_set_back_is_seen_now(
    bus: LocalBus, clock: FakeClock, alice: Session
) -> None:
    bus.sessions.heartbeat("alice")
    bus.sessions.end("alice")
    clock.advance(-3600)
    bus.sessions.heartbeat("alice")
    bus.sessions.heartbeat("alice")
    assert bus.sessions.get("alice").last_seen == alice.last_seen + timedelta(seconds=40 - 3600)
    clock.advance(61)
    assert not bus.sessions.get("alice").is_live


def test_the_newest_write_to_a_file_and_use_of_a_token_stay(bus: LocalBus, clock: FakeClock, alice: Session) -> None:
    bus.tokens.create("ci")

    def note() -> None:
        bus.files.touch("alice", ["/src/shop/cart.py"])
        bus.tokens.note_use({"ci": "127.0.0.1"})

    def noted() -> tuple[object, object]:
        (touched,) = bus.files.touched()
        (token,) = bus.tokens.list_tokens()
        return touched.at, token.last_used_at

    note()
    before = noted()
    clock.advance(-0.5)
    note()
    assert noted() == before
    clock.advance(2)
    note()
    assert noted() > before
