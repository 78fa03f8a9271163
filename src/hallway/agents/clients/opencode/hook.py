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
        tool_input = payload.get("tool_input")
        if isinstance(tool_input, dict) and isinstance(path := tool_input.get("filePath"), str):
            tool_input = {"file_path": path}
        return super().files({**payload, "tool_input": tool_input})


ADAPTER = OpenCodeAdapter()
