"""Keeps the sessions of a program live while it follows events, listens or waits (S12).

A program that only waits says nothing for longer than its sessions' time to live, and so may one whose handler takes
long. While its bus has an open follower, listener or wait, a thread pings the sessions that the bus acts as and those
whose messages are waited for, each once in a third of its time to live. A ping makes no event and leaves a session
ended that was ended on purpose. Because the thread is not the follower's, a hub that does not answer delays no event.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from weakref import WeakKeyDictionary, ref

from hallway.core.errors import HallwayError, Refused, SessionNotFound
from hallway.core.parameters import TTL_DEFAULT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from hallway.core.context import Context

    class Wait(Protocol):
        """A follower, a listener or a call that waits."""

        @property
        def is_closed(self) -> bool: ...


PINGS_PER_TTL = 3
RETRY_S = 5.0  # after a ping that the bus did not answer
CLOSE_WITHIN_S = 0.05  # how long the close of a bus waits for the thread

log = logging.getLogger("hallway.bus.keep_alive")


class KeepAlive:
    """The thread that pings a bus's own sessions, and the open waits for which it runs."""

    def __init__(self, bus: Context) -> None:
        self._bus = ref(bus)  # so that a bus that its program forgets is not kept by the thread
        self._waits: WeakKeyDictionary[Wait, str | None] = WeakKeyDictionary()  # with the session that is waited for
        self._due: dict[str, float] = {}  # when each session is pinged next
        self._lock = threading.Lock()
        self._has_changed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, wait: Wait, session_id: str | None = None) -> None:
        """Keep the bus's own sessions live until a wait is closed; also the session whose messages it waits for."""
        with self._lock:
            self._waits[wait] = session_id
        self.refresh()

    @contextmanager
    def during_call(self, session_id: str | None) -> Iterator[None]:
        """Keep the bus's own sessions live while a call waits."""
        call = _WaitingCall()
        self.add(call, session_id)
        try:
            yield
        finally:
            call.is_closed = True

    def refresh(self) -> None:
        """Have the thread look again at the waits and the sessions; start it if there are some of both."""
        self._has_changed.set()
        with self._lock:
            is_running = self._thread is not None and self._thread.is_alive()
            if not is_running and self._sessions():
                self._thread = threading.Thread(target=self._run, name="hallway-keep-alive", daemon=True)
                self._thread.start()

    def join(self) -> None:
        """Wait for the thread's end, unless it waits for an answer of the bus; it then ends later."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_WITHIN_S)

    def _sessions(self) -> set[str]:
        """Return the sessions to keep live; empty if nothing waits."""
        bus = self._bus()
        waits = [(wait, session_id) for wait, session_id in self._waits.items() if not wait.is_closed]
        if bus is None or bus.is_closed or not waits:
            return set()
        waited_for = {session_id for _, session_id in waits if session_id and bus.waits_as(session_id)}
        sessions: set[str] = bus.own_sessions | waited_for
        return sessions

    def _run(self) -> None:
        while sessions := self._sessions_or_end():
            self._send_pings(sessions)
            pause_s = min(self._due.get(each, 0.0) for each in sessions) - time.monotonic()
            self._has_changed.wait(max(pause_s, 0.0))
            self._has_changed.clear()

    def _sessions_or_end(self) -> set[str]:
        with self._lock:
            sessions = self._sessions()
            if not sessions:
                self._thread = None
            return sessions

    def _send_pings(self, sessions: set[str]) -> None:
        """Send a ping for each session that is due; if the bus does not answer, all of them are due again soon."""
        now = time.monotonic()
        self._due = {each: at for each, at in self._due.items() if at > now}
        due = sessions - self._due.keys()
        while due and (bus := self._bus()) and not bus.is_closed:
            session_id, pause_s = due.pop(), TTL_DEFAULT_S / PINGS_PER_TTL
            try:
                pause_s = bus.sessions.ping(session_id, unless_ended=True).ttl_s / PINGS_PER_TTL
            except (SessionNotFound, Refused):
                pass  # it is not registered yet, it was pruned, or it is another token's
            except HallwayError as error:
                log.info("cannot keep the session %s alive now: %s", session_id, error)
                self._due |= dict.fromkeys({session_id, *due}, time.monotonic() + RETRY_S)
                return
            except Exception:
                if bus.is_closed:  # a store that is closed meanwhile may raise anything
                    return
                raise
            self._due[session_id] = time.monotonic() + pause_s


class _WaitingCall:
    """A call that waits, until it returns."""

    is_closed = False
