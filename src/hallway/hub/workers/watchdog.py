"""Detection of freezes of this process (stopped, swapped out, its machine asleep) while other hubs went on.

During a freeze, clients give up on the requests in this hub's buffers and ask another hub. A late write would undo
newer ones: an old status, a heartbeat of a session that has died. So a hub that shares its bus refuses writes for a
short time after a freeze; clients that still wait try again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hallway.bus.remote import FAILOVER_TIMEOUT_S
from hallway.core.errors import Unavailable

if TYPE_CHECKING:
    import asyncio

EVERY_S = 1.0
SETTLES_S = 1.0  # how long buffered requests may take to arrive after a freeze


class StallWatchdog:
    """A timer on the event loop; `check` raises Unavailable just after a pause that is longer than clients wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = time.monotonic()
        self._refuses_until = 0.0
        self._timer = loop.call_later(EVERY_S, self._tick)

    def _tick(self) -> None:
        self._look()
        self._timer = self._loop.call_later(EVERY_S, self._tick)

    def _look(self) -> float:
        now = time.monotonic()
        if now - self._last > FAILOVER_TIMEOUT_S:
            self._refuses_until = now + SETTLES_S
        self._last = now
        return now

    def check(self) -> None:
        """Raise Unavailable if the client may have given up the request."""
        if self._look() < self._refuses_until:
            raise Unavailable("this hub was frozen and may be late", hint="Ask again, here or at another hub")

    def close(self) -> None:
        self._timer.cancel()
