"""A repository is one project, whatever way it was cloned and wherever in it a session runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import hallway
from hallway.local.workspace import LocalWorkspace, current_branch, current_user, normalise_remote, resolve_project

Git = Callable[..., str]

PROJECT = "github.com/acme/shop"


@pytest.fixture
def git(home: Path) -> Git:
    """Runs git in a folder, for nobody in particular."""
    (home / ".gitconfig").write_text(
        "[user]\n name = Alice\n email = alice@example.org\n[init]\n defaultBranch = main\n"
        '[protocol "file"]\n allow = always\n'
    )

    def git(folder: Path, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return git


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit and no remote."""
    folder = tmp_path / "src" / "shop"
    (folder / "api" / "deep").mkdir(parents=True)
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "--message", "begin")
    return folder


def project_of(folder: Path) -> str:
    return resolve_project(str(folder))


# -- remotes ----------------------------------------------------------------------------------------------------------

SAME = [
    "git@github.com:acme/shop.git",
    "git@github.com:acme/shop",
    "git@github.com:/acme/shop.git",
    "github.com:acme/shop.git",
    "alice@GitHub.com:acme/shop.git",
    "ssh://git@github.com/acme/shop.git",
    "ssh://git@github.com:22/acme/shop",
    "ssh://github.com/acme/shop/",
    "git+ssh://git@github.com/acme/shop.git",
    "https://github.com/acme/shop.git",
    "https://github.com/acme/shop",
    "https://github.com/acme/shop/",
    "https://github.com/acme/shop.git/",
    "https://github.com:443/acme/shop.git",
    "https://GITHUB.com/acme/shop.git",
    "HTTPS://github.com/acme/shop",
    "https://alice@github.com/acme/shop.git",
    "https://alice:ghp_secret@github.com/acme/shop.git",
    "https://x-access-token:s3cr3t@github.com:443/acme/shop",
    "http://github.com/acme/shop",
    "git://github.com/acme/shop.git",
    "  https://github.com/acme/shop.git\t",
]


@pytest.mark.parametrize("url", SAME)
def test_all_forms_of_one_remote_are_one_project(url: str) -> None:
    assert normalise_remote(url) == PROJECT


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://gitlab.com/acme/shop.git", "gitlab.com/acme/shop"),
        ("git@git.acme.com:acme/Shop.git", "git.acme.com/acme/Shop"),
        ("https://gitlab.com/acme/group/sub/shop.git", "gitlab.com/acme/group/sub/shop"),
        ("https://github.com/acme/shop.github.io", "github.com/acme/shop.github.io"),
        ("ssh://git@[2001:db8::1]:22/acme/shop.git", "[2001:db8::1]/acme/shop"),
        ("git@[2001:db8::1]:acme/shop.git", "[2001:db8::1]/acme/shop"),
        ("ssh://git@10.0.0.7:2222/~alice/shop.git", "10.0.0.7:2222/~alice/shop"),
    ],
)
def test_different_remotes_are_different_projects(url: str, project: str) -> None:
    assert normalise_remote(url) == project


def test_no_secret_of_a_remote_gets_into_the_project(repository: Path, git: Git) -> None:
    git(repository, "remote", "add", "origin", "https://alice:ghp_s@cret@github.com/acme/shop.git")
    assert project_of(repository) == PROJECT


def test_a_remote_on_this_machine_is_its_real_path(tmp_path: Path, repository: Path, git: Git) -> None:
    bare = tmp_path / "hosted" / "shop.git"
    bare.parent.mkdir()
    git(tmp_path, "init", "--bare", str(bare))
    (tmp_path / "link").symlink_to(tmp_path / "hosted")
    git(repository, "remote", "add", "origin", "placeholder")
    for url in (bare, bare.with_suffix(""), f"file://{bare}", f"{bare}/", tmp_path / "link" / "shop.git"):
        git(repository, "remote", "set-url", "origin", str(url))
        assert project_of(repository) == str(bare.with_suffix(""))
        assert project_of(repository / "api") == str(bare.with_suffix(""))
    # A relative one leads from the worktree: git itself finds it there.
    git(repository, "remote", "set-url", "origin", "../../hosted/shop.git")
    git(repository / "api", "fetch", "origin")
    assert project_of(repository / "api") == str(bare.with_suffix(""))


def test_a_clone_of_a_local_repository_is_the_same_project(tmp_path: Path, repository: Path, git: Git) -> None:
    git(tmp_path, "clone", str(repository), str(tmp_path / "clone"))
    assert project_of(tmp_path / "clone") == project_of(repository)


def test_origin_counts_before_other_remotes(repository: Path, git: Git) -> None:
    git(repository, "remote", "add", "fork", "git@github.com:alice/shop.git")
    assert project_of(repository) == "github.com/alice/shop"
    git(repository, "remote", "add", "origin", "git@github.com:acme/shop.git")
    git(repository, "remote", "set-url", "--push", "origin", "git@github.com:bob/shop.git")
    assert project_of(repository) == PROJECT


# -- places in a repository -------------------------------------------------------------------------------------------


def test_a_subdirectory_is_in_its_repositorys_project(repository: Path, git: Git) -> None:
    assert project_of(repository / "api" / "deep") == str(repository)
    git(repository, "remote", "add", "origin", "git@github.com:acme/shop.git")
    assert project_of(repository / "api" / "deep") == PROJECT


