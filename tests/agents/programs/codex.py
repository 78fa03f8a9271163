"""Codex in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agents.model import Call
from agents.programs.base import RENAME_S, Program
from support import until

if TYPE_CHECKING:
    from agents.machine import Terminal


class Codex(Program):
    name, package = "codex", "@openai/codex@0.169.0"
    shell = "^(exec_command|shell_command)$"
    session_key = "thread_id"
    interface = ("--dangerously-bypass-hook-trust",)
    ready = "›"
    rename = "/rename"
    dialog = "Would you like to run the following command?"

    def settings(self, model_url: str) -> dict[str, str]:
        return {"MOCK_API_KEY": "test"}

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text(f"""\
model = "mock-model"  # an unknown one is offered every tool at once
model_provider = "mock"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.mock]
name = "mock"
base_url = "{model_url}/v1"
wire_api = "responses"
env_key = "MOCK_API_KEY"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = false

[features]
plugins = false

[analytics]
enabled = false

[projects."{repository}"]
trust_level = "trusted"
""")

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        settings = home / ".codex" / "config.toml"
        text = settings.read_text().replace('"never"', '"on-request"').replace('"danger-full-access"', '"read-only"')
        settings.write_text(text)
        return super().lets_ask(home)

    def renames(self, terminal: Terminal, name: str) -> None:
        terminal.types(self.rename)
        terminal.presses_until("Enter", lambda: "Name thread" in terminal.screen)
        terminal.types(name)
        until(lambda: name in terminal.screen, RENAME_S)
        terminal.presses_until("Enter", lambda: "Name thread" not in terminal.screen)

    def words(self, prompt: str) -> list[str]:
        return ["exec", "--dangerously-bypass-hook-trust", "--json", prompt]

    def words_with_hallway(self) -> list[str]:
        return ["-c", "mcp_servers.hallway.required=true"]

    def runs(self, command: str) -> Call:
        return Call(self.shell, cmd=command, command=command)

    def asks_to_run(self, command: str) -> Call:
        outside = {"sandbox_permissions": "require_escalated", "justification": "x"}
        return Call(self.shell, cmd=command, command=command, **outside)


PROGRAM = Codex()
