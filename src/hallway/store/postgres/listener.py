"""Wake-ups between machines: LISTEN and NOTIFY on the bus's channel (E3).

A notification names the topics that changed and nothing more, so a waiting process reads the bus after each. It is sent
with the commit of its transaction, one for each batch. If a listener's connection is lost, the listener opens a new one
and then reads the bus as if every topic had changed, because notifications may have been lost meanwhile.
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

MAX_BYTES = 7_000  # of a notification; PostgreSQL's limit is 8,000
AGAIN_AFTER_S = 1.0  # between two attempts to reconnect


class PostgresSubscription:
    """A subscription to the commits that change a topic, over a separate connection."""

    def __init__(self, url: str, schema: str, topic: str) -> None:
        self._url = url
        self._schema = schema
        self._topic = topic
        self._connection: psycopg.Connection | None = None
        self._dead: psycopg.Connection | None = None  # closed after the event loop stops watching its descriptor
        self._is_lost = False
        self._try_at = 0.0
        self._listen()
        self._interrupts = WakePipe()

    @staticmethod
    def channel(schema: str) -> str:
        """Return the bus's channel; it has the schema in its name, because all schemas of a database share channels."""
        return f'"hallway_{schema}"'

    @staticmethod
    def payload(topics: AbstractSet[str]) -> str:
        """Return the payload of a notification: its topics (letters, digits and hyphens), separated by spaces."""
        text = " ".join(sorted(topics))
        return text if len(text) < MAX_BYTES else TOO_MANY

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
        """Return the file descriptor for an event loop to watch, or -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def receive(self) -> set[str]:
        """Return the topics received since the last call, without waiting; `!`: any topic may have changed."""
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
        """Return at a wake-up for the topic, after a reconnection, or when the timeout has passed."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0 and self._interrupts.fileno() >= 0:
            if self._connection is None and self.again():
                return  # what was told meanwhile nobody heard: look
            connections, pause_s = ((self.fileno(),), left_s) if self._connection else ((), AGAIN_AFTER_S / 10)
            readable = self._interrupts.wait(min(left_s, pause_s), *connections)
            if self._interrupts.fileno() in readable:
                self._interrupts.drain()
                return
            if readable and self.receive() & {self._topic, TOO_MANY}:
                return

    def interrupt(self) -> None:
        """End the current wait, or else the next one; another thread may call this."""
        self._interrupts.wake()

    def drain(self) -> None:
        """Discard all waiting wake-ups: reading the bus once covers them all."""
        self.receive()

    def again(self) -> bool:
        """Reconnect and listen again, at most once per `AGAIN_AFTER_S`; return True on success."""
        if time.monotonic() < self._try_at:
            return False
        try:
            self._listen()
        except HallwayError:
            return False
        return True

    def has_overflowed(self) -> bool:
        """Return whether topics may have been missed since the last call; a lost connection is opened again."""
        was_lost = self._is_lost
        if was_lost and self._connection is None and not self.again():
            return False  # still disconnected: report the loss after the reconnection
        self._is_lost = False
        return was_lost

    def close(self) -> None:
        for connection in (self._connection, self._dead):
            if connection is not None:
                connection.close()
        self._connection = self._dead = None
        self._interrupts.close()
