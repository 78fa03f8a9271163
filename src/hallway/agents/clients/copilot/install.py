"""Copilot CLI: the server in mcp-config.json, and a hooks file of hallway's own; of a repository, both in .github/."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, CHECK, EDITS, HOOK_LIMIT_S, ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import HOOKS, NAME, JsonConfig, OldFile, OwnFile, OwnKey
from hallway.agents.install.hook_entries import listed
from hallway.agents.install.old_name import OLD_NAME

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class CopilotInstaller(ClientInstaller):
    name, title, programs = "copilot", "Copilot CLI", ("copilot",)
    hooks = (
        ("sessionStart", None, ""),
        ("userPromptSubmitted", None, ""),
        ("preToolUse", "create|edit|str_replace_editor|write|bash", CHECK),
        ("postToolUse", None, ANY),
        ("postToolUse", "create|edit|str_replace_editor|write", EDITS),
        ("notification", None, ""),
        ("agentStop", None, ""),
        ("sessionEnd", None, ""),
    )
    names_event = True

    @property
    def folder(self) -> str:
        return home(variable="COPILOT_HOME", base="~/.copilot")

    def configs(self, root: str | None) -> list[Config]:
        server = stdio_server(root, type="local")
        hooks = json.dumps({"version": 1, "hooks": listed(self, root)}, indent=2) + "\n"
        folder = place(root, self.folder, ".github")
        return [
            JsonConfig(
                place(root, os.path.join(folder, "mcp-config.json"), ".github", "mcp.json"),
                OwnKey(("mcpServers", NAME), server, {"tools": ["*"]}),
            ),
            OwnFile(os.path.join(folder, "hooks", "hallway.json"), hooks, HOOKS),
            OldFile(os.path.join(folder, "hooks", f"{OLD_NAME}.json"), HOOKS),
        ]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        return {"type": "command", "bash": command, "timeoutSec": HOOK_LIMIT_S}

    def asks(self, root: str | None) -> list[str]:
        return ["Copilot CLI reads a repository's hooks once you trust its folder."] if root else []


CLIENT = CopilotInstaller()
