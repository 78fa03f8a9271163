"""OpenCode: its plugin (plugin.js) says what happened in hallway's own words and places the answer itself."""

from __future__ import annotations

from hallway.agents.hook.event import PluginAdapter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import Payload


class OpenCodeAdapter(PluginAdapter):
    client = "opencode"
    title = "OpenCode"
    edits = frozenset(("edit", "write", "patch", "multiedit"))

    def files(self, payload: Payload) -> list[str]:
        told = payload.get("tool_input")
        if isinstance(told, dict) and isinstance(path := told.get("filePath"), str):
            told = {"file_path": path}
        return super().files({**payload, "tool_input": told})


ADAPTER = OpenCodeAdapter()
