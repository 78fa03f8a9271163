"""The memory page with its search, and the page of one entry with its history."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from hallway.core.model import MEMORY_TYPES
from hallway.core.schema import to_builtins
from hallway.services.memory import SharedMemory
from hallway.web.render import lines

if TYPE_CHECKING:
    from hallway.core.model import MemoryEntry
    from hallway.web.site import Site

FIND = SharedMemory.operations["find"]
GET = SharedMemory.operations["get_entry"]
HISTORY = SharedMemory.operations["get_all"]

ENTRIES = 100
VERSIONS = 30
CONTEXT = 3  # unchanged lines around a change


async def memory(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the memory page: a project's entries, the best match of a search first, else the newest."""
    projects = sorted({*site.activity.projects, *filter(None, [query.get("project")])})
    wanted = {name: query.get(name, "") for name in ("q", "type", "tag")}
    wanted["project"] = query.get("project") or _busiest(site)
    hits = await site.ask(
        FIND,
        query=wanted["q"] or None,
        project=wanted["project"] or None,
        limit=ENTRIES,
        type=wanted["type"] or None,
        tags=[wanted["tag"]] if wanted["tag"] else None,
        after=query.get("after") or None,
    )
    return {
        "filters": wanted,
        "is_filtered": bool(wanted["q"] or wanted["type"] or wanted["tag"]),
        "choices": {"project": projects, "type": list(MEMORY_TYPES)},
        "entries": hits,
        "names": await site.names_of(hits),
        "older": hits[-1].cursor if len(hits) == ENTRIES else None,
    }


def _busiest(site: Site) -> str:
    """Return the project with the most events, for a request that names no project."""
    most = site.activity.projects.most_common(1)
    seen = site.principal.projects if site.principal else None
    return most[0][0] if most else min(seen or {""})


async def entry(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of an entry's page: its value, author, and the changes of each version."""
    project, key = query.get("project") or _busiest(site) or None, query.get("key", "")
    newest: MemoryEntry = await site.ask(GET, key=key, project=project)
    kept: list[MemoryEntry] = await site.ask(HISTORY, key=key, project=project, limit=VERSIONS)
    older: list[MemoryEntry | None] = [*kept[1:], None]
    return {
        "entry": newest,
        "names": await site.names_of([newest, *kept]),
        "versions": [
            {"entry": each, "changes": changes(before, each) if before else None}
            for each, before in zip(kept, older, strict=True)
        ],
        "has_more": bool(kept) and kept[-1].version > 1 and len(kept) == VERSIONS,
    }


def changes(before: MemoryEntry, after: MemoryEntry) -> list[dict[str, str]]:
    """Return the differences of two versions as lines: added (`+`), removed (`-`), context, and positions (`@`)."""
    lines = difflib.unified_diff(_lines(before.value), _lines(after.value), n=CONTEXT, lineterm="")
    return [
        {"sign": "@", "text": text} if text.startswith("@@") else {"sign": text[0], "text": text[1:]}
        for text in list(lines)[2:]
    ]


def _lines(value: Any) -> list[str]:
    """Return a value's lines for the comparison: those of a text, or of indented JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=to_builtins)
    return lines(text).split("\n")
