"""`hallway guard` as git runs it: what others have claimed is not committed or pushed unknowingly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.repository import ALICE, BOB, Repository
from support import PATIENCE_S, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """A repository with the guard in its hooks."""
    repository = Repository(tmp_path)
    done = repository.types("install", "--guard")
    assert done.returncode == 0, done.stderr
    return repository


def is_refused(done: subprocess.CompletedProcess[str], *paths: str) -> bool:
    """Return whether git refused because of exactly these paths."""
    if done.returncode == 0:
        return False
    named = [line.partition(":")[0].strip() for line in done.stderr.splitlines() if " holds " in line]
    assert sorted(named) == sorted(paths), done.stderr
    return True


# -- what is said -----------------------------------------------------------------------------------------------------


def test_a_refusal_names_each_path_its_holder_and_the_ways_out(shop: Repository) -> None:
    claim = shop.claims("src/api/**", "docs/guide.md")
    shop.writes("docs/guide.md", "guide\n")
    shop.writes("src/free.py", "free\n")
    done = shop.commits("src/api/users.py", "users\n")
    assert is_refused(done, "docs/guide.md", "src/api/users.py")
    assert done.stderr.startswith("hallway: others have claimed 2 files of this commit:\n")
    held = "bob holds docs/guide.md, src/api/** for 'new handlers' until "
    assert f"  docs/guide.md: {held}" in done.stderr
    assert f"  src/api/users.py: {held}" in done.stderr
    assert ", for 11h" in done.stderr
    assert "Ask: hallway send me bob 'May I change docs/guide.md?' --type request\n" in done.stderr
    assert "Wait: hallway claim docs/guide.md --wait 10m\n" in done.stderr
    assert f"End the claim, as a person: hallway release {claim['claim_id']} --force\n" in done.stderr
    assert "Leave out the check: git commit --no-verify\n" in done.stderr


def test_each_way_out_is_one(shop: Repository) -> None:
    claim = shop.claims("a.py")
    assert is_refused(shop.commits("a.py", "1\n"), "a.py")
    shop.git("commit", "--message", "all the same", "--no-verify")
    assert is_refused(shop.commits("a.py", "2\n"), "a.py")
    assert shop.types("release", claim["claim_id"], "--force").returncode == 0
    shop.git("commit", "--message", "released")
    shop.claims("a.py")
    sent = shop.types("send", "me", "bob", "May I change a.py?", "--type", "request", HALLWAY_SESSION=ALICE)
    assert sent.returncode == 0, sent.stderr
    (asked,) = shop.gets("inbox", BOB)
    assert asked["type"] == "request"
    waits = shop.starts("claim", "a.py", "--wait", "10m", "--as", ALICE, cwd=shop.folder)
    until(lambda: [each["state"] for each in shop.gets("claims", "--state", "waiting")] == ["waiting"])
    shop.releases()
    assert waits.communicate(timeout=PATIENCE_S)[0].startswith("granted a.py")
    assert shop.commits("a.py", "3\n", HALLWAY_SESSION=ALICE).returncode == 0


def test_a_long_refusal_is_cut(shop: Repository) -> None:
    shop.claims("**")
    for number in range(25):
        shop.writes(f"{number}.py", "x\n")
    done = shop.commits("last.py", "x\n")
    assert done.returncode != 0
    assert "others have claimed 26 files of this commit:" in done.stderr
    assert sum(" holds ** " in line for line in done.stderr.splitlines()) == 20
    assert "  and 6 more\n" in done.stderr


def test_the_answer_as_json(shop: Repository) -> None:
    claim = shop.claims("a.py")
    shop.writes("a.py", "1\n")
    assert shop.gets("guard") == []
    shop.git("add", "a.py")
    done = shop.types("guard", "--json")
    assert done.returncode == 5
    assert f'"path":"a.py","claim":{{"claim_id":"{claim["claim_id"]}"' in done.stdout.replace(" ", "")


def test_what_a_peer_wrote_cannot_act_on_the_terminal(shop: Repository) -> None:
    shop.claims("a.py", intent="\u202enothing to see")
    done = shop.commits("a.py", "1\n")
    assert is_refused(done, "a.py")
    assert "\u202e" not in done.stderr


# -- whose claims refuse ----------------------------------------------------------------------------------------------


def test_only_exclusive_claims_of_others_that_live_refuse(shop: Repository) -> None:
    shop.claims("a.py", by=ALICE)
    assert shop.commits("a.py", "1\n", HALLWAY_SESSION=ALICE).returncode == 0
    assert is_refused(shop.commits("a.py", "2\n", HALLWAY_SESSION=BOB), "a.py")
    assert is_refused(shop.commits("a.py", "2\n"), "a.py")  # a person at the terminal, who is none of them
    shop.types("end", ALICE)
    shop.git("commit", "--message", "its holder has gone")
    shop.gets("claim", "a.py", "--shared", "--as", BOB)
    assert shop.commits("a.py", "3\n").returncode == 0
    shop.gets("claim", "b.py", "--as", "user:alice")
    assert shop.commits("b.py", "mine\n").returncode == 0
    assert is_refused(shop.commits("b.py", "not mine\n", HALLWAY_USER="carol"), "b.py")


def test_who_waits_for_a_file_holds_nothing(shop: Repository) -> None:
    shop.gets("claim", "a.py", "--as", ALICE, "--shared", "--for", "12h")
    waits = shop.starts("claim", "a.py", "--wait", "10m", "--as", BOB, cwd=shop.folder)
    try:
        until(lambda: [each["state"] for each in shop.gets("claims", "--state", "waiting")] == ["waiting"])
        assert shop.commits("a.py", "1\n").returncode == 0
    finally:
        waits.kill()
        waits.communicate(timeout=PATIENCE_S)


def test_the_claims_of_the_session_that_started_this_one_are_its_own(shop: Repository) -> None:
    """An agent inherits the variables of the one that started it."""
    shop.claims("a.py", by=ALICE)
    inherited = {"CLAUDE_CODE_SESSION_ID": ALICE, "GEMINI_SESSION_ID": BOB}
    assert shop.commits("a.py", "1\n", **inherited).returncode == 0


def test_a_session_that_only_its_process_names_is_known(shop: Repository) -> None:
    """Codex tells its session's id to no program that it starts; its hooks bind the session to its process."""
    shop.claims("a.py", by=ALICE)
    shop.writes("a.py", "1\n")
    shop.git("add", "a.py")
    program = (
        "import os, subprocess, sys\n"
        "from hallway.local.presence import bind\n"
        f"bind(os.environ['HALLWAY_HOME'], {ALICE!r}, os.getpid())\n"
        "sys.exit(subprocess.run(['git', 'commit', '--message', 'by codex']).returncode)\n"
    )
    done = shop.runs([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr


def test_another_project_is_another_tree(shop: Repository) -> None:
    shop.claims("a.py")
    assert shop.commits("a.py", "1\n", HALLWAY_PROJECT="github.com/acme/site").returncode == 0


def test_the_setting_of_the_check_at_the_edit_is_the_guards_too(shop: Repository) -> None:
    shop.claims("a.py")
    assert is_refused(shop.commits("a.py", "1\n", HALLWAY_CLAIMS="deny"), "a.py")
    done = shop.tries("commit", "--message", "warned", HALLWAY_CLAIMS="warn")
    assert (done.returncode, "  a.py: bob holds it" in done.stderr) == (0, True)
    done = shop.commits("a.py", "2\n", HALLWAY_CLAIMS="off")
    assert (done.returncode, done.stderr) == (0, "")


# -- which paths a commit changes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["with space.py", "new\nline.py", "tab\t.py", "café.py", "cafe\u0301.py", "[a].py", "*.py", "日本.py", "-n", '"'],
)
def test_every_name_is_found(shop: Repository, name: str) -> None:
    shop.claims("src/**")
    done = shop.commits(f"src/{name}", "1\n")
    assert done.returncode != 0
    assert "claimed 1 file" in done.stderr


def test_a_name_with_signs_of_globs_is_no_glob(shop: Repository) -> None:
    shop.claims("a.py")
    assert shop.commits("[a].py", "1\n").returncode == 0
    assert shop.commits("*.py", "1\n").returncode == 0


def test_a_name_that_is_no_text_is_found(shop: Repository) -> None:
    shop.claims("src/**")
    (shop.folder / "src").mkdir()
    (shop.folder / os.fsdecode(b"src/\xff.py")).write_text("1\n")
    shop.git("add", "--all")
    done = shop.tries("commit", "--message", "x")
    assert done.returncode != 0
    assert "claimed 1 file" in done.stderr


def test_a_rename_changes_both_paths(shop: Repository) -> None:
    shop.commits("old.py", "a long enough text\n" * 9)
    shop.claims("old.py")
    shop.git("mv", "old.py", "new.py")
    assert is_refused(shop.tries("commit", "--message", "away"), "old.py")
    shop.releases()
    shop.claims("new.py")
    assert is_refused(shop.tries("commit", "--message", "to"), "new.py")


def test_a_deletion_and_a_change_of_mode_change_a_path(shop: Repository) -> None:
    shop.commits("a.py", "1\n")
    shop.commits("run.sh", "1\n")
    shop.claims("a.py", "run.sh")
    shop.git("rm", "--quiet", "a.py")
    shop.git("update-index", "--chmod=+x", "run.sh")
    assert is_refused(shop.tries("commit", "--message", "x"), "a.py", "run.sh")


def test_the_first_commit_of_a_repository(shop: Repository, tmp_path: Path) -> None:
    new = tmp_path / "new"
    shop.git("init", "--quiet", str(new))
    shutil.copy(shop.folder / ".git" / "hooks" / "pre-commit", new / ".git" / "hooks" / "pre-commit")
    (new / "a.py").write_text("1\n")
    shop.git("add", "a.py", folder=new)
    shop.claims("a.py")
    assert is_refused(shop.tries("commit", "--message", "first", folder=new), "a.py")


def test_a_partial_commit_is_judged_by_what_it_commits(shop: Repository) -> None:
    shop.claims("a.py")
    shop.writes("a.py", "1\n")
    shop.writes("b.py", "1\n")
    shop.git("add", "--all")
    shop.git("commit", "--message", "only b", "b.py")
    assert is_refused(shop.tries("commit", "--message", "only a", "a.py"), "a.py")
    shop.git("reset", "--quiet", "a.py")
    shop.git("add", "--intent-to-add", "a.py")
    shop.writes("b.py", "2\n")
    shop.git("add", "b.py")
    shop.git("commit", "--message", "a is only intended")


def test_an_empty_commit_and_an_amended_message_change_nothing(shop: Repository) -> None:
    shop.commits("a.py", "1\n")
    shop.claims("**")
    shop.git("commit", "--allow-empty", "--message", "nothing")
    shop.git("commit", "--amend", "--allow-empty", "--message", "nothing, said otherwise")
    shop.writes("a.py", "2\n")
    assert is_refused(shop.tries("commit", "--amend", "--all", "--no-edit"), "a.py")


def test_a_worktree_has_the_same_paths(shop: Repository, tmp_path: Path) -> None:
    shop.claims("src/a.py")
    shop.git("worktree", "add", "--quiet", str(tmp_path / "other"))
    (tmp_path / "other" / "src").mkdir()
    (tmp_path / "other" / "src" / "a.py").write_text("1\n")
    shop.git("add", "--all", folder=tmp_path / "other")
    assert is_refused(shop.tries("commit", "--message", "x", folder=tmp_path / "other" / "src"), "src/a.py")


def test_the_way_to_wait_is_typed_from_the_folder_one_is_in(shop: Repository) -> None:
    shop.claims("src/api/a.py")
    shop.writes("src/api/a.py", "1\n")
    shop.git("add", "--all")
    done = shop.tries("commit", "--message", "x", folder=shop.folder / "src")
    assert "Wait: hallway claim api/a.py --wait 10m\n" in done.stderr


def test_a_submodule_is_a_path_and_all_below_it(shop: Repository, tmp_path: Path) -> None:
    shop.git("init", "--quiet", str(tmp_path / "lib"))
    shop.git("commit", "--quiet", "--allow-empty", "--message", "begin", folder=tmp_path / "lib")
    shop.claims("vendor/lib/**")
    shop.git("submodule", "--quiet", "add", str(tmp_path / "lib"), "vendor/lib")
    assert is_refused(shop.tries("commit", "--message", "x"), "vendor/lib")
    shop.git("commit", "--message", "x", "--no-verify")
    inside = shop.folder / "vendor" / "lib"
    shop.git("commit", "--quiet", "--allow-empty", "--message", "more", folder=inside)
    shop.git("config", "diff.ignoreSubmodules", "all")
    shop.git("add", "vendor/lib")
    assert is_refused(shop.tries("commit", "--message", "y"), "vendor/lib")


def test_settings_of_git_change_nothing(shop: Repository) -> None:
    for setting, value in {"diff.relative": "true", "diff.noprefix": "true", "core.quotePath": "true"}.items():
        shop.git("config", setting, value)
    shop.claims("src/é.py")
    shop.writes("src/é.py", "1\n")
    shop.git("add", "--all")
    done = shop.tries("commit", "--message", "x", folder=shop.folder / "src")
    assert is_refused(done, "src/é.py")


def test_a_repository_that_ignores_case(shop: Repository) -> None:
    shop.git("config", "core.ignoreCase", "true")
    shop.claims("SRC/Api.py")
    assert is_refused(shop.commits("src/api.py", "1\n"), "src/api.py")


# -- merges, rebases --------------------------------------------------------------------------------------------------


def diverge(shop: Repository) -> None:
    """Let `main` and `topic` change a.py in conflict, and topic b.py, too."""
    shop.commits("a.py", "begin\n")
    shop.git("switch", "--quiet", "--create", "topic")
    shop.writes("b.py", "topic\n")
    shop.commits("a.py", "topic\n")
    shop.git("switch", "--quiet", "main")
    shop.commits("a.py", "main\n")


def test_a_merge_is_judged_by_what_it_changes_itself(shop: Repository) -> None:
    diverge(shop)
    shop.claims("b.py")
    assert shop.tries("merge", "topic").returncode != 0
    shop.writes("a.py", "both\n")
    shop.git("add", "a.py")
    assert shop.tries("commit", "--no-edit").returncode == 0  # b.py is as topic has it


def test_the_resolution_of_a_merge_is_a_change(shop: Repository) -> None:
    diverge(shop)
    shop.claims("a.py")
    assert shop.tries("merge", "topic").returncode != 0
    shop.writes("a.py", "both\n")
    shop.git("add", "a.py")
    assert is_refused(shop.tries("commit", "--no-edit"), "a.py")


def test_merges_without_conflict_rebases_and_picks_go_on(shop: Repository) -> None:
    """Git runs no hook for them: the commits were judged when they were made, and are when they are pushed."""
    diverge(shop)
    shop.git("switch", "--quiet", "topic")
    shop.claims("**")
    shop.git("rebase", "--strategy-option", "theirs", "main")
    shop.git("switch", "--quiet", "main")
    shop.git("merge", "topic")
    shop.git("reset", "--quiet", "--hard", "HEAD~1")
    shop.git("cherry-pick", "topic")


# -- pushes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def remote(shop: Repository, tmp_path: Path) -> Repository:
    """The repository, with a remote that has its first commit."""
    shop.git("init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    shop.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    shop.git("push", "--quiet", "origin", "main")
    return shop


def test_a_push_is_judged_by_the_paths_of_its_commits(remote: Repository) -> None:
    remote.commits("a.py", "1\n")
    remote.git("rm", "--quiet", "a.py")
    remote.git("commit", "--message", "away again")
    remote.commits("b.py", "1\n")
    remote.claims("a.py")
    done = remote.tries("push", "origin", "main")
    assert is_refused(done, "a.py")
    assert "claimed 1 file of this push:" in done.stderr
    assert "Leave out the check: git push --no-verify\n" in done.stderr
    remote.git("push", "--no-verify", "origin", "main")
    remote.commits("b.py", "2\n")
    remote.git("push", "origin", "main")  # what is there already is not pushed


def test_pushes_of_new_branches_tags_and_several_references(remote: Repository) -> None:
    remote.git("switch", "--quiet", "--create", "topic")
    remote.commits("a.py", "1\n")
    remote.git("tag", "--annotate", "v1", "--message", "one")
    remote.claims("a.py")
    assert is_refused(remote.tries("push", "origin", "topic"), "a.py")
    assert is_refused(remote.tries("push", "origin", "v1"), "a.py")
    assert is_refused(remote.tries("push", "--all", "origin"), "a.py")
    remote.git("push", "origin", "main:other")
    remote.git("push", "origin", "--delete", "other")
    remote.git("push", "origin", "main")  # everything is up to date


def test_a_push_over_what_another_has_pushed(remote: Repository, tmp_path: Path) -> None:
    """The commit at the remote is not known here."""
    remote.git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "clone"))
    remote.git("commit", "--quiet", "--allow-empty", "--message", "theirs", folder=tmp_path / "clone")
    remote.git("push", "--quiet", folder=tmp_path / "clone")
    remote.commits("a.py", "1\n")
    remote.claims("a.py")
    assert is_refused(remote.tries("push", "--force", "origin", "main"), "a.py")
    remote.git("push", "--quiet", "--force", "--no-verify", "origin", "main")


