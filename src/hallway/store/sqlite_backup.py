"""Backup of a bus's file: a checked copy, made while other processes write to the bus.

A plain copy of `bus.db` lacks the changes that are still in `bus.db-wal`, possibly all of them. SQLite's online backup
reads both files in one transaction and does not stop writers (https://www.sqlite.org/backup.html).
"""

from __future__ import annotations

import os

import apsw

from hallway.core.errors import DiskFull, FileUnusable, InvalidInput, NotABus, StorageError
from hallway.local.paths import HUBS
from hallway.store.sqlite import APPLICATION_ID

BUSY_MS = 10_000
COUNTED = ("sessions", "messages", "tasks", "memory_entries", "events")


def back_up(source: str, target: str) -> dict[str, int]:
    """Copy a bus's file to a new file; return the number of rows of each kind, and the size in bytes.

    The copy needs no other file, only this user can read it (0600), and it gets its name only after the check. Raises
    FileUnusable if the target exists or cannot be written, NotABus if the source is not a bus.
    """
    if not os.path.isfile(source):
        raise NotABus(f"there is no bus at {source}", hint="See which one is used: hallway doctor")
    if os.path.lexists(target):
        raise FileUnusable(f"{target} is there already", hint="Name a file that is not there yet")
    part = f"{target}.part"
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise FileUnusable(f"{part} cannot be made: {error.strerror}") from None
    try:
        _copy(source, part)
        counts = _check(part)
        counts["size_bytes"] = _sync(part)
        os.link(part, target)  # unlike a rename, this fails if another process has created the target meanwhile
        _sync_folder(os.path.dirname(target))
    except apsw.FullError:
        raise DiskFull(f"there is no room for {target}", hint="Name a file on another disk") from None
    except apsw.Error as error:
        raise StorageError(f"the bus cannot be backed up: {error}") from error
    except OSError as error:
        raise FileUnusable(f"{target} cannot be written: {error.strerror}") from None
    finally:
        for each in (part, f"{part}-wal", f"{part}-shm"):
            if os.path.exists(each):
                os.unlink(each)
    return counts


def _copy(source: str, part: str) -> None:
    """Copy all pages in one step: between several steps, every write would restart the copy."""
    reading = apsw.Connection(source, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        reading.set_busy_timeout(BUSY_MS)
        if reading.pragma("application_id") != APPLICATION_ID:
            raise NotABus(f"{source} is not a hallway bus")
        writing = apsw.Connection(part)
        try:
            with writing.backup("main", reading, "main") as backup:
                while not backup.done:
                    backup.step(-1)
        finally:
            writing.close()
    finally:
        reading.close()


def _check(part: str) -> dict[str, int]:
    """Check the whole copy and count its rows; raises StorageError if it is damaged."""
    connection = apsw.Connection(part)
    try:
        faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        if faults != ["ok"] or broken:
            problem = "; ".join(faults) if faults != ["ok"] else f"{len(broken)} rows point to rows that are not there"
            raise StorageError(f"the copy is damaged, and so is the bus: {problem}", hint="Run: hallway doctor")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        counts = {}
        for table in COUNTED:
            if table in tables:
                counts[table] = int(str(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]))  # noqa: S608
        return counts
    finally:
        connection.close()


def _sync(path: str) -> int:
    """Flush a file to disk; return its size in bytes."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _sync_folder(folder: str) -> None:
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def require_own_file(url: str | None) -> None:
    """Raise InvalidInput if the bus is not a file on this machine; the hint says how to back it up."""
    if url is None or "://" not in url or url.startswith("sqlite:///"):
        return
    if url.startswith(HUBS):
        raise InvalidInput(
            "this bus is served by a hub, and its file is on the hub's machine",
            hint="Run one of these there: hallway backup FILE, or hallway export > FILE",
        )
    raise InvalidInput(
        "this bus is a PostgreSQL database, which PostgreSQL's own programs back up",
        hint="Run: pg_dump --format=custom --file=FILE URL. Or, for either store: hallway export > FILE",
    )
