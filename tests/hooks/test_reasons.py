"""Why a session waits or idles, told by each client in its own words, and what of it never reaches the bus (S11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.agents.hook import spool
from hallway.agents.hook.detail import detail_line, one_line
from hallway.agents.hook.event import PROMPT, question_of
from hallway.agents.turn_note import TurnNote
from hallway.bus.local import LocalBus
from hooks.client import SESSION, Client
from hooks.test_true_status import SECRET, at_work, begin_work, tells, why
from hooks.test_turn_watch import Desk, desk, read, rfc3339  # noqa: F401 (a fixture)
from mcp_server import Server

pytestmark = pytest.mark.promise("S11")
StartClient = Callable[..., Client]

QUESTION = {"question": "Which port?", "header": "Port", "options": [{"label": "8080"}, {"label": "9090"}]}
SCHEMA = {"type": "object", "properties": {"port": {"type": "string", "enum": ["8080", "9090"]}}}
ASKED = "Which port? (8080 / 9090)"


def copilot_says(home: Path, *lines: dict[str, Any], session_id: str = SESSION, folder: str = ".copilot") -> None:
    path = home / folder / "session-state" / session_id / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def noted(kind: str, at: float = 1000.0, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "timestamp": rfc3339(at)}


# -- questions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"questions": [QUESTION]}, ASKED),
        ({"questions": [QUESTION, QUESTION, QUESTION]}, f"{ASKED} … and 2 more"),
        ({"question": "Which port?", "choices": ["8080", "9090"]}, ASKED),
        ({"message": "Which port?", "requestedSchema": SCHEMA}, ASKED),
        ({"message": "Which port?", "requestedSchema": {"properties": {"port": {"type": "integer"}}}}, "Which port?"),
        ({"question": "Which port?", "options": []}, "Which port?"),
        ({"questions": [{"header": "Port", "options": [{"value": "8080"}, 9090, {}]}]}, "Port (8080 / 9090)"),
        ({"questions": "Which port?"}, ""),
        ({"questions": [1]}, ""),
        ({}, ""),
    ],
)
def test_a_question_is_told_with_its_choices(told: dict[str, Any], expected: str) -> None:
    assert question_of(told) == expected


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("claude-code", {"tool_name": "AskUserQuestion", "tool_input": {"questions": [QUESTION]}}),
        ("qwen", {"tool_name": "ask_user_question", "tool_input": {"questions": [QUESTION]}}),
        ("codex", {"tool_name": "request_user_input", "tool_input": {"questions": [QUESTION]}}),
        ("opencode", {"reason": "question", "questions": [QUESTION]}),
    ],
)
def test_the_question_is_the_detail_of_a_session_that_asks(
    shop: LocalBus, start_client: StartClient, kind: str, told: dict[str, Any]
) -> None:
    at_work(start_client, kind).does("asked", **told)
    assert why(shop) == ("waiting", "question", ASKED)


def test_codex_asks_by_a_tool_that_needs_no_permission(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "codex")
    tells(client, "PreToolUse", tool_name="request_user_input", tool_input={"questions": [QUESTION]})
    assert why(shop) == ("waiting", "question", ASKED)
    client.does("tool", tool_name="request_user_input")
    assert why(shop) == ("working", None, None)


def test_copilots_question_is_read_in_its_conversation(shop: LocalBus, home: Path, start_client: StartClient) -> None:
    client = at_work(start_client, "copilot")
    copilot_says(
        home,
        noted("tool.execution_start", toolName="ask_user", arguments={"message": "Which host?"}),
        noted(
            "tool.execution_start",
            toolName="ask_user",
            arguments={"message": "Which port?", "requestedSchema": SCHEMA},
        ),
        noted("hook.start", hookType="notification"),
    )
    client.does("asked", notification_type="elicitation_dialog", message="Information requested")
    assert why(shop) == ("waiting", "question", ASKED)


def test_a_question_that_a_client_notes_later_is_told_later(desk: Desk) -> None:  # noqa: F811
    desk.reports("asked")
    desk.bus.sessions.update_status("alice", "waiting", reason="question", detail="Information requested")
    desk.note = TurnNote("waiting", "question", ASKED)
    desk.looks()
    assert desk.bus.sessions.get("alice").detail == ASKED
    count = len(desk.bus.events.read(0, limit=1000))
    desk.looks(60)
    assert len(desk.bus.events.read(0, limit=1000)) == count


@pytest.mark.parametrize(("status", "reason"), [("waiting", "permission"), ("working", None)])
def test_a_noted_question_changes_nothing_else(
    desk: Desk,  # noqa: F811
    status: str,
    reason: str | None,
) -> None:
    desk.reports("asked")
    desk.bus.sessions.update_status("alice", status, reason=reason)
    desk.note = TurnNote("waiting", "question", ASKED)
    desk.looks()
    assert desk.status == (status, reason)


def test_a_question_of_copilots_servers_is_told_by_its_notification(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "copilot")
    client.does("asked", notification_type="elicitation_dialog", message="Information requested")
    assert why(shop) == ("waiting", "question", "Information requested")


def test_gemini_says_that_it_asks_and_not_what(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "gemini")
    client.does("asked", notification_type="ToolPermission", details={"type": "ask_user", "title": "Ask User"})
    assert why(shop) == ("waiting", "question", None)


# -- permissions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"type": "exec", "command": "make deploy"}, "Shell: make deploy"),
        ({"type": "edit", "filePath": "cart.py"}, "Edit: cart.py"),
        ({"type": "mcp", "toolName": "deploy"}, "MCP tool: deploy"),
        ({"type": "info", "title": "Read from the web"}, "Read from the web"),
        ({}, "It wants to"),
        (None, "It wants to"),
    ],
)
def test_geminis_permission_says_which_tool_and_what(
    shop: LocalBus, start_client: StartClient, details: object, expected: str
) -> None:
    client = at_work(start_client, "gemini")
    client.does("asked", notification_type="ToolPermission", details=details, message="It wants to")
    assert why(shop) == ("waiting", "permission", expected)


def test_copilots_permission_says_which_command(shop: LocalBus, start_client: StartClient) -> None:
    at_work(start_client, "copilot").does("asked", message="Run command: make deploy")
    assert why(shop) == ("waiting", "permission", "Run command: make deploy")


# -- ends of turns ----------------------------------------------------------------------------------------------------


def test_copilots_last_answer_is_read_in_its_conversation(
    shop: LocalBus, home: Path, start_client: StartClient
) -> None:
    client = at_work(start_client, "copilot")
    copilot_says(
        home,
        noted("assistant.message", content="I look first."),
        noted("assistant.message", content="Mended.\nIt works."),
        noted("assistant.message", content="", toolRequests=[]),
        noted("assistant.turn_end"),
    )
    client.does("stop")
    assert why(shop) == ("idle", "done", "Mended.")


def test_a_turn_of_copilots_without_an_answer_is_done(shop: LocalBus, home: Path, start_client: StartClient) -> None:
    client = at_work(start_client, "copilot")
    copilot_says(home, {"type": "assistant.message", "data": [1]}, {"type": "assistant.message"})
    client.does("stop")
    assert why(shop) == ("idle", "done", None)


ASKS = noted(
    "tool.execution_start", toolName="ask_user", arguments={"message": "Which port?", "requestedSchema": SCHEMA}
)
BEGUN = noted("assistant.turn_start")
ENDED = noted("assistant.turn_end")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([BEGUN], None),
        ([BEGUN, ENDED, noted("abort", reason="user_initiated")], ("idle", "interrupted", "", 1000.0)),
        (
            [BEGUN, ENDED, noted("session.error", errorType="rate_limit", message="429 Slow down.", statusCode=429)],
            ("idle", "limited", "429 Slow down.", 1000.0),
        ),
        ([BEGUN, noted("session.error", errorType="query", message="Broken.")], ("idle", "error", "Broken.", 1000.0)),
        ([noted("abort"), BEGUN], None),
        ([{"type": "abort"}], None),
        ([BEGUN, ASKS], ("waiting", "question", ASKED, 0.0)),
        ([BEGUN, ASKS, noted("hook.start"), noted("hook.end")], ("waiting", "question", ASKED, 0.0)),
        ([BEGUN, ASKS, noted("tool.execution_complete")], None),
        ([BEGUN, ASKS, ENDED, BEGUN], None),
        ([BEGUN, noted("tool.execution_start", toolName="ask_user", arguments=1)], None),
        ([], None),
    ],
)
def test_copilot_notes_why_a_turn_ended(home: Path, said: list[dict[str, Any]], expected: object) -> None:
    copilot_says(home, *said)
    assert read("copilot", SESSION) == expected
    assert read("copilot", "bob") is None


def test_copilots_home_may_be_elsewhere(home: Path) -> None:
    copilot_says(home, noted("abort"), folder="elsewhere")
    assert read("copilot", SESSION) is None
    assert read("copilot", SESSION, COPILOT_HOME=str(home / "elsewhere")) is not None
    assert read("copilot", "../session-state/" + SESSION, COPILOT_HOME=str(home / "elsewhere")) is not None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[API Error: {"error":{"message":"It broke."}}]', ("idle", "error", "It broke.", 1000.0)),
        ('[API Error: {"error":{"message":"Quota exceeded."}}]', ("idle", "limited", "Quota exceeded.", 1000.0)),
        ("[API Error: It broke.]", ("idle", "error", "It broke.", 1000.0)),
        ("Unknown command: /x", None),
    ],
)
def test_gemini_notes_that_the_models_api_failed(home: Path, content: str, expected: object) -> None:
    session_id = "aa882af3-6474-42b3-bbbb-aeb0dcc63860"
    path = home / ".gemini" / "tmp" / "shop" / "chats" / "session-2026-11-28T14-10-aa882af3.jsonl"
    path.parent.mkdir(parents=True)
    line = {"id": "1", "timestamp": rfc3339(1000.0), "type": "error", "content": content}
    path.write_text(json.dumps(line, separators=(",", ":")) + '\n{"$set":{}}\n')
    assert read("gemini", session_id) == expected


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (["I look first.", "", "Mended.\nIt works."], "Mended."),
        (["I look first.", "Something else."], "I look first."),  # not of this turn
        ([], "I look first."),
        ([["Mended."]], "I look first."),
    ],
)
def test_geminis_last_answer_is_told_from_what_it_said_before(
    shop: LocalBus, tmp_path: Path, start_client: StartClient, contents: list[Any], expected: str
) -> None:
    client = at_work(start_client, "gemini")
    conversation = tmp_path / "session.jsonl"
    lines = [json.dumps({"type": "gemini", "content": each}, separators=(",", ":")) for each in contents]
    conversation.write_text("\n".join([*lines, '{"$set":{}}', '{"type":"gemini"']))
    client.does("stop", prompt_response="I look first.\nMended.\nIt works.", transcript_path=str(conversation))
    assert why(shop) == ("idle", "done", expected)


def test_a_session_of_codex_waits_for_its_permission_until_a_hook_says_otherwise(desk: Desk) -> None:  # noqa: F811
    desk.reports("asked")
    desk.bus.sessions.update_status("alice", "waiting", reason="permission")
    desk.note = None  # a turn that has begun is all that Codex notes
    assert desk.looks(60) == []
    assert desk.status == ("waiting", "permission")


# -- limits -----------------------------------------------------------------------------------------------------------

LONG = "You have reached the limit of your plan. " * 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You've hit your limit · resets 3pm (Europe/Berlin)", "You've hit your limit · resets 3pm (Europe/Berlin)"),
        (f"{LONG}Try again at 3:05 PM.", "Try again at 3:05 PM: You have"),
        ("Limit reached.\nIt resets at 14:00 UTC. Upgrade?", "resets at 14:00 UTC: Limit reached."),
        (f"{LONG}Try again later.", "You have reached"),
        ("Slow down.\nRetry after 20 s", "Retry after 20 s: Slow down."),
    ],
)
def test_a_limit_is_told_with_the_time_at_which_it_ends(text: str, expected: str) -> None:
    line = detail_line("limited", text)
    assert line is not None
    assert line.startswith(expected)
    assert len(line) <= 200
    assert detail_line("error", text) == one_line(text)


def test_a_limit_without_a_text_has_no_detail() -> None:
    assert detail_line("limited", " \n") is None


# -- what never reaches the bus ---------------------------------------------------------------------------------------

PASSWORD = "hunter2-hunter2"
TEXTS = (
    f"curl -H 'Authorization: {SECRET}' https://api.example.com",
    f"psql postgres://alice:{PASSWORD}@db.example.com/shop",
    f"PASSWORD={PASSWORD} make deploy",
)


def asking(kind: str, what: str) -> dict[str, Any]:
    """What a client's payload says when it asks for a permission."""
    by_client: dict[str, dict[str, Any]] = {
        "gemini": {"notification_type": "ToolPermission", "details": {"type": "exec", "command": what}},
        "copilot": {"message": f"Run command: {what}"},
        "opencode": {"reason": "permission", "detail": f"bash: {what}"},
    }
    return by_client.get(kind) or {"tool_name": "Bash", "tool_input": {"command": what}}


