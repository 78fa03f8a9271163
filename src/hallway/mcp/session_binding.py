"""The session that a stdio server belongs to: finding its id, keeping it alive, and ending it (S7, A5).

The server is a child process of the session's client, which may have started it through others (`uvx`, `timeout`,
`sudo`), so no tool needs a parameter for the session's id: it comes from the environment, from a call's metadata, or
from a hook that bound the session to the client's process. If nothing names a session, the server registers a new one.
While the client lives, the server sends heartbeats. When its input closes it ends the session, unless another server of
the same session is running.
"""

from __future__ import annotations

import os
import time

from hallway.core.errors import HallwayError, SessionNotFound
from hallway.core.topics import topic
from hallway.local import identity, presence
from hallway.local.notify import DatagramSubscription, remove_dead
from hallway.local.workspace import working_directory
from hallway.services.sessions import CONTINUED_AS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus
    from hallway.mcp.protocol import Json, Peer
    from hallway.store import Subscription

HEARTBEAT_S = 40.0  # a third of the default time to live of a session
ANNOUNCE_S = 0.3  # before the first heartbeat: the client's first requests go first, and a health check ends earlier
UNNAMED_S = 3.0  # how long to wait for a call that names the session, before registering a new one
RESUBSCRIBE_S = 1.0  # between two attempts to subscribe to a session's inbox again
CLOSED = "client closed"
OWN = "own-"  # prefix of the ids of sessions that the server registered without a name from the client


