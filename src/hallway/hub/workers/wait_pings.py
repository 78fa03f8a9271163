"""Keeps sessions live whose programs wait at this hub: a long poll, an inbox by MCP, or a stream of events (S12).

Each such session is recorded as alive when its wait begins, and then once in a third of its time to live, however many
requests wait for it. It does not count if the caller says that it is another session, or if its token did not register
this one: others may wait for a session's messages, too.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hallway.bus.keep_alive import PINGS_PER_TTL, RETRY_S
from hallway.core.errors import HallwayError
from hallway.core.model import PERSON
from hallway.core.parameters import TTL_DEFAULT_S
from hallway.hub.workers.writer import Job
from hallway.services.sessions import SessionRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.bus.local import LocalBus
    from hallway.hub.auth.caller import Caller
    from hallway.hub.workers.writer import Execute, Writer

PING = SessionRegistry.operations["ping"]
REMEMBERED = 10_000  # sessions after which those that are due are forgotten


class WaitPings:
    """The sessions that wait at this hub, and when each is recorded as alive next."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._due: dict[str, float] = {}
        self._forget_at = REMEMBERED
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def during(self, session_id: str | None, caller: Caller) -> Iterator[None]:
        """Record a session as alive while its request waits; None if the request names none."""
        is_own = session_id and not session_id.startswith(PERSON) and caller.here.session_id in (None, session_id)
        pinging = asyncio.ensure_future(self._repeat(session_id, caller)) if session_id and is_own else None
        try:
            yield
        finally:
            if pinging:
                pinging.cancel()

    async def _repeat(self, session_id: str, caller: Caller) -> None:
        while True:
            await asyncio.sleep(self._due.get(session_id, 0.0) - self._loop.time())
            self._remember(session_id, TTL_DEFAULT_S)  # so that the other waits for it record nothing meanwhile
            job = _NoteJob(PING, {"session_id": session_id}, caller, self._loop.create_future())
            self._writer.take(job)
            try:
                ttl_s: int | None = await job.future
            except HallwayError:
                ttl_s = int(RETRY_S * PINGS_PER_TTL)  # the writer reports what is wrong with the bus
            self._remember(session_id, ttl_s or TTL_DEFAULT_S)

    def _remember(self, session_id: str, ttl_s: int) -> None:
        now = self._loop.time()
        self._due[session_id] = now + ttl_s / PINGS_PER_TTL
        if len(self._due) > self._forget_at:
            self._due = {each: at for each, at in self._due.items() if at > now}
            self._forget_at = max(REMEMBERED, 2 * len(self._due))


class _NoteJob(Job):
    """A job that records a waiting session as alive, if it is its caller's, and returns its time to live."""

    def perform(self, bus: LocalBus, execute: Execute) -> Any:
        session_id = self.arguments["session_id"]
        owner = bus.store.one("sessions.owner", session_id=session_id)
        if owner is None or self.caller.name not in (None, owner[0]):
            return None
        bus.sessions.note_act(session_id)
        return bus.sessions.require(session_id).ttl_s
