"""Wake-ups between machines: LISTEN and NOTIFY on the bus's channel (E3).

A notice says which topics have something new, never what: whoever waits reads the bus after each. It travels with the
commit of the transaction that sent it, one for each batch. A listener whose connection was lost makes a new one and
then counts as having heard everything, since anything may have been told in between.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from hallway.core.errors import HallwayError
from hallway.local.notify import TOO_MANY
from hallway.local.wake_pipe import WakePipe

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

MOST_BYTES = 7_000  # of a notice; PostgreSQL takes 8,000
AGAIN_AFTER_S = 1.0  # between attempts to listen again


class PostgresSubscription:
    """Hears of a topic's commits over a connection of its own."""

    def __init__(self, url: str, schema: str, topic: str) -> None:
        self._url = url
        self._schema = schema
        self._topic = topic
        self._connection: psycopg.Connection | None = None
        self._dead: psycopg.Connection | None = None  # closed once nobody watches its number any more
        self._is_lost = False
        self._try_at = 0.0
        self._listen()
        self._interrupts = WakePipe()

    @staticmethod
    def channel(schema: str) -> str:
        """Return the bus's channel: its schema's own, for channels belong to the whole database."""
        return f'"hallway_{schema}"'

    @staticmethod
    def payload(topics: AbstractSet[str]) -> str:
        """Return topics as a notice says them; topics are words of letters, digits and hyphens."""
        told = " ".join(sorted(topics))
        return told if len(told) < MOST_BYTES else TOO_MANY

    def _listen(self) -> None:
        from hallway.store.postgres.connection import ask, connect

        self._try_at = time.monotonic() + AGAIN_AFTER_S
        if self._dead is not None:
            self._dead.close()
            self._dead = None
        connection = connect(self._url)
        try:
            ask(connection, f"LISTEN {self.channel(self._schema)}")
        except HallwayError:
            connection.close()
            raise
        self._connection = connection

    def fileno(self) -> int:
        """Return what an event loop watches, -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def hear(self) -> set[str]:
        """Return the topics told since the last time, without waiting; `!` where any may have been."""
        topics: set[str] = set()
        if self._connection is None:
            return topics
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            while notice := pgconn.notifies():
                topics.update(notice.extra.decode().split())
        except psycopg.OperationalError:
            self._lose()
            topics.add(TOO_MANY)
        return topics

    def _lose(self) -> None:
        self._is_lost = True
        self._dead, self._connection = self._connection, None

    def wait(self, timeout_s: float) -> None:
        """Return at a wake-up for the topic, after a lost connection was made anew, or after the time."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0 and self._interrupts.fileno() >= 0:
            if self._connection is None and self.again():
                return  # what was told meanwhile nobody heard: look
            connections, pause_s = ((self.fileno(),), left_s) if self._connection else ((), AGAIN_AFTER_S / 10)
            readable = self._interrupts.wait(min(left_s, pause_s), *connections)
            if self._interrupts.fileno() in readable:
                self._interrupts.drain()
                return
            if readable and self.hear() & {self._topic, TOO_MANY}:
                return

    def interrupt(self) -> None:
        """End the current wait, or else the next one; another thread may call this."""
        self._interrupts.wake()

    def drain(self) -> None:
        """Take all wake-ups that are there: one look at the bus serves them all."""
        self.hear()

    def again(self) -> bool:
        """Listen on a new connection, if it is time to try; True where that went well."""
        if time.monotonic() < self._try_at:
            return False
        try:
            self._listen()
        except HallwayError:
            return False
        return True

    def has_overflowed(self) -> bool:
        """Return whether topics may have been missed since this was last asked: whoever asks listens again."""
        was_lost = self._is_lost
        if was_lost and self._connection is None and not self.again():
            return False  # nobody hears anything yet; it will be told once somebody does
        self._is_lost = False
        return was_lost

    def close(self) -> None:
        for connection in (self._connection, self._dead):
            if connection is not None:
                connection.close()
        self._connection = self._dead = None
        self._interrupts.close()
