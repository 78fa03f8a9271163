"""How an answer is written: once if it is whole, with the hub's own headers, and nothing that a header may not hold."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from hallway.hub.exchange import AnswerHeads, Exchange
from hallway.hub.http import respond
from support import run_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEFAULTS = [(b"date", b"now"), (b"cache-control", b"no-store")]


class Transport:
    """What was written to a connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def written_by(
    answer: Callable[[Any], Awaitable[None]], method: str = "GET", *, keep_alive: bool = True, heads: Any = None
) -> Transport:
    """What an answer writes, and whether the connection is closed then."""
    transport: Any = Transport()

    async def work() -> None:
        exchange = Exchange(
            heads or AnswerHeads(),
            scope={"method": method},
            transport=transport,
            flow=FlowControl(transport),
            logger=logging.getLogger("test"),
            access_logger=logging.getLogger("test"),
            access_log=False,
            default_headers=DEFAULTS,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: None,
        )
        await answer(exchange.send)

    run_apart(work())
    whole: Transport = transport
    return whole


def test_a_whole_answer_is_one_write() -> None:
    transport = written_by(lambda send: respond(send, b"{}"))
    assert transport.written == [
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncache-control: no-store\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\n\r\n{}"
    ]
    assert not transport.is_closed


def test_equal_answers_share_their_head_and_not_their_length() -> None:
    heads = AnswerHeads()
    for body in (b"", b"x" * 10, b"x" * 100):
        (whole,) = written_by(lambda send, body=body: respond(send, body), heads=heads).written
        assert whole.endswith(b"content-length: %d\r\n\r\n%b" % (len(body), body))
    (missing,) = written_by(lambda send: respond(send, b"no", 404), heads=heads).written
    assert missing.startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_an_answer_to_head_has_the_length_and_no_body() -> None:
    (whole,) = written_by(lambda send: respond(send, b"12345"), "HEAD").written
    assert whole.endswith(b"content-length: 5\r\n\r\n")


def test_the_last_answer_of_a_connection_says_so_and_closes_it() -> None:
    heads = AnswerHeads()
    assert b"connection" not in written_by(lambda send: respond(send, b"{}"), heads=heads).written[0]
    last = written_by(lambda send: respond(send, b"{}"), keep_alive=False, heads=heads)
    assert b"\r\nconnection: close\r\n" in last.written[0]
    assert last.is_closed


def test_a_header_that_an_answer_sets_itself_is_there_once() -> None:
    (whole,) = written_by(lambda send: respond(send, b"", headers=((b"cache-control", b"max-age=60"),))).written
    assert whole.count(b"cache-control") == 1
    assert b"cache-control: max-age=60" in whole


@pytest.mark.parametrize("header", [(b"etag", b'"1"\r\nset-cookie: a=b'), (b"e\ntag", b"1"), (b"etag", b"\x00")])
def test_a_header_that_would_begin_another_is_never_written(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(RuntimeError):
        written_by(lambda send: respond(send, b"{}", headers=(header,)))


def test_a_length_that_is_not_the_bodys_is_never_written() -> None:
    async def answer(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"{}"})

    with pytest.raises(RuntimeError):
        written_by(answer)


def test_a_stream_has_its_head_at_once() -> None:
    async def answer(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-cache")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})

    head, first = written_by(answer).written
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: now\r\ncache-control: no-cache\r\n")
    assert first == b"5\r\nfirst\r\n"
