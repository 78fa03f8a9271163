"""Followers, which yield what happens, and handler threads, which call a function with it.

Both outlive a hub or a database that is restarted: they try again with growing pauses, go on after what they had last,
and log the failure once. Both end as soon as they, or their bus, are closed, by whichever thread.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from hallway.bus.sources import InboxSource
from hallway.core.backoff import Backoff
from hallway.core.errors import HallwayError, StorageError, Unavailable
from hallway.core.model import Event, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from hallway.core.context import Context
    from hallway.services.events import Handler
    from hallway.services.messages import MessageHandler

    class Source(Protocol):
        """What a follower follows."""

        look_every_s: float  # how often to look though nothing has ended the wait

        def take(self) -> list[Any]:
            """Return what is new since the last call, without waiting for more; raises what keeps it from that."""

        def wait(self, timeout_s: float) -> None:
            """Wait until there may be something new, or the time is over."""

        def interrupt(self) -> None:
            """End the current wait, or else the next one; another thread may call this."""

        def close(self) -> None: ...


log = logging.getLogger("hallway.bus.subscriptions")

CLOSE_WITHIN_S = 0.05  # how long `close` waits for a thread that is asking the bus; it ends by itself later

SETTLE_WITHIN_S = 1.0  # how long it waits for the acknowledgement of a message that was handled

T = TypeVar("T")


class Follower(Iterator[T], Generic[T]):
    """An iterator over what a source gives, until nothing came for a time, or until any thread closes it.

    What keeps it from its first look is raised, and so is later what a repetition cannot heal, such as a token that was
    revoked; a patient follower tries again after every error.
    """

    def __init__(self, source: Source, what: str, timeout_s: float | None = None, *, is_patient: bool = False) -> None:
        self._source = source
        self._what = what  # for the log
        self._timeout_s = math.inf if timeout_s is None else timeout_s
        self._is_patient = is_patient
        self._has_begun = False
        self._items: deque[T] = deque()
        self._backoff = Backoff()
        self._turn = threading.Lock()  # held by the thread that asks for the next item
        self._is_closed = False

    def __next__(self) -> T:
        with self._turn:
            try:
                heard_at = time.monotonic()
                while not self._is_closed:
                    if self._items:
                        return self._items.popleft()
                    self._look(heard_at + self._timeout_s)
                raise StopIteration
            finally:
                if self._is_closed:
                    self._source.close()

    def _look(self, deadline: float) -> None:
        """Take what is new; if that is nothing, wait for something. At the deadline the follower is closed."""
        pause_s = self._source.look_every_s
        try:
            self._items.extend(self._source.take())
            self._succeed()
        except Exception as error:  # a store that is closed meanwhile may raise anything
            pause_s = self._fail(error)
        left_s = deadline - time.monotonic()
        if self._items or self._is_closed:
            return
        if left_s <= 0:
            self._is_closed = True
        else:
            self._source.wait(min(left_s, pause_s))

    def _succeed(self) -> None:
        self._has_begun = True
        if self._backoff.failures:
            log.info("%s goes on", self._what)
            self._backoff.reset()

    def _fail(self, error: Exception) -> float:
        """Return how long to wait before the next attempt; raise the error if there is to be none."""
        if self._is_closed:
            return 0.0
        if not isinstance(error, HallwayError) or not (self._is_patient or self._may_heal(error)):
            self._is_closed = True
            raise error
        if not self._backoff.failures:
            log.warning("%s is interrupted, and tries again: %s", self._what, error)
        return self._backoff.next_s()

    def _may_heal(self, error: HallwayError) -> bool:
        return self._has_begun and (error.is_passing or isinstance(error, StorageError))

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        """End it: a thread that waits for the next item gets none."""
        self._is_closed = True
        self._source.interrupt()
        if self._turn.acquire(timeout=CLOSE_WITHIN_S):  # else the thread that has the turn closes the source
            try:
                self._source.close()
            finally:
                self._turn.release()

    def __del__(self) -> None:
        self.close()


class HandlerThread(Generic[T]):
    """A thread that calls a handler with each item of a follower until it is closed."""

    def __init__(self, follower: Follower[T], handler: Callable[[T], object], name: str) -> None:
        self._follower = follower
        self._handler = handler
        self._closed = threading.Event()
        self._call = threading.RLock()  # held while the handler runs
        self._end_of_call = threading.RLock()  # held from then on until what it did is settled
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for item in self._follower:
            with self._end_of_call:
                try:
                    with self._call:
                        if self._closed.is_set():
                            return
                        self._handler(item)
                    self._settle(item)
                except Exception:  # the handler is code outside hallway and may raise anything
                    log.exception("the handler of %s", self._describe(item))

    def _settle(self, item: T) -> None:
        """Do what is to be done after the handler has returned without an error."""

    def _describe(self, item: T) -> str:
        """Return at what a handler failed, for the log."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set() or not self._thread.is_alive()

    def close(self) -> None:
        """Stop after the current call of the handler, which is waited for; the handler is not called again."""
        self._closed.set()
        self._follower.close()
        with self._call:
            pass
        if self._end_of_call.acquire(timeout=SETTLE_WITHIN_S):
            self._end_of_call.release()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_WITHIN_S)


class Listener(HandlerThread[Event]):
    """Calls a handler with each event of a kind, from its creation until it is closed."""

    def __init__(self, bus: Context, kind: str, handler: Handler) -> None:
        self._kind = kind
        kinds = None if kind == "*" else [kind.removesuffix(".*")]
        source = bus.source_of_events(bus.events.last_seq(), {"project": None, "kinds": kinds})
        follower = Follower[Event](source, f"the handler of {kind}", is_patient=True)
        super().__init__(follower, handler, f"hallway-listener-{kind}")

    def _describe(self, item: Event) -> str:
        return f"{self._kind} failed at event {item.seq}"


class InboxListener(HandlerThread[Message]):
    """Calls a handler with each message in an inbox, and acknowledges a message if the handler returns
    without an error.
    """

    def __init__(self, bus: Context, session_id: str, types: list[str] | None, handler: MessageHandler) -> None:
        self._bus = bus
        self._session_id = session_id
        source = InboxSource(bus, session_id, types)
        follower = Follower[Message](source, f"the handler of the inbox of {session_id}", is_patient=True)
        super().__init__(follower, handler, f"hallway-inbox-{session_id}")

    def _settle(self, item: Message) -> None:
        backoff = Backoff()
        while True:
            try:
                self._bus.messages.acknowledge(self._session_id, [item.message_id])
                return
            except Unavailable as error:
                if self._closed.is_set():
                    raise
                if not backoff.failures:
                    log.warning("cannot acknowledge message %s yet: %s", item.message_id, error)
                self._closed.wait(backoff.next_s())

    def _describe(self, item: Message) -> str:
        return f"{self._session_id} failed at message {item.message_id}"
