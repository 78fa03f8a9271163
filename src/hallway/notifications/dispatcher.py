"""The dispatcher: follows what needs a person, and has each item sent once through each channel that the rules name.

One thread reads the list and decides by the rules what is due. Each channel has a thread of its own, with its own bus,
that takes one due item after the other, so that a slow sink holds up neither the bus nor another sink. What is due is a
view of the list: it is replaced, never added to, and so cannot grow while a sink is slow.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any

from hallway.core.backoff import Backoff
from hallway.core.clock import new_id
from hallway.core.errors import AttentionNotFound, HallwayError, NotificationFailed
from hallway.local.atomic_file import identity
from hallway.notifications.notification import Notification
from hallway.notifications.rules import Rules, read_rules
from hallway.notifications.sink_types import sink_for
from hallway.notifications.sinks import MAX_ATTEMPTS, MAX_BACKOFF_S, Sink
from hallway.services.notifications import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.base import Bus
    from hallway.core.model import AnswerToken, Attention, AttentionItem, NotificationTurn
    from hallway.local.atomic_file import Identity
    from hallway.notifications.notification import Answer
    from hallway.notifications.rules import SinkOptions

    Report = Callable[[Sink, Notification, HallwayError | None], None]

PAGE = 1000
MAX_DUE = 5000  # items that a channel is given at a time, the most important ones
WAIT_S = 20.0  # at the most, for a change of the list; then the rules are looked at again
AGAIN_S = 2.0  # while there is more to do than a channel was given
MIN_WAIT_S = 0.05
FIRST_RETRY_S = 1.0
STOP_WITHIN_S = 2.0  # for a notification that is being sent when the dispatcher stops
MAX_PAUSE_S = 15.0

log = logging.getLogger("hallway.notifications")


class Due:
    """An item that is due in a channel; `unless_seen`: not if the person has looked at the list since it appeared."""

    __slots__ = ("item", "unless_seen")

    def __init__(self, item: AttentionItem, unless_seen: bool) -> None:
        self.item = item
        self.unless_seen = unless_seen


class Channel(Thread):
    """The thread of one channel: it takes what is due, sends it, and records how that ended."""

    def __init__(self, sink: Sink, open_bus: Callable[[], Bus], report: Report, hub_url: str | None = None) -> None:
        super().__init__(name=f"notifications-{sink.name}", daemon=True)
        self.sink = sink
        self._hub_url = hub_url
        self.channel = sink.channel
        self._open_bus = open_bus
        self._report = report
        self._holder = new_id()
        self._changed = Condition()
        self._due: dict[str, Due] = {}  # by the item's id, the most important first
        self._settled: set[str] = set()  # of the items on the list, those that need nothing more
        self._not_before: dict[str, float] = {}  # the item's next attempt, by this machine's own clock
        self._backoffs: dict[str, Backoff] = {}
        self._is_stopping = False

    def offer(self, due: list[Due], listed: set[str]) -> bool:
        """Replace what is due, and forget items that are no longer listed; return whether there was too much."""
        with self._changed:
            self._settled &= listed
            for kept in (self._not_before, self._backoffs):
                for gone in kept.keys() - listed:
                    del kept[gone]
            waiting = [each for each in due if each.item.item_id not in self._settled]
            self._due = {each.item.item_id: each for each in waiting[:MAX_DUE]}
            self._changed.notify()
        return len(waiting) > MAX_DUE

    def stop(self) -> None:
        """Begin no other attempt."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def run(self) -> None:
        backoff, bus = Backoff(most_s=MAX_PAUSE_S), None
        try:
            while (due := self._next()) is not None:
                try:
                    bus = bus or self._open_bus()
                    self._work(bus, due)
                    backoff.reset()
                except HallwayError as error:
                    log.warning("%s: the bus does not answer: %s", self.channel, error)
                    self._wait_until(due.item.item_id, backoff.next_s())
        finally:
            if bus:
                bus.close()

    def _next(self) -> Due | None:
        """Wait for an item that may be tried now; return None once the channel is to stop."""
        with self._changed:
            while not self._is_stopping:
                now, wait_s = time.monotonic(), None
                for item_id, due in self._due.items():
                    left_s = self._not_before.get(item_id, now) - now
                    if left_s <= 0:
                        return due
                    wait_s = left_s if wait_s is None else min(wait_s, left_s)
                self._changed.wait(wait_s)
        return None

    def _work(self, bus: Bus, due: Due) -> None:
        item_id = due.item.item_id
        bus.attention.read(limit=1)  # so that the bus has announced what is resolved by now
        turn = bus.notifications.take(
            self.channel, item_id, self._holder, is_repeatable=self.sink.is_repeatable, unless_seen=due.unless_seen
        )
        if turn.may_send:
            self._send(bus, due.item, turn)
        elif turn.is_settled:
            self._settle(item_id)
        else:
            self._wait_until(item_id, turn.retry_in_s or 0)

    def _send(self, bus: Bus, item: AttentionItem, turn: NotificationTurn) -> None:
        taken_at, error, answer = time.monotonic(), None, None
        notification = Notification(item, turn.key, self._token(bus, item), self._hub_url)
        try:
            answer = self.sink.send(notification)
        except NotificationFailed as failure:
            error = failure
        except Exception as failure:  # a fault with one item must not end the thread that sends all others
            log.exception("%s: %s cannot be sent", self.channel, item.item_id)
            error = NotificationFailed(f"{type(failure).__name__}: {failure}", is_final=True)
        is_last = error is not None and (error.is_final or turn.attempt >= MAX_ATTEMPTS)
        backoff = self._backoffs.setdefault(item.item_id, Backoff(FIRST_RETRY_S, MAX_BACKOFF_S))
        retry_in_s = None if error is None or is_last else backoff.next_s()
        self._record(bus, item.item_id, error, retry_in_s, taken_at + LEASE_S)
        if retry_in_s is None:
            self._settle(item.item_id)
        else:
            self._wait_until(item.item_id, retry_in_s)
        self._report(self.sink, notification, error)
        if answer is not None:
            self._answer(bus, answer)

    def _answer(self, bus: Bus, answer: Answer) -> None:
        """Answer an item as the receiver of its notification said; a refused answer changes nothing."""
        try:
            bus.notifications.answer(answer.token, answer.text)
        except HallwayError as error:
            log.warning("%s: the answer that came back was refused: %s", self.channel, error)

    def _token(self, bus: Bus, item: AttentionItem) -> AnswerToken | None:
        """Return a token to answer the item from afar, if the person has switched that on for the sink."""
        if not self.sink.options.answers or "answer" not in item.actions:
            return None
        return bus.notifications.make_token(item.item_id)

    def _record(
        self, bus: Bus, item_id: str, error: NotificationFailed | None, retry_in_s: float | None, until: float
    ) -> None:
        """Record how an attempt ended; try until the lease is over if the bus does not answer."""
        text, backoff = None if error is None else error.message[:500], Backoff(most_s=5.0)
        while True:
            try:
                bus.notifications.settle(self.channel, item_id, self._holder, error=text, retry_in_s=retry_in_s)
                return
            except HallwayError as failure:
                if not failure.is_passing or time.monotonic() > until:
                    raise
                time.sleep(backoff.next_s())

    def _settle(self, item_id: str) -> None:
        with self._changed:
            self._settled.add(item_id)
            self._due.pop(item_id, None)

    def _wait_until(self, item_id: str, wait_s: float) -> None:
        with self._changed:
            self._not_before[item_id] = time.monotonic() + wait_s


