"""The Claude Code plugin in this repository: valid, installable from here, and as good as `hallway install`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.conftest import needs
from agents.machine import Machine
from agents.model import Reply
from agents.programs.claude_code import ClaudeCode

ROOT = Path(__file__).parents[2]


class WithPlugin(ClaudeCode):
    """Claude Code on a machine where `hallway` is on the PATH, as the plugin expects."""

    def environ(self, home: Path, model_url: str) -> dict[str, str]:
        found = super().environ(home, model_url)
        return {**found, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}"}

    def words(self, prompt: str) -> list[str]:
        return [word.replace("mcp__hallway", "mcp__plugin_hallway_hallway") for word in super().words(prompt)]


def plugin(machine: Machine, *words: str | Path) -> str:
    """What `claude plugin …` prints."""
    claude = WithPlugin()
    done = subprocess.run(
        [claude.path, "plugin", *words],
        env=claude.environ(machine.home, ""),
        cwd=machine.repository,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("folder", [ROOT, ROOT / "plugin"], ids=["marketplace", "plugin"])
def test_claude_code_finds_it_valid(machine: Machine, folder: Path) -> None:
    needs("claude-code")
    assert "Validation passed" in plugin(machine, "validate", folder)


def test_a_session_with_the_plugin_is_on_the_bus(machine: Machine) -> None:
    needs("claude-code")
    claude = WithPlugin()
    machine.bus.sessions.register("alice", "alice's session", "human")
    model = machine.model(Reply(None, claude.hallway("send", to_session="alice", body="I am here.")), Reply("Done."))
    machine.prepare(claude, model, with_hallway=False)
    plugin(machine, "marketplace", "add", ROOT)
    plugin(machine, "install", "hallway@hallway")
    run = machine.run(claude, model, "say hello")
    session = machine.bus.sessions.get(claude.session_id(run.output))
    assert (session.agent_type, session.status, session.current_task) == ("claude-code", "offline", "say hello")
    (message,) = machine.bus.messages.inbox("alice")
    assert message.from_session == session.session_id
