"""`hallway install` and `hallway uninstall`: only what is hallway's, all or nothing, and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hallway.agents.install.all_clients import CLIENTS, install
from hallway.agents.install.hook_commands import hooks_of
from hallway.core.errors import UnsupportedSystem
from install.machine import Machine

NAMES = sorted(CLIENTS)

# What people have in the files that hallway edits: comments, other servers, other hooks, odd layout, Windows line ends.
FILES = {
    ".claude.json": '{"numStartups": 3, "projects": {"/src/shop": {"mcpServers": {}}}}',
    ".claude/settings.json": """{
    "model": "opus",
    "hooks": {
        "Stop": [
            {"hooks": [{"type": "command", "command": "say done", "timeout": 5}]}
        ]
    }
}
""",
    ".codex/config.toml": """# my own
model = "gpt-5.5"   # the big one

[mcp_servers.search]
command = "search"
args = [
    "--fast", # why not
]

[projects."/src/shop"]
trust_level = "trusted"
""",
    ".codex/hooks.json": '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "notify"}]}]}}\n',
    ".gemini/settings.json": """{
  // the theme
  "theme": "dark", /* or light */
  "mcpServers": {
    "search": {"command": "search"}, // mine
  },
}
""",
    ".qwen/settings.json": '{\r\n\t"theme": "dark",\r\n\t"hooks": {}\r\n}\r\n',
    ".config/opencode/opencode.jsonc": '{\n  // OpenCode\n  "model": "mock/m",\n  "mcp": {\n    // none\n  }\n}\n',
    ".copilot/mcp-config.json": '{"mcpServers":{"search":{"type":"local","command":"search","tools":["*"]}}}',
    ".cursor/hooks.json": '{\n  "version": 1,\n  "hooks": {\n    "stop": [{ "command": "./done.sh" }]\n  }\n}',
}


@pytest.fixture
def used(machine: Machine) -> Machine:
    """A machine on which every client is used, each with a configuration of its person's own."""
    for name, text in FILES.items():
        path = machine.writes(name, text)
        path.write_bytes(text.encode())
    (machine.user / ".claude.json").chmod(0o600)
    return machine


# -- what is found ----------------------------------------------------------------------------------------------------


def test_it_finds_what_is_on_the_machine(machine: Machine) -> None:
    machine.has_program("gemini", "0.61.0")
    machine.writes(".codex/config.toml", "")
    said = machine.gets("install", "--dry-run")
    assert {each["client"] for each in said} == {"codex", "gemini"}


def test_it_says_what_to_type_where_it_finds_nothing(machine: Machine) -> None:
    assert "hallway install claude-code" in machine.installs()
    assert machine.state() == {}


def test_a_client_that_is_not_found_is_installed_when_it_is_named(machine: Machine) -> None:
    assert "not found on this machine" in machine.installs("codex")
    assert (machine.user / ".codex" / "hooks.json").exists()


def test_an_unknown_client_is_an_error_that_names_the_near_ones(machine: Machine) -> None:
    said = machine.installs("claude", status=2)
    assert "claude-code" in said
    assert machine.state() == {}


# -- what is written --------------------------------------------------------------------------------------------------


def test_dry_run_shows_a_diff_and_writes_nothing(used: Machine) -> None:
    before = used.state()
    said = used.installs("--dry-run")
    for name in FILES:
        assert f"--- {used.user / name}" in said
    assert "+" in said
    assert used.state() == before
    assert not used.home.exists()


def test_what_people_wrote_stays_as_it_is(used: Machine) -> None:
    used.installs()
    for name, before in FILES.items():
        after = (used.user / name).read_bytes().decode()
        at = 0
        for sign in before.replace("{}", "{").replace("}", "").replace("]", ""):
            at = after.find(sign, at) + 1
            assert at, (name, sign)
    for comment in ("// the theme", "/* or light */", "// mine"):
        assert comment in (used.user / ".gemini/settings.json").read_text()
    assert tomllib.loads((used.user / ".codex/config.toml").read_text())["mcp_servers"].keys() == {"search", "hallway"}
    assert "# why not" in (used.user / ".codex/config.toml").read_text()
    assert used.reads(".claude/settings.json")["model"] == "opus"
    assert used.reads(".claude/settings.json")["hooks"]["Stop"][0]["hooks"][0]["command"] == "say done"
    assert used.reads(".cursor/hooks.json")["hooks"]["stop"][0] == {"command": "./done.sh"}


