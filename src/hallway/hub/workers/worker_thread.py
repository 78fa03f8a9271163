"""Runs what has to wait on threads beside a hub's event loop, and measures how long the bus makes its workers wait."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hallway.core.errors import HallwayError
from hallway.hub.workers.internal_error import as_hallway_error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

BUS_FAILED = 500  # from this status on, an error is the bus's or the hub's, not the caller's


class WorkerThread:
    """A thread that calls the functions it is given, one after the other, and hands each result to the event loop."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Call `function` on the thread, then `then` on the event loop, with its result or a HallwayError."""
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
                outcome = as_hallway_error(error, self._thread.name)
            self._loop.call_soon_threadsafe(then, outcome)

    def close(self) -> None:
        """End the thread, after the calls that it has been given."""
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