class SessionBinding:
    """The sessions of one client process, with their inbox subscriptions and process bindings."""

    def __init__(self, bus: Bus, peer: Peer) -> None:
        self.bus = bus
        self._peer = peer
        self._ancestors = [presence.Binding(bus.folder, pid) for pid in presence.ancestors()]
        self._last = presence.Binding(bus.folder, self._ancestors[0].pid, presence.HOSTS)
        self._subscriptions: dict[str, Subscription] = {}
        self._unannounced: set[str] = set()  # bound to this server, without a heartbeat yet
        self._successors: dict[str, str] = {}  # of the environment's session, since this server started
        self._call_session: str | None = None  # by the last call's metadata
        self._began = time.monotonic()
        self._resubscribe_at = 0.0
        self._bindings = [
            DatagramSubscription(os.path.join(bus.folder, "wake"), topic("processes", str(each.pid)))
            for each in self._ancestors
        ]

    # -- which session ------------------------------------------------------------------------------------------------

    def session_of(self, meta: Json, *, is_needed: bool = True) -> str | None:
        """Return the session of a call and remember it; None if nothing names it yet and the call needs none."""
        self._call_session = identity.from_metadata(meta) or self._call_session
        is_early = self._is_hooked or (time.monotonic() < self._began + UNNAMED_S and not self._subscriptions)
        session_id = self._followed_session() or (self._own() if is_needed or not is_early else None)
        if session_id is not None and session_id not in self._subscriptions:
            self._add_session(session_id)
        return session_id

    def current_session(self) -> str | None:
        """Return the session's id, or None if nothing names it. The newest source counts: a client may change its id.

        In order: the metadata of the last call, the session that a hook bound to the client's process, the environment
        from the start of this server or the one that it goes on as, and the session of an earlier server of the same
        client process.
        """
        return self._call_session or self._hosted_session() or self._remembered_session()

    def _followed_session(self) -> str | None:
        """Return the session's id, after finding out whether it goes on under another id (S14).

        Where the client's process cannot be seen, as from a container, no hook's binding says so. A session that had
        ended before this server served it is not followed: its client has resumed it.
        """
        if session_id := self._call_session or self._hosted_session():
            return session_id
        session_id = self._remembered_session()
        if session_id not in self._subscriptions or session_id in self._unannounced:
            return session_id
        try:
            end_reason = self.bus.sessions.get(session_id).end_reason or ""
        except HallwayError:
            return session_id  # the call itself returns the error
        if not end_reason.startswith(CONTINUED_AS):
            return session_id
        successor = end_reason.removeprefix(CONTINUED_AS)
        self._successors.pop(successor, None)  # it went on as this one before
        self._successors[session_id] = successor
        return self._remembered_session()

    def _hosted_session(self) -> str | None:
        """Return the session that a hook bound to the client's process."""
        bound = self._bound()
        return bound.session_id if bound else None

    def _remembered_session(self) -> str | None:
        """Return the environment's session or its successor; else that of an earlier server of the client's process."""
        session_id = self._environment
        while session_id in self._successors:
            session_id = self._successors[session_id]
        if session_id is None and (last := self._last.session_id) and not last.startswith(OWN):
            return last
        return session_id

    @property
    def _environment(self) -> str | None:
        return identity.from_environment(agent_type=identity.agent_type_of(self._peer.client))

    def _bound(self) -> presence.Binding | None:
        """Return the binding of the client's process: the parent's, else that of the nearest ancestor that hosted the
        environment's session, or, where the environment names none, a session of this client.

        A client that an agent started has ancestors with the agent's session, which is not its own.
        """
        parent, *others = self._ancestors
        if parent.session_id:
            return parent
        if not others:
            return None
        client, environment = identity.agent_type_of(self._peer.client), self._environment
        return next((each for each in others if each.is_of(environment, client)), None)

    @property
    def client(self) -> int:
        """Return the process id of the client; until a hook has bound it, of the nearest ancestor."""
        return (self._bound() or self._ancestors[0]).pid

    def _own(self) -> str:
        """Return a generated session id; every server that this client process starts generates the same id.

        In a container that does not show the client's process, each server generates its own.
        """
        from zlib import crc32

        process = presence.process_name(self._ancestors[0].pid) or presence.process_name(os.getpid())
        return f"{OWN}{_word(self._agent_type)}-{crc32(process.encode()):08x}"

    @property
    def _agent_type(self) -> str:
        return identity.agent_type_of(self._peer.client) or self._peer.client or "mcp"

    @property
    def _is_hooked(self) -> bool:
        """Return whether the client reports its sessions through hooks; such a client may be idle before it has one."""
        return identity.agent_type_of(self._peer.client) is not None

    def _add_session(self, session_id: str) -> None:
        """Subscribe to the session's inbox and bind it to this process; a session with a generated id ends."""
        for own in [each for each in self._subscriptions if each.startswith(OWN)]:
            self._rename(own, session_id)
        self._subscriptions[session_id] = self.bus.subscribe_inbox(session_id)
        self._unannounced.add(session_id)
        try:
            presence.bind(self.bus.folder, session_id, os.getpid(), presence.SERVERS)
            if self.client > 1:
                presence.bind(self.bus.folder, session_id, self.client, presence.HOSTS)
        except OSError:
            pass  # the bus's folder is read-only: the session then ends by its time to live

    def _rename(self, own: str, session_id: str) -> None:
        """Give what a session of its own has to the one that it turns out to be (S14)."""
        self._subscriptions.pop(own).close()
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

    def send_heartbeats(self) -> float:
        """Send a heartbeat for each of the client's sessions, once any is known; return the time of the next call."""
        session_id = self._followed_session()
        if session_id is None and not self._subscriptions:
            if self._is_hooked:
                return time.monotonic() + HEARTBEAT_S  # a hook, or a call that needs a session, will name it
            if time.monotonic() < self._began + UNNAMED_S:
                return self._began + UNNAMED_S
            session_id = self._own()
        if session_id is not None and session_id not in self._subscriptions:
            self._add_session(session_id)
        for each in self.sessions:
            try:
                self._send_heartbeat(each)
            except HallwayError:
                pass  # the next heartbeat may reach the bus; the agent's next call returns the error
        self.resubscribe()
        return time.monotonic() + HEARTBEAT_S

    def introduce(self, session_id: str) -> None:
        """Send the first heartbeat of a session before its first operation; raises the bus's errors."""
        if session_id in self._unannounced:
            self._send_heartbeat(session_id)

    def leave_registration(self, session_id: str) -> None:
        """Send no first heartbeat for a session: by then its caller may have ended it, and it would live again."""
        self._unannounced.discard(session_id)

    def _send_heartbeat(self, session_id: str) -> None:
        """Send a heartbeat for a session, registering it if unknown; a session ended on purpose stays ended."""
        try:
            self.bus.sessions.ping(session_id, unless_ended=session_id not in self._unannounced)
        except SessionNotFound:
            self.register(session_id)
        if session_id in self._unannounced:
            self._unannounced.discard(session_id)
            self._subscriptions.pop(session_id).close()  # a hub had refused the subscription of an unknown session
            self._subscriptions[session_id] = self.bus.subscribe_inbox(session_id)

    def register(self, session_id: str) -> None:
        """Register the session, named after its client and directory; raises the bus's errors."""
        directory = os.path.basename(working_directory()) or "/"
        self.bus.sessions.register(session_id, f"{self._peer.client or 'agent'} in {directory}", self._agent_type)

    # -- the end ------------------------------------------------------------------------------------------------------

    def end_all(self) -> None:
        """End the client's sessions, except those that another server still serves."""
        for each in self._bindings:
            each.close()
        presence.release(self.bus.folder, os.getpid(), presence.SERVERS)
        remove_dead(os.path.join(self.bus.folder, "wake"))
        for session_id in self.sessions:
            self._end(session_id, CLOSED)

    def _end(self, session_id: str, reason: str) -> None:
        self._subscriptions.pop(session_id).close()
        try:
            if not self._is_elsewhere(session_id):
                self.bus.sessions.end(session_id, reason)
                if self._is_elsewhere(session_id):  # another server opened the session meanwhile: revive it
                    self.bus.sessions.ping(session_id)
        except HallwayError:
            pass  # the session is unknown, or the bus cannot be reached: the session's time to live ends it

    def _is_elsewhere(self, session_id: str) -> bool:
        """Return whether another server, or another terminal, has the session open."""
        return session_id in presence.live_sessions(self.bus.folder, presence.SERVERS, but=os.getpid()) or (
            presence.is_elsewhere(self.bus.folder, session_id, self.client)
        )

    @property
    def sessions(self) -> list[str]:
        """Return the ids of the sessions that this server belongs to."""
        return list(self._subscriptions)

    @property
    def has_unannounced(self) -> bool:
        """Return whether one of the sessions has not had its first heartbeat from this server yet."""
        return bool(self._unannounced)

    # -- wake-ups -----------------------------------------------------------------------------------------------------

    @property
    def sockets(self) -> dict[int, str]:
        """Return the descriptors at which wake-ups for the sessions arrive: {descriptor: session id}."""
        return {
            subscription.fileno(): each
            for each, subscription in self._subscriptions.items()
            if subscription.fileno() >= 0
        }

    @property
    def bindings(self) -> set[int]:
        """Return the descriptors that become readable when a hook binds a session to an ancestor of this process."""
        return {each.fileno() for each in self._bindings} - {-1}

    def drain_bindings(self) -> None:
        """Discard the hooks' wake-ups; the next heartbeat reads which session they have bound."""
        for each in self._bindings:
            each.drain()

    def resubscribe(self) -> None:
        """Open lost subscriptions again, at most once per `RESUBSCRIBE_S`: a hub or database may have been away."""
        lost = [subscription for subscription in self._subscriptions.values() if subscription.fileno() < 0]
        if lost and time.monotonic() >= self._resubscribe_at:
            self._resubscribe_at = time.monotonic() + RESUBSCRIBE_S
            for subscription in lost:
                subscription.has_overflowed()  # a database's subscription then connects again

    def drain(self, session_id: str) -> None:
        """Discard a session's waiting wake-ups: reading its inbox once covers them all."""
        self._subscriptions[session_id].receive()


def _word(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())[:40].strip("-") or "mcp"
