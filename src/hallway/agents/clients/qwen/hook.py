"""Qwen Code: Claude Code's shape, with prompts that nobody typed after each tool's result."""

from __future__ import annotations

from hallway.agents.hook.event import (
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

# What each type of notification that the program lists means; nothing: it blocks nothing.
# It tells that it idles at the end of each turn, also after Esc, for which it runs no other hook.
NOTIFICATIONS = {"permission_prompt": ASKED, "idle_prompt": IDLE, "auth_success": "", "elicitation_dialog": ASKED}


class QwenAdapter(ClientAdapter):
    client = "qwen"
    title = "Qwen Code"
    kinds = {
        "SessionStart": START,
        "UserPromptSubmit": PROMPT,
        "PreToolUse": EDIT,
        "PostToolUse": TOOL,
        "PermissionRequest": ASKED,
        "Notification": ASKED,
        "Stop": STOP,
        "StopFailure": STOP,
        "SubagentStop": TOOL,
        "SessionEnd": END,
    }
    edits = frozenset(("write_file", "edit", "replace"))
    shells = frozenset(("run_shell_command",))
    reports_wake_ups = False  # no hook is run for what peers say through its socket

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        from hallway.agents.clients.qwen.title import read_title

        return read_title(text(payload, "transcript_path"), is_typed=keeps_prompts_off(environ))

    def read(self, payload: Payload, event_name: str, environ: Any) -> HookEvent | None:
        event = super().read(payload, event_name, environ)
        if event and environ.get("QWEN_CODE_AGENT_ID"):
            event.is_subagent = True
        if event and event.event_name == "Notification":
            event.is_repeat = True  # `PermissionRequest` came before it, and knows more
        return event

    def kind_of(self, event_name: str, payload: Payload) -> str:
        if event_name == "UserPromptSubmit" and not text(payload, "prompt"):
            return TOOL
        if event_name == "Notification":
            notification = text(payload, "notification_type")
            if notification and notification not in NOTIFICATIONS:
                raise ValueError(f"Qwen Code has a notification that hallway does not know: {notification[:60]!r}")
            return NOTIFICATIONS.get(notification, ASKED)
        return super().kind_of(event_name, payload)


ADAPTER = QwenAdapter()
