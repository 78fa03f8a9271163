"""The write-ahead log stays bounded, a full disk recovers, and whatever SQLite says of a write leaves as our error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.store import sqlite
from hub.client import Client
from hub.process import HubProcess
from support import live_ids, open_store, until

Start = Callable[..., subprocess.Popen[str]]

PAGES = 50  # after which these tests' buses make a checkpoint
FRAME_BYTES = 4096 + 24


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", PAGES)
    monkeypatch.setattr(sqlite, "MAX_WAL_PAGES", 2 * PAGES)
    return tmp_path / "hallway" / "bus.db"


@pytest.fixture
def bus(file: Path) -> Iterator[LocalBus]:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        yield bus


def write(bus: LocalBus, times: int, size: int = 12_000) -> None:
    for number in range(times):
        bus.sessions.register("alice", "agent", "codex", metadata={"text": f"{number} " + "x" * size})


def log_pages(file: Path) -> int:
    return os.path.getsize(f"{file}-wal") // FRAME_BYTES


# -- its size ---------------------------------------------------------------------------------------------------------


def test_the_log_is_begun_anew_and_keeps_no_more_than_its_limit(file: Path, bus: LocalBus) -> None:
    sizes = []
    for _ in range(60):
        write(bus, 1)
        sizes.append(log_pages(file))
    assert max(sizes) < 2 * PAGES
    assert os.path.getsize(file) < 60 * 12_000  # most of it was written over


def test_a_long_reader_keeps_its_snapshot_and_the_log_is_small_again_after_it(file: Path, bus: LocalBus) -> None:
    with open_store(str(file)) as reader:
        with reader.store.read():
            before = reader.sessions.get("alice").metadata
            write(bus, 60)
            assert log_pages(file) > 4 * PAGES  # nothing that a reader may still need is thrown away
            assert reader.sessions.get("alice").metadata == before
        write(bus, 3)
        assert log_pages(file) < 2 * PAGES


def test_readers_that_overlap_do_not_keep_the_log_growing(file: Path, bus: LocalBus) -> None:
    """There is always one that reads, so that SQLite alone would never begin the log anew."""
    readers = [open_store(str(file)) for _ in range(2)]
    is_over, opened = threading.Event(), threading.Barrier(2)

    def read(reader: LocalBus, other: list[threading.Lock], own: list[threading.Lock]) -> None:
        opened.wait()
        while not is_over.is_set():
            with other[0], reader.store.read():
                reader.sessions.get("alice")
                is_over.wait(0.02)

    lock = [threading.Lock()]
    second = [threading.Lock()]
    threads = [threading.Thread(target=read, args=(readers[n], [lock, second][n], lock)) for n in range(2)]
    for thread in threads:
        thread.start()
    sizes = []
    for _ in range(150):
        write(bus, 1)
        sizes.append(log_pages(file))
    is_over.set()
    for thread in threads:
        thread.join()
    for reader in readers:
        reader.close()
    assert max(sizes) < 6 * PAGES, sizes


def test_a_writer_waits_for_a_long_reader_only_now_and_then(
    file: Path, bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    ask = bus.store._checkpoint
    monkeypatch.setattr(
        bus.store, "_checkpoint", lambda *, must_empty: waits.append(must_empty) or ask(must_empty=must_empty)
    )
    with open_store(str(file)) as reader, reader.store.read():
        reader.sessions.get("alice")
        write(bus, 60)
        assert 0 < waits.count(True) <= log_pages(file) // PAGES


# -- its index, while another process writes it ------------------------------------------------------------------------


class AfterCommit:
    """A connection that does something once it has committed."""

    def __init__(self, connection: apsw.Connection, act: Callable[[], object]) -> None:
        self._connection, self._act = connection, act

    def execute(self, statement: str, *arguments: Any) -> Any:
        answer = self._connection.execute(statement, *arguments)
        if statement == "COMMIT":
            self._act()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def hold_half_an_index(start: Start, file: Path, hold_s: float) -> None:
    """Begin to hold it in another process, which goes on holding it."""
    worker = start("hold_half_an_index", file, hold_s)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"


@pytest.mark.promise("R1")
def test_a_check_of_the_files_leaves_alone_an_index_that_is_half_written(
    file: Path, bus: LocalBus, start: Start
) -> None:
    """SQLite then asks for the write lock, which another process has, and does not wait for it."""
    files = bus.store._files
    assert files is not None
    os.utime(file)  # so that the header is read
    stamp = files._stamp
    hold_half_an_index(start, file, 1)
    assert files.find_fault() is None
    assert files._stamp == stamp  # the next check reads the header again
    bus.messages.send("alice", "alice", subject="waits until the other process is done")
    assert files.find_fault() is None
    assert files._stamp != stamp


@pytest.mark.promise("R1")
def test_what_is_committed_is_no_error_beside_an_index_that_is_half_written(
    file: Path, bus: LocalBus, start: Start
) -> None:
    connection = bus.store._connection
    bus.store._connection = AfterCommit(connection, lambda: hold_half_an_index(start, file, 1))  # type: ignore[assignment]
    bus.messages.send("alice", "alice", subject="once")
    bus.store._connection = connection
    assert [message.subject for message in bus.messages.inbox("alice")] == ["once"]


@pytest.mark.promise("R1")
def test_what_is_committed_is_no_error_whatever_sqlite_says_of_the_log(bus: LocalBus) -> None:
    connection = bus.store._connection

    class Unreadable(AfterCommit):
        def wal_checkpoint(self, **_: object) -> None:
            raise apsw.IOError("it said so")

    bus.store._connection = Unreadable(connection, lambda: None)  # type: ignore[assignment]
    bus.sessions.register("bob", "agent", "codex")
    bus.store._connection = connection
    assert live_ids(bus) == {"alice", "bob"}


@pytest.mark.promise("R1")
def test_what_is_committed_is_no_error_while_hallway_is_being_replaced(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hallway.local.notify", None)  # as if its file were gone
    bus.messages.send("alice", "alice", subject="once")
    assert [message.subject for message in bus.messages.inbox("alice")] == ["once"]


# -- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(bus: LocalBus, key: Callable[[int], str]) -> list[str]:
    """Write entries until the disk is full; return those that were accepted."""
    accepted = []
    while True:
        name = key(len(accepted))
        try:
            bus.memory.set("alice", name, f"{len(accepted)} " + "x" * 8000)
        except errors.DiskFull:
            return accepted
        accepted.append(name)


def beat_for_ever(bus: LocalBus) -> None:
    while True:
        bus.sessions.heartbeat("alice")


@pytest.mark.promise("M1")
def test_a_nearly_full_disk_takes_writes_as_long_as_there_is_room_for_them(small_disk: Path, file: Path) -> None:
    """A checkpoint that runs out of room would make the bus larger and the log no smaller, and leave no room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_500_000)
    with open_store(str(small_disk / "bus.db")) as bus, open_store(str(small_disk / "bus.db")) as reader:
        bus.sessions.register("alice", "agent", "codex")
        with reader.store.read():  # so that the log holds everything
            reader.sessions.get("alice")
            accepted = fill(bus, "key-{}".format)
        for left in (1_300_000, 1_100_000, 900_000):  # a little room each time
            os.truncate(ballast, left)
            more = fill(bus, f"left-{left}-{{}}".format)
            assert more
            accepted += more
        ballast.unlink()
        bus.memory.set("alice", "after", "there is room")
        until(lambda: (bus.memory.set("alice", "after", "again"), log_pages(small_disk / "bus.db") < 2 * PAGES)[1])
        assert {entry.key for entry in bus.memory.search("*")} == {*accepted, "after"}
        assert [row[0] for row in bus.store._connection.execute("PRAGMA integrity_check")] == ["ok"]


