"""A session's status is what its client tells: failures, dialogs and subagents included (A5, A6)."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hallway.agents.clients.claude_code.hook import BLOCKING, HARMLESS
from hallway.agents.hook import log
from hallway.bus.local import LocalBus
from hallway.core.topics import topic
from hallway.local.notify import DatagramSubscription
from hooks.client import SESSION, Client

pytestmark = pytest.mark.promise("A5")
StartClient = Callable[..., Client]


@pytest.fixture(params=["claude-code", "qwen"])
def idler(request: pytest.FixtureRequest) -> str:
    """The clients that tell that they idle, whatever ended the turn."""
    return str(request.param)


def at_work(start_client: StartClient, kind: str) -> Client:
    client = start_client(kind)
    begin_work(client)
    return client


def begin_work(client: Client) -> None:
    client.does("start")
    client.does("prompt", prompt="mend the login")


def tells(client: Client, event: str, **more: object) -> None:
    """Have a client tell of an event by its own name."""
    payload = {**client.payload("stop"), "hook_event_name": event, **more}
    assert client.runs(client.command("stop"), json.dumps(payload)) == ("", "", 0)


@pytest.mark.parametrize("kind", ["claude-code", "qwen"])
def test_a_turn_that_the_models_api_ended_is_over(shop: LocalBus, start_client: StartClient, kind: str) -> None:
    client = at_work(start_client, kind)
    tells(client, "StopFailure", error="rate_limit")
    assert shop.sessions.get(SESSION).status == "idle"


def test_a_turn_that_the_person_ended_is_over(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "codex")
    tells(client, "Interrupt")
    assert shop.sessions.get(SESSION).status == "idle"


def test_no_urgent_request_holds_up_a_turn_that_failed(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    shop.messages.send("user:alice", SESSION, "request", "Now?", priority="urgent")
    tells(client, "StopFailure")
    assert shop.sessions.get(SESSION).status == "idle"


def test_a_client_that_idles_has_ended_its_turn(shop: LocalBus, start_client: StartClient, idler: str) -> None:
    client = at_work(start_client, idler)
    tells(client, "Notification", notification_type="idle_prompt")
    assert why(shop) == ("idle", "interrupted", None)
    client.does("prompt", prompt="and the logout")
    assert shop.sessions.get(SESSION).status == "working"


def test_a_client_that_idled_before_it_was_woken_is_at_work(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "qwen")
    began = shop.sessions.get(SESSION).status_since
    moments = [(began + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1)]
    tells(client, "Notification", notification_type="idle_prompt", timestamp=moments[0])
    assert shop.sessions.get(SESSION).status == "working"
    tells(client, "Notification", notification_type="idle_prompt", timestamp=moments[1])
    assert why(shop) == ("idle", "interrupted", None)


def test_a_dialog_that_the_person_left_is_over(shop: LocalBus, start_client: StartClient, idler: str) -> None:
    client = at_work(start_client, idler)
    client.does("asked", tool_name="Bash", tool_input={"command": "make"})
    tells(client, "Notification", notification_type="idle_prompt")
    assert why(shop) == ("idle", "interrupted", None)


def test_a_turn_that_is_told_to_be_over_keeps_its_reason(shop: LocalBus, start_client: StartClient, idler: str) -> None:
    client = at_work(start_client, idler)
    client.does("stop", last_assistant_message="Mended.")
    tells(client, "Notification", notification_type="idle_prompt")
    assert why(shop) == ("idle", "done", "Mended.")


def test_a_client_that_idles_from_the_start_was_not_interrupted(
    shop: LocalBus, start_client: StartClient, idler: str
) -> None:
    client = start_client(idler)
    client.does("start")
    tells(client, "Notification", notification_type="idle_prompt")
    assert shop.sessions.get(SESSION).status == "active"


def test_what_came_during_a_turn_that_the_person_stopped_wakes_its_server(
    shop: LocalBus, start_client: StartClient, idler: str
) -> None:
    client = at_work(start_client, idler)
    shop.messages.send("user:alice", SESSION, "request", "Which port?")
    subscription = DatagramSubscription(os.path.join(shop.folder, "wake"), topic("messages", SESSION))
    tells(client, "Notification", notification_type="idle_prompt")
    assert select.select([subscription.fileno()], [], [], 10)[0]
    subscription.close()


@pytest.mark.parametrize(
    "type_",
    sorted(BLOCKING),
)
def test_every_dialog_that_waits_for_the_person_is_waiting(
    shop: LocalBus, start_client: StartClient, type_: str
) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type=type_)
    assert shop.sessions.get(SESSION).status == "waiting"


@pytest.mark.parametrize("type_", sorted(HARMLESS))
def test_what_blocks_nothing_changes_nothing(shop: LocalBus, start_client: StartClient, type_: str) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type=type_)
    assert shop.sessions.get(SESSION).status == "working"


def test_an_unknown_notification_is_logged(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type="moon_phase")
    assert shop.sessions.get(SESSION).status == "working"
    assert "moon_phase" in log.last(shop.folder)[-1]


@pytest.mark.promise("S11")
@pytest.mark.parametrize(
    ("said", "age_s", "expected"),
    [
        ("[no response text]", 0, ("idle", "interrupted", None)),
        ("[no response text]", 60, ("idle", "done", "[no response text]")),  # an earlier turn was cancelled
        ("Mended.", 0, ("idle", "done", "Mended.")),
    ],
)
def test_a_gemini_turn_without_an_answer_was_cancelled_if_its_conversation_says_so(
    shop: LocalBus, start_client: StartClient, tmp_path: Path, said: str, age_s: int, expected: tuple[str, str, str]
) -> None:
    client = at_work(start_client, "gemini")
    now = datetime.now(UTC)
    info = {"timestamp": (now - timedelta(seconds=age_s)).isoformat(), "type": "info", "content": "Request cancelled."}
    conversation = tmp_path / "session.jsonl"
    conversation.write_text("\n".join(json.dumps(line, separators=(",", ":")) for line in ({"type": "user"}, info, {})))
    client.does("stop", prompt_response=said, transcript_path=str(conversation), timestamp=now.isoformat())
    assert why(shop) == expected


@pytest.mark.parametrize("kind", ["claude-code", "codex", "qwen"])
def test_a_subagent_sets_neither_task_nor_status(shop: LocalBus, start_client: StartClient, kind: str) -> None:
    parent = at_work(start_client, kind)
    parent.does("stop")
    parent.does("prompt", prompt="look through the tests", agent_id="sub-1")
    parent.does("tool", agent_id="sub-1")
    tells(parent, "SubagentStop", agent_id="sub-1")
    session = shop.sessions.get(SESSION)
    assert (session.status, session.current_task) == ("idle", "mend the login")


def test_what_a_subagent_writes_is_its_sessions(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    client.does("stop")
    edit = {"tool_name": "Edit", "tool_input": {"file_path": "cart.py"}, "agent_id": "sub-1"}
    client.does("tool", "Edit|Write|MultiEdit|NotebookEdit", **edit)
    assert [each.path for each in shop.files.touched(session_id=SESSION)] == [str(client.directory / "cart.py")]
    assert shop.sessions.get(SESSION).status == "idle"


# -- why: S11 ---------------------------------------------------------------------------------------------------------

SECRET = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"  # a GitHub token's form


def why(bus: LocalBus) -> tuple[str, str | None, str | None]:
    session = bus.sessions.get(SESSION)
    return session.status, session.reason, session.detail


@pytest.mark.promise("S11")
@pytest.mark.parametrize("kind", ["claude-code", "codex", "qwen"])
def test_a_turn_that_ended_is_done_with_the_first_line_of_its_answer(
    shop: LocalBus, start_client: StartClient, kind: str
) -> None:
    at_work(start_client, kind).does("stop", last_assistant_message="\n  The login works.\nTwo tests are new.")
    assert why(shop) == ("idle", "done", "The login works.")


@pytest.mark.promise("S11")
def test_geminis_answer_is_the_detail_of_a_turn_that_ended(shop: LocalBus, start_client: StartClient) -> None:
    at_work(start_client, "gemini").does("stop", prompt_response="Done.")
    assert why(shop) == ("idle", "done", "Done.")


@pytest.mark.promise("S11")
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"error": "rate_limit", "error_details": "resets at 3 pm"}, ("idle", "limited", "resets at 3 pm")),
        ({"error": "server_error", "last_assistant_message": "API Error: 500"}, ("idle", "error", "API Error: 500")),
        ({"error": "overloaded"}, ("idle", "error", "overloaded")),
    ],
)
def test_a_failed_turn_says_whether_a_limit_or_an_error_ended_it(
    shop: LocalBus, start_client: StartClient, told: dict[str, str], expected: tuple[str, str, str]
) -> None:
    tells(at_work(start_client, "claude-code"), "StopFailure", **told)
    assert why(shop) == expected


@pytest.mark.promise("S11")
def test_an_interrupted_turn_says_so(shop: LocalBus, start_client: StartClient) -> None:
    tells(at_work(start_client, "codex"), "Interrupt")
    assert why(shop) == ("idle", "interrupted", None)


@pytest.mark.promise("S11")
@pytest.mark.parametrize(
    ("told", "reason", "detail"),
    [
        ({"tool_name": "Bash", "tool_input": {"command": "git push\n-f"}}, "permission", "Bash: git push"),
        ({"tool_name": "Edit", "tool_input": {"file_path": "cart.py"}}, "permission", "Edit: cart.py"),
        ({"tool_name": "ExitPlanMode", "tool_input": {"plan": "…"}}, "permission", "ExitPlanMode"),
        (
            {"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"question": "Which port?"}]}},
            "question",
            "Which port?",
        ),
    ],
)
def test_what_wants_the_person_is_said(
    shop: LocalBus, start_client: StartClient, told: dict[str, object], reason: str, detail: str
) -> None:
    client = at_work(start_client, "claude-code")
    client.does("asked", **told)
    assert why(shop) == ("waiting", reason, detail)
    tells(client, "Notification", notification_type="permission_prompt", message="Claude needs your permission")
    assert why(shop) == ("waiting", reason, detail)  # the reminder knows less
    client.does("tool")
    assert why(shop) == ("working", None, None)


@pytest.mark.promise("S11")
def test_a_dialog_of_a_server_is_a_question_until_it_is_answered(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type="elicitation_dialog", message="Which account?")
    assert why(shop) == ("waiting", "question", "Which account?")
    tells(client, "Notification", notification_type="elicitation_response")
    assert why(shop) == ("working", None, None)
    client.does("stop")
    tells(client, "Notification", notification_type="elicitation_complete")
    assert why(shop)[:2] == ("idle", "done")


@pytest.mark.promise("S11")
def test_geminis_permission_says_which_command(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "gemini")
    client.does("asked", notification_type="ToolPermission", details={"type": "exec", "command": "make deploy"})
    assert why(shop) == ("waiting", "permission", "Shell: make deploy")


@pytest.mark.promise("S11")
def test_a_plugin_says_why_in_hallways_words(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client("opencode")
    client.does("start")
    client.does("prompt", prompt="mend the login")
    client.does("asked", reason="question", detail="Which port?")
    assert why(shop) == ("waiting", "question", "Which port?")
    tells(client, "answered")
    assert why(shop) == ("working", None, None)
    client.does("stop", reason="limited", detail="quota used up")
    assert why(shop) == ("idle", "limited", "quota used up")


@pytest.mark.promise("S11")
def test_a_detail_holds_no_secret_no_control_character_and_at_most_200_characters(
    shop: LocalBus, start_client: StartClient
) -> None:
    client = at_work(start_client, "claude-code")
    client.does("asked", tool_name="Bash", tool_input={"command": f"curl -H 'token: {SECRET}'\x1b[31m {'x' * 500}"})
    status, reason, detail = why(shop)
    assert (status, reason) == ("waiting", "permission")
    assert detail is not None
    assert SECRET not in detail
    assert len(detail) == 200
    assert detail.isprintable()


@pytest.mark.promise("S11")
def test_details_stay_off_the_bus_where_the_person_says_so(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    client.environ["HALLWAY_DETAIL"] = "0"
    client.does("asked", tool_name="Bash", tool_input={"command": "git push"})
    assert why(shop) == ("waiting", "permission", None)
    client.does("stop", last_assistant_message="The login works.")
    assert why(shop) == ("idle", "done", None)


# -- one succession: S14 ----------------------------------------------------------------------------------------------


def start_as(client: Client, session_id: str, source: str) -> None:
    """Have the same process begin another conversation, which is the client's from now on."""
    client.session_id = session_id
    if "CLAUDE_CODE_SESSION_ID" in client.environ:
        client.environ["CLAUDE_CODE_SESSION_ID"] = session_id
    client.does("start", source=source)


