"""Rendering of moves between projects."""

from __future__ import annotations

from shlex import quote

from hallway.cli.render.parts import in_numbers
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import ProjectMove

MAX_LISTED = 5


def moved(screen: Terminal, done: ProjectMove, arguments: dict[str, Any]) -> list[str]:
    """Return what was moved, what was not, and the next commands."""
    old, new = sanitize(done.old_project), sanitize(done.new_project)
    source, target = (new, old) if done.is_undo else (old, new)
    verb = "Would move" if done.is_dry_run else "Moved"
    back = " back" if done.is_undo else ""
    lines = [f"{verb}{back} from {source} to {target}: {in_numbers(done.moved.items()) or 'nothing'}."]
    if done.shared_total:
        listed = ", ".join(map(sanitize, done.shared_keys[:MAX_LISTED]))
        more = "" if done.shared_total <= MAX_LISTED else " and more"
        lines.append(f"Memory keys that both projects have stay in {source} ({done.shared_total}): {listed}{more}")
        lines.append(f"To read one: hallway memory get KEY --project {quote(source)}")
    if done.tokens:
        names = ", ".join(map(sanitize, done.tokens))
        lines.append(f"These tokens may not see {target}: {names}. To let them: hallway token create")
    if done.moved and not done.is_dry_run and not done.is_undo:
        lines.append(f"To take this back: hallway project move --undo {quote(old)} {quote(new)}")
    return lines


RENDERERS: dict[str, Renderer] = {"ProjectMove": moved}
