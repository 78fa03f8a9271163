"""Gemini CLI: server and hooks, both in settings.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.agents.install.client import ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class GeminiInstaller(ClientInstaller):
    name, title, programs = "gemini", "Gemini CLI", ("gemini",)

    @property
    def folder(self) -> str:
        return home(".gemini", variable="GEMINI_CLI_HOME")

    def configs(self, root: str | None) -> list[Config]:
        return [
            JsonConfig(
                place(root, f"{self.folder}/settings.json", ".gemini", "settings.json"),
                OwnKey(("mcpServers", NAME), stdio_server(root)),
                HookEntries(grouped(self.name, root), is_hallways),
            )
        ]

    def remains(self, root: str | None) -> list[str]:
        asked = ["Gemini CLI asks before it runs a repository's hooks: say yes once."] if root else []
        return [*super().remains(root), *asked]


CLIENT = GeminiInstaller()
