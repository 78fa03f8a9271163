"""Time for which this machine slept or a hub was frozen is no silence of the sessions (S13), on every store."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.errors import Unavailable
from hallway.local import pauses
from hallway.local.pauses import HubLooks
from support import kinds, live_ids

NIGHT_S = 8 * 3600

pytestmark = [pytest.mark.promise("S13"), pytest.mark.usefixtures("home")]

# Whoever may be the first to look at the bus after the sleep.
FIRST: dict[str, Callable[[LocalBus], object]] = {
    "a reader": lambda bus: bus.sessions.active(),
    "a sweep": lambda bus: bus.sweep(),
    "a heartbeat": lambda bus: bus.sessions.heartbeat("alice"),
    "another session": lambda bus: bus.sessions.register("dave", "dave's agent", "codex"),
    "a message": lambda bus: bus.messages.send("alice", "bob", "notification", "good morning"),
}


@pytest.fixture
def shop(open_bus: Callable[[], LocalBus]) -> LocalBus:
    """A bus with two sessions, used on this machine by hooks or servers before."""
    bus = open_bus()
    os.makedirs(bus.folder, exist_ok=True)
    for name in ("alice", "bob"):
        bus.sessions.register(name, f"{name}'s agent", "claude-code")
    return bus


@pytest.mark.parametrize("first", FIRST)
def test_the_first_to_wake_expires_nobody(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, first: str
) -> None:
    clock.advance(60)
    clock.sleep(NIGHT_S)
    FIRST[first](open_bus())  # a process that began after the sleep and remembers nothing
    assert {"alice", "bob"} <= live_ids(shop)
    assert "session.expired" not in kinds(shop)
    clock.advance(59)
    assert "bob" in live_ids(shop)


def test_after_a_sleep_a_session_has_the_rest_of_its_time_and_no_more(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(100)
    clock.sleep(NIGHT_S)
    assert live_ids(shop) == {"alice", "bob"}
    clock.advance(19.9)
    shop.sessions.heartbeat("alice")
    assert live_ids(shop) == {"alice", "bob"}
    clock.advance(0.1)
    assert live_ids(shop) == {"alice"}
    assert kinds(shop).count("session.expired") == 1
    bob = shop.sessions.get("bob")
    assert bob.ended_at == bob.last_seen + timedelta(seconds=120 + NIGHT_S)


def test_several_naps_add_up(shop: LocalBus, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(20)
        clock.sleep(3600)
        shop.sessions.heartbeat("alice")
        assert live_ids(shop) == {"alice", "bob"}
    clock.advance(20)
    assert live_ids(shop) == {"alice"}


def test_a_task_stays_with_its_owner_over_a_sleep(shop: LocalBus, clock: FakeClock) -> None:
    task = shop.tasks.offer("alice", "bob", "tidy up")
    shop.tasks.accept("bob", task.task_id)
    clock.sleep(NIGHT_S)
    shop.sessions.heartbeat("alice")
    assert (shop.tasks.get(task.task_id).owner, "task.released" in kinds(shop)) == ("bob", False)


def test_who_had_expired_before_the_sleep_stays_offline(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(121)  # overdue, and nobody has looked yet
    clock.sleep(NIGHT_S)
    assert live_ids(shop) == set()


def test_a_short_sleep_that_a_registration_notices_is_counted_for_those_it_does_not_end(
    shop: LocalBus, clock: FakeClock
) -> None:
    clock.advance(60)
    clock.sleep(50)
    shop.sessions.register("dave", "dave's agent", "codex")
    clock.advance(59)
    assert live_ids(shop) == {"alice", "bob", "dave"}
    clock.advance(1)
    assert live_ids(shop) == {"dave"}


def test_a_session_that_began_after_the_sleep_gets_nothing_of_it(shop: LocalBus, clock: FakeClock) -> None:
    clock.sleep(NIGHT_S)
    shop.sessions.end("alice")
    shop.sessions.end("bob")
    shop.sessions.register("dave", "dave's agent", "codex")
    clock.advance(120)
    assert live_ids(shop) == set()


def test_silence_while_the_machine_is_awake_is_silence(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(NIGHT_S)
    assert live_ids(shop) == set()


def test_time_before_a_restart_of_the_machine_is_no_sleep(
    shop: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "boot_id", lambda: "another boot")
    clock.sleep(NIGHT_S)
    assert live_ids(shop) == set()


def test_a_clock_set_forward_and_back_again_keeps_no_ghost(shop: LocalBus, clock: FakeClock) -> None:
    clock.sleep(NIGHT_S)
    assert live_ids(shop) == {"alice", "bob"}
    clock.sleep(-NIGHT_S)  # only the host's clock was wrong; it had not slept
    shop.sweep()
    clock.advance(60)
    shop.sessions.heartbeat("alice")
    clock.advance(60)
    assert live_ids(shop) == {"alice"}


@pytest.mark.parametrize("content", [b"", b"x", b"a b c", b"\xff\xfe 1 2"])
def test_a_damaged_note_is_no_sleep_and_stops_nobody(shop: LocalBus, clock: FakeClock, content: bytes) -> None:
    note = Path(shop.folder, pauses.NAME)
    note.write_bytes(content)
    clock.advance(130)
    assert live_ids(shop) == set()
    shop.sessions.heartbeat("alice")
    clock.sleep(NIGHT_S)
    assert live_ids(shop) == {"alice"}


def test_a_note_that_cannot_be_written_stops_nobody(shop: LocalBus, clock: FakeClock) -> None:
    note = Path(shop.folder, pauses.NAME)
    note.unlink()
    note.mkdir()
    shop.sessions.register("dave", "dave's agent", "codex")
    clock.advance(120)
    assert live_ids(shop) == set()


def test_what_another_machine_saw_during_a_sleep_gets_no_more_than_its_time_to_live(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = open_bus()
    monkeypatch.setattr(elsewhere, "take_pauses", list)  # its machine was awake
    clock.sleep(NIGHT_S)
    elsewhere.sessions.heartbeat("bob")
    clock.sleep(20)
    shop.sessions.register("dave", "dave's agent", "codex")
    clock.advance(119)
    assert live_ids(shop) == {"bob", "dave"}
    clock.advance(1)
    assert live_ids(shop) == set()


# Whatever the hub does first once it goes on.
HUB_FIRST: dict[str, Callable[[LocalBus], object]] = {
    "its look at the bus": lambda bus: bus.sweep(),
    "a read": lambda bus: bus.sessions.active(),
    "a write": lambda bus: bus.sessions.heartbeat("dave", ttl_s=3600),
}


@pytest.fixture
def hub(shop: LocalBus, open_bus: Callable[[], LocalBus]) -> list[LocalBus]:
    """The connections of a hub, on a bus with two sessions."""
    looks, buses = HubLooks(), [open_bus(), open_bus()]
    for bus in buses:
        bus.hub_looks = looks
    return buses


def look_for(hub: LocalBus, clock: FakeClock, seconds: int) -> None:
    """Have a hub look at its bus while time passes."""
    for _ in range(seconds):
        hub.sweep()
        clock.advance(1)


@pytest.mark.parametrize("first", HUB_FIRST)
@pytest.mark.parametrize("pause_s", [30, 90, NIGHT_S])
def test_a_hub_that_was_frozen_counts_the_time_as_nobodys_silence(
    hub: list[LocalBus], clock: FakeClock, first: str, pause_s: int
) -> None:
    look_for(hub[0], clock, 60)
    clock.advance(pause_s)  # nobody could reach the hub
    HUB_FIRST[first](hub[1])
    look_for(hub[0], clock, 30)
    hub[1].sessions.heartbeat("alice")
    look_for(hub[0], clock, 30)
    assert {"alice", "bob"} <= live_ids(hub[1])
    clock.advance(1)  # bob was silent for two minutes during which the hub looked
    assert "bob" not in live_ids(hub[1])
    assert "alice" in live_ids(hub[1])


def test_a_hub_without_a_pause_expires_who_is_silent(hub: list[LocalBus], clock: FakeClock) -> None:
    look_for(hub[0], clock, 119)
    assert live_ids(hub[1]) == {"alice", "bob"}
    clock.advance(1)
    assert live_ids(hub[1]) == set()


def test_a_hub_whose_bus_was_out_of_reach_expires_nobody_when_it_is_back(
    hub: list[LocalBus], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("the database is away")

    look_for(hub[0], clock, 1)
    with monkeypatch.context() as broken:
        broken.setattr(HubLooks, "note", fail)  # as the clock of a database would
        look_for(hub[0], clock, 300)
    assert live_ids(hub[0]) == {"alice", "bob"}


def test_a_clock_that_jumps_ahead_of_a_hub_and_back_keeps_no_ghost(hub: list[LocalBus], clock: FakeClock) -> None:
    look_for(hub[0], clock, 1)
    clock.advance(NIGHT_S)
    assert live_ids(hub[0]) == {"alice", "bob"}
    clock.advance(-NIGHT_S)
    look_for(hub[0], clock, 121)
    assert live_ids(hub[0]) == set()
