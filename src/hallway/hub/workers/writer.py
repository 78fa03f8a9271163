"""Operations on the hub's event loop: writes in batches, short reads in slices, other reads on threads.

Group commit: the writes that queue up during a commit run in the next transaction. Each job is a savepoint of that
transaction, so it can fail without the others. It is answered after the commit, so an answered write is on disk.

The statements of a batch run on the loop. The writer's thread only waits: for the lock if another process holds it, and
for the disk at the commit. Statements take microseconds, and each releases the interpreter's lock; on a thread beside a
busy loop they took four times as long (docs/decisions/0004).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from hallway.bus.remote import FAILOVER_TIMEOUT_S
from hallway.core.errors import BusBusy, HallwayError, InvalidInput, Refused, TookTooLong, Unavailable
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


log = logging.getLogger("hallway.hub")

# Exceptions caused by input that passed its checks: nested too deeply, too large a number, half a character.
BEYOND_BOUNDS = (RecursionError, OverflowError, UnicodeEncodeError)
SHORT_LIMIT = 100  # most rows of a short read
LIST_LIMIT = 200  # the default limit of most lists, which usually have far fewer rows
SEARCHES = ("query", "pattern")  # parameters that make a read examine more rows than it returns
OWNER, NO_CALLER = " owner", ""  # used instead of a token's name; no token has these names

BUS_FAILED = 500  # from this status on, an error is the bus's or the hub's, not the caller's
READ_SLICE_S = 0.001  # how long the event loop answers reads before it does its other work
GATHER_TURNS = 10  # of the loop, some 0.1 ms: twice as many gave nothing more
MAX_AT_ONCE = 128  # so that the first of a batch does not wait for thousands


class InternalError(HallwayError):
    """An operation failed with an unexpected exception; the hub's log has the traceback."""

    code, status = "internal_error", 500
    hint = "The hub's log says what broke; report it with the request"


def _as_hallway_error(error: Exception, what: str) -> HallwayError:
    """Return an exception as a hallway error; an unexpected one is logged and becomes an internal error."""
    if isinstance(error, HallwayError):
        return error
    if isinstance(error, BEYOND_BOUNDS):
        return InvalidInput(f"{what} got a value that no bus can hold: {type(error).__name__}")
    log.error("%s failed", what, exc_info=error)
    return InternalError(f"{what} failed")


def _error_of(commit: Callable[[], None]) -> HallwayError | None:
    try:
        commit()
    except Exception as error:  # an escape from here would leave all writes waiting
        return _as_hallway_error(error, "a commit")
    return None


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
            return _as_hallway_error(error, self.operation.name)
        return None

    def run(self, bus: LocalBus, execute: Execute) -> Any:
        """Return the operation's result, or its error as a value: one job's error must not end its batch."""
        bus.here, bus.principal = self.caller.here, self.caller.principal
        try:
            return self.perform(bus, execute)
        except Exception as error:  # the edge between the hub and its operations
            return _as_hallway_error(error, self.operation.name)
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


class WorkerThread:
    """A thread that calls functions in turn and passes each result to the loop."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Call `function` on the thread, then `then` on the loop with its result or its HallwayError."""
        self._calls.put((function, then))

    @property
    def waiting(self) -> int:
        return self._calls.qsize()

    def _work(self) -> None:
        while call := self._calls.get():
            function, then = call
            try:
                outcome = function()
            except Exception as error:  # a thread that ended would leave everybody waiting
                outcome = _as_hallway_error(error, self._thread.name)
            self._loop.call_soon_threadsafe(then, outcome)

    def close(self) -> None:
        """Finish what is queued, then end the thread."""
        self._calls.put(None)
        self._thread.join()


