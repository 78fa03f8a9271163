"""Cursor: conversations for sessions, and a stop that is answered with the next thing to say."""

from __future__ import annotations

from hallway.agents.hook.event import EDIT, END, PROMPT, START, STOP, TOOL, ClientAdapter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload


class CursorAdapter(ClientAdapter):
    client = "cursor"
    title = "Cursor"
    kinds = {
        "sessionStart": START,
        "beforeSubmitPrompt": PROMPT,
        "preToolUse": EDIT,
        "postToolUse": TOOL,
        "afterFileEdit": TOOL,
        "stop": STOP,
        "sessionEnd": END,
    }
    edits = frozenset(("Write", "Edit", "MultiEdit", "StrReplace", "Delete", "NotebookEdit", "EditNotebook"))
    shells = frozenset(("Shell",))
    shows = (START, TOOL)

    def read(self, payload: Payload, event_name: str, environ: Any) -> HookEvent | None:
        roots = payload.get("workspace_roots")
        folder = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], str) else ""
        session_id = text(payload, "conversation_id", "session_id")
        event = super().read({"cwd": folder, **payload, "session_id": session_id}, event_name, environ)
        if event and event.kind == STOP:
            event.is_repeat = payload.get("loop_count") not in (None, 0)
        return event

    def reason_of(self, kind: str, event_name: str, payload: Payload) -> tuple[str, str]:
        ended = {"aborted": "interrupted", "error": "error"}.get(text(payload, "status"))
        return (ended, "") if kind == STOP and ended else super().reason_of(kind, event_name, payload)

    def files(self, payload: Payload) -> list[str]:
        path = text(payload, "file_path")
        return [path] if path else super().files(payload)

    def deny_edit(self, event: HookEvent, words: str) -> Payload:
        return {"permission": "deny", "user_message": words, "agent_message": words}

    def warn_of_edit(self, event: HookEvent, words: str) -> Payload:
        return {"permission": "allow", "agent_message": words}

    def inject_context(self, event: HookEvent, words: str) -> Payload:
        return {"additional_context": words}

    def block_stop(self, event: HookEvent, words: str) -> Payload:
        return {"followup_message": words}


ADAPTER = CursorAdapter()
