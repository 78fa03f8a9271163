"""Group commit: what waits together commits together, what fails fails alone, what was answered is on disk."""

from __future__ import annotations

import asyncio
import http.client
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.operation import Operation
from hallway.hub.auth.caller import Caller
from hallway.hub.workers.internal_error import InternalError
from hallway.hub.workers.writer import MAX_AT_ONCE, Writer
from hallway.store import sqlite
from hallway.store.sqlite import SQLiteStore
from hub.client import Answer, Client, Stream
from support import Here, run_apart, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hallway.services.sessions import SessionRegistry
    from hub.process import HubProcess

    Work = Callable[[SessionRegistry], Any]


# -- the writer by itself ---------------------------------------------------------------------------------------------


def open_bus(folder: Path) -> LocalBus:
    return LocalBus(SQLiteStore(str(folder / "bus.db"), busy_timeout_s=0.3), Here())


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[LocalBus]:
    """The bus that the writer writes to, as another process sees it."""
    with open_bus(tmp_path) as bus:
        yield bus


class Batches:
    """What came of a writer's batches: an outcome for each job, and how many commits it took."""

    def __init__(
        self,
        folder: Path,
        *batches: list[Work],
        change: Callable[[LocalBus], object] = bool,
        durable: tuple[bool, ...] = (True,),
    ) -> None:
        self.outcomes: list[list[Any]] = []
        self._durable = cycle(durable)  # whether each operation in turn is
        run_apart(self._run(folder, batches, change))

    async def _run(self, folder: Path, batches: tuple[list[Work], ...], change: Callable[[LocalBus], object]) -> None:
        writer = Writer(open_bus(folder), asyncio.get_running_loop())
        change(writer.bus)
        for batch in batches:
            jobs = [
                writer.run(as_operation(work, is_durable=next(self._durable)), {}, Caller(Here())) for work in batch
            ]
            self.outcomes.append(await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 20))
        await writer.close()
        self.commits = writer.batches


def as_operation(work: Work, *, is_durable: bool = True) -> Operation:
    operation = Operation(work, "POST /test", None, None, is_durable, (), None)
    operation.noun, operation.name = "sessions", "sessions.test"
    return operation


def registers(session_id: str) -> Work:
    return lambda sessions: sessions.register(session_id, "alice's agent", "codex").session_id


def beats(session_id: str) -> Work:
    return lambda sessions: sessions.heartbeat(session_id).session_id


def finds_nobody(sessions: SessionRegistry) -> None:
    sessions.require("nobody")


def writes_and_fails(sessions: SessionRegistry) -> None:
    sessions.bus.events.append("half.written", "anywhere")
    sessions.require("nobody")


def breaks(sessions: SessionRegistry) -> None:
    sessions.bus.events.append("half.written", "anywhere")
    raise ZeroDivisionError


def violates_a_constraint(sessions: SessionRegistry) -> None:
    sessions._store.rows("events.append", now=1, kind=None, project="p", session_id=None, data="{}")


def fills_the_disk(sessions: SessionRegistry) -> None:
    for number in range(10_000):
        sessions.bus.events.append("much.written", "anywhere", text="x" * 1000, number=number)


def written(bus: LocalBus) -> list[str]:
    """Whose registrations are on the bus, by their events; nothing else may be."""
    events = bus.events.read(limit=1000)
    assert {event.kind for event in events} <= {"session.registered"}
    ids = [event.session_id or "" for event in events]
    assert sorted(ids) == sorted(session.session_id for session in bus.sessions.list_sessions())
    return ids


def test_what_waits_together_commits_together(tmp_path: Path, bus: LocalBus) -> None:
    ran = Batches(tmp_path, [registers(f"s{number}") for number in range(100)])
    assert ran.commits == 1
    assert ran.outcomes[0] == written(bus) == [f"s{number}" for number in range(100)]


def test_callers_that_ask_again_at_once_share_their_commits(tmp_path: Path, bus: LocalBus) -> None:
    """Without a pause before each batch, one caller's write would always find the other's under way."""

    async def ask(writer: Writer, name: str) -> None:
        for _ in range(20):
            await writer.run(as_operation(registers(name)), {}, Caller(Here()))
            await asyncio.sleep(0)  # as an answer and the next request take a turn of the loop

    async def run() -> int:
        writer = Writer(open_bus(tmp_path), asyncio.get_running_loop())
        first = asyncio.ensure_future(ask(writer, "alice"))
        while not writer.batches:
            await asyncio.sleep(0)
        await asyncio.gather(first, ask(writer, "bob"))
        await writer.close()
        return writer.batches

    assert 20 <= run_apart(run()) <= 22
    assert written(bus) == ["alice", "bob"]


