"""Copilot CLI in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

import re

from agents.programs.base import Program


class Copilot(Program):
    name, package = "copilot", "@github/copilot@1.0.102"
    shell = "^bash$"

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


PROGRAM = Copilot()