@pytest.mark.promise("S14")
@pytest.mark.parametrize(
    ("kind", "source"),
    [(kind, source) for kind in ("claude-code", "codex") for source in ("clear", "resume", "fork")]
    + [("codex", "startup")],
)
def test_a_conversation_that_a_client_leaves_for_another_is_continued(
    shop: LocalBus, start_client: StartClient, kind: str, source: str
) -> None:
    client = start_client(kind)
    with client.in_process(with_terminal=True):
        begin_work(client)
        shop.messages.send("user:alice", SESSION, "request", "Which port?")
        shop.tasks.accept(SESSION, shop.tasks.offer("user:alice", SESSION, "mend the login").task_id)
        if kind == "claude-code":
            client.does("end", reason="clear")
        start_as(client, "next", source)
        assert shop.sessions.get(SESSION).end_reason == "continued as next"
        assert "Which port?" in [each.subject for each in shop.messages.inbox("next")]
        assert [task.owner for task in shop.tasks.list_tasks()] == ["next"]


@pytest.mark.promise("S14")
def test_a_conversation_that_begins_beside_another_continues_nothing(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    start_as(client, "next", "startup")
    assert shop.sessions.get(SESSION).is_live


@pytest.mark.promise("S14")
@pytest.mark.parametrize("source", ["clear", "resume", "fork", "startup"])
def test_a_conversation_of_an_editors_codex_ends_no_other(
    shop: LocalBus, start_client: StartClient, source: str
) -> None:
    client = start_client("codex")
    with client.in_process(with_terminal=False):
        begin_work(client)
        start_as(client, "next", source)
        assert shop.sessions.get(SESSION).end_reason is None