def test_a_batch_is_bounded(tmp_path: Path, bus: LocalBus) -> None:
    assert Batches(tmp_path, [registers(f"s{n}") for n in range(2 * MAX_AT_ONCE + 1)]).commits == 3
    assert len(written(bus)) == 2 * MAX_AT_ONCE + 1


SYNCS = {True: 2, False: 1}  # SQLite's numbers of FULL and NORMAL


@pytest.mark.parametrize("durable", [(True,), (False,), (False, True)], ids=str)
def test_what_others_read_waits_for_the_disk_on_a_thread(
    tmp_path: Path, bus: LocalBus, durable: tuple[bool, ...]
) -> None:
    seen: list[tuple[bool, int]] = []
    batch = [registers("alice"), registers("bob")]
    ran = Batches(tmp_path, batch, change=noting_commits(seen), durable=durable)
    assert seen == [(True, SYNCS[True])]
    assert written(bus) == ran.outcomes[0] == ["alice", "bob"]
    assert ran.commits == 1


@pytest.mark.parametrize(("durable", "on_thread"), [((False,), False), ((False, True), True)], ids=str)
def test_heartbeats_without_news_wait_for_no_disk_unless_another_operation_does(
    tmp_path: Path, bus: LocalBus, durable: tuple[bool, ...], on_thread: bool
) -> None:
    seen: list[tuple[bool, int]] = []
    for each in ("alice", "bob"):
        bus.sessions.register(each, each, "codex")
    ran = Batches(tmp_path, [beats("alice"), beats("bob")], change=noting_commits(seen), durable=durable)
    assert ran.outcomes[0] == ["alice", "bob"]
    assert seen == [(on_thread, SYNCS[on_thread])]


def test_news_between_heartbeats_makes_only_its_own_batch_durable(tmp_path: Path, bus: LocalBus) -> None:
    seen: list[tuple[bool, int]] = []
    bus.sessions.register("alice", "alice", "codex")
    batches = [beats("alice")], [beats("alice"), registers("bob"), beats("alice")], [beats("alice")]
    Batches(tmp_path, *batches, change=noting_commits(seen), durable=(False,))
    assert seen == [(False, SYNCS[False]), (True, SYNCS[True]), (False, SYNCS[False])]
    assert written(bus) == ["alice", "bob"]


def noting_commits(seen: list[tuple[bool, int]]) -> Callable[[LocalBus], object]:
    """A change of a bus that notes of each commit whether it is on the writer's thread, and how far it syncs."""

    def change(bus: LocalBus) -> None:
        store: Any = bus.store
        whole = store._commit

        def commit(**options: Any) -> None:
            is_on_thread = threading.current_thread().name == "hallway-writer"
            seen.append((is_on_thread, store._pragma("synchronous")))
            whole(**options)

        store._commit = commit

    return change


def test_a_checkpoint_is_never_on_the_loop_and_comes_with_heartbeats_alone(
    tmp_path: Path, bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 30)
    seen: list[str] = []

    def change(bus: LocalBus) -> None:
        store: Any = bus.store
        whole = store._checkpoint

        def checkpoint(**options: Any) -> None:
            seen.append(threading.current_thread().name)
            whole(**options)

        store._checkpoint = checkpoint

    bus.sessions.register("alice", "alice", "codex")
    Batches(tmp_path, *([beats("alice")] for _ in range(300)), change=change, durable=(False,))
    assert set(seen) == {"hallway-writer"}
    assert len(seen) > 5
    assert (tmp_path / "bus.db-wal").stat().st_size < 200 * sqlite.PAGE_BYTES


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (finds_nobody, errors.SessionNotFound),
        (writes_and_fails, errors.SessionNotFound),
        (breaks, InternalError),
        (violates_a_constraint, errors.StorageError),
    ],
)
def test_a_job_that_fails_fails_alone(tmp_path: Path, bus: LocalBus, fails: Work, error: type[Exception]) -> None:
    ran = Batches(tmp_path, [registers("alice"), fails, registers("bob"), fails], [registers("carol")])
    assert ran.commits == 2
    (first, second, third, fourth), (last,) = ran.outcomes
    assert (first, third, last) == ("alice", "bob", "carol")
    assert type(second) is type(fourth) is error
    assert written(bus) == ["alice", "bob", "carol"]


def test_a_disk_that_is_full_in_the_middle_fails_the_batch_and_writes_nothing(tmp_path: Path, bus: LocalBus) -> None:
    for batch in ([fills_the_disk], [finds_nobody, fills_the_disk], [writes_and_fails, fills_the_disk]):
        ran = Batches(
            tmp_path,
            [registers("alice"), *batch, registers("bob")],
            change=lambda bus: bus.store._connection.execute("PRAGMA max_page_count = 300").fetchall(),
        )
        assert [type(outcome) for outcome in ran.outcomes[0]] == [errors.DiskFull] * (len(batch) + 2)
        assert written(bus) == []
    assert Batches(tmp_path, [registers("alice")]).outcomes == [["alice"]]


