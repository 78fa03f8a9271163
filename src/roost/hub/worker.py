"""Threads that run operations for the event loop: one that writes, one that reads.

Group commit: whatever queued while the writer's last transaction ran commits in its next one. A job is a savepoint of
that transaction, so it fails alone, and it is answered after the commit, so what was answered is on disk. The reader
has a connection of its own, so a long list holds up no write.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from roost.errors import RoostError, Unavailable

if TYPE_CHECKING:
    import asyncio

    from roost.bus import LocalBus
    from roost.here import Surroundings
    from roost.operation import Operation

log = logging.getLogger("roost.hub")

MOST_AT_ONCE = 256  # so that the first of a batch does not wait for thousands


class Failure(RoostError):
    """An operation broke in a way nobody foresaw; the hub's log has its traceback."""

    code, status = "internal_error", 500
    hint = "The hub's log says what broke; report it with the request"


class Job:
    """An operation to run for a caller, and the future that its answer goes to."""

    __slots__ = ("arguments", "future", "here", "operation")

    def __init__(
        self, operation: Operation, arguments: dict[str, Any], here: Surroundings, future: asyncio.Future[Any]
    ) -> None:
        self.operation = operation
        self.arguments = arguments
        self.here = here
        self.future = future

    def run(self, bus: LocalBus) -> Any:
        """The result, or the error as a value: one job's error is not its batch's."""
        bus.here = self.here
        try:
            return bus.execute(self.operation, bus.services[self.operation.noun], self.arguments)
        except RoostError as error:
            return error
        except Exception:  # the edge between the hub and its operations: logged, and told as an internal error
            log.exception("%s failed", self.operation.name)
            return Failure(f"{self.operation.name} failed")


class Worker:
    """A thread with a bus of its own, fed by an event loop."""

    def __init__(self, name: str, bus: LocalBus, loop: asyncio.AbstractEventLoop) -> None:
        self.bus = bus
        self.batches = self.jobs = 0
        self._loop = loop
        self._queue: deque[Job] = deque()
        self._wake = threading.Semaphore(0)
        self._is_idle = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs are queued and not begun."""
        return len(self._queue)

    def run(self, operation: Operation, arguments: dict[str, Any], here: Surroundings) -> asyncio.Future[Any]:
        """Queue an operation whose arguments are checked; the future gets its result or its error."""
        future = self._loop.create_future()
        if self._is_closing:
            future.set_exception(Unavailable("the hub is stopping", hint="Start it again: roost serve"))
            return future
        self._queue.append(Job(operation, arguments, here, future))
        if self._is_idle:
            self._is_idle = False
            self._wake.release()
        return future

    def _work(self) -> None:
        while True:
            batch = self._take()
            if batch:
                self.batches += 1
                self.jobs += len(batch)
                self._loop.call_soon_threadsafe(_answer, batch, self._outcomes(batch))
            elif self._is_closing:
                self.bus.close()
                return
            else:
                self._sleep()

    def _take(self) -> list[Job]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), MOST_AT_ONCE))]

    def _sleep(self) -> None:
        self._is_idle = True
        if not self._queue and not self._is_closing:  # else it was queued before we said that we are idle
            self._wake.acquire()
        self._is_idle = False

    def _outcomes(self, batch: list[Job]) -> list[Any]:
        return [job.run(self.bus) for job in batch]

    def close(self) -> None:
        """Run what is queued, then end the thread and close its bus."""
        self._is_closing = True
        self._wake.release()
        self._thread.join()


class Writer(Worker):
    """Runs each batch in one durable transaction."""

    def _outcomes(self, batch: list[Job]) -> list[Any]:
        try:
            with self.bus.transaction():
                return super()._outcomes(batch)
        except RoostError as error:  # it never began, or its commit failed: nobody's write is on disk
            return [error] * len(batch)


def _answer(batch: list[Job], outcomes: list[Any]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.future.done():  # its connection went away
            continue
        if isinstance(outcome, RoostError):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
