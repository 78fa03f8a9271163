"""What goes wrong around a bus: crowds, deaths, full disks, strange files, jumping clocks. Nothing is lost of it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.store.migrate import newest_version
from hallway.store.sqlite import SQLiteStore
from support import Here, all_events, answer_of, kinds, live_ids, open_store, start_together, until

Start = Callable[..., Popen[str]]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "bus" / "bus.db")


def register(bus: LocalBus, *ids: str, **said: object) -> None:
    for session_id in ids:
        bus.sessions.register(session_id, "agent", "codex", **said)


def assert_sound(bus: LocalBus) -> None:
    """The file is whole, the events have no gap, and the projects' counters are right."""
    query = bus.store._connection.execute
    assert query("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [event.seq for event in all_events(bus)] == list(range(1, bus.events.last_seq() + 1))
    counted = query("SELECT project, count(*) FROM sessions WHERE ended_at IS NULL GROUP BY 1 ORDER BY 1").fetchall()
    assert query("SELECT * FROM projects WHERE live ORDER BY 1").fetchall() == counted


# -- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.promise("S1", "S3", "S4")
def test_thirty_two_processes_at_once_lose_and_double_nothing(path: str, tmp_path: Path, start: Start) -> None:
    open_store(path).close()
    stop = tmp_path / "stop"
    sweepers = [start("sweep", path, stop) for _ in range(8)]
    trouble = [start("make_overdue", path, f"t{n}", stop) for n in range(2)]
    beaters = [start("beat", path, f"b{n}", stop) for n in range(22)]
    start_together(sweepers + trouble + beaters)
    time.sleep(5)  # for which they run into each other
    stop.touch()

    beaten = [json.loads(answer_of(worker)) for worker in beaters]  # a worker that met any error has none
    overdue = Counter(json.loads(answer_of(trouble[0]))) + Counter(json.loads(answer_of(trouble[1])))
    assert all(int(answer_of(worker)) > 0 for worker in sweepers)
    with open_store(path) as bus:
        registered = {f"{told['name']}-{n}" for told in beaten for n in range(told["registered"])}
        names = {told["name"] for told in beaten}
        assert live_ids(bus) >= registered | names
        events = all_events(bus)
        told = Counter((event.kind, event.session_id) for event in events)
        assert {id_: told["session.registered", id_] for id_ in registered | names} == dict.fromkeys(
            registered | names, 1
        )
        assert all(told["beats"] for told in beaten)
        # One event for each expiry and one for each return, of exactly those whose time was taken from them.
        assert overdue  # how many there were is the machine's affair
        for kind in ("session.expired", "session.resumed"):
            assert {id_: count for (of, id_), count in told.items() if of == kind} == overdue
        assert_sound(bus)


def test_a_bus_made_by_many_at_once_is_one_bus(tmp_path: Path, start: Start) -> None:
    for attempt in range(3):
        path = str(tmp_path / str(attempt) / "bus.db")
        makers = [start("make_bus", path) for _ in range(8)]
        start_together(makers)
        for maker in makers:
            answer_of(maker)
        with open_store(path) as bus:
            assert live_ids(bus) == {str(maker.pid) for maker in makers}


def test_threads_may_share_one_bus(path: str) -> None:
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(30):
                register(bus, f"{name}-{number}")
                bus.sessions.heartbeat(name, current_task=f"task {number}")
                assert bus.sessions.get(f"{name}-{number}").is_live
                assert bus.sessions.active(Here.project).total > number
                bus.events.read(bus.events.last_seq() - 1)
        except BaseException as error:
            failed.append(error)
            raise

    with open_store(path) as bus:
        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert len(live_ids(bus)) == 16 * 31
        assert_sound(bus)


# -- deaths -----------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_is_there_after_kill_9(path: str, tmp_path: Path, start: Start) -> None:
    record = tmp_path / "acknowledged"
    record.touch()
    for attempt in range(4):
        before = len(record.read_text().splitlines())
        writer = start("write_and_record", path, str(record), f"w{attempt}")
        start_together([writer])
        until(lambda before=before: len(record.read_text().splitlines()) > before + 20)
        writer.kill()  # wherever it is in its loop
        writer.wait()
        with open_store(path) as bus:
            bus.store.busy_timeout_s = 0.5  # nobody holds the lock any more
            assert live_ids(bus) >= set(record.read_text().splitlines())
            register(bus, f"after-{attempt}")
            assert_sound(bus)


def test_a_stuck_writer_makes_others_wait_no_longer_than_they_want(path: str, start: Start) -> None:
    holder = start("hold_the_lock", path)
    assert holder.stdout.readline() == "ready\n"
    holder.send_signal(signal.SIGSTOP)
    with LocalBus(SQLiteStore(path, busy_timeout_s=0.5), Here()) as bus:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(errors.BusBusy, match=r"0\.5 s"):
                register(bus, "alice")
            assert 0.4 < time.monotonic() - began < 5
        assert live_ids(bus) == set()  # reading needs no lock
        bus.store.busy_timeout_s = 30
        holder.send_signal(signal.SIGCONT)
        holder.stdin.write("go\n")
        holder.stdin.flush()
        register(bus, "alice")
        assert live_ids(bus) == {"holder", "alice"}


def test_a_killed_writer_leaves_no_lock_and_no_half_of_its_write(path: str, start: Start) -> None:
    holder = start("hold_the_lock", path)
    assert holder.stdout.readline() == "ready\n"
    with LocalBus(SQLiteStore(path, busy_timeout_s=30), Here()) as bus:
        holder.send_signal(signal.SIGSTOP)
        threading.Timer(0.1, holder.kill).start()
        register(bus, "alice")  # waits for the lock until the holder is dead
        assert live_ids(bus) == {"alice"}
        assert_sound(bus)


# -- disks and files --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk where one may be mounted; else None tells the test to make do with a small database."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", str(disk)], capture_output=True)
    yield disk if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", str(disk)], check=True)


def write_until_full(bus: LocalBus) -> set[str]:
    """The sessions that were accepted before the disk was full."""
    accepted: set[str] = set()
    while True:
        try:
            register(bus, f"s{len(accepted)}", metadata={"text": "x" * 5000})
        except errors.DiskFull:
            return accepted
        accepted.add(f"s{len(accepted)}")


@pytest.mark.promise("S2")
def test_a_full_disk_loses_nothing_and_takes_writes_again_when_there_is_room(
    small_disk: Path | None, path: str, clock: FakeClock
) -> None:
    ballast = small_disk and small_disk / "ballast"
    if ballast:
        path = str(small_disk / "bus.db")
        ballast.write_bytes(b"x" * 200_000)
    bus = LocalBus(SQLiteStore(path, clock=clock, busy_timeout_s=0.5), Here())
    if not ballast:
        bus.store._connection.execute("PRAGMA max_page_count = 160")
    accepted = write_until_full(bus)
    assert len(accepted) > 10
    with pytest.raises(errors.DiskFull):
        register(bus, "never", metadata={"text": "x" * 15_000})
    assert live_ids(bus) == accepted
    clock.advance(121)
    assert live_ids(bus) == set()  # though nobody can write it down
    assert bus.sessions.get("s0").end_reason == "expired"

    if ballast:
        ballast.unlink()
    else:
        bus.store._connection.execute("PRAGMA max_page_count = 100000")
    register(bus, "later")
    assert {session.session_id for session in bus.sessions.list_sessions(True)} == accepted | {"later"}
    assert kinds(bus).count("session.expired") == len(accepted)
    assert_sound(bus)
    bus.close()


def test_a_bus_cannot_be_made_on_a_full_disk_and_says_so(small_disk: Path | None) -> None:
    if small_disk is None:
        pytest.skip("needs a disk that can be filled")
    with (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(b"x" * 4096) == 4096 and os.statvfs(small_disk).f_bavail:
            pass
    for _ in range(2):
        with pytest.raises(errors.DiskFull):
            open_store(str(small_disk / "bus.db"))
    (small_disk / "ballast").unlink()
    with open_store(str(small_disk / "bus.db")) as bus:
        register(bus, "alice")
        assert_sound(bus)


def as_nobody(action: Callable[[], object]) -> str:
    """The code of the error that an action raises for a user who is not root, or what it returned."""
    if os.getuid():
        return outcome(action)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, outcome(action).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return answer


def outcome(action: Callable[[], object]) -> str:
    try:
        return repr(action())
    except errors.HallwayError as error:
        return error.code
    except BaseException as error:
        return repr(error)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A bus that everybody may read and nobody but root may write."""
    folder = tmp_path / "shared"
    with hallway.connect(folder) as bus:
        bus.sessions.register("alice", "agent", "codex", project="github.com/acme/shop")
    for parent in (folder, *folder.parents[: len(folder.parents) - 2]):
        parent.chmod(0o755)
    for entry in folder.iterdir():
        if entry.is_file():
            entry.chmod(0o444)
    folder.chmod(0o555)
    return folder


def test_a_bus_that_may_not_be_written_is_a_clear_error(shared: Path) -> None:
    before = (shared / "bus.db").read_bytes()
    assert as_nobody(lambda: hallway.connect(shared)) == "not_writable"
    assert as_nobody(lambda: hallway.connect(shared / "new" / "bus.db")) == "not_writable"
    assert as_nobody(lambda: hallway.connect(shared / "other.db")) == "not_writable"
    assert (shared / "bus.db").read_bytes() == before
    shared.chmod(0o755)


def test_a_read_only_file_in_a_folder_that_may_be_written_can_be_read_and_no_more(shared: Path) -> None:
    shared.chmod(0o777)
    (shared / "bus.db.lock").unlink()

    def read_then_write() -> None:
        with hallway.connect(shared) as bus:
            assert len(bus.sessions.list_sessions(include_offline=True)) == 1
            bus.sessions.heartbeat("alice")

    assert as_nobody(read_then_write) == "not_writable"
    assert as_nobody(read_then_write) == "not_writable"


def test_a_file_where_the_folder_should_be_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.NotWritable):
        hallway.connect(tmp_path / "file" / "bus")


def test_a_disk_that_turns_read_only_is_a_clear_error(small_disk: Path | None, clock: FakeClock) -> None:
    if small_disk is None:
        pytest.skip("needs a disk that can be mounted anew")
    with LocalBus(SQLiteStore(str(small_disk / "bus.db"), clock=clock), Here()) as bus:
        register(bus, "alice")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(errors.NotWritable):
        hallway.connect(small_disk)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with LocalBus(SQLiteStore(str(small_disk / "bus.db"), clock=clock), Here()) as bus:
        assert live_ids(bus) == {"alice"}


def other_program(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE sessions (id)")
    database.close()


def other_application(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA application_id = 42")
    database.close()


STRANGERS: dict[str, Callable[[Path], object]] = {
    "text": lambda file: file.write_text("Dear diary,\n" * 500),
    "a few bytes": lambda file: file.write_bytes(b"diary"),
    "zeros": lambda file: file.write_bytes(bytes(10_000)),
    "a database of another program": other_program,
    "an empty database of another application": other_application,
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_file_that_is_no_bus_is_refused_and_left_as_it_is(tmp_path: Path, stranger: str) -> None:
    file = tmp_path / "bus.db"
    STRANGERS[stranger](file)
    before = file.read_bytes()
    for _ in range(2):
        with pytest.raises(errors.NotABus, match=r"bus\.db"):
            hallway.connect(tmp_path)
    assert file.read_bytes() == before


def test_an_empty_file_becomes_a_bus(tmp_path: Path) -> None:
    (tmp_path / "bus.db").touch()
    with open_store(str(tmp_path / "bus.db")) as bus:
        register(bus, "alice")


@pytest.mark.parametrize("where", ["header", "middle", "end"])
def test_a_damaged_bus_is_a_clear_error(path: str, where: str) -> None:
    with open_store(path) as bus, bus.transaction():
        register(bus, *(f"s{n}" for n in range(300)))
    file = Path(path)
    content = bytearray(file.read_bytes())
    if where == "end":
        content = content[: len(content) // 2]
    else:
        begin = 20 if where == "header" else 4096
        content[begin : len(content) - 8192 if where == "middle" else 100] = b"\xa5" * (
            (len(content) - 8192 if where == "middle" else 100) - begin
        )
    file.write_bytes(content)
    with pytest.raises(errors.NotABus):  # noqa: PT012 (whichever comes upon it first)
        bus = open_store(path)
        live_ids(bus)
        register(bus, "alice")
        assert_sound(bus)


def test_a_bus_of_a_newer_hallway_is_refused_and_left_as_it_is(path: str) -> None:
    with open_store(path) as bus:
        register(bus, "alice")
        bus.store._connection.execute(f"PRAGMA user_version = {newest_version('sqlite') + 1}")
    before = Path(path).read_bytes()
    with pytest.raises(errors.BusIsNewer, match=str(newest_version("sqlite") + 1)):
        hallway.connect(path)
    assert Path(path).read_bytes() == before


def test_what_cannot_be_opened_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "bus.db").write_text("Dear diary,\n" * 500)
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        with pytest.raises(errors.NotABus):
            hallway.connect(tmp_path)
    assert len(os.listdir("/dev/fd")) <= before + 2


def test_nobody_else_may_read_a_bus_whatever_the_umask(tmp_path: Path, start: Start) -> None:
    modes = json.loads(answer_of(start("open_with_umask_zero", str(tmp_path / "bus"))))
    sockets = {name: mode for name, mode in modes.items() if name.startswith("wake/")}
    assert len(sockets) == 1  # in a folder that only its owner can enter
    assert {name: mode for name, mode in modes.items() if name not in sockets} == {
        ".": "0o700",
        "wake": "0o700",
        "bus.db": "0o600",
        "bus.db.lock": "0o600",
        "bus.db-wal": "0o600",
        "bus.db-shm": "0o600",
        "awake": "0o600",
    }


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S2", "S3", "S4", "S8")
def test_a_clock_that_jumps_an_hour_ahead_and_back_breaks_no_promise(path: str, clock: FakeClock) -> None:
    with LocalBus(SQLiteStore(path, clock=clock), Here()) as bus:
        register(bus, "long", ttl_s=86_400)
        register(bus, "alice", "ghost")
        clock.advance(3600)
        bus.sessions.heartbeat("alice")
        bus.sessions.heartbeat("ghost")
        assert kinds(bus, "ghost") == ["session.registered", "session.expired", "session.resumed"]

        clock.advance(-3600)
        assert live_ids(bus) == {"alice", "ghost", "long"}
        for _ in range(4):
            clock.advance(30)
            bus.sessions.heartbeat("alice")
            assert "alice" in live_ids(bus)
        clock.advance(1)
        assert live_ids(bus) == {"alice", "long"}  # the ghost has had its one ttl since the clock went back
        assert kinds(bus, "ghost")[-1] == "session.expired"
        assert kinds(bus, "alice").count("session.expired") == 1
        assert_sound(bus)


def test_a_clock_that_trembles_changes_nothing(path: str, clock: FakeClock) -> None:
    with LocalBus(SQLiteStore(path, clock=clock), Here()) as bus:
        register(bus, "alice")
        for seconds in (0.4, -0.5, 0.3, -0.6, 0.9):
            clock.advance(seconds)
            bus.sessions.heartbeat("alice")
            assert live_ids(bus) == {"alice"}
        assert kinds(bus) == ["session.registered"]


# -- forks ------------------------------------------------------------------------------------------------------------


def in_child(action: Callable[[], object]) -> str:
    """What an action gave in a forked child, or its error; nothing when it hung."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        signal.alarm(10)
        try:
            os.write(writer, outcome(action).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return answer


def test_a_forked_child_reads_and_writes_on_a_connection_of_its_own(path: str) -> None:
    with open_store(path) as bus:
        register(bus, "parent")
        assert in_child(lambda: live_ids(bus)) == "{'parent'}"
        for number in range(5):
            assert in_child(lambda n=number: bus.sessions.heartbeat(f"child-{n}").others_total) == str(number + 1)
            register(bus, "parent", current_task=f"task {number}")
        assert in_child(bus.close) == "None"
        assert live_ids(bus) == {"parent", *(f"child-{n}" for n in range(5))}
        assert_sound(bus)


@pytest.mark.parametrize("reconnects", [False, True])
def test_what_a_forked_child_wrote_stays_when_its_parent_closes_the_bus_first(path: str, reconnects: bool) -> None:
    may_go_on, parent_is_gone = os.pipe()
    parent = open_store(path)
    register(parent, "parent")

    def child() -> None:
        bus = open_store(path) if reconnects else parent
        register(bus, "early")
        os.write(done, b".")
        os.read(may_go_on, 1)
        register(bus, "late")

    wait, done = os.pipe()
    if not (pid := os.fork()):
        outcome(child)
        os.write(done, b".")  # it may have failed before it said so
        os._exit(0)
    os.read(wait, 1)
    parent.close()  # the last to close removes the log, unless the child is seen to use it
    os.write(parent_is_gone, b".")
    os.waitpid(pid, 0)
    for end in (may_go_on, parent_is_gone, wait, done):
        os.close(end)
    with open_store(path) as bus:
        assert live_ids(bus) == {"parent", "early", "late"}
        assert_sound(bus)


def test_a_child_forked_in_the_middle_of_a_write_is_told_so_and_disturbs_nothing(path: str) -> None:
    with open_store(path) as bus:
        with bus.transaction():
            register(bus, "parent", metadata={"text": "x" * 10_000})
            assert in_child(lambda: live_ids(bus)) == "storage_error"
            assert in_child(lambda: register(bus, "child")) == "storage_error"
            assert in_child(bus.close) == "None"
        assert live_ids(bus) == {"parent"}
        assert in_child(lambda: live_ids(bus)) == "{'parent'}"
        assert_sound(bus)


def test_a_fork_while_another_thread_writes_does_not_hang_the_child(path: str) -> None:
    with open_store(path) as bus:
        is_open, may_end = threading.Event(), threading.Event()

        def hold() -> None:
            with bus.transaction():
                register(bus, "thread")
                is_open.set()
                may_end.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        assert is_open.wait(20)
        assert in_child(lambda: live_ids(bus)) == "storage_error"
        may_end.set()
        thread.join()
        assert live_ids(bus) == {"thread"}
