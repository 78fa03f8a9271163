"""OpenCode: its plugin (opencode.js) says what happened in hallway's own words and places the answer itself."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, END, NEWS, PROMPT, START, STOP, TOOL, ClientAdapter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import HookEvent, Payload


class OpenCodeAdapter(ClientAdapter):
    client = "opencode"
    title = "OpenCode"
    kinds = {kind: kind for kind in (START, PROMPT, TOOL, ASKED, STOP, END, NEWS)}
    asks_when_idle = True
    edits = frozenset(("edit", "write", "patch", "multiedit"))

    def files(self, payload: Payload) -> list[str]:
        told = payload.get("tool_input")
        if isinstance(told, dict) and isinstance(path := told.get("filePath"), str):
            told = {"file_path": path}
        return super().files({**payload, "tool_input": told})

    def show(self, moment: HookEvent, words: str) -> Payload:
        return {"text": words}

    def hold(self, moment: HookEvent, words: str) -> Payload:
        return {"prompt": words}


ADAPTER = OpenCodeAdapter()
