"""The store for several machines: a PostgreSQL database that any number of processes share.

A transaction that assigns a `seq`, or whose writes depend on its reads, runs alone: it holds the bus's advisory lock
until its commit. So `seq` rises in the order of the commits, and transactions follow one another as on SQLite
(docs/decisions/0008). A heartbeat that changes nothing does not take this lock. Time is the database's clock (S8): one
timestamp per transaction, read after the lock was taken.

A lost connection is opened again at the next transaction. PostgreSQL's errors are raised as hallway's errors. A forked
child does not touch its parent's connection and opens a new one.
"""

from __future__ import annotations

import os
from _thread import RLock
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from hallway.core import errors
from hallway.core.redaction import redact_url
from hallway.store import Statements, load_statements
from hallway.store.migrate import migrations, newest_version, read_migration
from hallway.store.postgres.connection import connect, cut, require_own_connection, schema_version, translated
from hallway.store.postgres.deferred import DeferredStatements
from hallway.store.postgres.dialect import Statement
from hallway.store.postgres.fts import TsQueryWriter
from hallway.store.postgres.listener import PostgresSubscription
from hallway.store.postgres.row_reader import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.core.clock import FakeClock, SystemClock
    from hallway.store import Row

BUSY_TIMEOUT_S = 5.0
CLOSE_WITHIN_S = 0.05  # how long to wait at the end for a statement of another thread
STALLED_S = 3  # after which the database ends a transaction whose process is frozen, cut off or gone
LOCKS = 0x68616C6C  # "hall": the first half of the key of the bus's advisory lock
# Most statements return a few rows that are in memory: prefer indexes, and never compile a statement.
PLANNING = "SET random_page_cost = 1.1; SET jit = off"
CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
ANEW = {"memory.by_relevance", "memory.newest_first", "memory.count_matches"}  # planned for the words asked for
OK = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}