def test_a_push_to_an_address(remote: Repository, tmp_path: Path) -> None:
    remote.commits("a.py", "1\n")
    remote.claims("a.py")
    assert is_refused(remote.tries("push", str(tmp_path / "remote.git"), "main"), "a.py")


def test_a_pushed_merge_is_judged_by_its_resolution(remote: Repository) -> None:
    diverge(remote)
    remote.git("push", "--quiet", "origin", "main", "topic")
    assert remote.tries("merge", "topic").returncode != 0
    remote.writes("a.py", "both\n")
    remote.git("commit", "--all", "--no-edit")
    remote.claims("b.py")
    remote.git("push", "--dry-run", "origin", "main")
    remote.claims("a.py")
    assert is_refused(remote.tries("push", "origin", "main"), "a.py")


# -- the bus is not there (C4) ----------------------------------------------------------------------------------------


@pytest.mark.promise("C4")
@pytest.mark.parametrize("bus", ["http://127.0.0.1:9", "damaged", "gopher://nowhere"])
def test_a_bus_that_cannot_be_asked_stops_no_commit(shop: Repository, tmp_path: Path, bus: str) -> None:
    shop.claims("a.py")
    if bus == "damaged":
        bus = str(tmp_path / "damaged.db")
        Path(bus).write_text("this is no database" * 1000)
    done = shop.commits("a.py", "1\n", HALLWAY_URL=bus)
    assert done.returncode == 0, done.stderr
    assert "hallway: claims were not checked: " in done.stderr
    logs = [path.read_text() for path in tmp_path.rglob("hooks.log")]
    assert any(" guard " in log for log in logs)


