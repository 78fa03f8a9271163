"""What is lost under an open bus: its file, folder, log, tables. Writes are refused, and go on once it is put back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import hallway
from cli.person import Person
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.store.bus_files import SHM, WAL
from hallway.store.sqlite_backup import back_up
from hub.client import Client
from hub.process import HubProcess
from mcp_server import Server
from support import all_events, live_ids, open_store, until

PutBack = Callable[[], object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hallway" / "bus.db"


def moved(path: Path) -> PutBack:
    elsewhere = path.with_name(f"{path.name} elsewhere")
    path.rename(elsewhere)
    return lambda: elsewhere.rename(path)


def replaced(file: Path) -> PutBack:
    put_back = moved(file)
    file.write_text("Dear diary,\n" * 1000)
    return put_back


def written_over(file: Path, content: bytes) -> PutBack:
    before = file.read_bytes()
    assert content != before
    file.write_bytes(content)  # the same inode
    return lambda: file.write_bytes(before)


LOSSES: dict[str, Callable[[Path], PutBack]] = {
    "the file is moved": moved,
    "the folder is moved": lambda file: moved(file.parent),
    "the file is replaced": replaced,
    "the file is overwritten": lambda file: written_over(file, b"Dear diary,\n" * 1000),
    "the file is emptied": lambda file: written_over(file, b""),
    "the file is truncated": lambda file: written_over(file, file.read_bytes()[: os.path.getsize(file) // 2]),
    "the log is moved": lambda file: moved(Path(f"{file}{WAL}")),
    "the log's index is moved": lambda file: moved(Path(f"{file}{SHM}")),
}


def until_refused(act: Callable[[], object]) -> None:
    """Wait until an act is refused: but before durable writes, an open bus is checked every 50 ms."""

    def is_refused() -> bool:
        try:
            act()
        except errors.BusGone:
            return True
        return False

    until(is_refused)


def checkpoint(bus: LocalBus) -> None:
    bus.store._connection.execute("PRAGMA wal_checkpoint").fetchall()


def assert_whole(bus: LocalBus) -> None:
    assert [row[0] for row in bus.store._connection.execute("PRAGMA integrity_check")] == ["ok"]
    assert [event.seq for event in all_events(bus)] == list(range(1, bus.events.last_seq() + 1))


@pytest.mark.promise("M1")
@pytest.mark.parametrize("has_checkpoint", [False, True], ids=["all in the log", "all in the file"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_process_refuses_to_write_until_the_bus_is_put_back(file: Path, loss: str, has_checkpoint: bool) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        bus.sessions.register("bob", "agent", "codex")
        if has_checkpoint:
            checkpoint(bus)
        put_back = LOSSES[loss](file)
        if "index" in loss:
            until_refused(lambda: bus.sessions.heartbeat("alice"))
        for _ in range(2):
            with pytest.raises(errors.BusGone, match=str(file)) as refused:
                bus.messages.send("alice", "bob", subject="into the void")
            with pytest.raises(errors.BusGone):
                bus.sessions.heartbeat("alice")
        assert refused.value.hint
        with pytest.raises(errors.BusGone):
            bus.sessions.list_sessions()
        put_back()
        bus.sessions.heartbeat("alice")
        bus.messages.send("bob", "alice", subject="here again")
        assert_whole(bus)
    with open_store(str(file)) as bus:
        assert live_ids(bus) == {"alice", "bob"}
        assert [message.subject for message in bus.messages.inbox("alice")] == ["here again"]


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if "index" not in loss])
def test_a_write_that_loses_the_file_on_its_way_is_undone(file: Path, loss: str) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        transaction = bus.transaction()
        transaction.__enter__()
        bus.sessions.register("bob", "agent", "codex")
        put_back = LOSSES[loss](file)
        with pytest.raises(errors.BusGone):
            transaction.__exit__(None, None, None)
        put_back()
        assert live_ids(bus) == {"alice"}
        bus.sessions.register("bob", "agent", "codex")
        assert_whole(bus)


@pytest.mark.parametrize("loss", LOSSES)
def test_heartbeats_and_reads_alone_find_out_soon(file: Path, loss: str) -> None:
    with open_store(str(file)) as bus, open_store(str(file)) as reader:
        bus.sessions.register("alice", "agent", "codex")
        assert live_ids(reader) == {"alice"}
        put_back = LOSSES[loss](file)
        until_refused(lambda: bus.sessions.heartbeat("alice"))
        until_refused(lambda: live_ids(reader))
        put_back()
        bus.sessions.heartbeat("alice")
        assert live_ids(reader) == {"alice"}
        assert_whole(bus)


def test_a_backup_in_the_place_of_the_bus_is_opened(file: Path, tmp_path: Path) -> None:
    with open_store(str(file)) as bus, open_store(str(file)) as reader:
        bus.sessions.register("alice", "agent", "codex")
        back_up(str(file), str(tmp_path / "backup.db"))
        bus.sessions.register("bob", "agent", "codex")
        assert live_ids(reader) == {"alice", "bob"}
        file.unlink()
        shutil.copy(tmp_path / "backup.db", file)
        for each in (bus, reader):  # the log that is still there is the lost file's, and would damage the backup
            with pytest.raises(errors.BusGone, match="replaced"):
                each.sessions.register("carol", "agent", "codex")
        for side in (WAL, SHM):
            moved(Path(f"{file}{side}"))
        assert live_ids(reader) == {"alice"}
        bus.sessions.register("carol", "agent", "codex")
        assert live_ids(reader) == {"alice", "carol"}
        assert_whole(bus)
        bus.store.busy_timeout_s = 0.2
        with reader.transaction(), pytest.raises(errors.BusBusy):
            bus.sessions.register("dave", "agent", "codex")  # both have the new file's lock


def test_an_older_copy_over_the_open_file_is_no_backup(file: Path) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        checkpoint(bus)
        older = file.read_bytes()
        bus.memory.set("alice", "plan", "x" * 100_000)
        checkpoint(bus)
        bus.sessions.register("bob", "agent", "codex")
        put_back = written_over(file, older)
        with pytest.raises(errors.BusGone, match="older copy"):
            bus.sessions.register("carol", "agent", "codex")
        put_back()
        bus.sessions.heartbeat("alice")
        assert_whole(bus)


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_closed_bus_is_an_error_of_ours_also_when_its_files_are_due_for_a_check(file: Path, act: str) -> None:
    with open_store(str(file)) as other:
        bus = open_store(str(file))
        bus.close()
        other.sessions.register("alice", "alice's agent", "codex")  # the file has changed since
        bus.store._check_files_at = 0.0
        with pytest.raises(errors.StorageError):
            bus.sessions.active() if act == "read" else bus.sessions.register("bob", "bob's agent", "codex")


def test_checkpoints_and_a_vacuum_by_others_are_no_loss(file: Path) -> None:
    with open_store(str(file)) as bus, open_store(str(file)) as other:
        bus.sessions.register("alice", "agent", "codex")
        bus.memory.set("alice", "plan", "x" * 100_000)
        for command in ("PRAGMA wal_checkpoint(TRUNCATE)", "DELETE FROM memory_entries", "VACUUM"):
            other.store._connection.execute(command).fetchall()
            checkpoint(other)
            bus.sessions.heartbeat("alice")
        assert_whole(bus)


def test_no_new_bus_is_begun_beside_the_log_of_a_lost_one(file: Path) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        for loss in (moved, lambda file: written_over(file, b""), lambda file: moved(Path(f"{file}{WAL}"))):
            put_back = loss(file)
            there = sorted(each.name for each in file.parent.iterdir())
            with pytest.raises(errors.BusGone, match=r"log|-wal"):
                hallway.connect(file)
            assert sorted(each.name for each in file.parent.iterdir()) == there
            put_back()
            with open_store(str(file)) as other:
                assert live_ids(other) == {"alice"}


def test_a_bus_that_another_process_has_begun_anew_is_followed(file: Path) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        shutil.rmtree(file.parent)
        until_refused(lambda: bus.sessions.heartbeat("alice"))
        with open_store(str(file)) as other:
            other.sessions.register("bob", "agent", "codex")
            assert live_ids(bus) == {"bob"}
            bus.sessions.heartbeat("alice")
            assert live_ids(other) == {"alice", "bob"}


def test_a_writer_that_waited_in_vain_while_the_folder_was_moved_writes_again(file: Path) -> None:
    with open_store(str(file)) as bus, open_store(str(file)) as other:
        bus.sessions.register("alice", "agent", "codex")
        bus.store.busy_timeout_s = 0.2
        with other.store.write(is_durable=False):
            put_back = moved(file.parent)
            assert bus.store.lock(0.2) is False
            with pytest.raises(errors.BusGone):
                bus.store.lock(0.2)
            with pytest.raises(errors.BusGone):
                bus.sessions.register("bob", "agent", "codex")
        put_back()
        bus.store.busy_timeout_s = 20
        for each in (bus, other, bus):
            each.sessions.register("bob", "agent", "codex")
        assert_whole(bus)


def test_an_open_bus_that_is_checked_often_opens_no_more_files(file: Path) -> None:
    with open_store(str(file)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        before = len(os.listdir("/dev/fd"))
        for number in range(50):
            os.utime(file, ns=(number, number))  # so that the header is read
            bus.sessions.register("bob", "agent", "codex")
        assert len(os.listdir("/dev/fd")) <= before + 2


# -- the faces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_a_hub_says_that_its_bus_is_gone_and_heals(file: Path, loss: str, tmp_path: Path) -> None:
    with HubProcess(tmp_path / "hub", "--store", str(file)) as hub, Client(hub.port) as client:
        client.register("alice", "bob")
        put_back = LOSSES[loss](file)
        if "index" in loss:
            until(lambda: client.post("/sessions/alice/heartbeat").status == 503)
        for path, body in (
            ("/sessions/alice/heartbeat", {}),
            ("/messages", {"from_session": "alice", "to_session": "bob", "subject": "into the void"}),
            ("/sessions", {"session_id": "carol", "agent_name": "carol", "agent_type": "codex"}),
        ):
            answer = client.post(path, body)
            assert (answer.status, answer.error["code"]) == (503, "bus_gone")
            assert answer.error["hint"]
        health = client.get("/health")
        assert (health.status, health.error["cause"]) == (503, "bus_gone")
        assert str(file) in health.error["message"]
        with hallway.connect(hub.url) as remote, pytest.raises(errors.BusGone):
            remote.sessions.heartbeat("alice")
        put_back()
        until(lambda: client.get("/health").status == 200)
        assert client.post("/sessions/alice/heartbeat").status == 200
        sent = client.post("/messages", {"from_session": "alice", "to_session": "bob", "subject": "here again"})
        assert sent.status == 200
        assert [message["subject"] for message in client.get("/sessions/bob/inbox").json] == ["here again"]


def test_the_command_line_says_so_by_hub_and_by_file(person: Person) -> None:
    with HubProcess(person.home) as hub:
        assert person.types("register", "alice", "alice's agent", "codex").returncode == 0
        put_back = moved(hub.bus_file)
        for environ in ({"HALLWAY_URL": hub.url}, {}):
            done = person.types("--json", "heartbeat", "alice", **environ)
            assert done.returncode == errors.BusGone.exit_status
            error = json.loads(done.stderr)["error"]
            assert (error["code"], bool(error["hint"])) == ("bus_gone", True)
        put_back()
        for environ in ({"HALLWAY_URL": hub.url}, {}):
            assert person.types("heartbeat", "alice", **environ).returncode == 0


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home")


def test_a_session_s_mcp_server_says_so_and_heals(file: Path) -> None:
    server = Server(file.parent, HALLWAY_SESSION="s1")
    try:
        server.initialize()
        assert server.call("remember", key="plan", value="ready")
        put_back = moved(file)
        told = server.call("remember", key="plan", value="lost")
        assert (told["code"], bool(told["hint"])) == ("bus_gone", True)
        put_back()
        assert server.call("remember", key="plan", value="found")["version"] == 2
    finally:
        server.kill()


# -- a database -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["TABLE sessions RENAME TO", "TABLE hallway_migrations RENAME TO"])
def test_a_database_without_its_tables_is_told_and_heals(database: str, what: str, tmp_path: Path) -> None:
    with (
        HubProcess(tmp_path / "hub", "--store", database) as hub,
        Client(hub.port) as client,
        open_store(database) as bus,
        psycopg.connect(database, autocommit=True) as admin,
    ):
        client.register("alice")
        admin.execute(f"ALTER {what} away")
        with pytest.raises(errors.BusGone):
            bus.sessions.register("bob", "agent", "codex")
        for path in ("/sessions/alice/heartbeat", "/sessions/alice/status"):
            answer = client.post(path, {})
            assert (answer.status, answer.error["code"]) == (503, "bus_gone")
        health = client.get("/health")
        assert (health.status, health.error["cause"]) == (503, "bus_gone") or "sessions" in what
        admin.execute(f"ALTER TABLE away RENAME TO {what.split()[1]}")
        bus.sessions.register("bob", "agent", "codex")
        until(lambda: client.get("/health").status == 200)
        assert client.post("/sessions/alice/heartbeat").status == 200
