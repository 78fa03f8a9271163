"""Rendering of what `hallway prune` removed."""

from __future__ import annotations

from hallway.cli.render.parts import in_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Pruned


def pruned(screen: Terminal, done: Pruned, arguments: dict[str, Any]) -> list[str]:
    return [f"Removed: {screen.paint(in_numbers(done.removed.items()), '')}" if done.removed else "Nothing to remove."]


RENDERERS: dict[str, Renderer] = {"Pruned": pruned}