def test_others_keep_their_place_in_a_list_of_hooks(used: Machine) -> None:
    """Codex knows a trusted hook by its number in the list."""
    used.installs("codex")
    hooks = used.reads(".codex/hooks.json")
    stop = hooks["hooks"]["Stop"]
    assert stop[0]["hooks"][0]["command"] == "notify"
    stop.append({"hooks": [{"type": "command", "command": "later"}]})
    stop[1]["hooks"][0]["timeout"] = 99  # an older hallway's
    used.writes(".codex/hooks.json", json.dumps(hooks))
    used.installs("codex")
    after = used.reads(".codex/hooks.json")["hooks"]["Stop"]
    assert [after[0], after[2]] == [stop[0], stop[2]]
    assert after[1]["hooks"][0]["timeout"] == 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.promise("I1")
def test_installing_twice_is_installing_once(used: Machine, name: str) -> None:
    used.installs(name)
    once = used.state()
    assert "installed already" in used.installs(name)
    assert used.state() == once


def test_modes_stay_and_a_new_file_that_may_hold_secrets_is_private(used: Machine, tmp_path: Path) -> None:
    (used.user / ".gemini/settings.json").chmod(0o640)
    used.installs()
    assert (used.user / ".gemini/settings.json").stat().st_mode & 0o777 == 0o640
    fresh = Machine(tmp_path / "fresh")
    fresh.installs("claude-code")
    assert (fresh.user / ".claude.json").stat().st_mode & 0o777 == 0o600


def test_a_link_into_dotfiles_stays_a_link(used: Machine) -> None:
    real = used.user / "dotfiles" / "settings.json"
    real.parent.mkdir()
    link = used.user / ".claude" / "settings.json"
    os.rename(link, real)
    link.symlink_to(real)
    used.installs("claude-code")
    assert link.is_symlink()
    assert "SessionStart" in json.loads(real.read_text())["hooks"]
    used.uninstalls("claude-code")
    assert link.is_symlink()
    assert real.read_text() == FILES[".claude/settings.json"]


def test_what_the_person_must_still_do_is_said(used: Machine) -> None:
    assert "/hooks" in used.installs("codex")
    assert "permissions.allow" in used.installs("claude-code")


def test_it_says_which_bus_commands_hooks_and_servers_use(machine: Machine) -> None:
    assert machine.installs("claude-code").endswith(f"Bus: {machine.bus_file} (HALLWAY_URL is not set)\n")
    machine.types("use", "https://hub.example.org")
    assert machine.installs("claude-code").endswith("Bus: https://hub.example.org (selected by hallway use)\n")
    assert "Bus: " not in machine.uninstalls()


def test_codex_lets_its_server_have_what_leads_to_a_hub(machine: Machine) -> None:
    machine.installs("codex")
    server = tomllib.loads((machine.user / ".codex" / "config.toml").read_text())["mcp_servers"]["hallway"]
    assert {"HALLWAY_HOME", "HALLWAY_URL", "HALLWAY_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR"} <= set(server["env_vars"])


def test_gemini_cli_gives_its_server_what_it_keeps_back_for_its_name(machine: Machine) -> None:
    machine.installs("gemini")
    environment = machine.reads(".gemini/settings.json")["mcpServers"]["hallway"]["env"]
    assert environment == {name: f"${{{name}:-}}" for name in ("HALLWAY_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR")}
    settings = machine.reads(".gemini/settings.json")
    settings["mcpServers"]["hallway"]["env"] = {"A": "b"}  # the person's own
    machine.writes(".gemini/settings.json", json.dumps(settings))
    machine.installs("gemini")
    assert machine.reads(".gemini/settings.json")["mcpServers"]["hallway"]["env"] == {"A": "b"}


def test_clients_that_were_moved_are_found_where_they_are(machine: Machine) -> None:
    moved = machine.user / "elsewhere"
    done = machine.types("install", "claude-code", "codex", CLAUDE_CONFIG_DIR=str(moved), CODEX_HOME=str(moved))
    assert done.returncode == 0
    assert {path.name for path in moved.iterdir()} == {".claude.json", "settings.json", "config.toml", "hooks.json"}


