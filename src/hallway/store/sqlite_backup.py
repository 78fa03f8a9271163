"""A copy of a bus's file, made while others write it, and checked.

A plain copy of `bus.db` lacks what is still in `bus.db-wal`, which may be everything. SQLite's online backup reads both
in one transaction; writers go on meanwhile (https://www.sqlite.org/backup.html).
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
    """Copy a bus's file to one that is not there yet; return how many rows of each kind it holds, and its bytes.

    The copy stands alone, is this user's alone (0600), and has its name only once it was checked. Raises FileUnusable
    where it cannot be written or is there already, NotABus for a source that is none.
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
        os.link(part, target)  # unlike a rename, it fails where somebody has made the file meanwhile
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
    """Copy all pages in one step: in several, every write in between would begin it anew."""
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
    """Read the whole copy; raises StorageError where something is wrong with it."""
    connection = apsw.Connection(part)
    try:
        faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        if faults != ["ok"] or broken:
            said = "; ".join(faults) if faults != ["ok"] else f"{len(broken)} rows point to rows that are not there"
            raise StorageError(f"the copy is damaged, and so is the bus: {said}", hint="Run: hallway doctor")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        counts = {}
        for table in COUNTED:
            if table in tables:
                counts[table] = int(str(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]))  # noqa: S608
        return counts
    finally:
        connection.close()


def _sync(path: str) -> int:
    """Have a file on disk; return its size."""
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
    """Raise InvalidInput for a bus that is no file of this machine, with what backs it up."""
    if url is None or "://" not in url or url.startswith("sqlite:///"):
        return
    if url.startswith(HUBS):
        raise InvalidInput(
            "this bus is a hub's, and its file is where the hub runs",
            hint="Run it there: hallway backup FILE. From here: hallway export > FILE",
        )
    raise InvalidInput(
        "this bus is a database, which its own programs back up",
        hint="Run: pg_dump --format=custom --file=FILE URL. Or, for either store: hallway export > FILE",
    )
