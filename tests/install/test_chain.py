"""The chain from a client on this machine to its first message: what is done, and what mends the first broken link."""

from __future__ import annotations

import html
import json
import shlex
import subprocess
from urllib.request import Request, urlopen

import pytest

from hallway.agents.install.chain import FIRST_MESSAGE
from hallway.agents.install.client import FIRST_PROMPT
from hallway.local.setup_marks import HOOK, MESSAGE
from hub.process import HubProcess
from install.machine import Machine
from install.test_doctor import CODEX, findings

LINKS = ["client found", "server registered", "hooks trusted", "first hook seen", "first message received"]


def done(machine: Machine, client: str = "claude-code") -> list[str]:
    """The links that doctor shows as done."""
    return [link["link"] for link in findings(machine, client)[0]["links"] if link["is_done"]]


def fires(machine: Machine, event: str, **more: str) -> str:
    """Run Claude Code's hook for an event of the session s1; what the agent is shown."""
    payload = {"session_id": "s1", "hook_event_name": event, "cwd": str(machine.repository), **more}
    ran = subprocess.run(
        machine.command("hook", "claude-code"),
        input=json.dumps(payload),
        env={**machine.environ, "HALLWAY_HOOK_BUDGET_MS": "60000"},
        cwd=machine.repository,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout


def read(url: str, **headers: str) -> str:
    with urlopen(Request(url, headers=headers), timeout=60) as answer:  # noqa: S310 (the hub of the test)
        return str(answer.read().decode())


@pytest.fixture
def fresh(machine: Machine) -> Machine:
    machine.has_program("claude", "2.1.329 (Claude Code)")
    return machine


@pytest.mark.promise("I2")
def test_each_step_ticks_and_the_next_one_is_said_where_a_person_looks(fresh: Machine) -> None:
    def says(count: int, following: str | None) -> None:
        assert done(fresh) == LINKS[:count]
        assert findings(fresh, "claude-code")[0]["next"] == following

    def empty_list_says(line: str, following: str) -> None:
        shown = fresh.types("list").stdout
        assert line in shown
        assert f"→ {following}" in shown
        assert line in fresh.types().stdout

    start = f"Restart Claude Code (claude), and type there: {FIRST_PROMPT}"
    says(1, "hallway install claude-code")
    empty_list_says("✓ found  ✗ server  ○ hooks  ○ first hook  ○ first message", "hallway install claude-code")
    fresh.installs()
    says(3, start)
    empty_list_says("✓ found  ✓ server  ✓ hooks  ✗ first hook  ○ first message", start)
    assert fresh.types("list").stdout.startswith("No session is here yet. What is left to do:\n\nClaude Code\n")
    fires(fresh, "SessionStart", source="startup")
    says(4, FIRST_MESSAGE)
    assert f"→ {FIRST_MESSAGE}" in fresh.installs()
    assert fresh.types(*shlex.split(FIRST_MESSAGE)[1:]).returncode == 0
    assert "Hello from my terminal" in fires(fresh, "UserPromptSubmit", prompt="go on")
    says(5, None)


def test_an_installation_ends_with_what_to_do_next_in_each_client(fresh: Machine) -> None:
    fresh.has_program("codex", "codex-cli 0.169.0")
    said = fresh.installs()
    assert "→ Restart Claude Code (claude): it reads its configuration only when it starts." in said
    assert said.count(f"→ Type there: {FIRST_PROMPT}") == 2
    of_codex = said.partition("Codex: installed")[2]
    assert of_codex.index("Restart Codex (codex)") < of_codex.index("type /hooks") < of_codex.index(FIRST_PROMPT)
    assert "hallway doctor" in said
    again = fresh.installs()
    assert f"→ Restart Claude Code (claude), and type there: {FIRST_PROMPT}" in again
    assert "✓ found  ✓ server  ✗ hooks" in again  # Codex is not asked, and none of its hooks has run


@pytest.mark.parametrize(("status", "count"), [("trusted", 3), ("untrusted", 2)])
def test_hooks_that_codex_does_not_trust_are_the_broken_link(machine: Machine, status: str, count: int) -> None:
    machine.has_program("codex", "")
    (machine.programs / "codex").write_text(CODEX.replace("STATUS", status))
    machine.installs("codex")
    assert done(machine, "codex") == LINKS[:count]


def test_a_setting_that_switches_the_server_off_breaks_its_link(fresh: Machine) -> None:
    fresh.installs()
    path = fresh.user / ".claude" / "settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "deniedMcpServers": [{"serverName": "hallway"}]}))
    assert done(fresh) == LINKS[:1]
    assert findings(fresh, "claude-code")[0]["next"].startswith(f"edit {path}")


def test_what_worked_before_another_installation_does_not_count(fresh: Machine) -> None:
    fresh.installs()
    fires(fresh, "SessionStart", source="startup")
    assert len(done(fresh)) == 4
    fresh.uninstalls()
    fresh.installs()
    assert done(fresh) == LINKS[:3]


def test_a_client_file_that_cannot_be_read_is_a_broken_link(machine: Machine) -> None:
    path = machine.writes(".cursor/mcp.json", "{")
    shown = machine.types("list").stdout
    assert "✓ found  ✗ server" in shown
    assert str(path) in shown


def test_a_hook_whose_mark_cannot_be_left_still_works(fresh: Machine) -> None:
    fresh.installs()
    (fresh.home / "setup").write_text("a file where the folder belongs")
    fires(fresh, "SessionStart", source="startup")
    assert [each["session_id"] for each in fresh.gets("list")] == ["s1"]


def test_without_a_client_the_empty_list_says_what_to_type(machine: Machine) -> None:
    assert machine.types("list").stdout.splitlines()[:2] == [
        "No session is here yet. Connect your coding agents:",
        "  hallway install",
    ]


def test_with_everything_done_the_empty_list_says_which_agent_to_start(fresh: Machine) -> None:
    fresh.installs()
    for what in (HOOK, MESSAGE):
        (fresh.home / "setup").mkdir(exist_ok=True)
        (fresh.home / "setup" / f"claude-code.{what}").touch()
    assert fresh.types("list").stdout.startswith("No session is here now. Start one of your agents: claude\n")


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_steps_fit_the_terminal(fresh: Machine, columns: str) -> None:
    fresh.installs()
    for words in (["list"], [], ["install"], ["doctor"]):
        _, shown = fresh.on_a_terminal(*words, COLUMNS=columns)
        block = [line.rstrip() for line in shown.splitlines() if line.strip().startswith(("✓ found", "→ Restart"))]
        assert block
        assert [line for line in block if len(line) > int(columns)] == []


@pytest.mark.promise("I2")
def test_the_page_shows_the_steps_while_no_session_is_there(fresh: Machine) -> None:
    with HubProcess(fresh.home, HOME=fresh.environ["HOME"], PATH=fresh.environ["PATH"]) as hub:

        def page() -> str:
            return html.unescape(read(hub.url + "/"))

        assert "✓ client found" in page()
        assert "○ server registered" in page()
        assert "hallway install claude-code" in page()
        fresh.installs()
        assert "✓ server registered" in page()
        assert f"Restart Claude Code (claude), and type there: {FIRST_PROMPT}" in page()
        fires(fresh, "SessionStart", source="startup")
        assert "✓ client found" not in page()


def test_the_page_shows_other_people_nothing_of_this_machine(fresh: Machine) -> None:
    fresh.installs()
    token = fresh.gets("token", "create", "bob", "--role", "admin")["token"]
    with HubProcess(fresh.home, HOME=fresh.environ["HOME"], PATH=fresh.environ["PATH"]) as hub:
        page = read(hub.url + "/", Authorization=f"Bearer {token}")
        assert "hallway install" in page
        assert "client found" not in page