def test_closing_a_bus_on_a_full_disk_uses_no_room_up(small_disk: Path, file: Path) -> None:
    with open_store(str(small_disk / "bus.db")) as bus:
        bus.sessions.register("alice", "agent", "codex")
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 1_500_000)
        with open_store(str(small_disk / "bus.db")) as reader, reader.store.read():
            reader.sessions.get("alice")
            fill(bus, "key-{}".format)
    os.truncate(ballast, 1_250_000)
    for number in range(2):  # as commands do, each the last to close the bus
        with open_store(str(small_disk / "bus.db")) as bus:
            bus.memory.set("alice", f"command-{number}", "x" * 1000)
    with open_store(str(small_disk / "bus.db")) as bus:
        assert len(bus.memory.search("command-*")) == 2


def test_a_full_disk_that_the_log_alone_fills_recovers_by_itself(small_disk: Path, file: Path) -> None:
    with open_store(str(small_disk / "bus.db")) as bus, open_store(str(small_disk / "bus.db")) as reader:
        bus.sessions.register("alice", "agent", "codex")
        bus.store._checkpoint()
        with reader.store.read():  # so that the log is kept
            reader.sessions.get("alice")
            with pytest.raises(errors.DiskFull):
                beat_for_ever(bus)  # which makes the log longer and the bus no larger
        for _ in range(100):
            bus.sessions.heartbeat("alice")
        bus.sessions.register("bob", "agent", "codex")
        assert log_pages(small_disk / "bus.db") < 2 * PAGES


