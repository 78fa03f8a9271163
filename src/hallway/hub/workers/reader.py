"""Runs a hub's reads: short ones on the event loop, for a millisecond at a time, and the others on threads."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from hallway.core.errors import BusBusy, HallwayError, TookTooLong
from hallway.hub.workers.worker_thread import BusWait, WorkerThread
from hallway.hub.workers.writer import Job

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hallway.bus.local import LocalBus
    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller

SHORT_LIMIT = 100  # most rows of a short read
LIST_LIMIT = 200  # the default limit of most lists, which usually have far fewer rows
SEARCHES = ("query", "pattern")  # parameters of searches, which look at many more rows than they return
OWNER, NO_CALLER = " owner", ""  # used instead of a token's name; no token has these names
READ_SLICE_S = 0.001  # how long the event loop answers reads before it does its other work


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
        """Return the number of jobs that have not begun."""
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
        """Queue a job. The loop's next turn answers it, from one snapshot with all that are queued by then."""
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
        except HallwayError:  # threads run these reads instead: they wait for the bus, and answer with its errors
            self._hand_over_all()
        if self._queue:
            self._loop.call_soon(self._run)

    def _answer_some(self) -> list[Any]:
        """Answer jobs for `READ_SLICE_S`, at least one; return their results and errors.

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
        except HallwayError:  # a thread runs this read instead, and answers with the error
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
                self._queues[caller] = queue  # its turn comes after those of the others
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
    """A thread that runs reads on its own connection; `open` is the number of jobs that it has not answered yet."""

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
