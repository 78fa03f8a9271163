"""A file system without shared memory or locks: the error names the cause and the way out, doctor the file system."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hallway
from cli.person import Person
from hallway.cli import mounts
from hallway.cli.doctor import examine
from hallway.core import errors
from hallway.store.sqlite import SQLiteStore

FAULTS = {
    "mmap:error=ENODEV": ("bus.db-shm", "no shared memory"),
    "fcntl:error=ENOLCK": ("bus.db-shm", "no file locks"),
    "fcntl:error=EOPNOTSUPP": ("bus.db", "no file locks"),
    "flock:error=ENOLCK": ("bus.db.lock", "no file locks"),
}


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home")


def types_where(person: Person, fault: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a system call on one of the bus's files fails, as on such a file system."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace to have system calls fail")
    name, _ = FAULTS[fault]
    calls = ["-e", "trace=mmap,fcntl,flock", "-e", f"inject={fault}", "-P", str(person.home / name)]
    done = person.runs(["strace", "-f", "-qq", "-o", "/dev/null", *calls, sys.executable, "-m", "hallway", *words])
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    return done


@pytest.mark.parametrize("is_new", [True, False], ids=["a new bus", "a bus that is there"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_error_names_the_cause_and_the_way_out(person: Person, fault: str, is_new: bool) -> None:
    if not is_new:
        assert person.types("register", "alice", "alice's agent", "codex").returncode == 0
    done = types_where(person, fault, "--json", "register", "bob", "bob's agent", "codex")
    assert done.returncode == errors.UnsuitableDisk.exit_status, done.stdout + done.stderr
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "unsuitable_disk"
    assert FAULTS[fault][1] in error["message"]
    assert str(person.home) in error["message"]
    assert "HALLWAY_HOME" in error["hint"]
    assert "PostgreSQL" in error["hint"]
    assert person.types("register", "bob", "bob's agent", "codex").returncode == 0


def test_a_journal_that_stays_as_it_was_is_such_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite answers where its file system interface has no shared memory at all."""
    execute = SQLiteStore._execute

    def answer(store: SQLiteStore, command: str) -> list[object]:
        return [("delete",)] if "journal_mode" in command else execute(store, command)

    monkeypatch.setattr(SQLiteStore, "_execute", answer)
    with pytest.raises(errors.UnsuitableDisk, match="shared memory"):
        hallway.connect(tmp_path / "bus.db")


def test_doctor_says_so_of_a_bus_that_cannot_be_opened(person: Person) -> None:
    person.types("register", "alice", "alice's agent", "codex")
    told = json.loads(types_where(person, "mmap:error=ENODEV", "doctor", "--json").stdout)
    bus = next(each for each in told["checks"] if each["check"] == "bus" and each["level"] == "fail")
    assert "HALLWAY_HOME" in bus["next"]


MOUNTS = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:30 / /mnt/c rw,noatime - 9p C:\134 rw,aname=drvfs;path=C:\;uid=1000
41 21 0:31 / /mnt/share\040of\040all rw - nfs4 server:/export rw
42 41 8:2 / /mnt/share\040of\040all/local rw master:3 - xfs /dev/sdb1 rw
43 21 0:33 / /home/alice/remote rw - fuse.sshfs alice@host: rw
44 21 0:34 / /mnt/d rw - drvfs D: rw
45 21 0:35 / /mnt/d rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("folder", "file_system"),
    [
        ("/home/alice/.local/share/hallway", "ext4"),
        ("/mnt/c/Users/alice/hallway", "9p"),
        ("/mnt/c", "9p"),
        ("/mnt/cloud", "ext4"),
        ("/mnt/share of all/hallway", "nfs4"),
        ("/mnt/share of all/local/hallway", "xfs"),
        ("/home/alice/remote/hallway", "fuse.sshfs"),
        ("/mnt/d/hallway", "tmpfs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, file_system: str
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "mountinfo"))
    assert mounts.file_system_of(folder) == file_system
    assert (file_system in mounts.UNSUITABLE) == (file_system in ("9p", "nfs4", "fuse.sshfs"))


def test_doctor_names_the_file_system_and_warns_of_an_unsuitable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def found() -> dict[str, object]:
        return {each.check: each for each in examine(None)}

    if mounts.file_system_of("/") is not None:
        assert found()["file system"].level == "ok"
    (tmp_path / "mountinfo").write_text("21 1 0:3 / / rw - cifs //server/share rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "mountinfo"))
    warned = found()["file system"]
    assert warned.level == "warn"
    assert "cifs, a network file system" in warned.detail
    assert "HALLWAY_HOME" in warned.next
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "nothing"))
    assert "file system" not in found()
