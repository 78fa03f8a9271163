"""The wheel and the source archive, installed by pip, pipx and uv into a clean place: hallway does its work there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

import hallway
from mcp_server import MODERN
from release.distributions import TIMEOUT_S, Distributions, run
from support import until

pytestmark = pytest.mark.slow


def by_pip(distribution: Path, folder: Path, offline: dict[str, str]) -> Path:
    run(sys.executable, "-m", "venv", folder / "venv")
    run(folder / "venv/bin/python", "-m", "pip", "install", distribution, **offline)
    return folder / "venv" / "bin"


def by_pipx(distribution: Path, folder: Path, offline: dict[str, str]) -> Path:
    places = {
        "PIPX_HOME": str(folder / "pipx"),
        "PIPX_BIN_DIR": str(folder / "bin"),
        "PIPX_MAN_DIR": str(folder / "man"),
    }
    run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, distribution, **offline, **places)
    return folder / "bin"


def by_uv(distribution: Path, folder: Path, offline: dict[str, str]) -> Path:
    names = {"UV_TOOL_DIR": "tools", "UV_TOOL_BIN_DIR": "bin", "UV_CACHE_DIR": "cache"}
    places = {name: str(folder / below) for name, below in names.items()}
    install = ("tool", "install", "--python", sys.executable, "--no-python-downloads", distribution)
    run(sys.executable, "-m", "uv", *install, **offline, **places)
    return folder / "bin"


class Installed:
    """hallway, as a person who has nothing else of it starts it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.program = programs / "hallway"
        self.folder = folder
        folder.mkdir()
        self.environ = {
            "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HALLWAY_HOME": str(folder / "bus"),
            "HALLWAY_PROJECT": "github.com/acme/shop",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def types(self, *words: str, text: str = "") -> str:
        done = subprocess.run(
            [self.program, *words],
            env=self.environ,
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("install", [by_pip, by_pipx, by_uv], ids=lambda function: function.__name__[3:])
def test_an_installed_hallway_works(
    distributions: Distributions, tmp_path: Path, install: Callable[..., Path], kind: str
) -> None:
    programs = install(getattr(distributions, kind), tmp_path, distributions.offline())
    there = Installed(programs, tmp_path / "home")
    assert there.types("--version").strip() == f"hallway {hallway.__version__}"
    there.types("register", "s1", "alice's claude", "claude-code")
    started = {"hook_event_name": "SessionStart", "session_id": "s2", "cwd": str(there.folder), "source": "startup"}
    there.types("hook", "claude-code", text=json.dumps(started))
    assert {each["session_id"] for each in json.loads(there.types("list", "--json"))} == {"s1", "s2"}
    there.types("send", "s1", "s2", "which port?")
    assert [each["subject"] for each in json.loads(there.types("inbox", "s2", "--json"))] == ["which port?"]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": MODERN}}
    assert '"send"' in there.types("mcp", text=json.dumps(asked) + "\n")
    serves(there)


def serves(there: Installed) -> None:
    """The hub starts, and its page comes with its style and its scripts."""
    log = there.folder / "hub.log"
    with log.open("wb") as errors:
        command = [there.program, "serve", "--port", "0", "--log-format", "json"]
        hub = subprocess.Popen(command, env=there.environ, cwd=there.folder, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        until(lambda: hub.poll() is not None or re.search(r'"address".*\n', log.read_text()))
        found = re.search(r'"address": ?"([^"]+)"', log.read_text())
        assert found, log.read_text()
        page = fetched(found[1], "/")
        assert "which port?" in page, "the page shows what is on the bus"
        files = re.findall(r'(?:src|href)="(/[^"]+\.(?:css|js)\b[^"]*)"', page)
        assert len(files) >= 3
        for file in files:
            assert fetched(found[1], file)
    finally:
        hub.terminate()
        hub.wait(timeout=60)


def fetched(address: str, path: str) -> str:
    with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:  # noqa: S310  # the hub's
        text: str = answer.read().decode()
        return text
