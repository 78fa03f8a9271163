"""A hook with nothing to say starts no interpreter, and one that has something to do imports no more than it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hallway.agents.install import hook_commands
from hallway.bus.local import LocalBus
from hallway.local import hook_gate
from hooks.client import SESSION, Client

StartClient = Callable[..., Client]
WITH_TEST = ("claude-code", "codex", "gemini", "qwen", "copilot", "cursor")


@pytest.fixture(params=["proc", "anywhere"])
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Linux, and what the command looks like where there is no /proc."""
    if request.param == "anywhere":
        monkeypatch.setattr(hook_commands, "has_process_times", lambda: False)
    return request.param


def is_due(client: Client, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the client's next tool would start an interpreter: one that only says that it was started."""
    python = client.directory.parent / "a python that says so"
    python.write_text("#!/bin/sh\necho started\n")
    python.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        ran = client.does("tool")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out in ("", "started\n")
    return bool(ran.out)


def at_work(start_client: StartClient, kind: str = "claude-code", session_id: str = SESSION) -> Client:
    client = start_client(kind, session_id)
    client.does("start")
    client.does("prompt", prompt="go on")
    if kind == "cursor":
        client.does("tool")  # it takes no words with a prompt, so its first tool looks whether there are some
    return client


@pytest.mark.parametrize("kind", WITH_TEST)
def test_with_nothing_due_no_interpreter_is_started(
    shop: LocalBus, start_client: StartClient, kind: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = at_work(start_client, kind)
    assert not is_due(client, monkeypatch)
    shop.messages.send("user:alice", SESSION, "notification", "The cart")
    assert is_due(client, monkeypatch)
    client.does("tool")
    assert not is_due(client, monkeypatch)


def test_a_heartbeat_falls_due(start_client: StartClient, shop: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    client = at_work(start_client)
    path = hook_gate.file_of(shop.folder, SESSION)
    assert 0 < os.stat(path).st_mtime - time.time() <= hook_gate.SNOOZE_S
    os.utime(path, (time.time() - 1,) * 2)
    before = shop.sessions.get(SESSION).last_seen
    assert is_due(client, monkeypatch)
    assert client.does("tool").out == ""
    assert shop.sessions.get(SESSION).last_seen > before
    assert not is_due(client, monkeypatch)


@pytest.mark.parametrize("news", ["broadcast", "task", "came", "left"])
def test_whatever_is_new_makes_a_session_due(
    shop: LocalBus, start_client: StartClient, news: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sessions.register("bob", "bob's agent", "codex")
    client = at_work(start_client)
    client.does("tool")
    assert not is_due(client, monkeypatch)
    if news == "broadcast":
        shop.messages.broadcast("bob", "Lunch")
    elif news == "task":
        shop.tasks.offer("bob", "*", "Test the cart")
    elif news == "came":
        shop.sessions.register("carol", "carol's agent", "codex")
    else:
        shop.sessions.end("bob")
    assert is_due(client, monkeypatch)
    assert client.does("tool").shown


def test_what_concerns_another_session_rouses_nobody_else(
    shop: LocalBus, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sessions.register("bob", "bob's agent", "codex")
    client = at_work(start_client)
    shop.messages.send("user:alice", "bob", "notification", "The cart")
    shop.sessions.register("carol", "carol's agent", "codex", project="github.com/acme/other")
    assert not is_due(client, monkeypatch)


def test_news_in_the_instant_of_a_look_is_not_lost(
    shop: LocalBus, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hushed first and looked then: a message between the two is seen, one after both rouses."""
    client = at_work(start_client)
    for number in range(20):
        ran = subprocess.Popen(
            ["/bin/sh", "-c", client.command("tool")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=client.environ,
            text=True,
        )
        os.utime(hook_gate.file_of(shop.folder, SESSION), (0, 0))
        sent = shop.messages.send("user:alice", SESSION, "notification", f"Number {number}").message_id
        out, _ = ran.communicate(json.dumps(client.payload("tool")))
        assert sent in out or (is_due(client, monkeypatch) and sent in client.does("tool").shown)


def test_a_process_with_two_sessions_is_never_quiet(
    shop: LocalBus, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hooks cannot tell in the shell whose they are."""
    first, second = at_work(start_client, "codex", "first"), start_client("codex", "second")
    second.does("prompt", prompt="go on")
    assert is_due(first, monkeypatch)
    assert is_due(second, monkeypatch)
    second.does("end")
    third = at_work(start_client, "codex", "third")
    assert not is_due(third, monkeypatch)


def test_an_id_that_a_shell_cannot_write_is_never_quiet_and_harms_nothing(
    shop: LocalBus, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for session_id in ("a:b", "a.b", "x" * 200, "$(id)", "pid-1"):
        client = at_work(start_client, "claude-code", session_id)
        assert shop.sessions.get(session_id).status == "working"
        assert is_due(client, monkeypatch)
        client.does("end")


def test_the_end_of_a_session_leaves_no_files(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "codex")
    client.does("tool")
    client.does("end")
    assert os.listdir(os.path.join(shop.folder, hook_gate.FOLDER)) == []


def test_where_no_hook_ever_ran_nothing_is_looked_for(shop: LocalBus) -> None:
    shop.sessions.register("bob", "bob's agent", "codex")
    shop.messages.send("user:alice", "bob", "notification", "The cart")
    assert not os.path.exists(os.path.join(shop.folder, hook_gate.FOLDER))


def test_the_machine_is_asked_what_its_shell_can_do() -> None:
    assert hook_commands.has_process_times() == sys.platform.startswith("linux")


@pytest.mark.parametrize("folder", ["a b", "it's", 'a"b', "a$b", "a`b", "a\\b"])
def test_folders_of_any_name_are_quoted(
    home: Path, folder: str, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALLWAY_HOME", str(home / folder))
    client = at_work(start_client)
    assert not is_due(client, monkeypatch)


# -- what is imported -------------------------------------------------------------------------------------------------

HEAVY = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "functools",
    "http",
    "inspect",
    "json",
    "logging",
    "msgspec",
    "pathlib",
    "re",
    "socket",
    "subprocess",
    "threading",
    "typing",
}
TRACED = "import sys, os; sys.argv = sys.argv[1:]; end = os._exit; os._exit = lambda s: (print(*sys.modules, file=sys.stderr), sys.stderr.flush(), end(s)); exec(compile(open(sys.argv[0]).read(), sys.argv[0], 'exec'), {'__name__': '__main__', '__file__': sys.argv[0]})"  # noqa: E501


def modules(client: Client, **more: object) -> set[str]:
    """What the interpreter of a tool's hook has loaded in the end."""
    python, *flags, launch, beside = hook_commands.interpreter()[:5]
    done = subprocess.run(
        [python, *flags, "-c", TRACED, launch, beside, client.kind],
        input=json.dumps(client.payload("tool", **more)),
        env=client.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_a_throttled_hook_opens_nothing(shop: LocalBus, start_client: StartClient) -> None:
    loaded = modules(at_work(start_client))
    assert not loaded & {*HEAVY, "apsw", "_json.x", "hallway.bus.local", "hallway.store", "fcntl"}


def test_a_heartbeat_that_is_due_loads_no_services(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client)
    os.utime(hook_gate.file_of(shop.folder, SESSION), (0, 0))
    loaded = modules(client)
    assert "apsw" in loaded
    assert not loaded & {*HEAVY, "hallway.bus.local", "hallway.services", "hallway.core.model"}


def test_news_is_brought_with_the_light_half_of_the_library(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client)
    shop.messages.send("user:alice", SESSION, "notification", "The cart")
    assert not modules(client) & (HEAVY - {"collections", "functools"})
