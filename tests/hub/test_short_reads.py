"""Short reads, which the hub answers on its loop: what they may not do there, and that they see what was written."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.errors import SessionNotFound
from hallway.hub.app import HUB
from hallway.hub.workers.reader import SHORT_LIMIT, Reader
from hallway.hub.workers.writer import Writer
from hallway.services.attention import AttentionList, LastLook
from hallway.services.messages import CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.services.stats import Statistics
from hallway.store.sqlite import SQLiteStore
from support import Here, run_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from hallway.core.operation import Operation

GET, LIST = SessionRegistry.operations["get"], SessionRegistry.operations["find_sessions"]
HEARTBEAT = SessionRegistry.operations["heartbeat"]
INBOX = CollaborationHub.operations["inbox"]
ATTENTION = AttentionList.operations["read"]
STATS = Statistics.operations["read"]
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"


class World:
    """A reader and a writer of one bus, and the threads on which their buses were used."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = FakeClock()
        self._last_look = LastLook()
        self._path = str(folder / "bus.db")
        self.bus, self.thread_bus, self.long_bus, self.loop_bus = (self._open() for _ in range(4))
        self.on_threads: list[str] = []
        for bus in (self.thread_bus, self.long_bus):
            self._note(bus)
        self.reader = Reader([self.thread_bus], [self.long_bus], loop, self.loop_bus)
        self.writer = Writer(self._open(), loop)

    def _open(self) -> LocalBus:
        bus = LocalBus(SQLiteStore(self._path, clock=self.clock), Here())
        bus.attention.last_look = self._last_look
        return bus

    def _note(self, bus: LocalBus) -> None:
        whole = bus.execute

        def execute(operation: Operation, *arguments: Any) -> Any:
            assert threading.current_thread() is not threading.main_thread()
            self.on_threads.append(operation.name)
            return whole(operation, *arguments)

        bus.execute = execute  # type: ignore[method-assign]

    async def read(self, operation: Operation, **named: Any) -> Any:
        return await asyncio.wait_for(self.reader.run(operation, operation.arguments((), named), HUB), 60)

    async def write(self, operation: Operation, **named: Any) -> Any:
        return await asyncio.wait_for(self.writer.run(operation, operation.arguments((), named), HUB), 60)

    async def close(self) -> None:
        await self.writer.close()
        await asyncio.to_thread(self.reader.close)
        self.bus.close()


