"""Ends of turns that no hook reports: the person stopped the turn, or the model's API failed (S11).

While a session is at work, its server looks once a second at what the client itself notes about the turn
(`clients/CLIENT/turn.py`). What the client notes counts once it has stood for `SETTLES_S`, since a hook that says more
may still be on its way. The same notes tell that the person has approved a tool that then runs for long.
"""

from __future__ import annotations

import os
import time

from hallway.agents.client_parts import turn_reader_of
from hallway.agents.hook.detail import detail_line
from hallway.agents.hook.event import ASKED, AT_WORK, END, STOP, is_switched_off
from hallway.core.errors import SessionNotFound
from hallway.local.client_catalog import CATALOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.agents.client_parts import ReadTurn
    from hallway.agents.hook.event import HookEvent
    from hallway.agents.turn_note import TurnNote
    from hallway.bus.base import Bus

LOOK_EVERY_S = 1.0
SETTLES_S = 2.0


class _Turn:
    """A turn that is watched: its client's reader, and since when the client's note says the same."""

    __slots__ = ("is_asked", "is_detailed", "read", "reported_at", "since", "status")

    def __init__(self, read: ReadTurn, reported_at: float, *, is_asked: bool) -> None:
        self.read = read
        self.is_asked = is_asked  # whether the session may be waiting for an answer of its person
        self.is_detailed = False  # what the client's note says of that has been passed on
        self.reported_at = reported_at  # a note from before is about an earlier turn
        self.status = ""
        self.since = time.monotonic()

    def settled(self, status: str) -> bool:
        """Return whether the client's note has said this for long enough."""
        if status != self.status:
            self.status, self.since = status, time.monotonic()
        return time.monotonic() >= self.since + SETTLES_S


class TurnWatch:
    """The turns of the sessions of one client process. `client` returns the process's id."""

    def __init__(self, bus: Bus, client: Callable[[], int]) -> None:
        self._bus = bus
        self._client = client
        self._turns: dict[str, _Turn] = {}
        self._look_at = 0.0

    @property
    def look_at(self) -> float | None:
        """Return when to look next, by the monotonic clock; None while no turn is watched."""
        return self._look_at if self._turns else None

    def handle_event(self, client: str, event: HookEvent) -> None:
        """Begin to watch a session whose hook reports an event, and stop at the end of its turn."""
        if event.kind in (STOP, END) and not event.is_subagent:
            self._turns.pop(event.session_id, None)
        else:
            self._begin(event.session_id, client, time.time(), is_asked=event.kind == ASKED)

    def resume(self, session_id: str) -> None:
        """Watch a session if it is at work, also if no hook has reported that here; raises the bus's errors."""
        session, turn = self._bus.sessions.get(session_id), self._turns.get(session_id)
        if session.status not in AT_WORK:
            self._turns.pop(session_id, None)
        elif turn is None or (session.status == "waiting" and not turn.is_asked):
            # A hook wrote to the bus without this server, and another one that asks the person may be doing so now.
            self._begin(session_id, session.agent_type, session.status_since.timestamp(), is_asked=True)

    def _begin(self, session_id: str, client: str, reported_at: float, *, is_asked: bool) -> None:
        read = turn_reader_of(client) if client in CATALOG else None
        if read is not None:
            self._look_at = self._look_at if self._turns else time.monotonic() + LOOK_EVERY_S
            self._turns[session_id] = _Turn(read, reported_at, is_asked=is_asked)

    def look(self) -> list[str]:
        """Correct the status of sessions; return those whose turn is over. Raises the bus's errors."""
        self._look_at = time.monotonic() + LOOK_EVERY_S
        over = []
        for session_id in list(self._turns):
            try:
                over += [session_id] if self._is_over(session_id) else []
            except SessionNotFound:
                del self._turns[session_id]
        return over

    def _is_over(self, session_id: str) -> bool:
        turn = self._turns[session_id]
        note = turn.read(session_id, self._client(), os.environ)
        if note is None or 0 < note.at < turn.reported_at or not turn.settled(note.status):
            return False
        if note.status == "waiting" and note.detail and not turn.is_detailed:
            turn.is_detailed = True
            self._add_detail(session_id, note)
        if note.status == "working" and turn.is_asked:
            session = self._bus.sessions.get(session_id)
            asked_at = session.status_since.timestamp() if session.status == "waiting" else 0.0
            if 0 < note.at < asked_at:  # what the client noted before it asked is no answer
                turn.reported_at = asked_at
                return False
            turn.is_asked = False
            if asked_at:
                self._bus.sessions.heartbeat(session_id, status="working", limit=1)
        if note.status != "idle":
            return False
        if is_at_work := self._bus.sessions.get(session_id).status in AT_WORK:
            self._bus.sessions.heartbeat(
                session_id, status="idle", reason=note.reason, detail=_detail_of(note), limit=1
            )
        del self._turns[session_id]
        return is_at_work

    def _add_detail(self, session_id: str, note: TurnNote) -> None:
        """Say what a session waits for that a hook has reported as waiting, where the client's note knows more."""
        session, detail = self._bus.sessions.get(session_id), _detail_of(note)
        if detail and (session.status, session.reason) == ("waiting", note.reason) and session.detail != detail:
            self._bus.sessions.heartbeat(session_id, status="waiting", reason=note.reason, detail=detail, limit=1)


def _detail_of(note: TurnNote) -> str | None:
    """Return a note's detail for the bus; None where the person keeps details off it."""
    return None if is_switched_off(os.environ, "HALLWAY_DETAIL") else detail_line(note.reason, note.detail)
