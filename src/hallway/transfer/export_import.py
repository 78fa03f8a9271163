"""Export and import of a whole bus, or of one project, as JSON Lines.

Each line is one session, message, delivery, task, memory entry or event with all its fields; `record` names the kind.
Ids, times, versions and authors are kept. An import adds missing records and does not change existing ones, so running
it twice has the same result as running it once. It reports the records that it refused. An event or message whose `seq`
the bus has already passed gets a new `seq` at the end, so that no reader misses it (E1, M4). The whole file is checked
before anything is written.

Export and import work on a local bus only, not through a hub.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hallway.bus.local import LocalBus
from hallway.core.clock import parse_moment, to_micros
from hallway.core.errors import FileUnusable, HallwayError, ImportInvalid, UnsupportedUrl
from hallway.core.model import ADMIN, MemoryEntry, Message, Record, Task
from hallway.core.parameters import type_of
from hallway.core.schema import FieldType, Integer, Json, JsonObject, Text, decode, encode
from hallway.core.topics import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hallway.bus.base import Bus
    from hallway.store import Row

    Line = tuple[
        int | str, str, dict[str, Any]
    ]  # the line's number or the record's name, the kind of record, and the columns in the store's form
    Progress = Callable[[int], object]

FORMAT = 1
PAGE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = {
    "started_at",
    "status_since",
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
JSON = {"capabilities", "metadata", "status_detail", "data", "tags", "value", "projects"}
NUMBERS = {"seq", "ttl_s", "version", "last_version", "digest"}
ANY_TEXT = Text(least=0, most=100_000, many_lines=True)
ANY_JSON = Json(size_bytes=1024 * 1024)
ANY_OBJECT = JsonObject(size_bytes=1024 * 1024)
NUMBER = Integer()


class RecordFormat:
    """The fields of one kind of record, with the types of core/parameters.py. A field marked with `?` may be null."""

    def __init__(self, noun: str, fields: str) -> None:
        self.noun = noun
        self.fields = tuple(field.rstrip("?") for field in fields.split())
        self._optional = {field[:-1] for field in fields.split() if field.endswith("?")}

    def show(self, columns: Row) -> dict[str, Any]:
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
            return to_micros(parse_moment(ANY_TEXT.check(name, value)))
        checked = self._kind(name).check(name, value)
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
        "session_id agent_name agent_type project status reason? detail? status_since current_task? status_detail "
        "human_user? location? branch? capabilities metadata started_at last_seen ttl_s ended_at? end_reason? "
        "continued_by? principal?",
    ),
    "message": RecordFormat("messages", f"{fields_of(Message)} idempotency_key? digest"),
    "delivery": RecordFormat("deliveries", "message_id recipient expires_at? injected_at? acknowledged_at?"),
    "task": RecordFormat("tasks", f"{fields_of(Task)} address"),
    "memory": RecordFormat(
        "memory",
        "entry_id key type value version tags session_id project created_at expires_at? metadata",
    ),
    "memory_key": RecordFormat("memory", "project key last_version"),
    "token": RecordFormat("tokens", "name token_sha256 role projects? created_at expires_at?"),
    "event": EventFormat("events", "seq at kind project session_id? data"),
}


class Imported(Record):
    """The result of an import: per kind of record, how many were added, existed before, and were refused.

    `reasons` holds the first hundred reasons for refusals. Of a `.sessions/` folder it holds all of them; `project` is
    then the project that was filled, and `notes` say what was changed.
    """

    taken: dict[str, int]
    there: dict[str, int]
    refused: dict[str, int]
    reasons: list[str]
    project: str | None
    notes: list[str]


# -- export -----------------------------------------------------------------------------------------------------------


def export_lines(
    bus: Bus,
    project: str | None = None,
    progress: Progress | None = None,
    *,
    with_tokens: bool = False,
    counts: dict[str, int] | None = None,
) -> Iterator[str]:
    """Yield the bus, or one project of it, as JSON Lines, from one consistent snapshot.

    Each session has the name of the token that registered it. With `with_tokens` the valid tokens are exported, too, as
    hashes: of a project those that see it. `counts` receives how many records of each kind were exported.
    """
    local = _local(bus)
    yield encode({"record": "hallway", "format": FORMAT, "project": project})
    count = 0
    counts = {} if counts is None else counts
    with local.store.read():
        for record in (*(["token"] if with_tokens else []), *EXPORTED):
            for line in _records(local, record, project):
                counts[record] = counts.get(record, 0) + 1
                yield line
                count += 1
                if progress and count % PAGE == 0:
                    progress(count)


EXPORTED = ("session", "message", "task", "memory", "memory_key", "event")


def count_records(bus: Bus, project: str | None = None) -> int:
    """Estimate how many lines an export will have. For memory, keys are counted, not versions."""
    return int(_local(bus).store.rows("transfer.count", project=project)[0][0])


def _records(bus: LocalBus, record: str, project: str | None) -> Iterator[str]:
    after = 0
    now = {"now": bus.store.now} if record.startswith(("memory", "token")) else {}
    while rows := bus.store.rows(f"transfer.read_{record}", after=after, project=project, limit=PAGE, **now):
        for after, *columns in rows:
            if record == "token" and not _is_for(columns[-3], project):
                continue
            yield _line(record, tuple(columns))
            if record == "message":
                yield from (_line("delivery", row) for row in bus.store.rows("transfer.read_deliveries", seq=after))


def _is_for(projects: str | None, project: str | None) -> bool:
    """Return whether a token that is limited to these projects (JSON; None: not limited) sees a project (None: any)."""
    return project is None or projects is None or project in decode(projects)


def _line(record: str, columns: Row) -> str:
    return encode({"record": record, **SHAPES[record].show(columns)})


def _shown(name: str, value: Any) -> Any:
    if name in JSON:
        return None if value is None else decode(value)
    if name in TIMES and value is not None:
        return EPOCH + timedelta(microseconds=value)
    return value


# -- import -----------------------------------------------------------------------------------------------------------


def import_file(bus: Bus, path: str, progress: Progress | None = None, *, with_tokens: bool = False) -> Imported:
    """Import an export file; if a line is malformed, raises ImportInvalid and imports nothing.

    Tokens open this bus to their bearers, so they are imported only with `with_tokens`.
    """
    for _ in _lines(path):
        pass  # the first pass only checks every line
    return import_records(bus, _lines(path), progress, with_tokens=with_tokens)


def import_records(
    bus: Bus,
    lines: Iterable[Line],
    progress: Progress | None = None,
    told: Iterable[tuple[str, str]] = (),
    *,
    with_tokens: bool = False,
) -> Imported:
    """Add the missing records, a thousand per transaction, so that other writers wait only briefly for the lock.

    `told` lists records that the caller has already refused, with the reasons.
    """
    receiver = _Receiver(_local(bus), with_tokens=with_tokens)
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
    """Yield the checked lines of an export."""
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
            raise ValueError("the line is no JSON object")
        record = line.pop("record", None)
        if record == "hallway":
            if line.get("format") != FORMAT:
                raise ValueError(f"the export has format {line.get('format')}, but this version reads {FORMAT}")
        elif record in SHAPES:
            columns = SHAPES[record].read(line)
            _check_together(record, columns)
            yield number, record, columns
        else:
            raise ValueError(f"the line is no record of a bus: {str(record)[:60]!r}")
    except (ValueError, HallwayError) as error:
        raise malformed(path, number, str(error)) from None


def malformed(path: str, number: int, reason: str) -> ImportInvalid:
    """Return the error for a malformed line, because of which nothing was imported."""
    return ImportInvalid(f"{path}, line {number}: {reason}", file=path, line=number, reason=reason)


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


class _Receiver:
    """Adds records to a bus, and counts how many were added, existed before, or were refused."""

    def __init__(self, bus: LocalBus, *, with_tokens: bool = False) -> None:
        self._bus = bus
        self._with_tokens = with_tokens
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
                if why and isinstance(number, str):
                    self._reasons.append(f"{number}: {why}")
                elif why and len(self._reasons) < 100:
                    self._reasons.append(f"line {number}: {why}")
        self.count += len(batch)

    def outcome(self) -> Imported:
        return Imported.of((*self._counts.values(), self._reasons, None, []))

    def refuse(self, record: str, why: str) -> None:
        """Count a refused record that was never a line."""
        refused = self._counts["refused"]
        refused[record] = refused.get(record, 0) + 1
        self._reasons.append(why)

    def _add(self, record: str, columns: dict[str, Any]) -> bool:
        return bool(self._store.rows(f"transfer.add_{record}", **columns))

    def _session(self, columns: dict[str, Any]) -> tuple[str, str]:
        return ("taken" if self._add("session", columns) else "there"), ""

    def _token(self, columns: dict[str, Any]) -> tuple[str, str]:
        name = columns["name"]
        if not self._with_tokens:
            return "refused", f"the token {name!r} is imported only with --with-tokens"
        what = self._bus.tokens.restore(**columns)
        if what in ("taken", "there"):
            return what, ""
        why = "it is revoked on this bus" if what == "revoked" else "this bus has another token with this name"
        return "refused", f"the token {name!r}: {why}"

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
        why = "the entry has expired" if what == "expired" else "this bus keeps another entry with this version"
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
        """Return `seq` if no reader can have passed it yet; else None, and the store assigns a new one at the end."""
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
