"""HTTP endpoints for the operations of the catalogue: one route per operation."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from hallway.bus.http_hints import http_hints
from hallway.core.errors import HallwayError, InvalidInput, VersionConflict
from hallway.hub.auth.caller import caller_of
from hallway.hub.conditions import conditions, status_of_conflict, version_tag
from hallway.hub.http import (
    JSON_TYPE,
    disconnected,
    encode_json,
    parse_object,
    parse_parameters,
    read_body,
    respond,
    respond_error,
)
from hallway.hub.workers.reader import SHORT_LIMIT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller
    from hallway.hub.metrics import RequestMetrics
    from hallway.hub.workers.notifier import Notifier
    from hallway.hub.workers.wait_pings import WaitPings
    from hallway.hub.workers.watchdog import StallWatchdog
    from hallway.hub.workers.writer import Worker


class OperationEndpoint:
    """The endpoint of one operation: it reads the parameters, runs the operation and sends the result."""

    def __init__(
        self,
        operation: Operation,
        worker: Worker,
        wakes: Notifier,
        meter: RequestMetrics,
        watchdog: StallWatchdog | None = None,
        wait_pings: WaitPings | None = None,
    ) -> None:
        self._operation = operation
        self._hints = http_hints(operation)
        self._worker = worker
        self._wakes = wakes
        self._meter = meter
        self._watchdog = watchdog if operation.is_write else None
        self._wait_pings = wait_pings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 200
        try:
            if self._watchdog:
                self._watchdog.check()
            arguments = self._operation.arguments((), await self._parameters(scope, receive))
            result = await self.perform(arguments, scope, receive)
            is_long = isinstance(result, list) and len(result) > SHORT_LIMIT
            body = await asyncio.to_thread(encode_json, result) if is_long else encode_json(result)
            await respond(send, body, headers=(JSON_TYPE, *version_tag(result)))
        except RecursionError:
            status = InvalidInput.status
            await respond_error(send, InvalidInput("the request holds a value that is nested too deep"))
        except VersionConflict as error:
            status = status_of_conflict(scope)
            await respond_error(send, error, status=status)
        except HallwayError as error:
            status = error.status
            await respond_error(send, error.hint_for_face(self._hints))
        finally:
            self._meter.observe(self._operation.name, status, time.perf_counter() - began)

    async def _parameters(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        """Return the parameters from path, query and body."""
        operation = self._operation
        named: dict[str, Any] = scope["path_params"]
        if scope["query_string"]:
            named = _joined(named, parse_parameters(scope, operation))
        if operation.is_write:
            named = _joined(named, conditions(scope, operation))
        body = await read_body(scope, receive) if operation.is_write else b""
        if operation.body:
            return {**named, operation.body: parse_object(body)}
        return _joined(named, parse_object(body)) if body else named

    async def perform(self, arguments: dict[str, Any], scope: Scope, receive: Receive) -> Any:
        """Run the operation for a request whose body has been read; a waiting one ends if the caller disconnects."""
        caller = caller_of(scope)
        if not (self._operation.can_wait and arguments["wait_s"]):
            return await self._worker.run(self._operation, arguments, caller)
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            with caller.allowance, self._pings_during(arguments, caller):
                return await self._awaited(arguments, caller, gone)
        finally:
            gone.cancel()

    def _pings_during(self, arguments: dict[str, Any], caller: Caller) -> AbstractContextManager[None]:
        waits_for = self._operation.waits_for
        if self._wait_pings is None or waits_for is None:
            return nullcontext()
        return self._wait_pings.during(arguments[waits_for], caller)

    async def _awaited(self, arguments: dict[str, Any], caller: Caller, gone: asyncio.Future[None]) -> Any:
        """Repeat a read until it has a result, the time is up or the caller disconnects; no thread waits meanwhile."""
        deadline = time.monotonic() + arguments["wait_s"]
        arguments = {**arguments, "wait_s": 0}  # the waiting is done here, not on the reader's thread
        while True:
            topic = self._operation.topic(arguments)
            news = self._wakes.expect(topic)
            try:
                result = await self._worker.run(self._operation, arguments, caller)
                left_s = deadline - time.monotonic()
                is_news = self._operation.is_news(result, arguments)
                if not (is_news or left_s <= 0 or self._wakes.is_closed):
                    if topic == self._operation.topic(arguments):  # else it was a name's, and is the session's now
                        news_or_end = (news, gone, *caller.end)
                        await asyncio.wait(news_or_end, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                        caller.require_valid()
                    if not (gone.done() or self._wakes.is_closed):
                        continue
                return result
            finally:
                self._wakes.forget(topic, news)


class SearchEndpoint:
    """`GET /messages`: with words to look for (`?q=`) it is a search, as `GET /messages/search`; else another read."""

    def __init__(self, search: ASGIApp, otherwise: ASGIApp) -> None:
        self._search = search
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {part.partition(b"=")[0] for part in scope["query_string"].split(b"&")}
        await (self._search if b"q" in names else self._otherwise)(scope, receive, send)


def _joined(named: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for name in named.keys() & more.keys():
        if named[name] != more[name]:
            raise InvalidInput(f"{name} is said twice, and not the same")
    return {**more, **named}
