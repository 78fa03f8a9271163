"""The answers of tools say what the sessions are called whose ids they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hallway
from hallway.bus.base import Bus
from mcp_server import Server

SHOP = "github.com/acme/shop"


@pytest.fixture
def shop(home: Path) -> Iterator[Bus]:
    with hallway.connect(home / "hallway", project=SHOP) as bus:
        bus.sessions.register("bob", "bob's agent", "codex", name="checkout")
        bus.sessions.register("alice", "alice's agent", "claude-code", name="login-form")
        yield bus


@pytest.fixture
def server(shop: Bus, home: Path) -> Iterator[Server]:
    server = Server(home / "hallway", CLAUDE_CODE_SESSION_ID="alice")
    yield server
    if server.process.returncode is None:
        server.kill()


@pytest.mark.promise("S10")
def test_an_answer_with_ids_says_what_the_sessions_are_called(shop: Bus, server: Server) -> None:
    sent = shop.messages.send("bob", "alice", "request", "which port?")
    named = {"bob": "checkout", "alice": "login-form"}
    assert server.call("inbox")["names"] == named
    assert server.call("thread", message_id=sent.message_id)["names"] == named
    shop.tasks.offer("bob", "alice", "mend it")
    assert server.call("tasks")["names"] == named
    assert server.call("send", to_session="checkout", body="7433")["recipients"] == 1
    assert [each.from_session for each in shop.messages.inbox("bob")] == ["alice"]


def test_an_answer_without_ids_has_no_names(shop: Bus, server: Server) -> None:
    assert "names" not in server.call("inbox")
    assert "names" not in server.call("sessions")  # which has each session's name beside its id
    assert "names" not in server.call("send", to_session="checkout", body="hello")
