"""The shared memory of a project's sessions: set, get, search, delete.

Every `set` writes a new version, so writers never destroy each other's entries (R1). An expired entry is invisible to
every reader from that instant, even before it is removed (R3); each write removes some expired entries.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, new_id, to_datetime
from hallway.core.errors import EntryNotFound, VersionConflict
from hallway.core.model import Json, MemoryEntry, MemoryHit, MemoryStats
from hallway.core.operation import operation
from hallway.core.parameters import VERSIONS_DEFAULT
from hallway.core.schema import Integer, decode, encode
from hallway.services.base import Service, whole_number_setting
from hallway.services.search import MemorySearch, how_many_fit, label_words, labels_of
from hallway.store import tokenize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.services.search import Hit
    from hallway.store import Row, Store

SWEEP_AT_ONCE = 20  # expired keys that each `set` removes
CLEAR_AT_ONCE = 10_000  # keys
REINDEX_AT_ONCE = 500  # entries whose values are in memory at the same time
SHOWN_LENGTH = 8 * 1024  # characters of a value that are searched for its line in a list; fewer in a long list
MIN_SHOWN_LENGTH = 512
PAGE = 20
NOWHERE = ""  # no project has this name


class SharedMemory(Service, noun="memory"):
    """The shared memory of projects: values under keys, with all versions and their authors."""

    @operation("PUT /memory/{key}", verb="memory set", preparation="_prepare_entry")
    def set(
        self,
        session_id: str,
        key: str,
        value: Json,
        type: str = "state",  # noqa: A002 - the word of the glossary
        ttl: int | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Json] | None = None,
        expected_version: int | None = None,
        *,
        idempotency_key: str | None = None,
        project: str | None = None,
        allow_secret: bool = False,
    ) -> MemoryEntry:
        """Store a value under a key, as a new version; nothing is overwritten.

        The author is a registered session, whose project it goes to, or a person (`user:NAME`). With
        `expected_version` it is written only if that is the newest version now (0: there is none); else the
        error `version_conflict` carries the entry that is. After `ttl` seconds it is gone. The newest versions of a key
        are kept: 100 of them, or as many as HALLWAY_MEMORY_VERSIONS says. The same idempotency key twice writes once
        and answers with the version first written. Raises SecretFound for what looks like a key or a token, unless that
        is allowed.
        """
        if idempotency_key is not None:
            row = self._store.one("memory.same", session_id=session_id, idempotency_key=idempotency_key)
            if row:
                return _entry(row)
        prepared: PreparedEntry = self.prepared
        project = self.bus.project_for(project, session_id)
        self._store.read_ahead(
            ("memory.expired", {"now": self._store.now, "limit": SWEEP_AT_ONCE}),
            ("memory.key_row", {"project": project, "key": key}),
        )
        self.prune_old(0, SWEEP_AT_ONCE)
        if expected_version is not None:
            self._compare(project, key, expected_version)
        key_id, version = self._make_room(project, key)
        now = self._store.now
        until = now + ttl * SECOND if ttl else None
        entry = MemoryEntry.of(
            (
                new_id(),
                key,
                type,
                value,
                version,
                list(dict.fromkeys(tags or ())),
                session_id,
                project,
                to_datetime(now),
                to_datetime(until) if until else None,
                metadata or {},
            )
        )
        id_ = self._insert(key_id, entry, prepared.text, now, until, idempotency_key)
        self._index(id_, entry, prepared)
        self.bus.events.append(
            "memory.set", project, session_id, key=key, version=version, type=type, entry_id=entry.entry_id
        )
        return entry

    @operation("GET /memory/{key}", verb="memory get")
    def get_entry(self, key: str, *, project: str | None = None) -> MemoryEntry:
        """Return the newest version of an entry; raises EntryNotFound if there is none or it has expired."""
        project = self.bus.project_for(project)
        entry = self._current(self._seen(project), key)
        if entry is None:
            raise EntryNotFound(f"nothing is remembered under {key!r} in {project}")
        return entry

    def get(self, key: str, default: Json = None, *, project: str | None = None) -> Json:
        """Return the newest value under a key, or the default if there is none."""
        try:
            return self.get_entry(key, project=project).value
        except EntryNotFound:
            return default

    @operation("GET /memory/{key}/history", verb="memory get --all")
    def get_all(
        self, key: str, *, project: str | None = None, limit: int = PAGE, before_version: int | None = None
    ) -> list[MemoryEntry]:
        """Return the kept versions of an entry, newest first; none if the newest has expired.

        For the next page pass the last version of this page. A page ends early when its values reach 1 MiB, so only an
        empty page means that there are no more.
        """
        rows = self._store.rows(
            "memory.history",
            project=self._seen(project),
            key=key,
            now=self._store.now,
            before_version=before_version,
            limit=limit,
        )
        count = how_many_fit([size_bytes for _, size_bytes in rows])
        return [_entry(row) for row in self._entries([entry for entry, _ in rows[:count]])]

    @operation("GET /memory", verb="memory search", words=("query",))
    def find(
        self,
        query: str | None = None,
        *,
        pattern: str | None = None,
        tags: list[str] | None = None,
        match_all: bool = False,
        type: str | None = None,  # noqa: A002
        session_id: str | None = None,
        include_values: bool = False,
        project: str | None = None,
        limit: int = PAGE,
        after: str | None = None,
    ) -> list[MemoryHit]:
        """Find entries by words, key pattern, tags, type or author; return one line of each, with the matches marked.

        All filters must match. With a query, the best match is first: entries with all of its words; if there are none,
        with other forms of them (longer words, plurals, parts of identifiers); if there are none, with any word,
        marked `is_loose`. Of more than 500 matches only the newest 500 are ranked. With only a pattern the order is by
        key, else newest first. Only the newest version of a key is found. For the next page pass the last `cursor`
        of this page; an empty page is the end. With values, a page ends at 1 MiB.
        """
        project = self._seen(project)
        labels = labels_of(self._store, project, type, session_id, tags or [], match_all)
        search = MemorySearch(self._store, project, labels, pattern, limit, is_alone=self.bus.visible is not None)
        if query:
            hits = search.by_relevance(query, after)
        elif pattern and not (type or session_id or tags):
            hits = search.in_key_order(pattern, after)
        else:
            hits = search.newest_first(after)
        if include_values:
            hits = hits[: how_many_fit([hit.size_bytes for hit in hits])]
        rows = self._entries([hit.entry for hit in hits])
        excerpts = tokenize.Excerpts(query or "", is_near=any(hit.is_near for hit in hits))
        # The total text searched is about the same for few and many results.
        length = max(SHOWN_LENGTH // max(len(rows) // 32, 1), MIN_SHOWN_LENGTH)
        return [_finding(row, hit, excerpts, length, include_values) for row, hit in zip(rows, hits, strict=True)]

    def search(self, key_pattern: str, *, project: str | None = None) -> list[MemoryEntry]:
        """Return all entries whose keys match a glob, in order of their keys: `task_*`, `api/??/[a-z]*`."""
        return self._find_all(pattern=key_pattern, project=project)

    def get_by_tags(self, tags: list[str], match_all: bool = False, *, project: str | None = None) -> list[MemoryEntry]:
        """Return all entries with any of the tags, or with all of them, newest first."""
        return self._find_all(tags=tags, match_all=match_all, project=project) if tags else []

    def get_by_session(self, session_id: str, *, project: str | None = None) -> list[MemoryEntry]:
        """Return all entries whose newest version was written by a session, newest first."""
        return self._find_all(session_id=session_id, project=project)

    @operation("DELETE /memory/{key}", verb="memory delete", secrets="keep")
    def delete(
        self,
        key: str,
        session_id: str | None = None,
        *,
        project: str | None = None,
        expected_version: int | None = None,
    ) -> int:
        """Delete all versions of an entry, or only those that one session wrote; return how many.

        The versions of other sessions stay, and the newest of them becomes the entry. If the key is set again, its
        version numbers continue. With `expected_version` it is deleted only if that is the newest version now; else
        the error `version_conflict` carries the entry that is.
        """
        project = self._seen(project, session_id)
        if expected_version is not None:
            self._compare(project, key, expected_version)
        head = self._store.one("memory.key_row", project=project, key=key)
        count = self._forget(head[0], session_id) if head else 0
        if count:
            self.bus.events.append("memory.deleted", project, session_id, key=key, count=count)
        return count

    @operation("DELETE /memory", verb="memory clear")
    def clear_some(self, session_id: str | None = None, *, project: str | None = None) -> int:
        """Delete the entries of a project, or those that one session wrote there; return the number of versions.

        One call deletes at most 10,000 keys, so that no writer waits long for the lock: repeat it until it returns 0.
        """
        project = self._seen(project, session_id)
        keys = self._store.rows(
            "memory.project_keys", project=project, session_id=session_id, limit=CLEAR_AT_ONCE, now=self._store.now
        )
        count = sum(self._forget(key_id, session_id) for (key_id,) in keys)
        if count:
            self.bus.events.append("memory.cleared", project, session_id, count=count)
        return count

    def clear(self, session_id: str | None = None, *, project: str | None = None) -> int:
        """Delete all entries of a project, or all that one session wrote there; return the number of versions."""
        total = 0
        while count := self.clear_some(session_id, project=project):
            total += count
        return total

    def get_stats(self, project: str | None = None) -> MemoryStats:
        """Return the number of entries by type."""
        return self.bus.stats(project).memory

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def prune_old(self, before: int, limit: int) -> int:
        """Remove expired entries; no entry is removed for its age alone."""
        expired = self._store.rows("memory.expired", now=self._store.now, limit=limit)
        for (key_id,) in expired:
            self._forget(key_id)
        return len(expired)

    def stats(self, project: str | None = None) -> MemoryStats:
        by_type: dict[str, int] = dict(
            self._store.rows("memory.counts", project=project, now=self._store.now, visible=self.bus.visible)
        )
        return MemoryStats.of((sum(by_type.values()), by_type))

    def prepare_entry(self, entry: MemoryEntry) -> PreparedEntry:
        """Prepare an entry of another bus for `restore`, before the transaction."""
        return PreparedEntry(self._store, entry.key, entry.value, entry.tags)

    def restore(self, entry: MemoryEntry, prepared: PreparedEntry, at: int, until: int | None) -> str:
        """Import an entry of another bus unchanged, written `at` and expiring `until`; return the outcome.

        `there`: this bus has it already; `expired`; `different`: another entry has its key and version, and is kept.
        """
        if self._is_over(until):
            return "expired"
        if self._store.one("memory.has", entry_id=entry.entry_id):
            return "existing"
        key_id = self._key_id(entry.project, entry.key)
        before, expires_at = self._head_of(key_id)
        if self._is_over(expires_at):
            self._forget(key_id)
            before = None
        if self._store.one("memory.has_version", key_id=key_id, version=entry.version):
            return "different"
        id_ = self._insert(key_id, entry, prepared.text, at, until, None)
        self._reindex(key_id, before, {id_: (entry, prepared)})
        return "added"

    def restore_count(self, project: str, key: str, last_version: int) -> bool:
        """Reserve the version numbers of a key up to this one; return whether the counter changed."""
        key_id = self._key_id(project, key)
        return bool(self._store.rows("memory.count_on", key_id=key_id, last_version=last_version))

    def reindex(self, entries: list[int]) -> None:
        """Index newest entries anew, because their keys were moved to another project."""
        for start in range(0, len(entries), REINDEX_AT_ONCE):
            part = entries[start : start + REINDEX_AT_ONCE]
            for id_, row in zip(part, self._entries(part), strict=True):
                self._store.change("memory.index_drop", id=id_)
                self._index_row(id_, row)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _compare(self, project: str, key: str, expected: int) -> None:
        current = self._current(project, key)
        version = current.version if current else 0
        if version != expected:
            raise VersionConflict(f"{key!r} is at version {version}, not {expected}", current=decode(encode(current)))

    def _make_room(self, project: str, key: str) -> tuple[int, int]:
        """Return the key's id and next version, after removing expired versions and the oldest one beyond the limit."""
        kept = versions_kept()
        head = self._store.one("memory.key_row", project=project, key=key)
        if head is None:
            return self._add_key(project, key), 1
        key_id, last_version, entry, expires_at = head
        if self._is_over(expires_at):
            self._forget(key_id)
        elif entry is not None:
            self._store.change("memory.index_drop", id=entry)
        if last_version >= kept:
            self._store.change("memory.trim", key_id=key_id, until=last_version + 1 - kept)
        return key_id, last_version + 1

    def _key_id(self, project: str, key: str) -> int:
        """Return the row of a key, inserting it if necessary."""
        row = self._store.one("memory.key_row", project=project, key=key)
        return row[0] if row else self._add_key(project, key)

    def _add_key(self, project: str, key: str) -> int:
        row = self._store.one("memory.add_key", project=project, key=key)
        return row[0] if row else -1

    def _insert(
        self, key_id: int, entry: MemoryEntry, text: str, at: int, until: int | None, idempotency_key: str | None
    ) -> int:
        rows = self._store.rows(
            "memory.insert",
            key_id=key_id,
            version=entry.version,
            entry_id=entry.entry_id,
            type=entry.type,
            session_id=entry.session_id,
            now=at,
            expires_at=until,
            size_bytes=len(text.encode()),
            tags=encode(entry.tags) if entry.tags else "[]",
            metadata=encode(entry.metadata) if entry.metadata else "{}",
            value=text,
            idempotency_key=idempotency_key,
        )
        row_id: int = rows[0][0]
        return row_id

    def _prepare_entry(self, arguments: dict[str, Any]) -> PreparedEntry:
        return PreparedEntry(self._store, arguments["key"], arguments["value"], arguments["tags"] or [])

    def _index(self, id_: int, entry: MemoryEntry, prepared: PreparedEntry) -> None:
        labels = label_words(entry.project, entry.type, entry.session_id, entry.tags)
        self._store.change("memory.index_add", id=id_, **self._store.fulltext.labelled_words(prepared.words, labels))

    def _forget(self, key_id: int, session_id: str | None = None) -> int:
        """Delete all of a key's versions, or one session's; return how many of them had not expired."""
        before, expires_at = self._head_of(key_id)
        is_over = self._is_over(expires_at)
        deleted = self._store.rows("memory.forget", key_id=key_id, session_id=None if is_over else session_id)
        self._reindex(key_id, before)
        return 0 if is_over else sum(1 for (until,) in deleted if not self._is_over(until))

    def _reindex(
        self, key_id: int, before: int | None, ready: dict[int, tuple[MemoryEntry, PreparedEntry]] | None = None
    ) -> None:
        """Index the newest entry of a key if it has changed; `ready` has entries that are prepared already."""
        newest, _ = self._head_of(key_id)
        if newest == before:
            return
        if before is not None:
            self._store.change("memory.index_drop", id=before)
        if ready and newest in ready:
            self._index(newest, *ready[newest])
            return
        for row in self._entries([newest] if newest is not None else []):
            self._index_row(newest, row)

    def _index_row(self, id_: int, row: Row) -> None:
        entry = _entry(row)
        self._index(id_, entry, self.prepare_entry(entry))

    def _head_of(self, key_id: int) -> Row:
        return self._store.one("memory.key_row_of", key_id=key_id) or (None, None)

    def _is_over(self, expires_at: int | None) -> bool:
        return expires_at is not None and expires_at <= self._store.now

    # -- reading ------------------------------------------------------------------------------------------------------

    def _current(self, project: str, key: str) -> MemoryEntry | None:
        row = self._store.one("memory.get", project=project, key=key, now=self._store.now)
        return _entry(row) if row else None

    def _seen(self, project: str | None, session_id: str | None = None) -> str:
        """Return the project to search; for a project that the caller may not see, a name that does not exist."""
        project = self.bus.project_for(project, session_id)
        return project if self.bus.sees(project) else NOWHERE

    def _entries(self, ids: list[int]) -> list[Row]:
        return self._store.rows("memory.entries", ids=encode(ids)) if ids else []

    def _find_all(self, **filters: Any) -> list[MemoryEntry]:
        entries: list[MemoryEntry] = []
        after = None
        while page := self.find(**filters, include_values=True, limit=1000, after=after):
            entries += [MemoryEntry.of(each._values[: len(MemoryEntry._fields)]) for each in page]
            after = page[-1].cursor
        return entries


