"""Import of the lines of an export, in batches: the records that a bus lacks are added, the others are left alone.

Ids, times, versions and authors are kept. An event or message whose `seq` the bus has already passed gets a new `seq`
at the end, so that no reader misses it (E1, M4).
"""

from __future__ import annotations

from hallway.core.errors import InvalidInput
from hallway.core.model import ImportedBatch, Json, MemoryEntry, RefusedRecord
from hallway.core.operation import KEEP, operation
from hallway.core.schema import decode
from hallway.core.topics import EVENTS
from hallway.services.base import Service
from hallway.services.requests import is_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.services.memory import PreparedEntry

    Outcome = tuple[str, str]  # `taken` or `there`, and no reason; or `refused`, and why

TOKENS_WANTED = "--with-tokens (over HTTP: with_tokens)"
ADDED, EXISTING, REFUSED = "added", "existing", "refused"


class ImportReceiver(Service, noun="imports"):
    """Takes over the records of another bus."""

    @operation("POST /import", secrets=KEEP, preparation="_read_records")
    def add_records(self, records: list[dict[str, Json]], *, with_tokens: bool = False) -> ImportedBatch:
        """Add the records of an export that this bus does not have; existing records are not changed.

        Each record is a line of an export. A batch is one transaction, and adding it again changes nothing. If a record
        is malformed, InvalidInput names it by its place, and nothing of the batch is added. Tokens are added only with
        `with_tokens`, because they open this bus to their bearers. The result counts what was added and what was there,
        by kind, and lists each record that was refused, with the reason.
        """
        counts: dict[str, dict[str, int]] = {ADDED: {}, EXISTING: {}}
        refused = []
        for index, record, columns in self.prepared:
            if record == "token" and not with_tokens:
                outcome, why = REFUSED, f"the token {columns['name']!r} is imported only with {TOKENS_WANTED}"
            else:
                outcome, why = getattr(self, f"_add_{record}")(**columns)
            if outcome == REFUSED:
                refused.append(RefusedRecord.of((index, record, why)))
            else:
                counts[outcome][record] = counts[outcome].get(record, 0) + 1
        return ImportedBatch.of((counts[ADDED], counts[EXISTING], refused))

    def _read_records(self, arguments: dict[str, Any]) -> list[tuple[int, str, dict[str, Any]]]:
        """Check the lines, and return the place, kind and columns of each record."""
        from hallway.core.export_format import read_line

        read = []
        for index, line in enumerate(arguments["records"]):
            try:
                parsed = read_line(line)
            except (ValueError, InvalidInput) as error:
                raise InvalidInput(
                    f"records[{index}]: {error}",
                    hint="Nothing of the batch was added: correct this record or leave it out, and send it again",
                    index=index,
                    reason=str(error),
                ) from None
            if parsed:
                record, columns = parsed
                read.append((index, record, self._read_entry(columns) if record == "memory" else columns))
        return read

    def _read_entry(self, columns: dict[str, Any]) -> dict[str, Any]:
        values = {**columns, **{name: decode(columns[name]) for name in ("value", "tags", "metadata")}}
        entry = MemoryEntry.of(tuple(values[name] for name in MemoryEntry._fields))
        prepared = self.bus.memory.prepare_entry(entry)
        return {"entry": entry, "prepared": prepared, "at": columns["created_at"], "until": columns["expires_at"]}

    # -- adding a record of each kind, and what came of it -------------------------------------------------------------

    def _add_row(self, record: str, columns: dict[str, Any]) -> bool:
        return bool(self._store.rows(f"transfer.add_{record}", **columns))

    def _add_session(self, **columns: Any) -> Outcome:
        if columns["ended_at"] is None:
            name, base = columns["name"], columns["name_base"]
            name = self.bus.sessions.names.keep(name, base, columns["project"], columns["session_id"])
            columns = {**columns, "name": name}
        return ADDED if self._add_row("session", columns) else EXISTING, ""

    def _add_task(self, **columns: Any) -> Outcome:
        return ADDED if self._add_row("task", columns) else EXISTING, ""

    def _add_token(self, **columns: Any) -> Outcome:
        outcome = self.bus.tokens.restore(**columns)
        if outcome in (ADDED, EXISTING):
            return outcome, ""
        why = "it is revoked on this bus" if outcome == "revoked" else "this bus has another token with this name"
        return REFUSED, f"the token {columns['name']!r}: {why}"

    def _add_message(self, **columns: Any) -> Outcome:
        if self._store.one("transfer.has_message", message_id=columns["message_id"]):
            return EXISTING, ""
        if self._add_row(
            "message", {**columns, "seq": self._free_seq("messages", columns["seq"]), "now": self._store.now}
        ):
            return ADDED, ""
        return REFUSED, f"{columns['from_session']} has sent another message with the key of {columns['message_id']}"

    def _add_delivery(self, **columns: Any) -> Outcome:
        if self._add_row("delivery", columns):
            return ADDED, ""
        if self._store.one("transfer.has_message", message_id=columns["message_id"]):
            return EXISTING, ""
        return REFUSED, f"there is no message {columns['message_id']}"

    def _add_request(self, **columns: Any) -> Outcome:
        if self._add_row("request", {**columns, "to_group": is_group(columns["to_session"])}):
            return ADDED, ""
        if self._store.one("transfer.has_message", message_id=columns["message_id"]):
            return EXISTING, ""
        return REFUSED, f"there is no message {columns['message_id']}"

    def _add_memory(self, entry: MemoryEntry, prepared: PreparedEntry, at: int, until: int | None) -> Outcome:
        outcome = self.bus.memory.restore(entry, prepared, at, until)
        if outcome in (ADDED, EXISTING):
            return outcome, ""
        why = "the entry has expired" if outcome == "expired" else "this bus keeps another entry with this version"
        return REFUSED, f"version {entry.version} of {entry.key!r}: {why}"

    def _add_memory_key(self, **columns: Any) -> Outcome:
        return ADDED if self.bus.memory.restore_count(**columns) else EXISTING, ""

    def _add_event(self, **columns: Any) -> Outcome:
        seq = self._free_seq("events", columns.pop("seq"))
        if seq is None and self._store.one("transfer.has_event", **columns):
            return EXISTING, ""
        self._add_row("event", {**columns, "seq": seq})
        self.bus.changed_topics.add(EVENTS)
        return ADDED, ""

    def _free_seq(self, table: str, seq: int) -> int | None:
        """Return `seq` if no reader can have passed it yet; else None, and the store assigns a new one at the end."""
        row = self._store.one("transfer.last_seq", table=table)
        return seq if seq > (row[0] if row else 0) else None
