"""What `/health` and `/ready` tell a proxy: a hub without its bus says 503, and one that is merely busy does not."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import postgres
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.hub import app
from hallway.hub.app import Hub
from hallway.hub.stream import LAST
from hallway.hub.workers.reader import Reader
from hallway.hub.workers.writer import Writer
from hallway.store.postgres.store import LOCKS
from hallway.store.sqlite import SQLiteStore
from hub.client import Client
from hub.process import HubProcess
from postgres import PostgresServer
from support import Here, open_store, run_apart, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

QUICK = {"hallway.hub.app.HEALTH_WITHIN_S": 0.3}
PATIENT_S, NEVER = 20.0, 600.0
PROBES = ("/health", "/ready")


@contextmanager
def write_lock(address: str) -> Iterator[None]:
    """Hold the lock of the bus's writers, as another process does whose write takes long."""
    if "://" not in address:
        with open_store(address) as bus, bus.store.write():
            yield
    else:
        with psycopg.connect(address, autocommit=True) as holder:
            holder.execute(f"SELECT pg_advisory_lock({LOCKS}, hashtext(current_schema()))")
            yield


def probe(client: Client, path: str) -> tuple[int, Any]:
    answer = client.get(path)
    return answer.status, answer.json if answer.status == 200 else answer.error


# -- a hub ------------------------------------------------------------------------------------------------------------


def test_a_hub_whose_writes_wait_for_those_of_others_is_ready(address: str, tmp_path: Path) -> None:
    constants = {**QUICK, "hallway.hub.app.WRITER_SILENT_S": NEVER}
    with HubProcess(tmp_path / "hub", "--store", address, constants=constants) as hub, Client(hub.port) as client:
        with write_lock(address):
            for _ in range(3):
                for path in PROBES:
                    assert probe(client, path)[0] == 200
            assert client.post("/sessions/alice/heartbeat").error["code"] == "bus_busy"  # after the busy timeout
            for path in PROBES:
                assert probe(client, path)[0] == 200
        assert client.post("/sessions/alice/heartbeat").status == 200


def test_a_hub_whose_writes_wait_for_longer_than_callers_do_is_not_ready_until_they_go_on(
    address: str, tmp_path: Path
) -> None:
    constants = {**QUICK, "hallway.hub.app.WRITER_SILENT_S": 0.1}
    with HubProcess(tmp_path / "hub", "--store", address, constants=constants) as hub, Client(hub.port) as client:
        with write_lock(address):
            for path in PROBES:
                status, error = probe(client, path)
                assert (status, error["is_ready"]) == (503, False)
                assert "the bus does not answer" in error["message"]
        until(lambda: [probe(client, path)[0] for path in PROBES] == [200, 200])


def test_a_hub_whose_database_says_nothing_is_not_ready_however_long_writes_may_wait(tmp_path: Path) -> None:
    server = PostgresServer()
    constants = {"hallway.hub.app.WRITER_SILENT_S": NEVER}
    try:
        with (
            HubProcess(tmp_path / "hub", "--store", postgres.new_bus(server.url), constants=constants) as hub,
            Client(hub.port) as client,
        ):
            assert [probe(client, path)[0] for path in PROBES] == [200, 200]
            frozen = [server.pid, *map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())]
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            try:
                for path in PROBES:
                    status, error = probe(client, path)
                    assert (status, error["cause"]) == (503, "unavailable")
                    assert "nothing came within 2 s" in error["message"]
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
            until(lambda: [probe(client, path)[0] for path in PROBES] == [200, 200])
    finally:
        server.close()


