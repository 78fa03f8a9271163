"""The client itself reads what `hallway install` wrote: it lists the server, and says so when it is switched off."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.conftest import needs
from agents.machine import PROJECT, TIMEOUT_S, Machine
from agents.model import Reply
from hub.process import HubProcess
from proxy import make_certificate
from support import open_store

if TYPE_CHECKING:
    from agents.programs import Program

LISTING = ("claude-code", "codex", "gemini", "qwen", "opencode")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# A client's file, a text in it, and the text that a person puts in its place to switch hallway's server off.
OFF = {
    "codex": (".codex/config.toml", "[mcp_servers.hallway]\n", "[mcp_servers.hallway]\nenabled = false\n"),
    "gemini": (".gemini/settings.json", "{", '{"mcp": {"excluded": ["hallway"]},'),
    "opencode": (".config/opencode/opencode.json", '"enabled": true', '"enabled": false'),
}


def lists(machine: Machine, program: Program) -> str:
    """What `PROGRAM mcp list` prints about its servers."""
    done = subprocess.run(
        [program.path, "mcp", "list"],
        env=program.environ(machine.home, ""),
        cwd=machine.repository,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return COLOURS.sub("", done.stdout)


@pytest.mark.parametrize("name", LISTING)
def test_the_client_lists_the_server_that_was_installed(machine: Machine, name: str) -> None:
    program = needs(name)
    machine.prepare(program, machine.model(Reply("unused")))
    listed = lists(machine, program)
    assert re.search(r"(?m)^.*\bhallway\b.*", listed), listed
    assert not re.search(r"(?i)hallway.*(fail|error|disabled|blocked|disconnected)", listed), listed
    machine.types(program, "uninstall", name)
    assert "hallway" not in lists(machine, program)


@pytest.mark.parametrize("name", LISTING)
def test_the_client_reads_the_entry_when_a_person_has_added_to_it(machine: Machine, name: str) -> None:
    """Installed again over a file with a comment and fields of the person's, it is still one the client can read."""
    program = needs(name)
    machine.prepare(program, machine.model(Reply("unused")))
    if name == "codex":
        path = machine.home / ".codex" / "config.toml"
        path.write_text(f'# mine\n{path.read_text()}\n[mcp_servers.hallway.tools.send]\napproval_mode = "auto"\n')
    machine.types(program, "install", name)
    assert "hallway" in lists(machine, program)


@pytest.mark.parametrize("name", OFF)
def test_doctor_agrees_with_the_client_that_the_server_is_switched_off(machine: Machine, name: str) -> None:
    program = needs(name)
    machine.prepare(program, machine.model(Reply("unused")))
    file, old, new = OFF[name]
    path = machine.home / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    listed = lists(machine, program)
    assert re.search(r"(?i)hallway.*(disabled|blocked)", listed), listed
    checks = json.loads(machine.types(program, "doctor", "--json"))["checks"]
    assert any("switches the server hallway off" in each["detail"] for each in checks if each["check"] == name)


def test_the_server_of_a_client_reaches_a_hub_that_wants_a_token_and_whose_certificate_is_of_ones_own(
    machine: Machine, program: Program, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path)
    with open_store(str(tmp_path / "hub" / "bus.db")) as bus:
        token = bus.tokens.create("alice", role="agent").token
    with HubProcess(tmp_path / "hub", "--require-tokens", "--tls-cert", certificate, "--tls-key", key) as hub:
        machine.variables = {
            "HALLWAY_URL": f"https://127.0.0.1:{hub.port}",
            "HALLWAY_TOKEN": token,
            "SSL_CERT_FILE": certificate,
        }
        model = machine.model(Reply(None, program.hallway("remember", key="reached", value="yes")), Reply("Done."))
        machine.prepare(program, model)
        machine.run(program, model, "remember this")
        with open_store(str(tmp_path / "hub" / "bus.db")) as bus:
            assert bus.memory.get("reached", project=PROJECT) == "yes"
