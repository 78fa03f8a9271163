"""Statements that are sent without waiting for the result: an event loop watches the connection and then calls `poll`.

Each statement is one transaction, committed when its rows have arrived. One statement runs at a time. Nobody waits for
the disk: what a crash of the database server takes away are the last half second's heartbeats, which come again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from hallway.store.postgres.connection import translated
from hallway.store.postgres.store import PostgresStore

if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row


class PostgresPipeline:
    """A separate connection that runs one statement at a time without blocking."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: PostgresStore | None = None
        self.renew()

    def renew(self) -> None:
        """Open a new connection and wait for it; whether the old one's last statement was committed stays unknown."""
        self.close()
        self._store = PostgresStore(self._url)
        self._store._execute("SET synchronous_commit = off")
        self._store._pgconn.nonblocking = 1

    @property
    def _pgconn(self) -> pq.abc.PGconn:
        assert self._store is not None  # noqa: S101 (made and renewed with one)
        return self._store._pgconn

    def fileno(self) -> int:
        """Return the file descriptor for an event loop to watch."""
        return self._pgconn.socket

    def send(self, statement: str, **parameters: Any) -> bool:
        """Send a named statement; return True if it was sent completely, else call `flush` to continue."""
        store = self._store
        assert store is not None  # noqa: S101
        prepared = store._statements[statement]
        try:
            if statement not in store._prepared:  # once in a connection's life: it may wait
                store._call(self._pgconn.prepare, statement.encode(), prepared.text)
                store._prepared.add(statement)
            parameters |= {"now": None, "version": store._newest_version}  # the database's time, and the schema known
            self._pgconn.send_query_prepared(statement.encode(), prepared.values(parameters))
            return self.flush()
        except psycopg.OperationalError as error:
            raise translated(store.path, "", str(error).strip()) from None

    def flush(self) -> bool:
        """Continue to send the statement; return True if it was sent completely."""
        return self._pgconn.flush() == 0

    def poll(self) -> list[Row] | None:
        """Return the rows if all have arrived and are committed, else None; raises the statement's error."""
        store = self._store
        assert store is not None  # noqa: S101
        try:
            self._pgconn.consume_input()
            if self._pgconn.is_busy():
                return None
            results = []
            while result := self._pgconn.get_result():
                results.append(result)
        except psycopg.OperationalError as error:
            raise translated(store.path, "", str(error).strip()) from None
        if not results:
            raise translated(store.path, "", "the connection was lost")
        for result in results:
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise store._translated(result)
        return store._read_result(results[-1])

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
