"""One request and its answer on a connection: uvicorn's cycle, but head and body are written in one call.

uvicorn writes an answer's head and body apart, and checks each header of each answer. The hub's answers differ in
little but their bodies: each head is checked and rendered once, for all answers that have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from starlette.types import Message

    Headers = list[tuple[bytes, bytes]]

MAX_HEADS = 500  # in the cache; answers with an ETag have different heads
LENGTH = b"content-length"
CLOSE = (b"connection", b"close")


class AnswerHeads:
    """A cache of the heads of recent answers as bytes. It is emptied when the default headers change: `Date` is one."""

    def __init__(self) -> None:
        self._defaults: Headers = []
        self._heads: dict[Any, bytes] = {}

    def get(self, status: int, headers: Headers, defaults: Headers, *, is_last: bool) -> bytes:
        """Return a head without its end; `is_last`: the connection is closed after the answer."""
        if defaults is not self._defaults or len(self._heads) >= MAX_HEADS:
            self._defaults, self._heads = defaults, {}
        key = (status, is_last, *headers)
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = _rendered(status, [*headers, CLOSE] if is_last else headers, defaults)
        return head


def _rendered(status: int, headers: Headers, defaults: Headers) -> bytes:
    lines = [*missing(defaults, headers), *headers]
    if any(HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) for name, value in lines):
        raise RuntimeError("an answer has a header with a character that no header may have")
    return b"".join([STATUS_LINE[status], *(b"%b: %b\r\n" % line for line in lines)])


def missing(defaults: Headers, headers: Headers) -> Headers:
    """Return the default headers that an answer does not set itself."""
    names = {name for name, _ in headers}
    return [each for each in defaults if each[0] not in names]


class Exchange(RequestResponseCycle):
    """A request and its answer. If the last header of an answer is its length, one call writes head and body."""

    def __init__(self, heads: AnswerHeads, **named: Any) -> None:
        super().__init__(**named)
        self._answer_heads = heads
        self._start: Message | None = None  # of a whole answer, until its body comes

    async def send(self, message: Any) -> None:
        headers: Headers = message.get("headers", [])
        if headers and headers[-1][0] == LENGTH and not self.response_started:
            self.response_started = True
            self._start = message
        elif self._start is None:
            if not self.response_started:
                self.default_headers = missing(self.default_headers, headers)
            await super().send(message)
        else:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if not self.disconnected:
                self._write(self._start, message["body"])

    def _write(self, start: Message, body: bytes) -> None:
        *headers, (_, length) = start["headers"]
        is_last = not self.keep_alive
        head = self._answer_heads.get(start["status"], headers, self.default_headers, is_last=is_last)
        if self.scope["method"] == "HEAD":
            body = b""
        elif len(body) != int(length):
            raise RuntimeError(f"an answer's body has {len(body)} bytes, and its head says {length.decode()}")
        self.transport.write(b"%bcontent-length: %b\r\n\r\n%b" % (head, length, body))
        self._start = None
        self.response_complete = True
        self.message_event.set()
        if is_last:
            self.transport.close()
        self.on_response()
