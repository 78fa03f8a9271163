"""OpenCode: its plugin (plugin.js) says what happened in hallway's own words and places the answer itself."""

from __future__ import annotations

from hallway.agents.hook.event import PluginAdapter, keeps_prompts_off, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import Payload

UNTITLED = ("New session - ", "Child session - ")  # with the time: what a session is called that has no title yet


class OpenCodeAdapter(PluginAdapter):
    client = "opencode"
    title = "OpenCode"
    edits = frozenset(("edit", "write", "patch", "apply_patch", "multiedit"))

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        """Return a session's title, which the model has made of the first prompt unless the person has changed it."""
        title = super().name_of(payload, session_id, environ)
        return "" if title.startswith(UNTITLED) or keeps_prompts_off(environ) else title

    def files(self, payload: Payload) -> list[str]:
        tool_input = payload.get("tool_input")
        if isinstance(tool_input, dict) and (patch := text(tool_input, "patchText")):
            from hallway.agents.hook.shell_command import patched_files

            return patched_files(patch)
        if isinstance(tool_input, dict) and isinstance(path := tool_input.get("filePath"), str):
            tool_input = {"file_path": path}
        return super().files({**payload, "tool_input": tool_input})


ADAPTER = OpenCodeAdapter()
