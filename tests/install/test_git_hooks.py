"""`hallway install --guard`: hallway's lines in a repository's git hooks, and what was there before them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.repository import Repository
from hallway.agents.install.standalone import FOLDER, PROGRAM

HOOKS = ("pre-commit", "pre-push")


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def installs(shop: Repository, *words: str, status: int = 0, command: str = "install") -> str:
    done = shop.types(command, "--guard", *words)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def hooks(shop: Repository, folder: str = ".git/hooks") -> dict[str, tuple[int, str]]:
    """The repository's hooks, but for git's examples: what they hold, and their modes."""
    found = [path for path in (shop.folder / folder).iterdir() if path.suffix != ".sample"]
    return {path.name: (path.stat().st_mode & 0o777, path.read_text()) for path in found}


def is_guarded(shop: Repository) -> bool:
    shop.claims("a.py")
    done = shop.commits("a.py", f"{shop.types('claims', '--json').stdout}\n")
    shop.releases()
    return done.returncode != 0 and "bob holds it" in done.stderr


def has_hook(shop: Repository, name: str, text: str, folder: str = ".git/hooks") -> Path:
    path = shop.writes(f"{folder}/{name}", text)
    path.chmod(0o755)
    return path


def test_hooks_are_made_and_removed(shop: Repository) -> None:
    assert hooks(shop) == {}
    said = installs(shop)
    assert "git hooks: installed" in said
    assert str(shop.folder / ".git" / "hooks" / "pre-commit") in said
    assert {name: mode for name, (mode, _) in hooks(shop).items()} == dict.fromkeys(HOOKS, 0o755)
    assert is_guarded(shop)
    assert "git hooks: installed already" in installs(shop)
    assert "git hooks: removed" in installs(shop, command="uninstall")
    assert hooks(shop) == {}
    assert not is_guarded(shop)


def test_a_dry_run_shows_and_changes_nothing(shop: Repository) -> None:
    said = installs(shop, "--dry-run")
    assert "+# hallway guard: begin" in said
    assert hooks(shop) == {}


@pytest.mark.promise("I1")
def test_a_persons_own_hooks_go_on_and_are_as_before_in_the_end(shop: Repository) -> None:
    """Both run, with git's arguments, standard input and their own name, and the own one may refuse, too."""
    mark = shop.folder.parent / "mark"
    own = f'#!/usr/bin/env bash\nset -euo pipefail\nwords=("$0" "$@")\n{{ echo "${{words[@]}}"; cat; }} >>{mark}\n'
    for name in HOOKS:
        has_hook(shop, name, own)
    before = hooks(shop)
    installs(shop)
    assert is_guarded(shop)
    assert not mark.exists()
    shop.git("init", "--quiet", "--bare", str(shop.folder.parent / "remote.git"))
    shop.git("remote", "add", "origin", str(shop.folder.parent / "remote.git"))
    assert shop.commits("b.py", "1\n").returncode == 0
    shop.git("push", "origin", "main")
    commit = shop.git("rev-parse", "main").strip()
    zeros = "0" * 40
    assert mark.read_text().splitlines() == [
        ".git/hooks/pre-commit",
        f".git/hooks/pre-push origin {shop.folder.parent}/remote.git",
        f"refs/heads/main {commit} refs/heads/main {zeros}",
    ]
    mark.unlink()
    shop.git("push", "origin", "main")  # with nothing to push
    assert mark.read_text().splitlines() == [f".git/hooks/pre-push origin {shop.folder.parent}/remote.git"]
    installs(shop, command="uninstall")
    assert hooks(shop) == before
    has_hook(shop, "pre-commit", "#!/bin/sh\nexit 1\n")
    installs(shop)
    assert shop.commits("b.py", "2\n").returncode != 0


def test_a_hook_that_was_changed_since_loses_hallways_lines_alone(shop: Repository) -> None:
    path = has_hook(shop, "pre-commit", "#!/bin/sh\ntrue\n")
    installs(shop)
    path.write_text(path.read_text() + "echo more\n")
    made = shop.folder / ".git" / "hooks" / "pre-push"
    made.write_text(made.read_text() + "echo mine\n")
    installs(shop, command="uninstall")
    assert hooks(shop) == {
        "pre-commit": (0o755, "#!/bin/sh\ntrue\necho more\n"),
        "pre-push": (0o755, "#!/bin/sh\necho mine\n"),
    }


