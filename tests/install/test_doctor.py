"""`hallway doctor` about the clients: what is installed, when it was heard of, what went wrong, what to type."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

import hallway
from hallway.agents.hook.log import note
from install.machine import Machine

CODEX = """#!/bin/sh
[ "$1" = app-server ] || { echo 'codex-cli 0.169.0'; exit; }
read -r initialize; echo '{"id": 1, "result": {}}'
read -r initialized; read -r list
echo '{"id": 2, "result": {"data": [{"hooks": [
  {"command": "exec hallway hook codex", "trustStatus": "STATUS"}, {"command": "notify", "trustStatus": "untrusted"}
]}]}}' | tr -d '\\n'
echo
"""


def findings(machine: Machine, client: str, status: int = 0) -> list[dict[str, Any]]:
    done = machine.types("doctor", "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return [each for each in json.loads(done.stdout)["checks"] if each["check"] == client]


def test_a_client_that_knows_nothing_of_hallway_is_told_with_what_to_type(machine: Machine) -> None:
    machine.has_program("claude", "2.1.329 (Claude Code)")
    (found,) = findings(machine, "claude-code")
    assert found["level"] == "ok"
    assert "2.1.329" in found["detail"]
    assert found["next"] == "hallway install claude-code"


def test_clients_that_are_not_on_the_machine_are_not_told_of(machine: Machine) -> None:
    assert findings(machine, "gemini") == []


def test_an_installed_client_is_told_with_its_version_and_its_last_heartbeat(machine: Machine) -> None:
    machine.has_program("gemini", "0.61.0")
    machine.installs("gemini")
    (found,) = findings(machine, "gemini")
    assert "server installed, hooks installed; never heard of" in found["detail"]
    assert found["next"] is None
    with hallway.connect(machine.home) as bus:
        bus.sessions.register("s1", "a session", "gemini")
    (found,) = findings(machine, "gemini")
    assert found["detail"].endswith("s ago")


def test_what_the_doctor_says_to_type_mends_it(machine: Machine) -> None:
    machine.has_program("claude", "2.1.329")
    machine.installs("claude-code")
    settings = machine.user / ".claude" / "settings.json"
    settings.write_text("{}")
    (found,) = findings(machine, "claude-code")
    assert found["level"] == "warn"
    assert "server installed, hooks missing or out of date" in found["detail"]
    assert machine.types(*shlex.split(found["next"])[1:]).returncode == 0
    assert findings(machine, "claude-code")[0]["level"] == "ok"


def test_a_repositorys_configuration_counts(machine: Machine) -> None:
    machine.has_program("qwen", "0.24.4")
    machine.installs("--project", "qwen")
    assert "server installed in this repository" in findings(machine, "qwen")[0]["detail"]


def test_a_broken_configuration_is_a_failure(machine: Machine) -> None:
    path = machine.writes(".cursor/mcp.json", "{")
    (found,) = findings(machine, "cursor", status=1)
    assert found["level"] == "fail"
    assert str(path) in found["detail"]


@pytest.mark.parametrize(("status", "levels"), [("trusted", ["ok"]), ("untrusted", ["ok", "warn"])])
def test_codex_says_itself_which_hooks_it_trusts(machine: Machine, status: str, levels: list[str]) -> None:
    machine.has_program("codex", "")
    (machine.programs / "codex").write_text(CODEX.replace("STATUS", status))
    machine.installs("codex")
    found = findings(machine, "codex")
    assert [each["level"] for each in found] == levels
    assert [each["next"] for each in found if each["level"] == "warn"] == [
        "Start codex, type /hooks, and trust hallway's hooks: until then Codex skips them without a word."
    ] * (len(levels) - 1)


def test_a_codex_that_does_not_answer_is_no_trouble(machine: Machine) -> None:
    machine.has_program("codex", "codex-cli 0.1.0")
    machine.installs("codex")
    assert [each["level"] for each in findings(machine, "codex")] == ["ok"]


def test_the_last_error_of_a_hook_is_told_until_its_log_is_gone(machine: Machine) -> None:
    machine.has_program("codex", "codex-cli 0.169.0")
    machine.installs("codex")
    note(str(machine.home), "codex", "DiskFull: the first")
    note(str(machine.home), "codex", "DiskFull: no room\nfor it")
    note(str(machine.home), "gemini", "another's")
    trouble = findings(machine, "codex")[-1]
    assert trouble["level"] == "warn"
    assert "DiskFull: no room for it" in trouble["detail"]
    subprocess.run(["sh", "-c", trouble["next"].partition("seen to: ")[2]], check=True)
    assert [each["level"] for each in findings(machine, "codex")] == ["ok"]


def test_entries_of_an_installation_that_is_gone_are_found_and_replaced(machine: Machine) -> None:
    machine.installs("claude-code", "codex")
    for name in (".claude.json", ".claude/settings.json", ".codex/config.toml", ".codex/hooks.json"):
        path = machine.user / name
        path.write_text(path.read_text().replace(sys.executable, "/gone/venv/bin/python"))
    for name in ("claude-code", "codex"):
        (found,) = findings(machine, name)
        assert found["level"] == "warn"
        assert "has entries of another hallway, which may be gone" in found["detail"]
        assert found["next"] == f"hallway install {name}"
        machine.installs(name)
        (found,) = findings(machine, name)
        assert found["level"] == "ok"
