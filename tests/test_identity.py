"""Whose session a process speaks for, and that nobody has to say it."""

from __future__ import annotations

import pytest

from hallway.local.identity import agent_type_of, from_environment, from_metadata


@pytest.mark.promise("S7")
@pytest.mark.parametrize(
    ("variable", "agent_type"),
    [
        ("CLAUDE_CODE_SESSION_ID", "claude-code"),
        ("QWEN_CODE_SESSION_ID", "qwen"),
        ("COPILOT_AGENT_SESSION_ID", "copilot"),
        ("GEMINI_SESSION_ID", "gemini"),
    ],
)
def test_an_agent_names_its_session_in_the_environment(variable: str, agent_type: str) -> None:
    assert from_environment({variable: "s1"}) == "s1"
    assert from_environment({variable: "s1"}, agent_type) == "s1"
    assert from_environment({variable: ""}, agent_type) is None


def test_an_agent_started_by_another_does_not_speak_as_that_one() -> None:
    environ = {"CLAUDE_CODE_SESSION_ID": "outer", "HALLWAY_SESSION": "mine"}
    assert from_environment({"CLAUDE_CODE_SESSION_ID": "outer"}, "gemini") is None
    assert from_environment(environ, "codex") == "mine"


def test_the_user_can_say_it_where_no_agent_does() -> None:
    assert from_environment({"HALLWAY_SESSION": "mine"}) == "mine"
    assert from_environment({"HALLWAY_SESSION": "mine", "QWEN_CODE_SESSION_ID": "q"}) == "q"
    assert from_environment({}) is None


@pytest.mark.parametrize(
    ("client", "agent_type"),
    [
        ("claude-code", "claude-code"),
        ("codex-mcp-client", "codex"),
        ("gemini-cli-mcp-client", "gemini"),
        ("Qwen Code", "qwen"),
        ("github-copilot", "copilot"),
        ("opencode", "opencode"),
        ("Cursor", "cursor"),
        ("an inspector", None),
        ("", None),
    ],
)
def test_a_clients_name_tells_what_agent_it_is(client: str, agent_type: str | None) -> None:
    assert agent_type_of(client) == agent_type


def test_a_calls_metadata_may_name_the_session() -> None:
    assert from_metadata({"threadId": "t1"}) == "t1"
    assert from_metadata({"sessionId": "s1", "threadId": "t1"}) == "s1"
    assert from_metadata({"sessionId": 5, "progressToken": 1}) is None