def test_a_hub_on_a_full_disk_with_a_long_reader_recovers(small_disk: Path, file: Path) -> None:
    limits = {"hallway.store.sqlite.CHECKPOINT_PAGES": PAGES, "hallway.store.sqlite.MAX_WAL_PAGES": 2 * PAGES}
    with HubProcess(small_disk / "hub", constants=limits) as hub, Client(hub.port) as client:
        client.register("alice")
        with open_store(str(hub.bus_file)) as reader:
            reader.store._checkpoint()
            with reader.store.read():
                reader.sessions.get("alice")
                until(lambda: client.post("/sessions/alice/heartbeat").status == 507, within_s=60)
        assert client.post("/sessions/alice/heartbeat").status == 200
        assert client.post("/sessions/alice/status", {"text": "after"}).status == 200
        assert client.get("/health").status == 200
        assert log_pages(hub.bus_file) < 2 * PAGES


# -- errors -----------------------------------------------------------------------------------------------------------


class Failing:
    """A connection on which one command fails."""

    def __init__(self, connection: apsw.Connection, command: str, error: Exception) -> None:
        self._connection, self._command, self._error = connection, command, error

    def execute(self, command: str, *rest: Any) -> Any:
        if command.startswith(self._command):
            raise self._error
        return self._connection.execute(command, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


ERRORS = [
    error
    for error in vars(apsw).values()
    if isinstance(error, type) and issubclass(error, apsw.Error) and error is not apsw.Error
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("command", ["BEGIN IMMEDIATE", "PRAGMA synchronous", "SAVEPOINT", "RELEASE", "COMMIT"])
def test_whatever_sqlite_says_of_a_write_leaves_as_our_error(
    bus: LocalBus, command: str, error: type[Exception]
) -> None:
    bus.sessions.heartbeat("alice")  # so that the next write changes how SQLite synchronises
    connection = bus.store._connection
    bus.store._connection = Failing(connection, command, error("it said so"))  # type: ignore[assignment]
    with pytest.raises(errors.HallwayError) as raised, bus.transaction():
        bus.sessions.register("bob", "agent", "codex")
    assert raised.value.hint
    bus.store._connection = connection
    assert live_ids(bus) == {"alice"}
    bus.sessions.register("carol", "agent", "codex")  # no lock and no transaction is left
    assert live_ids(bus) == {"alice", "carol"}


@pytest.mark.parametrize("command", ["BEGIN", "COMMIT"])
def test_whatever_sqlite_says_of_a_read_does_so_too(bus: LocalBus, command: str) -> None:
    connection = bus.store._connection
    bus.store._connection = Failing(connection, command, apsw.IOError("it said so"))  # type: ignore[assignment]
    with pytest.raises(errors.StorageError):
        bus.sessions.list_sessions()
    bus.store._connection = connection
    bus.store._rollback("ROLLBACK")
    assert live_ids(bus) == {"alice"}


def test_a_rollback_that_fails_is_our_error_too(bus: LocalBus) -> None:
    connection = bus.store._connection
    bus.store._connection = Failing(connection, "ROLLBACK", apsw.CorruptError("it said so"))  # type: ignore[assignment]
    with pytest.raises(errors.HallwayError), bus.transaction():
        raise ZeroDivisionError
    bus.store._connection = connection
    bus.store._rollback("ROLLBACK")
    assert live_ids(bus) == {"alice"}


DEFERRED = """\
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON sessions DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def test_what_postgresql_says_of_a_commit_is_our_error_and_nothing_is_written(database: str) -> None:
    with open_store(database) as bus, psycopg.connect(database, autocommit=True) as admin:
        admin.execute(DEFERRED)
        with pytest.raises(errors.StorageError, match="not today"):
            bus.sessions.register("alice", "agent", "codex")
        admin.execute("DROP TRIGGER late ON sessions")
        assert live_ids(bus) == set()
        bus.sessions.register("bob", "agent", "codex")
        assert live_ids(bus) == {"bob"}


def test_a_commit_that_postgresql_turns_into_a_rollback_is_no_success(database: str) -> None:
    with open_store(database) as bus:
        transaction = bus.transaction()
        transaction.__enter__()
        bus.sessions.register("alice", "agent", "codex")
        with pytest.raises(errors.HallwayError):
            bus.store._execute("SELECT 1 / 0")
        bus.store.changed_topics.clear()  # so that it comes to the commit
        with pytest.raises(errors.StorageError, match="rolled back"):
            transaction.__exit__(None, None, None)
        assert live_ids(bus) == set()
