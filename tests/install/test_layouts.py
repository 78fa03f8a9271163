"""Other people's files: what they added and their own servers stay; every layout that a client reads is edited."""

from __future__ import annotations

import json
import math
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.configs import OTHER_NAME, JsonConfig, OwnKey, TomlConfig
from install.machine import Machine

SERVER = {"command": "/opt/python", "args": ["-P", "-m", "hallway", "mcp"]}
MINE = {"command": "/opt/hallway-lights", "args": ["serve"]}
SERVERS = {
    "claude-code": (".claude.json", "mcpServers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
    "qwen": (".qwen/settings.json", "mcpServers"),
    "copilot": (".copilot/mcp-config.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "opencode": (".config/opencode/opencode.json", "mcp"),
}
ADDED: dict[str, dict[str, Any]] = {
    "claude-code": {"env": {"A": "1"}, "timeout": 9000},
    "gemini": {"trust": True, "env": {"A": "1"}},
    "qwen": {"trust": True},
    "copilot": {"tools": ["send"], "env": {"A": "1"}},
    "cursor": {"envFile": "${workspaceFolder}/.env"},
    "opencode": {"enabled": False, "environment": {"A": "1"}},
}


def entry(machine: Machine, client: str, name: str = "hallway") -> Any:
    path, section = SERVERS[client]
    return machine.reads(path)[section].get(name)


@pytest.mark.parametrize("client", SERVERS)
def test_what_was_added_to_our_entry_survives_another_install(machine: Machine, client: str) -> None:
    machine.installs(client)
    path, section = SERVERS[client]
    held = machine.reads(path)
    held[section]["hallway"] |= ADDED[client]
    machine.writes(path, json.dumps(held, indent=2))
    before = (machine.user / path).read_text()
    assert "installed already" in machine.installs(client)
    assert (machine.user / path).read_text() == before
    gone = "/gone/python" if client != "opencode" else ["/gone/python", "-m", "hallway", "mcp"]
    held[section]["hallway"]["command"] = gone
    machine.writes(path, json.dumps(held, indent=2))
    machine.installs(client)
    found = entry(machine, client)
    assert {name: found[name] for name in ADDED[client]} == ADDED[client]
    assert "/gone/python" not in json.dumps(found)
    machine.uninstalls(client)
    assert not (machine.user / path).exists() or section not in machine.reads(path)


def test_what_was_added_to_codexs_table_survives_another_install(machine: Machine) -> None:
    machine.installs("codex")
    config = machine.user / ".codex" / "config.toml"
    added = 'startup_timeout_sec = 30\n\n[mcp_servers.hallway.tools.send]\napproval_mode = "approve" # mine\n'
    config.write_text(config.read_text() + added)
    before = config.read_text()
    assert "installed already" in machine.installs("codex")
    config.write_text(before.replace('"-P"', '"-E"'))
    machine.installs("codex")
    assert config.read_text() == before
    table = tomllib.loads(before)["mcp_servers"]["hallway"]
    assert table["startup_timeout_sec"] == 30
    assert table["tools"]["send"]["approval_mode"] == "approve"


def test_what_codex_lets_through_beside_ours_stays(machine: Machine) -> None:
    machine.installs("codex")
    config = machine.user / ".codex" / "config.toml"
    config.write_text(config.read_text().replace('"CODEX_HOME"', '"MY_OWN", "CODEX_HOME"'))
    before = config.read_text()
    machine.installs("codex")
    assert config.read_text() == before


@pytest.mark.parametrize("client", SERVERS)
def test_a_server_of_somebodys_own_that_has_our_name_stays(machine: Machine, client: str) -> None:
    path, section = SERVERS[client]
    mine = MINE if client != "opencode" else {"type": "local", "command": ["/opt/hallway-lights", "serve"]}
    text = json.dumps({section: {"hallway": mine}}, indent=2)
    machine.writes(path, text)
    machine.installs(client)
    assert entry(machine, client) == mine
    assert entry(machine, client, OTHER_NAME)
    assert "installed already" in machine.installs(client)
    machine.uninstalls(client)
    assert (machine.user / path).read_text() == text


def test_a_table_of_somebodys_own_in_codex_stays(machine: Machine) -> None:
    text = '[mcp_servers.hallway]\ncommand = "/opt/hallway-lights"\nargs = ["serve"]\n'
    machine.writes(".codex/config.toml", text)
    machine.installs("codex")
    tables = tomllib.loads((machine.user / ".codex/config.toml").read_text())["mcp_servers"]
    assert tables["hallway"]["command"] == "/opt/hallway-lights"
    assert tables[OTHER_NAME]["args"][-1] == "mcp"
    machine.uninstalls("codex")
    assert (machine.user / ".codex/config.toml").read_text() == text


TOML = {
    "nothing": "",
    "no section": 'model = "gpt-5.5"\n',
    "no line end": 'model = "gpt-5.5"',
    "a comment alone": "# mine\n",
    "other tables": '[mcp_servers.search]\ncommand = "s"\n\n[tui]\nx = 1\n',
    "the section first": '[mcp_servers]\n[mcp_servers.search]\ncommand = "s" # mine\n',
    "inline servers": 'mcp_servers = { search = { command = "s" } }\n',
    "an inline server": '[mcp_servers]\nsearch = { command = "s", args = ["a"] }\n\n[tui]\nx = 1\n',
    "empty inline": "mcp_servers = {}\n",
    "dotted keys only": 'mcp_servers.search.command = "s"\nmodel = "m"\n',
    "dotted keys below": '[mcp_servers]\nsearch.command = "s"\n',
    "tables apart": '[mcp_servers.a]\ncommand = "a"\n\n[tui]\nx = 1\n\n[mcp_servers.b]\ncommand = "b"\n',
    "quoted names": '["mcp_servers"."search"]\ncommand = "s"\n',
    "a mark": '\ufeffmodel = "m"\n\n[tui]\nx = 1\n',
    "not a number": "weight = nan\nlimit = inf\n",
    "windows": 'model = "m"\r\n\r\n[mcp_servers.search]\r\ncommand = "s"\r\n',
    "dates": "at = 1979-05-27T07:32:00Z\nday = 1979-05-27\n",
    "arrays of tables": '[[profiles]]\nname = "a"\n\n[[profiles]]\nname = "b"\n',
    "many lines": 'text = """\n[mcp_servers.hallway]\ncommand = "no"\n"""\n',
}


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@pytest.mark.parametrize("text", TOML.values(), ids=TOML)
def test_every_layout_of_toml_is_edited_and_given_back(text: str, tmp_path: Path) -> None:
    config = TomlConfig(str(tmp_path / "config.toml"), "mcp_servers", SERVER)
    after = config.put(text)
    parsed, before = tomllib.loads(after.removeprefix("\ufeff")), tomllib.loads(text.removeprefix("\ufeff"))
    servers = parsed.pop("mcp_servers")
    assert servers.pop("hallway") == SERVER
    assert same(servers, before.pop("mcp_servers", {}))
    assert same(parsed, before)
    assert after.startswith("\ufeff") == text.startswith("\ufeff")
    assert ("\r\n" in text) == ("\n" not in after.replace("\r\n", "") and "\r\n" in after)
    assert config.put(after) == after
    left = config.take(after)
    assert left is not None
    assert same(
        tomllib.loads(left.removeprefix("\ufeff")).get("mcp_servers", {}) or {},
        tomllib.loads(text.removeprefix("\ufeff")).get("mcp_servers", {}) or {},
    )


def test_two_installs_at_once_are_one_after_the_other(machine: Machine) -> None:
    for name in CLIENTS:
        machine.has_program(name.partition("-")[0], "1.0")
    with ThreadPoolExecutor(4) as threads:
        done = [each.result() for each in [threads.submit(machine.types, "install", *CLIENTS) for _ in range(4)]]
    assert [each.returncode for each in done] == [0, 0, 0, 0], done[0].stdout + done[0].stderr
    assert all("installed already" in machine.installs(name) for name in CLIENTS)
    machine.uninstalls()
    assert not any(b"agents/hook" in held for _, held in machine.state().values() if isinstance(held, bytes))


def test_a_client_that_writes_its_file_meanwhile_is_edited_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a client that runs: between our reading and our writing it saves its own state."""
    from hallway.agents.install import plan
    from hallway.agents.install.all_clients import install

    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)
    path = machine.writes(".claude.json", '{"numStartups": 1}')
    write, times = plan.replace_file, []

    def meanwhile(name: str, *rest: Any, **more: Any) -> bool:
        if name == str(path) and not times:
            times.append(1)
            path.write_text('{"numStartups": 2, "a longer": "text"}')
        return write(name, *rest, **more)

    monkeypatch.setattr(plan, "replace_file", meanwhile)
    (outcome,) = install(["claude-code"])
    assert outcome.error is None
    held = json.loads(path.read_text())
    assert held["numStartups"] == 2
    assert held["mcpServers"]["hallway"]


# -- random files -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["search", "hallway", "hall.way", "Hallway", "a b", "ü", "mcp", "x"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
ENTRIES = st.dictionaries(
    NAMES, st.dictionaries(st.sampled_from(["command", "env", "trust", "args"]), VALUES, min_size=1), max_size=4
)
SPACE = st.sampled_from(["", " ", "\n", "  // mine\n", "/* x */", "\r\n", "\t"])


@st.composite
def json_texts(draw: st.DrawFn) -> str:
    """A JSON text with comments, in a random order and layout."""

    def written(value: Any) -> str:
        if isinstance(value, dict):
            items = [f"{draw(SPACE)}{json.dumps(name)}:{draw(SPACE)}{written(held)}" for name, held in value.items()]
            return "{" + ",".join(items) + draw(SPACE) + "}"
        if isinstance(value, list):
            return "[" + ",".join(f"{draw(SPACE)}{written(each)}" for each in value) + draw(SPACE) + "]"
        return json.dumps(value)

    document = {"theme": draw(SCALARS), "mcpServers": draw(ENTRIES), "other": draw(VALUES)}
    names = draw(st.permutations(sorted(document)))
    return draw(SPACE) + written({name: document[name] for name in names}) + draw(SPACE)


@given(json_texts(), st.dictionaries(st.sampled_from(["env", "trust", "timeout"]), VALUES, max_size=2))
def test_random_json_keeps_every_byte_of_others(text: str, added: dict[str, Any]) -> None:
    config = JsonConfig("/nowhere/settings.json", OwnKey(("mcpServers", "hallway"), SERVER))
    before = config._edited(text, [])
    after = config.put(text)
    assert config.put(after) == after
    from hallway.agents.install.configs import own_name
    from hallway.agents.install.jsonc import Document

    document = Document(after)
    name = own_name(document.get(("mcpServers",)))
    for key, value in added.items():
        document.set(("mcpServers", name, key), value)
    assert config.put(document.text) == document.text  # what was added stays
    others, held = Document(before).get(()), Document(document.text).get(())
    assert same(held["mcpServers"].pop(name), {**SERVER, **added}) or not added
    is_new = name not in others["mcpServers"]
    if is_new:
        assert same(held, others)
    left = config.take(document.text)
    assert left is not None
    assert 'hallway", "mcp' not in left or not is_new
    if is_new and others["mcpServers"]:
        assert left == text


@given(st.dictionaries(st.sampled_from(["a", "b", "weight"]), st.integers() | st.just(math.nan), max_size=3), ENTRIES)
def test_random_toml_keeps_the_meaning_of_others(top: dict[str, Any], servers: dict[str, Any]) -> None:
    import tomlkit

    plain = {
        name: {key: value for key, value in held.items() if isinstance(value, str | int | bool)}
        for name, held in servers.items()
    }
    text = tomlkit.dumps({**top, **({"mcp_servers": plain} if plain else {})})
    config = TomlConfig("/nowhere/config.toml", "mcp_servers", SERVER)
    after = config.put(text)
    assert config.put(after) == after
    found, before = tomllib.loads(after), tomllib.loads(text)
    from hallway.agents.install.configs import own_name

    name = own_name(before.get("mcp_servers"))
    assert found["mcp_servers"].pop(name) == {**(before.get("mcp_servers", {}).get(name, {})), **SERVER}
    before.get("mcp_servers", {}).pop(name, None)
    assert same(sorted(found.pop("mcp_servers").items()), sorted(before.pop("mcp_servers", {}).items()))
    assert same(found, before)
