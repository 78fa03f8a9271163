"""The session that a stdio server is part of: which it is, that it lives, that it has ended (S7, A5).

The server is a child of the session's client, so it knows what no tool has to say: the session's id from the
environment, from a call's metadata or from what a hook bound to the client's process. Where nothing names one, it
registers a session of its own. While the client lives it beats; when its input closes the session ends, unless
another server of it is there.
"""

from __future__ import annotations

import os
import time

from hallway.core.errors import HallwayError, SessionNotFound
from hallway.core.topics import topic
from hallway.local import identity, presence
from hallway.local.notify import DatagramSubscription, remove_dead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus
    from hallway.mcp.protocol import Json, Peer
    from hallway.store import Subscription

BEAT_S = 40.0  # a third of the time to live that sessions have unless they say otherwise
ANNOUNCE_S = 0.3  # after the start: the client's first questions go first, and a health check is over by then
STRANGER_S = 3.0  # how long to wait for a call to say whose session this is, before it gets its own
LISTEN_AGAIN_S = 1.0  # between attempts to hear of a session's messages again
CLOSED = "client closed"
EXPIRED = "expired"
OWN = "own-"  # how the ids of sessions begin that nobody named


class SessionBinding:
    """The sessions of one client process, and what is known of them here. `session_id` is the one spoken for now."""

    def __init__(self, bus: Bus, peer: Peer) -> None:
        self.bus = bus
        self._peer = peer
        self._client = presence.client_process()
        self._binding = presence.Binding(bus.folder, self._client)
        self._last = presence.Binding(bus.folder, self._client, presence.HOSTS)
        self._ears: dict[str, Subscription] = {}
        self._unannounced: set[str] = set()  # taken in, and not yet said to be alive
        self._told: str | None = None  # by the last call's metadata
        self._began = time.monotonic()
        self._listen_at = 0.0
        self._bindings = DatagramSubscription(os.path.join(bus.folder, "wake"), topic("processes", str(self._client)))

    # -- which session ------------------------------------------------------------------------------------------------

    def session_of(self, meta: Json, *, is_needed: bool = True) -> str | None:
        """Return the session of a call and remember it; None if nothing names it yet and the call needs none."""
        self._told = identity.from_metadata(meta) or self._told
        is_early = self._is_hooked or (time.monotonic() < self._began + STRANGER_S and not self._ears)
        session_id = self.named() or (self._own() if is_needed or not is_early else None)
        if session_id is not None and session_id not in self._ears:
            self._take_in(session_id)
        return session_id

    def named(self) -> str | None:
        """Return the session's id if anything names it; the newest source counts, since a client may go on under
        another id.

        A call's metadata is the client's own word for that call, a binding a hook's for this process; the environment
        is as old as this server. What an earlier server of the process knew is better than nothing.
        """
        named = self._told or self._binding.session_id
        named = named or identity.from_environment(agent_type=identity.agent_type_of(self._peer.client))
        last = self._last.session_id
        return named or (last if last and not last.startswith(OWN) else None)

    def _own(self) -> str:
        """Return an id of its own, the same for each server that this client process starts."""
        from zlib import crc32

        start = presence.start_time(self._client)
        return f"{OWN}{_word(self._agent_type)}-{crc32(f'{self._client}.{start}'.encode()):08x}"

    @property
    def _agent_type(self) -> str:
        return identity.agent_type_of(self._peer.client) or self._peer.client or "mcp"

    @property
    def _is_hooked(self) -> bool:
        """Return whether the client is one that tells of its sessions by hooks, and may idle long before it has one."""
        return identity.agent_type_of(self._peer.client) is not None

    def _take_in(self, session_id: str) -> None:
        """Hold the session's wake-ups, and say in which process it lives; one of its own ends where it is known now."""
        for own in [each for each in self._ears if each.startswith(OWN)]:
            self._rename(own, session_id)
        self._ears[session_id] = self.bus.subscribe_inbox(session_id)
        self._unannounced.add(session_id)
        try:
            presence.bind(self.bus.folder, session_id, os.getpid(), presence.SERVERS)
            if self._client > 1:
                presence.bind(self.bus.folder, session_id, self._client, presence.HOSTS)
        except OSError:
            pass  # a bus that can only be read: the session ends by its time to live

    def _rename(self, own: str, session_id: str) -> None:
        """Give what a session of its own has to the one that it turns out to be (S14)."""
        self._ears.pop(own).close()
        self._unannounced.discard(own)
        try:
            self.bus.sessions.get(own)
            try:
                self.bus.sessions.get(session_id)
            except SessionNotFound:
                self.register(session_id)
            self.bus.sessions.succeed(session_id, own)
        except HallwayError:
            pass  # it never was on the bus, or that is out of reach: the time to live ends it

    # -- that it lives ------------------------------------------------------------------------------------------------

    def beat(self) -> float:
        """Say that the client's sessions are alive, once it is known which they are; returns when to do so again."""
        session_id = self.named()
        if session_id is None and not self._ears:
            if self._is_hooked:
                return time.monotonic() + BEAT_S  # its hook says when a session begins, or a call that needs one
            if time.monotonic() < self._began + STRANGER_S:
                return self._began + STRANGER_S
            session_id = self._own()
        if session_id is not None and session_id not in self._ears:
            self._take_in(session_id)
        for each in self.sessions:
            try:
                self._say_alive(each)
            except HallwayError:
                pass  # the next beat may reach the bus; a call tells the agent what is wrong
        self.listen_anew()
        return time.monotonic() + BEAT_S

    def introduce(self, session_id: str) -> None:
        """Say that a session is alive which is new here, before it acts; raises the bus's errors."""
        if session_id in self._unannounced:
            self._say_alive(session_id)

    def _say_alive(self, session_id: str) -> None:
        """Keep a session alive, and begin with one that is new here; one that was ended on purpose stays so."""
        try:
            if session_id not in self._unannounced:
                session = self.bus.sessions.get(session_id)
                if not session.is_live and session.end_reason != EXPIRED:
                    return
            self.bus.sessions.ping(session_id)
        except SessionNotFound:
            self.register(session_id)
        if session_id in self._unannounced:
            self._unannounced.discard(session_id)
            self._ears.pop(session_id).close()  # a hub refuses to tell of a session that it does not know
            self._ears[session_id] = self.bus.subscribe_inbox(session_id)

    def register(self, session_id: str) -> None:
        """Make the session known, named after its client and directory; raises the bus's errors."""
        directory = os.path.basename(os.getcwd()) or "/"
        self.bus.sessions.register(session_id, f"{self._peer.client or 'agent'} in {directory}", self._agent_type)

    # -- that it has ended --------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """End the sessions of a client that has gone, except those that another server serves."""
        self._bindings.close()
        presence.release(self.bus.folder, os.getpid(), presence.SERVERS)
        remove_dead(os.path.join(self.bus.folder, "wake"))
        for session_id in self.sessions:
            self._end(session_id, CLOSED)

    def _end(self, session_id: str, reason: str) -> None:
        self._ears.pop(session_id).close()
        try:
            if not self._is_elsewhere(session_id):
                self.bus.sessions.end(session_id, reason)
                if self._is_elsewhere(session_id):  # it came in between
                    self.bus.sessions.ping(session_id)
        except HallwayError:
            pass  # unknown by now, or the bus is out of reach: the time to live ends it

    def _is_elsewhere(self, session_id: str) -> bool:
        """Return whether another server, or another terminal, has the session open."""
        return session_id in presence.live_sessions(self.bus.folder, presence.SERVERS, but=os.getpid()) or (
            presence.is_elsewhere(self.bus.folder, session_id, self._client)
        )

    @property
    def sessions(self) -> list[str]:
        """Return the sessions that it speaks for."""
        return list(self._ears)

    @property
    def has_unannounced(self) -> bool:
        """Return whether it speaks for a session that it has not said to be alive yet."""
        return bool(self._unannounced)

    # -- what wakes it ------------------------------------------------------------------------------------------------

    @property
    def sockets(self) -> dict[int, str]:
        """Return the sessions by the descriptors at which their news arrive."""
        return {ear.fileno(): each for each, ear in self._ears.items() if ear.fileno() >= 0}

    @property
    def bindings(self) -> int:
        """Return the descriptor at which a hook says that it has bound a session to the client's process; -1: none."""
        return self._bindings.fileno()

    def hear_bindings(self) -> None:
        """Take what hooks have said; a beat looks which session it is."""
        self._bindings.drain()

    def listen_anew(self) -> None:
        """Open what was lost, now and then: a hub or a database was away, or refuses."""
        lost = [ear for ear in self._ears.values() if ear.fileno() < 0]
        if lost and time.monotonic() >= self._listen_at:
            self._listen_at = time.monotonic() + LISTEN_AGAIN_S
            for ear in lost:
                ear.has_overflowed()  # a database's subscription then connects again

    def hear(self, session_id: str) -> None:
        """Take the news that there are of a session: one look at the bus serves them all."""
        self._ears[session_id].hear()


def _word(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())[:40].strip("-") or "mcp"
