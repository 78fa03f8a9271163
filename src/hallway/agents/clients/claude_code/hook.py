"""Claude Code. Its hooks know their session from the environment, and its subagents' calls carry an `agent_id`."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, PROMPT, START, STOP, TOOL, ClientAdapter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import Payload

SESSION = "CLAUDE_CODE_SESSION_ID"


class ClaudeCodeAdapter(ClientAdapter):
    client = "claude-code"
    title = "Claude Code"
    kinds = {
        "SessionStart": START,
        "UserPromptSubmit": PROMPT,
        "PostToolUse": TOOL,
        "PostToolUseFailure": TOOL,
        "PermissionRequest": ASKED,
        "Notification": ASKED,
        "Stop": STOP,
        "SessionEnd": END,
    }
    edits = frozenset(("Edit", "Write", "MultiEdit", "NotebookEdit"))

    def kind_of(self, event: str, payload: Payload) -> str:
        if event == "Notification" and text(payload, "notification_type") == "idle_prompt":
            return ""  # that nobody has typed for a minute after a turn blocks nothing
        return super().kind_of(event, payload)

    def is_foreign(self, payload: Payload, session_id: str, environ: Any) -> bool:
        """Return whether Copilot or Cursor runs this hook: they read Claude Code's settings, but only Claude Code sets
        its own variables.
        """
        if told := environ.get(SESSION):
            return bool(told != session_id)
        is_others = environ.get("COPILOT_CLI") or "cursor_version" in payload or "conversation_id" in payload
        return bool(is_others) or super().is_foreign(payload, session_id, environ)


DIALECT = ClaudeCodeAdapter()
