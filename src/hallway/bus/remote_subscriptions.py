"""Subscriptions to a hub: each reads its connection in a thread of its own, so that no caller waits for the network.

An event loop watches a pipe, into which the thread writes when there is news. It must not watch the connection itself:
over TLS that is readable without news (a session ticket, a part of a record) and may hold news without being readable.
A connection that is lost is opened again, with growing pauses, and goes on after what was received last.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from contextlib import contextmanager
from urllib.parse import quote

from hallway.bus.hub_endpoint import MALFORMED, HubEndpoint, as_query, shut_down
from hallway.core.backoff import Backoff
from hallway.core.errors import HallwayError, HubUnreachable
from hallway.core.model import Event
from hallway.core.operation import decode_record
from hallway.core.schema import decode
from hallway.local.notify import TOO_MANY
from hallway.local.wake_pipe import WakePipe
from hallway.services.events import PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any, Protocol

    from hallway.services.events import EventLog

    class Hubs(Protocol):
        """The hubs that serve a bus."""

        def open_stream(
            self, path: str, headers: dict[str, str], silence_s: float
        ) -> tuple[HubEndpoint, http.client.HTTPConnection]: ...
        def demote(self, address: HubEndpoint) -> None: ...


SILENCE_S = 45.0  # after this silence a stream counts as lost; its keep-alives come every 15 s
POLL_S = 20.0  # how long a hub may hold the answer to one poll of an inbox
ANSWER_S = 10.0  # how much longer it may take to answer: after that it is frozen or cut off
STEADY_S = 5.0  # a connection that lasted so long was good: the next pause is a short one again
MAX_QUEUED = 2 * PAGE  # events that were received and not taken yet; then the hub has to wait


class RemoteSubscription:
    """A subscription to a hub's news, for an event loop to watch or a thread to wait for."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs
        self._news = WakePipe()
        self._closed = threading.Event()
        self._address: HubEndpoint | None = None  # the hub that was asked last
        self._socket: socket.socket | None = None
        threading.Thread(target=self._run, name="hallway-subscription", daemon=True).start()

    # -- for whoever waits --------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._news.fileno()

    def receive(self) -> set[str]:
        """Return `!` (some unnamed topics) if there is news since the last call."""
        return {TOO_MANY} if self._news.drain() else set()

    def wait(self, timeout_s: float) -> None:
        """Wait for news, or until the time is over."""
        if self._news.wait(timeout_s):
            self._news.drain()

    def interrupt(self) -> None:
        self._news.wake()

    def has_overflowed(self) -> bool:
        """Return False: a lost connection goes on after the last news, so none is missed."""
        return False

    def close(self) -> None:
        """End the subscription; its thread ends by itself, at once unless it is just connecting."""
        self._closed.set()
        shut_down(self._socket)
        self._news.close()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff()
        while not self._closed.is_set():
            began_at = time.monotonic()
            try:
                self._receive()
            except (OSError, http.client.HTTPException, HallwayError, *MALFORMED) as error:
                if time.monotonic() - began_at > STEADY_S:
                    backoff.reset()
                if self._address and (not isinstance(error, HallwayError) or error.is_passing):
                    self._hubs.demote(self._address)
                self._lose(error)
                self._closed.wait(backoff.next_s())
            else:
                backoff.reset()

    def _receive(self) -> None:
        """Open a connection and read from it until it ends."""
        raise NotImplementedError

    def _lose(self, error: Exception) -> None:
        """Take note that the connection was lost, or that none could be opened."""

    @contextmanager
    def _ask(self, path: str, headers: dict[str, str], silence_s: float) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield its answer, of which the head is read; raises the hub's error."""
        self._address = None
        address, connection = self._hubs.open_stream(path, headers, silence_s)
        self._address, self._socket = address, connection.sock
        try:
            if self._closed.is_set():  # it was closed before there was a socket to shut down
                raise HubUnreachable(f"the subscription to {address.url} is closed")
            response = connection.getresponse()
            if response.status != 200:
                raise address.error(response.status, response.read())
            yield response
        finally:
            connection.close()


