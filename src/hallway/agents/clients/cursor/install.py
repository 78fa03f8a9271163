"""Cursor: the server in mcp.json, the hooks in hooks.json."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, CHECK, EDITS, HOOK_LIMIT_S, ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey, RequiredKey
from hallway.agents.install.hook_entries import is_hallways, listed

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class CursorInstaller(ClientInstaller):
    name, title, programs = "cursor", "Cursor", ("cursor", "cursor-agent")
    hooks = (
        ("sessionStart", None, ""),
        ("beforeSubmitPrompt", None, ""),
        ("preToolUse", None, CHECK),
        ("postToolUse", None, ANY),
        ("afterFileEdit", None, EDITS),
        ("stop", None, ""),
        ("sessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(".cursor")

    def configs(self, root: str | None) -> list[Config]:
        folder = place(root, self.folder, ".cursor")
        return [
            JsonConfig(os.path.join(folder, "mcp.json"), OwnKey(("mcpServers", NAME), stdio_server(root))),
            JsonConfig(
                os.path.join(folder, "hooks.json"),
                RequiredKey(("version",), 1),
                HookEntries(listed(self, root), is_hallways),
            ),
        ]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        return {"command": command, "timeout": HOOK_LIMIT_S}

    def asks(self, root: str | None) -> list[str]:
        return ["Cursor shows new servers switched off: switch hallway on in its settings."]


CLIENT = CursorInstaller()