def ending(client: Client, home: Path, what: str) -> dict[str, Any]:
    """What a client's payload says when its agent has answered."""
    if client.kind == "copilot":
        copilot_says(home, noted("assistant.message", content=what))
    return {"last_assistant_message": what, "prompt_response": what, "detail": what}


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_are_replaced_in_every_clients_details(shop: LocalBus, home: Path, client: Client, text: str) -> None:
    begin_work(client)
    for kind, more in (("asked", asking(client.kind, text)), ("stop", ending(client, home, text))):
        if client.kind == "cursor":
            continue  # it tells neither
        client.does(kind, **more)
        detail = why(shop)[2]
        assert detail
        assert SECRET not in detail
        assert PASSWORD not in detail


def test_secrets_are_replaced_in_errors_limits_questions_and_tasks(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    question = {"question": f"Use {SECRET}?", "options": [{"label": SECRET}]}
    client.does("asked", tool_name="AskUserQuestion", tool_input={"questions": [question]})
    assert SECRET not in str(why(shop))
    client.does("prompt", prompt=f"deploy with {SECRET}")
    assert SECRET not in str(shop.sessions.get(SESSION))
    for error in ("rate_limit", "server_error"):
        tells(client, "StopFailure", error=error, error_details=f"{LONG}\nresets at 3 pm for {SECRET}")
        assert SECRET not in str(why(shop))


def test_details_of_every_client_stay_off_the_bus_where_the_person_says_so(
    shop: LocalBus, home: Path, client: Client
) -> None:
    client.environ["HALLWAY_DETAIL"] = "0"
    begin_work(client)
    if client.kind != "cursor":
        client.does("asked", **asking(client.kind, "make deploy"))
        assert why(shop) == ("waiting", "permission", None)
    client.does("stop", **ending(client, home, "The login works."))
    assert why(shop) == ("idle", "done", None)


def test_a_spooled_event_holds_no_detail_that_stays_off_the_bus(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    client.environ |= {"HALLWAY_DETAIL": "0", "HALLWAY_HOOK_BUDGET_MS": "300"}
    with shop.transaction():
        client.does("asked", **asking("claude-code", "make deploy"))
    assert "make deploy" not in (Path(shop.folder) / spool.NAME).read_text()


def test_what_a_client_notes_stays_off_the_bus_where_the_person_says_so(
    desk: Desk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HALLWAY_DETAIL", "off")
    desk.reports(PROMPT)
    desk.note = TurnNote("idle", "error", "It broke.", at=101.0)
    assert desk.looks() == ["alice"]
    session = desk.bus.sessions.get("alice")
    assert (session.reason, session.detail) == ("error", None)


@pytest.mark.parametrize(("variable", "expected"), [("0", None), ("", "Which port?")])
def test_what_an_agent_tells_by_its_tool_stays_off_the_bus_where_the_person_says_so(
    shop: LocalBus, home: Path, start_client: StartClient, variable: str, expected: str | None
) -> None:
    start_client().does("start")
    server = Server(home, "--url", shop.folder, CLAUDE_CODE_SESSION_ID=SESSION, HALLWAY_DETAIL=variable)
    try:
        server.initialize()
        server.call("status", status="waiting", reason="question", detail="Which port?")
        assert why(shop) == ("waiting", "question", expected)
    finally:
        server.close()


def test_codexs_server_learns_that_details_stay_off_the_bus() -> None:
    from hallway.agents.clients.codex.install import LET_THROUGH

    assert "HALLWAY_DETAIL" in LET_THROUGH


# -- what peers are shown ---------------------------------------------------------------------------------------------


def test_a_peers_reason_is_shown_in_a_word(shop: LocalBus, home: Path, start_client: StartClient) -> None:
    shop.sessions.register("bob", "bob's agent", "codex", status="waiting", reason="permission", detail="Bash: make")
    client = start_client()
    client.does("start")
    assert "waiting (permission)" in client.does("prompt", prompt="who is here?").shown
    server = Server(home, "--url", shop.folder, CLAUDE_CODE_SESSION_ID=SESSION)
    try:
        server.initialize()
        sessions = server.call("sessions")["sessions"]
        (bob,) = [each for each in sessions if each["session_id"] == "bob"]
        assert (bob["status"], bob["reason"], bob["detail"]) == ("waiting", "permission", "Bash: make")
    finally:
        server.close()
