"""The six programs: how each is told of the scripted model, started with a prompt, and which tools it offers.

Nothing here is about hallway: that comes from `hallway install`, as for everybody.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from agents.clients import PROGRAMS, node_folder, programs_of
from agents.model import Call

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Program:
    """A client; `name` is as hallway knows it."""

    name: str
    shell: str  # the tool that runs commands
    shell_arguments: dict[str, Any] = {"description": "x"}
    session_key = "session_id"
    says_end = True  # whether it tells its hooks that the session ends

    @property
    def path(self) -> str:
        return str(programs_of(self.name) / PROGRAMS.get(self.name, self.name))

    def environ(self, home: Path, model_url: str) -> dict[str, str]:
        return {
            "HOME": str(home),
            "PATH": f"{programs_of(self.name)}{os.pathsep}{node_folder()}{os.pathsep}{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": str(home / "tmp"),
            "HALLWAY_HOOK_BUDGET_MS": "4000",  # a machine that runs tests is a busy one
            **self.settings(model_url),
        }

    def settings(self, model_url: str) -> dict[str, str]:
        return {}

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        """Write what the client needs to know of the model; before hallway is installed, as with people."""

    def words(self, prompt: str) -> list[str]:
        """The arguments of a run without a person."""
        raise NotImplementedError

    def words_with_hallway(self) -> list[str]:
        """What a test adds where hallway is installed, so that no run begins before its tools are there."""
        return []

    def runs(self, command: str) -> Call:
        """The call of the tool that runs commands."""
        return Call(self.shell, **{"command": command, **self.shell_arguments})

    def hallway(self, tool: str, **arguments: Any) -> Call:
        """The call of one of hallway's tools, however the client spells it."""
        return Call(rf"hallway[-_/]+{tool}$", **arguments)

    def session_id(self, output: str) -> str:
        """The session's id, as the client tells it in what it prints."""
        found = re.search(rf'"{self.session_key}":\s*"([^"]+)"', output)
        assert found, f"no {self.session_key} in {output[:2000]}"
        return found[1]


class ClaudeCode(Program):
    name, shell = "claude-code", "^Bash$"

    def settings(self, model_url: str) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": model_url,
            "ANTHROPIC_API_KEY": "test",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "ENABLE_TOOL_SEARCH": "false",
            "MCP_CONNECTION_NONBLOCKING": "0",
        }

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        known = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": ["test"], "rejected": []},
            "projects": {str(repository): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
        }
        (home / ".claude.json").write_text(json.dumps(known))

    def words(self, prompt: str) -> list[str]:
        return [
            "-p",
            prompt,
            "--allowedTools",
            "Bash,mcp__hallway",
            "--output-format",
            "stream-json",
            "--verbose",
        ]


class Codex(Program):
    name, shell = "codex", "^(exec_command|shell_command)$"
    session_key = "thread_id"

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

    def words(self, prompt: str) -> list[str]:
        return ["exec", "--dangerously-bypass-hook-trust", "--json", prompt]

    def words_with_hallway(self) -> list[str]:
        return ["-c", "mcp_servers.hallway.required=true"]

    def runs(self, command: str) -> Call:
        return Call(self.shell, cmd=command, command=command)


class Gemini(Program):
    name, shell = "gemini", "^run_shell_command$"

    def settings(self, model_url: str) -> dict[str, str]:
        return {
            "GEMINI_API_KEY": "test",
            "GOOGLE_GEMINI_BASE_URL": model_url,
            "GEMINI_CLI_NO_RELAUNCH": "1",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "CI": "1",
        }

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        (home / ".gemini").mkdir()
        (home / ".gemini" / "settings.json").write_text("""\
{
  // no questions, no network
  "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
  "privacy": {"usageStatisticsEnabled": false},
  "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
  "model": {"name": "gemini-2.5-flash"}
}
""")

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--yolo", "--output-format", "stream-json"]


class OpenCode(Program):
    name, shell = "opencode", "^bash$"
    session_key = "sessionID"

    def settings(self, model_url: str) -> dict[str, str]:
        names = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE")
        return {f"OPENCODE_DISABLE_{name}": "1" for name in names}

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        (home / ".npmrc").write_text("fetch-retries=0\noffline=true\n")  # else it waits for the registry
        folder = home / ".config" / "opencode"
        folder.mkdir(parents=True)
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Mock",
            "options": {"baseURL": f"{model_url}/v1", "apiKey": "test"},
            "models": {"m": {"name": "M", "tool_call": True, "limit": {"context": 200_000, "output": 8192}}},
        }
        config = {
            "model": "mock/m",
            "small_model": "mock/m",
            "autoupdate": False,
            "share": "disabled",
            "enabled_providers": ["mock"],
            "permission": {"*": "allow"},
            "provider": {"mock": provider},
        }
        (folder / "opencode.json").write_text(json.dumps(config, indent=2))

    def words(self, prompt: str) -> list[str]:
        return ["run", "--format", "json", prompt]


class Qwen(Program):
    name, shell = "qwen", "^run_shell_command$"
    shell_arguments = {"description": "x", "is_background": False}

    def settings(self, model_url: str) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": "test",
            "OPENAI_BASE_URL": f"{model_url}/v1",
            "OPENAI_MODEL": "mock-model",
            "CI": "1",
        }

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        (home / ".qwen").mkdir()
        settings = {
            "security": {"auth": {"selectedType": "openai"}, "folderTrust": {"enabled": False}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"enableAutoUpdate": False},
            "model": {"name": "mock-model"},
            "tools": {"toolSearch": {"enabled": False}},
        }
        (home / ".qwen" / "settings.json").write_text(json.dumps(settings, indent=4))

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--yolo", "--auth-type", "openai", "--output-format", "stream-json"]


class Copilot(Program):
    name, shell = "copilot", "^bash$"

    def settings(self, model_url: str) -> dict[str, str]:
        return {
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
            "COPILOT_PROVIDER_BASE_URL": f"{model_url}/v1",
            "COPILOT_PROVIDER_API_KEY": "test",
            "COPILOT_MODEL": "mock-model",
        }

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--allow-all-tools", "--disable-builtin-mcps"]

    def session_id(self, output: str) -> str:
        found = re.search(r"--resume=([\w-]+)", output)
        assert found, output[-2000:]
        return found[1]


ALL: dict[str, Program] = {
    program.name: program for program in (ClaudeCode(), Codex(), Gemini(), OpenCode(), Qwen(), Copilot())
}
