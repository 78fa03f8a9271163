"""Followers and handlers: a hub or a database goes away under them and comes back, and they are closed at any time."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hallway
import postgres
from hallway.bus.base import Bus
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.backoff import Backoff
from hallway.core.model import Event, Message
from hub.process import HubProcess
from postgres import PostgresServer, free_port
from support import Here, open_store, until

LOGGER = "hallway.bus.subscriptions"
CLOSED_WITHIN_S = 0.1
KINDS = ("sqlite", "postgres", "hub", "two hubs", "hub on postgres")
HEARERS = ("follow", "on", "handler", "inbox handler")


class World:
    """A bus of a kind, where its hubs and its database may be stopped and started."""

    def __init__(self, kind: str, folder: Path, server: PostgresServer | None) -> None:
        self._folder = folder
        self.server = server
        self.store = postgres.new_bus(server.url) if server else str(folder / "bus.db")
        self.hubs: list[HubProcess] = []
        if "hub" in kind:
            self.ports = [free_port() for _ in range(2 if kind == "two hubs" else 1)]
            self.start_hubs()
        self.url = ",".join(hub.url for hub in self.hubs) or self.store

    def start_hubs(self) -> None:
        self.hubs = [HubProcess(self._folder / f"hub-{port}", "--store", self.store, port=port) for port in self.ports]

    def connect(self) -> Bus:
        return hallway.connect(self.url, project=Here.project)

    def stop(self) -> None:
        """Crash what serves the bus."""
        for hub in self.hubs:
            hub.kill()
        if self.server:
            self.server.stop()

    def start(self) -> None:
        if self.server:
            self.server.start()
        if self.hubs:
            self.start_hubs()

    def freeze(self, number: int = signal.SIGSTOP) -> None:
        for hub in self.hubs:
            hub.signal(number)

    def close(self) -> None:
        self.freeze(signal.SIGCONT)
        for hub in self.hubs:
            hub.kill()
        if self.server:
            self.server.revive()
            postgres.drop_bus(self.store)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this file's own, for it is stopped and started."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    needs_server = "postgres" in request.param
    world = World(request.param, tmp_path, request.getfixturevalue("server") if needs_server else None)
    yield world
    world.close()


@pytest.fixture
def bus(world: World) -> Iterator[Bus]:
    with world.connect() as bus:
        for name in ("alice", "bob"):
            bus.sessions.register(name, "agent", "codex")
        yield bus


class Hearer:
    """One way to hear of the messages to bob, and what it heard."""

    def __init__(self, bus: Bus, way: str) -> None:
        self.heard: list[str] = []
        self.is_over = False
        if way == "follow":
            self.closable: Any = bus.events.follow(kinds=["message.sent"])
            threading.Thread(target=self._follow, args=(bus,), daemon=True).start()
        elif way == "on":
            self.closable = bus.events.on("message.sent", lambda event: self._hear_event(bus, event))
        else:
            session_id = "bob" if way == "inbox handler" else None
            self.closable = bus.messages.register_handler("*", lambda m: self.heard.append(m.subject), session_id)

    def _follow(self, bus: Bus) -> None:
        for event in self.closable:
            self._hear_event(bus, event)
        self.is_over = True

    def _hear_event(self, bus: Bus, event: Event) -> None:
        self.heard.append(str(event.seq))


def failures(caplog: pytest.LogCaptureFixture) -> int:
    """How many failures were logged; the inbox handler may have been about to hear that it has acknowledged."""
    return caplog.text.count("tries again") + caplog.text.count("cannot acknowledge")


def subjects(hearer: Hearer) -> int:
    return len(hearer.heard)


# -- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("E1", "E2")
@pytest.mark.parametrize("world", KINDS[1:], indirect=True)
def test_what_happens_while_a_hub_or_database_is_away_is_heard_once_it_is_back(
    world: World, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    hearers = [Hearer(bus, way) for way in HEARERS]
    with open_store(world.store) as near:
        sent = 0
        for _ in range(2):
            near.messages.send("alice", "bob", subject=str(sent))
            sent += 1
            until(lambda: all(subjects(each) == sent for each in hearers))  # noqa: B023 (called at once)
            until(lambda: not near.messages.inbox("bob"))
            caplog.clear()
            world.stop()
            if not world.server:  # then the bus can still be written, here
                near.messages.send("alice", "bob", subject=str(sent))
                sent += 1
            until(lambda: failures(caplog) >= len(HEARERS), within_s=60)
            world.start()
            near.messages.send("alice", "bob", subject=str(sent))
            sent += 1
            until(lambda: all(subjects(each) == sent for each in hearers), within_s=60)  # noqa: B023
            until(lambda: caplog.text.count("goes on") == caplog.text.count("tries again"))
            assert failures(caplog) == len(HEARERS)
    assert hearers[2].heard == hearers[3].heard == [str(number) for number in range(sent)]
    assert hearers[0].heard == hearers[1].heard == sorted(hearers[0].heard, key=int)
    assert not hearers[0].is_over


@pytest.mark.promise("E2")
def test_what_nothing_heals_ends_a_follower_with_its_error(tmp_path: Path) -> None:
    with LocalBus(open_store(str(tmp_path / "bus.db")).store, Here()) as local:
        secret = local.tokens.create("alice", role="agent").token
        with HubProcess(tmp_path / "hub", "--store", local.store.path, "--require-tokens") as hub:
            bus = hallway.bus.remote.RemoteBus(hub.url, Here(), secret)
            events = bus.events.follow(timeout_s=60)
            threading.Timer(0.5, lambda: local.tokens.revoke("alice")).start()
            with pytest.raises(errors.Refused):
                list(events)
            with pytest.raises(StopIteration):
                next(events)
            bus.close()


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(0.1, 2.0)
    pauses = [backoff.next_s() for _ in range(2000)]
    for number, pause in enumerate(pauses):
        longest = min(0.1 * 2 ** min(number, 30), 2.0)
        assert longest / 2 <= pause <= longest
    assert len({round(pause, 4) for pause in pauses[10:]}) > 100
    backoff.reset()
    assert backoff.next_s() <= 0.1


# -- closing ----------------------------------------------------------------------------------------------------------


def is_ready(bus: Bus) -> bool:
    """Whether the bus serves, and has the sessions of these tests."""
    try:
        for name in ("alice", "bob"):
            bus.sessions.register(name, "agent", "codex")
    except errors.Unavailable:
        return False
    return True


def timed(close: Callable[[], None]) -> float:
    began = time.monotonic()
    close()
    return time.monotonic() - began


@pytest.mark.promise("E2")
@pytest.mark.parametrize("way", HEARERS)
def test_a_hearer_that_is_closed_by_another_thread_ends_at_once(world: World, bus: Bus, way: str) -> None:
    took_s = []
    with open_store(world.store) as near:
        for number in range(5):
            hearer = Hearer(bus, way)
            near.messages.send("alice", "bob", subject=f"heard {number}")
            until(lambda: hearer.heard)  # noqa: B023 (called at once)
            time.sleep(0.05)  # it waits
            took_s.append(timed(hearer.closable.close))
            until(lambda: hearer.is_over or way != "follow")  # noqa: B023
            count = len(hearer.heard)
            near.messages.send("alice", "bob", subject=f"unheard {number}")
            assert timed(hearer.closable.close) < 1  # closing twice is closing once
            time.sleep(0.05)
            assert len(hearer.heard) == count
            near.messages.acknowledge("bob", [each.message_id for each in near.messages.inbox("bob")])
    assert sorted(took_s)[2] < CLOSED_WITHIN_S


@pytest.mark.promise("E2")
@pytest.mark.parametrize("state", ["up", "down", "frozen"])
def test_closing_the_bus_ends_all_that_hear_whatever_state_it_is_in(world: World, state: str) -> None:
    took_s = []
    for _ in range(3):
        before = threading.active_count()
        bus = world.connect()
        until(lambda: is_ready(bus))  # noqa: B023 (called at once)
        hearers = [Hearer(bus, way) for way in HEARERS]
        bus.messages.send("alice", "bob", subject=f"hello {len(took_s)} {time.time()}")
        until(lambda: all(each.heard for each in hearers))  # noqa: B023 (called at once)
        until(lambda: not bus.messages.inbox("bob"))  # noqa: B023
        if state == "down":
            world.stop()
            time.sleep(0.3)  # they try again
        if state == "frozen":
            world.freeze()
        took_s.append(timed(bus.close))
        until(lambda: hearers[0].is_over)  # noqa: B023
        if state == "down":
            world.start()
        world.freeze(signal.SIGCONT)
        until(lambda: threading.active_count() <= before, within_s=60)  # noqa: B023
    assert sorted(took_s)[1] < CLOSED_WITHIN_S * len(HEARERS)


@pytest.mark.promise("E2")
def test_a_frozen_database_holds_up_no_end(server: PostgresServer) -> None:
    url = postgres.new_bus(server.url)
    bus = open_store(url)
    bus.sessions.register("alice", "agent", "codex")
    bus.events.on("*", lambda _: None)
    backend = bus.store._connection.info.backend_pid

    def read() -> None:
        with pytest.raises(errors.HallwayError):
            bus.events.last_seq()

    reader = threading.Thread(target=read, daemon=True)
    os.kill(backend, signal.SIGSTOP)
    try:
        reader.start()
        time.sleep(0.3)
        assert timed(bus.close) < 2
        reader.join(20)
        assert not reader.is_alive()
    finally:
        os.kill(backend, signal.SIGCONT)
    postgres.drop_bus(url)


@pytest.mark.promise("E2")
def test_a_call_that_waits_ends_when_its_bus_is_closed(world: World, bus: Bus) -> None:
    raised: list[errors.HallwayError] = []

    def wait() -> None:
        try:
            bus.messages.inbox("bob", 50)
        except errors.HallwayError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    bus.close()
    waiting.join(5)
    assert [error.is_passing for error in raised] == [True]
    assert "closed" in str(raised[0])


def test_a_follower_that_nobody_holds_any_more_is_closed(world: World, bus: Bus) -> None:
    before = threading.active_count()
    for event in bus.events.follow(0, timeout_s=20):
        assert event.seq
        break
    events = bus.events.follow(timeout_s=0.3)
    assert list(events) == []
    until(lambda: threading.active_count() <= before)


@pytest.mark.promise("M1")
def test_a_handled_message_is_acknowledged_though_the_hub_was_away_just_then(tmp_path: Path) -> None:
    world = World("hub", tmp_path, None)
    try:
        with world.connect() as bus:
            assert is_ready(bus)
            handled: list[str] = []

            def handle(message: Message) -> None:
                handled.append(message.subject)
                if message.subject == "first":
                    world.stop()

            bus.messages.register_handler("*", handle, "bob")
            bus.messages.send("alice", "bob", subject="first")
            until(lambda: handled)
            time.sleep(2)  # longer than a request is repeated for
            world.start()
            until(lambda: not bus.messages.inbox("bob"))
            bus.messages.send("alice", "bob", subject="second")
            until(lambda: handled == ["first", "second"])
    finally:
        world.close()


# -- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M6")
@pytest.mark.parametrize("world", KINDS[1:], indirect=True)
def test_a_request_gets_its_reply_though_the_hub_or_database_is_restarted_meanwhile(world: World, bus: Bus) -> None:
    found: list[Message] = []

    def ask() -> None:
        found.append(bus.messages.request("alice", "bob", "which port?", timeout_s=None))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    with world.connect() as other:
        question = other.messages.inbox("bob", 20)[0]
        world.stop()
        time.sleep(2)  # longer than a call repeats its requests
        world.start()
        until(lambda: replied(other, question.message_id), within_s=60)
    asking.join(60)
    assert [each.body for each in found] == ["7433"]


@pytest.mark.promise("M1", "M6")
@pytest.mark.parametrize("world", KINDS[1:], indirect=True)
def test_a_request_that_is_made_while_the_bus_is_away_is_sent_once_it_is_back(world: World, bus: Bus) -> None:
    world.stop()
    with pytest.raises(errors.Unavailable) as caught:
        bus.messages.request("alice", "bob", "too early?", timeout_s=0.2)
    details = caught.value.details
    assert details["message_id"] is None
    found: list[Message] = []

    def ask() -> None:
        found.append(
            bus.messages.request("alice", "bob", "too early?", timeout_s=60, idempotency_key=details["idempotency_key"])
        )

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(1)
    world.start()
    with world.connect() as other:
        until(lambda: is_ready(other), within_s=60)
        (question,) = other.messages.inbox("bob", 30)
        other.messages.reply("bob", question.message_id, "7433")
    asking.join(60)
    assert [each.body for each in found] == ["7433"]


@pytest.mark.promise("M6")
def test_a_bus_that_is_closed_ends_the_wait_for_a_reply(world: World, bus: Bus) -> None:
    raised: list[errors.HallwayError] = []

    def ask() -> None:
        try:
            bus.messages.request("alice", "bob", "anybody?", timeout_s=None)
        except errors.HallwayError as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    with open_store(world.store) as near:
        question = near.messages.inbox("bob", 20)[0]
    time.sleep(0.3)
    bus.close()
    asking.join(10)
    assert [error.details["message_id"] for error in raised] == [question.message_id]


def replied(bus: Bus, message_id: str) -> bool:
    """Whether the bus is back and has taken the reply."""
    try:
        bus.messages.reply("bob", message_id, "7433")
    except errors.Unavailable:
        return False
    except errors.DuplicateMessage:
        return True
    return True
