"""Two sessions that write one file are each told of it once, at their next hook (C3)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hallway.bus.local import LocalBus
from hallway.local.workspace import host_name
from hooks.client import Client
from hooks.conftest import SHOP

StartClient = Callable[..., Client]
EDITS = "Edit|Write|MultiEdit|NotebookEdit"


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def worktree(directory: Path) -> Path:
    """Make a second worktree of the repository that the sessions work in, on the branch `login`."""
    git(directory, "init", "-q")
    (directory / "web").mkdir()
    (directory / "web" / "cart.py").write_text("cart = 1\n")
    (directory / ".gitignore").write_text("build/\n")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "first")
    folder = directory.parent / "shop-login"
    git(directory, "worktree", "add", "-q", "-b", "login", str(folder))
    return folder


def start(start_client: StartClient, kind: str, session_id: str, directory: Path) -> Client:
    client = start_client(kind, session_id)
    client.directory = directory
    client.environ["CLAUDE_PROJECT_DIR"] = str(directory)
    client.does("start", source="startup")
    client.does("prompt", prompt="go on")
    return client


def edit(client: Client, path: str, **more: str) -> str:
    """Have a client's edit tool write a file; return what the agent is shown."""
    if client.kind == "codex":
        patch = f"*** Begin Patch\n*** Update File: {path}\n@@\n-x\n+y\n*** End Patch"
        more = {**more, "tool_name": "apply_patch", "tool_input": {"command": patch}}  # type: ignore[dict-item]
        return client.does("tool", matcher="apply_patch|Edit|Write", **more).shown
    more = {**more, "tool_name": "Edit", "tool_input": {"file_path": path}}  # type: ignore[dict-item]
    return client.does("tool", matcher=EDITS, **more).shown


@pytest.mark.promise("C3")
def test_sessions_of_two_vendors_in_two_worktrees_are_each_told_once(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path
) -> None:
    alice = start(start_client, "claude-code", "alice", directory)
    bob = start(start_client, "codex", "bob", worktree)
    assert "conflict" not in edit(alice, str(directory / "web" / "cart.py"))
    shown = edit(bob, "web/cart.py")
    (conflict,) = shop.conflicts.find(SHOP)
    one, two = conflict.sessions
    assert f'conflict with "{one.name}" on "cart" over "web/cart.py": same file, other worktree: both' in shown
    shown = alice.does("tool").shown
    assert f'conflict with "{two.name}" on "login" over "web/cart.py": same file, other worktree: both' in shown
    assert (conflict.path, conflict.kind) == ("web/cart.py", "other_worktree")
    assert (two.branch, two.worktree) == ("login", f"{host_name()}:{worktree}")
    for client in (alice, bob):
        shop.sessions.register(f"beside-{client.kind}", "beside", "codex")  # something else is new
        assert "conflict" not in client.does("prompt", prompt="go on").shown
        assert "conflict" not in edit(client, str(client.directory / "web" / "cart.py"))


@pytest.mark.promise("C3")
def test_who_comes_back_is_told_of_what_was_found_meanwhile_and_of_nothing_that_is_over(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path
) -> None:
    alice = start(start_client, "claude-code", "alice", directory)
    bob = start(start_client, "claude-code", "bob", directory)
    carol = start(start_client, "claude-code", "carol", worktree)
    for name in ("cart.py", "login.py"):
        edit(alice, f"web/{name}")
    alice.does("stop")
    edit(bob, "web/cart.py")
    edit(carol, "web/login.py")
    bob.does("end", reason="exit")
    shown = alice.does("prompt", prompt="go on").shown
    assert 'over "web/login.py"' in shown
    assert "web/cart.py" not in shown


def test_two_subagents_of_a_session_are_one_session(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path
) -> None:
    alice = start(start_client, "claude-code", "alice", directory)
    bob = start(start_client, "claude-code", "bob", worktree)
    for agent in ("a1", "a2"):
        edit(alice, "web/cart.py", agent_id=agent, agent_type="Explore")
    assert shop.conflicts.find() == []
    edit(bob, "web/cart.py", agent_id="b1", agent_type="Explore")
    (conflict,) = shop.conflicts.find()
    assert [each.session_id for each in conflict.sessions] == ["alice", "bob"]
    assert "conflict" in bob.does("tool").shown


@pytest.mark.parametrize("path", ["build/out.js", ".git/config", "../api/cart.py", "/tmp/notes.md"])
def test_what_is_not_part_of_the_project_is_no_conflict(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path, path: str
) -> None:
    other = directory.parent / "api"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "remote", "add", "origin", "https://github.com/acme/api.git")
    for name in ("alice", "bob"):
        edit(start(start_client, "claude-code", name, directory), path)
    assert len(shop.files.touched()) == 2
    assert shop.conflicts.find() == []


def test_an_agent_in_a_hook_of_another_repository_asks_its_own_what_is_ignored(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "other")
    for name in ("alice", "bob"):
        client = start(start_client, "claude-code", name, directory)
        client.environ |= {"GIT_DIR": str(tmp_path / "other" / ".git"), "GIT_WORK_TREE": str(tmp_path / "other")}
        edit(client, "build/out.js")
    assert shop.conflicts.find() == []


def test_without_git_an_ignored_file_counts_and_the_hook_goes_on(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path
) -> None:
    for name in ("alice", "bob"):
        client = start(start_client, "claude-code", name, directory)
        client.environ["PATH"] = str(directory / "nothing-here")
        edit(client, "build/out.js")
    assert [each.path for each in shop.conflicts.find()] == ["build/out.js"]


def test_a_file_outside_of_any_repository_is_shared_by_its_path(
    shop: LocalBus, start_client: StartClient, home: Path
) -> None:
    plain = home / "plain"
    plain.mkdir()
    for name in ("alice", "bob"):
        edit(start(start_client, "claude-code", name, plain), "notes.md")
    (conflict,) = shop.conflicts.find()
    assert (conflict.project, conflict.kind) == (str(plain), "same_worktree")
    assert f"/{conflict.path}" == str(plain / "notes.md")


def test_repositories_of_a_project_that_a_setting_names_are_told_apart(
    shop: LocalBus, start_client: StartClient, directory: Path, worktree: Path
) -> None:
    other = directory.parent / "api"
    other.mkdir()
    git(other, "init", "-q")
    for name, folder in (("alice", directory), ("bob", other), ("carol", worktree)):
        client = start_client("claude-code", name)
        client.directory = folder
        client.environ["HALLWAY_PROJECT"] = "everything"
        client.does("prompt", prompt="go on")
        edit(client, "web/cart.py")
    (conflict,) = shop.conflicts.find()
    assert [each.session_id for each in conflict.sessions] == ["alice", "carol"]
    assert conflict.project == "everything"
