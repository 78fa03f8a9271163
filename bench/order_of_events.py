"""Whether writers of different projects can go side by side while readers miss no event: five ways to number events.

The numbers behind docs/decisions/0024. Each writer has a project of its own, and runs batches of sends as a hub does:
the lock, a few round trips for each message, an event for each, the commit. The database's answers take half a
millisecond, so that two processors are not what limits it. A reader follows all events meanwhile, and at the end has to
have what the table has. Some batches wait before their commit; in a second run, connections are ended on the way.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from bench.scale import Database, slow_network_library
from bench.tools import Result

WRITERS, SENDS, ROUND_TRIPS = 4, 8, 3
SECONDS = 5.0
DISTANCE_MS = 0.5
TABLES = """\
DROP TABLE IF EXISTS event, counter;
DROP SEQUENCE IF EXISTS event_seq;
CREATE TABLE event (seq bigint, xid xid8 DEFAULT pg_current_xact_id(), project int, number bigint);
CREATE INDEX event_by_seq ON event (seq);
CREATE INDEX event_by_xid ON event (xid, seq);
CREATE TABLE counter (last bigint) WITH (fillfactor = 10);
INSERT INTO counter VALUES (0);
CREATE SEQUENCE event_seq;
"""
ORDER = 0  # the key of the lock that all share; a project's is its number
NUMBERED = """\
WITH n AS (UPDATE counter SET last = last + 1 RETURNING last)
INSERT INTO event (seq, project, number) SELECT last, %s, %s FROM n
"""
DRAWN = "INSERT INTO event (seq, project, number) VALUES (nextval('event_seq'), %s, %s)"
ALL_NUMBERED = """\
WITH n AS (UPDATE counter SET last = last + %s RETURNING last)
INSERT INTO event (seq, project, number)
SELECT last - %s + place, %s, number FROM n, unnest(%s::bigint[]) WITH ORDINALITY AS e (number, place)
"""
BY_SEQ = "SELECT seq, project, number FROM event WHERE seq > %s ORDER BY seq"
BELOW = "AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY"
BY_TRANSACTION = "SELECT xid::text::bigint, project, number FROM event WHERE xid > %s::text::xid8 BELOW xid, seq"
BY_TRANSACTION = BY_TRANSACTION.replace("BELOW", BELOW)
Connection = psycopg.Connection[Any]


class Way:
    """A way to number events: which lock a batch takes, what it writes, and where a reader goes on."""

    def __init__(self, lock: Callable[[int], int], event: str | None, reads: str) -> None:
        self.lock, self.event, self.reads = lock, event, reads

    def batch(self, connection: Connection, project: int, numbers: list[int], dice: random.Random) -> None:
        """Run one batch; about one in ten waits before its commit."""
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [self.lock(project)])
            for number in numbers:
                for _ in range(ROUND_TRIPS):
                    connection.execute("SELECT 1")
                if self.event:
                    connection.execute(self.event, [project, number])
            if not self.event:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [ORDER])
                count = len(numbers)
                connection.execute(ALL_NUMBERED, [count, count, project, numbers])
            if dice.random() < 0.1:
                time.sleep(dice.random() * 0.02)


def _the_same(_: int) -> int:
    return ORDER


def _its_own(project: int) -> int:
    return project


WAYS = {
    "one lock": Way(_the_same, NUMBERED, BY_SEQ),
    "numbers at the end, under a lock of their own": Way(_its_own, None, BY_SEQ),
    "a sequence, read by seq": Way(_its_own, DRAWN, BY_SEQ),
    "a sequence, read by seq below the oldest transaction": Way(_its_own, DRAWN, BY_SEQ.replace("ORDER BY", BELOW)),
    "a sequence, read by transaction below the oldest one": Way(_its_own, DRAWN, BY_TRANSACTION),
}


class Run:
    """Some writers and a reader for a while."""

    def __init__(self, url: str, way: Way, writers: int, *, with_faults: bool) -> None:
        self._url, self._way, self._with_faults = url, way, with_faults
        self._is_over, self._is_read = threading.Event(), threading.Event()
        self.sends = 0
        self.seen: list[tuple[int, int]] = []
        self._mutex = threading.Lock()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLES)
        reader = threading.Thread(target=self._read)
        threads = [threading.Thread(target=self._write, args=(number + 1,)) for number in range(writers)]
        for thread in (reader, *threads):
            thread.start()
        time.sleep(SECONDS)
        self._is_over.set()
        for thread in threads:
            thread.join()
        self._is_read.set()
        reader.join()
        with psycopg.connect(url) as connection:
            there = set(connection.execute("SELECT project, number FROM event").fetchall())
        assert there
        self.missed = len(there - set(self.seen))
        self.twice = len(self.seen) - len(set(self.seen))

    @property
    def rate(self) -> float:
        return self.sends / SECONDS

    def _write(self, project: int) -> None:
        dice, numbers = random.Random(project), itertools.count(1)
        while not self._is_over.is_set():
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self._url) as connection:
                cut = threading.Timer(1 + dice.random(), self._cut, (connection.info.backend_pid,))
                if self._with_faults:
                    cut.start()
                try:
                    while not self._is_over.is_set():
                        self._way.batch(connection, project, list(itertools.islice(numbers, SENDS)), dice)
                        with self._mutex:
                            self.sends += SENDS
                finally:
                    cut.cancel()

    def _cut(self, pid: int) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])

    def _read(self) -> None:
        last = 0
        with psycopg.connect(self._url, autocommit=True) as connection:
            while True:
                is_last = self._is_read.is_set()
                for row in connection.execute(self._way.reads, [last]).fetchall():
                    last = row[0]
                    self.seen.append(row[1:])
                if is_last:
                    return


def all_results() -> Iterator[Result]:
    database = Database(DISTANCE_MS, slow_network_library())
    try:
        for name, way in WAYS.items():
            alone = Run(database.url, way, 1, with_faults=False)
            together = Run(database.url, way, WRITERS, with_faults=False)
            hurt = Run(database.url, way, WRITERS, with_faults=True)
            runs = (alone, together, hurt)
            count = f"of {sum(each.sends for each in runs):,}, {sum(each.twice for each in runs)} twice"
            yield Result(
                f"{name}: events that a reader missed",
                sum(each.missed for each in runs),
                0,
                at_least=False,
                unit="events",
                note=f"{count}; {together.rate / alone.rate:.2f} × with four writers: {together.rate:,.0f} against"
                f" {alone.rate:,.0f} a second",
            )
    finally:
        database.close()
