"""Listeners: each calls a handler in its own thread, and continues after an error of the handler."""

from __future__ import annotations

import logging
import threading

from hallway.core.errors import HallwayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.core.model import Message
    from hallway.services.events import EventLog, Handler
    from hallway.services.messages import CollaborationHub, MessageHandler

log = logging.getLogger("hallway.bus.subscriptions")

WAIT_S = 0.5  # how late the listener of an idle inbox notices that it was closed
RETRY_S = 1.0


class HandlerThread:
    """A thread that calls a handler until it is closed."""

    def __init__(self, name: str) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Stop after the current call of the handler; return when the thread has ended."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join()


class Listener(HandlerThread):
    """Calls a handler with each event of a kind, from its creation until it is closed."""

    def __init__(self, events: EventLog, kind: str, handler: Handler) -> None:
        self._events = events
        self._kinds = None if kind == "*" else [kind.removesuffix(".*")]
        self._handler = handler
        self._after = events.last_seq()
        super().__init__(f"hallway-listener-{kind}")

    def _run(self) -> None:
        while not self._closed.is_set():
            for event in self._events.follow(self._after, kinds=self._kinds, timeout_s=0.5):
                self._after = event.seq
                try:
                    self._handler(event)
                except Exception:  # the handler is code outside hallway and may raise anything
                    log.exception("the handler of %s failed at event %d", self._kinds or "*", event.seq)
                if self._closed.is_set():
                    return


class InboxListener(HandlerThread):
    """Calls a handler with each message in an inbox, and acknowledges a message if the handler returns
    without an error.
    """

    def __init__(
        self, messages: CollaborationHub, session_id: str, types: list[str] | None, handler: MessageHandler
    ) -> None:
        self._messages = messages
        self._session_id = session_id
        self._types = types
        self._handler = handler
        self._after = 0
        super().__init__(f"hallway-inbox-{session_id}")

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                found = self._messages.inbox(self._session_id, WAIT_S, self._types, after=self._after)
            except HallwayError as error:  # for example a hub that restarts, or a full disk
                log.warning("cannot read the inbox of %s: %s", self._session_id, error)
                self._closed.wait(RETRY_S)
                continue
            for message in found:
                if self._closed.is_set():
                    return
                self._handle(message)

    def _handle(self, message: Message) -> None:
        self._after = message.seq
        try:
            self._handler(message)
            self._messages.acknowledge(self._session_id, [message.message_id])
        except Exception:  # the handler is code outside hallway and may raise anything
            log.exception("the handler of %s failed at message %s", self._session_id, message.message_id)
