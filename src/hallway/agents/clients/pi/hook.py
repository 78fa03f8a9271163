"""pi: hallway's extension (extension.ts) reports what happens in hallway's own words and places the answer itself."""

from __future__ import annotations

from hallway.agents.hook.event import PluginAdapter


class PiAdapter(PluginAdapter):
    client = "pi"
    title = "pi"
    edits = frozenset(("edit", "write"))


ADAPTER = PiAdapter()
