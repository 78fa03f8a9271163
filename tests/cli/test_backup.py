"""A bus is backed up while it is used, and half a copy is not taken for a bus."""

from __future__ import annotations

import json
import os
import shutil
import threading

import apsw
import pytest

from cli.test_doctor import findings, levels
from support import open_store


def test_a_backup_of_a_bus_in_use_holds_everything_and_stands_alone(team, tmp_path):
    target = tmp_path / "backups.db"
    with open_store(str(team.home / "bus.db")) as bus:  # what it writes stays in the log as long as this is open
        bus.sessions.register("late", "agent", "codex")
        done = team.types("backup", str(target), "--json")
        assert done.returncode == 0, done.stderr
        held = json.loads(done.stdout)
        seq = bus.events.last_seq()
    assert held["path"] == str(target)
    assert (held["sessions"], held["events"]) == (3, seq)
    assert held["size_bytes"] == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("backups")) == ["backups.db"]
    shutil.copy(target, tmp_path / "moved.db")
    with open_store(str(tmp_path / "moved.db")) as restored:
        assert restored.sessions.get("late").agent_type == "codex"
        restored.sessions.heartbeat("late")


def test_a_person_reads_what_a_backup_holds(team, tmp_path):
    said = team.types("backup", str(tmp_path / "copy.db")).stdout
    assert "and checked: 2 sessions, " in said
    assert " memory entries, " in said


def test_a_backup_is_whole_while_others_write(team, tmp_path):
    is_over = threading.Event()
    path = str(team.home / "bus.db")

    def write() -> None:
        with open_store(path) as bus:
            number = 0
            while not is_over.is_set():
                number += 1
                bus.sessions.register(f"writer-{number}", "agent", "codex")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            target = tmp_path / f"copy-{number}.db"
            done = team.types("backup", str(target))
            assert done.returncode == 0, done.stderr
            with apsw.Connection(str(target)) as copy:
                sessions = copy.execute("SELECT count(*) FROM sessions").fetchall()
                told = copy.execute("SELECT count(*) FROM events WHERE kind = 'session.registered'").fetchall()
            assert sessions == told
    finally:
        is_over.set()
        thread.join()


def test_a_backup_writes_over_nothing_and_leaves_nothing_where_it_fails(team, person, tmp_path):
    there = tmp_path / "there.db"
    there.write_bytes(b"mine")
    for target in (there, team.home / "bus.db"):
        done = team.types("backup", str(target))
        assert (done.returncode, "is there already" in done.stderr) == (7, True)
    assert there.read_bytes() == b"mine"
    assert team.types("backup", str(tmp_path / "no" / "folder.db")).returncode == 7
    stranger = tmp_path / "stranger.db"
    apsw.Connection(str(stranger)).execute("CREATE TABLE notes (text)")
    done = team.types("backup", str(tmp_path / "copy.db"), "--url", str(stranger))
    assert (done.returncode, "not a hallway bus" in done.stderr) == (7, True)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("copy")]


@pytest.mark.parametrize(
    ("url", "hint"), [("http://127.0.0.1:1", "Run one of these there"), ("postgresql://db/hallway", "pg_dump")]
)
def test_a_bus_that_is_no_file_says_what_backs_it_up(person, tmp_path, url, hint):
    done = person.types("backup", str(tmp_path / "copy.db"), HALLWAY_URL=url)
    assert done.returncode == 2
    assert hint in done.stderr
    assert "hallway export" in done.stderr


# -- half a copy ------------------------------------------------------------------------------------------------------


def test_a_new_bus_that_was_copied_without_its_log_is_found_out(person, tmp_path):
    path = tmp_path / "live" / "bus.db"
    person.home.mkdir(mode=0o700)
    with open_store(str(path)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        shutil.copy(path, person.home / "bus.db")
    os.chmod(person.home / "bus.db", 0o600)
    found = findings(person, 1)
    assert levels(found) == {"copy": "fail"}
    assert "bus.db-wal" in found["copy"]["detail"]
    assert "hallway backup" in found["copy"]["next"]


def test_a_copy_with_tables_alone_is_found_out(person, tmp_path):
    path = tmp_path / "live" / "bus.db"
    person.home.mkdir(mode=0o700)
    with open_store(str(path)):
        pass  # its tables are in the file now
    with open_store(str(path)) as bus:
        bus.sessions.register("alice", "agent", "codex")
        shutil.copy(path, person.home / "bus.db")
        os.chmod(person.home / "bus.db", 0o600)
        found = findings(person, 0)
        assert levels(found) == {"copy": "warn"}
        assert "bus.db-wal is missing" in found["copy"]["detail"]
        for name in ("bus.db", "bus.db-wal"):
            shutil.copy(path.parent / name, person.home / name)
            os.chmod(person.home / name, 0o600)
        assert levels(findings(person, 0)) == {}


def test_a_bus_that_a_person_has_only_looked_at_is_no_copy(person):
    assert person.types("list").returncode == 0
    assert levels(findings(person, 0)) == {}
