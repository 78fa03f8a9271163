"""Handlers in a thread of their own: they outlive their errors."""

from __future__ import annotations

import logging
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from roost.services.events import EventLog, Handler

log = logging.getLogger("roost.listener")


class Listener:
    """Calls a handler with each event of a kind, from the moment it is made until it is closed."""

    def __init__(self, events: EventLog, kind: str, handler: Handler) -> None:
        self._events = events
        self._kinds = None if kind == "*" else [kind.removesuffix(".*")]
        self._handler = handler
        self._closed = threading.Event()
        self._after = events.last_seq()
        self._thread = threading.Thread(target=self._run, name=f"roost-listener-{kind}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            for event in self._events.follow(self._after, kinds=self._kinds, timeout_s=0.5):
                self._after = event.seq
                try:
                    self._handler(event)
                except Exception:  # the edge between the bus and somebody else's code
                    log.exception("the handler of %s failed at event %d", self._kinds or "*", event.seq)
                if self._closed.is_set():
                    return

    def close(self) -> None:
        """Stop after the event at hand; returns when the thread has ended."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
