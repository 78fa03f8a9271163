"""Copilot CLI in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agents.programs.base import Program


class Copilot(Program):
    name, package = "copilot", "@github/copilot@1.0.102"
    shell = "^bash$"
    interface = ("--allow-all-tools", "--disable-builtin-mcps")
    ready = "tab next tab"
    rename = "/rename"
    dialog = "Do you want to run this command?"
    is_woken = False
    stop_hint, stop_key = "Working", "C-c"

    def settings(self, model_url: str) -> dict[str, str]:
        return {
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
            "COPILOT_PROVIDER_BASE_URL": f"{model_url}/v1",
            "COPILOT_PROVIDER_API_KEY": "test",
            "COPILOT_MODEL": "mock-model",
        }

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        (home / ".copilot").mkdir()
        (home / ".copilot" / "config.json").write_text(json.dumps({"trusted_folders": [str(repository)]}))

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        return ("--disable-builtin-mcps",)

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--allow-all-tools", "--disable-builtin-mcps"]

    def session_id(self, output: str) -> str:
        found = re.search(r"--resume=([\w-]+)", output)
        assert found, output[-2000:]
        return found[1]


PROGRAM = Copilot()
