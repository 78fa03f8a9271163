"""Gemini CLI: other names for the events, and its own word for a stop that must not be."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, PROMPT, START, STOP, TOOL, ClientAdapter, is_typed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload

CONTEXT = "</hook_context>"
NO_ANSWER = "[no response text]"
JUST_NOW_S = 10.0


class GeminiAdapter(ClientAdapter):
    client = "gemini"
    title = "Gemini CLI"
    kinds = {
        "SessionStart": START,
        "BeforeAgent": PROMPT,
        "AfterTool": TOOL,
        "Notification": ASKED,
        "AfterAgent": STOP,
        "SessionEnd": END,
    }
    edits = frozenset(("write_file", "replace", "edit"))

    def read(self, payload: Payload, event_name: str, environ: Any) -> HookEvent | None:
        event = super().read(payload, event_name, environ)
        if event and event.prompt.startswith("<hook_context>"):  # what a hook said at the start stands before it
            event.prompt = event.prompt.rpartition(CONTEXT)[2].lstrip()
            event.is_typed = event.kind == PROMPT and is_typed(event.prompt)
        return event

    def reason_of(self, kind: str, event_name: str, payload: Payload) -> tuple[str, str]:
        reason, detail = super().reason_of(kind, event_name, payload)
        if kind != STOP:
            return reason, detail
        answer = text(payload, "prompt_response")
        return ("interrupted", "") if answer == NO_ANSWER and _is_cancelled(payload) else (reason, answer)

    def asked_for(self, payload: Payload) -> tuple[str, str]:
        details = payload.get("details")
        details = details if isinstance(details, dict) else {}
        asks = "question" if text(details, "type") == "ask_user" else "permission"
        what = text(details, "command", "filePath", "toolName", "title")
        return asks, what or text(payload, "message")

    def block_stop(self, event: HookEvent, words: str) -> Payload:
        return {"decision": "deny", "reason": words}


def _is_cancelled(payload: Payload) -> bool:
    """Return whether the person has cancelled the turn that just ended, by the conversation's file."""
    from hallway.agents.clients.gemini.turn import cancelled
    from hallway.core.clock import parse_time

    try:
        note = cancelled(text(payload, "transcript_path"))
        ended_at = parse_time(text(payload, "timestamp")).timestamp()
    except ValueError:
        return False
    return note is not None and note.at > ended_at - JUST_NOW_S


ADAPTER = GeminiAdapter()