def test_lines_of_another_hallway_are_replaced(shop: Repository) -> None:
    installs(shop)
    path = shop.folder / ".git" / "hooks" / "pre-commit"
    text = path.read_text()
    path.write_text(text.replace(sys.executable, "/gone/python"))
    assert not is_guarded(shop)
    installs(shop)
    assert path.read_text() == text


@pytest.mark.parametrize("first", ["#!/bin/sh -e", "#!/bin/bash", "#! /usr/bin/env bash", "#!/bin/dash", ""])
def test_every_shell(shop: Repository, first: str) -> None:
    has_hook(shop, "pre-commit", f"{first}\nexit 0\n" if first else "exit 0\n")
    installs(shop)
    assert is_guarded(shop)
    assert shop.commits("b.py", "1\n").returncode == 0


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("#!/usr/bin/env python3\nraise SystemExit(0)\n", 0o755, "it is no shell script"),
        ("#!/bin/sh\nexit 0\n", 0o644, "it is not executable"),
    ],
)
def test_what_cannot_get_lines_stays_and_is_said(shop: Repository, text: str, mode: int, reason: str) -> None:
    has_hook(shop, "pre-push", text).chmod(mode)
    before = hooks(shop)
    said = installs(shop, status=7)
    assert reason in said
    assert 'hallway guard pre-push "$@"' in said
    assert hooks(shop) == before


def test_the_folder_that_git_is_told_has_the_hooks(shop: Repository) -> None:
    """It may be the person's, for all repositories; in the repository it goes to other machines."""
    everywhere = shop.folder.parent / "my hooks"
    shop.git("config", "core.hooksPath", str(everywhere))
    installs(shop)
    assert sorted(path.name for path in everywhere.iterdir()) == sorted(HOOKS)
    assert is_guarded(shop)
    installs(shop, command="uninstall")
    assert not everywhere.exists()
    shop.git("config", "core.hooksPath", ".githooks")
    has_hook(shop, "pre-commit", "#!/bin/sh\ntrue\n", ".githooks")
    shop.commits("c.py", "1\n")
    (shop.folder / "src").mkdir()
    done = shop.runs(shop.command("install", "--guard"), shop.folder / "src")
    assert done.returncode == 0, done.stderr
    assert sys.executable not in "".join(text for _, text in hooks(shop, ".githooks").values())
    assert is_guarded(shop)


def test_a_hook_that_is_a_link_stays_one(shop: Repository) -> None:
    tracked = has_hook(shop, "check.sh", "#!/bin/sh\ntrue\n", "tools")
    link = shop.folder / ".git" / "hooks" / "pre-commit"
    link.symlink_to("../../tools/check.sh")
    installs(shop)
    assert link.is_symlink()
    assert sys.executable not in tracked.read_text()
    assert is_guarded(shop)
    installs(shop, command="uninstall")
    assert tracked.read_text() == "#!/bin/sh\ntrue\n"


def test_a_worktree_and_a_submodule_have_their_repositorys_hooks(shop: Repository) -> None:
    worktree = shop.folder.parent / "other"
    shop.git("worktree", "add", "--quiet", str(worktree))
    done = shop.runs(shop.command("install", "--guard"), worktree)
    assert done.returncode == 0, done.stderr
    assert is_guarded(shop)
    library = shop.folder.parent / "lib"
    shop.git("init", "--quiet", str(library))
    shop.git("commit", "--quiet", "--allow-empty", "--message", "begin", folder=library)
    shop.git("submodule", "--quiet", "add", str(library), "lib")
    done = shop.runs(shop.command("install", "--guard"), shop.folder / "lib")
    assert str(shop.folder / ".git" / "modules" / "lib" / "hooks" / "pre-push") in done.stdout


def test_a_folder_without_a_repository_is_an_error(shop: Repository) -> None:
    done = shop.runs(shop.command("install", "--guard"), shop.folder.parent)
    assert (done.returncode, "in no git repository" in done.stderr) == (2, True)


