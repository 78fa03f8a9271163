"""What a client calls a session: names that its person gave, and titles that its model made (S9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.agents.client_parts import adapter_of
from hallway.agents.hook.event import NAMED
from hallway.bus.local import LocalBus
from hooks.client import SESSION, Client

pytestmark = pytest.mark.promise("S9")
StartClient = Callable[..., Client]
ID = "79e8d23b-a0fe-46bc-a4db-db64098a919d"
EVENTS = {
    "claude-code": "Stop",
    "codex": "Stop",
    "qwen": "Stop",
    "copilot": "agentStop",
    "gemini": "AfterAgent",
    "opencode": "stop",
    "pi": "stop",
    "cursor": "stop",
}


def name_of(client: str, event_name: str = "", **more: Any) -> str:
    """The name in a client's event, with the variables that a payload's test sets."""
    environ = more.pop("environ", {})
    ids = {"copilot": {"sessionId": ID}, "cursor": {"conversation_id": ID}}.get(client, {"session_id": ID})
    event = adapter_of(client).read({**ids, **more}, event_name or EVENTS[client], environ)
    assert event is not None
    return event.name


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = (line if isinstance(line, str) else json.dumps(line, separators=(",", ":")) for line in lines)
    path.write_text("".join(f"{line}\n" for line in written))
    return path


def custom(title: str) -> dict[str, str]:
    return {"type": "custom-title", "customTitle": title, "sessionId": ID}


def made(title: str) -> dict[str, str]:
    return {"type": "ai-title", "aiTitle": title, "sessionId": ID}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([custom("login-form")], "login-form"),
        ([custom("login-form"), {"type": "user"}, custom("cart")], "cart"),
        ([made("Fix the login form")], "Fix the login form"),
        ([custom("login-form"), made("Fix the cart")], "login-form"),
        ([custom("login-form"), '{"type":"custom-title","customTi'], "login-form"),
        ([custom("login-form"), {"type": "user", "message": json.dumps(custom("no"))}], "login-form"),
        ([custom("login-form"), {"type": "user", "message": "x" * 60_000}], "login-form"),
        ([{"type": "user"}], ""),
        ([], ""),
    ],
)
def test_claude_codes_name_is_the_persons_else_its_models(tmp_path: Path, lines: list[object], expected: str) -> None:
    path = write(tmp_path / "transcript.jsonl", *lines)
    assert name_of("claude-code", transcript_path=str(path)) == expected


def test_claude_codes_prompt_tells_the_persons_name_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "transcript.jsonl", custom("cart"))
    told = {"transcript_path": str(path), "session_title": "login-form"}
    assert name_of("claude-code", "UserPromptSubmit", prompt="go on", **told) == "login-form"


def test_claude_code_without_a_transcript_has_no_name() -> None:
    assert name_of("claude-code") == ""
    assert name_of("claude-code", transcript_path="/nowhere/at/all.jsonl") == ""


def qwen_title(title: object, source: str) -> dict[str, Any]:
    return {
        "type": "system",
        "subtype": "custom_title",
        "systemPayload": {"customTitle": title, "titleSource": source},
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([qwen_title("login form", "manual"), {"type": "user"}], "login form"),
        ([qwen_title("Fix the login", "auto")], "Fix the login"),
        ([qwen_title("login form", "manual"), {"subtype": "custom_title"}], "login form"),
        ([qwen_title("login form", "manual"), '{"subtype":"custom_title","systemPay'], "login form"),
        ([{"type": "user"}], ""),
    ],
)
def test_qwens_name_is_its_last_title(tmp_path: Path, lines: list[object], expected: str) -> None:
    assert name_of("qwen", transcript_path=str(write(tmp_path / "chat.jsonl", *lines))) == expected


def thread(title: str, session_id: str = ID) -> dict[str, str]:
    return {"id": session_id, "thread_name": title, "updated_at": "2026-11-28T17:30:37Z"}


def test_codexs_name_is_the_last_line_about_the_conversation(home: Path) -> None:
    assert name_of("codex") == ""
    path = home / ".codex" / "session_index.jsonl"
    write(path, thread("login form"), thread("cart"), thread("other", "another-id"), thread(ID, "another-id"))
    assert name_of("codex") == "cart"
    write(path, thread("login form"), f'{{"id":"{ID}","thread_na')
    assert name_of("codex") == "login form"
    assert name_of("codex", environ={"CODEX_HOME": str(home / "elsewhere")}) == ""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["name: login-form", "user_named: true"], "login-form"),
        (["name: mend the login", "user_named: false"], ""),
        (['name: "login: \\"form\\""', "user_named: true"], 'login: "form"'),
        (["name: 'alice''s form'", "user_named: true"], "alice's form"),
        (['name: "cut', "user_named: true"], "cut"),
        (["name: login-form"], ""),
        ([], ""),
    ],
)
def test_copilots_name_is_one_that_the_person_gave(home: Path, lines: list[str], expected: str) -> None:
    assert name_of("copilot") == ""
    write(home / ".copilot" / "session-state" / ID / "workspace.yaml", f"id: {ID}", *lines)
    assert name_of("copilot") == expected


@pytest.mark.parametrize("client", ["opencode", "pi"])
def test_a_plugin_tells_the_name_itself(client: str) -> None:
    assert name_of(client, name="login form") == "login form"
    assert name_of(client) == ""


@pytest.mark.parametrize("title", ["New session - 2026-11-21T10:08:29.541Z", "Child session - 2026-11-21"])
def test_a_session_of_opencode_without_a_title_has_no_name(title: str) -> None:
    assert name_of("opencode", name=title) == ""


@pytest.mark.parametrize("client", ["gemini", "cursor"])
def test_the_others_tell_no_name(client: str) -> None:
    assert name_of(client) == ""


def test_titles_made_of_prompts_stay_off_the_bus_with_the_prompts(tmp_path: Path) -> None:
    off = {"HALLWAY_TASK_FROM_PROMPT": "0"}
    transcript = write(tmp_path / "transcript.jsonl", made("Fix the login form"))
    assert name_of("claude-code", transcript_path=str(transcript), environ=off) == ""
    write(transcript, custom("login-form"), made("Fix the login form"))
    assert name_of("claude-code", transcript_path=str(transcript), environ=off) == "login-form"
    chat = write(tmp_path / "chat.jsonl", qwen_title("login form", "manual"), qwen_title("Fix the login", "auto"))
    assert name_of("qwen", transcript_path=str(chat), environ=off) == "login form"
    assert name_of("opencode", name="Fix the login form", environ=off) == ""
    assert name_of("pi", name="login form", environ=off) == "login form"


def test_a_tools_hook_looks_up_no_name(tmp_path: Path) -> None:
    path = write(tmp_path / "transcript.jsonl", custom("login-form"))
    assert name_of("claude-code", "PostToolUse", transcript_path=str(path)) == ""
    assert "tool" not in NAMED


# -- on the bus -------------------------------------------------------------------------------------------------------


def call(bus: LocalBus) -> str:
    """What the session is called."""
    return bus.sessions.get(SESSION).name


@pytest.fixture
def claude(start_client: StartClient) -> Client:
    client = start_client("claude-code")
    client.does("start")
    return client


def test_a_rename_in_the_client_reaches_the_bus_at_the_next_hook(
    shop: LocalBus, claude: Client, tmp_path: Path
) -> None:
    assert call(shop) == "cart"  # the branch
    claude.does("prompt", prompt="go on", session_title="Login form")
    assert call(shop) == "login-form"
    path = write(tmp_path / "transcript.jsonl", custom("Checkout"))
    claude.does("stop", transcript_path=str(path))
    assert call(shop) == "checkout"


def test_a_name_that_is_told_already_makes_no_event(shop: LocalBus, claude: Client) -> None:
    claude.does("prompt", prompt="go on", session_title="Login form")
    count = len(shop.events.read(0, limit=1000))
    claude.does("stop")
    claude.does("prompt", prompt="go on", session_title="Login form")
    assert "session.renamed" not in [each.kind for each in shop.events.read(0, limit=1000)[count:]]


def test_a_name_that_a_person_gave_on_the_bus_wins(shop: LocalBus, claude: Client) -> None:
    shop.sessions.heartbeat(SESSION, name="payments")
    claude.does("prompt", prompt="go on", session_title="Login form")
    assert call(shop) == "payments"


def test_the_name_of_a_session_that_starts_with_one_is_its_first(
    shop: LocalBus, start_client: StartClient, tmp_path: Path
) -> None:
    path = write(tmp_path / "transcript.jsonl", custom("Login form"))
    start_client("claude-code").does("start", transcript_path=str(path))
    assert call(shop) == "login-form"
    assert "session.renamed" not in [each.kind for each in shop.events.read(0, limit=1000)]


def test_a_plugins_name_is_the_sessions(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client("opencode")
    client.does("start", name="New session - 2026-11-28T10:00:00Z")
    assert call(shop) == "cart"
    client.does("prompt", prompt="go on", name="Fix the login")
    assert call(shop) == "fix-the-login"


def test_a_subagent_does_not_name_its_session(shop: LocalBus, claude: Client) -> None:
    claude.does("prompt", prompt="count the files", session_title="Counter", agent_id="sub-1")
    assert call(shop) == "cart"


def test_a_secret_in_a_name_is_replaced(shop: LocalBus, claude: Client) -> None:
    claude.does("prompt", prompt="go on", session_title="ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8")
    assert "a1b2c3d4" not in call(shop)
