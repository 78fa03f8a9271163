"""Qwen Code in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import json
from pathlib import Path

from agents.programs.base import Program


class Qwen(Program):
    name, package = "qwen", "@qwen-code/qwen-code@0.24.4"
    shell = "^run_shell_command$"
    shell_arguments = {"description": "x", "is_background": False}
    interface = ("--yolo", "--auth-type", "openai")
    ready = "Type your message"
    rename = "/rename"
    dialog = "Allow execution of"
    stop_hint = "esc to cancel"

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
            "memory": {"enableManagedAutoMemory": False, "enableManagedAutoDream": False},  # so are these
            "ui": {"enableFollowupSuggestions": False},  # each is a request to the model
        }
        (home / ".qwen" / "settings.json").write_text(json.dumps(settings, indent=4))

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        return ("--approval-mode", "default", "--auth-type", "openai")

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--yolo", "--auth-type", "openai", "--output-format", "stream-json"]


PROGRAM = Qwen()