# -- undoing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [[], *([name] for name in NAMES)])
@pytest.mark.promise("I1")
def test_uninstalling_leaves_everything_byte_for_byte_as_it_was(used: Machine, names: list[str]) -> None:
    before = used.state()
    used.installs(*names)
    assert used.state() != before
    used.uninstalls(*names)
    assert used.state() == before


def test_uninstalling_removes_the_files_and_folders_that_were_made(machine: Machine) -> None:
    machine.installs(*NAMES)
    assert len(machine.state()) > len(NAMES)
    machine.uninstalls()
    assert machine.state() == {}


def test_what_others_wrote_meanwhile_stays(used: Machine) -> None:
    used.installs()
    for name, before in FILES.items():
        path = used.user / name
        text = path.read_bytes()
        if name.endswith("toml"):
            path.write_bytes(text + b'\n[mcp_servers.later]\ncommand = "later"\n')
        else:
            path.write_bytes(text.replace(b"{", b'{"later": 1, ', 1))
        assert path.read_bytes() != before.encode()
    used.uninstalls()
    for name in FILES:
        text = (used.user / name).read_bytes().decode()
        assert "later" in text
        assert "hallway" not in text, name
    assert "hallway" not in "".join(used.state())


def test_an_upgrade_replaces_what_an_older_hallway_installed(used: Machine) -> None:
    used.installs("gemini")
    path = used.user / ".gemini/settings.json"
    now = path.read_text()
    path.write_text(now.replace('"-P"', '"-E"'))
    used.installs("gemini")
    assert path.read_text() == now
    used.uninstalls("gemini")
    assert "hallway" not in path.read_text()


def test_nothing_is_left_in_hallways_folder(used: Machine) -> None:
    used.installs()
    assert (used.home / "installed.json").stat().st_mode & 0o777 == 0o600
    used.uninstalls()
    assert list(used.home.iterdir()) == []


def test_uninstalling_tells_only_what_is_left_to_do_afterwards(machine: Machine) -> None:
    machine.installs("claude-code", "codex")
    said = machine.uninstalls()
    assert said.count("Running sessions keep hallway until they are restarted.") == 2
    assert "mcp__hallway" not in said
    assert "trust" not in said


def test_uninstalling_what_cannot_be_edited_offers_nothing_to_paste(machine: Machine) -> None:
    machine.installs("claude-code")
    machine.writes(".claude.json", "{broken")
    done = machine.types("uninstall", "--json")
    (outcome,) = (each for each in json.loads(done.stdout) if each["client"] == "claude-code")
    assert outcome["error"]
    assert outcome["by_hand"] == {}


def test_uninstalling_without_having_installed_changes_nothing(used: Machine) -> None:
    before = used.state()
    assert "nothing to undo" in used.uninstalls()
    assert used.state() == before


# -- what stops it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".claude/settings.json", '{"hooks": {"Stop": [}'),
        (".claude.json", '{"mcpServers": []}'),
        (".codex/config.toml", 'model = "gpt\n'),
        (".codex/config.toml", 'mcp_servers = "none"\n'),
        (".codex/hooks.json", '{"hooks": {"Stop": {}}}'),
        (".gemini/settings.json", "[]"),
        (".cursor/mcp.json", '{"mcpServers": {}, "mcpServers": {}}'),
    ],
)
def test_a_broken_file_stops_its_client_alone_and_is_named_with_what_to_paste(
    used: Machine, name: str, text: str
) -> None:
    used.writes(name, text)
    folder = name.partition("/")[0].removesuffix(".json")
    before = {path: held for path, held in used.state().items() if path.startswith(folder)}
    said = used.installs(status=7)
    assert f"Or paste this into {used.user / name}" in said
    assert "Nothing was changed" in said
    assert {path: held for path, held in used.state().items() if path.startswith(folder)} == before
    others = {"claude-code": ".claude.json", "qwen": ".qwen/settings.json", "gemini": ".gemini/settings.json"}
    assert all("hallway" in (used.user / path).read_text() for path in others.values() if not path.startswith(folder))


