"""POST /mcp: the Model Context Protocol over HTTP, with the same handler as over standard input and output.

Every message is a separate request without state between requests, in both protocol eras: there are no protocol
sessions. The calling session is an argument or the header Hallway-Session. An answer is one JSON object, except for
`subscriptions/listen`: its answer is a stream that reads the feed of all event streams.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hallway.core.errors import HallwayError, IdentityMissing, InvalidInput, LimitReached, ProjectNeeded
from hallway.core.parameters import type_of
from hallway.core.schema import Choice, decode
from hallway.hub.auth.caller import SESSION_HEADER, caller_of
from hallway.hub.http import JSON_TYPE, disconnected, encode_json, header, parse_query, read_body, respond
from hallway.hub.stream import KEEP_ALIVE_S, STUCK_S, EventFilter
from hallway.local.identity import from_metadata
from hallway.mcp.protocol import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    JsonRpcError,
    ListenStream,
    Peer,
    Protocol,
    check_headers,
    failed,
)
from hallway.mcp.server import PROFILES, BusServer, changed
from hallway.mcp.tools import MESSAGES, SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.core.operation import Operation
    from hallway.hub.auth.limits import Allowance
    from hallway.hub.endpoint import OperationEndpoint
    from hallway.hub.stream import Feed
    from hallway.hub.workers.wait_pings import WaitPings
    from hallway.mcp.protocol import Json, McpServer, Work

log = logging.getLogger("hallway.hub")

INBOX = MESSAGES["inbox"]
PROJECT = SESSIONS["current_project"]
PROJECT_HINT = {ProjectNeeded.code: f"Name the session that calls, in the header {SESSION_HEADER}"}
REPEATED = ("mcp-protocol-version", "mcp-method", "mcp-name")


class HttpPeer(Peer):
    """The client that sent one request."""

    names_session = True

    def __init__(self, version: str | None, named: str | None) -> None:
        super().__init__(version)
        self._named = named

    def session_of(self, arguments: Json, meta: Json, *, is_needed: bool = True) -> str | None:
        words = (arguments.pop("session_id", None), self._named, from_metadata(meta))
        session_ids = {
            type_of("sessions", "session_id").check("session_id", each) for each in words if each is not None
        }
        if len(session_ids) > 1:
            raise InvalidInput("the calling session is said twice, and not the same")
        if not session_ids and is_needed:
            raise IdentityMissing(
                "over HTTP nothing tells which session calls",
                hint=f"Pass session_id, your session's id, or send it as the header {SESSION_HEADER}",
            )
        return session_ids.pop() if session_ids else None


class McpEndpoint:
    """The endpoint; `endpoint_of` returns the endpoint that runs an operation for a request."""

    def __init__(
        self,
        endpoint_of: Callable[[Operation], OperationEndpoint],
        feed: Feed,
        wait_pings: WaitPings,
        offer: McpServer | None = None,
    ) -> None:
        self._endpoint_of = endpoint_of
        self._endpoints: dict[str, OperationEndpoint] = {}
        self._feed = feed
        self._wait_pings = wait_pings
        self._protocols: dict[str, Protocol] = {PROFILES[0]: Protocol(offer or BusServer())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            protocol, body = self._protocol(scope), await read_body(scope, receive)
        except HallwayError as error:
            await _respond(send, failed(None, JsonRpcError(INVALID_REQUEST, error.message)), error.status)
            return
        try:
            message = decode(body)
        except ValueError as error:
            await _respond(send, failed(None, JsonRpcError(PARSE_ERROR, f"the body is one JSON message: {error}")), 400)
            return
        await self._answer(protocol, message, scope, receive, send)

    async def _answer(self, protocol: Protocol, message: Any, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            version = check_headers(message, {name: text for name in REPEATED if (text := _text(scope, name))})
        except JsonRpcError as fault:
            request_id = message.get("id") if isinstance(message, dict) else None
            await _respond(send, failed(request_id, fault), fault.status)
            return
        allowance = _allowance(scope)
        if isinstance(message, list) and allowance is not None:
            try:
                allowance.take_request(len(message) - 1)  # the first message is counted already
            except LimitReached as error:
                await _respond(send, failed(None, JsonRpcError(INVALID_REQUEST, error.message)), error.status)
                return
        caller = HttpPeer(version, unquote(_text(scope, SESSION_HEADER.lower()) or "") or None)
        answer = await self._drive(protocol.handle(message, caller), scope, receive)
        if isinstance(answer, ListenStream):
            await self._listen(answer, caller, scope, receive, send)
        elif answer is None:
            await respond(send, b"", 202, ())
        else:
            await _respond(send, answer, _status(answer, is_modern=version is None))

    def _protocol(self, scope: Scope) -> Protocol:
        """Return the handler of the profile that the URL names: /mcp?profile=full."""
        profile = parse_query(scope).get("profile", PROFILES[0])
        if profile not in self._protocols:
            self._protocols[profile] = Protocol(BusServer(Choice(*PROFILES).check("profile", profile)))
        return self._protocols[profile]

    async def _drive(self, work: Work, scope: Scope, receive: Receive) -> Any:
        """Run the operations that an answer needs in turn; each counts as a request of the token."""
        value, error = None, None
        allowance, is_first = _allowance(scope), True
        try:
            while True:
                operation, arguments = work.throw(error) if error else work.send(value)
                value, error = None, None
                try:
                    if allowance is not None and not is_first:
                        allowance.take_request()
                    is_first = False
                    value = await self._endpoint(operation).perform(arguments, scope, receive)
                except HallwayError as refused:
                    error = refused
        except StopIteration as done:
            return done.value

    def _endpoint(self, operation: Operation) -> OperationEndpoint:
        if operation.name not in self._endpoints:
            self._endpoints[operation.name] = self._endpoint_of(operation)
        return self._endpoints[operation.name]

    # -- subscriptions ------------------------------------------------------------------------------------------------

    async def _listen(
        self, listening: ListenStream, peer: HttpPeer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send notifications of changes until the caller disconnects or the hub stops."""
        is_open = False
        try:
            caller = caller_of(scope)
            # Both places are taken before the first await: else many simultaneous requests would all pass the limit.
            with self._feed.place(), caller.allowance:
                session_id = peer.session_of({}, {}, is_needed=False)
                project = None
                if listening.has_resources_changed or listening.uris:
                    project = await self._endpoint(PROJECT).perform({"session_id": session_id}, scope, receive)
                if session_id:  # only a caller that may read an inbox is notified of its changes
                    await self._endpoint(INBOX).perform(INBOX.arguments((), {"session_id": session_id}), scope, receive)
                after, is_open = await self._feed.last_seq(), True
                with self._wait_pings.during(session_id, caller):
                    await self._stream(listening, session_id or "", project, after, receive, send, EventFilter(caller))
        except HallwayError as error:
            if is_open:  # the bus cannot be read now; the caller subscribes again
                log.warning("a subscription ends: %s", error)
                await send({"type": "http.response.body", "body": b""})
                return
            code = INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
            answer = error.hint_for_face(PROJECT_HINT).to_dict()["error"]
            await _respond(send, failed(listening.request_id, JsonRpcError(code, error.message, answer)), error.status)
        except (TimeoutError, OSError):
            pass  # the caller stopped reading or disconnected; it subscribes again and reads the resources

    async def _stream(
        self,
        listening: ListenStream,
        session_id: str,
        project: str | None,
        after: int,
        receive: Receive,
        send: Send,
        wanted: EventFilter,
    ) -> None:
        feed, gone = self._feed, asyncio.ensure_future(disconnected(receive))
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _send_part(send, _frame(listening.acknowledged()))
            while not (feed.is_closed or gone.done() or wanted.is_over):
                news = feed.expect()
                try:
                    events = await feed.after(after)
                    uris = dict.fromkeys(
                        uri
                        for event in events
                        if wanted.has(event)
                        for uri in changed(event, session_id, project or event.project)
                    )
                    if frames := b"".join(_frame(note) for uri in uris if (note := listening.about(uri))):
                        await _send_part(send, frames)
                    if events:
                        after = events[-1].seq
                    else:
                        ends = (news, gone, *wanted.caller.end)
                        await asyncio.wait(ends, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                        if not any(end.done() for end in ends):
                            await _send_part(send, b": still here\n\n")
                finally:
                    feed.forget(news)
            if not gone.done():
                await send({"type": "http.response.body", "body": _frame(listening.ended())})
        finally:
            gone.cancel()


def _allowance(scope: Scope) -> Allowance | None:
    """Return the remaining allowance of the caller's token; None for the owner of the bus."""
    grant = scope["grant"]
    return None if grant is None else grant.allowance


def _status(answer: Any, *, is_modern: bool) -> int:
    """Return an answer's HTTP status: since revision 2026-07-28 an error has its own status."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is None:
        return 200
    return JsonRpcError(error["code"], "").status if is_modern or answer["id"] is None else 200


def _text(scope: Scope, name: str) -> str | None:
    return header(scope, name.encode()).decode("utf-8", "replace").strip() or None


def _frame(message: Json) -> bytes:
    return b"data: " + encode_json(message) + b"\n\n"


async def _respond(send: Send, answer: Any, status: int) -> None:
    await respond(send, encode_json(answer), status, (JSON_TYPE,))


async def _send_part(send: Send, part: bytes) -> None:
    await asyncio.wait_for(send({"type": "http.response.body", "body": part, "more_body": True}), STUCK_S)
