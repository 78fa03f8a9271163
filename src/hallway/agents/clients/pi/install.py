"""pi: one extension of hallway's own, which brings the hooks and, because pi has no MCP client, the server's tools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.agents.install.client import ClientInstaller, home, place, server_command
from hallway.agents.install.configs import HOOKS, SERVER, OwnFile
from hallway.agents.install.hook_commands import plugin_source

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class PiInstaller(ClientInstaller):
    name, title, programs = "pi", "pi", ("pi",)

    @property
    def folder(self) -> str:
        return home(variable="PI_CODING_AGENT_DIR", base="~/.pi/agent")

    def configs(self, root: str | None) -> list[Config]:
        path = os.path.join(place(root, self.folder, ".pi"), "extensions", "hallway.ts")
        source = plugin_source(
            self.name,
            os.path.join(os.path.dirname(__file__), "extension.ts"),
            is_shared=root is not None,
            server=server_command(root),
        )
        return [OwnFile(path, source, HOOKS, SERVER)]


CLIENT = PiInstaller()