def test_worktrees_are_one_project_each_on_its_own_branch(tmp_path: Path, repository: Path, git: Git) -> None:
    worktree = tmp_path / "elsewhere" / "fix"
    git(repository, "worktree", "add", "-b", "fix/login", str(worktree))
    (worktree / "api").mkdir()
    assert project_of(worktree / "api") == project_of(repository) == str(repository)
    git(repository, "remote", "add", "origin", "git@github.com:acme/shop.git")
    assert project_of(worktree / "api") == project_of(repository) == PROJECT
    assert current_branch(str(worktree / "api")) == "fix/login"
    assert current_branch(str(repository)) == "main"


def test_a_worktree_with_a_relative_link_is_found_too(tmp_path: Path, repository: Path, git: Git) -> None:
    worktree = tmp_path / "src" / "fix"
    git(repository, "worktree", "add", str(worktree))
    (worktree / ".git").write_text("gitdir: ../shop/.git/worktrees/fix\n")
    assert project_of(worktree) == str(repository)
    assert current_branch(str(worktree)) == "fix"


def test_a_bare_repository_and_its_worktrees_are_one_project(tmp_path: Path, repository: Path, git: Git) -> None:
    bare = tmp_path / "hosted" / "shop.git"
    git(tmp_path, "clone", "--bare", str(repository), str(bare))
    git(bare, "remote", "remove", "origin")
    git(bare, "worktree", "add", str(tmp_path / "fix"))
    assert project_of(bare) == project_of(tmp_path / "fix") == str(bare)
    git(bare, "remote", "add", "origin", "git@github.com:acme/shop.git")
    assert project_of(bare) == project_of(tmp_path / "fix") == PROJECT


def test_a_submodule_is_a_project_of_its_own(tmp_path: Path, repository: Path, git: Git) -> None:
    library = tmp_path / "library"
    git(tmp_path, "clone", str(repository), str(library))
    git(library, "remote", "remove", "origin")
    git(repository, "submodule", "add", str(library), "vendor/library")
    submodule = repository / "vendor" / "library"
    assert (submodule / ".git").is_file()
    assert project_of(submodule) == str(library)
    assert project_of(repository / "vendor") == str(repository)
    git(submodule, "remote", "set-url", "origin", "https://github.com/acme/library.git")
    assert project_of(submodule) == "github.com/acme/library"


def test_outside_of_any_repository_the_directory_is_the_project(tmp_path: Path, home: Path) -> None:
    assert project_of(tmp_path) == str(tmp_path)
    assert current_branch(str(tmp_path)) is None
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert project_of(tmp_path / "link") == str(tmp_path / "real")


def test_an_explicit_project_is_taken_as_it_is(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HALLWAY_PROJECT", "  our shop ")
    assert project_of(repository) == "our shop"
    assert resolve_project(str(repository), environ={"HALLWAY_PROJECT": "other"}) == "other"
    assert resolve_project(str(repository), environ={"HALLWAY_PROJECT": " "}) == str(repository)
    with hallway.connect(tmp_path / "bus", project="ours") as bus:
        assert bus.sessions.register("alice", "agent", "codex").project == "ours"


# -- branches ---------------------------------------------------------------------------------------------------------


def test_a_detached_head_is_no_branch(repository: Path, git: Git) -> None:
    assert current_branch(str(repository / "api")) == "main"
    git(repository, "checkout", "-b", "fix/größe")
    assert current_branch(str(repository / "api")) == "fix/größe"
    git(repository, "checkout", "--detach")
    assert current_branch(str(repository)) is None


def test_a_repository_without_a_commit_has_its_branch_already(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "--initial-branch", "trunk", "new")
    assert current_branch(str(tmp_path / "new")) == "trunk"


# -- what a session takes over ----------------------------------------------------------------------------------------


def test_a_session_takes_project_branch_and_place_from_where_it_registers(
    repository: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "remote", "add", "origin", "git@github.com:acme/shop.git")
    monkeypatch.chdir(repository / "api")
    monkeypatch.setenv("HALLWAY_USER", "alice")
    with hallway.connect(tmp_path / "bus") as bus:
        session = bus.sessions.register("alice", "agent", "codex")
    assert (session.project, session.branch, session.human_user) == (PROJECT, "main", "alice")
    assert session.location == f"{os.uname().nodename}:{repository / 'api'}"


def test_a_working_directory_that_was_removed_is_still_a_place(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PWD", str(gone))
    gone.rmdir()
    with hallway.connect(tmp_path / "bus") as bus:
        session = bus.sessions.register("alice", "agent", "codex")
    assert session.project == str(gone)
    assert session.location == f"{os.uname().nodename}:{gone}"


@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines", b"\x1b[31mred"])
def test_a_place_of_any_name_can_be_stored_and_shown(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    folder = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    with hallway.connect(tmp_path / "bus") as bus:
        session = bus.sessions.register("alice", "agent", "codex")
        assert "�" in session.project
        assert session.project in session.location
        assert bus.sessions.active(session.project).total == 1  # what it is called can be asked for


def test_the_person_is_who_is_logged_in_unless_told() -> None:
    assert current_user({"USER": "alice", "HALLWAY_USER": "bob"}) == "bob"
    assert current_user({"USER": "alice"}) == "alice"
    assert current_user({"LOGNAME": "alice", "USER": ""}) == "alice"
    assert current_user({}) is None


def test_a_process_that_no_login_began_belongs_to_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HALLWAY_USER", "USER", "LOGNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert current_user() == subprocess.check_output(["id", "-un"], text=True).strip()


def test_where_a_process_runs_is_looked_up_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    here = LocalWorkspace()
    assert here.project == str(repository)
    monkeypatch.chdir("/")
    assert here.project == str(repository)
