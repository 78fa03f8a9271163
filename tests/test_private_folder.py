"""Whatever comes first makes hallway's folder for its user alone, under every umask."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hallway.local.paths import data_folder, make_private_folder
from hooks.client import Client
from mcp_server import Server


@pytest.fixture(params=[0o022, 0o002, 0o000], ids=["022", "002", "000"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def hook_first(home: Path, folder: Path) -> None:
    client = Client("claude-code", folder)
    for kind in ("start", "prompt", "tool", "stop"):
        client.does(kind, prompt="go on")


def server_first(home: Path, folder: Path) -> None:
    server = Server(Path(os.environ["HALLWAY_HOME"]), HALLWAY_SESSION="s1")
    server.initialize()
    assert "sessions" in server.call("sessions")
    server.close()


def command_first(home: Path, folder: Path) -> None:
    for words in (["register", "s1", "a", "codex"], ["send", "user:alice", "s1", "hello"], ["list"]):
        subprocess.run([sys.executable, "-m", "hallway", *words], check=True, capture_output=True)


def install_first(home: Path, folder: Path) -> None:
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text(json.dumps({"theme": "dark"}))
    subprocess.run([sys.executable, "-m", "hallway", "install", "gemini"], check=True, capture_output=True)


def broken_first(home: Path, folder: Path) -> None:
    """A hook that can do nothing but log and spool."""
    client = Client("claude-code", folder)
    client.environ["HALLWAY_URL"] = "http://127.0.0.1:9"
    client.does("prompt", prompt="go on")


@pytest.mark.parametrize("first", [hook_first, server_first, command_first, install_first, broken_first])
def test_whatever_comes_first_makes_it_private(
    home: Path, tmp_path: Path, umask: None, first: Callable[[Path, Path], None]
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    first(home, folder)
    made = Path(os.environ["HALLWAY_HOME"])
    found = {path: path.lstat().st_mode for path in (made, *made.rglob("*")) if not path.is_symlink()}
    assert len(found) > 1
    for path, mode in found.items():
        assert stat.S_IMODE(mode) & 0o077 == 0 or stat.S_ISSOCK(mode), path


def test_the_folders_above_are_private_too(tmp_path: Path, umask: None) -> None:
    make_private_folder(str(tmp_path / "a" / "b" / "c"))
    make_private_folder(str(tmp_path / "a" / "b" / "c"))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_private_folder(str(tmp_path / "file" / "x"))


def test_a_relative_data_folder_is_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HALLWAY_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    assert data_folder() == str(home / ".local/share/hallway")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert data_folder() == str(home / "data/hallway")


@pytest.mark.parametrize("said", ["", None])
def test_without_a_home_the_password_database_says_where_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    import pwd

    monkeypatch.delenv("HALLWAY_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    if said is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", said)
    assert data_folder() == os.path.join(pwd.getpwuid(os.getuid()).pw_dir, ".local/share/hallway")


def test_a_relative_folder_is_made_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_private_folder("some/where")
    make_private_folder("")
    assert stat.S_IMODE((tmp_path / "some" / "where").stat().st_mode) == 0o700
