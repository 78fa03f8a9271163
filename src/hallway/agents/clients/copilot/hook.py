"""Copilot CLI: camel case, no event's name in the payload (the command says it), and answers on the top level."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, PROMPT, START, STOP, TOOL, ClientAdapter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import HookEvent, Payload


class CopilotAdapter(ClientAdapter):
    client = "copilot"
    title = "Copilot CLI"
    kinds = {
        "sessionStart": START,
        "userPromptSubmitted": PROMPT,
        "postToolUse": TOOL,
        "notification": ASKED,
        "agentStop": STOP,
        "sessionEnd": END,
    }
    edits = frozenset(("create", "edit", "str_replace_editor", "write"))

    def kind_of(self, event_name: str, payload: Payload) -> str:
        asked = text(payload, "notification_type", "notificationType")
        if event_name == "notification" and "permission" not in asked and "elicitation" not in asked:
            return ""
        return super().kind_of(event_name, payload)

    def files(self, payload: Payload) -> list[str]:
        return super().files({"tool_name": payload.get("toolName"), "tool_input": payload.get("toolArgs")})

    def inject_context(self, event: HookEvent, words: str) -> Payload:
        return {"additionalContext": words}


ADAPTER = CopilotAdapter()
