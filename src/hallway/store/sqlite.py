"""The embedded store: one SQLite file that every local process opens.

WAL, a side lock, then BEGIN IMMEDIATE: many processes write at once without "database is locked". A transaction has
one instant (`now`); one inside another is a savepoint, which is how a batch's operation fails alone. SQLite's errors
leave here as hallway's. A forked child closes what it has of its parent's connection and opens one of its own.

Two checks keep what is acknowledged: that the files are still in place (`bus_files.py`), before each durable commit and
now and then before other transactions, and in each write that no newer hallway has migrated the bus. A bus that was put
back is opened again.
"""

from __future__ import annotations

import errno
import math
import os
import time
from _thread import RLock
from _weakref import ref

from hallway.core import errors
from hallway.core.clock import SystemClock
from hallway.local.paths import make_private_folder
from hallway.store import StatementsOnDemand, missing_parameter
from hallway.store.bus_files import BusFiles, Fault, find_remains
from hallway.store.light_apsw import apsw
from hallway.store.lock import SideLock
from hallway.store.migrate import migrations, newest_version, read_migration
from hallway.store.optional_filters import FilteredStatement, with_optional_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from apsw import FTS5ExtensionApi

    from hallway.local.notify import DatagramSubscription
    from hallway.store import Row
    from hallway.store.sqlite_fts import FtsQueryWriter

APPLICATION_ID = 0x68616C6C  # "hall": marks a SQLite file as a bus, for hallway and for the command `file`
BUSY_TIMEOUT_S = 5.0
PROGRESS_STEPS = 10_000  # SQLite's steps between two checks of the time limit; a few tenths of a millisecond
CACHE_PAGES = 2000  # of 4 KiB, for each connection; twice as many made nothing quicker on a bus of 1.5 GB
CHECKPOINT_PAGES = 8000  # fewer, longer checkpoints: a third more sends a second than SQLite's 1000
MAX_WAL_PAGES = 2 * CHECKPOINT_PAGES  # of a larger log a writer waits for readers, so that it can be emptied
READERS_WAIT_MS = 100
PAGE_BYTES = 4096
NO_SHARED_MEMORY = {
    apsw.SQLITE_IOERR_SHMOPEN,
    apsw.SQLITE_IOERR_SHMSIZE,
    apsw.SQLITE_IOERR_SHMLOCK,
    apsw.SQLITE_IOERR_SHMMAP,
}
NO_LOCKS = {apsw.SQLITE_IOERR_LOCK, apsw.SQLITE_IOERR_RDLOCK, apsw.SQLITE_IOERR_UNLOCK, apsw.SQLITE_PROTOCOL}
CHECK_FILES_EVERY_S = 0.05


