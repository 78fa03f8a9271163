"""Rendering of memory entries, search results and versions."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, how_many, indented, next_page, when
from hallway.cli.terminal import Column, table
from hallway.core.schema import encode
from hallway.text.sanitize import sanitize
from hallway.text.style import LOOSE, age, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import MemoryEntry, MemoryHit

KEY = Column("KEY", least=12, is_precious=True)
VERSION = Column("V", drop=4)
TYPE = Column("TYPE", drop=2)
AUTHOR = Column("BY", drop=3, least=6)
AGE = Column("AGE", drop=1)
LINE = Column("", least=20, has_marks=True)
VALUE = Column("VALUE", least=20)


def findings(screen: Terminal, hits: list[MemoryHit], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each entry found, and the command that shows a whole entry."""
    if not hits:
        return ["No matching entries."]
    rows = [
        (
            each.key,
            each.type,
            str(each.version),
            screen.name_of(each.session_id),
            age(each.created_at, screen.now_s),
            each.line,
        )
        for each in hits
    ]
    lines = table(screen, (KEY, TYPE, VERSION, AUTHOR, AGE, LINE), rows)
    return [
        *([LOOSE] if any(each.is_loose for each in hits) else []),
        *lines,
        *next_page(hits, arguments, "after", f"'{hits[-1].cursor}'"),
        "The whole of one: hallway memory get KEY",
    ]


def entry(screen: Terminal, each: MemoryEntry, arguments: dict[str, Any]) -> list[str]:
    """Return an entry in full: its key, its other fields, then its value; to a pipe or a file, the value alone."""
    value = each.value if isinstance(each.value, str) else encode(each.value)
    lines = [*map(sanitize, value.splitlines() or [""])]
    if not screen.is_terminal:
        return lines
    facts = {
        "type": each.type,
        "tags": ", ".join(each.tags),
        "version": f"{each.version} by {screen.name_of(each.session_id)}, {when(screen, each.created_at)}",
        "expires": f"in {duration(each.expires_at.timestamp() - screen.now_s)}" if each.expires_at else None,
        "metadata": encode(each.metadata) if each.metadata else None,
    }
    return [*indented(screen, sanitize(each.key), "", "bold"), *fact_lines(screen, facts.items()), "", *lines]


def history(screen: Terminal, entries: list[MemoryEntry], arguments: dict[str, Any]) -> list[str]:
    """Return one line for each version of a key, newest first."""
    rows = [
        (
            str(each.version),
            each.type,
            screen.name_of(each.session_id),
            age(each.created_at, screen.now_s),
            encode(each.value),
        )
        for each in entries
    ]
    return table(screen, (VERSION, TYPE, AUTHOR, AGE, VALUE), rows) if rows else ["Nothing is remembered under it."]


def remembered(screen: Terminal, each: MemoryEntry, arguments: dict[str, Any]) -> list[str]:
    return [f"{sanitize(each.key)} is at version {each.version} in {sanitize(each.project)}"]


def forgotten(screen: Terminal, count: int, arguments: dict[str, Any]) -> list[str]:
    return [f"Forgot {how_many(count, 'version')}."]


RENDERERS: dict[str, Renderer] = {
    "MemoryEntry": entry,
    "list[MemoryEntry]": history,
    "list[MemoryHit]": findings,
    "set": remembered,
    "delete": forgotten,
    "clear_some": forgotten,
}
