"""pi in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import json
from pathlib import Path

from agents.programs.base import Program


class Pi(Program):
    name, package = "pi", "@mariozechner/pi-coding-agent@0.73.1"
    shell = "^bash$"
    shell_arguments = {}
    session_key = "id"
    interface = ("--model", "mock/m")
    stop_hint = "Working..."
    rename, renamed = "/name", "Session name set"
    ready = "Warning: tmux"  # the last line of its start: what is typed before is lost

    def settings(self, model_url: str) -> dict[str, str]:
        return {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        folder = home / ".pi" / "agent"
        folder.mkdir(parents=True)
        model = {"id": "m", "contextWindow": 200_000, "maxTokens": 8192}
        provider = {"baseUrl": f"{model_url}/v1", "api": "openai-completions", "apiKey": "test", "models": [model]}
        (folder / "models.json").write_text(json.dumps({"providers": {"mock": provider}}))

    def words(self, prompt: str) -> list[str]:
        return ["-p", "--mode", "json", "--model", "mock/m", prompt]


PROGRAM = Pi()