class PostgresStore:
    """A bus in a PostgreSQL database, in the current schema of its connections. Missing tables are created."""

    fulltext = TsQueryWriter()
    is_local = False  # a statement waits for the network, so no event loop runs one itself

    def __init__(
        self, url: str, *, clock: SystemClock | FakeClock | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self.url = url
        self.path = redact_url(url)
        self.folder = ""  # the bus has no folder on this machine
        self.clock = clock  # only in tests; None: the database's clock
        self.busy_timeout_s = busy_timeout_s
        self.changed_topics: set[str] = set()  # the topics that the open transaction changes
        self.is_ending = False  # whether COMMIT was sent: after an error, nobody knows if the transaction was committed
        self._statements = Statements(
            (name, Statement(text, name)) for name, text in load_statements("postgres").items()
        )
        self._mutex = RLock()
        self._pid = os.getpid()
        self._is_closed = False
        self._depth = 0
        self._is_exclusive = False
        self._transaction_now = 0
        self._newest_version = 0  # until the tables are there
        self._written = 0
        self._read_within_s = 0.0  # 0: no limit
        try:
            self._open()
            require_own_connection(self._connection, self.url)
            self._migrate()
        except BaseException:
            self.close()
            raise

    # -- connecting ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._is_closed:
            raise errors.Unavailable(f"the connection to {self.path} was closed here", hint="Open the bus again")
        self._connection: psycopg.Connection = connect(self.url)
        self._pgconn = self._connection.pgconn
        self._prepared: set[str] = set()
        self._rows = RowReader()
        self._deferred = DeferredStatements(self._pgconn)
        self._ahead: dict[tuple[Any, ...], pq.abc.PGresult] = {}
        self._execute(PLANNING)
        if self._read_within_s:
            self.limit_reads(self._read_within_s)
        schema = self._execute("SELECT current_schema()").get_value(0, 0)
        if schema is None:
            raise errors.NotWritable(f"{self.path} has no schema to be in: its search_path names none that is there")
        self.schema = schema.decode()
        self._lock = f"SELECT pg_advisory_xact_lock({LOCKS}, hashtext('{self.schema}'))"

    def _migrate(self) -> None:
        """Create or update the tables; if several processes do so at once, one works and the others wait."""
        newest, version = newest_version("postgres"), schema_version(self._connection)
        self._require_known(version)
        if version == newest:
            self._newest_version = newest
            return
        with _Write(self, True):
            done = schema_version(self._connection)
            self._require_known(done)
            if not done:
                self._execute("CREATE TABLE hallway_migrations (number integer PRIMARY KEY)")
            for number, path in migrations("postgres"):
                if number > done:
                    self._execute(read_migration(path))
                    self._execute(f"INSERT INTO hallway_migrations VALUES ({number})")  # noqa: S608 (an integer)
        self._newest_version = newest

    def _require_known(self, version: int) -> None:
        newest = newest_version("postgres")
        if version > newest:
            raise errors.BusIsNewer(
                f"this bus is newer: {self.path} has schema {version}, but this hallway knows up to {newest}"
            )

    def limit_reads(self, within_s: float) -> None:
        """Set a time limit for every later statement; one that takes longer raises TookTooLong."""
        self._read_within_s = within_s
        self._execute(f"SET statement_timeout = {int(within_s * 1000)}")

    # -- time and transactions ----------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the transaction's timestamp; outside of a transaction, the current time (S8)."""
        if self._depth:
            return self._transaction_now
        self._enter()
        try:
            return self._clock(self._retried(CLOCK))
        finally:
            self._mutex.release()

    def _clock(self, result: pq.abc.PGresult) -> int:
        return self.clock.now() if self.clock else int(result.get_value(0, 0) or b"0")

    @property
    def is_in_transaction(self) -> bool:
        """Return whether this thread's statements are part of a transaction now."""
        self._enter()
        is_in_one = self._depth > 0
        self._mutex.release()
        return is_in_one

    def write(self, *, is_durable: bool = True) -> _Write | _Savepoint:
        """Return a write transaction; inside another transaction, a savepoint of that one.

        A durable transaction is on disk when its block ends, and is the only writer from its beginning; any other is
        the only writer after its first call of `exclusive`. Raises BusBusy when another process keeps the lock for
        longer than the busy timeout.
        """
        return _Savepoint(self) if self.is_in_transaction else _Write(self, is_durable)

    def read(self) -> _Read:
        """Return a read transaction: one snapshot for several reads; inside a transaction, the reads are part of it."""
        return _Read(self)

    def exclusive(self) -> None:
        """Become the only writer until the transaction ends, and set the transaction's timestamp to now."""
        if not self._is_exclusive:
            self._take_look(self._execute(f"{self._lock}; {self._first_look}"))
            self._is_exclusive = True

    def subscribe(self, topic: str) -> PostgresSubscription:
        """Subscribe to commits that change a topic, from now until the subscription is closed."""
        return PostgresSubscription(self.url, self.schema, topic)

    def _enter(self) -> None:
        """Take the mutex; a forked child opens a new connection first."""
        if self._pid != os.getpid():
            _abandoned.append(self._connection)  # kept, because closing it would close the parent's connection
            self._mutex, self._depth, self._pid = RLock(), 0, os.getpid()
            self._open()
        self._mutex.acquire()

    @property
    def _first_look(self) -> str:
        """Return what a write asks first: its instant, and whether a newer hallway has migrated the bus."""
        if not self._newest_version:  # the tables are not there: this transaction makes them
            return CLOCK
        return f"{CLOCK}, EXISTS (SELECT FROM hallway_migrations WHERE number > {self._newest_version})"

    def _begin(self, command: str, look: str = CLOCK) -> None:
        try:
            self._take_look(self._retried(f"{command}; {look}"))
        except errors.StorageError:
            self._rollback()
            raise

    def _take_look(self, look: pq.abc.PGresult) -> None:
        """Take the instant of a transaction from its first look; raises BusIsNewer if the bus was migrated since."""
        self._transaction_now = self._clock(look)
        if look.nfields > 1 and look.get_value(0, 1) == b"t":
            self._require_known(schema_version(self._connection))

    def _retried(self, command: str) -> pq.abc.PGresult:
        """Run the first command of a transaction; if the connection was lost before, open a new one and repeat it."""
        try:
            return self._execute(command)
        except errors.Unavailable:
            if self._pgconn.status == pq.ConnStatus.OK:
                self._rollback()
                raise
        self._connection.close()
        self._open()
        return self._execute(command)

    def _commit(self) -> None:
        notify = ""
        if self.changed_topics:
            channel = PostgresSubscription.channel(self.schema)
            notify = f"NOTIFY {channel}, '{PostgresSubscription.payload(self.changed_topics)}'; "
        try:
            self._send_deferred()
            self.is_ending = True
            if self._execute(f"{notify}COMMIT").command_status != b"COMMIT":
                raise errors.StorageError(f"the transaction on {self.path} was rolled back by an earlier error")
        except errors.HallwayError:
            self._rollback()
            raise

    def _rollback(self, command: str = "ROLLBACK") -> None:
        self._deferred.clear()
        if self._pgconn.status == pq.ConnStatus.OK and self._pgconn.transaction_status != pq.TransactionStatus.IDLE:
            self._execute(command)

    # -- statements ---------------------------------------------------------------------------------------------------

    def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a named statement and return its rows."""
        self._enter()
        try:
            return self._read_result(self._run(statement, parameters))
        finally:
            self._mutex.release()

    def one(self, statement: str, **parameters: Any) -> Row | None:
        """Run a named statement and return its first row, or None if it has no rows."""
        rows = self.rows(statement, **parameters)
        return rows[0] if rows else None

    def change(self, statement: str, **parameters: Any) -> None:
        """Run a named statement and ignore its rows.

        In a transaction that holds the bus's lock the statement is deferred: it is sent together with the next
        statement that returns rows, at the latest at the end of the savepoint or transaction. An error is raised then.
        """
        self._enter()
        try:
            if self._depth and self._is_exclusive:
                self._defer(self._key(statement, parameters))
                self._ahead = {}
                self._written += 1
                if self._deferred.is_full:
                    self._send_deferred()
            else:
                self._read_result(self._run(statement, parameters))
        finally:
            self._mutex.release()

    def read_ahead(self, *reads: tuple[str, dict[str, Any]]) -> None:
        """Run several reads in one round trip; `rows` returns their results without asking the database again.

        It does nothing unless the transaction holds the bus's lock: then only heartbeats of others, which change a
        session's times, can change what was read. The results are dropped before the next statement that may write.
        """
        self._enter()
        try:
            if not (self._depth and self._is_exclusive):
                return
            missing = [key for each in reads if (key := self._key(*each)) not in self._ahead]
            if missing:
                for key in missing:
                    self._defer(key)
                self._ahead |= zip(missing, self._send_deferred()[-len(missing) :], strict=True)
        finally:
            self._mutex.release()

    def _key(self, statement: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
        """Return a statement's name and values."""
        return (statement, *self._statements[statement].values(parameters))

    def _defer(self, key: tuple[Any, ...]) -> None:
        """Add a statement, by its name and values, to those that are sent together."""
        statement, *values = key
        self._prepare(statement, self._statements[statement])
        self._deferred.add(statement.encode(), values)

    def _run(self, statement: str, parameters: dict[str, Any]) -> pq.abc.PGresult:
        """Run a statement; outside of a transaction, repeat it on a new connection if the connection was lost."""
        prepared = self._statements[statement]
        values = prepared.values(parameters)
        if self._ahead:
            if (known := self._ahead.get((statement, *values))) is not None:
                return known
            if not prepared.is_read:
                self._ahead = {}
        try:
            return self._run_once(statement, prepared, values)
        except errors.Unavailable:
            if self._depth or self._pgconn.status == pq.ConnStatus.OK:
                raise
        self._connection.close()
        self._open()
        return self._run_once(statement, prepared, values)

    def _run_once(self, statement: str, prepared: Statement, values: list[bytes | None]) -> pq.abc.PGresult:
        if statement in ANEW:
            self._send_deferred()
            return self._call(self._pgconn.exec_params, prepared.text, values)
        self._prepare(statement, prepared)
        if self._deferred:
            return self._send_deferred(partial(self._pgconn.send_query_prepared, statement.encode(), values))[-1]
        return self._call(self._pgconn.exec_prepared, statement.encode(), values)

    def _prepare(self, statement: str, prepared: Statement) -> None:
        if statement not in self._prepared:
            self._call(self._pgconn.prepare, statement.encode(), prepared.text)
            self._prepared.add(statement)

    def _execute(self, command: str) -> pq.abc.PGresult:
        self._ahead = {}
        self._send_deferred()
        return self._call(self._pgconn.exec_, command.encode())

    def _begin_inner(self) -> None:
        """Begin a savepoint; what was read ahead is still true in it."""
        self._send_deferred()
        self._call(self._pgconn.exec_, b"SAVEPOINT inner_one")

    def _end_inner(self) -> None:
        """End a savepoint; raises the error of a deferred statement in it."""
        if self._deferred:
            self._send_deferred(partial(self._pgconn.send_query_params, b"RELEASE inner_one", None))
        else:
            self._call(self._pgconn.exec_, b"RELEASE inner_one")

    def _send_deferred(self, last: Callable[[], None] | None = None) -> list[pq.abc.PGresult]:
        """Run the deferred statements, and one more that `last` sends. Raises the first error."""
        if not self._deferred:
            return []
        try:
            results = self._deferred.send(last)
        except psycopg.OperationalError as error:
            raise translated(self.path, "", str(error).strip()) from None
        for result in results:
            self._require_success(result)
        return results

    def _call(self, function: Callable[..., pq.abc.PGresult], *arguments: Any) -> pq.abc.PGresult:
        try:
            result = function(*arguments)
        except psycopg.OperationalError as error:
            raise translated(self.path, "", str(error).strip()) from None
        self._require_success(result)
        return result

    def _require_success(self, result: pq.abc.PGresult) -> None:
        if result.status not in OK:
            self._written += 1  # after an error the transaction must be rolled back, as if it had written
            raise self._translated(result)

    def _read_result(self, result: pq.abc.PGresult) -> list[Row]:
        if not result.nfields:
            self._written += result.command_tuples or 0
            return []
        return self._rows.read(result)

    def rows_written(self) -> int:
        """Return how many rows this connection has written so far; compare two results to see if rows were written."""
        return self._written

    def holds(self) -> bool:
        """Return whether the transaction is still open: it ends if the connection is lost."""
        return self._pgconn.status == pq.ConnStatus.OK

    # -- ending and errors ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the connection back; a closed store cannot be used again.

        A statement that another thread runs is waited for, but not for long: the database may be frozen.
        """
        self._is_closed = True
        if self._pid != os.getpid() or not hasattr(self, "_connection"):
            return
        if not self._mutex.acquire(timeout=CLOSE_WITHIN_S):
            cut(self._connection)
            self._mutex.acquire()
        try:
            self._connection.close()
        finally:
            self._mutex.release()

    def _translated(self, result: pq.abc.PGresult) -> errors.HallwayError:
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or self._pgconn.error_message).decode().strip()
        return translated(self.path, state, text)


class _Write:
    """The outermost write transaction of a store."""

    __slots__ = ("_is_committed", "_is_durable", "_store")

    def __init__(self, store: PostgresStore, is_durable: bool) -> None:
        self._store = store
        self._is_durable = is_durable
        self._is_committed = False

    def __enter__(self) -> None:
        store = self._store
        store._enter()
        limits = (
            f"SET LOCAL lock_timeout = {int(store.busy_timeout_s * 1000)};"
            f" SET LOCAL idle_in_transaction_session_timeout = {STALLED_S * 1000}"
        )
        try:
            store._begin(
                f"BEGIN; {limits}; {store._lock if self._is_durable else 'SET LOCAL synchronous_commit = off'}",
                store._first_look,
            )
        except BaseException:
            store._mutex.release()
            raise
        store._is_exclusive = self._is_durable
        store.is_ending = False
        store._depth = 1
        store.changed_topics = set()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        store._depth = 0
        try:
            if kind is not None:
                store._rollback()
            elif not self._is_committed:
                store._commit()
        finally:
            store._is_exclusive = False
            store._mutex.release()

    def commit(self) -> None:
        """Commit before the block ends; write nothing afterwards."""
        self._store._commit()
        self._is_committed = True


class _Savepoint:
    """A transaction inside another; if it fails, the outer transaction goes on."""

    __slots__ = ("_store",)

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store._begin_inner()

    def commit(self) -> None:
        """Do nothing: the outermost transaction commits."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._store._rollback("ROLLBACK TO inner_one")
        try:
            if self._store._pgconn.transaction_status == pq.TransactionStatus.INTRANS:
                self._store._end_inner()
        except errors.HallwayError:  # a deferred statement failed
            self._store._rollback("ROLLBACK TO inner_one")
            raise


class _Read:
    """A snapshot; the clock is read once for it."""

    __slots__ = ("_is_outermost", "_store")

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        store = self._store
        store._enter()
        self._is_outermost = store._depth == 0
        if self._is_outermost:
            try:
                store._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            except BaseException:
                store._mutex.release()
                raise
        store._depth += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store = self._store
        store._depth -= 1
        try:
            if self._is_outermost:
                store._rollback()
        finally:
            store._mutex.release()


_abandoned: list[object] = []  # connections of a parent process, which a forked child must not close
