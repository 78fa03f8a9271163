"""What followers of a bus in this process follow: reads after each wake-up, and now and then without one."""

from __future__ import annotations

import threading

from hallway.services.events import PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.model import Event, Message
    from hallway.store import Subscription


class SubscribedSource:
    """A source that reads the bus anew whenever its subscription tells of something."""

    def __init__(self, bus: Context, after: int, look_every_s: float) -> None:
        self.look_every_s = look_every_s
        self._bus = bus
        self._after = after  # the `seq` of what was read last
        self._subscription: Subscription | None = None
        self._interrupted = threading.Event()

    def take(self) -> list[Any]:
        if self._subscription is None:
            self._subscription = self._subscribe()  # before the read, so that nothing is missed in between
        return self._read()

    def _subscribe(self) -> Subscription:
        raise NotImplementedError

    def _read(self) -> list[Any]:
        raise NotImplementedError

    def wait(self, timeout_s: float) -> None:
        if self._subscription is None:
            self._interrupted.wait(timeout_s)
        elif not self._interrupted.is_set():
            self._subscription.wait(timeout_s)

    def interrupt(self) -> None:
        self._interrupted.set()
        if self._subscription is not None:
            self._subscription.interrupt()

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None


class LocalEvents(SubscribedSource):
    """The events of a bus in this process; reading them also sweeps."""

    def __init__(self, bus: Context, after: int, filters: dict[str, Any], look_every_s: float) -> None:
        super().__init__(bus, after, look_every_s)
        self._filters = filters

    def _subscribe(self) -> Subscription:
        subscription: Subscription = self._bus.subscribe_events()
        return subscription

    def _read(self) -> list[Event]:
        newest = self._bus.events.last_seq()
        if newest <= self._after:
            return []
        events: list[Event] = self._bus.events.read(self._after, limit=PAGE, **self._filters)
        self._after = events[-1].seq if len(events) == PAGE else max([newest, *(each.seq for each in events[-1:])])
        return events


class InboxSource(SubscribedSource):
    """The messages in an inbox, each once, though it stays there until it is acknowledged."""

    def __init__(self, bus: Context, session_id: str, types: list[str] | None) -> None:
        super().__init__(bus, 0, bus.look_again_s)
        self._session_id = session_id
        self._types = types

    def _subscribe(self) -> Subscription:
        subscription: Subscription = self._bus.subscribe_inbox(self._session_id)
        return subscription

    def _read(self) -> list[Message]:
        messages: list[Message] = self._bus.messages.inbox(self._session_id, 0, self._types, after=self._after)
        self._after = messages[-1].seq if messages else self._after
        return messages
