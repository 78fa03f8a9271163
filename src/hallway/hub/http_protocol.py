"""HTTP protocol with limits for one connection: pipelined requests, unread answers, and time.

uvicorn's parser accepts headers without end and waits as long as one arrives now and then (slow loris). It queues every
request that arrives while another is answered (pipelining). It waits for ever for a client that does not read. This
module limits each of these, in every state of a connection.
"""

from __future__ import annotations

import asyncio
import re
import select
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hallway.hub.auth.peers import owner_of
from hallway.hub.exchange import AnswerHeads, Exchange

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HEAD_BYTES = 32 * 1024
HEAD_WITHIN_S = 10.0
BODY_WITHIN_S = 30.0
MAX_REQUESTS_AHEAD = 16  # requests that wait while one is answered; later data is not parsed
MAX_HELD_BYTES = 512 * 1024  # of data not parsed yet; the system reads up to 256 KiB at once
MAX_BODY_AHEAD_BYTES = 2 * 1024 * 1024  # of an unread body; more than an operation accepts
PARSED_AT_ONCE_BYTES = 4096  # small, so that few requests are parsed before they are counted
UNREAD_WITHIN_S = 30.0  # within which a client with unread answers must read:
MIN_READ_BYTES = 16 * 1024
IDLE_WITHIN_S = 75  # a connection without a request is closed
ANNOUNCED_IDLE_S = 60  # the limit that clients are told: shorter, so that none sends just as the connection is closed
KEEP_ALIVE = ("keep-alive", f"timeout={ANNOUNCED_IDLE_S}")
AGAIN_S = 1.0
LAST_REQUEST_WITHIN_S = 1.0  # of a hub that stops: for a request that may be on its way already
END_OF_AUTHORITY = re.compile(rb"[/?#]")


