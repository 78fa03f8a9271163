"""Rendering of conflicts: a table, or one line after a change."""

from __future__ import annotations

from hallway.cli.render.parts import next_page, when_short
from hallway.cli.terminal import Column, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Conflict

COLUMNS = (
    Column("FILE", least=16),
    Column("SESSIONS", drop=1, least=12),
    Column("WHERE", drop=3, least=10),
    Column("MERGE", drop=2, least=8),
    Column("FOUND", drop=4),
    Column("CONFLICT"),
)


def conflicts(screen: Terminal, page: list[Conflict], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each conflict, the newest first."""
    if not page:
        return ["No two live sessions have written the same file within an hour."]
    rows = [
        (
            each.path,
            ", ".join(party.name or party.session_id for party in each.sessions),
            "one worktree" if each.kind == "same_worktree" else _branches(each),
            f"{each.merge or ''}{f' at {each.merge_lines}' if each.merge_lines else ''}",
            when_short(screen, each.found_at),
            each.conflict_id,
        )
        for each in page
    ]
    return [*table(screen, COLUMNS, rows), *next_page(page, arguments, "before", page[-1].seq)]


def settled(screen: Terminal, was_open: bool, arguments: dict[str, Any]) -> list[str]:
    """Return whether a conflict was settled by this call."""
    return ["Settled." if was_open else f"{arguments['conflict_id']} is no open conflict: it is settled or over."]


def _branches(each: Conflict) -> str:
    return " and ".join(party.branch or party.worktree for party in each.sessions)


RENDERERS: dict[str, Renderer] = {
    "list[Conflict]": conflicts,
    "bool": settled,
}
