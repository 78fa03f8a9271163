"""Gemini CLI: other names for the events, and its own word for a stop that must not be."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, EDIT, END, PROMPT, START, STOP, TOOL, ClientAdapter, is_typed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload
    from hallway.agents.turn_note import TurnNote

CONTEXT = "</hook_context>"
NO_ANSWER = "[no response text]"
TOOLS = {"exec": "Shell", "edit": "Edit", "mcp": "MCP tool"}  # what a permission's type means
JUST_NOW_S = 10.0


class GeminiAdapter(ClientAdapter):
    client = "gemini"
    title = "Gemini CLI"
    kinds = {
        "SessionStart": START,
        "BeforeAgent": PROMPT,
        "BeforeTool": EDIT,
        "AfterTool": TOOL,
        "Notification": ASKED,
        "AfterAgent": STOP,
        "SessionEnd": END,
    }
    edits = frozenset(("write_file", "replace", "edit"))
    shells = frozenset(("run_shell_command",))

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
        note = _note_of_end(payload) if answer == NO_ANSWER else None
        return (note.reason, note.detail) if note else (reason, _last_of(answer, payload))

    def asked_for(self, payload: Payload) -> tuple[str, str]:
        details = payload.get("details")
        details = details if isinstance(details, dict) else {}
        kind = text(details, "type")
        if kind == "ask_user":
            return "question", ""  # it does not say what it asks
        what = text(details, "command", "filePath", "toolName", "title") or text(payload, "message")
        return "permission", f"{TOOLS[kind]}: {what}" if kind in TOOLS else what

    def deny_edit(self, event: HookEvent, words: str) -> Payload:
        return {"decision": "deny", "reason": words}

    def warn_of_edit(self, event: HookEvent, words: str) -> Payload:
        """Return the answer for the person: before a tool Gemini CLI takes no context for its agent."""
        return {"systemMessage": words}

    def block_stop(self, event: HookEvent, words: str) -> Payload:
        return {"decision": "deny", "reason": words}


def _last_of(answer: str, payload: Payload) -> str:
    """Return the last text of the turn that just ended, of which the hook is told all texts in one."""
    from hallway.agents.clients.gemini.turn import last_answer

    return last_answer(text(payload, "transcript_path"), answer)


def _note_of_end(payload: Payload) -> TurnNote | None:
    """Return why the turn that just ended has no answer, as the conversation's file says; None if it does not."""
    from hallway.agents.clients.gemini.turn import last_end
    from hallway.core.clock import parse_time

    try:
        note = last_end(text(payload, "transcript_path"))
        ended_at = parse_time(text(payload, "timestamp")).timestamp()
    except ValueError:
        return None
    return note if note is not None and note.at > ended_at - JUST_NOW_S else None


ADAPTER = GeminiAdapter()
