"""A turn that ends without a hook is over for the bus, too: by what the client itself notes (S11)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hallway.agents import turn_watch
from hallway.agents.client_parts import turn_reader_of
from hallway.agents.hook.event import ASKED, PROMPT, STOP, HookEvent
from hallway.agents.turn_note import TurnNote
from hallway.agents.turn_watch import SETTLES_S, TurnWatch
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.local.hook_gate import socket_of
from hooks.client import Client
from hooks.test_serving import HELLO, is_listening
from support import until

pytestmark = pytest.mark.promise("S11")

THREAD = "01a2227e-6493-7723-bb7c-b0f4d5ed87c0"  # of a conversation that began at 14:10:38 UTC on 28 November 2026
CHAT = "aa882af3-6474-42b3-bbbb-aeb0dcc63860"
PROCESS = 4711


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def says_claude(home: Path, status: object, session_id: str = "alice", process: int = PROCESS) -> None:
    path = home / ".claude" / "sessions" / f"{process}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pid": process, "sessionId": session_id, "status": status}))


def says_codex(home: Path, *payloads: dict[str, Any], at: float = 1000.0, home_folder: str = ".codex") -> Path:
    day = time.strftime("%Y/%m/%d", time.localtime(int(THREAD.replace("-", "")[:12], 16) / 1000))
    path = home / home_folder / "sessions" / day / f"rollout-2026-11-28T14-10-38-{THREAD}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for payload in payloads:
            line = {"timestamp": rfc3339(at), "type": "event_msg", "payload": payload}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path


def says_gemini(home: Path, *contents: str, at: float = 1000.0) -> Path:
    path = home / ".gemini" / "tmp" / "shop" / "chats" / f"session-2026-11-28T14-10-{CHAT[:8]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for content in contents:
            line = {"id": "1", "timestamp": rfc3339(at), "type": "info", "content": content}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path


def read(client: str, session_id: str, **environ: str) -> tuple[str, str, str, float] | None:
    reader = turn_reader_of(client)
    assert reader is not None
    note = reader(session_id, PROCESS, environ)
    return note and (note.status, note.reason, note.detail, note.at)


# -- what clients note ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("busy", ("working", "", "", 0.0)),
        ("waiting", ("waiting", "", "", 0.0)),
        ("idle", ("idle", "interrupted", "", 0.0)),
        ("dreaming", None),
        (None, None),
        ([], None),
    ],
)
def test_claude_code_notes_whether_its_conversation_is_busy(home: Path, said: object, expected: object) -> None:
    says_claude(home, said)
    assert read("claude-code", "alice") == expected


def test_claude_codes_note_about_another_conversation_or_folder_says_nothing(home: Path) -> None:
    assert read("claude-code", "alice") is None
    says_claude(home, "idle")
    assert read("claude-code", "bob") is None
    assert read("claude-code", "alice", CLAUDE_CONFIG_DIR=str(home / "elsewhere")) is None
    assert read("claude-code", "alice", CLAUDE_CONFIG_DIR=str(home / ".claude")) is not None


STARTED = {"type": "task_started"}
ABORTED = {"type": "turn_aborted", "reason": "interrupted"}
OTHER = {"type": "item_completed", "item": {"text": "task_complete"}}


def completed(error: dict[str, Any] | None = None, answer: str | None = None) -> dict[str, Any]:
    return {"type": "task_complete", "last_agent_message": answer, "error": error}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([STARTED, OTHER], None),  # it may wait for the person
        ([STARTED, ABORTED, OTHER], ("idle", "interrupted", "", 1000.0)),
        ([completed(answer="Mended.")], ("idle", "done", "Mended.", 1000.0)),
        ([completed({"message": "It broke."})], ("idle", "error", "It broke.", 1000.0)),
        (
            [completed({"message": "No more.", "codex_error_info": "usage_limit_exceeded"})],
            ("idle", "limited", "No more.", 1000.0),
        ),
        ([completed(), STARTED], None),
        ([OTHER], None),
        ([], None),
    ],
)
def test_codex_notes_how_a_turn_ended(home: Path, said: list[dict[str, Any]], expected: object) -> None:
    says_codex(home, *said)
    assert read("codex", THREAD) == expected
    assert read("codex", THREAD[:-1] + "1") is None


def test_codexs_home_may_be_elsewhere(home: Path) -> None:
    says_codex(home, ABORTED, home_folder="elsewhere")
    assert read("codex", THREAD) is None
    assert read("codex", THREAD, CODEX_HOME=str(home / "elsewhere")) is not None


@pytest.mark.parametrize("session_id", ["alice", "", "../../etc", "f" * 36])
def test_an_id_that_is_not_codexs_has_no_notes(home: Path, session_id: str) -> None:
    assert read("codex", session_id) is None


def test_damaged_lines_and_long_ones_hide_no_end_of_a_turn(home: Path) -> None:
    path = says_codex(home, {"type": "x", "text": "x" * 1_000_000}, completed())
    with path.open("ab") as file:
        file.write(
            b'{"type":"event_msg"}\n\xff"type":"event_msg"\n[1,"type":"event_msg"]\n{"type":"event_msg","payload":'
        )
    assert read("codex", THREAD) == ("idle", "done", "", 1000.0)


def test_gemini_notes_that_a_request_was_cancelled(home: Path) -> None:
    assert read("gemini", CHAT) is None
    path = says_gemini(home, "Thinking.")
    assert read("gemini", CHAT) is None
    says_gemini(home, "Request cancelled.")
    says_gemini(home, "Request cancelled.", at=2000.0)
    with path.open("a") as file:
        file.write(json.dumps({"$set": {"messages": [{"content": "x" * 10_000}] * 20}}) + "\n")
    assert read("gemini", CHAT) == ("idle", "interrupted", "", 2000.0)
    assert read("gemini", CHAT, GEMINI_CLI_HOME=str(home / "elsewhere")) is None


# -- what follows from it ---------------------------------------------------------------------------------------------


class Times:
    """The times that the watch reads."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Desk:
    """A watch over the session `alice`, whose client notes what a test says."""

    def __init__(self, bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bus, self.times = bus, Times()
        self.note: TurnNote | None = None
        monkeypatch.setattr(turn_watch, "time", self.times)
        monkeypatch.setattr(turn_watch, "turn_reader_of", lambda client: lambda *_: self.note)
        self.watch = TurnWatch(bus, lambda: PROCESS)
        bus.sessions.register("alice", "alice's agent", "claude-code", status="working")

    def reports(self, kind: str, *, is_subagent: bool = False) -> None:
        event = HookEvent(kind, kind, "alice")
        event.is_subagent = is_subagent
        self.watch.handle_event("claude-code", event)

    def looks(self, seconds: float = 3 * SETTLES_S) -> list[str]:
        """Look once a second for a while; return the sessions whose turn is over."""
        over: list[str] = []
        for _ in range(int(seconds)):
            self.times.now += 1
            over += self.watch.look()
        return over

    @property
    def status(self) -> tuple[str, str | None]:
        session = self.bus.sessions.get("alice")
        return session.status, session.reason


@pytest.fixture
def desk(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(bus, monkeypatch)


def test_a_turn_that_the_person_stopped_is_over_within_five_seconds(desk: Desk) -> None:
    desk.reports(PROMPT)
    desk.note = TurnNote("working")
    assert desk.looks(60) == []
    desk.note = TurnNote("idle", "interrupted")
    assert desk.looks(4) == ["alice"]
    assert desk.status == ("idle", "interrupted")
    assert desk.watch.look_at is None


def test_an_error_of_the_api_is_the_turns_reason(desk: Desk) -> None:
    desk.reports(PROMPT)
    desk.note = TurnNote("idle", "error", "It broke.\nBadly.", at=101.0)
    assert desk.looks() == ["alice"]
    assert desk.status == ("idle", "error")
    assert desk.bus.sessions.get("alice").detail == "It broke."


def test_an_end_that_a_hook_told_keeps_its_reason(desk: Desk) -> None:
    desk.reports(PROMPT)
    desk.bus.sessions.update_status("alice", "idle", reason="done")
    desk.note = TurnNote("idle", "interrupted")
    assert desk.looks() == []
    assert desk.status == ("idle", "done")
    assert desk.watch.look_at is None


def test_the_end_of_an_earlier_turn_is_not_that_of_this_one(desk: Desk) -> None:
    desk.note = TurnNote("idle", "interrupted", at=99.0)
    desk.reports(PROMPT)
    assert desk.looks() == []
    assert desk.status == ("working", None)


def test_a_turn_is_not_over_while_its_hooks_still_tell_of_it(desk: Desk) -> None:
    desk.note = TurnNote("idle", "interrupted")  # it has not noted the beginning yet
    for _ in range(10):
        desk.reports(PROMPT)
        assert desk.looks(1) == []
    assert desk.status == ("working", None)


def test_a_tool_that_the_person_approved_is_at_work(desk: Desk) -> None:
    desk.bus.sessions.update_status("alice", "waiting", reason="permission")
    desk.reports(ASKED)
    desk.note = TurnNote("waiting")
    assert desk.looks(60) == []
    assert desk.status == ("waiting", "permission")
    desk.note = TurnNote("working")
    desk.looks(4)
    assert desk.status == ("working", None)


def test_a_dialog_that_the_person_left_with_the_turn_is_over(desk: Desk) -> None:
    desk.bus.sessions.update_status("alice", "waiting", reason="permission")
    desk.reports(ASKED)
    desk.note = TurnNote("idle", "interrupted")
    assert desk.looks() == ["alice"]
    assert desk.status == ("idle", "interrupted")


def test_a_stop_ends_the_watch_and_a_subagents_does_not(desk: Desk) -> None:
    desk.reports(PROMPT)
    desk.reports(STOP, is_subagent=True)
    assert desk.watch.look_at is not None
    desk.reports(STOP)
    assert desk.watch.look_at is None


def test_a_session_at_work_that_no_hook_told_of_is_watched_too(desk: Desk) -> None:
    desk.note = TurnNote("idle", "interrupted")
    desk.watch.resume("alice")
    assert desk.looks() == ["alice"]
    desk.watch.resume("alice")  # it idles
    assert desk.watch.look_at is None


@pytest.mark.parametrize("is_second", [False, True], ids=["as the server begins", "later"])
def test_an_approval_of_a_dialog_that_no_hook_told_the_server_of_is_seen(desk: Desk, is_second: bool) -> None:
    desk.note = TurnNote("working")
    desk.watch.resume("alice")
    if is_second:
        desk.looks()
    desk.bus.sessions.update_status("alice", "waiting", reason="permission")  # and it is approved at once
    if is_second:
        desk.watch.resume("alice")  # at the server's next heartbeat
    desk.looks(4)
    assert desk.status == ("working", None)


def test_a_note_from_before_such_a_dialog_is_no_approval(desk: Desk, clock: FakeClock) -> None:
    began_at = desk.bus.sessions.get("alice").status_since.timestamp()
    desk.watch.resume("alice")
    clock.advance(10)
    desk.bus.sessions.update_status("alice", "waiting", reason="permission")
    asked_at = desk.bus.sessions.get("alice").status_since.timestamp()
    desk.note = TurnNote("working", at=(began_at + asked_at) / 2)
    desk.looks(60)
    assert desk.status == ("waiting", "permission")
    desk.note = TurnNote("working", at=asked_at + 1)
    desk.looks(4)
    assert desk.status == ("working", None)


def test_an_end_from_before_the_server_knew_of_the_turn_counts(desk: Desk) -> None:
    began_at = desk.bus.sessions.get("alice").status_since.timestamp()
    desk.note = TurnNote("idle", "error", at=began_at - 1)
    desk.watch.resume("alice")
    assert desk.looks() == []
    desk.note = TurnNote("idle", "error", at=began_at + 1)
    assert desk.looks() == ["alice"]


def test_a_session_that_ended_or_was_forgotten_is_not_watched(desk: Desk) -> None:
    desk.reports(PROMPT)
    desk.bus.sessions.end("alice")
    desk.watch.resume("alice")
    assert desk.watch.look_at is None
    desk.reports(PROMPT)
    desk.note = TurnNote("idle", "interrupted")
    desk.bus.sessions.clear_offline(0)
    assert desk.looks() == []
    assert desk.watch.look_at is None


def test_a_client_that_notes_nothing_leaves_the_status_alone(desk: Desk) -> None:
    desk.reports(PROMPT)
    assert desk.looks(60) == []
    assert desk.status == ("working", None)


# -- in the session's server ------------------------------------------------------------------------------------------


@contextmanager
def serving(shop: LocalBus, client: Client) -> Iterator[None]:
    """Run the server of a session of this process, until it listens for the session's hooks."""
    command = [sys.executable, "-m", "hallway", "mcp"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=client.environ, cwd=client.directory, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        until(lambda: is_listening(socket_of(shop.folder, "alice")))
        yield
        process.stdin.close()
        process.wait(timeout=60)


@pytest.fixture
def client(start_client: Callable[..., Client]) -> Client:
    client = start_client(session_id="alice")
    client.environ["CLAUDE_PID"] = str(os.getpid())
    client.does("start")
    return client


def test_the_sessions_server_ends_a_turn_that_the_person_stopped(shop: LocalBus, home: Path, client: Client) -> None:
    with serving(shop, client):
        says_claude(home, "busy", process=os.getpid())
        client.does("prompt", prompt="mend the login")
        assert shop.sessions.get("alice").status == "working"
        says_claude(home, "idle", process=os.getpid())
        until(lambda: shop.sessions.get("alice").reason == "interrupted", 30)
        client.does("asked", tool_name="Bash", tool_input={"command": "make"})
        assert shop.sessions.get("alice").status == "waiting"
        says_claude(home, "busy", process=os.getpid())
        until(lambda: shop.sessions.get("alice").status == "working", 30)


def test_the_server_learns_at_once_of_a_turn_whose_hook_did_not_ask_it(
    shop: LocalBus, home: Path, client: Client
) -> None:
    says_claude(home, "busy", process=os.getpid())
    with serving(shop, client):
        os.unlink(socket_of(shop.folder, "alice"))  # as before the server listens
        client.does("prompt", prompt="mend the login")
        assert shop.sessions.get("alice").status == "working"
        says_claude(home, "idle", process=os.getpid())
        until(lambda: shop.sessions.get("alice").reason == "interrupted", 30)


def test_a_turn_that_ended_before_the_sessions_server_began_is_over_at_its_first_heartbeat(
    shop: LocalBus, home: Path, client: Client
) -> None:
    client.does("prompt", prompt="mend the login")
    says_claude(home, "idle", process=os.getpid())
    with serving(shop, client):
        until(lambda: shop.sessions.get("alice").reason == "interrupted", 30)
