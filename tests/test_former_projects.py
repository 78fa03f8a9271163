"""A repository whose project has another name now: what it was called is known, and its memory is offered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hallway.local.former_projects import MAX_NAMES, former_projects, record_project
from hallway.local.workspace import LocalWorkspace
from hub.process import HubProcess
from mcp_server import Server
from test_here import Git, git, repository  # noqa: F401 - fixtures

OLD, NEW = "github.com/acme/shop", "github.com/acme/store"


@pytest.fixture
def shop(home: Path, repository: Path, git: Git) -> Path:  # noqa: F811
    """A repository whose memory is filed under its old remote, and which has a new one."""
    git(repository, "remote", "add", "origin", f"https://{OLD}.git")
    types(repository, "memory", "set", "user:alice", "database", "the zebra table")
    git(repository, "remote", "set-url", "origin", f"git@{NEW.replace('/', ':', 1)}.git")
    return repository


def types(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, on the bus of the test's home."""
    done = subprocess.run(
        [sys.executable, "-m", "hallway", *words],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


def doctor(folder: Path, **environ: str) -> list[dict[str, Any]]:
    checks = json.loads(types(folder, "doctor", "--json", **environ).stdout)["checks"]
    return [each for each in checks if each["check"] == "project"]


OFFER = f"This repository's project was {OLD} before, with 1 entry. To move them: hallway project move {OLD} {NEW}"


def test_a_search_that_finds_nothing_offers_the_memory_of_the_old_name(shop: Path) -> None:
    for words in (("memory", "search", "zebra"), ("memory", "search", "--pattern", "d*"), ("memory", "search")):
        done = types(shop, *words)
        assert done.stdout == "No matching entries.\n"
        assert OFFER in done.stderr
    as_json = types(shop, "memory", "search", "zebra", "--json")
    assert (json.loads(as_json.stdout), OFFER in as_json.stderr) == ([], True)


def test_doctor_offers_it_and_writes_nothing(shop: Path, home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (home / "hallway" / "repositories").iterdir()}
    named, offered = doctor(shop)
    assert (named["level"], named["detail"]) == ("ok", NEW)
    assert offered == {
        "check": "project",
        "level": "warn",
        "detail": f"this repository's project was {OLD} before, which has 1 memory key and 0 sessions",
        "next": f"hallway project move {OLD} {NEW}",
    }
    assert {path: path.stat().st_mtime_ns for path in (home / "hallway" / "repositories").iterdir()} == before


def test_once_it_is_moved_nothing_is_offered_any_more(shop: Path) -> None:
    assert types(shop, *doctor(shop)[1]["next"].split()[1:]).returncode == 0
    done = types(shop, "memory", "search", "zebra")
    assert "the **zebra** table" in done.stdout
    assert done.stderr == ""
    assert len(doctor(shop)) == 1
    assert types(shop, "memory", "search", "elephant").stderr == ""


def test_where_the_new_name_has_memory_of_its_own_a_search_says_no_more_than_it_found(shop: Path) -> None:
    types(shop, "memory", "set", "user:alice", "cache", "redis")
    assert types(shop, "memory", "search", "zebra").stderr == ""
    assert doctor(shop)[1]["level"] == "ok"


def test_another_project_that_is_named_is_searched_without_an_offer(shop: Path) -> None:
    assert types(shop, "memory", "search", "zebra", "--project", "elsewhere").stderr == ""
    assert types(shop, "memory", "search", "zebra", HALLWAY_PROJECT="elsewhere").stderr == ""
    assert len(doctor(shop, HALLWAY_PROJECT="elsewhere")) == 1


def test_an_agent_that_searches_is_told_as_well(shop: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    server = Server(home / "hallway", HALLWAY_PROJECT="")
    try:
        server.initialize()
        found = server.call("search_memory", query="zebra")
        assert found["entries"] == []
        assert OFFER in found["hint"]
    finally:
        server.kill()


def test_through_a_hub_the_folder_is_still_this_machines(shop: Path, home: Path) -> None:
    with HubProcess(home / "hallway") as hub:
        url = f"http://127.0.0.1:{hub.port}"
        assert OFFER in types(shop, "memory", "search", "zebra", HALLWAY_URL=url).stderr
        assert doctor(shop, HALLWAY_URL=url)[1]["next"] == f"hallway project move {OLD} {NEW}"


def test_a_repository_that_gets_its_first_remote_was_its_path_before(home: Path, repository: Path, git: Git) -> None:  # noqa: F811
    types(repository, "memory", "set", "user:alice", "database", "the zebra table")
    for file in (home / "hallway" / "repositories").iterdir():
        file.unlink()  # known even where nothing was recorded
    git(repository, "remote", "add", "origin", f"https://{NEW}")
    assert f"hallway project move {repository} {NEW}" in types(repository, "memory", "search", "zebra").stderr


def test_every_worktree_and_folder_of_the_repository_knows_it(shop: Path, git: Git, tmp_path: Path) -> None:  # noqa: F811
    git(shop, "worktree", "add", str(tmp_path / "side"))
    assert OFFER in types(tmp_path / "side", "memory", "search", "zebra").stderr
    assert OFFER in types(shop / "api" / "deep", "memory", "search", "zebra").stderr


def test_names_are_kept_newest_first_once_each_and_not_without_end(home: Path, repository: Path, git: Git) -> None:  # noqa: F811
    git(repository, "remote", "add", "origin", "https://example.org/x")

    def named(name: str) -> list[str]:
        git(repository, "remote", "set-url", "origin", f"https://example.org/{name}")
        return LocalWorkspace(directory=str(repository)).former_projects

    assert named("a") == [str(repository)]
    assert named("b") == ["example.org/a", str(repository)]
    assert named("c") == ["example.org/b", "example.org/a", str(repository)]
    assert named("a") == ["example.org/c", "example.org/b", str(repository)]
    for number in range(MAX_NAMES + 5):
        named(str(number))
    assert len(named("last")) == MAX_NAMES


def test_a_name_that_did_not_change_is_not_written_again(home: Path, shop: Path) -> None:
    [file] = (home / "hallway" / "repositories").iterdir()
    LocalWorkspace(directory=str(shop)).project  # noqa: B018 - which records it
    before = file.stat()
    LocalWorkspace(directory=str(shop)).project  # noqa: B018
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"/another/.git\nother\n"])
def test_a_file_that_is_damaged_or_anothers_is_as_none(home: Path, content: bytes) -> None:
    record_project("/srv/shop/.git", OLD)
    [file] = (home / "hallway" / "repositories").iterdir()
    file.write_bytes(content)
    assert former_projects("/srv/shop/.git", NEW) == []
    record_project("/srv/shop/.git", OLD)
    assert former_projects("/srv/shop/.git", NEW) == [OLD]


def test_a_folder_that_cannot_be_written_stops_nothing(home: Path, repository: Path) -> None:  # noqa: F811
    (home / "hallway").write_text("a file where the folder should be")
    assert LocalWorkspace(directory=str(repository)).project == str(repository)
    assert LocalWorkspace(directory=str(repository)).former_projects == []
