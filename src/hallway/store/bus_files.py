"""Checks that the files of an open SQLite bus are still in place and sound.

An open file can be deleted, moved or overwritten, and SQLite goes on writing to what nobody else can open. A check
costs one `stat` each for the bus, its write-ahead log and, now and then, the log's index. The header is read only when
the file's time says that somebody wrote to it; SQLite's checkpoints do so, too. It is read through SQLite, because a
process that opens and closes the file itself loses its locks on it.
"""

from __future__ import annotations

import math
import os

from hallway.store.light_apsw import apsw

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
WAL, SHM = "-wal", "-shm"  # the log, and its index in shared memory
RESTORE = (
    "Put the bus's files back, or move what is left of them away and put a backup there: writing goes on without a"
    " restart"
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Place: TypeAlias = tuple[int, int]  # inode and device


class Fault:
    """What is wrong with the files, and what to do."""

    __slots__ = ("hint", "text")

    def __init__(self, text: str, hint: str = RESTORE) -> None:
        self.text = text
        self.hint = hint


class BusFiles:
    """The files of a connection, as they were when it was opened."""

    def __init__(self, path: str, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection
        self._place = _place(path)
        self._wal, self._shm = ((path + side, _place(path + side)) for side in (WAL, SHM))
        self._stamp = (-1, -1)  # time and size of the file whose header was read last
        self._generation = (0, 0)

    def find_fault(self, *, is_ending: bool = False) -> Fault | None:
        """Return what is wrong with the files, None if nothing is; before a commit, of those that it writes to."""
        try:
            status = os.stat(self._path)
        except OSError:
            return Fault("was deleted or moved")
        if (status.st_ino, status.st_dev) != self._place:
            return Fault("was replaced by another file")
        stamp = status.st_mtime_ns, status.st_size
        if stamp != self._stamp and (fault := self._find_damage(stamp)):
            return fault
        if _is_lost(*self._wal):
            return _lost_side(self._path, self._wal[0])
        if not is_ending and _is_lost(*self._shm):
            return _lost_side(self._path, self._shm[0])
        return None

    def _find_damage(self, stamp: tuple[int, int]) -> Fault | None:
        """Read the header of the file in place, which somebody has written to, and forget what was read before."""
        self._connection.release_memory()  # pages that were read from a damaged file must not be written back
        header, damage = _read_header(self._path)
        if damage:
            return Fault(damage)
        try:
            pages_left = self._pages_left()  # asked before the size: a checkpoint may end in between
            size_bytes = os.path.getsize(self._path)
        except OSError:
            return Fault("was deleted or moved")
        page_bytes = int.from_bytes(header[16:18], "big") or 1
        if pages_left is not None and _integer(header, 28) - size_bytes // page_bytes > pages_left:
            return Fault("was truncated")
        generation = _integer(header, 24), size_bytes  # how many changes, and how large
        if generation < self._generation:  # only a vacuum makes it smaller, which is a change
            return Fault("was truncated, or overwritten with an older copy, while its log was in use")
        self._generation = generation
        if pages_left is not None:
            self._stamp = stamp
        return None

    def _pages_left(self) -> float | None:
        """Return how many pages may be in the log alone; None if that can only be told later.

        The file lacks some while a checkpoint is under way, or after a full disk has stopped one. SQLite does not tell
        in a transaction, nor to who may only read.
        """
        if self._connection.in_transaction:
            return None
        if self._connection.readonly("main"):
            return math.inf
        try:
            in_log, moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        except apsw.BusyError:  # another process is writing the log's index, and SQLite does not wait for it here
            return None
        return in_log if moved < in_log else 0

    def has_successor(self) -> bool:
        """Return whether another bus is in place, without the log of the one before, which would damage it."""
        if _place(self._path) in (None, self._place):
            return False
        if any(place is not None and _place(side) == place for side, place in (self._wal, self._shm)):
            return False
        return _read_header(self._path)[1] is None


def find_remains(path: str) -> Fault | None:
    """Return what speaks against opening a bus: files that another process left or still uses.

    A new bus, or a new log, beside the log or the index of another would be damaged by it, or damage it.
    """
    if os.path.exists(path + WAL):
        if not os.path.exists(path):
            return Fault(f"was deleted or moved, and {os.path.basename(path)}{WAL} still holds a part of it")
        if os.path.getsize(path) == 0 and os.path.getsize(path + WAL):
            return Fault(f"was emptied, and {os.path.basename(path)}{WAL} still holds a part of it")
        return None
    # The last process to end removes the index, then the log; so look at the index before and after.
    if os.path.exists(path + SHM) and not os.path.exists(path + WAL) and os.path.exists(path + SHM):
        return _lost_side(path, path + WAL)
    return None


def _lost_side(path: str, side: str) -> Fault:
    return Fault(
        f"has lost {os.path.basename(side)}, which was deleted or moved while it was in use",
        f"Put it back, or end every process that uses the bus (fuser -v {path}): the last one to end moves the log's"
        f" content into the bus. If none uses it: rm {path}{SHM}",
    )


def _read_header(path: str) -> tuple[bytes, str | None]:
    """Return a database's header, and what is wrong with it."""
    try:
        file = apsw.VFSFile("", path, [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
        try:
            header = file.xRead(HEADER_BYTES, 0)
        finally:
            file.xClose()
    except apsw.Error as error:
        return b"", f"cannot be read: {error}"
    if len(header) < HEADER_BYTES:
        return header, "was truncated"
    return header, None if header.startswith(MAGIC) else "was overwritten with something that is no bus"


def _integer(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 4], "big")


def _place(path: str) -> Place | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_dev


def _is_lost(path: str, place: Place | None) -> bool:
    """Return whether a file is not where it was; one that was not there at first is not missed."""
    return place is not None and _place(path) != place