@pytest.mark.promise("C4")
def test_a_bus_that_hangs_is_waited_for_five_seconds(shop: Repository, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as hub:
        began = time.monotonic()
        done = shop.commits("a.py", "1\n", HALLWAY_URL=f"http://127.0.0.1:{hub.getsockname()[1]}")
        assert time.monotonic() - began >= 4
    assert done.returncode == 0, done.stderr
    assert "hallway: claims were not checked: " in done.stderr


@pytest.mark.promise("C4")
def test_a_guard_outside_of_a_repository_refuses_nothing(shop: Repository, tmp_path: Path) -> None:
    shop.claims("**")
    done = shop.runs(shop.command("guard"), tmp_path)
    assert (done.returncode, "claims were not checked: git hash-object" in done.stderr) == (0, False)
    assert "claims were not checked: " in done.stderr


# -- the pre-commit framework -----------------------------------------------------------------------------------------


@pytest.fixture
def framed(tmp_path: Path) -> Repository:
    """A repository with the pre-commit framework, which has the guard from hallway's own repository."""
    repository = Repository(tmp_path)
    source = tmp_path / "hallway"
    repository.git("init", "--quiet", str(source))
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", source)
    repository.git("add", "--all", folder=source)
    repository.git("commit", "--quiet", "--message", "hooks", folder=source)
    commit = repository.git("rev-parse", "HEAD", folder=source).strip()
    repository.environ["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit-home")
    del repository.environ["PYTHONWARNINGS"]
    config = f"repos:\n- repo: {source}\n  rev: {commit}\n  hooks:\n  - id: hallway-guard\n"
    assert repository.commits(".pre-commit-config.yaml", config).returncode == 0
    done = repository.runs(["pre-commit", "install", "--hook-type", "pre-commit", "--hook-type", "pre-push"])
    assert done.returncode == 0, done.stdout + done.stderr
    return repository


def test_the_framework_refuses_a_commit(framed: Repository) -> None:
    framed.claims("a.py")
    done = framed.commits("a.py", "1\n")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "  a.py: bob holds it for 'new handlers' until " in said
    framed.writes("b.py", "1\n")
    framed.git("add", "b.py")
    assert framed.tries("commit", "--message", "only b", "b.py").returncode == 0
    framed.git("commit", "--message", "all the same", "--no-verify")


def test_the_framework_refuses_a_push(framed: Repository, tmp_path: Path) -> None:
    framed.commits("a.py", "1\n")
    framed.git("init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    framed.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    framed.claims("a.py")
    for known in (False, True):  # a remote that has nothing yet, and one that has another commit
        done = framed.tries("push", "origin", "main")
        assert done.returncode != 0, known
        assert "  a.py: bob holds it for 'new handlers' until " in done.stdout + done.stderr
        framed.git("push", "--quiet", "--no-verify", "origin", "main~1:refs/heads/main")
    framed.releases()
    framed.git("push", "origin", "main")


def test_the_framework_goes_on_without_hallway_and_without_a_bus(framed: Repository) -> None:
    framed.claims("a.py")
    assert framed.commits("a.py", "1\n", HALLWAY_URL="http://127.0.0.1:9").returncode == 0
    framed.program.write_text("#!/bin/sh\necho broken\nexit 1\n")
    assert framed.commits("a.py", "2\n").returncode == 0
    framed.program.unlink()
    assert framed.commits("a.py", "3\n").returncode == 0
