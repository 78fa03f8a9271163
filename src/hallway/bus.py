"""connect(url): a bus, its store, its services and its wake-ups.

A `Bus` is what faces talk to: services as attributes, `execute` behind every operation. `LocalBus` runs operations
on a store in this process; `RemoteBus` (remote.py) sends them to a hub. Both give the same methods.
"""

from __future__ import annotations

import os
import time

from hallway.errors import StorageError, Unavailable, UnsupportedUrl
from hallway.here import Here
from hallway.model import Pruned
from hallway.place import bus_file as bus_file
from hallway.place import bus_folder
from hallway.place import data_folder as data_folder
from hallway.quiet import rouse
from hallway.services import Service
from hallway.services.events import PAGE, EventLog
from hallway.services.files import FileLog
from hallway.services.logins import LoginRegistry
from hallway.services.memory import SharedMemory
from hallway.services.messages import CollaborationHub
from hallway.services.retention import KEEP_S, Retention
from hallway.services.sessions import SessionRegistry
from hallway.services.stats import Statistics
from hallway.services.tasks import TaskBoard
from hallway.services.tokens import TokenRegistry
from hallway.services.wakes import WakeUps
from hallway.wake import EVENTS, topic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from hallway.authority import Principal
    from hallway.here import Surroundings
    from hallway.model import Event, Stats
    from hallway.operation import Operation
    from hallway.store import Ear
    from hallway.store.postgres import PostgresStore
    from hallway.store.sqlite import SQLiteStore

LOOK_AGAIN_S = 1.0  # the same net under a wait for one inbox
END_GONE_EVERY_S = 1.0  # how often a process looks whether others are still there
LOOK_EVERY_S = 0.25  # the net under lost wake-ups, and how late a follower may notice an expiry


def connect(url: str | os.PathLike[str] | None = None, *, project: str | None = None) -> Bus:
    """Open a bus: a folder or file, `sqlite:///PATH`, `postgresql://…`, or a hub's `http(s)://` address
    (several of hubs that serve one bus: with commas between).

    Unset, `HALLWAY_URL` decides, else it is this user's own file. A hub that wants a token gets `HALLWAY_TOKEN`, else
    what `hallway login` stored for it. `project` is what new sessions belong to that do not say; unset, the repository
    this process runs in. Close it, or use it in a `with` block.
    """
    address = os.fspath(url) if url is not None else os.environ.get("HALLWAY_URL") or None
    here = Here(project)
    if address and address.startswith(("http://", "https://")):
        from hallway.credentials import token_for
        from hallway.remote import RemoteBus

        return RemoteBus(address, here, token_for(address, data_folder))
    if address and address.startswith(("postgresql://", "postgres://")):
        return LocalBus(_postgres(address), here)
    if address and "://" in address and not address.startswith("sqlite:///"):
        raise UnsupportedUrl(f"{address.partition('://')[0]}:// is no kind of bus that this hallway can open")
    from hallway.store.sqlite import SQLiteStore

    return LocalBus(SQLiteStore(bus_file(address)), here)


def _postgres(url: str) -> PostgresStore:
    try:
        from hallway.store.postgres import PostgresStore
    except ModuleNotFoundError:
        raise UnsupportedUrl(
            "this hallway was installed without what PostgreSQL needs",
            hint="Install it: pip install 'hallway[postgres]'",
        ) from None
    return PostgresStore(url)


