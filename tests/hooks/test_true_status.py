"""A session's status is what its client tells: failures, dialogs and subagents included (A5, A6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hallway.agents.hook import log
from hallway.bus.local import LocalBus
from hooks.client import SESSION, Client

pytestmark = pytest.mark.promise("A5")
StartClient = Callable[..., Client]


def at_work(start_client: StartClient, kind: str) -> Client:
    client = start_client(kind)
    client.does("start")
    client.does("prompt", prompt="mend the login")
    return client


def tells(client: Client, event: str, **more: object) -> None:
    """Have a client tell of an event by its own name."""
    import json

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


@pytest.mark.parametrize(
    "type_",
    [
        "permission_prompt",
        "worker_permission_prompt",
        "agent_needs_input",
        "elicitation_dialog",
        "elicitation_url_dialog",
    ],
)
def test_every_dialog_that_waits_for_the_person_is_waiting(
    shop: LocalBus, start_client: StartClient, type_: str
) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type=type_)
    assert shop.sessions.get(SESSION).status == "waiting"


@pytest.mark.parametrize("type_", ["idle_prompt", "auth_success"])
def test_what_blocks_nothing_changes_nothing(shop: LocalBus, start_client: StartClient, type_: str) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type=type_)
    assert shop.sessions.get(SESSION).status == "working"


def test_an_unknown_notification_is_logged(shop: LocalBus, start_client: StartClient) -> None:
    client = at_work(start_client, "claude-code")
    tells(client, "Notification", notification_type="moon_phase")
    assert shop.sessions.get(SESSION).status == "working"
    assert "moon_phase" in log.last(shop.folder)[-1]


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
