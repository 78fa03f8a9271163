"""Qwen Code: server and hooks, both in settings.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, EDITS, HOOK_LIMIT_S, ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways
from hallway.agents.install.switch import NO_HOOKS, Switch, excluded_servers, is_true

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class QwenInstaller(ClientInstaller):
    name, title, programs = "qwen", "Qwen Code", ("qwen",)
    hooks = (
        ("SessionStart", None, ""),
        ("UserPromptSubmit", None, ""),
        ("PostToolUse", "*", ANY),
        ("PostToolUse", "write_file|edit|replace", EDITS),
        ("PermissionRequest", "*", ""),
        ("Notification", "*", ""),
        ("Stop", None, ""),
        ("StopFailure", None, ""),
        ("SubagentStop", None, ANY),
        ("SessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(variable="QWEN_HOME", base="~/.qwen")

    def configs(self, root: str | None) -> list[Config]:
        return [
            JsonConfig(
                place(root, f"{self.folder}/settings.json", ".qwen", "settings.json"),
                OwnKey(("mcpServers", NAME), stdio_server(root)),
                HookEntries(grouped(self, root), is_hallways),
            )
        ]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        entry = super().hook_entry(event, command, runs_for)
        return entry | {"name": f"hallway-{event}", "timeout": HOOK_LIMIT_S * 1000}

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [f"{self.folder}/settings.json", f"{root}/.qwen/settings.json"]
        return [
            *excluded_servers(files, name),
            *(Switch(file, ("disableAllHooks",), is_true, NO_HOOKS) for file in files),
        ]


CLIENT = QwenInstaller()