def test_a_file_that_is_no_text_stops_its_client_alone(used: Machine) -> None:
    (used.user / ".qwen/settings.json").write_bytes(b'{"theme": "\xff"}')
    assert "UTF-8" in used.installs(status=7)
    assert (used.user / ".qwen/settings.json").read_bytes() == b'{"theme": "\xff"}'
    assert "hallway" in (used.user / ".claude.json").read_text()


@pytest.mark.promise("I1")
def test_when_one_file_cannot_be_written_none_of_its_client_is(used: Machine) -> None:
    (used.user / ".claude/settings.json").chmod(0o400)
    before = {path: held for path, held in used.state().items() if path.startswith(".claude")}
    said = used.installs(status=7)
    assert "read-only" in said
    assert f"Or paste this into {used.user / '.claude.json'}" in said
    assert {path: held for path, held in used.state().items() if path.startswith(".claude")} == before
    assert "hallway" in (used.user / ".codex/config.toml").read_text()
    used.uninstalls()


def test_when_a_folder_cannot_be_made_nothing_of_its_client_is_written(used: Machine) -> None:
    used.writes(".copilot/hooks", "a file where a folder should be")
    before = {path: held for path, held in used.state().items() if path.startswith(".copilot")}
    used.installs(status=7)
    assert {path: held for path, held in used.state().items() if path.startswith(".copilot")} == before


def test_when_it_cannot_be_remembered_what_was_there_nothing_is_written(used: Machine) -> None:
    used.home.write_text("a file where hallway's folder should be")
    before = used.state()
    used.installs(status=7)
    assert used.state() == before


def test_a_damaged_record_stops_everything_and_says_what_to_do(used: Machine) -> None:
    used.installs()
    (used.home / "installed.json").write_text("{")
    before = used.state()
    done = used.types("uninstall")
    assert done.returncode == 7
    assert "mv " in done.stderr
    assert used.state() == before
    (used.home / "installed.json").unlink()
    used.uninstalls()
    assert "hallway" not in used.reads(".claude/settings.json")["hooks"]
    assert used.reads(".claude.json") == json.loads(FILES[".claude.json"])


# -- a repository -----------------------------------------------------------------------------------------------------


def test_a_repositorys_files_name_no_path_of_this_machine(machine: Machine) -> None:
    below = machine.repository / "src"
    below.mkdir()
    machine.installs("--project", *NAMES)
    files = {name: held for name, (_, held) in machine.state(machine.repository).items() if isinstance(held, bytes)}
    assert {name.partition("/")[0] for name in files} >= {".mcp.json", ".claude", ".codex", ".gemini", ".github"}
    for name, held in files.items():
        assert str(machine.user).encode() not in held, name
        assert b"/bin/python" not in held, name
    assert machine.state() == {}
    machine.uninstalls("--project")
    assert machine.state(machine.repository).keys() == {".git", "src"}


@pytest.mark.promise("A1")
@pytest.mark.parametrize("options", [{}, {"is_dry": True}, {"is_project": True}])
def test_nothing_is_installed_on_windows_and_the_error_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool]
) -> None:
    """Its clients run hooks in cmd.exe, PowerShell or Git Bash, in which no one command is harmless."""
    (home / ".claude").mkdir()
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UnsupportedSystem, match="on Windows") as refused:
        install([], **options)
    assert "Windows Subsystem for Linux" in refused.value.hint
    assert [path.name for path in home.rglob("*")] == [".claude"]


@pytest.mark.promise("A1")
@pytest.mark.parametrize("name", NAMES)
def test_a_repositorys_hooks_do_nothing_where_there_is_no_hallway(name: str, tmp_path: Path) -> None:
    """As on a colleague's Windows in Git Bash, which is a bash."""
    for hook in hooks_of(CLIENTS[name], is_shared=True):
        command = hook.entry.get("command") or hook.entry.get("bash") or hook.entry["hooks"][0]["command"]
        for shell in ("sh", "bash"):
            done = subprocess.run(
                [shell, "-c", command],
                env={"PATH": "/usr/bin:/bin"},
                cwd=tmp_path,
                input="{}",
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command
    assert list(tmp_path.iterdir()) == []
