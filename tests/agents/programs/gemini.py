"""Gemini CLI in the tests: its settings, and how it is started with the scripted model."""

from __future__ import annotations

from pathlib import Path

from agents.programs.base import Program


class Gemini(Program):
    name, package = "gemini", "@google/gemini-cli@0.61.0"
    shell = "^run_shell_command$"
    interface = ("--yolo",)
    is_woken = False
    ready = "Type your message"
    dialog = "Allow execution of"
    stop_hint = "esc to cancel"

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

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        return ("--approval-mode", "default")

    def words(self, prompt: str) -> list[str]:
        return ["-p", prompt, "--yolo", "--output-format", "stream-json"]


PROGRAM = Gemini()
