"""Export and import of a whole bus, or of one project, as JSON Lines.

Each line is one session, message, delivery, task, memory entry or event with all its fields; `record` names the kind
(core/export_format.py). An import adds missing records and does not change existing ones (services/imports.py), so
running it twice has the same result as running it once. The whole file is checked before anything is written.

An import works on a local bus and through a hub, where it needs an admin's token; an export works on a local bus only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.bus.local import LocalBus
from hallway.core import export_format
from hallway.core.errors import FileUnusable, HallwayError, ImportInvalid, InvalidInput, UnsupportedUrl
from hallway.core.model import Record
from hallway.core.parameters import type_of
from hallway.core.schema import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hallway.bus.base import Bus

    Line = tuple[int | str, dict[str, Any]]  # the line's number or the record's name, and the record
    Progress = Callable[[int], object]

PAGE = 1000
BATCH_BYTES = 256 * 1024  # of records in one request, so that a hub's other writers wait only briefly for the lock
LINE = type_of("imports", "records").item  # type: ignore[attr-defined]
MAX_REASONS = 100  # reasons for refused lines of a file that are reported


class Imported(Record):
    """The result of an import: per kind of record, how many were added, existed before, and were refused.

    `reasons` holds the first hundred reasons for refusals. Of a `.sessions/` folder it holds all of them. `projects`
    are those that the records belong to. `notes` say what was changed.
    """

    added: dict[str, int]
    existing: dict[str, int]
    refused: dict[str, int]
    reasons: list[str]
    projects: list[str]
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
    yield export_format.header(project)
    count = 0
    counts = {} if counts is None else counts
    with local.store.read():
        for record in (*(["token"] if with_tokens else []), *EXPORTED):
            for kind, columns in _records(local, record, project):
                counts[kind] = counts.get(kind, 0) + 1
                yield export_format.show_line(kind, columns)
                count += 1
                if progress and count % PAGE == 0:
                    progress(count)


EXPORTED = ("session", "message", "task", "memory", "memory_key", "event")


def count_records(bus: Bus, project: str | None = None) -> int:
    """Estimate how many lines an export will have. For memory, keys are counted, not versions."""
    return int(_local(bus).store.rows("transfer.count", project=project)[0][0])


def _records(bus: LocalBus, record: str, project: str | None) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the kind and the columns of each record; a message's deliveries, and how a request stands, follow it."""
    after = 0
    now = {"now": bus.store.now} if record.startswith(("memory", "token")) else {}
    while rows := bus.store.rows(f"transfer.read_{record}", after=after, project=project, limit=PAGE, **now):
        for after, *columns in rows:
            if record == "token" and not _is_for(columns[-3], project):
                continue
            yield record, tuple(columns)
            if record == "message":
                for row in bus.store.rows("transfer.read_deliveries", seq=after):
                    yield "delivery", row
                for row in bus.store.rows("transfer.read_requests", seq=after):
                    yield "request", row


def _is_for(projects: str | None, project: str | None) -> bool:
    """Return whether a token that is limited to these projects (JSON; None: not limited) sees a project (None: any)."""
    return project is None or projects is None or project in decode(projects)


def _local(bus: Bus) -> LocalBus:
    if not isinstance(bus, LocalBus):
        raise UnsupportedUrl(
            "an export is made from the bus's own file or database, not through a hub",
            hint="Run it where the hub runs, without HALLWAY_URL",
        )
    return bus


# -- import -----------------------------------------------------------------------------------------------------------


def import_file(bus: Bus, path: str, progress: Progress | None = None, *, with_tokens: bool = False) -> Imported:
    """Import an export file; if a line is malformed, raises ImportInvalid and imports nothing.

    Tokens open this bus to their bearers, so they are imported only with `with_tokens`.
    """
    number = 0
    for number, line in _lines(path):
        try:
            export_format.read_line(LINE.check("the line", line))
        except (ValueError, InvalidInput) as error:
            raise malformed(path, number, str(error)) from None
    if not number:
        raise FileUnusable(f"{path} is empty, so it is no export", hint=f"Make it again: hallway export > {path}")
    return import_records(bus, path, _lines(path), progress, with_tokens=with_tokens)


