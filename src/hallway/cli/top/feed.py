"""Reads the bus for `hallway top` and runs acts on it, in two threads, so that no wait for a bus holds up the screen.

One thread waits for events and says which lists they change. The other reads these lists, and hands everything that it
has read to the screen. The pause between two readings grows with how long they take, so a burst of events costs a part
of one core, and a single event is shown at once. The second thread alone decides whether the bus is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from hallway.cli.looks import note_look
from hallway.cli.top.details import Detail, read_detail
from hallway.core.backoff import Backoff
from hallway.core.errors import HallwayError, Refused, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.base import Bus
    from hallway.bus.subscriptions import Source
    from hallway.core.model import Event, Record

AT_ONCE = 1000
MAX_EVENTS = 1000  # that are kept for what is shown of the past
MIN_BETWEEN_LOOKS_S = 5.0  # at least, between two looks of the person that are recorded
LOOK_EVERY_S = 5.0  # what changes without an event: when sessions were last seen, who is stuck
SHORTEST_PAUSE_S = 0.05
REST = 4  # times the length of a reading is the pause after it
MAX_RETRY_S = 2.0
STOP_WITHIN_S = 0.5

# The lists that an event changes, by the noun of its kind; any other event may change every list.
CHANGED_BY = {
    "session": ("sessions", "attention", "tasks"),
    "message": ("attention",),
    "request": ("attention",),
    "conflict": ("attention",),
    "attention": ("attention",),
    "task": ("tasks", "attention"),
    "claim": ("claims",),
    "memory": ("memory",),
}
READS: dict[str, Callable[[Bus, BusFeed], Any]] = {
    "attention": lambda bus, feed: bus.attention.read(limit=AT_ONCE),
    "sessions": lambda bus, feed: bus.sessions.list_sessions(),
    "tasks": lambda bus, feed: bus.tasks.list_tasks(limit=AT_ONCE),
    "claims": lambda bus, feed: bus.claims.list_claims(limit=AT_ONCE),
    "memory": lambda bus, feed: bus.memory.find(feed.query or None, project=feed.project) if feed.project else [],
    "events": lambda bus, feed: feed.newest_events(),
    "detail": lambda bus, feed: feed.read_chosen(),
}
EVERYTHING = tuple(READS)


class Reading:
    """What was read at a time: the lists that were read again, and names of sessions in them."""

    def __init__(self, at_s: float, lists: dict[str, Any], names: dict[str, str]) -> None:
        self.at_s = at_s
        self.lists = lists
        self.names = names


class BusFeed:
    """The two threads. `show` gets a Reading, or the error that keeps the feed from reading; any thread may call it."""

    def __init__(self, bus: Bus, show: Callable[[Reading | HallwayError], None], crash: Callable[[Exception], None]):
        self.query: str = ""
        self.project: str | None = None
        self.chosen: Record | None = None
        self._bus = bus
        self._show = show
        self._crash = crash
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._jobs: deque[Callable[[], None]] = deque()
        self._stale: set[str] = set(EVERYTHING)
        self._news = threading.Condition()
        self._is_asked = False
        self._is_used = True  # whether the person has used the screen since the last recorded look; a start counts
        self._look_noted_at = -MIN_BETWEEN_LOOKS_S
        self._is_closed = False
        self._source: Source | None = None
        self._threads = [
            threading.Thread(target=self._guard, args=(run,), name=f"hallway-top-{name}", daemon=True)
            for name, run in (("reader", self._read_on), ("watcher", self._watch))
        ]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def close(self) -> bool:
        """End the threads; return whether both have ended, so that the bus can be closed."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()
        if self._source is not None:
            self._source.interrupt()
        for each in self._threads:
            each.join(STOP_WITHIN_S)
        return not any(each.is_alive() for each in self._threads)

    def choose(self, record: Record | None) -> None:
        """Read the details of another record from now on."""
        self.chosen = record
        self._ask_for("detail")

    def search(self, query: str, project: str | None) -> None:
        """Search the memory of a project for words from now on; without words, show its newest entries."""
        self.query, self.project = query, project
        self._ask_for("memory")

    def _ask_for(self, name: str) -> None:
        """Have a list read that the person waits for, without the rest after the last reading."""
        self._is_asked = True
        self.read_again(name)

    def note_use(self) -> None:
        """Record that somebody pressed a key or clicked: a person is at the screen."""
        self._is_used = True

    def read_again(self, *lists: str) -> None:
        """Have lists read again as soon as possible."""
        with self._news:
            self._stale.update(lists)
            self._news.notify_all()

    def run(self, job: Callable[[], None]) -> None:
        """Run a function in the reader's thread, where it may use the bus, and read everything again after it."""
        with self._news:
            self._jobs.append(job)
            self._news.notify_all()

    def newest_events(self) -> list[Event]:
        """Return the last events, the newest first."""
        with self._news:
            return [*reversed(self._events)]

    # -- in the reader's thread ---------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        backoff = Backoff(most_s=MAX_RETRY_S)
        pause_s = 0.0
        while self._wait(pause_s):
            began_s = time.monotonic()
            lists = self._take_stale()
            try:
                reading = self._read(lists)
            except HallwayError as error:
                if self._is_closed:
                    return
                self.read_again(*EVERYTHING)
                self._show(error)
                pause_s = backoff.next_s()
            else:
                backoff.reset()
                self._show(reading)
                self._note_look()
                pause_s = max(SHORTEST_PAUSE_S, REST * (time.monotonic() - began_s))

    def _note_look(self) -> None:
        """Record a look at the list that is shown now, if the person has used the screen since the last one."""
        now = time.monotonic()
        if self._is_used and now - self._look_noted_at >= MIN_BETWEEN_LOOKS_S:
            self._is_used, self._look_noted_at = False, now
            note_look(self._bus)

    def _wait(self, pause_s: float) -> bool:
        """Wait for the pause, in which jobs run, and then for something to read; return False once closed."""
        rested_at = time.monotonic() + pause_s
        look_at = time.monotonic() + max(LOOK_EVERY_S, pause_s)
        while not self._is_closed:
            with self._news:
                now = time.monotonic()
                if now >= look_at:
                    self._stale.update(EVERYTHING)
                if not self._jobs and self._stale and (self._is_asked or now >= rested_at):
                    self._is_asked = False
                    return True
                if not self._jobs:
                    self._news.wait((rested_at if self._stale else look_at) - now)
                job = self._jobs.popleft() if self._jobs else None
            if job is not None:
                job()
                self.read_again(*EVERYTHING)
                rested_at = 0.0
        return False

    def _take_stale(self) -> tuple[str, ...]:
        with self._news:
            stale = tuple(each for each in EVERYTHING if each in self._stale)
            self._stale.clear()
        return stale

    def _read(self, lists: tuple[str, ...]) -> Reading:
        read = {name: READS[name](self._bus, self) for name in lists}
        parts = [each.records if name == "detail" and each else each for name, each in read.items()]
        return Reading(time.time(), read, self._bus.sessions.names_in([each for each in parts if each]))

    def read_chosen(self) -> Detail | None:
        """Return the details of the chosen record; what is wrong with that record alone is shown in their place."""
        chosen = self.chosen
        try:
            return None if chosen is None else read_detail(self._bus, chosen, self.newest_events())
        except HallwayError as error:
            if error.is_passing or isinstance(error, StorageError | Refused):
                raise
            return Detail(chosen, [], error) if chosen else None

    # -- in the watcher's thread --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        try:
            self._follow()
        finally:
            if self._source is not None:
                self._source.close()

    def _follow(self) -> None:
        backoff = Backoff(most_s=MAX_RETRY_S)
        while not self._is_closed:
            try:
                if self._source is None:
                    self._begin()
                events = self._source.take() if self._source else []
            except HallwayError:
                self.read_again(*EVERYTHING)  # the reader finds out whether the bus is lost
                self._rest(backoff.next_s())
                continue
            if backoff.failures:
                backoff.reset()
                self.read_again(*EVERYTHING)
            if events:
                self._take_in(events)
            elif self._source:
                self._source.wait(self._source.look_every_s)

    def _begin(self) -> None:
        """Read the last events, and follow those that come after them."""
        last = self._bus.events.last_seq()
        events = self._bus.events.read(max(last - MAX_EVENTS, 0), limit=AT_ONCE)
        self._source = self._bus.source_of_events(events[-1].seq if events else last, {"project": None, "kinds": None})
        if events:
            self._take_in(events)

    def _take_in(self, events: list[Event]) -> None:
        with self._news:
            self._events.extend(events)
        nouns = {each.kind.partition(".")[0] for each in events}
        self.read_again("events", "detail", *(name for noun in nouns for name in CHANGED_BY.get(noun, EVERYTHING)))

    def _rest(self, pause_s: float) -> None:
        if self._source is not None:
            self._source.wait(pause_s)
        else:
            time.sleep(pause_s)

    def _guard(self, run: Callable[[], None]) -> None:
        """Run a thread's function; a fault in it ends the program, which would look alive without it."""
        try:
            run()
        except Exception as error:
            if not self._is_closed:
                self._crash(error)
