"""Claude Code in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import json
from pathlib import Path

from agents.programs.base import Program


class ClaudeCode(Program):
    name, package = "claude-code", "@anthropic-ai/claude-code@2.1.329"
    program = "claude"
    shell = "^Bash$"
    interface = ()
    ready = "❯"
    rename = "/rename"
    dialog = "Do you want to proceed?"

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

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        return ("--permission-mode", "default", "--allowedTools", "mcp__hallway")

    def words(self, prompt: str) -> list[str]:
        return [
            "-p",
            prompt,
            "--allowedTools",
            "Bash,Write,mcp__hallway",
            "--output-format",
            "stream-json",
            "--verbose",
        ]


PROGRAM = ClaudeCode()
