"""The base class `Bus`: it has the services as attributes, and every operation goes through its `execute`."""

from __future__ import annotations

import math
import time

from hallway.core.errors import ProjectNeeded
from hallway.core.model import PERSON, Pruned
from hallway.services import SERVICES, service_class, service_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeVar

    from hallway.bus.keep_alive import KeepAlive, Wait
    from hallway.bus.subscriptions import InboxListener, Listener, Source
    from hallway.core.context import EventIterator, Workspace
    from hallway.core.model import Event, Message, Stats
    from hallway.core.operation import Operation
    from hallway.core.principal import Principal
    from hallway.services.attention import AttentionList
    from hallway.services.base import Service
    from hallway.services.claims import ClaimRegistry
    from hallway.services.conflicts import ConflictRegistry
    from hallway.services.events import EventLog
    from hallway.services.files import FileLog
    from hallway.services.imports import ImportReceiver
    from hallway.services.logins import LoginRegistry
    from hallway.services.memory import SharedMemory
    from hallway.services.messages import CollaborationHub
    from hallway.services.notifications import NotificationLog
    from hallway.services.projects import ProjectRegistry
    from hallway.services.requests import RequestBook
    from hallway.services.retention import Retention
    from hallway.services.sessions import SessionRegistry
    from hallway.services.stats import Statistics
    from hallway.services.tasks import TaskBoard
    from hallway.services.tokens import TokenRegistry
    from hallway.services.wakes import WakeUps
    from hallway.store import Subscription

    F = TypeVar("F", bound=Wait)


LOAD_ALL_AFTER_S = 5.0  # when a bus imports the services that nothing has used: commands and hooks have ended by then
STATISTICS = "statistics"  # the service of the noun `stats`: `Bus.stats` is a method


