"""The hub's ASGI application: its workers, wake-ups and routes, from the start to the end of the event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.routing import Router

import hallway
from hallway.bus.connect import connect
from hallway.bus.local import LocalBus
from hallway.bus.remote import FAILOVER_TIMEOUT_S
from hallway.core.errors import BusBusy, HallwayError, Refused, Unavailable, UnsupportedUrl
from hallway.hub.answers import ANSWER, AnswerEndpoint
from hallway.hub.auth.audit import Audit
from hallway.hub.auth.caller import HUB, caller_of
from hallway.hub.auth.limits import Limits
from hallway.hub.auth.middleware import AuthMiddleware
from hallway.hub.auth.origin import LOOPBACK_NAMES, OriginCheck
from hallway.hub.auth.token_cache import TokenCache
from hallway.hub.endpoint import OperationEndpoint, SearchEndpoint
from hallway.hub.http import encode_json, respond, respond_error
from hallway.hub.mcp import McpEndpoint
from hallway.hub.metrics import CONTENT_TYPE, HubCollector, RequestMetrics, render
from hallway.hub.openapi import document
from hallway.hub.options import OWN_USER
from hallway.hub.router import PathRouter
from hallway.hub.stream import LAST, READ, EventsEndpoint, Feed
from hallway.hub.workers.heartbeats import HeartbeatBatcher
from hallway.hub.workers.notification_sender import NotificationSender
from hallway.hub.workers.notifier import Notifier
from hallway.hub.workers.pruner import Pruner
from hallway.hub.workers.reader import Reader
from hallway.hub.workers.wait_pings import WaitPings
from hallway.hub.workers.watchdog import StallWatchdog
from hallway.hub.workers.writer import ThreadWriter, Writer
from hallway.local.pauses import HubLooks
from hallway.services.attention import LastLook
from hallway.services.messages import CollaborationHub
from hallway.services.requests import RequestBook
from hallway.services.sessions import SessionRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from hallway.core.model import RequestStats
    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller
    from hallway.hub.workers.writer import Worker
    from hallway.store.postgres.pipeline import PostgresPipeline

    MountPage = Callable[[PathRouter, Reader, Writer, Callable[[], TokenCache]], None]

HEALTH_WITHIN_S = 2.0  # for an answer of the bus to a probe
READER_SILENT_S = 1.0  # after which a bus that lets a probe wait has failed; less than the probe waits
WRITER_SILENT_S = FAILOVER_TIMEOUT_S  # writes wait for those of other hubs; clients wait for no longer than this
READERS = 4  # threads for short reads
LONG_READERS = 2  # threads for reads that may take long
READ_WITHIN_S = 10.0  # time limit of a long read
CONNECTIONS = 1  # for heartbeats: a second one costs a fifth more processor time, and answers none sooner
HINT = "See one project's: GET /stats?project=NAME"
COUNTED_WITHIN_S = 1.0  # for the bus's numbers among the hub's own, which are there without a bus
REQUEST_COUNTS = RequestBook.operations["counts"]
HISTORY, SEARCH = (CollaborationHub.operations[name] for name in ("get_messages", "search"))
HEARTBEAT = SessionRegistry.operations["heartbeat"]  # the router checks its path first


class Hub:
    """A hub that serves one bus; `app` is its ASGI application.

    With a `rules_path` it sends the notifications of its own user, by the rules in this file.
    """

    def __init__(
        self,
        url: str | None,
        hosts: frozenset[str] = LOOPBACK_NAMES,
        keep: dict[str, Any] | None = None,
        *,
        owner_is: str = OWN_USER,
        is_secure: bool = False,
        limits: Limits | None = None,
        mount_page: MountPage | None = None,
        rules_path: str | None = None,
    ) -> None:
        self._url = url
        self._rules_path = rules_path
        self._mount_page = mount_page
        self._keep = keep or {}
        self._meter = RequestMetrics()
        self._paths = PathRouter()
        self._audit = Audit()
        self._limits = limits or Limits()
        self._looks = HubLooks()
        self._last_look = LastLook()
        self.is_stopping = False  # whether the hub was asked to stop and only finishes open requests
        origin = OriginCheck(hosts, is_secure=is_secure)
        self.answer_headers = origin.answer_headers  # of every answer that does not set them itself
        self.app = AuthMiddleware(self._paths, Router(lifespan=self._lifespan), origin, self._audit, owner_is)

    def open(self) -> LocalBus:
        """Open a bus for one thread; raises the store's errors, and InvalidInput for a wrong setting."""
        bus = connect(self._url)
        if not isinstance(bus, LocalBus):
            raise UnsupportedUrl(
                "a hub serves a bus of its own, not another hub's", hint="Unset HALLWAY_URL, or pass --store FOLDER"
            )
        bus.services  # noqa: B018 (a service reads its settings when it is first used)
        bus.hub_looks = self._looks
        bus.attention.last_look = self._last_look
        return bus

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        self._open_workers(loop)
        self._wakes = Notifier(self.open())
        self._feed = Feed(self._reader, self._wakes)
        self.app.token_cache = self._token_cache = TokenCache(
            self.open(), self.open(), self._wakes, self._audit, self._limits
        )
        pruner = Pruner(self._writer, self._keep)
        self._sender = NotificationSender(self.open, self._rules_path) if self._rules_path else None
        self._add_paths()
        if self._sender:
            self._sender.start()
        try:
            yield
        finally:
            pruner.close()
            if self._sender:
                await asyncio.to_thread(self._sender.close)
            if self._watchdog:
                self._watchdog.close()
            self.close_streams()
            await self._token_cache.close()
            await self._writer.close()
            if self._heartbeats:
                self._heartbeats.close()
            await asyncio.to_thread(self._reader.close)

    def _open_workers(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the threads and connections that the store needs; a store across a network needs more."""
        bus = self.open()
        self._writer = (Writer if bus.store.is_local else ThreadWriter)(bus, loop)
        readers = [self.open() for _ in range(1 if bus.store.is_local else READERS)]
        long_readers = [self.open() for _ in range(LONG_READERS)]
        for each in long_readers:
            each.store.limit_reads(READ_WITHIN_S)
        self._reader = Reader(readers, long_readers, loop, self.open() if bus.store.is_local else None)
        self._heartbeats = (
            None if bus.store.is_local else HeartbeatBatcher(_pipelines(bus.store.url), self._writer, loop)
        )
        self._watchdog = None if bus.store.is_local else StallWatchdog(loop)
        self._wait_pings = WaitPings(self._writer)

    def _workers(self) -> dict[str, Reader | Writer | HeartbeatBatcher]:
        heartbeats = {"heartbeats": self._heartbeats} if self._heartbeats else {}
        return {"writer": self._writer, "reader": self._reader, **heartbeats}

    def close_streams(self) -> None:
        """End event streams and waits, so that their connections can close, and begin no other notification."""
        self._wakes.close()
        if self._sender:
            self._sender.stop()

    # -- routes -------------------------------------------------------------------------------------------------------

    def operations(self) -> list[Operation]:
        return [
            operation for service in self._writer.bus.services.values() for operation in service.operations.values()
        ]

    def _add_paths(self) -> None:
        self._paths.add(HEARTBEAT.method, HEARTBEAT.path, self._endpoint(HEARTBEAT))
        for operation in self.operations():
            endpoint, long_place = self._endpoint(operation), operation.long_place
            self._paths.add(operation.method, operation.path, endpoint, long_place)
        self._paths.add("POST", "/mcp", McpEndpoint(self._operation_endpoint, self._feed, self._wait_pings))
        plain = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
        }
        for path, endpoint in plain.items():
            self._paths.add("GET", path, endpoint)
        if self._mount_page:
            self._mount_page(self._paths, self._reader, self._writer, lambda: self._token_cache)

    def _endpoint(self, operation: Operation) -> ASGIApp:
        endpoint = self._operation_endpoint(operation)
        if operation is READ:
            return EventsEndpoint(self._feed, self._wait_pings, endpoint)
        if operation is ANSWER:
            return AnswerEndpoint(endpoint, self._writer, self._token_cache, self._audit)
        if operation is HISTORY:
            return SearchEndpoint(self._operation_endpoint(SEARCH), endpoint)
        return endpoint

    def _operation_endpoint(self, operation: Operation) -> OperationEndpoint:
        worker: Worker = self._writer if operation.is_write else self._reader
        if operation is HEARTBEAT and self._heartbeats:
            worker = self._heartbeats
        return OperationEndpoint(operation, worker, self._wakes, self._meter, self._watchdog, self._wait_pings)

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whether the hub should get requests: 503 if it cannot work or was asked to stop."""
        failure = None if self.is_stopping else await self._bus_failure()
        if self.is_stopping:  # perhaps since the bus was asked
            hint = "Ask another hub, or this one once it runs again"
            failure = Unavailable("the hub is stopping", hint=hint, is_ready=False)
        await self._answer_probe(send, failure)

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whether the hub works.

        An answer at all says that the hub is alive; 503, that it cannot work now and why: `cause` is the error's code.
        It heals by itself. A hub that is stopping still works, and is not ready.
        """
        await self._answer_probe(send, await self._bus_failure())

    async def _bus_failure(self) -> Unavailable | None:
        """Ask the bus through both workers; return why the bus cannot be used, or None if it can."""
        try:
            await asyncio.gather(
                _require_bus(self._reader, READER_SILENT_S), _require_bus(self._writer, WRITER_SILENT_S)
            )
        except (HallwayError, TimeoutError, OSError) as error:
            hint = error.hint if isinstance(error, HallwayError) else None
            why = str(error) or f"nothing came within {HEALTH_WITHIN_S:g} s"
            cause = error.code if isinstance(error, HallwayError) else Unavailable.code
            return Unavailable(f"the bus does not answer: {why}", hint=hint, is_ready=False, cause=cause)
        return None

    async def _answer_probe(self, send: Send, failure: Unavailable | None) -> None:
        if failure is not None:
            await respond_error(send, failure)
            return
        answer: dict[str, Any] = {
            "status": "ok",
            "is_ready": not self.is_stopping,
            "version": hallway.__version__,
            "streams": self._feed.streams,
        }
        await respond(send, encode_json(answer))

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        if caller.principal is not None and caller.principal.visible is not None:
            error = Refused("the hub's numbers are about all projects, and this token is not for all", hint=HINT)
            caller.note_refusal("metrics", error)
            await respond_error(send, error)
            return
        requests = await self._unanswered_requests(caller)
        text = render(HubCollector(self._meter, self._workers(), self._wakes, self._feed, requests))
        await respond(send, text, headers=((b"content-type", CONTENT_TYPE),))

    async def _unanswered_requests(self, caller: Caller) -> dict[str, int] | None:
        """Return how many requests wait for an answer, by state; None if the bus does not say so in time."""
        try:
            asked = self._reader.run(REQUEST_COUNTS, REQUEST_COUNTS.arguments((), {}), caller)
            counts: RequestStats = await asyncio.wait_for(asked, COUNTED_WITHIN_S)
        except (HallwayError, TimeoutError):
            return None
        return counts.by_state

    async def _openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, encode_json(document(self.operations())))


async def _require_bus(worker: Reader | Writer, silent_s: float) -> None:
    """Raise the error of a bus that a worker cannot use; a bus or a worker that is merely busy raises nothing.

    Other hubs share the bus and are not faster, and requests taken from a slow hub would make them slower. So an answer
    that is late, or not given because another process has the lock, is a failure only if nothing has come for
    `silent_s`. A busy worker that has been answered since is not asked again: the question would only wait its turn.
    """
    if worker.bus_wait.is_short(silent_s):
        return
    try:
        await asyncio.wait_for(worker.run(LAST, {}, HUB), HEALTH_WITHIN_S)
    except (BusBusy, TimeoutError):
        if worker.bus_wait.seconds > silent_s:
            raise


def _pipelines(url: str) -> list[PostgresPipeline]:
    """Return the connections for batches of heartbeats; psycopg is imported only here."""
    from hallway.store.postgres.pipeline import PostgresPipeline

    return [PostgresPipeline(url) for _ in range(CONNECTIONS)]
