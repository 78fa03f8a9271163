"""The offer to move memory from a repository's former project, for a search that finds nothing."""

from __future__ import annotations

from hallway.local.workspace import LocalWorkspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus


def offer_former_memory(bus: Bus, project: str | None) -> str | None:
    """Return a hint if the caller's project has no memory but its repository's former project has; else None.

    `project` is the project that was searched; None is the caller's.
    """
    here = bus.here
    if not isinstance(here, LocalWorkspace) or project not in (None, here.project):
        return None
    former = here.former_projects
    if not former or bus.stats(here.project).memory.total:
        return None
    for name in former:
        if count := bus.stats(name).memory.total:
            entries = "1 entry" if count == 1 else f"{count} entries"
            return (
                f"Nothing is stored for {here.project}. This repository's project was {name} before, with {entries}. "
                f"To move them: {move_command(name, here.project)}"
            )
    return None


def move_command(old_project: str, new_project: str) -> str:
    """Return the command that moves everything of a project."""
    from shlex import quote

    return f"hallway project move {quote(old_project)} {quote(new_project)}"