class BusWait:
    """How long a worker has waited for the bus: since it asked something, without a single answer to anything.

    A worker with a long queue has a short wait as long as answers come. An answer is a result, or an error that is the
    caller's. An error of the bus is none, so a bus that refuses everything is waited for until it works again.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._has_failed = False

    @property
    def seconds(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    def is_short(self, within_s: float) -> bool:
        """Return whether the worker waits for the bus now, for less than `within_s`, after no failure."""
        return self._since is not None and not self._has_failed and self.seconds < within_s

    def begin(self) -> None:
        """Record that the worker asks the bus something."""
        if self._since is None:
            self._since = time.monotonic()

    def end(self, outcomes: list[Any]) -> None:
        """Record what the worker got from the bus."""
        self._has_failed = all(isinstance(each, HallwayError) and each.status >= BUS_FAILED for each in outcomes)
        if not self._has_failed:
            self._since = None


class Reader:
    """Runs reads: short ones on the loop if the store is local, others on threads, each with its own connection.

    Long reads have separate threads, so that a short read never waits for them. Each caller has a queue for long reads:
    the callers take turns, and no caller can use all threads.
    """

    def __init__(
        self,
        buses: list[LocalBus],
        long_buses: list[LocalBus],
        loop: asyncio.AbstractEventLoop,
        loop_bus: LocalBus | None = None,
    ) -> None:
        self.jobs = 0
        self.bus_wait = BusWait()
        self._loop = loop
        self._threads = [_ReaderThread(bus, loop, self.bus_wait) for bus in buses]
        self._long = _LongReads([_ReaderThread(bus, loop, self.bus_wait) for bus in long_buses])
        self._slices = None if loop_bus is None else _ReadSlices(loop_bus, loop, self.bus_wait, self._run_on_thread)

    @property
    def waiting(self) -> int:
        """Return how many jobs are queued and not begun."""
        sliced = 0 if self._slices is None else self._slices.waiting
        return sum(max(thread.open - 1, 0) for thread in self._threads) + self._long.waiting + sliced

    def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]:
        """Queue an operation whose arguments are checked; the future gets its result or its error."""
        job = Job(operation, arguments, caller, self._loop.create_future())
        self.jobs += 1
        if self._slices is not None and self._slices.takes(job):
            self._slices.add(job)
        else:
            self._run_on_thread(job)
        return job.future

    def _run_on_thread(self, job: Job) -> None:
        if may_take_long(job.operation, job.arguments):
            self._long.add(job)
        else:
            min(self._threads, key=lambda thread: thread.open).run(job)

    def close(self) -> None:
        for thread in (*self._threads, *self._long.threads):
            thread.close()
        if self._slices is not None:
            self._slices.close()


def may_take_long(operation: Operation, arguments: dict[str, Any], limit: int = SHORT_LIMIT) -> bool:
    """Return whether a read examines more than a page of rows: searches, long lists, statistics."""
    return (
        any(arguments.get(name) for name in SEARCHES) or arguments.get("limit", 0) > limit or operation.noun == "stats"
    )


class _ReadSlices:
    """Answers short reads on the event loop: with a local store that takes less time than passing them to a thread.

    The reads that wait are answered from one snapshot, for `READ_SLICE_S`. A read that takes longer, finds many rows,
    or has to wait for a sweep or another process is run again on a thread.
    """

    def __init__(
        self, bus: LocalBus, loop: asyncio.AbstractEventLoop, bus_wait: BusWait, hand_over: Callable[[Job], None]
    ) -> None:
        bus.store.limit_to_short_reads(2 * READ_SLICE_S, SHORT_LIMIT)
        self._bus = bus
        self._loop = loop
        self._bus_wait = bus_wait
        self._hand_over = hand_over
        self._queue: deque[Job] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def takes(self, job: Job) -> bool:
        """Return whether a job probably takes little time."""
        return not may_take_long(job.operation, job.arguments, limit=LIST_LIMIT)

    def add(self, job: Job) -> None:
        """Queue a job; the snapshot that answers it begins after this turn of the loop, which may bring more."""
        self._queue.append(job)
        if len(self._queue) == 1:
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._bus_wait.begin()
        try:
            with self._bus.store.read():
                if self._bus.needs_no_sweep():
                    if outcomes := self._answer_some():
                        self._bus_wait.end(outcomes)
                else:
                    self._hand_over_all()
        except HallwayError:  # the thread says why the bus cannot be read, after it has waited for the bus
            self._hand_over_all()
        if self._queue:
            self._loop.call_soon(self._run)

    def _answer_some(self) -> list[Any]:
        """Answer jobs until the slice is over, at least one; return the results and errors.

        A read that has to write first is left to a thread.
        """
        outcomes: list[Any] = []
        until = time.monotonic() + READ_SLICE_S
        while self._queue and (not outcomes or time.monotonic() < until):
            job = self._queue.popleft()
            if job.operation.refresh and not self._is_fresh(job):
                self._hand_over(job)
                continue
            outcomes.append(job.run(self._bus, self._bus.run))
            if isinstance(outcomes[-1], TookTooLong | BusBusy):
                self._hand_over(job)
            else:
                job.answer(outcomes[-1])
        return outcomes

    def _is_fresh(self, job: Job) -> bool:
        try:
            return self._bus.service_of(job.operation.noun).is_fresh()
        except HallwayError:  # the thread says why the bus cannot be read
            return False

    def _hand_over_all(self) -> None:
        while self._queue:
            self._hand_over(self._queue.popleft())

    def close(self) -> None:
        self._bus.close()


class _LongReads:
    """The threads for reads that may take long, and a queue for each caller."""

    def __init__(self, threads: list[_ReaderThread]) -> None:
        self.threads = threads
        self._free = list(threads)
        self._queues: dict[str, deque[Job]] = {}  # in the order in which the callers get their turn
        self._running: dict[str, int] = {}
        self._most = max(len(threads) - 1, 1)  # threads that one caller may have

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, job: Job) -> None:
        self._queues.setdefault(job.caller.name or OWNER, deque()).append(job)
        self._start()

    def _start(self) -> None:
        """Assign free threads to waiting callers that use fewer than their share."""
        while self._free:
            caller = next((each for each in self._queues if self._running.get(each, 0) < self._most), NO_CALLER)
            if caller is NO_CALLER:
                return
            queue = self._queues.pop(caller)
            job = queue.popleft()
            if queue:
                self._queues[caller] = queue  # behind the others
            if job.future.done():  # the client no longer waits
                continue
            self._running[caller] = self._running.get(caller, 0) + 1
            thread = self._free.pop()
            thread.run(job, partial(self._ended, thread, caller))

    def _ended(self, thread: _ReaderThread, caller: str) -> None:
        self._free.append(thread)
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        self._start()


class _ReaderThread:
    """One of a reader's threads, and how many jobs it has."""

    def __init__(self, bus: LocalBus, loop: asyncio.AbstractEventLoop, bus_wait: BusWait) -> None:
        self.open = 0
        self._bus = bus
        self._bus_wait = bus_wait
        self._thread = WorkerThread("hallway-reader", loop)

    def run(self, job: Job, then: Callable[[], None] | None = None) -> None:
        """Queue a job; `then` is called on the loop once it is answered."""
        self.open += 1
        self._bus_wait.begin()

        def answer(outcome: Any) -> None:
            self.open -= 1
            self._bus_wait.end([outcome])
            job.answer(outcome)
            if then is not None:
                then()

        self._thread.call(lambda: job.run(self._bus, self._bus.execute), answer)

    def close(self) -> None:
        self._thread.close()
        self._bus.close()


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
        """Return how many jobs are queued and not begun."""
        return len(self._queue)

    def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]:
        """Queue an operation whose arguments are checked; the future gets its result or its error."""
        job = Job(operation, arguments, caller, self._loop.create_future())
        if operation.is_small(arguments):
            self._prepared(job, job.prepare(self.bus))
        else:  # its texts are looked at beside the loop, and before the transaction that others wait for
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
            self._loop.call_soon(self._next)  # after this turn of the loop, which may bring more of them

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
            self._answer(batch, [_as_hallway_error(error, "the beginning of a transaction")] * len(batch))
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
            return [_as_hallway_error(error, "a batch")] * len(batch)
        try:
            return self._committed(batch)
        except Exception as error:
            return [_as_hallway_error(error, "a batch")] * len(batch)

    def _committed(self, batch: list[Job]) -> list[Any]:
        with self.bus.transaction():
            return self._run(batch)
