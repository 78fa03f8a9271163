"""Wake-ups inside the hub: topics that changed, for the tasks that wait on its event loop.

One subscription to the store receives every commit on the bus, including this hub's. A periodic check finds missed
wake-ups (a full queue, a lost connection, a writer that died before it sent one). The check also sweeps, so that
expired sessions are reported in time even if nobody reads the bus.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import TYPE_CHECKING

from hallway.bus.local import LOOK_EVERY_S
from hallway.core.errors import HallwayError
from hallway.local.notify import ANYTHING, TOO_MANY
from hallway.services.attention import TOPIC as ATTENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.local import LocalBus

log = logging.getLogger("hallway.hub")

ATTENTION_EVERY = 4  # looks: after how many the list of what needs a person is brought up to date


class Notifier:
    """Futures by topic; a wake-up resolves all futures of its topic."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus  # a separate connection
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._listeners: dict[str, Callable[[], None]] = {}
        self._has_heard = False  # since the last look
        self._subscription = bus.store.subscribe(ANYTHING)
        self._watched = -1
        self._watch()
        self._looking = self._loop.create_task(self._look())
        self.is_closed = False

    @property
    def waiting(self) -> int:
        """Return how many waits are open."""
        return sum(map(len, self._waiting.values()))

    def expect(self, topic: str) -> asyncio.Future[None]:
        """Return a future for a topic's next wake-up; take it before reading, so that nothing is missed in between."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(topic, set()).add(future)
        if self.is_closed:
            future.set_result(None)
        return future

    def forget(self, topic: str, future: asyncio.Future[None]) -> None:
        """Remove a future of `expect`."""
        waiting = self._waiting.get(topic, set())
        waiting.discard(future)
        if not waiting:
            self._waiting.pop(topic, None)

    def listen(self, topic: str, listener: Callable[[], None]) -> None:
        """Call a function at every wake-up of a topic, for as long as the hub runs."""
        self._listeners[topic] = listener

    def _topics(self) -> set[str]:
        return {*self._waiting, *self._listeners}

    def _watch(self) -> None:
        """Listen with the loop to the ear, which may have another connection than before."""
        watched = self._subscription.fileno()
        if watched != self._watched:
            if self._watched >= 0:
                self._loop.remove_reader(self._watched)
            if watched >= 0:
                self._loop.add_reader(watched, self._on_wake_up)
            self._watched = watched

    def _on_wake_up(self) -> None:
        self._has_heard = True
        topics = self._subscription.receive()
        self._watch()
        self._wake(self._topics() if TOO_MANY in topics else topics)

    def _wake(self, topics: set[str]) -> None:
        for topic in topics:
            if listener := self._listeners.get(topic):
                listener()
            for future in self._waiting.pop(topic, ()):
                if not future.done():
                    future.set_result(None)

    async def _look(self) -> None:
        newest = seen = self._bus.events.last_seq()
        is_suspect = False
        for number in count():
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if number % ATTENTION_EVERY == 0 and await asyncio.to_thread(self._bus.attention.refresh):
                    self._wake({ATTENTION})
                newest = await asyncio.to_thread(self._sweep_and_look)
                has_overflowed = await asyncio.to_thread(self._subscription.has_overflowed)
            except HallwayError as error:
                log.warning("cannot look at the bus: %s", error)
                continue
            self._watch()
            # Every change is an event. If the second check finds an event without a wake-up, its writer has died.
            # Waking all for every commit, heartbeats included, would wake every open poll four times a second.
            is_unreported = newest != seen and not self._has_heard
            if (is_unreported and is_suspect) or has_overflowed or self._watched < 0:
                self._wake(self._topics())
                is_unreported = False
            is_suspect = is_unreported
            seen = seen if is_unreported else newest
            self._has_heard = False

    def _sweep_and_look(self) -> int:
        """Expire overdue sessions; return the newest event's seq."""
        self._bus.sweep()
        return self._bus.events.last_seq()

    def close(self) -> None:
        """Wake all waiting tasks and end the subscription; a second call does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        self._wake(self._topics())
        self._looking.cancel()
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
        self._subscription.close()
        self._bus.close()
