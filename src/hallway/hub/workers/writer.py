"""Runs a hub's writes on its event loop, many in one transaction.

Group commit: the writes that queue up during a commit run in the next transaction. Each job is a savepoint of that
transaction, so it can fail without the others. It is answered after the commit, so an answered write is on disk.

The statements of a batch run on the loop. The writer's thread only waits: for the lock if another process holds it, and
for the disk at the commit. Statements take microseconds, and each releases the interpreter's lock; on a thread beside a
busy loop they took four times as long (docs/decisions/0004).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from hallway.bus.remote import FAILOVER_TIMEOUT_S
from hallway.core.errors import BusBusy, HallwayError, Refused, Unavailable
from hallway.hub.workers.internal_error import as_hallway_error
from hallway.hub.workers.worker_thread import BusWait, WorkerThread
from hallway.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hallway.bus.local import LocalBus
    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller
    from hallway.services.base import Service

    Execute = Callable[[Operation, Service, dict[str, Any]], Any]

    class Worker(Protocol):
        """A worker that runs operations for endpoints."""

        def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]: ...


GATHER_TURNS = 10  # turns of the event loop to wait for more jobs, some 0.1 ms; twice as many gave nothing more
MAX_AT_ONCE = 128  # so that the first of a batch does not wait for thousands


class Job:
    """An operation to run for a caller, and the future for its result."""

    __slots__ = ("arguments", "asked_at", "caller", "future", "operation")

    def __init__(
        self, operation: Operation, arguments: dict[str, Any], caller: Caller, future: asyncio.Future[Any]
    ) -> None:
        self.operation = operation
        self.arguments = arguments
        self.caller = caller
        self.future = future
        self.asked_at = time.monotonic()

    def is_given_up(self) -> bool:
        """Return whether the client may have failed over to another hub since."""
        return time.monotonic() - self.asked_at > FAILOVER_TIMEOUT_S

    def prepare(self, bus: LocalBus) -> HallwayError | None:
        """Run the part before the transaction (`Operation.prepare`); return its error, or None."""
        try:
            self.arguments = self.operation.prepare(bus.service_of(self.operation.noun), self.arguments)
        except Exception as error:  # the edge between the hub and its operations
            return as_hallway_error(error, self.operation.name)
        return None

    def run(self, bus: LocalBus, execute: Execute) -> Any:
        """Return the operation's result, or its error as a value: one job's error must not end its batch."""
        bus.here, bus.principal = self.caller.here, self.caller.principal
        try:
            return self.perform(bus, execute)
        except Exception as error:  # the edge between the hub and its operations
            return as_hallway_error(error, self.operation.name)
        finally:
            bus.principal = None  # the bus's own work, such as sweeping, runs as the owner

    def perform(self, bus: LocalBus, execute: Execute) -> Any:
        """Return the operation's result; raises its error."""
        return execute(self.operation, bus.service_of(self.operation.noun), self.arguments)

    def answer(self, outcome: Any) -> None:
        if isinstance(outcome, Refused):
            self.caller.note_refusal(self.operation.name, outcome)
        if self.future.done():  # its connection was closed
            return
        if isinstance(outcome, HallwayError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class _WroteAndFailed(Exception):
    """A job left half of its writes in a batch that had no savepoint for it."""


class _MustBeDurable(Exception):
    """A batch that was not to be durable has published something, so it must be durable."""


class Writer:
    """Runs writes in batches, each in one transaction.

    Heartbeats that change nothing but the time of their sessions wait for no disk: their transaction commits on the
    loop. Every other transaction is durable, and commits on the thread.
    """

    def __init__(self, bus: LocalBus, loop: asyncio.AbstractEventLoop) -> None:
        self.bus = bus
        self.batches = self.jobs = 0
        self.bus_wait = BusWait()
        self._loop = loop
        self._thread = WorkerThread("hallway-writer", loop)
        self._preparer = WorkerThread("hallway-preparer", loop)
        self._queue: deque[Job] = deque()
        self._has_news = False  # whether the next batch must be durable, whatever it runs
        self._is_running = False
        self._idle: asyncio.Future[None] | None = None  # what `close` waits for

    @property
    def waiting(self) -> int:
        """Return the number of jobs that have not begun."""
        return len(self._queue)

    def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]:
        """Queue an operation whose arguments are checked; the future gets its result or its error."""
        job = Job(operation, arguments, caller, self._loop.create_future())
        if operation.is_small(arguments):
            self._prepared(job, job.prepare(self.bus))
        else:  # large texts are checked on a thread, so that the loop and the other writes need not wait
            self._preparer.call(lambda: job.prepare(self.bus), lambda outcome: self._prepared(job, outcome))
        return job.future

    def _prepared(self, job: Job, error: HallwayError | None) -> None:
        if error is None:
            self.take(job)
        else:
            job.answer(error)

    def take(self, job: Job) -> None:
        """Queue a job."""
        if self._idle is not None:
            job.answer(Unavailable("the hub is stopping", hint="Start it again: hallway serve"))
            return
        self._queue.append(job)
        if not self._is_running:
            self._is_running = True
            self._loop.call_soon(self._next)  # in the loop's next turn, together with the jobs that are queued by then

    def _next(self) -> None:
        if not self._queue:
            self._is_running = False
            if self._idle is not None:
                self._idle.set_result(None)
        else:
            self.bus_wait.begin()
            self._start()

    def _start(self) -> None:
        store = self.bus.store
        assert isinstance(store, SQLiteStore)  # noqa: S101 (other stores use `ThreadWriter`)
        try:
            is_locked: bool | HallwayError = store.lock(0)
        except HallwayError as error:
            is_locked = error
        if is_locked is False:
            self._thread.call(lambda: store.lock(store.busy_timeout_s), self._begin)
        else:
            self._begin(is_locked)

    def _batch(self) -> list[Job]:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_AT_ONCE))]
        self.batches += 1
        self.jobs += len(batch)
        return batch

    def _begin(self, is_locked: bool | HallwayError) -> None:
        batch = self._batch()
        is_durable = self._has_news or any(job.operation.is_durable for job in batch)
        self._has_news = False
        transaction = self.bus.transaction(is_durable=is_durable)
        try:
            if isinstance(is_locked, HallwayError):
                raise is_locked
            if not is_locked:
                raise BusBusy("another process kept the bus locked")
            transaction.__enter__()
        except Exception as error:  # an escape from here would leave all writes waiting
            self._answer(batch, [as_hallway_error(error, "the beginning of a transaction")] * len(batch))
            return
        try:
            outcomes = self._run(batch)
        except HallwayError as error:
            transaction.__exit__(type(error), error, None)
            self._answer(batch, [error] * len(batch))
            return
        if not is_durable and self.bus.changed_topics:
            undone = _MustBeDurable()
            transaction.__exit__(type(undone), undone, None)
            self._run_again(batch)
            return

        def committed(error: HallwayError | None) -> None:
            transaction.__exit__(type(error) if error else None, error, None)
            self._answer(batch, [error] * len(batch) if error else outcomes)

        if is_durable or self.bus.store.is_checkpoint_due:
            self._thread.call(transaction.commit, committed)
        else:
            committed(_error_of(transaction.commit_at_once))

    def _run_again(self, batch: list[Job]) -> None:
        """Run a batch again, durably: after a loss of power its events' numbers must not be given out twice."""
        self._queue.extendleft(reversed(batch))
        self.batches -= 1
        self.jobs -= len(batch)
        self._has_news = True
        self._start()

    def _run(self, batch: list[Job]) -> list[Any]:
        """Run a batch; return each job's result or error.

        Most batches fail nowhere, so they run in one savepoint; where a job fails after it has written, that is undone
        and every job runs again in a savepoint of its own. Raises the error that lost the whole transaction.
        """
        try:
            with self.bus.transaction():
                return [self._run_bare(job) for job in batch]
        except _WroteAndFailed:
            pass
        except HallwayError:  # a deferred statement failed when the savepoint ended
            if not self.bus.store.holds():
                raise
        return [self._run_one(job, self.bus.execute) for job in batch]

    def _run_bare(self, job: Job) -> Any:
        before = self.bus.store.rows_written()
        outcome = self._run_one(job, self.bus.run)
        if isinstance(outcome, HallwayError) and self.bus.store.rows_written() != before:
            raise _WroteAndFailed
        return outcome

    def _run_one(self, job: Job, execute: Execute) -> Any:
        outcome = job.run(self.bus, execute)
        if isinstance(outcome, HallwayError) and not self.bus.store.holds():
            raise outcome from None
        return outcome

    def _answer(self, batch: list[Job], outcomes: list[Any]) -> None:
        self.bus_wait.end(outcomes)
        open_jobs = len(batch) + len(self._queue)
        for job, outcome in zip(batch, outcomes, strict=True):
            job.answer(outcome)
        self._loop.call_soon(self._gather, open_jobs, GATHER_TURNS if open_jobs > 1 else 0)

    def _gather(self, open_jobs: int, turns: int) -> None:
        """Begin the next batch once as many jobs wait as were open, or after a few turns of the loop.

        Callers that were answered ask again at once. Without this pause they always find a batch of the others under
        way, so two halves take turns, and each pays for a commit of its own.
        """
        if turns and len(self._queue) < open_jobs:
            self._loop.call_soon(self._gather, open_jobs, turns - 1)
        else:
            self._next()

    async def close(self) -> None:
        """Run what is queued, then end the thread and close the bus."""
        self._idle = self._loop.create_future()
        if self._is_running:
            await self._idle
        self._preparer.close()
        self._thread.close()
        self.bus.close()


