"""`hallway doctor` about the clients: what is installed, when it was heard of, what went wrong, what to type."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit

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


def has_client(machine: Machine, client: str) -> None:
    """Put a client's program on the PATH; its hooks are trusted, if it is one that is asked."""
    machine.has_program(PROGRAMS.get(client, client), "1.2.3")
    if client == "codex":
        (machine.programs / "codex").write_text(CODEX.replace("STATUS", "trusted"))


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
    assert "server installed, hooks installed; no heartbeat yet" in found["detail"]
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


NO_ANSWERS = {
    "knows nothing of it": "exit 2",
    "says nothing": "exit",
    "speaks another language": "echo Hello",
    "speaks another protocol": "echo '[]'",
    "refuses": """echo '{"id": 2, "error": {"code": -32600}}'""",
    "lists something else": """echo '{"id": 2, "result": {"data": [{"files": []}]}}'""",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_whether_a_codex_trusts_hooks_that_does_not_say_so_is_not_known(machine: Machine, answer: str) -> None:
    machine.has_program("codex", "")
    (machine.programs / "codex").write_text(f"#!/bin/sh\n[ $1 = app-server ] || exec echo codex-cli 0.1.0\n{answer}\n")
    machine.installs("codex")
    chain, trouble = findings(machine, "codex")
    assert [link["is_done"] for link in chain["links"]] == [True, True, None, False, False]
    assert trouble["level"] == "warn"
    assert "not known whether it trusts" in trouble["detail"]
    assert chain["next"] == trouble["next"]
    assert "/hooks" in trouble["next"]
    assert "✓ found  ✓ server  ? hooks  ○ first hook  ○ first message" in machine.types("doctor").stdout
    leave_mark(machine, "codex")
    (chain,) = findings(machine, "codex")
    assert [link["is_done"] for link in chain["links"]] == [True, True, True, True, False]


def leave_mark(machine: Machine, client: str) -> None:
    """Have a hook of a client run."""
    payload = {"session_id": "s1", "hook_event_name": "SessionStart", "cwd": str(machine.repository)}
    environ = {**machine.environ, "HALLWAY_HOOK_BUDGET_MS": "60000"}
    command = machine.command("hook", client)
    subprocess.run(command, input=json.dumps(payload), env=environ, text=True, timeout=120, check=True)


@pytest.mark.parametrize(
    ("hook", "detail"),
    [
        ({"command": "notify", "trustStatus": "trusted"}, "none of hallway's hooks"),
        (
            {"command": "hallway hook codex", "trustStatus": "trusted", "enabled": False},
            "1 of 1 hooks are switched off",
        ),
    ],
)
def test_hooks_that_codex_does_not_run_are_told(machine: Machine, hook: dict[str, Any], detail: str) -> None:
    machine.has_program("codex", "")
    listed = CODEX.partition('[{"hooks": [')
    answer = f"{listed[0]}{listed[1]}{json.dumps(hook)}]}}]}}}}'\n"
    (machine.programs / "codex").write_text(answer)
    machine.installs("codex")
    chain, trouble = findings(machine, "codex")
    assert [link["is_done"] for link in chain["links"]] == [True, True, False, False, False]
    assert detail in trouble["detail"]
    assert chain["next"] == trouble["next"]


def test_the_last_error_of_a_hook_is_told_until_its_log_is_gone(machine: Machine) -> None:
    has_client(machine, "codex")
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


# -- what switches an installed hallway off ---------------------------------------------------------------------------

PROGRAMS = {"claude-code": "claude"}
SERVER_OFF, HOOKS_OFF = "switches the server hallway off", "switches the hooks off"
SWITCHES = [
    ("claude-code", ".claude/settings.json", {"disableAllHooks": True}, HOOKS_OFF),
    ("claude-code", "SHOP/.claude/settings.json", {"disableAllHooks": True}, HOOKS_OFF),
    ("claude-code", "SHOP/.claude/settings.local.json", {"disableAllHooks": True}, HOOKS_OFF),
    ("claude-code", "SHOP/.claude/settings.local.json", {"disabledMcpjsonServers": ["x", "hallway"]}, SERVER_OFF),
    ("claude-code", ".claude/settings.json", {"deniedMcpServers": [{"serverName": "hallway"}]}, SERVER_OFF),
    ("claude-code", ".claude.json", {"projects": {"SHOP": {"disabledMcpServers": ["hallway"]}}}, SERVER_OFF),
    ("codex", ".codex/config.toml", {"mcp_servers": {"hallway": {"enabled": False}}}, SERVER_OFF),
    ("codex", ".codex/config.toml", {"features": {"hooks": False}}, HOOKS_OFF),
    ("gemini", ".gemini/settings.json", {"mcp": {"excluded": ["hallway"]}}, SERVER_OFF),
    ("gemini", ".gemini/settings.json", {"mcp": {"allowed": ["other"]}}, "does not name hallway"),
    ("gemini", "SHOP/.gemini/settings.json", {"mcp": {"excluded": ["hallway"]}}, SERVER_OFF),
    ("gemini", ".gemini/mcp-server-enablement.json", {"hallway": {"enabled": False}}, SERVER_OFF),
    ("gemini", ".gemini/settings.json", {"hooksConfig": {"enabled": False}}, HOOKS_OFF),
    ("gemini", ".gemini/settings.json", {"hooksConfig": {"disabled": ["hallway-AfterTool"]}}, HOOKS_OFF),
    ("qwen", ".qwen/settings.json", {"mcp": {"excluded": ["hallway"]}}, SERVER_OFF),
    ("qwen", ".qwen/settings.json", {"mcp": {"allowed": ["other"]}}, "does not name hallway"),
    ("qwen", "SHOP/.qwen/settings.json", {"disableAllHooks": True}, HOOKS_OFF),
    ("opencode", ".config/opencode/opencode.json", {"mcp": {"hallway": {"enabled": False}}}, SERVER_OFF),
]
HARMLESS = [
    ("claude-code", ".claude/settings.json", {"disableAllHooks": False, "disabledMcpjsonServers": ["other"]}),
    ("codex", ".codex/config.toml", {"mcp_servers": {"hallway": {"enabled": True}}, "features": {"hooks": True}}),
    ("gemini", ".gemini/settings.json", {"mcp": {"excluded": ["other"], "allowed": ["hallway"]}}),
    ("gemini", ".gemini/settings.json", {"mcp": {"allowed": []}, "hooksConfig": {"disabled": ["format"]}}),
    ("qwen", ".qwen/settings.json", {"mcp": [], "disableAllHooks": "no"}),
    ("opencode", ".config/opencode/opencode.json", {"mcp": {"hallway": {"enabled": True}}}),
]


def add_settings(machine: Machine, name: str, more: dict[str, Any]) -> Path:
    """Merge settings into a file of the home folder, or of the repository, as the person would have written them."""
    path = machine.repository / name.removeprefix("SHOP/") if name.startswith("SHOP/") else machine.user / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else ""
    more = json.loads(json.dumps(more).replace("SHOP", str(machine.repository)))
    if path.suffix == ".toml":
        document = tomlkit.parse(text)
        merge(document, more)
        path.write_text(tomlkit.dumps(document))
    else:
        held = json.loads(text or "{}")
        merge(held, more)
        path.write_text(json.dumps(held))
    return path


def merge(held: Any, more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and key in held:
            merge(held[key], value)
        else:
            held[key] = value


@pytest.mark.parametrize(("client", "name", "more", "effect"), SWITCHES, ids=lambda value: str(value)[:60])
def test_a_setting_that_switches_hallway_off_is_named(
    machine: Machine, client: str, name: str, more: dict[str, Any], effect: str
) -> None:
    has_client(machine, client)
    machine.installs(client)
    assert all(each["level"] == "ok" for each in findings(machine, client))
    path = add_settings(machine, name, more)
    (cause,) = [each for each in findings(machine, client) if effect in each["detail"]]
    assert cause["level"] == "warn"
    assert cause["detail"].startswith(str(path))
    assert cause["next"].startswith(f"edit {path}, then restart")


@pytest.mark.parametrize(("client", "name", "more"), HARMLESS, ids=lambda value: str(value)[:60])
def test_settings_that_switch_nothing_off_are_no_cause(
    machine: Machine, client: str, name: str, more: dict[str, Any]
) -> None:
    has_client(machine, client)
    machine.installs(client)
    add_settings(machine, name, more)
    assert [each["level"] for each in findings(machine, client)] == ["ok"]


def test_a_server_of_the_persons_own_that_is_switched_off_is_no_cause(machine: Machine) -> None:
    """hallway's is called hallway-bus then, and that is the name that counts."""
    machine.has_program("gemini", "1.2.3")
    machine.writes(".gemini/settings.json", json.dumps({"mcpServers": {"hallway": {"command": "mine"}}}))
    machine.installs("gemini")
    add_settings(machine, ".gemini/settings.json", {"mcp": {"excluded": ["hallway"]}})
    assert [each["level"] for each in findings(machine, "gemini")] == ["ok"]
    add_settings(machine, ".gemini/settings.json", {"mcp": {"excluded": ["hallway-bus"]}})
    assert SERVER_OFF in findings(machine, "gemini")[1]["detail"]


@pytest.mark.parametrize("client", ["claude-code", "codex", "gemini", "qwen", "copilot", "cursor", "opencode"])
def test_a_bus_that_was_selected_after_the_installation_is_named_as_the_cause(machine: Machine, client: str) -> None:
    has_client(machine, client)
    machine.installs(client)
    machine.environ["HALLWAY_URL"] = str(machine.user / "other")
    cause = findings(machine, client)[-1]
    assert cause["level"] == "warn"
    assert "the hooks were installed for another bus" in cause["detail"]
    assert "given by HALLWAY_URL" in cause["detail"]
    assert machine.types(*shlex.split(cause["next"])[1:]).returncode == 0
    assert [each["level"] for each in findings(machine, client)] == ["ok"]


@pytest.mark.parametrize("client", ["claude-code", "codex", "gemini", "opencode"])
def test_an_entry_whose_environment_selects_another_bus_is_named(machine: Machine, client: str) -> None:
    has_client(machine, client)
    machine.installs(client)
    files = {
        "claude-code": (".claude.json", "mcpServers", "env"),
        "codex": (".codex/config.toml", "mcp_servers", "env"),
        "gemini": (".gemini/settings.json", "mcpServers", "env"),
        "opencode": (".config/opencode/opencode.json", "mcp", "environment"),
    }
    name, section, key = files[client]
    environment = {"HALLWAY_URL": "https://alice:pass@Hub.example.org:443", "HALLWAY_HOME": "/srv/hallway"}
    add_settings(machine, name, {section: {"hallway": {key: environment}}})
    details = [each["detail"] for each in findings(machine, client) if each["level"] == "warn"]
    assert any("sets HALLWAY_URL=https://alice:***@Hub.example.org:443" in each for each in details)
    assert any("sets HALLWAY_HOME=/srv/hallway" in each for each in details)
    assert "pass" not in str(details)
    add_settings(machine, name, {section: {"hallway": {key: {"HALLWAY_HOME": str(machine.home)}}}})
    machine.environ["HALLWAY_URL"] = "https://alice:pass@hub.example.org"
    causes = [each["detail"] for each in findings(machine, client, status=1) if "sets HALLWAY" in each["detail"]]
    assert causes == []
