"""The memory page with its search, and the page of one entry with its history."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from hallway.core.errors import VersionConflict
from hallway.core.model import MEMORY_TYPES
from hallway.core.schema import to_builtins
from hallway.services.memory import SharedMemory
from hallway.web.render import lines

if TYPE_CHECKING:
    from hallway.core.errors import HallwayError
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
    projects = site.projects(query.get("project"))
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


async def edit(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the page on which a person edits an entry, or writes a new one."""
    project, key = query.get("project") or _busiest(site), query.get("key", "")
    if not key:
        new = {"key": "", "value": "", "format": "text", "type": "note", "tags": "", "expected_version": "0"}
        return {**_form(site, new), "fields": {**new, "project": project}}
    entry: MemoryEntry = await site.ask(GET, key=key, project=project or None)
    is_text = isinstance(entry.value, str)
    fields = {
        "key": entry.key,
        "value": entry.value if is_text else "\n".join(_lines(entry.value)),
        "format": "text" if is_text else "json",
        "type": entry.type,
        "tags": " ".join(entry.tags),
        "expected_version": str(entry.version),
        "project": entry.project,
    }
    return {**_form(site, fields), "fields": fields}


async def edit_again(site: Site, fields: dict[str, str], error: HallwayError) -> dict[str, Any]:
    """Return the data of the edit page after an error: what was entered and, after a conflict, how it differs.

    The person then decides: what is sent next replaces the version that the page shows now.
    """
    names = ("key", "value", "format", "type", "tags", "expected_version", "project")
    entered = {name: fields.get(name, "") for name in names}
    data = {**_form(site, entered), "fields": entered, "error": error}
    if not isinstance(error, VersionConflict):
        return data
    current = error.details["current"]
    entered["expected_version"] = str(current["version"] if current else 0)
    data["current"] = current
    data["names"] = await site.names_of([current["session_id"]] if current else [])
    data["changes"] = differences(_lines(current["value"]) if current else [], lines(entered["value"]).split("\n"))
    return data


def _form(site: Site, fields: dict[str, str]) -> dict[str, Any]:
    """Return the choices of the edit page's form."""
    return {
        "error": None,
        "current": None,
        "changes": [],
        "choices": {"project": site.projects(fields.get("project")), "type": list(MEMORY_TYPES)},
    }


def changes(before: MemoryEntry, after: MemoryEntry) -> list[dict[str, str]]:
    """Return the differences of two versions as lines: added (`+`), removed (`-`), context, and positions (`@`)."""
    return differences(_lines(before.value), _lines(after.value))


def differences(before: list[str], after: list[str]) -> list[dict[str, str]]:
    """Return the differences of two texts as lines, as `changes` does."""
    lines = difflib.unified_diff(before, after, n=CONTEXT, lineterm="")
    return [
        {"sign": "@", "text": text} if text.startswith("@@") else {"sign": text[0], "text": text[1:]}
        for text in list(lines)[2:]
    ]


def _lines(value: Any) -> list[str]:
    """Return a value's lines for the comparison: those of a text, or of indented JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=to_builtins)
    return lines(text).split("\n")