class ThreadWriter(Writer):
    """A writer for a store across a network: a whole batch runs on the thread, because every statement waits."""

    def _start(self) -> None:
        batch = self._batch()
        self._thread.call(lambda: self._transact(batch), lambda outcomes: self._answer(batch, outcomes))

    def _batch(self) -> list[Job]:
        late = [job for job in self._queue if job.is_given_up()]
        for job in late:
            self._queue.remove(job)
            job.answer(Unavailable("this hub did not come to it in time", hint="Ask again, here or at another hub"))
        return super()._batch()

    def _transact(self, batch: list[Job]) -> list[Any]:
        """Run a batch in one transaction, again if the connection was lost before its commit was sent."""
        try:
            return self._committed(batch)
        except Unavailable as error:
            if self.bus.store.is_ending or any(job.is_given_up() for job in batch):
                return [error] * len(batch)
        except Exception as error:  # a batch without an answer would leave everybody waiting
            return [as_hallway_error(error, "a batch")] * len(batch)
        try:
            return self._committed(batch)
        except Exception as error:
            return [as_hallway_error(error, "a batch")] * len(batch)

    def _committed(self, batch: list[Job]) -> list[Any]:
        with self.bus.transaction():
            return self._run(batch)


def _error_of(commit: Callable[[], None]) -> HallwayError | None:
    try:
        commit()
    except Exception as error:  # an escape from here would leave all writes waiting
        return as_hallway_error(error, "a commit")
    return None
