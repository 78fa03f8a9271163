"""An idle session is woken for what is worth a turn, by means that its client has, and nothing is called taken before
the client took it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hallway.agents.clients.codex import wake as codex
from hallway.agents.hook.event import WOKEN
from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.hook_commands import command_of
from hallway.agents.wake.waker import Waker
from hallway.bus.local import LocalBus
from hallway.services.wakes import BUDGET, IN_FLIGHT_S
from hooks.client import SESSION, Client
from mcp_server import Server
from support import until

StartClient = Callable[..., Client]


class Inbox:
    """A client's inbox: keeps every line that anybody writes to its socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile() as file:
                self.lines += [json.loads(line) for line in file]

    @property
    def said(self) -> list[str]:
        return [line["message"]["content"] for line in self.lines if line["type"] == "user"]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with_short_name = Path(os.path.relpath(tmp_path / "inbox.sock"))
    inbox = Inbox(with_short_name)
    yield inbox
    inbox.close()


@pytest.fixture
def terminal(inbox: Inbox) -> dict[str, str]:
    """The environment of what a Claude Code in a terminal starts."""
    return {
        "CLAUDE_CODE_SESSION_ID": SESSION,
        "CLAUDE_CODE_ENTRYPOINT": "cli",
        "CLAUDE_CODE_MESSAGING_TOKEN": "secret",
        "CLAUDE_CODE_MESSAGING_SOCKET": str(inbox.path),
    }


@pytest.fixture
def idle(shop: LocalBus, start_client: StartClient) -> Client:
    """A session whose turn is over, and somebody who may write to it."""
    shop.sessions.register("bob", "bob's agent", "codex")
    client = start_client()
    client.does("start")
    client.does("prompt", prompt="mend the login")
    client.does("stop")
    return client


def ask(bus: LocalBus, subject: str = "Which port?", **more: Any) -> str:
    return bus.messages.send(
        "bob", more.pop("to_session", SESSION), more.pop("type", "request"), subject, **more
    ).message_id


