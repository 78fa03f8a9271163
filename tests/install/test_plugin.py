"""The Claude Code plugin in this repository says what `hallway install --project` would."""

from __future__ import annotations

import json
from pathlib import Path

from hallway import __version__
from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.client import stdio_server
from hallway.agents.install.hook_entries import grouped

PLUGIN = Path(__file__).parents[2] / "plugin"


def test_its_hooks_and_its_server_are_those_of_a_repository() -> None:
    hooks = json.loads((PLUGIN / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
    assert hooks == grouped(CLIENTS["claude-code"], "/a/repository")
    server = json.loads((PLUGIN / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    assert server == {"hallway": stdio_server("/a/repository")}


def test_it_has_the_version_of_hallway() -> None:
    assert json.loads((PLUGIN / ".claude-plugin" / "plugin.json").read_text(encoding="utf-8"))["version"] == __version__
