"""What a development install under the old name left behind is recognised, replaced and removed; and nothing else."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.old_name import OLD_NAME
from install.machine import Machine

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "CHANGELOG.md",
    "docs/decisions/0013-a-name-of-its-own.md",
    "src/hallway/agents/install/old_name.py",
    "tests/install/test_old_name.py",
}
HOOK = f"exec /usr/bin/python3 -I -S /src/{OLD_NAME}/agents/hook/launch.py claude-code"
OTHER_HOOK = {"hooks": [{"type": "command", "command": f"notify {OLD_NAME}"}]}
STDIO = {"type": "stdio", "command": "/usr/bin/python3", "args": ["-P", "-m", OLD_NAME, "mcp"]}
GROUP = {"hooks": [{"type": "command", "command": HOOK, "timeout": 5}]}
FILES = {
    ".claude.json": {"mcpServers": {OLD_NAME: STDIO, "search": {"command": "search"}}},
    ".claude/settings.json": {"hooks": {"Stop": [GROUP, OTHER_HOOK], "PreCompact": [GROUP]}},
    ".codex/hooks.json": {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": f"{OLD_NAME} hook codex"}]}]}},
    ".gemini/settings.json": {"mcpServers": {OLD_NAME: {"command": OLD_NAME, "args": ["mcp"]}}},
    ".config/opencode/opencode.json": {"mcp": {OLD_NAME: {"type": "local", "command": [OLD_NAME, "mcp"]}}},
    ".copilot/mcp-config.json": {"mcpServers": {OLD_NAME: {"type": "local", "command": OLD_NAME, "args": ["mcp"]}}},
    ".copilot/hooks/" + OLD_NAME + ".json": {"hooks": {"sessionStart": [{"type": "command", "bash": HOOK}]}},
    ".cursor/hooks.json": {"version": 1, "hooks": {"stop": [{"command": HOOK}]}},
}
TOML = f'[mcp_servers.{OLD_NAME}]\ncommand = "/usr/bin/python3"\nargs = ["-P", "-m", "{OLD_NAME}", "mcp"]\n'
PLUGIN = f'const told = {{"command":["{OLD_NAME}", "hook", "opencode"]}};\n'


@pytest.fixture
def old(machine: Machine) -> Machine:
    """A home folder as a development install under the old name left it."""
    for name, held in FILES.items():
        machine.writes(name, json.dumps(held, indent=2))
    machine.writes(".codex/config.toml", f'model = "gpt-5.5"\n\n{TOML}')
    machine.writes(f".config/opencode/plugin/{OLD_NAME}.js", PLUGIN)
    return machine


def words_left(machine: Machine) -> str:
    """Everything the clients' files hold, as one text."""
    return "\n".join(f"{name} {held!r}" for name, (_, held) in machine.state().items())


def test_install_replaces_what_the_old_name_left(old: Machine) -> None:
    old.installs(*CLIENTS)
    left = words_left(old)
    assert left.count(OLD_NAME) == 1  # the other hook, which only has the word in it
    assert old.reads(".claude.json")["mcpServers"].keys() == {"search", "hallway"}
    assert "PreCompact" not in old.reads(".claude/settings.json")["hooks"]
    assert OTHER_HOOK in old.reads(".claude/settings.json")["hooks"]["Stop"]
    servers = tomllib.loads((old.user / ".codex/config.toml").read_text())["mcp_servers"]
    assert servers.keys() == {"hallway"}


def test_uninstall_removes_what_the_old_name_left(old: Machine) -> None:
    old.uninstalls()
    assert words_left(old).count(OLD_NAME) == 1
    assert old.reads(".claude.json")["mcpServers"].keys() == {"search"}
    assert tomllib.loads((old.user / ".codex/config.toml").read_text()) == {"model": "gpt-5.5"}


def test_install_and_uninstall_do_not_bring_the_old_name_back(old: Machine) -> None:
    old.installs(*CLIENTS)
    old.uninstalls()
    assert words_left(old).count(OLD_NAME) == 1


def test_doctor_reports_the_old_name_as_out_of_date(old: Machine) -> None:
    old.installs(*CLIENTS)
    old.writes(".codex/config.toml", (old.user / ".codex/config.toml").read_text() + TOML)
    found = old.types("doctor").stdout
    assert "server missing or out of date" in found
    assert "hallway install codex" in found


def test_a_server_that_only_has_the_old_name_is_left_alone(machine: Machine) -> None:
    mine = {"mcpServers": {OLD_NAME: {"command": "/opt/bird-watch", "args": ["serve"]}}}
    machine.writes(".gemini/settings.json", json.dumps(mine))
    machine.installs("gemini")
    assert machine.reads(".gemini/settings.json")["mcpServers"][OLD_NAME] == mine["mcpServers"][OLD_NAME]
    machine.uninstalls()
    assert machine.reads(".gemini/settings.json") == mine


def test_the_old_name_stands_nowhere_else() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    assert not [name for name in names if OLD_NAME in name.lower()]
    holding = {name for name in names if OLD_NAME.encode() in (ROOT / name).read_bytes().lower()}
    assert holding <= ALLOWED