def test_ready_is_503_when_the_hub_was_told_to_stop_while_the_bus_was_asked(tmp_path: Path) -> None:
    hub, sent = Hub(str(tmp_path)), []

    async def stop_meanwhile() -> None:
        hub.is_stopping = True

    async def send(message: Any) -> None:
        sent.append(message)

    hub._bus_failure = stop_meanwhile  # type: ignore[method-assign]
    run_apart(hub._ready({"type": "http"}, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
    assert b"the hub is stopping" in sent[1]["body"]


# -- a worker ---------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "HEALTH_WITHIN_S", 0.3)


def open_bus(folder: Path) -> LocalBus:
    return LocalBus(SQLiteStore(str(folder / "bus.db"), busy_timeout_s=0.1), Here())


def in_a_loop(work: Callable[[asyncio.AbstractEventLoop], Awaitable[None]]) -> None:
    async def run() -> None:
        await work(asyncio.get_running_loop())

    run_apart(run())


def test_reads_that_queue_are_answered_one_after_the_other_so_the_bus_is_there(tmp_path: Path) -> None:
    async def work(loop: asyncio.AbstractEventLoop) -> None:
        reader = Reader([read_slowly(open_bus(tmp_path), 0.01)], [], loop)
        queued = [reader.run(LAST, {}, app.HUB) for _ in range(100)]  # longer than a probe waits
        while not queued[-1].done():
            await app._require_bus(reader, PATIENT_S)
            await asyncio.sleep(0.05)
        await asyncio.to_thread(reader.close)

    in_a_loop(work)


def read_slowly(bus: LocalBus, seconds: float) -> LocalBus:
    whole = bus.execute

    def execute(*arguments: Any) -> Any:
        time.sleep(seconds)
        return whole(*arguments)

    bus.execute = execute  # type: ignore[method-assign]
    return bus


def test_a_read_without_an_answer_is_a_failure_until_there_is_one(tmp_path: Path) -> None:
    async def work(loop: asyncio.AbstractEventLoop) -> None:
        bus, is_back = open_bus(tmp_path), threading.Event()
        whole = bus.execute

        def execute(*arguments: Any) -> Any:
            is_back.wait()
            return whole(*arguments)

        bus.execute = execute  # type: ignore[method-assign]
        reader = Reader([bus], [], loop)
        with pytest.raises(TimeoutError):
            await app._require_bus(reader, 0.2)
        is_back.set()
        await app._require_bus(reader, 0.2)
        await asyncio.to_thread(reader.close)

    in_a_loop(work)


def test_a_writer_that_has_failed_is_waited_for_from_then_on_until_a_write_succeeds(tmp_path: Path) -> None:
    async def work(loop: asyncio.AbstractEventLoop) -> None:
        writer, other = Writer(open_bus(tmp_path), loop), open_bus(tmp_path)
        assert writer.bus_wait.seconds == 0
        with other.transaction():
            await app._require_bus(writer, NEVER)
            first = writer.bus_wait.seconds
            assert first > 0
            with pytest.raises(errors.BusBusy):
                await app._require_bus(writer, first)  # the second in a row, with an idle time between them
        await app._require_bus(writer, 0.0)
        assert writer.bus_wait.seconds == 0
        await writer.close()
        other.close()

    in_a_loop(work)


def test_a_writer_that_is_busy_is_not_asked_again(tmp_path: Path) -> None:
    async def work(loop: asyncio.AbstractEventLoop) -> None:
        writer, other = Writer(open_bus(tmp_path), loop), open_bus(tmp_path)
        writer.bus.store.busy_timeout_s = NEVER
        with other.transaction():
            asked = asyncio.ensure_future(app._require_bus(writer, NEVER))
            while not writer.bus_wait.seconds:
                await asyncio.sleep(0)
            waiting = writer.waiting
            for _ in range(3):
                await app._require_bus(writer, NEVER)
            assert writer.waiting == waiting
            await asked
        await writer.close()
        other.close()

    in_a_loop(work)


def test_a_bus_that_fails_is_told_each_time_and_at_once(tmp_path: Path) -> None:
    async def work(loop: asyncio.AbstractEventLoop) -> None:
        writer = Writer(open_bus(tmp_path), loop)
        whole = writer.bus.store._begin

        def fail(*_: object) -> None:
            writer.bus.store._unlock()
            raise errors.DiskFull("full")

        writer.bus.store._begin = fail  # type: ignore[method-assign]
        for _ in range(3):
            with pytest.raises(errors.DiskFull):
                await app._require_bus(writer, NEVER)
        writer.bus.store._begin = whole  # type: ignore[method-assign]
        await app._require_bus(writer, NEVER)
        await writer.close()

    in_a_loop(work)
