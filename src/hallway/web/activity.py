"""The activity of the last hours, kept in memory: events, status changes, messages and acknowledgement delays.

It is built from the record of events; a page request reads the events that are new. The time before the first event
read is shown as unknown.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from hallway.core.schema import encode
from hallway.services.events import EventLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.core.model import Event, Session
    from hallway.web.operation_runner import OperationRunner

WINDOW_S = 6 * 3600.0
LOOK_BACK = 10_000  # events that are read when the first page is asked for
PAGE = 1000
MAX_EVENTS = 3000  # kept whole, for feeds
MAX_MESSAGES = 5000
MAX_LIVES = 5000  # sessions whose status changes are kept
MAX_CHANGES = 500  # of one session

TEXTS = {
    "status",
    "reason",
    "current_task",
    "task_id",
    "subject",
    "key",
    "end_reason",
    "type",
    "to_session",
    "message_id",
    "owner",
    "offered_to",
}
LISTS = {"message_ids", "session_ids"}

READ = EventLog.operations["read"]
LAST = EventLog.operations["last_seq"]


class Span(NamedTuple):
    """A period in which a session had one status."""

    begin_s: float
    end_s: float
    status: str


class MessageMark(NamedTuple):
    """A message, as a point in time between two parties."""

    at_s: float
    from_session: str
    to_session: str
    type: str
    message_id: str
    subject: str
    project: str


class StatusHistory(NamedTuple):
    """A session's project and status changes, each with its time."""

    project: str
    changes: list[tuple[float, str]]


class AckDelay(NamedTuple):
    """The time between sending and acknowledging a message."""

    at_s: float
    seconds: float
    project: str


