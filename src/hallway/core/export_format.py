"""The lines of an export: the fields of each kind of record, how they are written, and how they are checked.

Each line is a JSON object whose `record` names its kind; the first one, of the kind `hallway`, has the format's number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hallway.core.clock import EPOCH, parse_time, to_micros
from hallway.core.model import ADMIN, Message, Record, Task
from hallway.core.parameters import type_of
from hallway.core.schema import FieldType, Integer, Json, JsonObject, Text, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
HEADER = "hallway"  # the kind of the first line
TIMES = {
    "started_at",
    "status_since",
    "last_seen",
    "ended_at",
    "sent_at",
    "expires_at",
    "reply_by",
    "state_since",
    "asked_at",
    "due_at",
    "overdue_at",
    "turn_ended_at",
    "closed_at",
    "injected_at",
    "acknowledged_at",
    "created_at",
    "updated_at",
    "at",
}
JSON = {"capabilities", "metadata", "status_detail", "data", "tags", "value", "projects"}
COUNTERS = {"seq", "version", "last_version"}
NUMBERS = {"ttl_s", "digest", "reply_within", "times_gone"}
ANY_TEXT = Text(least=0, most=100_000, many_lines=True)
ANY_JSON = Json(size_bytes=1024 * 1024)
ANY_OBJECT = JsonObject(size_bytes=1024 * 1024)
NUMBER = Integer()
COUNTER = Integer(most=2**53)  # the bus adds to it, so it must be far below the largest number of the store
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)  # later times could not be added to, or read back


class RecordFormat:
    """The fields of one kind of record, with the types of core/parameters.py. A field marked with `?` may be null."""

    def __init__(self, noun: str, fields: str) -> None:
        self.noun = noun
        self.fields = tuple(field.rstrip("?") for field in fields.split())
        self._optional = {field[:-1] for field in fields.split() if field.endswith("?")}

    def show(self, columns: tuple[Any, ...]) -> dict[str, Any]:
        """Return a row as the fields of a line: times as datetimes, JSON columns decoded."""
        return {name: _shown(name, value) for name, value in zip(self.fields, columns, strict=True)}

    def read(self, line: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a line; raises InvalidInput or ValueError if a field is missing, unknown or invalid."""
        if missing := [field for field in self.fields if field not in line]:
            raise ValueError(f"the line has no {', '.join(missing)}")
        if unknown := [field for field in line if field not in self.fields]:
            raise ValueError(f"the line has an unknown field {unknown[0]!r}")
        return {name: self._read(name, line[name]) for name in self.fields}

    def _read(self, name: str, value: Any) -> Any:
        if value is None and name in self._optional:
            return None
        if name in TIMES:
            return _read_time(name, ANY_TEXT.check(name, value))
        checked = (COUNTER if name in COUNTERS else self._kind(name)).check(name, value)
        return encode(checked) if name in JSON else checked

    def _kind(self, name: str) -> FieldType:
        try:
            return type_of(self.noun, name)
        except LookupError:
            return NUMBER if name in NUMBERS else ANY_JSON if name in JSON else ANY_TEXT


def fields_of(record: type[Record]) -> str:
    """Return a record's fields in the words of `RecordFormat`."""
    return " ".join(
        f"{name}?" if annotation.endswith("| None") else name for name, annotation in record.__annotations__.items()
    )


class EventFormat(RecordFormat):
    """The fields of an event, checked less strictly: an event may concern any noun, any party, or no project."""

    def _kind(self, name: str) -> FieldType:
        return NUMBER if name in NUMBERS else ANY_OBJECT if name in JSON else ANY_TEXT


SHAPES = {
    "session": RecordFormat(
        "sessions",
        "session_id name name_base name_source agent_name agent_type project status reason? detail? status_since "
        "current_task? status_detail "
        "human_user? location? branch? capabilities metadata started_at last_seen ttl_s ended_at? end_reason? "
        "continued_by? principal?",
    ),
    "message": RecordFormat("messages", f"{fields_of(Message).removesuffix(' reply_by?')} idempotency_key? digest"),
    "delivery": RecordFormat("deliveries", "message_id recipient expires_at? injected_at? acknowledged_at?"),
    "request": RecordFormat(
        "requests",
        "message_id from_session to_session state state_since asked_at reply_within? reply_by? due_at? overdue_at? "
        "times_gone turn_ended_at? closed_at? answer_id?",
    ),
    "task": RecordFormat("tasks", f"{fields_of(Task)} address"),
    "memory": RecordFormat(
        "memory",
        "entry_id key type value version tags session_id project created_at expires_at? metadata",
    ),
    "memory_key": RecordFormat("memory", "project key last_version"),
    "token": RecordFormat("tokens", "name token_sha256 role projects? created_at expires_at?"),
    "event": EventFormat("events", "seq at kind project session_id? data"),
}


def _read_time(name: str, text: str) -> int:
    at = parse_time(text)
    if at >= END_OF_TIME:
        raise ValueError(f"{name} is {text}, but it must be before the year {END_OF_TIME.year}")
    return to_micros(at)


def _shown(name: str, value: Any) -> Any:
    if name in JSON:
        return None if value is None else decode(value)
    if name in TIMES and value is not None:
        return EPOCH + timedelta(microseconds=value)
    return value


def header(project: str | None) -> str:
    """Return the first line of an export."""
    return encode({"record": HEADER, "format": FORMAT, "project": project})


def show_line(record: str, columns: tuple[Any, ...]) -> str:
    """Return the line of a record whose columns came from the store."""
    return encode({"record": record, **SHAPES[record].show(columns)})


def read_line(line: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the kind and the columns of a line, or None for the first line of an export.

    Raises InvalidInput or ValueError if a bus cannot hold the record.
    """
    record = line.get("record")
    if record == HEADER:
        if line.get("format") != FORMAT:
            raise ValueError(f"the export has format {line.get('format')}, but this version reads {FORMAT}")
        return None
    if not isinstance(record, str) or record not in SHAPES:
        raise ValueError(f"the line is no record of a bus: {str(record)[:60]!r}")
    columns = SHAPES[record].read({name: value for name, value in line.items() if name != "record"})
    _check_together(record, columns)
    return record, columns


def _check_together(record: str, columns: dict[str, Any]) -> None:
    """Check the conditions between several columns of a row that the store requires."""
    if record == "session" and (columns["ended_at"] is None) != (columns["status"] != "offline"):
        raise ValueError("a session has ended exactly when its status is offline")
    if record == "token" and columns["role"] == ADMIN and columns["projects"] is not None:
        raise ValueError("an admin's token is for all projects")
    if record == "task":
        status, owner = columns["status"], columns["owner"]
        if (status == "offered" and (owner or not columns["offered_to"])) or (status == "accepted" and not owner):
            raise ValueError(f"a task that is {status} cannot have this owner and offered_to")
    if record == "memory" and columns["version"] < 1:
        raise ValueError("the version must be at least 1")
