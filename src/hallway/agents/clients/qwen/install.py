"""Qwen Code: server and hooks, both in settings.json."""

from __future__ import annotations

from hallway.agents.install.client import ANY, CHECK, EDITS, home
from hallway.agents.install.settings_file import SettingsFileInstaller
from hallway.agents.install.switch import NO_HOOKS, Switch, excluded_servers, is_true


class QwenInstaller(SettingsFileInstaller):
    name, title, programs = "qwen", "Qwen Code", ("qwen",)
    repository_folder = ".qwen"
    hooks = (
        ("SessionStart", None, ""),
        ("UserPromptSubmit", None, ""),
        ("PreToolUse", "write_file|edit|replace|run_shell_command", CHECK),
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

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [self.settings(None), self.settings(root)]
        return [
            *excluded_servers(files, name),
            *(Switch(file, ("disableAllHooks",), is_true, NO_HOOKS) for file in files),
        ]


CLIENT = QwenInstaller()