@pytest.mark.parametrize("is_durable", [True, False])
@pytest.mark.parametrize(
    ("raised", "told"), [(errors.DiskFull("full"), errors.DiskFull), (ZeroDivisionError(), InternalError)]
)
@pytest.mark.parametrize("where", ["_begin", "_commit"])
def test_a_commit_that_fails_is_told_to_all_and_the_next_one_goes_through(
    tmp_path: Path, bus: LocalBus, raised: Exception, told: type[Exception], where: str, is_durable: bool
) -> None:
    def fails_once(bus: LocalBus) -> None:
        whole = getattr(bus.store, where)

        def fail(*_: object, **__: object) -> None:
            setattr(bus.store, where, whole)
            bus.store._unlock()
            bus.store._rollback("ROLLBACK")
            raise raised

        setattr(bus.store, where, fail)

    batches = [registers("alice"), registers("bob")], [registers("carol")]
    ran = Batches(tmp_path, *batches, change=fails_once, durable=(is_durable,))
    assert [type(outcome) for outcome in ran.outcomes[0]] == [told, told]
    assert ran.outcomes[1] == ["carol"]
    assert written(bus) == ["carol"]


def test_a_sweep_that_breaks_is_told_and_stops_nothing(tmp_path: Path, bus: LocalBus) -> None:
    def break_once(bus: LocalBus) -> None:
        whole = bus._is_due

        def fail() -> bool:
            bus._is_due = whole  # type: ignore[method-assign]
            raise ZeroDivisionError

        bus._is_due = fail  # type: ignore[method-assign]

    ran = Batches(tmp_path, [registers("alice")], [registers("bob")], change=break_once)
    assert type(ran.outcomes[0][0]) is InternalError
    assert ran.outcomes[1] == written(bus) == ["bob"]


def test_another_process_that_writes_delays_a_batch(tmp_path: Path, bus: LocalBus) -> None:
    async def write_beside() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        writer = Writer(open_bus(tmp_path), loop)
        writer.bus.store.busy_timeout_s = 20
        with bus.transaction():
            job = writer.run(as_operation(registers("alice")), {}, Caller(Here()))
            turns = 0
            until_s = loop.time() + 0.2
            while loop.time() < until_s:  # the loop goes round meanwhile
                await asyncio.sleep(0)
                turns += 1
            assert not job.done()
        outcome = await asyncio.wait_for(job, 20)
        await writer.close()
        return outcome, turns

    outcome, turns = run_apart(write_beside())
    assert outcome == "alice"
    assert turns > 10


def test_another_process_that_is_stuck_in_a_write_is_told_as_busy(tmp_path: Path, bus: LocalBus) -> None:
    with bus.transaction():
        ran = Batches(tmp_path, [registers("alice"), registers("bob")])
    for outcome in ran.outcomes[0]:
        assert isinstance(outcome, errors.BusBusy)
        assert (outcome.status, "hallway doctor" in outcome.hint) == (503, True)
    assert Batches(tmp_path, [registers("alice")]).outcomes == [["alice"]]
    assert written(bus) == ["alice"]


def test_a_job_whose_caller_has_gone_harms_nobody(tmp_path: Path, bus: LocalBus) -> None:
    async def leave() -> Any:
        writer = Writer(open_bus(tmp_path), asyncio.get_running_loop())
        jobs = [writer.run(as_operation(work), {}, Caller(Here())) for work in (registers("alice"), finds_nobody)]
        for job in jobs:
            job.cancel()
        outcome = await writer.run(as_operation(registers("bob")), {}, Caller(Here()))
        await writer.close()
        return outcome

    assert run_apart(leave()) == "bob"


# -- the hub ----------------------------------------------------------------------------------------------------------


@contextmanager
def write_lock(hub: HubProcess) -> Iterator[None]:
    """Hold the bus as another process that writes does."""
    with hallway.connect(hub.bus_file) as bus, bus.store.write():
        yield


def counted(client: Client, name: str) -> int:
    text = client.get("/metrics").body.decode()
    return int(float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).rpartition(" ")[2]))


QUEUED = 'hallway_queued{worker="writer"}'


class Crowd:
    """Many requests at once, each on a connection of its own."""

    def __init__(self, hub: HubProcess, requests: list[tuple[str, Any]]) -> None:
        self._threads = ThreadPoolExecutor(len(requests))
        self._answers = [self._threads.submit(self._post, hub.port, *request) for request in requests]

    @staticmethod
    def _post(port: int, path: str, body: Any) -> Answer:
        with Client(port) as client:
            return client.post(path, body)

    def answers(self) -> list[Answer]:
        try:
            return [answer.result(20) for answer in self._answers]
        finally:
            self._threads.shutdown()


