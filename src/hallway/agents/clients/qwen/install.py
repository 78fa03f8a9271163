"""Qwen Code: server and hooks, both in settings.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.agents.install.client import ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class QwenInstaller(ClientInstaller):
    name, title, programs = "qwen", "Qwen Code", ("qwen",)

    @property
    def folder(self) -> str:
        return home(variable="QWEN_HOME", base="~/.qwen")

    def configs(self, root: str | None) -> list[Config]:
        return [
            JsonConfig(
                place(root, f"{self.folder}/settings.json", ".qwen", "settings.json"),
                OwnKey(("mcpServers", NAME), stdio_server(root)),
                HookEntries(grouped(self.name, root), is_hallways),
            )
        ]


CLIENT = QwenInstaller()