class InboxSubscription(RemoteSubscription):
    """A subscription to one inbox, by long polls. The hub counts them as signs of life of the session (S12)."""

    def __init__(self, hubs: Hubs, session_id: str) -> None:
        self._path = f"/sessions/{quote(session_id, safe='')}/inbox"
        self._after = 0  # the `seq` of the last message received
        super().__init__(hubs)

    def _receive(self) -> None:
        query = as_query({"limit": 20, "wait_s": POLL_S, "after": self._after})
        with self._ask(f"{self._path}?{query}", {}, POLL_S + ANSWER_S) as response:
            answer = decode(response.read())
        if answer:
            self._after = answer[-1]["seq"]
            self._news.wake()


class EventSubscription(RemoteSubscription):
    """A subscription to the events after a seq, over the hub's stream of them."""

    def __init__(self, hubs: Hubs, after: int, filters: dict[str, Any] | None = None) -> None:
        self._after = after
        self._path = f"/events?{as_query(filters or {})}"
        super().__init__(hubs)

    def _receive(self) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self._after)}
        with self._ask(self._path, headers, SILENCE_S) as response:
            self._begin()
            for line in response:
                if line.startswith(b"data: "):
                    event = decode_record(Event, decode(line[6:]))
                    self._take_in(event)
                    self._after = event.seq
        raise HubUnreachable("the hub has ended the stream of events")

    def _begin(self) -> None:
        """Take note that the hub has begun a stream."""

    def _take_in(self, event: Event) -> None:
        self._news.wake()


class EventQueue(EventSubscription):
    """A subscription that keeps the events until they are taken."""

    def __init__(self, hubs: Hubs, after: int, filters: dict[str, Any]) -> None:
        self._events: deque[Event] = deque()
        self._has_room = threading.Condition()
        self._error: HallwayError | None = None  # why there is no connection now
        super().__init__(hubs, after, filters)

    def take(self) -> list[Event]:
        """Return the events received since the last call; raises what is wrong if there are none and no connection."""
        with self._has_room:
            events = list(self._events)
            self._events.clear()
            self._has_room.notify()
        if not events and (error := self._error):
            raise error
        return events

    def _begin(self) -> None:
        self._error = None
        self._news.wake()

    def _take_in(self, event: Event) -> None:
        with self._has_room:
            self._has_room.wait_for(lambda: len(self._events) < MAX_QUEUED or self._closed.is_set())
            self._events.append(event)
        self._news.wake()

    def _lose(self, error: Exception) -> None:
        self._error = error if isinstance(error, HallwayError) else HubUnreachable(f"the hub is lost: {error}")
        self._news.wake()

    def close(self) -> None:
        super().close()
        with self._has_room:
            self._has_room.notify()


class RemoteEvents:
    """The source of a follower of a hub's events: pages of what is there already, then the stream."""

    look_every_s = SILENCE_S

    def __init__(self, hubs: Hubs, events: EventLog, after: int, filters: dict[str, Any]) -> None:
        self._hubs = hubs
        self._log = events
        self._after = after
        self._filters = filters
        self._queue: EventQueue | None = None
        self._is_interrupted = False

    def take(self) -> list[Event]:
        events = self._queue.take() if self._queue else self._log.read(self._after, limit=PAGE, **self._filters)
        self._after = events[-1].seq if events else self._after
        return events

    def wait(self, timeout_s: float) -> None:
        if self._queue is None:
            self._queue = EventQueue(self._hubs, self._after, self._filters)
        if not self._is_interrupted:
            self._queue.wait(timeout_s)

    def interrupt(self) -> None:
        self._is_interrupted = True
        if self._queue is not None:
            self._queue.interrupt()

    def close(self) -> None:
        if self._queue is not None:
            self._queue.close()