def test_uninstall_without_names_takes_it_out_of_every_repository(shop: Repository) -> None:
    installs(shop)
    other = shop.folder.parent / "other"
    shop.git("init", "--quiet", str(other))
    assert shop.runs(shop.command("install", "--guard"), other).returncode == 0
    done = shop.types("uninstall")
    assert done.returncode == 0, done.stderr
    assert hooks(shop) == {}
    assert [path.name for path in (other / ".git" / "hooks").iterdir() if path.suffix != ".sample"] == []
    assert shop.types("uninstall").stdout == "hallway is installed nowhere: there is nothing to undo.\n"


def test_it_is_taken_out_without_hallway(shop: Repository) -> None:
    before = has_hook(shop, "pre-commit", "#!/bin/sh\ntrue\n")
    installs(shop)
    before.write_text(before.read_text() + "echo more\n")
    made = shop.folder / ".git" / "hooks" / "pre-push"
    made.write_text(made.read_text() + "\n")
    program = shop.home / FOLDER / PROGRAM
    done = subprocess.run([sys.executable, "-I", "-S", str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hooks(shop) == {"pre-commit": (0o755, "#!/bin/sh\ntrue\necho more\n")}


@pytest.mark.promise("C4")
def test_git_goes_on_when_hallway_has_gone_or_is_broken(shop: Repository, tmp_path: Path) -> None:
    has_hook(shop, "pre-push", "#!/bin/sh\ncat >seen\n")
    installs(shop)
    shop.claims("**")
    path = shop.folder / ".git" / "hooks" / "pre-commit"
    text = path.read_text()
    for gone in ("/gone/python", str(shop.folder / "README.md")):
        path.write_text(text.replace(sys.executable, gone))
        assert shop.commits("a.py", f"{gone}\n").returncode == 0
    path.write_text(text)
    broken = tmp_path / "broken" / "hallway"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('half upgraded')\n")
    assert shop.commits("a.py", "2\n", PYTHONPATH=str(broken.parent)).returncode == 0
    assert shop.commits("a.py", "3\n").returncode != 0


def test_the_pre_commit_framework_installed_later_keeps_the_guard(shop: Repository) -> None:
    installs(shop)
    shop.writes(".pre-commit-config.yaml", "repos: []\n")
    del shop.environ["PYTHONWARNINGS"]
    shop.environ["PRE_COMMIT_HOME"] = str(shop.folder.parent / "pre-commit-home")
    assert shop.runs(["pre-commit", "install"]).returncode == 0
    assert is_guarded(shop)


def test_the_pre_commit_framework_installed_before_gets_the_guard(shop: Repository) -> None:
    shop.writes(".pre-commit-config.yaml", "repos: []\n")
    del shop.environ["PYTHONWARNINGS"]
    shop.environ["PRE_COMMIT_HOME"] = str(shop.folder.parent / "pre-commit-home")
    assert shop.runs(["pre-commit", "install"]).returncode == 0
    installs(shop)
    assert is_guarded(shop)
    assert shop.commits("b.py", "1\n").returncode == 0


def test_doctor_says_whether_the_hooks_check_and_why_not(shop: Repository) -> None:
    def found() -> list[tuple[str, str]]:
        report = shop.types("doctor", "--json").stdout
        return [(each["level"], each["detail"]) for each in json.loads(report)["checks"] if each["check"] == "guard"]

    assert found() == []
    installs(shop)
    assert found() == [("ok", "the git hooks here refuse what others have claimed")]
    damaged = shop.folder.parent / "damaged"
    damaged.mkdir()
    (damaged / "bus.db").write_text("this is no database" * 1000)
    shop.commits("a.py", "1\n", HALLWAY_HOME=str(damaged))
    (shop.folder / ".git" / "hooks" / "pre-push").unlink()
    assert found() == [
        ("warn", "the git hooks here refuse what others have claimed, but one is missing or out of date")
    ]
    shop.environ["HALLWAY_HOME"] = str(damaged)
    assert "claims were not checked: " in found()[-1][1]