class ActivityLog:
    """A bus's activity in the last hours."""

    def __init__(self, ask: OperationRunner) -> None:
        self._ask = ask
        self._reading: asyncio.Task[None] | None = None
        self.seq = -1  # of the last event read
        self.begins_at_s = 0.0  # time of the first event read
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.marks: deque[MessageMark] = deque(maxlen=MAX_MESSAGES)
        self.waits: deque[AckDelay] = deque(maxlen=MAX_MESSAGES)
        self.projects: Counter[str] = Counter()
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._lives: OrderedDict[str, StatusHistory] = OrderedDict()

    async def read_on(self) -> None:
        """Read the new events; callers during a read wait for that read."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())
            self._reading.add_done_callback(self._done)
        await asyncio.shield(self._reading)

    def _done(self, _: object) -> None:
        self._reading = None

    async def _read_on(self) -> None:
        last = await self._ask(LAST)
        if self.seq < 0 or last < self.seq:  # the first read, or the hub's bus was replaced
            self.seq = max(last - LOOK_BACK, 0)
        while self.seq < last:
            page: list[Event] = await self._ask(READ, after=self.seq, limit=PAGE)
            for event in page:
                self._take(event)
            self.seq = page[-1].seq if page else last

    # -- reading ------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        at_s = event.at.timestamp()
        self.begins_at_s = self.begins_at_s or at_s
        event = readable(event)
        self.events.append(event)
        self.projects[event.project] += 1
        noun, _, change = event.kind.partition(".")
        if noun == "session":
            self._take_session(event, change, at_s)
        elif noun == "message":
            self._take_message(event, change, at_s)

    def _take_session(self, event: Event, change: str, at_s: float) -> None:
        if change == "cleared":
            for session_id in event.data.get("session_ids", ()):
                self._lives.pop(session_id, None)
        elif event.session_id:
            status = "offline" if change in ("ended", "expired") else event.data.get("status")
            if status:
                self._now_is(event.session_id, event.project, at_s, status)

    def _now_is(self, session_id: str, project: str, at_s: float, status: str) -> None:
        changes = self._lives.setdefault(session_id, StatusHistory(project, [])).changes
        changes.append((at_s, status))
        if len(changes) > MAX_CHANGES:
            del changes[: len(changes) - MAX_CHANGES]
        self._lives.move_to_end(session_id)
        if len(self._lives) > MAX_LIVES:
            self._lives.popitem(last=False)

    def _take_message(self, event: Event, change: str, at_s: float) -> None:
        data = event.data
        if change == "sent":
            to_session, kind, message_id, subject = (
                data.get(name, "") for name in ("to_session", "type", "message_id", "subject")
            )
            mark = MessageMark(at_s, str(event.session_id), to_session, kind, message_id, subject, event.project)
            self.marks.append(mark)
            self._sent[mark.message_id] = at_s
            if len(self._sent) > MAX_MESSAGES:
                self._sent.popitem(last=False)
        elif change == "acknowledged":
            for message_id in data.get("message_ids", ()):
                if message_id in self._sent:  # a broadcast counts once for each recipient
                    self.waits.append(AckDelay(at_s, at_s - self._sent[message_id], event.project))

    # -- results ------------------------------------------------------------------------------------------------------

    def gone_since(self, since_s: float) -> list[str]:
        """Return the ids of sessions that went offline since a time and are still offline in the events read."""
        return [
            session_id
            for session_id, life in self._lives.items()
            if life.changes[-1][1] == "offline" and life.changes[-1][0] >= since_s
        ]

    def life(self, session: Session, begin_s: float, end_s: float) -> list[Span]:
        """Return a session's status periods between two times; `unknown` before the first event read."""
        life = self._lives.get(session.session_id)
        started_s = session.started_at.timestamp()
        if life:
            changes = life.changes
        else:  # no change among the events read: the status was always the current one
            changes = [(max(started_s, self.begins_at_s), session.status if session.is_live else "unknown")]
            if session.ended_at:
                changes.append((session.ended_at.timestamp(), "offline"))
        if started_s < changes[0][0]:
            changes = [(started_s, "unknown"), *changes]
        return _spans(changes, begin_s, end_s)

    def by_status(self, live: Iterable[Session], project: str | None, instants_s: list[float]) -> dict[str, list[int]]:
        """Count the sessions in each status at each time, including sessions that are offline now."""
        begin_s, end_s = instants_s[0], instants_s[-1]
        sessions = {each.session_id: each for each in live if project in (None, each.project)}
        lives = [self.life(each, begin_s, end_s) for each in sessions.values()]
        lives += [
            _spans(life.changes, begin_s, end_s)
            for session_id, life in self._lives.items()
            if session_id not in sessions and project in (None, life.project)
        ]
        counts: dict[str, list[int]] = {}
        for span in (span for spans in lives for span in spans if span.status != "offline"):
            column = counts.setdefault(span.status, [0] * len(instants_s))
            last = len(instants_s) if span.end_s >= end_s else bisect_left(instants_s, span.end_s)
            for at in range(bisect_left(instants_s, span.begin_s), last):
                column[at] += 1
        return counts

    def newest(
        self, count: int, project: str | None = None, kinds: tuple[str, ...] = (), session_id: str | None = None
    ) -> list[Event]:
        """Return the newest matching events, newest first."""
        events = []
        for event in reversed(self.events):
            if (
                (project is None or event.project == project)
                and (not kinds or event.kind.partition(".")[0] in kinds)
                and (session_id is None or _concerns(event, session_id))
            ):
                events.append(event)
                if len(events) == count:
                    break
        return events


def readable(event: Event) -> Event:
    """Return an event with data of the expected types: an imported event may contain anything."""
    data = dict(event.data)
    for name in TEXTS & data.keys():
        if not isinstance(data[name], str):
            data[name] = "" if data[name] is None else encode(data[name])
    for name in LISTS & data.keys():
        data[name] = [each for each in data[name] if isinstance(each, str)] if isinstance(data[name], list) else []
    return event.replace(data=data)


def _spans(changes: list[tuple[float, str]], begin_s: float, end_s: float) -> list[Span]:
    ends = [at_s for at_s, _ in changes[1:]] + [end_s]
    return [
        Span(max(at_s, begin_s), min(until_s, end_s), status)
        for (at_s, status), until_s in zip(changes, ends, strict=True)
        if until_s > begin_s and at_s < end_s and until_s > at_s
    ]


def _concerns(event: Event, session_id: str) -> bool:
    data: dict[str, Any] = event.data
    return session_id in (event.session_id, data.get("to_session"), data.get("owner"), data.get("offered_to"))