class Dispatcher:
    """Sends a person's notifications until it is stopped."""

    def __init__(
        self,
        open_bus: Callable[[], Bus],
        report: Report,
        *,
        rules: Rules | None = None,
        path: str = "",
        clock: Callable[[], datetime] | None = None,
        project: str | None = None,
    ) -> None:
        self._open_bus = open_bus
        self._report = report
        self._path = path
        self._rules = rules
        self._clock = clock or datetime.now
        self._project = project
        self._read_from: Identity | None = None
        self._channels: dict[str, Channel] = {}
        self._lacking: dict[str, str] = {}  # the sinks that this machine cannot use, with what it lacks
        self._first_seen: dict[str, float] = {}  # when this dispatcher saw an item first, by this machine's own clock
        self._stopped = Event()
        self._bus: Bus | None = None

    def run(self) -> None:
        """Follow the list until `stop`; raises the error of a bus that refuses this person or cannot be used."""
        backoff, version = Backoff(most_s=MAX_PAUSE_S), None
        wait_s = 0.0
        try:
            while not self._stopped.is_set():
                try:
                    self._bus = self._bus or self._open_bus()
                    items, version = self._listed(self._bus, version, wait_s)
                    self._load()
                    wait_s = self._dispatch(items)
                    backoff.reset()
                except HallwayError as error:
                    if self._stopped.is_set():
                        break
                    if not error.is_passing:
                        raise
                    log.warning("the bus does not answer: %s", error)
                    self._stopped.wait(backoff.next_s())
        finally:
            self._close()

    def stop(self) -> None:
        """End `run`, from whichever thread."""
        self._stopped.set()
        for channel in list(self._channels.values()):
            channel.stop()
        if self._bus:
            self._bus.end_waits()

    def _close(self) -> None:
        for channel in self._channels.values():
            channel.stop()
        until = time.monotonic() + STOP_WITHIN_S
        for channel in self._channels.values():
            channel.join(max(until - time.monotonic(), 0))
        if self._bus:
            self._bus.close()

    def _listed(self, bus: Bus, version: str | None, wait_s: float) -> tuple[list[AttentionItem], str]:
        """Return the whole list, once it is another one or the time is over, and its version."""
        person = self._rules.person if self._rules else None
        filters: dict[str, Any] = {"person": person, "project": self._project, "limit": PAGE}
        page: Attention = bus.attention.read(**filters, version=version, wait_s=wait_s if version else 0)
        items, version = list(page.items), page.version
        while len(page.items) == PAGE:
            try:
                page = bus.attention.read(**filters, after_id=items[-1].item_id)
            except AttentionNotFound:  # the list has changed: the next read returns at once
                break
            items += page.items
        return items, version

    def _load(self) -> None:
        """Read the rules file again if it has changed; keep the rules before if it cannot be used."""
        now = identity(self._path) if self._path else None
        if self._path and (self._rules is None or now != self._read_from):
            self._read_from = now
            try:
                self._rules = read_rules(self._path)
            except HallwayError as error:
                log.warning("%s", error)
                self._rules = self._rules or Rules([], {})
            else:
                self._close_channels()
        self._open_channels(self._rules.sinks if self._rules else {})

    def _close_channels(self) -> None:
        for channel in self._channels.values():
            channel.stop()
        self._channels, self._lacking = {}, {}

    def _open_channels(self, sinks: dict[str, SinkOptions]) -> None:
        """Open the channels of the sinks that this machine can use; another machine's program may use the others."""
        for options in sinks.values():
            if options.name in self._channels:
                continue
            sink = sink_for(options)
            if lack := sink.missing():
                if self._lacking.get(options.name) != lack[0]:
                    self._lacking[options.name] = lack[0]
                    log.warning("%s is not used here: %s. %s", options.name, *lack)
                continue
            hub_url = self._rules.hub_url if self._rules else None
            self._channels[options.name] = channel = Channel(sink, self._open_bus, self._report, hub_url)
            channel.start()

    def _dispatch(self, items: list[AttentionItem]) -> float:
        """Give each channel what is due; return for how long nothing more becomes due by itself."""
        now, at = time.monotonic(), self._clock()
        if self._rules and self._rules.zone:
            at = at.astimezone(self._rules.zone)
        listed = {each.item_id for each in items}
        self._first_seen = {each: self._first_seen.get(each, now) for each in listed}
        due: dict[str, dict[str, Due]] = {name: {} for name in self._channels}
        wait_s = WAIT_S
        for item in items:
            if item.state != "open":
                continue
            for rule in self._rules.rules if self._rules else ():
                if not rule.fits(item):
                    continue
                left_s = max(
                    self._first_seen[item.item_id] + rule.delay_s - now, rule.quiet_s(at, is_urgent=item.is_urgent)
                )
                if left_s > 0:
                    wait_s = min(wait_s, left_s)
                    continue
                for name in self._channels.keys() & rule.sinks:
                    before = due[name].get(item.item_id)
                    unless_seen = rule.unless_seen and (before is None or before.unless_seen)
                    due[name][item.item_id] = Due(item, unless_seen)
        for name, channel in self._channels.items():
            if channel.offer(list(due[name].values()), listed):
                wait_s = min(wait_s, AGAIN_S)
        return max(wait_s, MIN_WAIT_S)
