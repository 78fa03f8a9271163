"""Gemini CLI: server and hooks, both in settings.json."""

from __future__ import annotations

from hallway.agents.install.client import ANY, CHECK, EDITS, home
from hallway.agents.install.configs import NAME
from hallway.agents.install.settings_file import SettingsFileInstaller
from hallway.agents.install.switch import NO_HOOKS, NO_SERVER, Switch, excluded_servers, is_false, lists_beginning

# Gemini CLI keeps variables whose names look like those of secrets from a server, unless the server's entry names
# them. With `:-`, one that is not set is empty.
SECRETLY_NAMED = ("HALLWAY_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR")


class GeminiInstaller(SettingsFileInstaller):
    name, title, programs = "gemini", "Gemini CLI", ("gemini",)
    repository_folder = ".gemini"
    server_defaults = {"env": {name: f"${{{name}:-}}" for name in SECRETLY_NAMED}}
    hooks = (
        ("SessionStart", None, ""),
        ("BeforeAgent", None, ""),
        ("BeforeTool", "write_file|replace|edit|run_shell_command", CHECK),
        ("AfterTool", "*", ANY),
        ("AfterTool", "write_file|replace|edit", EDITS),
        ("Notification", "*", ""),
        ("AfterAgent", None, ""),
        ("SessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(".gemini", variable="GEMINI_CLI_HOME")

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [self.settings(None), self.settings(root)]
        return [
            *excluded_servers(files, name),
            Switch(f"{self.folder}/mcp-server-enablement.json", (name, "enabled"), is_false, NO_SERVER),
            *(Switch(file, ("hooksConfig", "enabled"), is_false, NO_HOOKS) for file in files),
            *(Switch(file, ("hooksConfig", "disabled"), lists_beginning(f"{NAME}-"), NO_HOOKS) for file in files),
        ]

    def asks(self, root: str | None) -> list[str]:
        return ["Gemini CLI asks before it runs a repository's hooks: say yes once."] if root else []


CLIENT = GeminiInstaller()
