"""Cursor: the server in mcp.json, the hooks in hooks.json."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.agents.install.client import Client, home, place, stdio_server
from hallway.agents.install.configs import NAME, Default, Hooks, JsonConfig, Member
from hallway.agents.install.entries import is_hallways, listed

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class Cursor(Client):
    name, title, programs = "cursor", "Cursor", ("cursor", "cursor-agent")

    @property
    def folder(self) -> str:
        return home(".cursor")

    def configs(self, root: str | None) -> list[Config]:
        folder = place(root, self.folder, ".cursor")
        return [
            JsonConfig(os.path.join(folder, "mcp.json"), Member(("mcpServers", NAME), stdio_server(root))),
            JsonConfig(
                os.path.join(folder, "hooks.json"),
                Default(("version",), 1),
                Hooks(listed(self.name, root), is_hallways),
            ),
        ]

    def remains(self, root: str | None) -> list[str]:
        return [*super().remains(root), "Cursor shows new servers switched off: switch hallway on in its settings."]


CLIENT = Cursor()