def _refusal(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()


HEAD_TOO_LARGE = _refusal("431 Request Header Fields Too Large")
URL_TOO_LONG = _refusal("414 URI Too Long")


class DrainState(ServerState):
    """The state that all connections of a hub share, including whether each answer is now its connection's last."""

    is_draining = False
    is_ending = False  # whether the hub has stopped listening

    def __init__(self) -> None:
        super().__init__()
        self.heads = AnswerHeads()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also cuts off clients that do not complete a request or do not read the answers.

    While the hub drains, every answer has `Connection: close`, so that callers and proxies connect elsewhere. An idle
    connection is closed when the hub stops, but not while a request may be on its way.
    """

    server_state: DrainState

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = self._field_bytes = 0
        self._is_refused = False
        self._in_head = True  # of the first request, from the moment the connection is there
        self._deadline: asyncio.TimerHandle | None = None
        self._held = b""  # data after the last request that may wait
        self._unread: asyncio.TimerHandle | None = None
        self._unread_bytes = 0  # when that timer was set
        self._peer_user: int | None = None
        self._has_asked_user = False
        self._running: RequestResponseCycle | None = None  # uvicorn's `cycle` is the newest, which may still wait

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEAD_WITHIN_S)
        self._closing: asyncio.TimerHandle | None = None
        if self.server_state.is_ending:  # accepted just before the hub stopped listening
            self._closing = self.loop.call_later(LAST_REQUEST_WITHIN_S, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        if self._closing is not None:
            self._closing.cancel()
        self._watch_reader(is_reading=True)
        self._held = b""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def peer_user(self) -> int | None:
        """Return the local user who owns the other end; the kernel is asked once per connection."""
        if not self._has_asked_user and self.client is not None and self.server is not None:
            self._peer_user = owner_of(self.client, self.server)  # type: ignore[arg-type]
        self._has_asked_user = True
        return self._peer_user

    # -- input --------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._hold(self._held + data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse data until too many requests wait, and keep the rest unparsed."""
        for at in range(0, len(data), PARSED_AT_ONCE_BYTES):
            if self.transport.is_closing() or self._is_refused:
                return
            if len(self.pipeline) >= MAX_REQUESTS_AHEAD:
                self._hold(data[at:])
                return
            self._parse_part(data[at : at + PARSED_AT_ONCE_BYTES])

    def _parse_part(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            # What ends a head may bring a body with it, so only what is no end yet is counted for sure.
            if self._head_bytes > HEAD_BYTES + PARSED_AT_ONCE_BYTES and b"\r\n\r\n" not in data:
                self._refuse(HEAD_TOO_LARGE)
                return
        super().data_received(data)

    def _hold(self, data: bytes) -> None:
        self._held = data
        if len(data) > MAX_HELD_BYTES:  # an endpoint that waits for the end of the connection reads on
            self._cut()
        else:
            self.flow.pause_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader(is_reading=False)
            return
        if self._held:
            held, self._held = self._held, b""
            self._parse(held)
        if self._held or self.pipeline:  # those at hand first
            self.flow.pause_reading()

    # -- the parser's callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._within(HEAD_WITHIN_S)
        self.scope["peer_user"] = self.peer_user  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        self._field_bytes += len(url)
        if self._field_bytes > HEAD_BYTES:
            self._refuse(URL_TOO_LONG)
        else:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value)
        if self._field_bytes > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._field_bytes = False, 0, 0
        self._within(BODY_WITHIN_S)
        if not self._is_refused:
            if self.url[:1] != b"/":
                self._use_origin_form()
            self._begin_exchange()
            if self.server_state.is_draining:
                self.cycle.keep_alive = False

    def _begin_exchange(self) -> None:
        """Complete the request's scope and run it, or queue it behind the one that is being answered."""
        version, url = self.parser.get_http_version(), httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": version,
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
        }
        former = self.cycle
        self.cycle = Exchange(
            self.server_state.heads,
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if former is None or former.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _use_origin_form(self) -> None:
        """Split a target in absolute form: its host replaces the Host header (RFC 9112, 3.2.2)."""
        scheme, separator, rest = self.url.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise httptools.HttpParserInvalidURLError("the target is neither a path nor an address")
        authority = END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
        self.url = rest[len(authority) :]
        if self.url[:1] != b"/":
            self.url = b"/" + self.url
        hosts = [at for at, (name, _) in enumerate(self.headers) if name == b"host"]
        if len(hosts) == 1:  # none or two are refused as they are everywhere
            self.headers[hosts[0]] = (b"host", authority)

    def on_body(self, body: bytes) -> None:
        if self._is_refused:
            return
        super().on_body(body)
        if len(self.cycle.body) > MAX_BODY_AHEAD_BYTES:
            self._cut()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._within(None)
        if not self._is_refused:
            super().on_message_complete()

    # -- output -------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader(is_reading=False)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._watch_reader(is_reading=True)

    def _watch_reader(self, *, is_reading: bool) -> None:
        """Cut off a client that does not read enough of the output; stop the timer if it reads."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if not is_reading:
            self._unread_bytes = self.transport.get_write_buffer_size()
            self._unread = self.loop.call_later(UNREAD_WITHIN_S, self._look_at_reader)

    def _look_at_reader(self) -> None:
        if self._unread_bytes - self.transport.get_write_buffer_size() < MIN_READ_BYTES:
            self._abort()
        else:
            self._watch_reader(is_reading=False)

    # -- ends ---------------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send `Connection: close` with the current answer, if any."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close after the current answer, or at once; wait a little if a request may be on its way."""
        self.drain()
        if self._is_idle() and not self._may_have_request():
            super().shutdown()
        elif self._is_idle():
            self._closing = self.loop.call_later(LAST_REQUEST_WITHIN_S, self._close_idle)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _may_have_request(self) -> bool:
        """Return whether a request has begun, or has not been read yet, or the connection is too new to tell."""
        return self.cycle is None or self._head_bytes > 0 or self._has_input()

    def _close_idle(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()
            self._watch_reader(is_reading=False)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless a request has arrived that the loop has not read yet."""
        if self._has_input():
            self.timeout_keep_alive_task = self.loop.call_later(AGAIN_S, self.timeout_keep_alive_handler)
            return
        super().timeout_keep_alive_handler()
        self._watch_reader(is_reading=False)

    def _has_input(self) -> bool:
        connection = self.transport.get_extra_info("socket")
        if connection is None or self.transport.is_closing():
            return False
        polled = select.poll()
        polled.register(connection.fileno(), select.POLLIN)
        return bool(polled.poll(0))

    def send_400_response(self, msg: str) -> None:
        """Answer that a request cannot be parsed, unless another answer is being sent."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._cut()
            return
        super().send_400_response(msg)
        self._watch_reader(is_reading=False)

    def _within(self, seconds: float | None) -> None:
        """Set the time after which the connection is cut off; None removes the limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self._abort()

    def _abort(self) -> None:
        self.pipeline.clear()
        self._held = b""
        self.transport.abort()

    def _refuse(self, answer: bytes) -> None:
        self._is_refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self._cut()
        elif not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
            self._watch_reader(is_reading=False)
