"""`LocalBus`: a bus whose store is open in this process, with its transactions, sweeps and waits."""

from __future__ import annotations

import os
import time

from hallway.bus.base import Bus
from hallway.core.authorization import authorise
from hallway.core.errors import HallwayError, StorageError, Unavailable
from hallway.core.model import PERSON, is_session
from hallway.core.topics import EVENTS, topic
from hallway.local.hook_gate import mark_due, mark_edits_due
from hallway.local.paths import bus_folder
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.bus.sources import LocalEvents
    from hallway.core.context import Workspace
    from hallway.core.operation import Operation
    from hallway.local.pauses import HubLooks
    from hallway.store import Subscription
    from hallway.store.postgres.store import PostgresStore
    from hallway.store.sqlite import SQLiteStore

END_GONE_EVERY_S = 1.0  # how often a process checks whether the processes of sessions still run
LOOK_EVERY_S = 0.25  # how often a follower reads the bus anyway; also how late it may notice an expiry


class LocalBus(Bus):
    """A bus whose store is open in this process."""

    def __init__(self, store: SQLiteStore | PostgresStore, here: Workspace) -> None:
        super().__init__(here)
        self.store = store
        self.folder = store.folder or bus_folder(store.path)
        self.due_sessions: set[str] = (
            set()
        )  # the sessions for which the open transaction has news; their hooks are notified after the commit
        self.due_edits: set[str] = set()  # the projects in which edits need a check once the open transaction commits
        self.marks_every_grant = bool(store.folder)  # a database elsewhere may have claims that other machines grant
        self.is_swept = True
        self.hub_looks: HubLooks | None = None
        self._end_gone_at = 0.0

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Run a write in a new transaction, or in a savepoint of the open one; run a read in a snapshot.

        An error that a write returns instead of raising it is raised after the commit: what was written stays.
        """
        if operation.is_write:
            arguments = operation.prepare(service, arguments)
            if not self.store.is_in_transaction:
                self._look_for_gone()
            with self.transaction(is_durable=operation.is_durable):
                result = self.run(operation, service, arguments)
            if isinstance(result, HallwayError):
                raise result
            return result
        if self.store.is_in_transaction:
            return self._look(operation, service, arguments)
        result = self._look_swept(operation, service, arguments)
        if operation.can_wait and arguments["wait_s"]:
            # Only a wait counts: the page, a status file and people also read inboxes of other sessions.
            session_id = _acting_session(operation, arguments)
            self._note_wait(session_id)
            if not operation.is_news(result, arguments):
                with self.keep_alive.during_call(session_id):
                    return self._wait(operation, service, arguments)
        return result

    def run(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Call an operation's own method inside the open transaction, after its caller is authorised.

        References to sessions are replaced by ids in the given arguments (S10).
        """
        if not self.store.is_local:
            self._read_ahead(operation, arguments)
        self.sessions.references.resolve_arguments(operation, arguments)
        if self.principal is not None:
            authorise(self, self.principal, operation, arguments)
        if not operation.is_write:
            return operation.function(service, **arguments)
        if operation.noun != "sessions" and (session_id := _acting_session(operation, arguments)):
            self.sessions.note_act(session_id, registers=operation.registers, project=arguments.get("project"))
        prepared = operation.prepare(service, arguments)
        service.prepared = prepared.work
        return operation.function(service, **prepared)

    def _read_ahead(self, operation: Operation, arguments: dict[str, Any]) -> None:
        """Read what every write needs to know of the sessions in its arguments in one round trip."""
        reads = [
            ("sessions.owner", {"session_id": session_id})
            for name in operation.references
            if (session_id := arguments[name]) is not None and is_session(session_id)
        ]
        if reads and operation.noun != "sessions" and (actor := _acting_session(operation, arguments)):
            reads.append(("sessions.seen", {"session_id": actor}))
        if len(reads) > 1:
            self.store.read_ahead(*reads)

    def _look_swept(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Run a read in a snapshot in which nothing is overdue, and which the operation's `refresh` would not change.

        Usually one snapshot answers these questions and the read; else a sweep and the refresh come first.
        """
        self._look_for_gone()
        with self.store.read():
            if self.needs_no_sweep() and (not operation.refresh or service.is_fresh()):
                return self.run(operation, service, arguments)
        self.sweep()
        if operation.refresh:
            getattr(service, operation.refresh)()
        return self._look(operation, service, arguments)

    def _look(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        with self.store.read():
            self.needs_no_sweep()
            return self.run(operation, service, arguments)

    def needs_no_sweep(self) -> bool:
        """Return whether nothing is overdue in the open snapshot, and record it in `is_swept` for the reads in it."""
        self.is_swept = not self._is_due()
        return self.is_swept

    def _wait(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        """Read again and again until there is a result or the time is over. No lock is held between the reads."""
        deadline = time.monotonic() + arguments["wait_s"]
        waiter = self.store.subscribe(operation.topic(arguments))
        self._waits.add(waiter)
        try:
            # The first read finds everything from before the subscription; later news wakes the subscription.
            # Every read sweeps: what is due may be what is waited for, as when a claim ends or a session is gone.
            while not operation.is_news(result := self._look_swept(operation, service, arguments), arguments):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                waiter.wait(min(left_s, self.look_again_s))
                if self.is_closed:
                    raise Unavailable("the bus was closed while this call waited", hint="Open the bus again")
            return result
        finally:
            self._waits.discard(waiter)
            waiter.close()

    def _note_wait(self, session_id: str | None) -> None:
        """Record the begin of a session's own wait as one of its acts."""
        try:
            if session_id and self.waits_as(session_id) and self.sessions.needs_note(session_id):
                with self.transaction(is_durable=False):
                    self.sessions.note_act(session_id)
        except (StorageError, Unavailable):
            pass  # a full disk or a stuck writer must not stop a reader

    def subscribe_inbox(self, session_id: str) -> Subscription:
        subscription: Subscription = self.store.subscribe(topic(self.messages.noun, session_id))
        return subscription

    def subscribe_events(self) -> Subscription:
        subscription: Subscription = self.store.subscribe(EVENTS)
        return subscription

    def transaction(self, *, is_durable: bool = True) -> WriteTransaction:
        """Begin a write transaction, with a sweep at its start and wake-ups after its end.

        Operations inside it run in savepoints.
        """
        return WriteTransaction(self, is_durable)

    def sweep(self) -> None:
        """End the sessions whose process no longer runs (A5), and expire what is overdue (S3).

        The bus does this as its owner, not as the principal whose request caused the sweep.
        """
        self._look_for_gone()
        principal, self.principal = self.principal, None
        try:
            if self.hub_looks:
                self.hub_looks.note(self.store.now)
            if self._is_due():
                with self.transaction():
                    pass
        except (StorageError, Unavailable):
            pass  # a full disk or a stuck writer must not stop a reader: readers derive who is live (S2)
        finally:
            self.principal = principal

    def _look_for_gone(self) -> None:
        """End the sessions whose process no longer runs, unless this was done within the last second (A5).

        Reads and writes call this, so a session that only sends heartbeats also learns which others are gone.
        """
        if time.monotonic() < self._end_gone_at:
            return
        self._end_gone_at = time.monotonic() + END_GONE_EVERY_S
        self._load_all_in_time()
        principal, self.principal = self.principal, None
        try:
            self.end_gone()
        except (StorageError, Unavailable):
            pass  # the operation itself will raise the error
        finally:
            self.principal = principal

    def end_gone(self) -> None:
        """End the sessions whose process no longer runs and that live in no other process."""
        if any(os.path.isdir(os.path.join(self.folder, kind)) for kind in ("processes", "hosts")):
            from hallway.local.presence import end_gone

            end_gone(self.folder, self._end_session)

    def present_sessions(self) -> set[str]:
        """Return the sessions whose client's process is known to run on this machine, silent or not."""
        from hallway.local.presence import CLIENTS, live_sessions

        return live_sessions(self.folder, CLIENTS)

    def take_pauses(self) -> list[tuple[int, int]]:
        """Return the pauses since the last call during which sessions could not be heard: when each was over at the
        earliest, and how long it was, in microseconds (S13).
        """
        from hallway.core.clock import SystemClock
        from hallway.local.pauses import take_host_sleep

        now = self.store.now
        slept = take_host_sleep(self.folder, now, (self.store.clock or SystemClock()).awake())
        return [*slept, *(self.hub_looks.take_pauses(now) if self.hub_looks else ())]

    def _end_session(self, session_id: str) -> None:
        from hallway.core.errors import InvalidInput, SessionNotFound
        from hallway.local.presence import GONE

        try:
            self.sessions.end(session_id, GONE)
        except (SessionNotFound, InvalidInput):
            pass  # the session was pruned, or it never was on this bus

    def _is_due(self) -> bool:
        return self.store.one("sessions.due", now=self.store.now) is not None

    def source_of_events(self, after: int, filters: dict[str, Any]) -> LocalEvents:
        from hallway.bus.sources import LocalEvents

        return LocalEvents(self, after, filters, LOOK_EVERY_S)

    def close(self) -> None:
        super().close()
        self.store.close()


class WriteTransaction:
    """The context manager that `LocalBus.transaction` returns."""

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
        bus.due_sessions = set()
        bus.due_edits = set()
        try:
            bus.is_swept = not bus._is_due() or bus.sessions.sweep()
        except BaseException as error:  # the `with` block has not begun, so nothing else would release the lock
            self._write.__exit__(type(error), error, None)
            raise

    def commit(self) -> None:
        """Commit before the block ends; another thread, which can wait for the disk, may call this."""
        self._write.commit()

    def commit_at_once(self) -> None:
        """Commit a transaction that is not durable, without the checkpoint that may be due."""
        self._write.commit(may_checkpoint=False)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        bus = self._bus
        due, due_edits = bus.due_sessions, bus.due_edits  # read before the commit: another thread may replace them
        self._write.__exit__(kind, error, trace)
        if not self._is_outermost or kind is not None:
            return
        if due:
            mark_due(bus.folder, due)
        for project in due_edits:
            mark_edits_due(bus.folder, project)


def _acting_session(operation: Operation, arguments: dict[str, Any]) -> str | None:
    """Return the session that an operation acts or waits for; None if it is a person or nobody."""
    actor = arguments[operation.actor] if operation.actor else None
    return actor if isinstance(actor, str) and not actor.startswith(PERSON) else None
