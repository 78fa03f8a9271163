"""The ASGI application: workers, wake-ups and routes, made when the loop starts, unmade when it ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.routing import Route, Router

import roost
from roost.bus import LocalBus, connect
from roost.errors import RoostError, Unavailable
from roost.hub.guard import LOOPBACK_NAMES, Guard
from roost.hub.http import encode_json, respond, respond_error
from roost.hub.metrics import CONTENT_TYPE, HubCollector, Meter, render
from roost.hub.openapi import document
from roost.hub.routes import NOWHERE, OperationEndpoint, PathEndpoint, no_route
from roost.hub.stream import LAST, EventsEndpoint, Feed
from roost.hub.wakes import Wakes
from roost.hub.worker import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from roost.operation import Operation

HEALTH_WITHIN_S = 2.0
HOTTEST = "/sessions/{session_id}/heartbeat"  # matched first


class Hub:
    """One bus, served: `app` is what a server runs."""

    def __init__(self, url: str | None, hosts: frozenset[str] = LOOPBACK_NAMES) -> None:
        self._url = url
        self._meter = Meter()
        self._router = Router(lifespan=self._lifespan, redirect_slashes=False, default=no_route)
        self.app: ASGIApp = Guard(self._router, hosts)

    def open(self) -> LocalBus:
        """A bus of its own for each thread that uses one; raises the store's errors."""
        bus = connect(self._url)
        if not isinstance(bus, LocalBus):
            raise Unavailable(
                "a hub serves a bus of its own, not another hub's", hint="Unset ROOST_URL, or pass --store"
            )
        return bus

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        self._writer = Writer(self.open(), loop)
        self._reader = Reader(self.open(), loop)
        self._wakes = Wakes(self.open())
        self._feed = Feed(self._reader, self._wakes)
        self._router.routes[:] = self._routes()
        try:
            yield
        finally:
            self.close_streams()
            await self._writer.close()
            await asyncio.to_thread(self._reader.close)

    def close_streams(self) -> None:
        """End event streams and waits, so that their connections can close."""
        self._wakes.close()

    # -- routes -------------------------------------------------------------------------------------------------------

    def operations(self) -> list[Operation]:
        return [found for service in self._writer.bus.services.values() for found in service.operations.values()]

    def _routes(self) -> list[Route]:
        paths: dict[str, PathEndpoint] = {HOTTEST: PathEndpoint()}
        for operation in self.operations():
            worker = self._writer if operation.is_write else self._reader
            endpoint: ASGIApp = OperationEndpoint(operation, worker, self._wakes, self._meter)
            if operation.name == "events.read":
                endpoint = EventsEndpoint(self._feed, endpoint)
            paths.setdefault(operation.path, PathEndpoint()).methods[operation.method] = endpoint
        for path, plain in (("/health", self._health), ("/metrics", self._metrics), ("/openapi.json", self._openapi)):
            paths.setdefault(path, PathEndpoint()).methods["GET"] = plain
        # A fixed path before one with a parameter in its place: /sessions/active before /sessions/{session_id}.
        ordered = sorted(paths.items(), key=lambda item: (item[0] != HOTTEST, "{" in item[0]))
        return [Route(path, endpoint) for path, endpoint in ordered]

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(self._reader.run(LAST, {}, NOWHERE), HEALTH_WITHIN_S)
        except (RoostError, TimeoutError) as error:
            await respond_error(send, Unavailable(f"the bus does not answer: {error}"))
            return
        answer: dict[str, Any] = {"status": "ok", "version": roost.__version__, "streams": self._feed.streams}
        await respond(send, encode_json(answer))

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = render(HubCollector(self._meter, self._writer, self._reader, self._wakes, self._feed))
        await respond(send, text, headers=((b"content-type", CONTENT_TYPE),))

    async def _openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, encode_json(document(self.operations())))
