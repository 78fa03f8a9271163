"""An installation can be undone without hallway (A1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.standalone import FOLDER, PROGRAM
from install.machine import Machine
from install.test_install import FILES

pytestmark = pytest.mark.promise("A1")


@pytest.fixture
def used(machine: Machine) -> Machine:
    """A machine on which every client is used, each with a configuration of its person's own."""
    for name, text in FILES.items():
        machine.writes(name, "").write_bytes(text.encode())
    return machine


def undo(machine: Machine, status: int = 0) -> str:
    """Run the standalone program with an interpreter that cannot import hallway; return what it printed."""
    program = machine.user / "hallway" / FOLDER / PROGRAM
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_install_says_where_the_program_is_and_uninstall_removes_it(used: Machine) -> None:
    said = used.installs(*CLIENTS)
    program = used.user / "hallway" / FOLDER / PROGRAM
    assert f"python3 {program}" in said
    assert {path.stat().st_mode & 0o777 for path in program.parent.iterdir()} == {0o600}
    assert program.parent.stat().st_mode & 0o777 == 0o700
    used.uninstalls()
    assert not program.parent.exists()


def test_it_restores_every_file_that_nobody_changed(used: Machine) -> None:
    before = {name: held for name, held in used.state().items() if held[1] != ""}
    used.installs(*CLIENTS)
    said = undo(used)
    assert "restored" in said
    assert {name: held for name, held in used.state().items() if held[1] != ""} == before
    assert undo(used) == ""  # nothing is left to undo


def test_from_changed_files_it_removes_only_what_is_hallways(used: Machine) -> None:
    used.installs(*CLIENTS)
    settings = used.reads(".claude/settings.json")
    settings["model"] = "sonnet"
    used.writes(".claude/settings.json", json.dumps(settings))
    config = used.user / ".codex" / "config.toml"
    config.write_text(
        config.read_text() + '\n[mcp_servers.hallway.tools.send]\napproval_mode = "auto"\n\n[tui]\nx = 1\n'
    )
    undo(used)
    left = used.reads(".claude/settings.json")
    assert left["model"] == "sonnet"
    assert left["hooks"] == {"Stop": [{"hooks": [{"type": "command", "command": "say done", "timeout": 5}]}]}
    text = config.read_text()
    assert "hallway" not in text
    assert "[tui]\nx = 1\n" in text
    assert "[mcp_servers.search]" in text


def test_a_file_that_cannot_be_read_stops_none_of_the_others(used: Machine) -> None:
    used.installs(*CLIENTS)
    used.writes(".claude.json", "{ broken")
    said = undo(used, status=1)
    assert "cannot be edited" in said
    assert "hallway" not in (used.user / ".codex" / "config.toml").read_text()


def test_it_works_when_the_package_and_its_ledger_are_gone(used: Machine) -> None:
    used.installs(*CLIENTS)
    (used.user / "hallway" / "installed.json").unlink()
    undo(used)
    for path in used.user.rglob("*"):
        if path.is_file() and "hallway" not in path.relative_to(used.user).parts[0]:
            assert "agents/hook" not in path.read_text(), path
            assert '"hallway"' not in path.read_text(), path


def test_the_copy_is_the_one_in_the_package(used: Machine) -> None:
    from hallway.agents.install import standalone_uninstall

    used.installs("codex")
    program = used.user / "hallway" / FOLDER / PROGRAM
    assert program.read_bytes() == Path(str(standalone_uninstall.__file__)).read_bytes()


def test_a_server_of_somebodys_own_with_our_name_stays(machine: Machine) -> None:
    mine = {"mcpServers": {"hallway": {"command": "/opt/hallway-lights", "args": ["serve"]}}}
    machine.writes(".cursor/mcp.json", json.dumps(mine))
    text = '[mcp_servers.hallway]\ncommand = "/opt/hallway-lights"\nargs = ["serve"]\n'
    machine.writes(".codex/config.toml", text)
    machine.installs("cursor", "codex")
    (machine.user / "hallway" / "installed.json").unlink()
    undo(machine)
    assert machine.reads(".cursor/mcp.json") == mine
    assert (machine.user / ".codex/config.toml").read_text().strip() == text.strip()