@pytest.mark.promise("A3")
@pytest.mark.promise("M3")
def test_an_idle_claude_code_is_woken_through_its_inbox(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    waker = Waker(shop, os.getpid(), terminal)
    message_id = ask(shop)
    assert waker.deliver(SESSION)
    until(lambda: inbox.said)
    assert inbox.lines[0] == {"type": "auth", "token": "secret"}
    assert inbox.said[0].startswith("Not from your user")
    assert message_id in inbox.said[0]
    assert "not your user" in inbox.said[0]
    assert len(inbox.said[0].encode()) <= 1024
    assert shop.messages.deliveries(message_id)[0].state == "stored"
    assert not waker.deliver(SESSION)  # once
    shown = idle.does("prompt", prompt=f"Another Claude session sent a message:\n{inbox.said[0]}")
    assert shown.out == ""
    assert shop.messages.deliveries(message_id)[0].state == "injected"
    assert shop.sessions.get(SESSION).current_task == "mend the login"


@pytest.mark.promise("C1")
def test_a_release_wakes_the_idle_session_that_waits_for_the_paths(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    """The session's own server does it, once its turn is over and nobody looks."""
    held = shop.claims.claim("bob", ["src/**"], "new handlers")
    server = Server(Path(shop.folder), **terminal)
    try:
        server.initialize()
        waiting = server.call("claim", paths=["src/a.py"], intent="the cart", queue_s=600)
        assert waiting["state"] == "waiting"
        assert inbox.said == []
        shop.claims.release("bob", held.claim_id)
        until(lambda: inbox.said)
        assert inbox.said[0].startswith("Not from your user")
        assert "Yours until " in inbox.said[0]
        assert "src/a.py" in inbox.said[0]
        (mine,) = shop.claims.list_claims(session_id=SESSION)
        assert mine.state == "granted"
    finally:
        server.kill()


def test_what_is_on_its_way_is_shown_by_no_hook_and_shown_when_the_client_dropped_it(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    message_id = ask(shop)
    assert Waker(shop, os.getpid(), terminal).deliver(SESSION)
    assert idle.does("prompt", prompt="what my user says").out == ""
    shop.store._connection.execute("UPDATE deliveries SET handed_at = handed_at - ?", ((IN_FLIGHT_S + 1) * 1_000_000,))
    os.utime(Path(shop.folder) / "gates" / SESSION, (0, 0))
    assert message_id in idle.does("tool").shown
    assert shop.messages.deliveries(message_id)[0].state == "injected"


@pytest.mark.promise("M3")
def test_a_burst_is_one_turn_and_each_message_is_shown_once(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    waker = Waker(shop, os.getpid(), terminal)
    sent = []
    woken = 0
    for number in range(10):
        sent.append(ask(shop, f"Number {number}"))
        if number > 2:
            woken += waker.deliver(SESSION)
    until(lambda: inbox.said)
    shown = [inbox.said[0], idle.does("prompt", prompt=inbox.said[0]).shown]
    while not all(any(each in words for words in shown) for each in sent):
        shown.append(idle.does("tool").shown)
        assert shown[-1], "nothing follows"
    assert woken == len(inbox.said) == 1
    assert [sum(each in words for words in shown) for each in sent] == [1] * 10


@pytest.mark.promise("A5")
def test_a_session_at_a_permission_prompt_is_not_woken(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    idle.does("prompt", prompt="go on")
    idle.does("asked")
    ask(shop, priority="urgent")
    assert not Waker(shop, os.getpid(), terminal).deliver(SESSION)


def test_a_client_that_says_that_nobody_types_is_still_idle(shop: LocalBus, idle: Client) -> None:
    idle.runs(
        idle.command("stop"),
        json.dumps(
            {
                **idle.payload("stop"),
                "hook_event_name": "Notification",
                "notification_type": "idle_prompt",
            }
        ),
    )
    assert shop.sessions.get(SESSION).status == "idle"


def test_a_session_at_work_is_not_woken(shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]) -> None:
    idle.does("prompt", prompt="go on")
    ask(shop)
    assert not Waker(shop, os.getpid(), terminal).deliver(SESSION)
    assert inbox.lines == []


@pytest.mark.parametrize(
    "lacks",
    [
        {"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"},
        {"CLAUDE_CODE_MESSAGING_SOCKET": ""},
        {"CLAUDE_CODE_MESSAGING_SOCKET": "/nowhere"},
        {"CLAUDE_CODE_MESSAGING_SOCKET": "/etc/passwd"},
    ],
)
def test_without_an_inbox_the_message_waits(
    shop: LocalBus, idle: Client, terminal: dict[str, str], lacks: dict[str, str]
) -> None:
    message_id = ask(shop)
    assert not Waker(shop, os.getpid(), {**terminal, **lacks}).deliver(SESSION)
    assert message_id in idle.does("prompt", prompt="go on").shown


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a socket away")
def test_a_socket_of_somebody_else_is_not_written_to(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    os.chown(inbox.path, 12345, 12345)
    ask(shop)
    assert not Waker(shop, os.getpid(), terminal).deliver(SESSION)


@pytest.mark.parametrize(
    ("more", "is_worth"),
    [
        ({}, True),
        ({"type": "notification"}, True),
        ({"type": "handoff"}, True),
        ({"type": "response"}, False),
        ({"priority": "low"}, False),
        ({"to_session": "*", "type": "broadcast"}, False),
        ({"to_session": "*", "type": "task_offer"}, False),
        ({"to_session": "*", "priority": "urgent"}, True),
    ],
)
def test_what_is_worth_a_turn(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str], more: dict[str, Any], is_worth: bool
) -> None:
    ask(shop, **more)
    assert Waker(shop, os.getpid(), terminal).deliver(SESSION) == is_worth


@pytest.mark.promise("M8")
def test_two_agents_cannot_wake_each_other_for_ever(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    waker = Waker(shop, os.getpid(), terminal)
    message_id, woken = ask(shop), 0
    for number in range(BUDGET + 5):
        is_woken = waker.deliver(SESSION)
        if is_woken:
            woken += 1
            until(lambda number=woken: len(inbox.said) == number)
            idle.does("prompt", prompt=inbox.said[-1])
            idle.does("stop")
        message_id = shop.messages.reply("bob", message_id, f"Thanks {number}", type="notification").message_id
    assert woken == BUDGET
    assert shop.messages.deliveries(message_id)[0].state == "stored"
    assert "Thanks" in idle.does("prompt", prompt="what is new?").shown
    idle.does("stop")
    shop.messages.reply("bob", message_id, "And one more", type="notification")
    assert waker.deliver(SESSION)  # a person has spoken


def test_a_client_without_a_way_is_left_alone(shop: LocalBus) -> None:
    shop.sessions.register("bob", "bob's agent", "codex")
    shop.sessions.register(SESSION, "a gemini", "gemini", status="waiting")
    ask(shop)
    assert not Waker(shop, os.getpid(), {}).deliver(SESSION)
    assert not Waker(shop, os.getpid(), {}).deliver("nobody")


def test_the_sessions_own_server_wakes_it(shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]) -> None:
    """The real server, told by the real wake-up; also of what came while the turn was still on."""
    path = str(inbox.path.resolve())
    environ = {**idle.environ, **terminal, "CLAUDE_CODE_MESSAGING_SOCKET": path}
    with subprocess.Popen(
        [sys.executable, "-m", "hallway", "mcp"],
        env=environ,
        cwd=idle.directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "claude-code", "version": "2"},
        }
        server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
        server.stdin.flush()
        server.stdout.readline()
        wakes = Path(shop.folder) / "wake"
        until(lambda: wakes.exists() and [name for name in os.listdir(wakes) if name.startswith("messages-")])
        first = ask(shop)
        until(lambda: any(first in said for said in inbox.said))
        idle.does("prompt", prompt=inbox.said[0])
        late = ask(shop, "And which host?")
        time.sleep(0.2)
        assert not any(late in said for said in inbox.said)
        idle.does("stop")
        until(lambda: any(late in said for said in inbox.said))
        server.stdin.close()
        server.wait(timeout=60)


# -- a hook that waits ------------------------------------------------------------------------------------------------


def waiter(idle: Client, **environ: str) -> subprocess.Popen[str]:
    command = command_of(CLIENTS["claude-code"], runs_for="idle")
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        env={**idle.environ, "CLAUDE_CODE_ENTRYPOINT": "cli", **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(idle.payload("stop")))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has gone already
    process.stdin = None
    return process


def waits(shop: LocalBus) -> bool:
    folder = Path(shop.folder) / "wake"
    return folder.exists() and any(name.startswith("messages-") for name in os.listdir(folder))


def test_a_hook_waits_beside_an_idle_session_and_wakes_it(shop: LocalBus, idle: Client) -> None:
    process = waiter(idle)
    until(lambda: waits(shop))
    ask(shop, "Lunch?", priority="low")
    message_id = ask(shop)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(WOKEN)
    assert message_id in err
    idle.does("prompt", prompt=f"<task-notification>{err}</task-notification>")
    assert shop.messages.deliveries(message_id)[0].state == "injected"


def test_one_waits_for_a_session(shop: LocalBus, idle: Client) -> None:
    first = waiter(idle)
    until(lambda: waits(shop))
    second = waiter(idle)
    assert second.wait(timeout=60) == 0
    assert first.poll() is None
    idle.does("end")
    shop.messages.send("user:alice", SESSION, "notification", "wake up and see")
    assert first.wait(timeout=60) == 0
    for process in (first, second):
        process.communicate()


@pytest.mark.promise("M8")
def test_the_waiting_hook_keeps_to_the_budget_and_wakes_again_when_it_is_filled(shop: LocalBus, idle: Client) -> None:
    message_id = ask(shop)
    for number in range(BUDGET):
        shop.wakes.continue_turn(SESSION, [message_id])
        message_id = shop.messages.reply("bob", message_id, f"Thanks {number}", type="notification").message_id
    process = waiter(idle)
    until(lambda: waits(shop))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    shop.messages.reply("user:alice", message_id, "Go on", type="notification")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith(WOKEN)


def test_nobody_waits_where_the_server_can_wake_it_or_nobody_sits(
    shop: LocalBus, idle: Client, inbox: Inbox, terminal: dict[str, str]
) -> None:
    from hallway.core.topics import topic
    from hallway.local.notify import DatagramSubscription

    server = DatagramSubscription(os.path.join(shop.folder, "wake"), topic("messages", SESSION))
    for environ in (terminal, {"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}):
        process = waiter(idle, **environ)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    server.close()


def test_in_print_mode_no_interpreter_is_started(idle: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    process = waiter(idle, CLAUDE_CODE_ENTRYPOINT="sdk-cli")
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


# -- other clients ----------------------------------------------------------------------------------------------------


def test_codex_is_only_asked_where_a_person_has_it_open(tmp_path: Path) -> None:
    assert not codex.deliver(SESSION, "words", os.getpid(), {}) or codex.has_terminal(os.getpid())
    assert not codex.deliver(SESSION, "words", 2**22 + 1, {})


@pytest.mark.parametrize(("script", "is_taken"), [("exit 0", True), ("exit 1", False), ("sleep 60", False)])
def test_what_codex_says_decides(tmp_path: Path, script: str, is_taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codex, "PATIENCE_S", 0.5)
    assert codex.run(["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}) is is_taken


CODEX = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["codex", "-c", sys.argv[2]])
print(pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def noting_codex(tmp_path: Path) -> Path:
    """A program that waits as Codex does, and that notes in the file `CODEX_HOME` how `codex queue` is called."""
    program = tmp_path / "program.c"
    program.write_text(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
        "int main(int n, char **v) { if (n < 4) { pause(); return 0; }\n"
        'FILE *f = fopen(getenv("CODEX_HOME"), "w");\n'
        'for (int i = 1; i < n; i++) fprintf(f, "%s\\n", v[i]);\nfclose(f); }'
    )
    built = tmp_path / "codex"
    if subprocess.run(["cc", "-o", str(built), str(program)], capture_output=True, check=False, timeout=120).returncode:
        pytest.skip("no C compiler here")
    return built


def started(built: Path, pid: int) -> None:
    until(lambda: os.readlink(f"/proc/{pid}/exe") == str(built))
    until(lambda: b"CODEX_HOME=" in Path(f"/proc/{pid}/environ").read_bytes())  # filled a little later


def test_codex_is_queued_with_the_sessions_own_program_and_home(tmp_path: Path, noting_codex: Path) -> None:
    """A process with a terminal, run from a program that notes how it is called."""
    noted = tmp_path / "noted"
    environ = {**os.environ, "CODEX_HOME": str(noted)}
    with subprocess.Popen(
        [sys.executable, "-c", CODEX, str(noting_codex), "x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        try:
            started(noting_codex, pid)
            assert codex.deliver(SESSION, "some\nwords", pid, {})
            process.communicate("")
        finally:
            os.kill(pid, signal.SIGKILL)
    assert noted.read_text() == f"queue\n--thread\n{SESSION}\n--message\nsome\nwords\n"


@pytest.mark.parametrize(("option", "is_woken"), [("--managed-daemon", True), ("--stdio", False)])
def test_codex_is_queued_in_the_daemon_that_terminals_use(
    tmp_path: Path, noting_codex: Path, option: str, is_woken: bool
) -> None:
    """The daemon has no terminal; neither has the server of an editor, in which nobody would see the turn."""
    noted = tmp_path / "noted"
    environ = {**os.environ, "CODEX_HOME": str(noted)}
    command = [str(noting_codex), "app-server", option]
    with subprocess.Popen(command, env=environ, start_new_session=True, stdin=subprocess.DEVNULL) as daemon:
        try:
            started(noting_codex, daemon.pid)
            assert codex.deliver(SESSION, "words", daemon.pid, {}) is is_woken
        finally:
            daemon.kill()
    assert noted.exists() is is_woken


def test_an_idle_qwen_is_woken_through_its_registry(
    shop: LocalBus, start_client: StartClient, inbox: Inbox, home: Path
) -> None:
    shop.sessions.register("bob", "bob's agent", "codex")
    client = start_client("qwen")
    client.does("prompt", prompt="mend the login")
    client.does("stop")
    sessions = home / "qwen" / "sessions"
    sessions.mkdir(parents=True)
    record = {"schemaVersion": 1, "sessionId": SESSION, "kind": "tui", "ipcPath": str(inbox.path), "ipcToken": "open"}
    (sessions / "17.json").write_text(json.dumps(record))
    (sessions / "18.json").write_text("half a rec")
    message_id = ask(shop)
    waker = Waker(shop, os.getpid(), {"QWEN_HOME": str(home / "qwen"), "QWEN_CODE_MESSAGING_TOKEN": "own"})
    assert waker.deliver(SESSION)
    until(lambda: inbox.said)
    assert inbox.lines[0] == {"msgV": 1, "type": "auth", "token": "own"}
    assert inbox.lines[1]["toSessionId"] == SESSION
    assert message_id in inbox.said[0]
    assert shop.sessions.get(SESSION).status == "working"  # which no hook says: the client runs none for a peer's words
    assert shop.messages.deliveries(message_id)[0].state == "stored"
    client.does("stop")
    assert shop.sessions.get(SESSION).status == "idle"
    assert shop.messages.deliveries(message_id)[0].state == "injected"


# -- a conversation that its person has left --------------------------------------------------------------------------

OLD, NEW = "01a2237c-89d0-7103-bf17-056b06109674", "01a2237c-9697-77b3-b62c-21e970fb2d2b"


@pytest.fixture
def codex_home(home: Path) -> Iterator[Path]:
    """The home of a Codex whose process, this one, has two conversations open in a terminal, the new one without a
    prompt."""
    folder = home / ".codex"
    for name in ("thread-writer-locks", codex.SHOWN):
        (folder / name).mkdir(parents=True)
    locks = [folder / "thread-writer-locks" / f"{each}.lock" for each in (OLD, NEW)]
    files = [lock.open("w") for lock in locks]
    (folder / codex.SHOWN / OLD).touch()
    (folder / codex.SHOWN / NEW).touch()
    yield folder
    for file in files:
        file.close()


def is_left(session_id: str, folder: Path) -> bool:
    return codex.is_left(session_id, os.getpid(), {"CODEX_HOME": str(folder)})


def test_a_conversation_of_codex_that_its_person_left_for_a_new_one_is_not_woken(codex_home: Path) -> None:
    assert is_left(OLD, codex_home)
    assert not is_left(NEW, codex_home)


def test_a_conversation_is_not_left_for_a_subagents(codex_home: Path) -> None:
    (codex_home / codex.SHOWN / NEW).unlink()
    assert not is_left(OLD, codex_home)


def test_a_conversation_that_has_begun_is_a_hooks_to_tell(codex_home: Path) -> None:
    day = time.strftime("%Y/%m/%d", time.localtime(int(NEW.replace("-", "")[:12], 16) / 1000))
    path = codex_home / "sessions" / day / f"rollout-{NEW}.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    assert not is_left(OLD, codex_home)


def test_a_conversation_that_another_process_began_leaves_none(home: Path) -> None:
    (home / ".codex" / codex.SHOWN).mkdir(parents=True)
    (home / ".codex" / codex.SHOWN / NEW).touch()
    assert not codex.is_left(OLD, os.getpid(), {"HOME": str(home)})
    assert not codex.is_left(OLD, 2**22 + 1, {"HOME": str(home)})
