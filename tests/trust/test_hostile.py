"""The corpus through every face that shows an agent or a terminal what others wrote: all of it stays in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hallway.agents.hook.digest import Digest
from hallway.core.errors import InvalidInput
from hallway.text.framing import DIGEST_NOTE
from hallway.transfer.status_file import write_beacon
from hub.process import environment
from support import open_store
from trust.corpus import HOSTILE
from trust.test_frame import is_harmless
from trust.world import SHOP

if TYPE_CHECKING:
    from pathlib import Path

    from trust.conftest import Guarded


def told(bus: Any) -> int:
    """Bob writes the corpus to alice: as bodies and subjects, tasks, entries; how many of them the bus takes."""
    bus.sessions.register("alice", "a", "b", project=SHOP)
    bus.sessions.register("bob", "b", "b", project=SHOP)
    count = 0
    for number, text in enumerate(HOSTILE):
        ways = (
            lambda text=text: bus.messages.send("bob", "alice", "notification", "s", text),
            lambda text=text, number=number: bus.messages.send("bob", "alice", "request", text[:200], f"b{number}"),
            lambda text=text: bus.tasks.offer("bob", "alice", text[:200]),
            lambda text=text, number=number: bus.memory.set("bob", f"k{number}", text),
            lambda text=text: bus.sessions.heartbeat("bob", current_task=text),
        )
        for way in ways:
            try:
                way()
                count += 1
            except InvalidInput:  # control characters are refused at the door
                pass
    return count


@pytest.mark.promise("A3")
def test_a_digest_keeps_each_text_in_its_line(bus: Any) -> None:
    assert told(bus) > 100
    looks = 0
    while (digest := Digest(bus, "alice", 0, project=SHOP, is_start=True, except_ids=[])).message_ids:
        head, *lines = digest.words.split("\n")
        assert head.endswith(DIGEST_NOTE)
        for line in lines:
            assert is_harmless(line)
            assert line.startswith(("- ", "… and ", "Read with hallway's inbox tool"))
        bus.messages.acknowledge("alice", digest.message_ids)
        looks += 1
    assert looks > 3


@pytest.mark.promise("A3")
def test_no_command_lets_a_control_character_reach_a_terminal(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with open_store(str(home / "bus.db")) as bus:
        told(bus)
        write_beacon(bus, str(tmp_path), ".STATUS")
    for words in (
        "inbox alice",
        "list",
        "messages alice",
        "task list",
        "memory search value --pattern k*",
        "stats",
        "inbox alice --json",
        "show bob",
        "memory get k0 --all",
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hallway", *words.split()],
            env=environment(home),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 4), done.stderr
        shown = (done.stdout + done.stderr).replace("\n", "").replace("\u200c", "").replace("\u200d", "")
        assert all(character.isprintable() for character in shown), words
    status = (
        (tmp_path / ".STATUS").read_text(encoding="utf-8").replace("\n", "").replace("\u200c", "").replace("\u200d", "")
    )
    assert not [character for character in status if not character.isprintable()]


@pytest.mark.promise("A3")
def test_mcp_answers_are_json_in_which_no_text_poses_as_markup(guarded: Guarded) -> None:
    with guarded.client("alice") as alice:
        for session_id in ("hostile-alice", "hostile-bob"):
            alice.post(f"/sessions/{session_id}/heartbeat", {"project": SHOP})
        for text in HOSTILE:
            said = {"from_session": "hostile-bob", "to_session": "hostile-alice", "subject": "s", "body": text}
            alice.post("/messages", said)
        asked = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "inbox", "arguments": {"session_id": "hostile-alice"}},
        }
        result = alice._exchange("POST", "/mcp", json.dumps(asked).encode()).json["result"]
        (content,) = result["content"]
        assert "<" not in content["text"]
        assert "not your user" in content["text"]
        assert "\n" not in content["text"]
        assert json.loads(content["text"]) == result["structuredContent"]
        assert len(result["structuredContent"]["messages"]) >= 10