def test_requests_that_wait_for_the_lock_are_one_commit(hub: HubProcess) -> None:
    requests: list[tuple[str, Any]] = [(f"/sessions/crowd-{number}/heartbeat", None) for number in range(20)]
    requests += [("/sessions/crowd-nobody/ping", None), ("/sessions/crowd-no-one/end", None)]
    with Client(hub.port) as client:
        before = counted(client, "hallway_commits_total")
        with write_lock(hub):
            crowd = Crowd(hub, requests)
            until(lambda: counted(client, QUEUED) == len(requests))
            assert client.get("/sessions/crowd-0").status == 404  # a read does not wait
        assert [answer.status for answer in crowd.answers()] == [200] * 20 + [404] * 2
        assert counted(client, "hallway_commits_total") - before == 1


def test_a_crowd_shares_its_commits(hub: HubProcess) -> None:
    with Client(hub.port) as client, ThreadPoolExecutor(32) as threads:
        commits, jobs = counted(client, "hallway_commits_total"), counted(client, 'hallway_jobs_total{worker="writer"}')

        def beat(number: int) -> None:
            with Client(hub.port) as own:
                for _ in range(20):
                    assert own.post(f"/sessions/shares-{number}/heartbeat").status == 200

        list(threads.map(beat, range(32)))
        assert counted(client, 'hallway_jobs_total{worker="writer"}') - jobs == 640
        assert counted(client, "hallway_commits_total") - commits < 600


def test_a_foreign_program_with_the_file_open_for_writing_delays_and_breaks_nothing(hub: HubProcess) -> None:
    foreign = sqlite3.connect(hub.bus_file, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    crowd = Crowd(hub, [("/sessions/foreign/heartbeat", None)])
    time.sleep(0.3)  # it knows no side lock, so there is nothing to see but that no answer comes
    foreign.execute("ROLLBACK")
    foreign.close()
    assert [answer.status for answer in crowd.answers()] == [200]


# -- stopping ---------------------------------------------------------------------------------------------------------


def is_listening(hub: HubProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", hub.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_requests_in_flight_are_answered_before_a_hub_ends(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with write_lock(hub), Client(hub.port) as client:
        crowd = Crowd(hub, [(f"/sessions/s{number}/heartbeat", None) for number in range(5)])
        until(lambda: counted(client, QUEUED) == 5)
        hub.signal(15)
        until(lambda: not is_listening(hub))
    assert [answer.status for answer in crowd.answers()] == [200] * 5
    assert hub.ends(within_s=9) == 0
    with hallway.connect(hub.bus_file) as bus:
        assert len(bus.sessions.list_sessions()) == 5


def test_a_request_that_a_stopping_hub_cannot_finish_in_time_is_cut_off_and_not_answered_with_an_error(
    start_hub: Callable[..., HubProcess],
) -> None:
    """Clients and proxies repeat what a broken connection lost, and never what 500 answered."""
    hub = start_hub("--stop-within", "1")
    late = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    with write_lock(hub), Client(hub.port) as client:
        late.request("POST", "/sessions/late/heartbeat", "{}", {"Content-Type": "application/json"})
        until(lambda: counted(client, QUEUED) == 1)
        hub.signal(15)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            late.getresponse()
    assert hub.ends() == 0
    hub.forgiven |= {record["message"] for record in hub.log() if record["level"] == "error"}


@pytest.mark.parametrize("number", [2, 15])
def test_open_streams_and_idle_connections_hold_up_no_end(start_hub: Callable[..., HubProcess], number: int) -> None:
    hub = start_hub()
    with Client(hub.port) as client, Stream(hub.port) as one, Stream(hub.port, "?after=0") as other:
        client.register("alice")
        assert [frame.data["session_id"] for frame in (*one.take(1), *other.take(1))] == ["alice", "alice"]
        hub.signal(number)
        assert hub.ends(within_s=9) == 0
        assert list(one) == list(other) == []  # each ended between two frames
    assert [record["message"] for record in hub.log()] == ["serving", "stopped"]
    assert not list((hub.home / "wake").iterdir())


def test_a_reader_that_has_stopped_reading_holds_up_no_end(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with hallway.connect(hub.bus_file) as bus, Client(hub.port) as client, Stream(hub.port, "?after=0") as stuck:
        fill(bus, 10_000)
        until(lambda: counted(client, "hallway_streams") == 1)
        assert len(stuck.take(1)) == 1
        hub.signal(15)
        assert hub.ends(within_s=9) == 0


def fill(bus: hallway.Bus, count: int) -> None:
    """Write so many events of about half a kilobyte."""
    with bus.transaction():
        for number in range(count):
            bus.events.append("test.filled", "anywhere", None, number=number, text="x" * 400)