@pytest.fixture
def in_world(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    def run(work: Callable[[World], Awaitable[None]]) -> None:
        async def whole() -> None:
            world = World(tmp_path, asyncio.get_running_loop())
            try:
                await work(world)
            finally:
                await world.close()

        run_apart(whole())

    return run


def test_a_short_read_needs_no_thread_and_sees_what_was_answered_before(in_world: Any) -> None:
    async def work(world: World) -> None:
        for number in range(20):
            await world.write(HEARTBEAT, session_id="alice", project="default", current_task=f"step {number}")
            session = await world.read(GET, session_id="alice")
            assert session.current_task == f"step {number}"
        assert world.on_threads == []

    in_world(work)


def test_reads_that_wait_together_are_each_answered_with_their_own(in_world: Any) -> None:
    async def work(world: World) -> None:
        for each in ("alice", "bob"):
            world.bus.sessions.register(each, each, "codex")
        world.bus.messages.send("alice", "bob", body="hello")
        asked = [world.read(GET, session_id=name) for name in ("alice", "nobody", "bob")]
        asked.append(world.read(INBOX, session_id="bob"))
        alice, nobody, bob, inbox = await asyncio.gather(*asked, return_exceptions=True)
        assert (alice.session_id, bob.session_id) == ("alice", "bob")
        assert isinstance(nobody, SessionNotFound)
        assert [message.body for message in inbox] == ["hello"]
        assert world.on_threads == []

    in_world(work)


def test_a_read_of_an_overdue_session_sweeps_on_a_thread_first(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex", ttl_s=10)
        world.clock.advance(11)
        session = await world.read(GET, session_id="alice")
        assert (session.status, session.end_reason) == ("offline", "expired")
        assert world.on_threads == [GET.name]
        assert (await world.read(GET, session_id="alice")).status == "offline"
        assert world.on_threads == [GET.name]  # the sweep is done

    in_world(work)


def test_statistics_count_all_rows_so_they_are_read_on_a_thread(in_world: Any) -> None:
    async def work(world: World) -> None:
        assert (await world.read(STATS)).sessions.live == 0
        assert world.on_threads == [STATS.name]

    in_world(work)


def test_a_list_of_many_rows_is_read_on_a_thread_from_its_beginning(in_world: Any) -> None:
    async def work(world: World) -> None:
        for number in range(SHORT_LIMIT):
            world.bus.sessions.register(f"s{number}", "agent", "codex")
        assert len(await world.read(LIST)) == SHORT_LIMIT
        assert world.on_threads == []
        world.bus.sessions.register("one-more", "agent", "codex")
        assert len(await world.read(LIST)) == SHORT_LIMIT + 1
        assert world.on_threads == [LIST.name]

    in_world(work)


def test_a_read_that_takes_longer_than_a_slice_does_not_hold_up_the_loop(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        statements: Any = world.loop_bus.store._statements  # the thread's bus has the real one
        statements["messages.inbox"] = SLOW
        assert await world.read(INBOX, session_id="alice") == []
        assert world.on_threads == [INBOX.name]
        assert (await world.read(GET, session_id="alice")).session_id == "alice"
        assert world.on_threads == [INBOX.name]

    in_world(work)


def test_what_writes_before_it_reads_is_never_read_on_the_loop(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        world.bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which branch?")
        assert [each.what for each in (await world.read(ATTENTION)).items] == ["Which branch?"]
        assert world.on_threads == [ATTENTION.name]
        assert world.bus.events.read(kinds=["attention.appeared"])

    in_world(work)


def test_a_list_that_nothing_has_changed_is_read_on_the_loop(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        for _ in range(3):
            assert (await world.read(ATTENTION)).total == 0
            assert world.on_threads == [ATTENTION.name]  # the first one's look serves all
        world.bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which branch?")
        assert (await world.read(ATTENTION)).total == 1
        assert world.on_threads == 2 * [ATTENTION.name]
        world.bus.attention.dismiss((await world.read(ATTENTION)).items[0].item_id)
        assert (await world.read(ATTENTION)).total == 0

    in_world(work)


def test_a_look_that_nobody_announced_is_announced_by_the_next_refresh(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        world.bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which branch?")
        with world.bus.store.read():
            assert world.bus.attention.read().total == 1  # inside a snapshot nothing is announced
        assert world.bus.events.read(kinds=["attention.appeared"]) == []
        assert world.bus.attention.refresh()
        assert len(world.bus.events.read(kinds=["attention.appeared"])) == 1
        assert not world.bus.attention.refresh()
        assert world.thread_bus.attention.refresh()  # it tells its own caller, though the look was another's

    in_world(work)


def test_a_read_never_waits_on_the_loop_for_another_process(in_world: Any) -> None:
    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        assert world.loop_bus.store.busy_timeout_s == 0
        with world.bus.transaction():
            world.bus.sessions.update_status("alice", "working")
            assert (await world.read(GET, session_id="alice")).status == "active"  # no half of a write is seen
        assert (await world.read(GET, session_id="alice")).status == "working"
        assert world.on_threads == []

    in_world(work)


def test_a_bus_that_is_gone_is_an_error_with_its_reason(in_world: Any, tmp_path: Path) -> None:
    from hallway.core.errors import BusGone

    async def work(world: World) -> None:
        world.bus.sessions.register("alice", "agent", "codex")
        (tmp_path / "bus.db").rename(tmp_path / "elsewhere.db")
        try:
            for bus in (world.loop_bus, world.thread_bus):
                bus.store._check_files_at = 0.0  # type: ignore[union-attr]
            with pytest.raises(BusGone):
                await world.read(GET, session_id="alice")
        finally:
            (tmp_path / "elsewhere.db").rename(tmp_path / "bus.db")
        assert (await world.read(GET, session_id="alice")).session_id == "alice"

    in_world(work)
