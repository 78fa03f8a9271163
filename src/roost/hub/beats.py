"""Heartbeats without news, many in one statement: the fast lane beside the writer, where the store has one.

Most of what a hub is asked is "I am still alive". On PostgreSQL such heartbeats need not wait for the bus's writers:
those that queue up while a statement is under way become the next one, sent from the event loop without a thread.
What it does not answer (a session that is new, has expired, or says something new) is the writer's, in the usual way.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from roost.errors import RoostError, Unavailable
from roost.hub.worker import Caller, Job
from roost.model import Heartbeat, Peer

if TYPE_CHECKING:
    import asyncio

    from roost.here import Surroundings
    from roost.hub.worker import Writer
    from roost.operation import Operation
    from roost.store import Row
    from roost.store.flight import Flight

MOST_AT_ONCE = 256
SAID = ("session_id", "status", "current_task", "branch", "project", "ttl_s")
ASKED = ("session_ids", "statuses", "current_tasks", "branches", "projects", "ttls")


class Beats:
    """A worker for `sessions.heartbeat` alone."""

    def __init__(self, flight: Flight, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        self.batches = self.jobs = 0
        self._flight = flight
        self._writer = writer
        self._loop = loop
        self._caller = Caller("roost-beats", loop)
        self._queue: deque[Job] = deque()
        self._flying: list[Job] = []
        self._is_due = False  # a batch is about to be sent, or cannot be before there is a new connection
        self._is_second = False  # the batch under way was sent before, on a connection that is gone
        self._watched = -1
        self._watch()

    @property
    def waiting(self) -> int:
        """How many jobs are queued and not begun."""
        return len(self._queue)

    def run(self, operation: Operation, arguments: dict[str, Any], here: Surroundings) -> asyncio.Future[Any]:
        """Queue a heartbeat whose arguments are checked; the future gets its result or its error."""
        if arguments["agent_name"] is not None or arguments["agent_type"] is not None:
            return self._writer.run(operation, arguments, here)
        job = Job(operation, arguments, here, self._loop.create_future())
        self._queue.append(job)
        if not (self._is_due or self._flying):
            self._is_due = True
            self._loop.call_soon(self._next)  # after this turn of the loop, which may bring more of them
        return job.future

    def _next(self) -> None:
        self._is_due = False
        while self._queue and self._queue[0].is_given_up():
            self._queue.popleft().answer(Unavailable("this hub did not come to it in time", hint="Ask again"))
        if self._queue:
            self._flying = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]
            self.batches += 1
            self.jobs += len(self._flying)
            self._send()

    def _send(self) -> None:
        said = [job.arguments for job in self._flying]
        asked = {name: [each[word] for each in said] for name, word in zip(ASKED, SAID, strict=True)}
        limit = max(each["limit"] for each in said)
        try:
            if not self._flight.send("beats.many", now=None, limit=limit, **asked):
                self._loop.add_writer(self._watched, self._go_on)
        except RoostError as error:
            self._lost(error)

    def _go_on(self) -> None:
        if self._flight.flush():
            self._loop.remove_writer(self._watched)

    def _watch(self) -> None:
        self._watched = self._flight.fileno()
        self._loop.add_reader(self._watched, self._hear)

    def _unwatch(self) -> None:
        """Before its connection is closed, and its number may be another's."""
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = -1

    def _hear(self) -> None:
        try:
            rows = self._flight.poll() if self._flying else []
        except RoostError as error:
            self._lost(error)
            return
        if rows is not None and self._flying:
            self._answer(rows)

    def _answer(self, rows: list[Row]) -> None:
        flying, self._flying, self._is_second = self._flying, [], False
        if self._queue:
            self._next()  # the database works on these while we answer those
        near: dict[str, list[tuple[int, Peer]]] = {}
        beats: dict[int, Row] = {}
        for row in rows:
            if row[0] is None:
                near.setdefault(row[2], []).append((row[1], Peer.of(row[3:11])))
            else:
                beats[row[0]] = row
        for place, job in enumerate(flying, 1):
            if place in beats:
                job.answer(_heartbeat(job, beats[place], near))
            else:
                self._writer.take(job)

    def _lost(self, error: RoostError) -> None:
        """Ask once more on a new connection: a heartbeat said twice is one. A second loss is told."""
        self._unwatch()
        if self._is_second or not isinstance(error, Unavailable):
            flying, self._flying = self._flying, []
            for job in flying:
                job.answer(error)
        self._is_second, self._is_due = bool(self._flying), True
        self._caller.call(self._flight.renew, self._renewed)

    def _renewed(self, error: RoostError | None) -> None:
        if error is None:
            self._watch()
            self._is_due = False
            self._send() if self._flying else self._next()
            return
        waiting = [*self._flying, *self._queue]
        self._flying, self._is_second = [], False
        self._queue.clear()
        for job in waiting:
            job.answer(error)
        self._is_due = False

    def close(self) -> None:
        """Let go of the connection; nothing may be queued after."""
        self._unwatch()
        self._caller.close()
        self._flight.close()


def _heartbeat(job: Job, row: Row, near: dict[str, list[tuple[int, Peer]]]) -> Heartbeat:
    _, own_id, project, _, _, _, status, _, _, _, live, unread = row
    limit = job.arguments["limit"]
    others = [peer for id_, peer in near.get(project, ()) if id_ != own_id][:limit]
    return Heartbeat.of((job.arguments["session_id"], project, status, others, max((live or 0) - 1, 0), unread, []))
