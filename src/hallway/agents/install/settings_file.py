"""Installation in clients that keep servers and hooks in one `settings.json`, as Gemini CLI and its relatives do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import HOOK_LIMIT_S, ClientInstaller, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.agents.install.configs import Config


class SettingsFileInstaller(ClientInstaller):
    """A client with one settings file for a user and one for a repository; its hooks have names and milliseconds."""

    repository_folder: str
    server_defaults: Mapping[str, Any] = {}  # fields of the server's entry, for where the person has none of the name

    def settings(self, root: str | None) -> str:
        """Return the path of a repository's settings file, or of the user's."""
        return place(root, f"{self.folder}/settings.json", self.repository_folder, "settings.json")

    def configs(self, root: str | None) -> list[Config]:
        server = OwnKey(("mcpServers", NAME), stdio_server(root), dict(self.server_defaults))
        return [JsonConfig(self.settings(root), server, HookEntries(grouped(self, root), is_hallways))]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        entry = super().hook_entry(event, command, runs_for)
        return entry | {"name": f"hallway-{event}", "timeout": HOOK_LIMIT_S * 1000}
