"""The record of events: append, read, follow, handle.

An event is written in the transaction of its change, so there is never a change without its event or an event without
its change. Reading by `seq` returns every event exactly once (E1).
"""

from __future__ import annotations

from _collections_abc import Callable  # which is there without importing `collections`

from hallway.core.clock import to_datetime
from hallway.core.model import Event, EventStats
from hallway.core.operation import operation
from hallway.core.schema import decode, encode
from hallway.core.topics import EVENTS
from hallway.services.base import Service, require_callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Closable, EventIterator
else:
    Any = Closable = EventIterator = object  # what annotations mean at run time; `typing` is not imported


Handler = Callable[[Event], object]
PAGE = 500


class EventLog(Service, noun="events"):
    """The events of the bus, in order."""

    @operation("GET /events", is_of_all=True)
    def read(
        self, after: int = 0, *, project: str | None = None, kinds: list[str] | None = None, limit: int = PAGE
    ) -> list[Event]:
        """Read the events after a seq, oldest first.

        A kind includes all kinds below it: `session` includes `session.expired`. Fewer than `limit` events mean that
        there are no more now.
        """
        rows = self._store.rows(
            "events.read",
            after=after,
            project=project,
            kinds=encode(kinds) if kinds else None,
            limit=limit,
            visible=self.bus.visible,
        )
        return [
            Event.of((seq, to_datetime(at), kind, in_project, session_id, decode(data)))
            for seq, at, kind, in_project, session_id, data in rows
        ]

    @operation("GET /events/last")
    def last_seq(self) -> int:
        """Return the newest event's seq; 0 if there are no events yet."""
        visible = self.bus.visible
        if visible is None:
            row = self._store.one("events.last_seq")
        else:
            row = self._store.one("events.last_visible_seq", visible=visible)
        return int(row[0]) if row else 0

    def follow(
        self,
        after: int | None = None,
        *,
        project: str | None = None,
        kinds: list[str] | None = None,
        timeout_s: float | None = None,
    ) -> EventIterator:
        """Yield events as they happen, from now or from after a seq; blocks in between and wakes at once (E3).

        Resumed with the last seq it yielded, it yields every event exactly once. It ends when no event came for
        `timeout_s` seconds (None waits for ever), and at once when any thread calls its `close()` or closes the bus.
        If the hub or the database goes away it tries again, logs that once, and continues after the last event.
        """
        return self.bus.follow(after, project=project, kinds=kinds, timeout_s=timeout_s)

    def on(self, kind: str, handler: Handler) -> Closable:
        """Call a function, in a thread of its own, with each event of a kind from now on (`*`: every kind).

        An error in the handler is logged and the next event is handled. If the hub or the database goes away, it tries
        again and goes on after the last event. `close()` of what is returned, or of the bus, ends it. Raises
        InvalidInput for a handler that cannot be called.
        """
        require_callable(handler)
        return self.bus.on_event(kind, handler)

    def stats(self, project: str | None = None) -> EventStats:
        row = self._store.one("events.count", project=project, visible=self.bus.visible)
        return EventStats.of(row or (0, 0))

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("events.prune", before=before, limit=limit))

    def append(self, kind: str, project: str, session_id: str | None = None, /, **data: Any) -> None:
        """Write an event in the open transaction; for services, not for faces."""
        self._store.exclusive()
        self._store.change(
            "events.append",
            now=self._store.now,
            kind=kind,
            project=project,
            session_id=session_id,
            data=encode(data) if data else "{}",
        )
        self.bus.changed_topics.add(EVENTS)
