"""The HTTP protocol with bounds: a request's head has a size and a time, and so has its body.

uvicorn's parser takes headers without end, and waits for them as long as somebody sends one now and then (slow loris).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_BYTES = 32 * 1024
HEAD_WITHIN_S = 10.0
BODY_WITHIN_S = 30.0
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, cutting off whoever does not come to the end of a request."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = self._field_bytes = 0
        self._is_refused = False
        self._in_head = True  # of the first request, from the moment the connection is there
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            # What ends a head may bring a body with it, so only what is no end yet is counted for sure.
            if self._head_bytes > HEAD_BYTES and b"\r\n\r\n" not in data:
                self._refuse_head()
                return
            if self._deadline is None:
                self._within(HEAD_WITHIN_S)
        super().data_received(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value)
        if self._field_bytes > HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._field_bytes = False, 0, 0
        self._within(BODY_WITHIN_S)
        if not self._is_refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._within(None)
        if not self._is_refused:
            super().on_message_complete()

    def _within(self, seconds: float | None) -> None:
        """Cut the connection off after so long; None: let it be."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def _refuse_head(self) -> None:
        self._is_refused = True
        if not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()
