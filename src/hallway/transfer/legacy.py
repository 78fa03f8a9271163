"""Import of `.sessions/`, the folder of JSON files that session managers before hallway used.

    active_sessions.json           sessions, by id or as a list
    messages/recent_messages.json  messages
    shared_memory/memory.json      memory entries, by key or id or as a list

Times without a zone are in this machine's time zone. Messages are imported as acknowledged, because the layout does not
record whether they were read. The versions of a key are numbered in the order of their times.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.core.model import EVERYBODY
from hallway.core.parameters import TTL_DEFAULT_S
from hallway.core.schema import encode
from hallway.local.workspace import resolve_project
from hallway.transfer.export_import import SHAPES, Imported, import_records, malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hallway.bus.base import Bus
    from hallway.transfer.export_import import Line, Progress

SESSIONS = "active_sessions.json"
MESSAGES = os.path.join("messages", "recent_messages.json")
MEMORY = os.path.join("shared_memory", "memory.json")
WRAPPERS = ("sessions", "messages", "entries", "memory")
FOR_ALL = (None, "", EVERYBODY, "all", "broadcast")


def import_folder(bus: Bus, folder: str, project: str | None = None, progress: Progress | None = None) -> Imported:
    """Import a `.sessions/` folder into a project; the default is the project of the folder above it.

    If one of the files is not JSON, raises ImportInvalid and imports nothing. Other faulty records are refused, and
    the result reports them.
    """
    project = project or resolve_project(os.path.dirname(os.path.abspath(folder)))
    files = {name: _items(_read(os.path.join(folder, name))) for name in (SESSIONS, MESSAGES, MEMORY)}
    if not any(os.path.exists(os.path.join(folder, name)) for name in files):
        raise FileUnusable(f"{folder} has none of {', '.join(files)}")
    reader = _Reader(project)
    reader.each("session", files[SESSIONS], reader.session)
    reader.each("message", _by_time(files[MESSAGES]), reader.message)
    reader.each("memory", _by_time(files[MEMORY]), reader.memory)
    return import_records(bus, reader.lines, progress, reader.refused)


def _read(path: str) -> Any:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise malformed(path, error.lineno, error.msg) from None
    except (ValueError, RecursionError) as error:
        raise malformed(path, 1, str(error)) from None


def _items(content: Any) -> list[Any]:
    """Return the items of a file that holds a list, an object of objects, or one of these inside a wrapper object."""
    if isinstance(content, dict):
        wrapped = [content[name] for name in WRAPPERS if isinstance(content.get(name), list | dict)]
        return _items(wrapped[0]) if wrapped else list(content.values())
    return content if isinstance(content, list) else [content]


def _by_time(items: list[Any]) -> list[Any]:
    def time_of(item: Any) -> str:
        try:
            return _moment(item["timestamp"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return ""

    return sorted(items, key=time_of)


class _Reader:
    """Converts older records into lines of an import, and collects the records that it must refuse."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._threads: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self.lines: list[Line] = []
        self.refused: list[tuple[str, str]] = []

    def each(
        self, record: str, items: list[Any], convert: Callable[[dict[str, Any]], Iterator[tuple[str, dict[str, Any]]]]
    ) -> None:
        for number, item in enumerate(items, 1):
            try:
                if not isinstance(item, dict):
                    raise TypeError("the item is no JSON object")
                made = [(kind, SHAPES[kind].read(fields)) for kind, fields in convert(item)]
            except KeyError as error:
                self.refused.append((record, f"{record} {number}: the field {error.args[0]} is missing"))
            except (InvalidInput, TypeError, ValueError, OverflowError) as error:
                self.refused.append((record, f"{record} {number}: {error}"))
            else:
                self.lines += [(number, kind, columns) for kind, columns in made]

    def session(self, old: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        started_at = _moment(old["started_at"])
        last_seen = _moment(old.get("last_ping") or old["started_at"])
        status = old.get("status") or "active"
        has_ended = status == "offline"
        yield (
            "session",
            {
                "session_id": old["session_id"],
                "agent_name": old["agent_name"],
                "agent_type": old["agent_type"],
                "project": self._project,
                "status": status,
                "reason": None,
                "detail": None,
                "status_since": last_seen,
                "current_task": old.get("current_task"),
                "status_detail": None,
                "human_user": old.get("human_user"),
                "location": _text(old.get("location")),
                "branch": None,
                "capabilities": old.get("capabilities") or [],
                "metadata": old.get("metadata") or {},
                "started_at": started_at,
                "last_seen": last_seen,
                "ttl_s": TTL_DEFAULT_S,
                "ended_at": last_seen if has_ended else None,
                "end_reason": "ended" if has_ended else None,
                "continued_by": None,
                "principal": None,
            },
        )

    def message(self, old: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        message_id, sent_at = old["message_id"], _moment(old["timestamp"])
        to_session, parent = old.get("to_session"), old.get("in_reply_to")
        recipient = EVERYBODY if to_session in FOR_ALL else to_session
        thread_id = self._threads.get(parent, parent) if parent else message_id
        yield (
            "message",
            {
                "message_id": message_id,
                "seq": 0,
                "type": old["type"],
                "from_session": old["from_session"],
                "to_session": recipient,
                "project": self._project,
                "subject": old.get("subject") or "",
                "body": _text(old.get("body")) or "",
                "data": old.get("data") or {},
                "priority": "normal",
                "in_reply_to": parent or None,
                "thread_id": thread_id,
                "task_id": None,
                "sent_at": sent_at,
                "expires_at": None,
                "idempotency_key": None,
                "digest": 0,
            },
        )
        self._threads[message_id] = thread_id
        if recipient != EVERYBODY:
            yield (
                "delivery",
                {
                    "message_id": message_id,
                    "recipient": recipient,
                    "expires_at": None,
                    "injected_at": None,
                    "acknowledged_at": sent_at,
                },
            )

    def memory(self, old: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        key, ttl = old["key"], old.get("ttl")
        created_at = _moment(old["timestamp"])
        expires_at = datetime.fromisoformat(created_at) + timedelta(seconds=ttl) if ttl is not None else None
        version = self._versions.get(key, 0) + 1
        yield (
            "memory",
            {
                "entry_id": old["entry_id"],
                "key": key,
                "type": old.get("type") or "state",
                "value": old["value"],
                "version": version,
                "tags": old.get("tags") or [],
                "session_id": old["session_id"],
                "project": self._project,
                "created_at": created_at,
                "expires_at": expires_at.isoformat() if expires_at else None,
                "metadata": old.get("metadata") or {},
            },
        )
        self._versions[key] = version


def _moment(value: Any) -> str:
    """Return a time as RFC 3339, from seconds since 1970 or text with or without a zone."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{encode(value)[:60]} is not a time")
    at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    return at.astimezone(UTC).isoformat()


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else encode(value)