class PreparedEntry:
    """An entry's JSON and index words, prepared before the transaction that stores it."""

    __slots__ = ("text", "words")

    def __init__(self, store: Store, key: str, value: Json, tags: list[str]) -> None:
        self.text = encode(value)
        tags = list(dict.fromkeys(tags))
        self.words = store.fulltext.indexed(key, " ".join(tags), tokenize.plain(self.text))


def versions_kept() -> int:
    """Return how many versions of a key are kept: HALLWAY_MEMORY_VERSIONS, else 100."""
    return whole_number_setting("HALLWAY_MEMORY_VERSIONS", VERSIONS_DEFAULT, Integer(least=1, most=1_000_000))


def _entry(row: Row) -> MemoryEntry:
    """Return an entry from the columns of `memory.get`."""
    entry_id, key, type_, value, version, tags, session_id, project, created_at, expires_at, metadata = row
    return MemoryEntry.of(
        (
            entry_id,
            key,
            type_,
            decode(value),
            version,
            [] if tags == "[]" else decode(tags),
            session_id,
            project,
            to_datetime(created_at),
            to_datetime(expires_at) if expires_at else None,
            {} if metadata == "{}" else decode(metadata),
        )
    )


def _finding(row: Row, hit: Hit, excerpts: tokenize.Excerpts, length: int, has_value: bool) -> MemoryHit:
    """Return the short form of an entry for a list, from the columns of `memory.get`."""
    text = row[3]
    if not has_value:
        row = (*row[:3], "null", *row[4:])
    start = text[:length].strip('"') if text[0] == '"' else text[:length]
    line = excerpts.of(tokenize.plain(start))
    return MemoryHit.of((*_entry(row).to_dict().values(), has_value, line, hit.cursor, hit.is_loose))
