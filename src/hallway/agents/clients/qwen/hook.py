"""Qwen Code: Claude Code's shape, with prompts that nobody typed after each tool's result."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, PROMPT, START, STOP, TOOL, ClientAdapter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload

# What each type of notification that the program lists means; nothing: it blocks nothing.
NOTIFICATIONS = {"permission_prompt": ASKED, "idle_prompt": "", "auth_success": "", "elicitation_dialog": ASKED}


class QwenAdapter(ClientAdapter):
    client = "qwen"
    title = "Qwen Code"
    kinds = {
        "SessionStart": START,
        "UserPromptSubmit": PROMPT,
        "PostToolUse": TOOL,
        "PermissionRequest": ASKED,
        "Notification": ASKED,
        "Stop": STOP,
        "StopFailure": STOP,
        "SubagentStop": TOOL,
        "SessionEnd": END,
    }
    edits = frozenset(("write_file", "edit", "replace"))
    reports_wake_ups = False  # no hook is run for what peers say through its socket

    def read(self, payload: Payload, event: str, environ: Any) -> HookEvent | None:
        moment = super().read(payload, event, environ)
        if moment and environ.get("QWEN_CODE_AGENT_ID"):
            moment.is_inner = True
        if moment and moment.event == "Notification":
            moment.is_repeat = True  # `PermissionRequest` came before it, and knows more
        return moment

    def kind_of(self, event: str, payload: Payload) -> str:
        if event == "UserPromptSubmit" and not text(payload, "prompt"):
            return TOOL
        if event == "Notification":
            told = text(payload, "notification_type")
            if told and told not in NOTIFICATIONS:
                raise ValueError(f"Qwen Code has a notification that hallway does not know: {told[:60]!r}")
            return NOTIFICATIONS.get(told, ASKED)
        return super().kind_of(event, payload)


ADAPTER = QwenAdapter()
