"""Import of `.sessions/`, the folder of JSON files that session managers before hallway used.

    active_sessions.json           sessions, by id or as a list
    messages/recent_messages.json  messages
    shared_memory/memory.json      memory entries, by key or id or as a list

Times without a zone are in UTC, and a `ttl` of 0 is no limit. Messages are imported as acknowledged, because the layout
does not record whether they were read; task offers become tasks. The versions of a key are numbered in the order of
their times. An id that a bus cannot hold, such as one with spaces, is percent-encoded wherever it stands, and a task of
several lines becomes one; the result notes both. A record with a secret is refused, as `send` would refuse it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.core.export_format import SHAPES
from hallway.core.model import EVERYBODY
from hallway.core.naming import LAST_RESORT, name_of_client
from hallway.core.parameters import TTL_DEFAULT_S, type_of
from hallway.core.schema import encode, is_control
from hallway.core.secret_scan import refuse_secret
from hallway.local.workspace import resolve_project
from hallway.transfer.export_import import Imported, import_records, malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hallway.bus.base import Bus
    from hallway.transfer.export_import import Line, Progress

SESSIONS = "active_sessions.json"
MESSAGES = os.path.join("messages", "recent_messages.json")
MEMORY = os.path.join("shared_memory", "memory.json")
WRAPPERS = ("sessions", "messages", "entries", "memory")
FOR_ALL = (None, "", EVERYBODY, "all", "broadcast")
IDS = {"session": "session_id", "message": "message_id", "memory": "entry_id"}
PARTY = type_of("memory", "session_id")
MAX_TASK = 1000


def import_folder(
    bus: Bus,
    folder: str,
    project: str | None = None,
    progress: Progress | None = None,
    *,
    allow_secret: bool = False,
) -> Imported:
    """Import a `.sessions/` folder into a project; the default is the project of the folder above it.

    If one of the files is not JSON, raises ImportInvalid and imports nothing. Other faulty records are refused, and
    the result reports them.
    """
    project = project or resolve_project(os.path.dirname(os.path.abspath(folder)))
    files = {name: _items(_read(os.path.join(folder, name))) for name in (SESSIONS, MESSAGES, MEMORY)}
    if not any(os.path.exists(os.path.join(folder, name)) for name in files):
        raise FileUnusable(f"{folder} has none of {', '.join(files)}")
    reader = _Reader(project, allow_secret=allow_secret)
    reader.each("session", files[SESSIONS], reader.session)
    reader.each("message", _by_time(files[MESSAGES]), reader.message)
    reader.add_tasks()
    reader.each("memory", _by_time(files[MEMORY]), reader.memory)
    outcome = import_records(bus, folder, reader.lines, progress, reader.refused)
    return outcome.replace(projects=[project], notes=list(dict.fromkeys(reader.notes)))


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

    def __init__(self, project: str, *, allow_secret: bool) -> None:
        self._project = project
        self._allow_secret = allow_secret
        self._tasks: dict[str, dict[str, Any]] = {}  # by the id of the message that made each
        self._task_of: dict[str | None, str] = {}  # by the id of each message about a task
        self._threads: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self.lines: list[Line] = []
        self.refused: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def each(
        self, record: str, items: list[Any], convert: Callable[[dict[str, Any]], Iterator[tuple[str, dict[str, Any]]]]
    ) -> None:
        for number, item in enumerate(items, 1):
            name = _name_of(record, number, item)
            try:
                if not isinstance(item, dict):
                    raise TypeError("the item is no JSON object")
                if not self._allow_secret:
                    refuse_secret("the record", item)
                made = [_checked(kind, fields) for kind, fields in convert(item)]
            except KeyError as error:
                self.refused.append((record, f"{name}: the field {error.args[0]} is missing"))
            except (InvalidInput, TypeError, ValueError, OverflowError) as error:
                self.refused.append((record, f"{name}: {error}"))
            else:
                self.lines += [(name, line) for line in made]

    def _id(self, old: Any) -> Any:
        """Return an id as a bus can hold it; one that is changed is noted."""
        if not isinstance(old, str) or not old:
            return old
        try:
            return PARTY.check("id", old)
        except InvalidInput:
            new = _escaped(old)
            self.notes.append(f"the id {old!r} is {new} on the bus")
            return new

    def _task_line(self, session_id: str, old: Any) -> Any:
        """Return what a session works on as one line that is not too long; a text that is changed is noted."""
        if not isinstance(old, str):
            return old
        line = " ".join(old.split()) if any(is_control(each) for each in old) else old
        line = line if len(line) <= MAX_TASK else f"{line[: MAX_TASK - 1]}…"
        if line != old:
            self.notes.append(f"the task of the session {session_id} is cut to one line of {len(line)} characters")
        return line

    def add_tasks(self) -> None:
        """Add the tasks that the messages made."""
        for name, task in self._tasks.items():
            self.lines.append((f"task {name}", _checked("task", task)))

    def _note_task(self, message: dict[str, Any], parent: str | None) -> str | None:
        """Keep what a message says of a task; return the task's id."""
        kind, sender, recipient = message["type"], message["from_session"], message["to_session"]
        message_id = str(message["message_id"])
        task_id = self._task_of.get(parent)
        if kind == "task_offer" or (kind == "handoff" and task_id is None):
            self._task_of[message_id] = message_id
            self._tasks[message_id] = {
                **{name: message[name] for name in ("project", "subject", "body", "data")},
                "task_id": message_id,
                "status": "offered" if kind == "task_offer" else "accepted",
                "address": recipient,
                "offered_by": sender,
                "offered_to": recipient,
                "owner": None if kind == "task_offer" else sender,
                "result": None,
                "created_at": message["sent_at"],
                "updated_at": message["sent_at"],
            }
            return message_id
        if task_id is None:
            return None
        self._task_of[message_id] = task_id
        task = self._tasks[task_id]
        is_first = kind == "task_accept" and task["status"] == "offered"
        if is_first or (kind == "task_accept" and task["offered_to"] in (sender, EVERYBODY)):
            task.update(status="accepted", owner=sender, offered_to=None, updated_at=message["sent_at"])
        elif kind == "handoff" and task["owner"] == sender:
            task.update(offered_to=recipient, updated_at=message["sent_at"])
        return task_id

    def session(self, old: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        started_at = _moment(old["started_at"])
        last_seen = _moment(old.get("last_ping") or old["started_at"])
        status = old.get("status") or "active"
        has_ended = status == "offline"
        name = name_of_client(str(old["agent_type"])) or LAST_RESORT
        yield (
            "session",
            {
                "session_id": self._id(old["session_id"]),
                "name": name,
                "name_base": name,
                "name_source": "hallway",
                "agent_name": old["agent_name"],
                "agent_type": old["agent_type"],
                "project": self._project,
                "status": status,
                "reason": None,
                "detail": None,
                "status_since": last_seen,
                "current_task": self._task_line(old["session_id"], old.get("current_task")),
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
        message_id, sent_at = self._id(old["message_id"]), _moment(old["timestamp"])
        to_session, parent = old.get("to_session"), self._id(old.get("in_reply_to"))
        recipient = EVERYBODY if to_session in FOR_ALL else self._id(to_session)
        thread_id = self._threads.get(parent, parent) if parent else message_id
        message = {
            "message_id": message_id,
            "seq": 0,
            "type": old["type"],
            "from_session": self._id(old["from_session"]),
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
        }
        SHAPES["message"].read(message)  # what is refused makes no task
        message["task_id"] = self._note_task(message, parent)
        yield "message", message
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
        expires_at = datetime.fromisoformat(created_at) + timedelta(seconds=ttl) if ttl else None
        version = self._versions.get(key, 0) + 1
        yield (
            "memory",
            {
                "entry_id": self._id(old["entry_id"]),
                "key": key,
                "type": old.get("type") or "state",
                "value": old["value"],
                "version": version,
                "tags": old.get("tags") or [],
                "session_id": self._id(old["session_id"]),
                "project": self._project,
                "created_at": created_at,
                "expires_at": expires_at.isoformat() if expires_at else None,
                "metadata": old.get("metadata") or {},
            },
        )
        self._versions[key] = version


def _checked(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a record's fields as a line of an export; raises InvalidInput or ValueError if a bus cannot store them."""
    SHAPES[kind].read(fields)
    return {"record": kind, **fields}


def _moment(value: Any) -> str:
    """Return a time as RFC 3339, from seconds since 1970 or text; one without a zone is in UTC."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{encode(value)[:60]} is not a time")
    at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _name_of(record: str, number: int, item: Any) -> str:
    """Return what a record is called in a report: its id, else its place in the file."""
    name = item.get(IDS[record]) if isinstance(item, dict) else None
    return f"{record} {name if isinstance(name, str) and name else f'number {number}'}"


def _escaped(text: str) -> str:
    """Return an id that a bus cannot hold, percent-encoded; one with a meaning of its own in its first character."""
    encoded = "".join(each if each.isprintable() and each not in " /%" else quote(each, safe="") for each in text)
    return encoded if encoded != text else f"%{ord(text[0]):02X}{text[1:]}"


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else encode(value)
