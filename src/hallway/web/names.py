"""Names of sessions: pages show names where messages and events have ids."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError
from hallway.core.model import is_session
from hallway.services.sessions import SessionRegistry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.core.model import Session
    from hallway.web.operation_runner import OperationRunner

GET = SessionRegistry.operations["get"]

KEPT_S = 60.0
MAX_KEPT = 10_000
MAX_ASKED = 100  # names looked up at once; other sessions are shown by their ids


class Names:
    """A cache of agent names by session id; an entry is valid for a minute."""

    def __init__(self, ask: OperationRunner) -> None:
        self._ask = ask
        self._known: dict[str, tuple[str, float]] = {}

    def learn(self, sessions: Iterable[Session]) -> None:
        """Store the names of sessions that were read for another purpose."""
        until = time.monotonic() + KEPT_S
        if len(self._known) > MAX_KEPT:
            self._known.clear()
        self._known.update((each.session_id, (each.agent_name, until)) for each in sessions)

    async def of(self, parties: Iterable[str | None]) -> dict[str, str]:
        """Return the names of the sessions among some parties: {session id: name}."""
        wanted = {each for each in parties if each and is_session(each)}
        now = time.monotonic()
        asked = [each for each in sorted(wanted) if self._known.get(each, ("", 0.0))[1] < now][:MAX_ASKED]
        self.learn(filter(None, await asyncio.gather(*map(self._session, asked))))
        return {each: self._known[each][0] for each in wanted if each in self._known}

    async def _session(self, session_id: str) -> Session | None:
        try:
            session: Session = await self._ask(GET, session_id=session_id)
        except HallwayError:  # pruned, or the name of something else
            return None
        return session
