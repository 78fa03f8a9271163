"""Claude Code. Its hooks know their session from the environment, and its subagents' calls carry an `agent_id`."""

from __future__ import annotations

from hallway.agents.hook.event import (
    ANSWERED,
    ASKED,
    EDIT,
    END,
    IDLE,
    PROMPT,
    START,
    STOP,
    TOOL,
    ClientAdapter,
    keeps_prompts_off,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload

SESSION = "CLAUDE_CODE_SESSION_ID"
# The types of notifications that the program lists: those that wait for the person, and those that block nothing.
BLOCKING = frozenset(
    (
        "permission_prompt",
        "worker_permission_prompt",
        "agent_needs_input",
        "elicitation_dialog",
        "elicitation_url_dialog",
    )
)
OVER = frozenset(("elicitation_complete", "elicitation_response"))
IDLES = "idle_prompt"  # about a minute after the end of a turn, however it ended
HARMLESS = frozenset(
    (
        "auth_success",
        "auth_storage_failure",
        "agent_completed",
        "push_notification",
        "plugin_notification",
        "computer_use_enter",
        "computer_use_exit",
        "quota_auto_resume_fired",
        "quota_auto_resume_stale",
        "quota_auto_resume_disabled",
        "model_refusal_fallback",
    )
)


class ClaudeCodeAdapter(ClientAdapter):
    client = "claude-code"
    title = "Claude Code"
    kinds = {
        "SessionStart": START,
        "UserPromptSubmit": PROMPT,
        "PreToolUse": EDIT,
        "PostToolUse": TOOL,
        "PostToolUseFailure": TOOL,
        "PermissionRequest": ASKED,
        "Notification": ASKED,
        "Stop": STOP,
        "StopFailure": STOP,  # the model's API failed, and the turn is over
        "SubagentStop": TOOL,
        "SessionEnd": END,
    }
    process_variable = "CLAUDE_PID"
    edits = frozenset(("Edit", "Write", "MultiEdit", "NotebookEdit"))
    shells = frozenset(("Bash",))

    def kind_of(self, event_name: str, payload: Payload) -> str:
        if event_name != "Notification":
            return super().kind_of(event_name, payload)
        notification = text(payload, "notification_type")
        if notification in OVER:
            return ANSWERED
        if notification == IDLES:
            return IDLE
        if notification and notification not in BLOCKING and notification not in HARMLESS:
            raise ValueError(f"Claude Code has a notification that hallway does not know: {notification[:60]!r}")
        return "" if notification in HARMLESS else ASKED

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        from hallway.agents.clients.claude_code.title import read_title

        title = text(payload, "session_title")
        return title or read_title(text(payload, "transcript_path"), is_typed=keeps_prompts_off(environ))

    def read(self, payload: Payload, event_name: str, environ: Any) -> HookEvent | None:
        event = super().read(payload, event_name, environ)
        if event and text(payload, "notification_type") == "permission_prompt":
            event.is_repeat = True  # `PermissionRequest` came before it, and knows more
        return event

    def is_foreign(self, payload: Payload, session_id: str, environ: Any) -> bool:
        """Return whether Copilot or Cursor runs this hook: they read Claude Code's settings, but only Claude Code sets
        its own variables.
        """
        if session := environ.get(SESSION):
            return bool(session != session_id)
        is_others = environ.get("COPILOT_CLI") or "cursor_version" in payload or "conversation_id" in payload
        return bool(is_others) or super().is_foreign(payload, session_id, environ)


ADAPTER = ClaudeCodeAdapter()
