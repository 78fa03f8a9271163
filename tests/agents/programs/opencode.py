"""OpenCode in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import json
from pathlib import Path

from agents.programs.base import Program


class OpenCode(Program):
    name, package = "opencode", "opencode-ai@1.18.33"
    shell = "^bash$"
    session_key = "sessionID"
    interface = ()
    ready = "Ask anything"
    dialog = "Permission required"
    stop_hint = "interrupt "  # two keys stop it: after the first, the hint says "again"

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

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        settings = home / ".config" / "opencode" / "opencode.json"
        written = json.loads(settings.read_text())
        written["permission"] = {"bash": "ask", "question": "allow"}
        settings.write_text(json.dumps(written, indent=2))
        return super().lets_ask(home)

    def words(self, prompt: str) -> list[str]:
        return ["run", "--format", "json", prompt]


PROGRAM = OpenCode()
