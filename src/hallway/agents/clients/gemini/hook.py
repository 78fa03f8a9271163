"""Gemini CLI: other names for the events, and its own word for a stop that must not be."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, PROMPT, START, STOP, TOOL, ClientAdapter, is_typed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload

CONTEXT = "</hook_context>"


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

    def read(self, payload: Payload, event: str, environ: Any) -> HookEvent | None:
        moment = super().read(payload, event, environ)
        if moment and moment.prompt.startswith("<hook_context>"):  # what a hook said at the start stands before it
            moment.prompt = moment.prompt.rpartition(CONTEXT)[2].lstrip()
            moment.is_typed = moment.kind == PROMPT and is_typed(moment.prompt)
        return moment

    def reason_of(self, kind: str, event: str, payload: Payload) -> tuple[str, str]:
        reason, detail = super().reason_of(kind, event, payload)
        return reason, text(payload, "prompt_response") if kind == STOP else detail

    def asked_for(self, payload: Payload) -> tuple[str, str]:
        told = payload.get("details")
        details = told if isinstance(told, dict) else {}
        asks = "question" if text(details, "type") == "ask_user" else "permission"
        what = text(details, "command", "filePath", "toolName", "title")
        return asks, what or text(payload, "message")

    def hold(self, moment: HookEvent, words: str) -> Payload:
        return {"decision": "deny", "reason": words}


ADAPTER = GeminiAdapter()
