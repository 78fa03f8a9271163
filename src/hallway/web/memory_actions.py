"""The actions of a person on memory entries: write one, and delete one, each only if nobody changed it meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hallway.core.errors import InvalidInput
from hallway.core.schema import quote_value
from hallway.services.memory import SharedMemory
from hallway.text.sanitize import sanitize
from hallway.web.actions import Action
from hallway.web.pages.memory import edit_again
from hallway.web.render import address

if TYPE_CHECKING:
    from hallway.core.model import MemoryEntry
    from hallway.web.site import Site

SET, DELETE = (SharedMemory.operations[name] for name in ("set", "delete"))


async def write_entry(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Write the next version of a memory entry, or a new entry."""
    entry: MemoryEntry = await site.ask(
        SET,
        session_id=site.person,
        key=fields.get("key", "").strip(),
        value=_value(fields),
        type=fields.get("type", "note"),
        tags=fields.get("tags", "").replace(",", " ").split(),
        expected_version=_version(fields),
        project=fields.get("project") or None,
    )
    return f"{sanitize(entry.key)} is at version {entry.version}.", address(
        "/page/entry", key=entry.key, project=entry.project
    )


async def delete_entry(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Delete a memory entry with all its versions."""
    key, project = fields.get("key", ""), fields.get("project") or None
    await site.ask(DELETE, key=key, project=project, expected_version=_version(fields))
    return f"{sanitize(key)} is deleted.", address("/page/memory", project=project)


def _value(fields: dict[str, str]) -> Any:
    """Return the value that a form has as text or as JSON."""
    text = fields.get("value", "").replace("\r\n", "\n")
    if fields.get("format") != "json":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the value is not JSON: {error}", hint="Correct it, or choose text") from None


def _version(fields: dict[str, str]) -> int:
    """Return the version that the person saw."""
    text = fields.get("expected_version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(f"{quote_value(text)} is no version", hint="Open the entry again")
    return int(text)


MEMORY_WRITES = (
    Action("/page/memory/set", write_entry, page="edit", again=edit_again),
    Action("/page/memory/delete", delete_entry),
)