class Bus:
    """A bus and its services, wherever it is."""

    store: Any = None  # what a local bus keeps its rows in
    folder = ""  # where this machine keeps what it knows of the bus's sessions beside their rows
    roused: set[str] = frozenset()  # type: ignore[assignment]
    is_swept = True
    timeout_s = rest_s = 0.0  # how long a hub may take to answer, and how long one that did not is left alone
    principal: Principal | None = None  # who calls; None: whoever owns this bus

    @property
    def news(self) -> set[str]:
        """The topics that the open transaction has something new for."""
        news: set[str] = self.store.news
        return news

    def __init__(self, here: Surroundings) -> None:
        self.here = here
        self.closers: list[Callable[[], None]] = []
        self.sessions = SessionRegistry(self)
        self.messages = CollaborationHub(self)
        self.wakes = WakeUps(self)
        self.tasks = TaskBoard(self)
        self.events = EventLog(self)
        self.memory = SharedMemory(self)
        self.files = FileLog(self)
        self.tokens = TokenRegistry(self)
        self.logins = LoginRegistry(self)
        self.retention = Retention(self)
        self.statistics = Statistics(self)
        self.services: dict[str, Service] = {
            each.noun: each for each in vars(self).values() if isinstance(each, Service)
        }

    @property
    def visible(self) -> str | None:
        """The projects that the caller sees, as statements take them: a JSON list, None for all."""
        return None if self.principal is None else self.principal.visible

    @property
    def person(self) -> str | None:
        """The caller's own name as an address; None for whoever owns this bus."""
        return None if self.principal is None else self.principal.person

    def sees(self, project: str) -> bool:
        """Whether a project is there for the caller."""
        return self.principal is None or self.principal.sees(project)

    def stats(self, project: str | None = None) -> Stats:
        """The bus in numbers."""
        return self.statistics.read(project)

    def prune(self, older_than_s: int | None = None, keep_bytes: int | None = None) -> Pruned:
        """What `Retention.prune` removes, in as many steps as it takes."""
        older_than_s, removed = KEEP_S if older_than_s is None else older_than_s, Pruned.of(({}, False))
        while not removed.is_complete:
            step = self.retention.prune(older_than_s, keep_bytes)
            sums = {noun: removed.removed.get(noun, 0) + count for noun, count in step.removed.items()}
            removed = Pruned.of(({**removed.removed, **sums}, step.is_complete))
        return removed

    def session_gone(self, session_id: str, project: str) -> None:
        """Have every service let go of what a session held that has ended or expired."""
        for service in self.services.values():
            service.session_gone(session_id, project)

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Run an operation whose arguments are checked."""
        raise NotImplementedError

    def follow(
        self, after: int | None, *, project: str | None, kinds: list[str] | None, timeout_s: float | None
    ) -> Iterator[Event]:
        """What `EventLog.follow` promises."""
        raise NotImplementedError

    def inbox_ear(self, session_id: str) -> Ear:
        """Hears from now on that a session has got a message; to be closed."""
        raise NotImplementedError

    def events_ear(self) -> Ear:
        """Hears from now on of every change; to be closed."""
        raise NotImplementedError

    def close(self) -> None:
        """End handlers and followers and let go of the store or the connection."""
        for close in reversed(self.closers):
            close()
        self.closers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class LocalBus(Bus):
    """A bus whose store this process has open."""

    def __init__(self, store: SQLiteStore | PostgresStore, here: Surroundings) -> None:
        super().__init__(here)
        self.store = store
        self.folder = store.folder or bus_folder(store.path)
        self.roused: set[str] = set()  # the sessions that the open transaction has news for, whose hooks should look
        self.is_swept = True
        self._end_gone_at = 0.0

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Run it in a transaction: a write in one of its own or a savepoint of the open one, a read in a snapshot."""
        if operation.is_write:
            arguments = operation.prepare(service, arguments)
            with self.transaction(is_durable=operation.is_durable):
                return operation.run(service, arguments)
        if self.store.is_in_transaction:
            return self._look(operation, service, arguments)
        self.sweep()
        found = self._look(operation, service, arguments)
        if operation.waits_for and not found and arguments["wait_s"]:
            return self._wait(operation, service, arguments)
        return found

    def _look(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        with self.store.read():
            self.is_swept = not self._is_due()
            return operation.run(service, arguments)

    def _wait(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Look until there is something or the time is up, holding nothing in between."""
        deadline = time.monotonic() + arguments["wait_s"]
        waiter = self.store.ear(operation.topic(arguments))
        try:
            # What came before the waiter was bound is found by this first look, what comes after it wakes it.
            while not (found := self._look(operation, service, arguments)):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                waiter.wait(min(left_s, LOOK_AGAIN_S))
            return found
        finally:
            waiter.close()

    def inbox_ear(self, session_id: str) -> Ear:
        ear: Ear = self.store.ear(topic(self.messages.noun, session_id))
        return ear

    def events_ear(self) -> Ear:
        ear: Ear = self.store.ear(EVENTS)
        return ear

    def transaction(self, *, is_durable: bool = True) -> Transaction:
        """A write transaction that begins with a sweep and ends with a wake-up; operations inside are savepoints."""
        return Transaction(self, is_durable)

    def sweep(self) -> None:
        """Expire what is overdue, if anything is (S3), and end the sessions whose process is gone (A5).

        Whoever looks: the bus does it by itself, not as the principal that happens to ask.
        """
        principal, self.principal = self.principal, None
        try:
            if time.monotonic() >= self._end_gone_at:
                self._end_gone_at = time.monotonic() + END_GONE_EVERY_S
                self._end_gone()
            if self._is_due():
                with self.transaction():
                    pass
        except (StorageError, Unavailable):
            pass  # a full disk or a stuck writer stops no reader: each derives who is live (S2)
        finally:
            self.principal = principal

    def _end_gone(self) -> None:
        if any(os.path.isdir(os.path.join(self.folder, kind)) for kind in ("processes", "hosts")):
            from hallway.presence import end_gone

            end_gone(self)

    def _is_due(self) -> bool:
        return self.store.one("sessions.due", now=self.store.now) is not None

    def follow(
        self, after: int | None, *, project: str | None, kinds: list[str] | None, timeout_s: float | None
    ) -> Iterator[Event]:
        # "From now" is from this call, not from when the first event is asked for.
        after = self.events.last_seq() if after is None else after
        return self._follow(after, {"project": project, "kinds": kinds}, timeout_s)

    def _follow(self, after: int, filters: dict[str, Any], timeout_s: float | None) -> Iterator[Event]:
        waiter = self.events_ear()
        try:
            yield from self._listen(waiter, after, filters, timeout_s)
        finally:
            waiter.close()

    def _listen(self, waiter: Ear, after: int, filters: dict[str, Any], timeout_s: float | None) -> Iterator[Event]:
        heard_at = time.monotonic()
        while True:
            newest = self.events.last_seq()
            found = self.events.read(after, limit=PAGE, **filters) if newest > after else []
            yield from found
            if len(found) == PAGE:
                after = found[-1].seq
                continue
            after = max(after, newest, found[-1].seq if found else 0)
            heard_at = time.monotonic() if found else heard_at
            if timeout_s is not None and time.monotonic() - heard_at >= timeout_s:
                return
            left_s = LOOK_EVERY_S if timeout_s is None else heard_at + timeout_s - time.monotonic()
            waiter.wait(max(min(LOOK_EVERY_S, left_s), 0.001))
            self.sweep()

    def close(self) -> None:
        super().close()
        self.store.close()


class Transaction:
    """`LocalBus.transaction`."""

    __slots__ = ("_bus", "_is_outermost", "_write")

    def __init__(self, bus: LocalBus, is_durable: bool) -> None:
        self._bus = bus
        self._write = bus.store.write(is_durable=is_durable)
        self._is_outermost = not bus.store.is_in_transaction

    def __enter__(self) -> None:
        self._write.__enter__()
        bus = self._bus
        if not self._is_outermost:
            return
        bus.roused = set()
        try:
            bus.is_swept = not bus._is_due() or bus.sessions.sweep()
        except BaseException as error:  # no `with` block has begun that would let go of the lock
            self._write.__exit__(type(error), error, None)
            raise

    def commit(self) -> None:
        """Commit before the block ends, on whatever thread can wait for the disk."""
        self._write.commit()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        bus = self._bus
        roused = bus.roused  # taken before the commit lets other threads in
        self._write.__exit__(kind, error, trace)
        if self._is_outermost and roused and kind is None:
            rouse(bus.folder, roused)
