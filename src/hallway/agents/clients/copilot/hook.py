"""Copilot CLI: camel case, no event's name in the payload (the command says it), and answers on the top level."""

from __future__ import annotations

import os

from hallway.agents.hook.event import ASKED, EDIT, END, PROMPT, START, STOP, TOOL, ClientAdapter, question_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import HookEvent, Payload


class CopilotAdapter(ClientAdapter):
    client = "copilot"
    title = "Copilot CLI"
    kinds = {
        "sessionStart": START,
        "userPromptSubmitted": PROMPT,
        "preToolUse": EDIT,
        "postToolUse": TOOL,
        "notification": ASKED,
        "agentStop": STOP,
        "sessionEnd": END,
    }
    edits = frozenset(("create", "edit", "str_replace_editor", "write"))
    shells = frozenset(("bash",))

    def kind_of(self, event_name: str, payload: Payload) -> str:
        asked = text(payload, "notification_type", "notificationType")
        if event_name == "notification" and "permission" not in asked and "elicitation" not in asked:
            return ""
        return super().kind_of(event_name, payload)

    def reason_of(self, kind: str, event_name: str, payload: Payload) -> tuple[str, str]:
        reason, detail = super().reason_of(kind, event_name, payload)
        if kind != STOP:
            return reason, detail
        from hallway.agents.clients.copilot.turn import last_answer

        return reason, last_answer(text(payload, "sessionId"), os.environ)

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        from hallway.agents.clients.copilot.title import read_title

        return read_title(session_id, environ)

    def asked_for(self, payload: Payload) -> tuple[str, str]:
        reason, detail = super().asked_for(payload)
        if reason != "question":
            return reason, detail
        from hallway.agents.clients.copilot.turn import last_question

        return reason, question_of(last_question(text(payload, "sessionId"), os.environ)) or detail

    def files(self, payload: Payload) -> list[str]:
        return super().files(_with_usual_names(payload))

    def command(self, payload: Payload) -> str:
        return super().command(_with_usual_names(payload))

    def deny_edit(self, event: HookEvent, words: str) -> Payload:
        return {"permissionDecision": "deny", "permissionDecisionReason": words}

    def inject_context(self, event: HookEvent, words: str) -> Payload:
        return {"additionalContext": words}

    def warn_of_edit(self, event: HookEvent, words: str) -> Payload:
        return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "additionalContext": words}}


def _with_usual_names(payload: Payload) -> Payload:
    return {"tool_name": payload.get("toolName"), "tool_input": payload.get("toolArgs")}


ADAPTER = CopilotAdapter()