class Bus:
    """A bus and its services, in this process or behind a hub."""

    sessions: SessionRegistry
    messages: CollaborationHub
    wakes: WakeUps
    requests: RequestBook
    tasks: TaskBoard
    events: EventLog
    memory: SharedMemory
    files: FileLog
    claims: ClaimRegistry
    conflicts: ConflictRegistry
    tokens: TokenRegistry
    logins: LoginRegistry
    projects: ProjectRegistry
    retention: Retention
    imports: ImportReceiver
    statistics: Statistics
    attention: AttentionList
    notifications: NotificationLog

    store: Any = None  # the store of a local bus; None for a remote one
    folder = ""  # this machine's folder for files about the bus's sessions, such as gate files and sockets
    due_sessions: set[str] = frozenset()  # type: ignore[assignment]
    due_edits: set[str] = frozenset()  # type: ignore[assignment]
    marks_every_grant = False  # whether all claims on this bus are granted on this machine, which marks its gate files
    is_swept = True
    look_again_s = 1.0  # how often a wait for one inbox reads the bus anyway, in case a wake-up is lost
    timeout_s = rest_s = 0.0  # how long to wait for a hub's answer, and how long not to ask a hub that did not answer
    principal: Principal | None = None  # the caller; None: the owner of this bus

    def end_gone(self) -> None:
        """End the sessions whose process no longer runs here; behind a hub their own servers do it."""

    @property
    def changed_topics(self) -> set[str]:
        """Return the topics that the open transaction has changed."""
        news: set[str] = self.store.changed_topics
        return news

    def __init__(self, here: Workspace) -> None:
        self.here = here
        self.is_closed = False
        self._load_all_at = time.monotonic() + LOAD_ALL_AFTER_S
        self._waits: set[Subscription] = set()  # of calls that wait in other threads
        self._followers: Any = ()  # a set of weak references, once there is a follower or listener
        self._registered: set[str] = set()  # the sessions that this object has registered
        self._keep_alive: KeepAlive | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Service:
            """Open a service when it is first used."""
            noun = "stats" if name == STATISTICS else name
            if noun not in SERVICES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return vars(self).setdefault(name, service_class(noun)(self))

    def _load_all_in_time(self) -> None:
        """Import the services that nothing has used yet, once this bus is a few seconds old.

        Otherwise a process that runs on after an upgrade could import one of them in the new version.
        """
        if time.monotonic() >= self._load_all_at:
            self._load_all_at = math.inf if self.load_services() else time.monotonic() + LOAD_ALL_AFTER_S

    def load_services(self) -> bool:
        """Import the services that nothing has used yet; return False if an upgrade that is under way hides some."""
        try:
            service_classes()
        except ImportError:
            return False
        return True

    def __dir__(self) -> list[str]:
        """Return the names that completion offers, with those of services that nothing has used yet."""
        return [*super().__dir__(), *SERVICES, STATISTICS]

    def service_of(self, noun: str) -> Service:
        """Return the service of a noun; raises AttributeError for an unknown one."""
        service: Service = getattr(self, STATISTICS if noun == "stats" else noun)
        return service

    @property
    def services(self) -> dict[str, Service]:
        """Return all services by noun."""
        return {noun: self.service_of(noun) for noun in SERVICES}

    @property
    def visible(self) -> str | None:
        """Return the projects that the caller may see, in the form for SQL: a JSON list, or None for all projects."""
        return None if self.principal is None else self.principal.visible

    @property
    def person(self) -> str | None:
        """Return the caller's address, `user:NAME`; None for the bus's owner."""
        return None if self.principal is None else self.principal.person

    def sees(self, project: str) -> bool:
        """Return whether the caller may see a project."""
        return self.principal is None or self.principal.sees(project)

    @property
    def own_sessions(self) -> set[str]:
        """Return the sessions that the program behind this object is: those it registered, and its environment's."""
        here = self.here.session_id
        return self._registered if here is None else self._registered | {here}

    def waits_as(self, session_id: str) -> bool:
        """Return whether a wait for a session's messages is the session's own (S12), unless its caller is another."""
        own = self.own_sessions
        return not own or session_id in own

    def act_as(self, session_id: str) -> None:
        """Take note that the program behind this object registered a session."""
        self._registered.add(session_id)
        if self._keep_alive:
            self._keep_alive.refresh()

    @property
    def keep_alive(self) -> KeepAlive:
        """Return what keeps the own sessions live while this bus waits for news."""
        from hallway.bus.keep_alive import KeepAlive

        if self._keep_alive is None:
            self._keep_alive = KeepAlive(self)
        return self._keep_alive

    def project_for(self, named: str | None, session_id: str | None = None) -> str:
        """Return the project that a call is about: the named one, else the acting session's, else the caller's own.

        The acting session is `session_id`, else the one that the caller says it is. The caller's own project is its
        folder's, or the only one of its token. Raises ProjectNeeded if nothing of this is known.
        """
        if named:
            return named
        is_session = session_id is not None and not session_id.startswith(PERSON)
        if party := session_id if is_session else self.here.session_id:
            row = self.store.one("sessions.owner", session_id=party)
            if row and self.sees(row[1]):
                return str(row[1])
        if project := self.here.project:
            return project
        projects = [each for (each,) in self.store.rows("sessions.projects", visible=self.visible)]
        examples = f" (some of this bus: {', '.join(projects)})" if projects else ""
        raise ProjectNeeded(f"nothing says which project this is about{examples}", projects=projects)

    def stats(self, project: str | None = None) -> Stats:
        """Return the statistics of the bus, or of one project."""
        return self.statistics.read(project)

    def prune(self, older_than_s: int | None = None, keep_bytes: int | None = None) -> Pruned:
        """Run `Retention.prune` until everything old is removed; return the total counts."""
        from hallway.services.retention import KEEP_S

        older_than_s, removed = KEEP_S if older_than_s is None else older_than_s, Pruned.of(({}, False))
        while not removed.is_complete:
            step = self.retention.prune(older_than_s, keep_bytes)
            sums = {noun: removed.removed.get(noun, 0) + count for noun, count in step.removed.items()}
            removed = Pruned.of(({**removed.removed, **sums}, step.is_complete))
        return removed

    def present_sessions(self) -> set[str]:
        """Return the sessions whose process is known to run; through a hub, none is."""
        return set()

    def take_pauses(self) -> list[tuple[int, int]]:
        """Return the pauses during which sessions could not be heard; a hub leaves out its own."""
        return []

    def on_session_ended(self, session_id: str, project: str) -> None:
        """Let every service release what an ended or expired session held."""
        for service in self.services.values():
            service.on_session_ended(session_id, project)

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Run an operation with arguments that are already checked."""
        raise NotImplementedError

    def follow(
        self, after: int | None, *, project: str | None, kinds: list[str] | None, timeout_s: float | None
    ) -> EventIterator:
        """Yield events as they happen: see `EventLog.follow`."""
        from hallway.bus.subscriptions import Follower

        # "From now" means from this call, not from the first `next` on the iterator.
        after = self.events.last_seq() if after is None else after
        source = self.source_of_events(after, {"project": project, "kinds": kinds})
        return self._add_follower(Follower(source, "following the events", timeout_s))

    def source_of_events(self, after: int, filters: dict[str, Any]) -> Source:
        """Return the events after a seq in the form that a follower takes."""
        raise NotImplementedError

    def on_event(self, kind: str, handler: Callable[[Event], object]) -> Listener:
        """Call a function with each event of a kind, until the returned listener or the bus is closed."""
        from hallway.bus.subscriptions import Listener

        return self._add_follower(Listener(self, kind, handler))

    def on_message(
        self, session_id: str, types: list[str] | None, handler: Callable[[Message], object]
    ) -> InboxListener:
        """Call a function with each message in an inbox, until the returned listener or the bus is closed."""
        from hallway.bus.subscriptions import InboxListener

        return self._add_follower(InboxListener(self, session_id, types, handler), session_id)

    def _add_follower(self, follower: F, session_id: str | None = None) -> F:
        """Have a follower closed with the bus, unless it is gone by then, and the own sessions live until it closes."""
        from weakref import WeakSet

        self._followers = self._followers or WeakSet()
        self._followers.add(follower)
        self.keep_alive.add(follower, session_id)
        return follower

    def subscribe_inbox(self, session_id: str) -> Subscription:
        """Subscribe to a session's new messages, from now until the subscription is closed."""
        raise NotImplementedError

    def subscribe_events(self) -> Subscription:
        """Subscribe to all events, from now until the subscription is closed."""
        raise NotImplementedError

    def end_waits(self) -> None:
        """End the calls that wait in other threads, each with Unavailable; only `close` may follow."""
        self.is_closed = True
        for wait in list(self._waits):
            wait.interrupt()

    def close(self) -> None:
        """Close the listeners and followers, then the store or the connections.

        A follower or a call that waits in another thread ends at once: a call with Unavailable.
        """
        self.is_closed = True
        if self._keep_alive:
            self._keep_alive.refresh()
        for wait in list(self._waits):
            wait.interrupt()
        for follower in list(self._followers):
            follower.close()
        if self._keep_alive:
            self._keep_alive.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
