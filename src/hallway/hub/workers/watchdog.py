"""Notices that this process was frozen (stopped, swapped out, its machine asleep) while others went on.

What lay in its buffers meanwhile was given up by its clients, who have asked another hub since. Done late, it would
undo what they said there: a status of half a minute ago, a heartbeat of somebody who has died. So a hub that shares its
bus refuses writes for a moment after a freeze; who still waits asks again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hallway.bus.remote import FAILOVER_TIMEOUT_S
from hallway.core.errors import Unavailable

if TYPE_CHECKING:
    import asyncio

EVERY_S = 1.0
SETTLES_S = 1.0  # how long what was buffered may take to come in


class StallWatchdog:
    """Beats with the event loop; `check` raises Unavailable just after a pause that clients do not wait through."""

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
        """Refuse what may have been given up by who asked it."""
        if self._look() < self._refuses_until:
            raise Unavailable("this hub was frozen and may be late", hint="Ask again, here or at another hub")

    def close(self) -> None:
        self._timer.cancel()
