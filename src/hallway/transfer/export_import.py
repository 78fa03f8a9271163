"""Export and import: a whole bus, or one project of it, as JSON Lines.

A line is one session, message, delivery, task, memory entry or event with all its fields; `record` says which. Ids,
times, versions and authors stay as they were. An import adds what is not there and changes nothing that is, so
running it twice is running it once, and it tells what it could not take. The record and the messages go on from where
the bus has got to: a `seq` that is taken already becomes a new one at the end, so that no reader who has passed it
misses anything (E1, M4). A file is read through before anything of it is written.

It works on the bus's own file, not through a hub.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hallway.bus.local import LocalBus
from hallway.core.clock import parse_moment, to_micros
from hallway.core.errors import FileUnusable, HallwayError, ImportInvalid, UnsupportedUrl
from hallway.core.model import MemoryEntry, Record
from hallway.core.parameters import type_of
from hallway.core.schema import FieldType, Integer, Json, JsonObject, Text, decode, encode
from hallway.core.topics import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hallway.bus.base import Bus
    from hallway.store import Row

    Line = tuple[int, str, dict[str, Any]]  # a line's number, its record and its columns as the store has them
    Progress = Callable[[int], object]

FORMAT = 1
PAGE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = {
    "started_at",
    "last_seen",
    "ended_at",
    "sent_at",
    "expires_at",
    "injected_at",
    "acknowledged_at",
    "created_at",
    "updated_at",
    "at",
}
JSON = {"capabilities", "metadata", "status_detail", "data", "tags", "value"}
NUMBERS = {"seq", "ttl_s", "version", "last_version", "digest"}
ANY_TEXT = Text(least=0, most=100_000, many_lines=True)
ANY_JSON = Json(size_bytes=1024 * 1024)
ANY_OBJECT = JsonObject(size_bytes=1024 * 1024)
NUMBER = Integer()


class RecordFormat:
    """The fields of one record: their kinds are the vocabulary's own; one with a question mark may be null."""

    def __init__(self, noun: str, fields: str) -> None:
        self.noun = noun
        self.fields = tuple(field.rstrip("?") for field in fields.split())
        self._optional = {field[:-1] for field in fields.split() if field.endswith("?")}

    def show(self, columns: Row) -> dict[str, Any]:
        """Return a row as a line says it: times as RFC 3339, JSON as itself."""
        return {name: _shown(name, value) for name, value in zip(self.fields, columns, strict=True)}

    def read(self, line: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a line; raises InvalidInput or ValueError for what this record cannot hold."""
        if missing := [field for field in self.fields if field not in line]:
            raise ValueError(f"it has no {', '.join(missing)}")
        if unknown := [field for field in line if field not in self.fields]:
            raise ValueError(f"it has an unknown field {unknown[0]!r}")
        return {name: self._read(name, line[name]) for name in self.fields}

    def _read(self, name: str, value: Any) -> Any:
        if value is None and name in self._optional:
            return None
        if name in TIMES:
            return to_micros(parse_moment(ANY_TEXT.check(name, value)))
        checked = self._kind(name).check(name, value)
        return encode(checked) if name in JSON else checked

    def _kind(self, name: str) -> FieldType:
        try:
            return type_of(self.noun, name)
        except KeyError:
            return NUMBER if name in NUMBERS else ANY_JSON if name in JSON else ANY_TEXT


class EventFormat(RecordFormat):
    """An event tells of any noun and of any party, or of no project at all."""

    def _kind(self, name: str) -> FieldType:
        return NUMBER if name in NUMBERS else ANY_OBJECT if name in JSON else ANY_TEXT


SHAPES = {
    "session": RecordFormat(
        "sessions",
        "session_id agent_name agent_type project status current_task? status_detail human_user? location? branch? "
        "capabilities metadata started_at last_seen ttl_s ended_at? end_reason?",
    ),
    "message": RecordFormat(
        "messages",
        "message_id seq type from_session to_session project subject body data priority in_reply_to? thread_id "
        "task_id? sent_at expires_at? idempotency_key? digest",
    ),
    "delivery": RecordFormat("deliveries", "message_id recipient expires_at? injected_at? acknowledged_at?"),
    "task": RecordFormat(
        "tasks",
        "task_id project subject body data status address offered_by offered_to? owner? result? created_at updated_at",
    ),
    "memory": RecordFormat(
        "memory",
        "entry_id key type value version tags session_id project created_at expires_at? metadata",
    ),
    "memory_key": RecordFormat("memory", "project key last_version"),
    "event": EventFormat("events", "seq at kind project session_id? data"),
}


class Imported(Record):
    """What came of an import: how many of each record were taken, were there before, and could not be taken, and why.

    Of the reasons the first hundred are told.
    """

    taken: dict[str, int]
    there: dict[str, int]
    refused: dict[str, int]
    reasons: list[str]


# -- export -----------------------------------------------------------------------------------------------------------


def export_lines(bus: Bus, project: str | None = None, progress: Progress | None = None) -> Iterator[str]:
    """Yield the bus as JSON Lines, or one project of it, all of the same instant."""
    local = _local(bus)
    yield encode({"record": "hallway", "format": FORMAT, "project": project})
    count = 0
    with local.store.read():
        for record in ("session", "message", "task", "memory", "memory_key", "event"):
            for line in _records(local, record, project):
                yield line
                count += 1
                if progress and count % PAGE == 0:
                    progress(count)


def count_records(bus: Bus, project: str | None = None) -> int:
    """Estimate how many lines an export will have; memory counts keys, not versions."""
    return int(_local(bus).store.rows("transfer.count", project=project)[0][0])


def _records(bus: LocalBus, record: str, project: str | None) -> Iterator[str]:
    after = 0
    now = {"now": bus.store.now} if record.startswith("memory") else {}
    while rows := bus.store.rows(f"transfer.read_{record}", after=after, project=project, limit=PAGE, **now):
        for after, *columns in rows:
            yield _line(record, tuple(columns))
            if record == "message":
                yield from (_line("delivery", row) for row in bus.store.rows("transfer.read_deliveries", seq=after))


def _line(record: str, columns: Row) -> str:
    return encode({"record": record, **SHAPES[record].show(columns)})


def _shown(name: str, value: Any) -> Any:
    if name in JSON:
        return decode(value)
    if name in TIMES and value is not None:
        return EPOCH + timedelta(microseconds=value)
    return value


# -- import -----------------------------------------------------------------------------------------------------------


def import_file(bus: Bus, path: str, progress: Progress | None = None) -> Imported:
    """Take over an export; raises ImportInvalid, and takes nothing, where a line of it is malformed."""
    for _ in _lines(path):
        pass  # the first reading is for errors
    return import_records(bus, _lines(path), progress)


def import_records(
    bus: Bus, lines: Iterable[Line], progress: Progress | None = None, told: Iterable[tuple[str, str]] = ()
) -> Imported:
    """Add records that are not there, a thousand to a transaction, so that nobody waits long for the lock.

    `told` are records that were refused before, and why.
    """
    receiver = _Receiver(_local(bus))
    for record, why in told:
        receiver.refuse(record, why)
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == PAGE:
            receiver.take(batch)
            if progress:
                progress(receiver.count)
            batch = []
    receiver.take(batch)
    return receiver.outcome()


def _lines(path: str) -> Iterator[Line]:
    """Yield the lines of an export, checked."""
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield from _checked(path, number, raw)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None


def _checked(path: str, number: int, raw: bytes) -> Iterator[Line]:
    try:
        line = decode(raw.decode())
        if not isinstance(line, dict):
            raise ValueError("it is no JSON object")
        record = line.pop("record", None)
        if record == "hallway":
            if line.get("format") != FORMAT:
                raise ValueError(f"it is of the format {line.get('format')}, this hallway reads {FORMAT}")
        elif record in SHAPES:
            columns = SHAPES[record].read(line)
            _check_together(record, columns)
            yield number, record, columns
        else:
            raise ValueError(f"it is no record of a bus: {str(record)[:60]!r}")
    except (ValueError, HallwayError) as error:
        raise malformed(path, number, str(error)) from None


def malformed(path: str, number: int, reason: str) -> ImportInvalid:
    """Return the error for a file of which nothing was taken."""
    return ImportInvalid(f"{path}, line {number}: {reason}", file=path, line=number, reason=reason)


def _check_together(record: str, columns: dict[str, Any]) -> None:
    """Check what the store holds true between the columns of a row."""
    if record == "session" and (columns["ended_at"] is None) != (columns["status"] != "offline"):
        raise ValueError("a session has ended exactly when its status is offline")
    if record == "task":
        status, owner = columns["status"], columns["owner"]
        if (status == "offered" and (owner or not columns["offered_to"])) or (status == "accepted" and not owner):
            raise ValueError(f"a task that is {status} cannot have this owner and offered_to")
    if record == "memory" and columns["version"] < 1:
        raise ValueError("versions begin with 1")


class _Receiver:
    """Adds records to a bus and counts what came of them."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._store = bus.store
        self._counts: dict[str, dict[str, int]] = {"taken": {}, "there": {}, "refused": {}}
        self._reasons: list[str] = []
        self._known_events: set[Row] | None = None
        self.count = 0

    def take(self, batch: list[Line]) -> None:
        if not batch:
            return
        with self._bus.transaction():
            for number, record, columns in batch:
                what, why = getattr(self, f"_{record}")(columns)
                counts = self._counts[what]
                counts[record] = counts.get(record, 0) + 1
                if why and len(self._reasons) < 100:
                    self._reasons.append(f"line {number}: {why}")
        self.count += len(batch)

    def outcome(self) -> Imported:
        return Imported.of((*self._counts.values(), self._reasons))

    def refuse(self, record: str, why: str) -> None:
        """Count something that never became a line."""
        refused = self._counts["refused"]
        refused[record] = refused.get(record, 0) + 1
        self._reasons.append(why)

    def _add(self, record: str, columns: dict[str, Any]) -> bool:
        return bool(self._store.rows(f"transfer.add_{record}", **columns))

    def _session(self, columns: dict[str, Any]) -> tuple[str, str]:
        return ("taken" if self._add("session", columns) else "there"), ""

    def _task(self, columns: dict[str, Any]) -> tuple[str, str]:
        return ("taken" if self._add("task", columns) else "there"), ""

    def _message(self, columns: dict[str, Any]) -> tuple[str, str]:
        if self._store.one("transfer.has_message", message_id=columns["message_id"]):
            return "there", ""
        if self._add("message", {**columns, "seq": self._free_seq("messages", columns["seq"])}):
            return "taken", ""
        return "refused", f"{columns['from_session']} has sent another message with the key of {columns['message_id']}"

    def _delivery(self, columns: dict[str, Any]) -> tuple[str, str]:
        if self._add("delivery", columns):
            return "taken", ""
        if self._store.one("transfer.has_message", message_id=columns["message_id"]):
            return "there", ""
        return "refused", f"there is no message {columns['message_id']}"

    def _memory(self, columns: dict[str, Any]) -> tuple[str, str]:
        at, until = columns["created_at"], columns["expires_at"]
        values = {name: decode(value) if name in JSON else value for name, value in columns.items()}
        entry = MemoryEntry.of(tuple(values[name] for name in MemoryEntry._fields))
        what = self._bus.memory.restore(entry, at, until)
        if what in ("taken", "there"):
            return what, ""
        why = "it has expired" if what == "expired" else "this bus has another entry there, and keeps it"
        return "refused", f"version {entry.version} of {entry.key!r}: {why}"

    def _memory_key(self, columns: dict[str, Any]) -> tuple[str, str]:
        return ("taken" if self._bus.memory.restore_count(**columns) else "there"), ""

    def _event(self, columns: dict[str, Any]) -> tuple[str, str]:
        seq = self._free_seq("events", columns["seq"])
        if seq is None and self._is_known(columns):
            return "there", ""
        self._add("event", {**columns, "seq": seq})
        self._bus.changed_topics.add(EVENTS)
        return "taken", ""

    def _free_seq(self, table: str, seq: int) -> int | None:
        """Return a seq that nobody can have read past, or None: a new one at the end."""
        row = self._store.one("transfer.last_seq", table=table)
        return seq if seq > (row[0] if row else 0) else None

    def _is_known(self, columns: dict[str, Any]) -> bool:
        event = tuple(columns[name] for name in ("at", "kind", "project", "session_id", "data"))
        if self._store.one("transfer.event_at", seq=columns["seq"]) == event:
            return True
        if self._known_events is None:
            self._known_events = set()
            after = 0
            while rows := self._store.rows("transfer.read_event", after=after, project=None, limit=PAGE):
                self._known_events |= {row[2:] for row in rows}
                after = rows[-1][0]
        if event in self._known_events:
            return True
        self._known_events.add(event)
        return False


def _local(bus: Bus) -> LocalBus:
    if not isinstance(bus, LocalBus):
        raise UnsupportedUrl(
            "export and import work on the bus's own file, not through a hub",
            hint="Run it where the hub runs, without HALLWAY_URL",
        )
    return bus
