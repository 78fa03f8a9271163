"""OpenCode: the server in opencode.json, and a plugin of hallway's own, which is how OpenCode has hooks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.agents.install.client import ClientInstaller, home, place, server_command
from hallway.agents.install.configs import HOOKS, NAME, JsonConfig, OldFile, OwnFile, OwnKey
from hallway.agents.install.hook_commands import plugin_source
from hallway.agents.install.old_name import OLD_NAME
from hallway.agents.install.switch import NO_SERVER, Switch, is_false

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config

FILES = ("opencode.jsonc", "opencode.json")


class OpenCodeInstaller(ClientInstaller):
    name, title, programs = "opencode", "OpenCode", ("opencode",)

    @property
    def folder(self) -> str:
        return home("opencode", variable="XDG_CONFIG_HOME", base="~/.config")

    def configs(self, root: str | None) -> list[Config]:
        server = {"type": "local", "command": server_command(root)}
        plugin = os.path.join(place(root, self.folder, ".opencode"), "plugin", "hallway.js")
        source = os.path.join(os.path.dirname(__file__), "plugin.js")
        return [
            JsonConfig(self._file(root or self.folder), OwnKey(("mcp", NAME), server, {"enabled": True})),
            OwnFile(plugin, plugin_source(self.name, source, is_shared=root is not None), HOOKS),
            OldFile(os.path.join(os.path.dirname(plugin), f"{OLD_NAME}.js"), HOOKS),
        ]

    def _file(self, folder: str) -> str:
        """Return the configuration file that exists; OpenCode reads both names, the one with comments last."""
        there = [name for name in FILES if os.path.exists(os.path.join(folder, name))]
        return os.path.join(folder, there[0] if there else FILES[-1])

    def switches(self, root: str, name: str) -> list[Switch]:
        return [
            Switch(os.path.join(folder, file), ("mcp", name, "enabled"), is_false, NO_SERVER)
            for folder in (self.folder, root)
            for file in FILES
        ]


CLIENT = OpenCodeInstaller()