def import_records(
    bus: Bus,
    path: str,
    lines: Iterable[Line],
    progress: Progress | None = None,
    refused: Iterable[tuple[str, str]] = (),
    *,
    with_tokens: bool = False,
) -> Imported:
    """Add the missing records, batch by batch, so that other writers wait only briefly for the lock.

    `path` is where the lines are from. `refused` lists records that the caller has already refused, with the reasons.
    """
    sender = _Sender(bus, path, with_tokens=with_tokens)
    for record, why in refused:
        sender.refuse(record, why)
    for batch in _batches(lines):
        sender.send(batch)
        if progress:
            progress(sender.count)
    return sender.outcome()


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield the lines in batches that are not too large; a line that is larger is a batch of its own."""
    batch: list[Line] = []
    size = 0
    for name, line in lines:
        bytes_of_line = len(encode(line).encode()) + 1
        if batch and (len(batch) == PAGE or size + bytes_of_line > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((name, line))
        size += bytes_of_line
    if batch:
        yield batch


def _lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the JSON object of each line of a file."""
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield number, _object(path, number, raw)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None


def _object(path: str, number: int, raw: bytes) -> dict[str, Any]:
    try:
        line = decode(raw)
        if not isinstance(line, dict):
            raise ValueError("the line is no JSON object")
    except ValueError as error:
        raise malformed(path, number, str(error)) from None
    return line


def malformed(path: str, name: int | str, reason: str) -> ImportInvalid:
    """Return the error for a malformed line or record, because of which nothing was imported."""
    return ImportInvalid(f"{path}, {_place(name)}: {reason}", file=path, line=name, reason=reason)


def _place(name: int | str) -> str:
    return f"line {name}" if isinstance(name, int) else name


class _Sender:
    """Sends batches of lines to a bus, and adds up what became of the records."""

    def __init__(self, bus: Bus, path: str, *, with_tokens: bool) -> None:
        self._bus = bus
        self._path = path
        self._with_tokens = with_tokens
        self._added: dict[str, int] = {}
        self._existing: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._reasons: list[str] = []
        self._projects: set[str] = set()
        self.count = 0

    def send(self, batch: list[Line]) -> None:
        try:
            done = self._bus.imports.add_records([line for _, line in batch], with_tokens=self._with_tokens)
        except HallwayError as error:
            raise self._explained(error, batch) from None
        for sums, counts in ((self._added, done.added), (self._existing, done.existing)):
            for record, count in counts.items():
                sums[record] = sums.get(record, 0) + count
        for each in done.refused:
            name = batch[each.index][0]
            is_reported = isinstance(name, str) or len(self._reasons) < MAX_REASONS
            self.refuse(each.record, f"{_place(name)}: {each.reason}" if is_reported else None)
        self._projects.update(
            line["project"] for _, line in batch if line["record"] != export_format.HEADER and line.get("project")
        )
        self.count += len(batch)

    def refuse(self, record: str, why: str | None) -> None:
        """Count a refused record, and report the reason."""
        self._refused[record] = self._refused.get(record, 0) + 1
        if why is not None:
            self._reasons.append(why)

    def _explained(self, error: HallwayError, batch: list[Line]) -> HallwayError:
        """Return the error of a batch with the line that it is about, and with what is true of the earlier batches."""
        if "index" in error.details:
            error = malformed(self._path, batch[error.details["index"]][0], error.details["reason"])
        if self.count:
            error.hint = f"The first {self.count:,} records were imported: import all again to go on. {error.hint}"
        return error

    def outcome(self) -> Imported:
        return Imported.of((self._added, self._existing, self._refused, self._reasons, sorted(self._projects), []))
