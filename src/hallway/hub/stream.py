"""GET /events: the record as server-sent events, or a page of it as JSON.

Every stream keeps only the seq it has sent, and continues from there with the newest events in memory or with the
store. So a slow reader delays nobody and takes no memory, and a reader that returns with its Last-Event-ID gets every
event once (E1, E2).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hallway.core.errors import HallwayError, InvalidInput, Unavailable
from hallway.core.topics import EVENTS
from hallway.hub.auth.caller import HUB, caller_of, named_session
from hallway.hub.http import disconnected, encode_json, header, parse_parameters, respond_error
from hallway.services.events import PAGE, EventLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from hallway.core.model import Event
    from hallway.hub.auth.caller import Caller
    from hallway.hub.workers.notifier import Notifier
    from hallway.hub.workers.reader import Reader
    from hallway.hub.workers.wait_pings import WaitPings

KEEP_ALIVE_S = 15.0
STUCK_S = 60.0  # a reader that reads nothing for this long is cut off; it resumes with its Last-Event-ID
MAX_STREAMS = 1000
REMEMBERED = 2000  # newest events kept in memory, so that many streams read the store once

log = logging.getLogger("hallway.hub")

READ = EventLog.operations["read"]
LAST = EventLog.operations["last_seq"]


class Feed:
    """The newest events, read once for all streams."""

    def __init__(self, reader: Reader, wakes: Notifier) -> None:
        self._reader = reader
        self._wakes = wakes
        self._recent: deque[Event] = deque(maxlen=REMEMBERED)
        self._reading: asyncio.Future[None] | None = None
        self.streams = 0

    @property
    def is_closed(self) -> bool:
        return self._wakes.is_closed

    @contextmanager
    def place(self) -> Iterator[None]:
        """Reserve a place among the open streams and release it at the end; raises Unavailable."""
        if self.streams >= MAX_STREAMS:
            raise Unavailable(f"the hub has {MAX_STREAMS} open streams, its most", hint="Close some, or try later")
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def last_seq(self) -> int:
        seq: int = await self._reader.run(LAST, {}, HUB)
        return seq

    async def after(self, seq: int) -> list[Event]:
        """Return events after a seq, in order, at most a page; empty when there are none."""
        if not self._recent or self._recent[-1].seq <= seq:
            await self._refresh()
        if self._recent and self._recent[0].seq <= seq + 1:
            newer = self._recent[-1].seq - seq
            return [event for event in list(self._recent)[-newer:] if event.seq > seq][:PAGE] if newer > 0 else []
        return await self._page(seq)

    async def _page(self, seq: int) -> list[Event]:
        arguments = {"after": seq, "project": None, "kinds": None, "limit": PAGE}
        page: list[Event] = await self._reader.run(READ, arguments, HUB)
        return page

    async def _refresh(self) -> None:
        """Read the new events; callers during a read wait for that read."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_on())
            self._reading.add_done_callback(self._read_done)
        await asyncio.shield(self._reading)

    def _read_done(self, _: object) -> None:
        self._reading = None

    async def _read_on(self) -> None:
        if not self._recent:
            last = await self.last_seq()
            self._recent.extend(await self._page(max(last - PAGE, 0)))
            return
        while page := await self._page(self._recent[-1].seq):
            self._recent.extend(page)
            if len(page) < PAGE:
                return

    def expect(self) -> asyncio.Future[None]:
        """Return a future for the next events; take it before `after`, so that nothing is missed in between."""
        return self._wakes.expect(EVENTS)

    def forget(self, future: asyncio.Future[None]) -> None:
        """Remove a future of `expect`."""
        self._wakes.forget(EVENTS, future)


class EventsEndpoint:
    """The endpoint: server-sent events for a request that accepts them, else the operation's JSON."""

    def __init__(self, feed: Feed, wait_pings: WaitPings, as_json: ASGIApp) -> None:
        self._feed = feed
        self._wait_pings = wait_pings
        self._as_json = as_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if b"text/event-stream" not in header(scope, b"accept"):
            await self._as_json(scope, receive, send)
            return
        try:
            arguments, caller = self._arguments(scope), caller_of(scope)
            # Both places are taken before the first await: else many simultaneous requests would all pass the limit.
            with self._feed.place(), caller.allowance, self._wait_pings.during(named_session(scope), caller):
                after = await self._feed.last_seq() if arguments["after"] is None else arguments["after"]
                await self._stream(receive, send, after, EventFilter(caller, arguments["project"], arguments["kinds"]))
        except HallwayError as error:
            await respond_error(send, error)

    def _arguments(self, scope: Scope) -> dict[str, Any]:
        named = parse_parameters(scope, READ)
        if "limit" in named:
            raise InvalidInput("a stream has no limit", hint="Leave limit out, or ask for application/json")
        if resumed := header(scope, b"last-event-id"):
            named["after"] = READ.parameters["after"].kind.parse("Last-Event-ID", resumed.decode("latin-1"))
        checked = READ.arguments((), named)
        return checked if "after" in named else {**checked, "after": None}

    async def _stream(self, receive: Receive, send: Send, after: int, wanted: EventFilter) -> None:
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await _send_head(send)
            while not (self._feed.is_closed or gone.done() or wanted.is_over):
                news = self._feed.expect()
                try:
                    after = await self._send_news(send, after, wanted, news, gone)
                finally:
                    self._feed.forget(news)
            await send({"type": "http.response.body", "body": b""})
        except HallwayError as error:  # the bus cannot be read now; the reader resumes where it was
            log.warning("an event stream ends: %s", error)
            await send({"type": "http.response.body", "body": b""})
        except (TimeoutError, OSError):
            pass  # the reader stopped reading or disconnected; it resumes where it was
        finally:
            gone.cancel()

    async def _send_news(
        self, send: Send, after: int, wanted: EventFilter, news: asyncio.Future[None], gone: asyncio.Future[None]
    ) -> int:
        """Send the events after a seq, or wait for new ones; return the last seq sent."""
        events = await self._feed.after(after)
        frames = b"".join(_frame(event) for event in events if wanted.has(event))
        if frames:
            await asyncio.wait_for(_send_part(send, frames), STUCK_S)
        if events:
            return events[-1].seq
        ends = (news, gone, *wanted.caller.end)
        await asyncio.wait(ends, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
        if not any(end.done() for end in ends):
            await asyncio.wait_for(_send_part(send, b": still here\n\n"), STUCK_S)
        return after


class EventFilter:
    """The filter of a stream: the events that its reader requested and may see, while its token is valid."""

    def __init__(self, caller: Caller, project: str | None = None, kinds: list[str] | None = None) -> None:
        self.caller = caller
        self._principal = caller.principal
        self._project = project
        self._kinds = kinds

    @property
    def is_over(self) -> bool:
        return any(end.done() for end in self.caller.end)

    def has(self, event: Event) -> bool:
        if self._project is not None and event.project != self._project:
            return False
        if self._principal is not None and not self._principal.sees(event.project):
            return False
        return not self._kinds or any(event.kind == kind or event.kind.startswith(f"{kind}.") for kind in self._kinds)


def _frame(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode(), encode_json(event))


async def _send_head(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _send_part(send, b": hallway\n\n")


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})
