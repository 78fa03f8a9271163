"""What a hook cannot do in time is done by whoever comes next: in order, once, and within bounds (A1, A5)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hallway.agents.hook import log, spool
from hallway.agents.hook.event import PROMPT, STOP, TOOL, HookEvent
from hallway.bus.local import LocalBus
from hooks.client import SESSION, Client
from hub.process import HubProcess
from mcp_server import Server
from support import kinds, until

pytestmark = pytest.mark.promise("A1", "A5")
StartClient = Callable[..., Client]


@pytest.fixture
def client(start_client: StartClient) -> Client:
    """A session at rest, whose hooks have the budget that they have with everybody."""
    client = start_client()
    client.does("start")
    del client.environ["HALLWAY_HOOK_BUDGET_MS"]
    return client


def spooled(shop: LocalBus) -> list[dict[str, object]]:
    """Return what is spooled, oldest first: what somebody began to work off comes before the rest."""
    paths = [Path(shop.folder) / name for name in (spool.NAME + spool.RUNNING, spool.NAME)]
    return [json.loads(line) for path in paths if path.exists() for line in path.read_text().splitlines()]


def while_locked(shop: LocalBus, client: Client, *steps: tuple[str, dict[str, object]]) -> None:
    """Have things happen while another process keeps the bus locked."""
    with shop.transaction():
        for kind, more in steps:
            assert client.does(kind, **more) == ("", "", 0)
    assert len(spooled(shop)) == len(steps), log.last(shop.folder)


def types(client: Client, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hallway", *words], env=client.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_prompt_that_was_too_late_is_told_by_the_next_hook(shop: LocalBus, client: Client) -> None:
    while_locked(shop, client, ("prompt", {"prompt": "mend the login\nand more"}))
    assert shop.sessions.get(SESSION).status == "active"
    client.environ["HALLWAY_HOOK_BUDGET_MS"] = "20000"
    client.does("tool")
    session = shop.sessions.get(SESSION)
    assert (session.status, session.current_task) == ("working", "mend the login")
    assert spooled(shop) == []


def test_the_next_command_does_it(shop: LocalBus, client: Client) -> None:
    while_locked(shop, client, ("prompt", {"prompt": "mend the login"}))
    types(client, "list")
    assert shop.sessions.get(SESSION).current_task == "mend the login"


def test_the_sessions_server_does_it(shop: LocalBus, client: Client, home: Path) -> None:
    while_locked(shop, client, ("prompt", {"prompt": "mend the login"}))
    server = Server(home / "hallway", CLAUDE_CODE_SESSION_ID=SESSION)
    try:
        server.initialize()
        until(lambda: shop.sessions.get(SESSION).current_task == "mend the login")
    finally:
        server.kill()


def test_the_order_is_kept_and_the_last_word_counts(shop: LocalBus, client: Client) -> None:
    steps = [("prompt", {"prompt": "first"}), ("stop", {}), ("prompt", {"prompt": "second"}), ("stop", {})]
    while_locked(shop, client, *steps)
    types(client, "list")
    session = shop.sessions.get(SESSION)
    assert session.current_task == "second"
    assert session.status != "working"


def test_written_files_and_an_end_are_not_lost(shop: LocalBus, client: Client, directory: Path) -> None:
    edit = {"tool_name": "Edit", "tool_input": {"file_path": "cart.py"}}
    while_locked(shop, client, ("prompt", {"prompt": "x"}), ("tool", edit), ("end", {"reason": "exit"}))
    types(client, "list")
    assert not shop.sessions.get(SESSION).is_live
    touched = shop.files.touched(session_id=SESSION)
    assert [each.path for each in touched] == [str(directory / "cart.py")]


def test_what_is_done_twice_changes_nothing(shop: LocalBus, client: Client) -> None:
    """A kill in the middle leaves the lines: they are done again."""
    while_locked(shop, client, ("prompt", {"prompt": "mend the login"}), ("stop", {}))
    path = Path(shop.folder) / spool.NAME
    text = "".join(f"{json.dumps(each)}\n" for each in spooled(shop)).encode()
    types(client, "list")
    session, events = shop.sessions.get(SESSION), kinds(shop)
    (Path(shop.folder) / (spool.NAME + spool.RUNNING)).write_bytes(text)
    path.write_bytes(b'{"half": ')
    types(client, "list")
    again = shop.sessions.get(SESSION)
    assert (again.status, again.current_task) == (session.status, session.current_task)
    assert kinds(shop)[: len(events)] == events
    assert not spool.has_lines(shop.folder)


def test_old_lines_say_no_status_any_more(shop: LocalBus, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    event = HookEvent(PROMPT, "UserPromptSubmit", SESSION)
    event.prompt = "long ago"
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert spool.append(shop.folder, "claude-code", event)
    monkeypatch.undo()
    types(client, "list")
    assert shop.sessions.get(SESSION).current_task is None
    assert not spool.has_lines(shop.folder)


def test_the_file_is_bounded_and_this_users_alone(tmp_path: Path) -> None:
    event = HookEvent(TOOL, "PostToolUse", SESSION)
    event.prompt, event.files = "x" * 100_000, [f"/src/{number}" for number in range(10_000)]
    os.umask(0)
    accepted = [spool.append(str(tmp_path / "bus"), "codex", event) for _ in range(200)]
    assert accepted[0]
    assert not accepted[-1]
    path = tmp_path / "bus" / spool.NAME
    assert path.stat().st_size <= spool.MAX_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_while_one_works_it_off_others_spool_behind_it(shop: LocalBus, client: Client) -> None:
    event = HookEvent(STOP, "Stop", SESSION)
    assert spool.append(shop.folder, "claude-code", event)
    lock = spool._lock(os.path.join(shop.folder, spool.NAME + spool.LOCK))
    assert lock is not None
    client.environ["HALLWAY_HOOK_BUDGET_MS"] = "20000"
    try:
        assert client.does("prompt", prompt="after the stop") == ("", "", 0)
        assert [each["kind"] for each in spooled(shop)] == ["stop", "prompt"]
    finally:
        os.close(lock)
    types(client, "list")
    assert (shop.sessions.get(SESSION).status, shop.sessions.get(SESSION).current_task) == ("working", "after the stop")


def test_a_frozen_hub_costs_one_hook_its_time_and_loses_nothing(tmp_path: Path, start_client: StartClient) -> None:
    with HubProcess(tmp_path / "hub") as hub:
        client = start_client()
        client.environ["HALLWAY_URL"] = hub.url
        client.does("start")
        client.does("prompt", prompt="before")
        del client.environ["HALLWAY_HOOK_BUDGET_MS"]
        hub.signal(signal.SIGSTOP)
        try:
            client.does("prompt", prompt="while it was frozen")
            began = time.monotonic()
            for _ in range(5):
                client.does("stop")
            assert time.monotonic() - began < 5 * 0.3 + 2  # none of them waits for the hub
        finally:
            hub.signal(signal.SIGCONT)
        types(client, "list")
        done = subprocess.run(
            [sys.executable, "-m", "hallway", "show", SESSION, "--json"],
            env=client.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        session = json.loads(done.stdout)
        assert session["current_task"] == "while it was frozen"
        assert session["status"] != "working"