class SQLiteStore:
    """A bus in one file. A missing file (mode 0600) and its folder (0700) are created."""

    is_local = True  # a statement takes microseconds, so an event loop can run it itself

    def __init__(self, path: str, *, clock: SystemClock | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self.busy_timeout_s = busy_timeout_s
        self.folder = os.path.dirname(path)
        self.wake_folder = os.path.join(self.folder, "wake")
        self.changed_topics: set[str] = set()  # the topics that the open transaction changes
        self._statements = StatementsOnDemand("sqlite", with_optional_filters)
        self._mutex = RLock()
        self._is_forked = False
        self._depth = 0
        self._is_locked = False
        self._transaction_now = 0
        self._read_within_s = self._read_until = self._max_rows = math.inf
        self._newest_version = newest_version("sqlite")
        self._empty_wal_at_pages = MAX_WAL_PAGES
        self._was_disk_full = False
        self.is_checkpoint_due = False  # whether the last commit left a checkpoint to be done later
        self._files: BusFiles | None = None
        self._check_files_at = 0.0
        self._data_version = -1  # after the last write: it differs when others wrote since
        self._open()
        _stores.add(ref(self, _stores.discard))

    @property
    def fulltext(self) -> FtsQueryWriter:
        """Return the writer of full-text queries, which only searches and what they search need."""
        from hallway.store.sqlite_fts import FtsQueryWriter

        return FtsQueryWriter()

    # -- opening ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._make_file()
            self._lock = SideLock(f"{self.path}.lock")
            self._connection = apsw.Connection(self.path, statementcachesize=200)
            self._configure()
            self._files = BusFiles(self.path, self._connection)
        except (apsw.Error, OSError) as error:
            raise self._translated(error) from error
        self._is_forked = False

    def _require_files(self, *, is_ending: bool = False) -> None:
        """Raise BusGone unless the open files are in place; a bus that was put in their place is opened, instead.

        A transaction that ends stays with its own files.
        """
        assert self._files is not None  # noqa: S101 (the connection is open)
        try:
            fault = self._files.find_fault(is_ending=is_ending)
        except apsw.Error as error:  # for example of a connection that was closed
            raise self._translated(error) from error
        if fault is None:
            if not is_ending:
                self._check_files_at = time.monotonic() + CHECK_FILES_EVERY_S
            return
        self._check_files_at = 0.0  # at each transaction, until nothing is wrong
        if is_ending or not self._files.has_successor():
            raise self._gone(fault)
        connection, lock = self._connection, self._lock
        try:
            self._open()
        except BaseException:
            self._connection, self._lock = connection, lock
            raise
        connection.close()
        lock.close()
        self._is_locked = False

    def _make_file(self) -> None:
        if remains := find_remains(self.path):
            raise self._gone(remains)
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            make_private_folder(folder)
        if not os.path.exists(self.path):
            # Create the file before SQLite does, so that the umask cannot widen its mode; -wal and -shm copy the mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def _configure(self) -> None:
        connection = self._connection
        connection.set_busy_timeout(int(self.busy_timeout_s * 1000))
        # Query planner stability guarantee: else SQLite plans a statement again whenever a bound limit or time differs.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}; PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # savepoints note there what they may have to undo
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see _checkpoint
        connection.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * PAGE_BYTES}")
        connection.register_fts5_function("relevance", _relevance)
        self._is_durable: bool | None = None
        if self._read_within_s < math.inf:
            self.limit_reads(self._read_within_s)
        is_ours = self._pragma("application_id") == APPLICATION_ID
        if not is_ours or self._version() < self._newest_version:
            self._migrate()

    def _version(self) -> int:
        """Return the schema's version; raises BusIsNewer for one that this hallway does not know."""
        version = self._pragma("user_version")
        if version > self._newest_version:
            raise errors.BusIsNewer(
                f"this bus is newer: {self.path} has schema {version}, but this hallway knows up to"
                f" {self._newest_version}"
            )
        return version

    def _pragma(self, name: str) -> int:
        return int(str(self._execute(f"PRAGMA {name}")[0][0]))

    def _execute(self, command: str) -> list[Row]:
        try:
            return self._connection.execute(command).fetchall()
        except apsw.Error as error:
            raise self._translated(error) from error

    def _migrate(self) -> None:
        if not self._lock.acquire(self.busy_timeout_s):
            raise self._busy()
        try:
            self._refuse_strangers()
            mode = self._execute("PRAGMA journal_mode = WAL")[0][0]
            if mode != "wal":
                raise self._unsuitable("has no shared memory", f"SQLite's journal stays in mode {mode}")
            self._execute("BEGIN IMMEDIATE")
            try:
                done = self._version()
                for number, path in migrations("sqlite"):
                    if number > done:
                        self._connection.execute(read_migration(path))
                        self._connection.execute(f"PRAGMA user_version = {number}")
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._execute("COMMIT")
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
        """Return the transaction's timestamp; outside of a transaction, the current time (S8)."""
        return self._transaction_now if self._depth else self.clock.now()

    @property
    def is_in_transaction(self) -> bool:
        """Return whether this thread's statements are part of a transaction now."""
        self._enter()
        is_in_one = self._depth > 0
        self._mutex.release()
        return is_in_one

    def write(self, *, is_durable: bool = True) -> _Write | _Savepoint:
        """Return a write transaction; inside another transaction, a savepoint of that one.

        A durable transaction is on disk when its block ends; every transaction survives the death of this process.
        Raises BusBusy when another process keeps the lock for longer than the busy timeout.
        """
        return _Savepoint(self) if self.is_in_transaction else _Write(self, is_durable)

    def exclusive(self) -> None:
        """Do nothing: on SQLite every write transaction is already the only writer."""

    def subscribe(self, topic: str) -> DatagramSubscription:
        """Subscribe to commits that change a topic, from now until the subscription is closed."""
        from hallway.local.notify import DatagramSubscription

        return DatagramSubscription(self.wake_folder, topic)

    def read(self) -> _Read:
        """Return a read transaction: one snapshot for several reads; inside a transaction, the reads are part of it."""
        return _Read(self)

    def limit_reads(self, within_s: float) -> None:
        """Set a time limit for every later read; a read that takes longer raises TookTooLong."""
        self._read_within_s = within_s
        self._connection.set_progress_handler(self._is_overdue, PROGRESS_STEPS)

    def limit_to_short_reads(self, within_s: float, rows: int) -> None:
        """Set a limit of time and rows for every later read; one that would have to wait raises BusBusy at once."""
        self._max_rows = rows
        self.busy_timeout_s = 0
        self._connection.set_busy_timeout(0)
        self.limit_reads(within_s)

    def _is_overdue(self) -> bool:
        return time.monotonic() > self._read_until

    def _enter(self) -> None:
        """Take the mutex; a forked child opens a new connection first."""
        if self._is_forked:
            self._leave_parent()
            self._open()
        self._mutex.acquire()

    def _leave_parent(self) -> None:
        """Close a forked child's copy of the parent's connection.

        SQLite keeps the locks of a process in memory, so the child would believe it holds the parent's locks, and
        another process could delete the log that the child writes to. Raises StorageError if the fork happened during
        a write: closing the copy would roll back the parent's transaction.
        """
        self._is_forked = True
        self._mutex, self._depth, self._is_locked = RLock(), 0, False  # the parent's threads may have held them
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
        """Run a named statement and return its rows."""
        self._enter()
        try:
            text = self._statements[statement]
            if text.__class__ is FilteredStatement:
                text = text.text_for(parameters)
            found = self._connection.execute(text, parameters).fetchall()
        except KeyError as error:
            raise missing_parameter(statement, error.args[0]) from None
        except apsw.Error as error:
            raise self._translated(error) from error
        finally:
            self._mutex.release()
        if len(found) > self._max_rows:
            raise errors.TookTooLong(f"a read of {self.path} found more than {self._max_rows:g} rows")
        return found

    def one(self, statement: str, **parameters: Any) -> Row | None:
        """Run a named statement and return its first row, or None if it has no rows."""
        rows = self.rows(statement, **parameters)
        return rows[0] if rows else None

    def change(self, statement: str, **parameters: Any) -> None:
        """Run a named statement and ignore its rows."""
        self.rows(statement, **parameters)

    def read_ahead(self, *reads: tuple[str, dict[str, Any]]) -> None:
        """Do nothing: reads of a local file need no round trips."""

    def rows_written(self) -> int:
        """Return how many rows this connection has written so far; compare two results to see if rows were written."""
        return self._connection.total_changes()

    def holds(self) -> bool:
        """Return whether the transaction is still open: SQLite rolls it back by itself if the disk is full."""
        return self._connection.in_transaction

    def _begin(self, is_durable: bool) -> None:
        try:
            if time.monotonic() >= self._check_files_at:
                self._require_files()
            if not self.lock(self.busy_timeout_s):
                raise self._busy()
            if self._was_disk_full:
                self._checkpoint(must_empty=True)
            if is_durable is not self._is_durable:
                self._execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                self._is_durable = is_durable
            self._execute("BEGIN IMMEDIATE")
            if self._connection.data_version() != self._data_version:
                self._version()
        except BaseException:
            self._rollback("ROLLBACK")
            if self._is_locked:
                self._unlock()
            raise
        self._transaction_now = self.clock.now()

    def lock(self, timeout_s: float) -> bool:
        """Take the side lock for the next write transaction, which releases it; return False if the time ran out."""
        if not self._is_locked:
            try:
                self._is_locked = self._lock.acquire(timeout_s)
            except OSError as error:
                fault = self._files.find_fault() if self._files else None
                raise (self._gone(fault) if fault else self._translated(error)) from error
        return self._is_locked

    def _unlock(self) -> None:
        self._is_locked = False
        self._lock.release()

    def _commit(self, *, may_checkpoint: bool = True) -> None:
        try:
            if self._is_durable or not may_checkpoint:  # a hub acknowledges heartbeats to other programs
                self._require_files(is_ending=True)
            self._execute("COMMIT")
        except errors.HallwayError:
            self._rollback("ROLLBACK")
            raise
        self._data_version = self._connection.data_version()
        try:
            wal_pages, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        except apsw.Error:
            wal_pages = 0  # the write is on disk, so it has not failed; the next commit asks again
        self.is_checkpoint_due = wal_pages >= CHECKPOINT_PAGES and not may_checkpoint
        if wal_pages >= CHECKPOINT_PAGES and may_checkpoint:
            self._checkpoint(must_empty=wal_pages >= self._empty_wal_at_pages)

    def _checkpoint(self, *, must_empty: bool = False) -> None:
        """Move the log's content into the bus, so that the next write begins the log anew; a failure does no harm.

        Readers of old snapshots delay that, and readers that overlap delay it for ever: wait for them where the log
        must be emptied.
        """
        self._was_disk_full = False
        self._connection.set_busy_timeout(READERS_WAIT_MS)
        try:
            if not self._has_room():
                return
            if must_empty:
                self._empty_wal_at_pages += CHECKPOINT_PAGES  # if it fails: when the log has grown as much again
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self._empty_wal_at_pages = MAX_WAL_PAGES
            else:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self._files:
                self._files.find_fault()  # which notes how large the file is now
        except (apsw.Error, errors.HallwayError, OSError):
            pass  # what was written is safe in the log
        finally:
            self._connection.set_busy_timeout(int(self.busy_timeout_s * 1000))

    def _has_room(self) -> bool:
        """Return whether the disk has room for the log's content in the bus.

        A checkpoint that runs out of room has made the bus's file larger and the log no smaller: it would use up
        whatever room somebody makes on a full disk.
        """
        if not hasattr(os, "statvfs"):
            return True
        disk = os.statvfs(self.folder or ".")
        missing_bytes = self._pragma("page_count") * PAGE_BYTES - os.path.getsize(self.path)
        return missing_bytes <= disk.f_bavail * disk.f_frsize

    def _rollback(self, command: str) -> None:
        try:
            if self._connection.in_transaction:  # SQLite rolls back by itself when the disk is full
                self._connection.execute(command)
        except apsw.Error as error:
            raise self._translated(error) from error

    # -- ending and errors ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; a closed store cannot be used again."""
        with self._mutex:
            try:
                if not self._is_forked:
                    self._close_connection()
            except apsw.Error as error:
                raise self._translated(error) from error
            finally:
                self._lock.close()
                _stores.discard(ref(self))

    def _close_connection(self) -> None:
        """Close the connection; the last one of a bus moves the log's content into the bus, if there is room."""
        try:
            if not self._has_room():
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        except (errors.HallwayError, OSError):
            pass  # it is closed already, damaged or gone, and SQLite leaves the log of such a bus alone
        self._connection.close()

    def _gone(self, fault: Fault) -> errors.BusGone:
        return errors.BusGone(f"the bus {self.path} {fault.text}", hint=fault.hint)

    def _busy(self) -> errors.BusBusy:
        return errors.BusBusy(f"the bus {self.path} was locked by another process for {self.busy_timeout_s:g} s")

    def _translated(self, error: Exception) -> errors.HallwayError:
        if isinstance(error, apsw.BusyError | apsw.LockedError):
            return self._busy()
        if isinstance(error, apsw.InterruptError):
            return errors.TookTooLong(f"a read of {self.path} took longer than {self._read_within_s:g} s")
        code = getattr(error, "extendedresult", 0)
        if isinstance(error, apsw.FullError) or self._system_error(error) == errno.ENOSPC:
            self._was_disk_full = True
            return errors.DiskFull(f"the disk under {self.path} is full")
        if code in NO_SHARED_MEMORY:
            return self._unsuitable("has no shared memory", str(error))
        if code in NO_LOCKS or self._system_error(error) in (errno.ENOLCK, errno.EOPNOTSUPP):
            return self._unsuitable("has no file locks", str(error))
        if isinstance(error, apsw.NotADBError | apsw.CorruptError):
            return self._damaged(error)
        if isinstance(
            error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError | apsw.AuthError | OSError
        ):
            return errors.NotWritable(f"the bus {self.path} cannot be opened for writing: {error}")
        if isinstance(error, apsw.SQLError):
            try:
                self._version()
            except errors.BusIsNewer as newer:  # which is why a table or a column is missing
                return newer
        return errors.StorageError(f"the bus {self.path} failed: {error}")

    def _damaged(self, error: Exception) -> errors.HallwayError:
        """Return what has damaged the bus; a transaction on it is over."""
        if self._files is None:
            return errors.NotABus(f"{self.path} is not a hallway bus: {error}")
        self._check_files_at = 0.0
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            pass  # the first error says it
        fault = self._files.find_fault()
        return self._gone(fault) if fault else errors.NotABus(f"{self.path} is not a hallway bus: {error}")

    def _system_error(self, error: Exception) -> int:
        """Return the operating system's error number behind an error, 0 for none."""
        if isinstance(error, OSError):
            return error.errno or 0
        has_one = isinstance(error, apsw.IOError | apsw.CantOpenError) and hasattr(self, "_connection")
        return self._connection.system_errno if has_one else 0

    def _unsuitable(self, lack: str, text: str) -> errors.UnsuitableDisk:
        return errors.UnsuitableDisk(
            f"the file system of {self.folder} {lack}, which a bus of several processes needs, as network file systems"
            f" and shared folders of virtual machines and containers often have none: {text}"
        )


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
        news = store.changed_topics  # read before the mutex is released: another thread may then change it
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
            try:
                from hallway.local.notify import notify  # with sockets, which reads and most heartbeats do not need
            except ImportError:  # hallway is being upgraded; the write is on disk, and others find it without a wake-up
                return
            notify(store.wake_folder, news)

    def commit(self, *, may_checkpoint: bool = True) -> None:
        """Commit before the block ends, from any thread that may wait for the disk; write nothing afterwards.

        A commit that is neither durable nor checkpoints waits for no disk.
        """
        self._store._commit(may_checkpoint=may_checkpoint)
        self._is_committed = True


