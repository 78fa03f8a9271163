"""The merge of two worktrees is tried without touching either (C3)."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

import hallway
from hallway.core.model import Conflict, ConflictParty
from hallway.local import merge_trial
from hallway.local.merge_trial import can_try, try_merge
from hallway.local.workspace import host_name
from mcp_server import Server
from support import until

TEN = "".join(f"line {number}\n" for number in range(1, 11))


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "cart.py").write_text(TEN)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "worktree", "add", "-q", "-b", "login", str(tmp_path / "shop-login"))
    return folder


@pytest.fixture
def login(shop: Path) -> Path:
    return shop.parent / "shop-login"


def conflict_of(*folders: Path, at: datetime | None = None, tried_at: datetime | None = None) -> Conflict:
    now = at or datetime.now(UTC)
    parties = [
        ConflictParty.of((name, name, None, f"{host_name()}:{folder}", str(folder / "cart.py"), now))
        for name, folder in zip(("alice", "bob"), folders, strict=True)
    ]
    return Conflict.of(("c1", 1, "shop", "cart.py", "other_worktree", now, None, None, [], tried_at, parties))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def rewrite(folder: Path, number: int, text: str) -> None:
    path = folder / "cart.py"
    path.write_text(path.read_text().replace(f"line {number}\n", text))


@pytest.mark.promise("C3")
def test_uncommitted_changes_of_one_line_conflict_at_that_line_and_nothing_is_touched(shop: Path, login: Path) -> None:
    rewrite(shop, 4, "hers\nhers too\n")
    rewrite(login, 4, "his\n")
    before = everything(shop), everything(login)
    trial = try_merge(conflict_of(shop, login))
    assert trial is not None
    assert (trial.merge, trial.lines, trial.files, trial.is_committed) == ("conflict", "4-5", ["cart.py"], False)
    assert (everything(shop), everything(login)) == before


@pytest.mark.promise("C3")
def test_changes_of_different_lines_merge_cleanly(shop: Path, login: Path) -> None:
    rewrite(shop, 1, "hers\n")
    rewrite(login, 10, "his\n")
    git(login, "commit", "-q", "-a", "-m", "his")
    trial = try_merge(conflict_of(shop, login))
    assert trial is not None
    assert (trial.merge, trial.lines, trial.files, trial.is_committed) == ("clean", "", [], False)


def test_two_hunks_and_another_file_are_named(shop: Path, login: Path) -> None:
    for folder in (shop, login):
        for number in (2, 9):
            rewrite(folder, number, f"{folder.name}\n")
        (folder / "other.py").write_text(folder.name)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "both")
    trial = try_merge(conflict_of(shop, login))
    assert trial is not None
    assert (trial.lines, trial.files) == ("2, 9", ["cart.py", "other.py"])


def test_a_file_that_one_side_removed_conflicts_without_lines(shop: Path, login: Path) -> None:
    rewrite(shop, 4, "hers\n")
    (login / "cart.py").unlink()
    trial = try_merge(conflict_of(shop, login))
    assert trial is not None
    assert (trial.merge, trial.files) == ("conflict", ["cart.py"])


@pytest.mark.promise("C3")
def test_a_commit_that_contains_both_is_found(shop: Path, login: Path) -> None:
    rewrite(shop, 1, "hers\n")
    git(shop, "commit", "-q", "-a", "-m", "hers")
    rewrite(login, 10, "his\n")
    git(login, "commit", "-q", "-a", "-m", "his")
    assert not try_merge(conflict_of(shop, login)).is_committed  # type: ignore[union-attr]
    git(login, "merge", "-q", "main", "-m", "both")
    assert try_merge(conflict_of(shop, login)).is_committed  # type: ignore[union-attr]
    rewrite(shop, 5, "hers again\n")
    assert not try_merge(conflict_of(shop, login)).is_committed  # type: ignore[union-attr]


@pytest.mark.promise("C3")
def test_in_one_worktree_a_later_commit_of_the_file_contains_both(shop: Path) -> None:
    rewrite(shop, 1, "both\n")
    before = datetime.now(UTC).replace(microsecond=0)
    assert not try_merge(conflict_of(shop, shop, at=before)).is_committed  # type: ignore[union-attr]
    git(shop, "commit", "-q", "-a", "-m", "both")
    trial = try_merge(conflict_of(shop, shop, at=before))
    assert trial is not None
    assert (trial.merge, trial.is_committed) == (None, True)


def test_two_clones_are_merged_as_well(shop: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(shop), "clone")
    rewrite(tmp_path / "clone", 4, "his\n")
    git(tmp_path / "clone", "commit", "-q", "-a", "-m", "his")
    rewrite(shop, 4, "hers\n")
    git(shop, "commit", "-q", "-a", "-m", "hers")
    trial = try_merge(conflict_of(shop, tmp_path / "clone"))
    assert trial is not None
    assert (trial.merge, trial.lines) == ("conflict", "4")


def test_what_prevents_a_trial_says_nothing(
    shop: Path, login: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = conflict_of(shop, login)
    monkeypatch.setattr(merge_trial, "MAX_INDEX_BYTES", 10)
    assert try_merge(conflict) is None  # huge
    monkeypatch.undo()
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "git"
    for script in ("echo 'git: no such option' >&2; exit 129", "sleep 60 & sleep 60"):  # old, and slow
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(merge_trial, "TRIAL_S", 1.0)
        assert try_merge(conflict) is None
        monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert try_merge(conflict) is None  # no git
    monkeypatch.undo()
    (login / ".git").write_text("gitdir: /nowhere\n")
    assert try_merge(conflict) is None  # broken
    git(tmp_path, "init", "-q", "empty")
    (tmp_path / "empty" / "cart.py").write_text("x")
    assert try_merge(conflict_of(shop, tmp_path / "empty")) is None  # no commit


def test_a_trial_is_for_this_machine_and_for_what_was_written_since(shop: Path, login: Path) -> None:
    written_at = datetime.now(UTC)
    assert can_try(conflict_of(shop, login))
    assert not can_try(conflict_of(shop, login, at=written_at, tried_at=written_at))
    conflict = conflict_of(shop, login)
    elsewhere = conflict.sessions[1].replace(worktree="host-2:/src/shop")
    assert not can_try(conflict.replace(sessions=[conflict.sessions[0], elsewhere]))


@pytest.mark.promise("C3")
def test_a_sessions_server_tries_the_merge_and_both_sessions_see_what_it_gave(
    shop: Path, login: Path, home: Path
) -> None:
    for folder in (shop, login):
        rewrite(folder, 4, f"{folder.name}\n")
    with hallway.connect(home / "hallway", project="github.com/acme/shop") as bus:
        for name, folder in (("alice", shop), ("bob", login)):
            bus.sessions.register(name, f"{name}'s agent", "claude-code")
            bus.files.touch(name, [str(folder / "cart.py")], worktree=f"{host_name()}:{folder}", branch=folder.name)
        server = Server(home / "hallway", CLAUDE_CODE_SESSION_ID="bob")
        try:
            server.call("sessions")
            until(lambda: bus.conflicts.find()[0].merge == "conflict")
            (conflict,) = bus.sessions.heartbeat("alice").conflicts
            assert conflict.detail == "same file, other worktree: the merge conflicts at line 4"
        finally:
            server.kill()
