"""Deferred statements: those whose rows are not needed are sent to the database together with the next statement.

Sent alone, each would cost a round trip while its transaction holds the bus's lock. libpq's pipeline mode sends several
without waiting in between; the database runs them in order, and none after the first that fails.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING = 32  # deferred statements
MAX_BYTES = 64 * 1024  # of their values


class DeferredStatements:
    """The deferred statements of one connection, in order."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pgconn = pgconn
        self._waiting: list[tuple[bytes, list[bytes | None]]] = []
        self._bytes = 0
        self._poll = select.poll()
        self._poll.register(pgconn.socket, select.POLLIN)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Return whether the statements should be sent now."""
        return len(self._waiting) >= MAX_WAITING or self._bytes >= MAX_BYTES

    def add(self, name: bytes, values: list[bytes | None]) -> None:
        """Add a prepared statement."""
        self._waiting.append((name, values))
        self._bytes += sum(len(each) for each in values if each is not None)

    def clear(self) -> None:
        """Forget the statements."""
        self._waiting, self._bytes = [], 0

    def send(self, last: Callable[[], None] | None = None) -> list[pq.abc.PGresult]:
        """Run the statements, and one more that `last` sends; return the result of each.

        A connection that is lost is psycopg's error.
        """
        waiting = self._waiting
        self.clear()
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            for name, values in waiting:
                pgconn.send_query_prepared(name, values)
            if last is not None:
                last()
            pgconn.pipeline_sync()
            return self._results()
        finally:
            if pgconn.status == pq.ConnStatus.OK:
                pgconn.exit_pipeline_mode()

    def _results(self) -> list[pq.abc.PGresult]:
        results: list[pq.abc.PGresult] = []
        while True:
            while self._pgconn.is_busy():
                self._poll.poll()  # unlike `get_result`, this lets other threads run
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:  # the end of a statement's results
                if self._pgconn.status != pq.ConnStatus.OK:
                    raise psycopg.OperationalError("the connection was lost")
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)
