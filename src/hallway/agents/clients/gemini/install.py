"""Gemini CLI: server and hooks, both in settings.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, EDITS, HOOK_LIMIT_S, ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways
from hallway.agents.install.switch import NO_HOOKS, NO_SERVER, Switch, excluded_servers, is_false, lists_beginning

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class GeminiInstaller(ClientInstaller):
    name, title, programs = "gemini", "Gemini CLI", ("gemini",)
    hooks = (
        ("SessionStart", None, ""),
        ("BeforeAgent", None, ""),
        ("AfterTool", "*", ANY),
        ("AfterTool", "write_file|replace|edit", EDITS),
        ("Notification", "*", ""),
        ("AfterAgent", None, ""),
        ("SessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(".gemini", variable="GEMINI_CLI_HOME")

    def configs(self, root: str | None) -> list[Config]:
        return [
            JsonConfig(
                place(root, f"{self.folder}/settings.json", ".gemini", "settings.json"),
                OwnKey(("mcpServers", NAME), stdio_server(root)),
                HookEntries(grouped(self, root), is_hallways),
            )
        ]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        entry = super().hook_entry(event, command, runs_for)
        return entry | {"name": f"hallway-{event}", "timeout": HOOK_LIMIT_S * 1000}

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [f"{self.folder}/settings.json", f"{root}/.gemini/settings.json"]
        return [
            *excluded_servers(files, name),
            Switch(f"{self.folder}/mcp-server-enablement.json", (name, "enabled"), is_false, NO_SERVER),
            *(Switch(file, ("hooksConfig", "enabled"), is_false, NO_HOOKS) for file in files),
            *(Switch(file, ("hooksConfig", "disabled"), lists_beginning(f"{NAME}-"), NO_HOOKS) for file in files),
        ]

    def remains(self, root: str | None) -> list[str]:
        asked = ["Gemini CLI asks before it runs a repository's hooks: say yes once."] if root else []
        return [*super().remains(root), *asked]


CLIENT = GeminiInstaller()
