"""Heartbeats that change nothing, sent in batches over a connection of their own (PostgreSQL only).

Most requests to a hub are heartbeats that change nothing. On PostgreSQL they need not wait for the bus's writers: the
heartbeats that arrive while a statement runs become the next statement, sent from the event loop without a thread.
It is sent before the answers of the last one go out, so that the database works meanwhile. The writer handles the
heartbeats that the batches leave out: of sessions that are new, expired, changed, in a conflict, or registered by
another token. It also checks the caller's rights.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from hallway.core.errors import HallwayError, Unavailable
from hallway.core.model import Heartbeat, PeerSession
from hallway.hub.workers.worker_thread import WorkerThread
from hallway.hub.workers.writer import Job

if TYPE_CHECKING:
    import asyncio

    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller
    from hallway.hub.workers.writer import Writer
    from hallway.store import Row
    from hallway.store.postgres.pipeline import PostgresPipeline

MAX_AT_ONCE = 32  # so that answers go out in small groups: 64 at once made the slowest wait twice as long
AGAIN_AFTER_S = 0.5  # between attempts to connect
PARAMETERS = ("session_id", "status", "current_task", "branch", "project", "ttl_s")
UNUSUAL = (
    "agent_name",
    "agent_type",
    "reason",
    "detail",
    "name",
    "client_name",
)  # parameters that make a heartbeat one for the writer
ASKED = ("session_ids", "statuses", "current_tasks", "branches", "projects", "ttls")


class HeartbeatBatcher:
    """A worker that runs only `sessions.heartbeat`."""

    def __init__(self, pipelines: list[PostgresPipeline], writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        self.batches = self.jobs = 0
        self.writer = writer
        self.loop = loop
        self._queue: deque[Job] = deque()
        self._running: set[str] = set()  # sessions in running batches; two connections would skip each other's rows
        self._is_due = False
        self._connections = [_Connection(self, pipeline) for pipeline in pipelines]

    @property
    def waiting(self) -> int:
        """Return the number of jobs that have not begun."""
        return len(self._queue)

    def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]:
        """Queue a heartbeat whose arguments are checked; the future gets its result or its error."""
        if caller.is_observer or any(arguments[name] is not None for name in UNUSUAL):
            return self.writer.run(operation, arguments, caller)
        job = Job(operation, arguments, caller, self.loop.create_future())
        if error := job.prepare(self.writer.bus):
            job.answer(error)
            return job.future
        self._queue.append(job)
        if not self._is_due:
            self._is_due = True
            self.loop.call_soon(self.dispatch)  # after this turn of the loop, which may bring more of them
        return job.future

    def dispatch(self) -> None:
        """Send queued heartbeats on the free connections."""
        self._is_due = False
        for connection in self._connections:
            if self._queue and connection.is_free and (batch := self._batch()):
                self.batches += 1
                self.jobs += len(batch)
                connection.send(batch)

    def _batch(self) -> list[Job]:
        """Return the next jobs, one per session; jobs of a session with a running job wait in order."""
        batch: list[Job] = []
        left: list[Job] = []
        while self._queue and len(batch) < MAX_AT_ONCE:
            job = self._queue.popleft()
            if job.is_given_up():
                job.answer(Unavailable("this hub did not come to it in time", hint="Ask again, here or at another hub"))
            elif job.arguments["session_id"] in self._running:
                left.append(job)
            else:
                self._running.add(job.arguments["session_id"])
                batch.append(job)
        self._queue.extendleft(reversed(left))
        return batch

    def on_batch_done(self, batch: list[Job]) -> None:
        """Release the sessions of a batch that a connection has finished."""
        self._running.difference_update(job.arguments["session_id"] for job in batch)
        if self._queue:
            self.dispatch()

    def refuse(self, error: HallwayError) -> None:
        """Fail the queue with an error if no connection is left."""
        if not any(connection.is_connected for connection in self._connections):
            while self._queue:
                self._queue.popleft().answer(error)

    def close(self) -> None:
        """Close the connections; nothing may be queued afterwards."""
        for connection in self._connections:
            connection.close()


class _Connection:
    """One connection with its running batch of heartbeats."""

    def __init__(self, heartbeats: HeartbeatBatcher, pipeline: PostgresPipeline) -> None:
        self.is_free = True
        self._heartbeats = heartbeats
        self._pipeline = pipeline
        self._loop = heartbeats.loop
        self._thread = WorkerThread("hallway-heartbeats", heartbeats.loop)
        self._batch: list[Job] = []
        self._is_second = False  # the batch was sent before, on a connection that is gone
        self._watched = -1
        self._watch()

    @property
    def is_connected(self) -> bool:
        """Return whether there is a connection that is not known to be lost."""
        return self._watched >= 0

    def _watch(self) -> None:
        self._watched = self._pipeline.fileno()
        self._loop.add_reader(self._watched, self._on_wake_up)

    def _unwatch(self) -> None:
        """Stop watching a descriptor before it is closed and its number reused."""
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = -1

    def send(self, batch: list[Job]) -> None:
        """Send a batch to the database without waiting for the answer."""
        self.is_free, self._batch = False, batch
        calls = [job.arguments for job in batch]
        asked = {name: [each[word] for each in calls] for name, word in zip(ASKED, PARAMETERS, strict=True)}
        principals = [job.caller.name for job in batch]
        limit = max(each["limit"] for each in calls)
        try:
            if not self._pipeline.send("heartbeats.many", limit=limit, principals=principals, **asked):
                self._loop.add_writer(self._watched, self._go_on)
        except HallwayError as error:
            self._lost(error)

    def _go_on(self) -> None:
        if self._pipeline.flush():
            self._loop.remove_writer(self._watched)

    def _on_wake_up(self) -> None:
        try:
            rows = self._pipeline.poll()
        except HallwayError as error:
            self._lost(error)
            return
        if rows is not None and self._batch:
            self._land(rows)

    def _land(self, rows: list[Row]) -> None:
        batch, self._batch, self._is_second, self.is_free = self._batch, [], False, True
        self._heartbeats.on_batch_done(batch)  # the database works on the next ones while we answer these
        near: dict[str, list[tuple[int, PeerSession]]] = {}
        answered: dict[int, Row] = {}
        for row in rows:
            if row[0] is None:
                near.setdefault(row[2], []).append((row[1], PeerSession.of(row[3:15])))
            else:
                answered[row[0]] = row
        for place, job in enumerate(batch, 1):
            if place in answered and job.caller.sees(answered[place][2]):
                job.answer(_heartbeat(job, answered[place], near))
            else:
                self._heartbeats.writer.take(job)

    def _lost(self, error: HallwayError) -> None:
        """Send the batch again on a new connection: repeating a heartbeat is harmless. A second loss is an error."""
        self._unwatch()
        self.is_free = False
        if self._is_second or not isinstance(error, Unavailable):
            self._give_up(error)
        self._is_second = bool(self._batch)
        self._thread.call(self._pipeline.renew, self._renewed)

    def _renewed(self, error: HallwayError | None) -> None:
        if error is not None:
            self._give_up(error)
            self._heartbeats.refuse(error)
            self._loop.call_later(AGAIN_AFTER_S, self._thread.call, self._pipeline.renew, self._renewed)
            return
        self._watch()
        if self._batch:
            self.send(self._batch)
        else:
            self.is_free = True
            self._heartbeats.dispatch()

    def _give_up(self, error: HallwayError) -> None:
        batch, self._batch, self._is_second = self._batch, [], False
        self._heartbeats.on_batch_done(batch)
        for job in batch:
            job.answer(error)

    def close(self) -> None:
        self._unwatch()
        self._thread.close()
        self._pipeline.close()


def _heartbeat(job: Job, row: Row, near: dict[str, list[tuple[int, PeerSession]]]) -> Heartbeat:
    _, own_id, project, _, name, _, _, status, *_, live, unread = row
    others = [peer for id_, peer in near.get(project, ()) if id_ != own_id][: job.arguments["limit"]]
    return Heartbeat.of(
        (job.arguments["session_id"], name, project, status, others, max((live or 0) - 1, 0), unread, [])
    )
