"""The embedded store: one SQLite file that every local process opens.

WAL, a side lock, then BEGIN IMMEDIATE: many processes write at once without "database is locked". A transaction has
one instant (`now`); one inside another is a savepoint, which is how a batch's operation fails alone. SQLite's errors
leave here as hallway's. A forked child closes what it has of its parent's connection and opens one of its own.
"""

from __future__ import annotations

import math
import os
import time
from _thread import RLock
from _weakref import ref

import apsw

from hallway.core import errors
from hallway.core.clock import SystemClock
from hallway.local.notify import DatagramSubscription, notify
from hallway.local.paths import make_private_folder
from hallway.store import load_statements
from hallway.store.lock import SideLock
from hallway.store.migrate import migrations, newest_version, read_migration
from hallway.store.sqlite_fts import FtsQueryWriter, relevance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row

APPLICATION_ID = 0x726F6F73  # "roos": what `file` and we know a bus by
BUSY_TIMEOUT_S = 5.0
PROGRESS_STEPS = 10_000  # of SQLite's between two looks at the time; some tenths of a millisecond
CACHE_PAGES = 4000  # of 4 KiB
CHECKPOINT_PAGES = 8000  # fewer, longer checkpoints: a third more sends a second than SQLite's 1000


class SQLiteStore:
    """A bus in one file; made, with its folder (0700) and itself (0600), when it is not there."""

    fulltext = FtsQueryWriter()
    is_local = True  # a statement takes microseconds, so an event loop can run it itself

    def __init__(self, path: str, *, clock: SystemClock | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self.busy_timeout_s = busy_timeout_s
        self.folder = os.path.dirname(path)
        self.wake_folder = os.path.join(self.folder, "wake")
        self.changed_topics: set[str] = set()  # the topics that the open transaction has something new for
        self._statements = load_statements("sqlite")
        self._mutex = RLock()
        self._is_forked = False
        self._depth = 0
        self._is_locked = False
        self._transaction_now = 0
        self._read_within_s = self._read_until = math.inf
        self._open()
        self._file = self._identity()
        _stores.add(ref(self, _stores.discard))

    # -- opening ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._make_file()
            self._lock = SideLock(f"{self.path}.lock")
            self._connection = apsw.Connection(self.path, statementcachesize=200)
            self._configure()
        except (apsw.Error, OSError) as error:
            raise self._translated(error) from error
        self._is_forked = False

    def _make_file(self) -> None:
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            make_private_folder(folder)
        if not os.path.exists(self.path):
            # Made before SQLite makes it, so that no umask widens it; -wal and -shm take over its mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def _configure(self) -> None:
        connection = self._connection
        connection.set_busy_timeout(int(self.busy_timeout_s * 1000))
        # Without the guarantee SQLite plans anew whenever a bound limit or time differs, which is each time.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}; PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # savepoints note there what they may have to undo
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.register_fts5_function("relevance", relevance)
        self._is_durable: bool | None = None
        newest = newest_version("sqlite")
        version = self._pragma("user_version")
        is_ours = self._pragma("application_id") == APPLICATION_ID
        if is_ours and version > newest:
            raise errors.BusIsNewer(f"{self.path} has schema {version}, but this hallway knows up to {newest}")
        if not is_ours or version < newest:
            self._migrate()

    def _pragma(self, name: str) -> int:
        value = self._connection.execute(f"PRAGMA {name}").fetchall()[0][0]
        return int(str(value))

    def _migrate(self) -> None:
        if not self._lock.acquire(self.busy_timeout_s):
            raise self._busy()
        try:
            self._refuse_strangers()
            self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                done = self._pragma("user_version")
                for number, path in migrations("sqlite"):
                    if number > done:
                        self._connection.execute(read_migration(path))
                        self._connection.execute(f"PRAGMA user_version = {number}")
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._connection.execute("COMMIT")
            except BaseException:
                self._rollback("ROLLBACK")
                raise
        finally:
            self._lock.release()

    def _refuse_strangers(self) -> None:
        owner = self._pragma("application_id")
        is_empty = not self._connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        if owner != APPLICATION_ID and not (owner == 0 and is_empty):
            raise errors.NotABus(f"{self.path} is another program's SQLite database")

    # -- time and transactions --------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the transaction's one instant; outside of one, the clock's (S8)."""
        return self._transaction_now if self._depth else self.clock.now()

    @property
    def is_in_transaction(self) -> bool:
        """Return whether this thread's statements are part of a transaction now."""
        self._enter()
        is_in_one = self._depth > 0
        self._mutex.release()
        return is_in_one

    def write(self, *, is_durable: bool = True) -> _Write | _Savepoint:
        """Return a write transaction; inside another one, a savepoint of it.

        A durable one is on disk when its block ends; any one survives the death of this process. Raises BusBusy when
        another process keeps the lock for longer than the busy timeout.
        """
        return _Savepoint(self) if self.is_in_transaction else _Write(self, is_durable)

    def exclusive(self) -> None:
        """Do nothing: every write transaction is the only one here."""

    def subscribe(self, topic: str) -> DatagramSubscription:
        """Subscribe to commits that change a topic, from now until the subscription is closed."""
        return DatagramSubscription(self.wake_folder, topic)

    def read(self) -> _Read:
        """Return one consistent snapshot for several reads; inside a transaction, part of it."""
        return _Read(self)

    def limit_reads(self, within_s: float) -> None:
        """Give up every read from now on that takes longer, with TookTooLong."""
        self._read_within_s = within_s
        self._connection.set_progress_handler(self._is_overdue, PROGRESS_STEPS)

    def _is_overdue(self) -> bool:
        return time.monotonic() > self._read_until

    def _enter(self) -> None:
        """Take the mutex; a forked child opens a connection of its own first."""
        if self._is_forked:
            self._leave_parent()
            self._open()
        self._mutex.acquire()

    def _leave_parent(self) -> None:
        """Close a forked child's share of the parent's connection.

        SQLite counts locks per process, in memory, and takes the parent's for its own: others would delete the log
        that this process writes to. Not in the middle of a write, which closing would undo under the parent's hands.
        """
        self._is_forked = True
        self._mutex, self._depth, self._is_locked = RLock(), 0, False  # another thread may have had them
        self._lock.close()
        try:
            if self._connection.txn_state() == apsw.SQLITE_TXN_WRITE:
                raise errors.StorageError(
                    f"this process was forked in the middle of a write to {self.path}",
                    hint="Fork outside of transactions, or start a new process instead",
                )
            self._connection.close()
        except apsw.ConnectionClosedError:
            pass
        except apsw.Error as error:
            raise self._translated(error) from error

    def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a named statement and return what it gives."""
        self._enter()
        try:
            return self._connection.execute(self._statements[statement], parameters).fetchall()
        except apsw.Error as error:
            raise self._translated(error) from error
        finally:
            self._mutex.release()

    def one(self, statement: str, **parameters: Any) -> Row | None:
        """Return the first row a named statement gives, or None."""
        rows = self.rows(statement, **parameters)
        return rows[0] if rows else None

    def rows_written(self) -> int:
        """Return how many rows this connection has written: it differs when something wrote in between."""
        return self._connection.total_changes()

    def holds(self) -> bool:
        """Return whether the open transaction is still there: a full disk makes SQLite roll it back."""
        return self._connection.in_transaction

    def is_same_file(self) -> bool:
        """Return whether the file at the path is still the one that is open; raises OSError where there is none."""
        return self._identity() == self._file

    def _identity(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def _begin(self, is_durable: bool) -> None:
        if not self.lock(self.busy_timeout_s):
            raise self._busy()
        try:
            if is_durable is not self._is_durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                self._is_durable = is_durable
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            self._unlock()
            raise self._translated(error) from error
        self._transaction_now = self.clock.now()

    def lock(self, timeout_s: float) -> bool:
        """Take the side lock ahead of the next write transaction, which gives it back; False when time ran out."""
        if not self._is_locked:
            self._is_locked = self._lock.acquire(timeout_s)
        return self._is_locked

    def _unlock(self) -> None:
        self._is_locked = False
        self._lock.release()

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self._rollback("ROLLBACK")
            raise self._translated(error) from error

    def _rollback(self, command: str) -> None:
        if self._connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            self._connection.execute(command)

    # -- ending and errors ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the file back; a closed store cannot be used again."""
        with self._mutex:
            if not self._is_forked:
                self._connection.close()
            self._lock.close()
            _stores.discard(ref(self))

    def _busy(self) -> errors.BusBusy:
        return errors.BusBusy(f"the bus {self.path} was locked by another process for {self.busy_timeout_s:g} s")

    def _translated(self, error: Exception) -> errors.HallwayError:
        if isinstance(error, apsw.BusyError | apsw.LockedError):
            return self._busy()
        if isinstance(error, apsw.InterruptError):
            return errors.TookTooLong(f"a read of {self.path} took longer than {self._read_within_s:g} s")
        if isinstance(error, apsw.FullError) or getattr(error, "errno", None) == 28:
            return errors.DiskFull(f"the disk under {self.path} is full")
        if isinstance(error, apsw.NotADBError | apsw.CorruptError):
            return errors.NotABus(f"{self.path} is not a hallway bus: {error}")
        if isinstance(
            error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError | apsw.AuthError | OSError
        ):
            return errors.NotWritable(f"the bus {self.path} cannot be opened for writing: {error}")
        return errors.StorageError(f"the bus {self.path} failed: {error}")


class _Write:
    """The outermost write transaction of a store."""

    __slots__ = ("_is_committed", "_is_durable", "_store")

    def __init__(self, store: SQLiteStore, is_durable: bool) -> None:
        self._store = store
        self._is_durable = is_durable
        self._is_committed = False

    def __enter__(self) -> None:
        store = self._store
        store._enter()
        try:
            store._begin(self._is_durable)
        except BaseException:
            store._mutex.release()
            raise
        store._depth = 1
        store.changed_topics = set()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        news = store.changed_topics  # taken before the commit lets other threads in
        store._depth = 0
        try:
            if kind is not None:
                store._rollback("ROLLBACK")
            elif not self._is_committed:
                store._commit()
        finally:
            store._unlock()
            store._mutex.release()
        if news and kind is None:
            notify(store.wake_folder, news)

    def commit(self) -> None:
        """Commit before the block ends, on whatever thread can wait for the disk; nothing may be written after."""
        self._store._commit()
        self._is_committed = True


class _Savepoint:
    """A transaction inside another: it fails alone."""

    __slots__ = ("_store",)

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        store = self._store
        if not store._connection.in_transaction:
            # A full disk makes SQLite roll back the whole transaction; a savepoint would silently begin another.
            raise errors.StorageError(f"the transaction on {store.path} was rolled back by an earlier error")
        store._connection.execute("SAVEPOINT inner")

    def commit(self) -> None:
        """Do nothing: the outermost transaction commits."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        if kind is not None:
            store._rollback("ROLLBACK TO inner")
        if store._connection.in_transaction:
            store._connection.execute("RELEASE inner")


class _Read:
    """A snapshot; the clock is read once for it."""

    __slots__ = ("_is_outermost", "_store")

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        store = self._store
        store._enter()
        self._is_outermost = store._depth == 0
        if self._is_outermost:
            try:
                store._connection.execute("BEGIN")
            except apsw.Error as error:
                store._mutex.release()
                raise store._translated(error) from error
            store._transaction_now = store.clock.now()
            store._read_until = time.monotonic() + store._read_within_s
        store._depth += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        store._depth -= 1
        try:
            if self._is_outermost:
                store._read_until = math.inf
                store._rollback("COMMIT")
        finally:
            store._mutex.release()


_stores: set[ref[SQLiteStore]] = set()


def _leave_parents() -> None:
    for known in list(_stores):
        if store := known():
            try:
                store._leave_parent()
            except errors.HallwayError:
                pass  # it says so when it is used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_parents)