class _Savepoint:
    """A transaction inside another; if it fails, the outer transaction goes on."""

    __slots__ = ("_store",)

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        store = self._store
        if not store._connection.in_transaction:
            # SQLite rolls back the whole transaction if the disk is full; a savepoint would silently begin a new one.
            raise errors.StorageError(f"the transaction on {store.path} was rolled back by an earlier error")
        store._execute("SAVEPOINT inner")

    def commit(self) -> None:
        """Do nothing: the outermost transaction commits."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        if kind is not None:
            store._rollback("ROLLBACK TO inner")
        if store._connection.in_transaction:
            store._execute("RELEASE inner")


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
                now = time.monotonic()
                if now >= store._check_files_at:
                    store._require_files()
                store._execute("BEGIN")
            except BaseException:
                store._mutex.release()
                raise
            store._transaction_now = store.clock.now()
            store._read_until = now + store._read_within_s
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


def _relevance(api: FTS5ExtensionApi, /, *arguments: Any) -> float:
    """Compute a row's rank for the SQL function `relevance`, by a module that is imported only for searches."""
    from hallway.store.sqlite_fts import relevance

    return relevance(api, *arguments)


_stores: set[ref[SQLiteStore]] = set()


def _leave_parents() -> None:
    for opened in list(_stores):
        if store := opened():
            try:
                store._leave_parent()
            except errors.HallwayError:
                pass  # the store raises this error again when the child uses it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_parents)
