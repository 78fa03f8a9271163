"""GET /events as server-sent events: nothing missed, nothing repeated (E1), whoever reads how slowly (E2)."""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.store.sqlite import SQLiteStore
from hub.client import Client, Stream
from support import Here, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hub.process import HubProcess

SHOP = "github.com/acme/shop"
MANY = 50_000


@pytest.fixture
def own_hub(start_hub: Callable[..., HubProcess]) -> HubProcess:
    return start_hub()


@pytest.fixture
def bus(own_hub: HubProcess) -> Iterator[LocalBus]:
    """The hub's bus, as another process has it open."""
    with hallway.connect(own_hub.bus_file, project=SHOP) as bus:
        assert isinstance(bus, LocalBus)
        yield bus


def append(bus: LocalBus, count: int, kind: str = "test.said", project: str = SHOP, **data: Any) -> None:
    with bus.transaction():
        for _ in range(count):
            bus.events.append(kind, project, None, **data)


def seqs(stream: Stream, count: int) -> list[int]:
    return [frame.id for frame in stream.take(count)]


def refusal(port: int, query: str = "", last_event_id: object = None) -> tuple[int, dict[str, Any]]:
    """The status and error of a stream that must not come about."""
    with Stream(port, query, last_event_id) as stream:
        assert stream.response.headers["content-type"] == "application/json"
        return stream.response.status, json.loads(stream.response.read())["error"]


# -- frames -----------------------------------------------------------------------------------------------------------


def test_a_frame_is_an_event_with_its_seq_as_id(own_hub: HubProcess) -> None:
    with Client(own_hub.port) as client, Stream(own_hub.port) as stream:
        assert stream.response.status == 200
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"] == "no-store"
        client.register("alice")
        client.post("/sessions/alice/end")
        frames = stream.take(2)
        assert [(frame.id, frame.event) for frame in frames] == [(1, "session.registered"), (2, "session.ended")]
        assert [frame.data for frame in frames] == client.get("/events").json


def test_a_text_of_many_lines_stays_in_one_frame(own_hub: HubProcess) -> None:
    text = "one\ntwo\r\n\r\nid: 99\ndata: three\r: four\x85\u2028\u2029\x00\x1bünï ☂ 🐓"
    with Client(own_hub.port) as client, Stream(own_hub.port) as stream:
        client.register("alice", metadata={text: [text]}, current_task="a: b")
        client.post("/sessions/alice/status", {"text": text})
        frames = stream.take(2)
        assert [frame.id for frame in frames] == [1, 2]
        assert frames[0].data["data"]["current_task"] == "a: b"
        assert frames[1].data["data"]["status_detail"] == {"text": text}


def test_a_silent_stream_says_that_it_is_alive(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants={"hallway.hub.stream.KEEP_ALIVE_S": 0.02})
    with Client(hub.port) as client, Stream(hub.port) as stream:
        assert stream.response.readline() == b": hallway\n"
        for _ in range(5):
            assert stream.response.readline() == b"\n"
            assert stream.response.readline() == b": still here\n"
        client.register("alice")
        assert stream.take(1)[0].data["session_id"] == "alice"


# -- where it begins --------------------------------------------------------------------------------------------------


def test_a_stream_begins_now_or_after_a_seq(own_hub: HubProcess, bus: LocalBus) -> None:
    append(bus, 5)
    with (
        Stream(own_hub.port) as now,
        Stream(own_hub.port, "?after=0") as whole,
        Stream(own_hub.port, "?after=3") as late,
        Stream(own_hub.port, last_event_id=4) as resumed,
        Stream(own_hub.port, "?after=1", last_event_id=4) as reconnected,  # as a browser does, to the URL it was given
        Stream(own_hub.port, "?after=5") as newest,
    ):
        append(bus, 1)
        assert seqs(now, 1) == seqs(newest, 1) == [6]
        assert seqs(whole, 6) == [1, 2, 3, 4, 5, 6]
        assert seqs(late, 3) == [4, 5, 6]
        assert seqs(resumed, 2) == seqs(reconnected, 2) == [5, 6]


def test_a_resumed_stream_misses_nothing_and_repeats_nothing(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    heard: list[int] = []
    with hallway.connect(hub.bus_file) as bus:
        assert isinstance(bus, LocalBus)
        for end in ("close", "stop", "kill", "close"):
            with Stream(hub.port, last_event_id=heard[-1] if heard else 0) as stream:
                append(bus, 40)
                heard += seqs(stream, 40)
                append(bus, 700)  # sent, and perhaps lost on the way
            if end != "close":
                getattr(hub, end)()
                append(bus, 40)
                hub = start_hub(port=hub.port)
        with Stream(hub.port, last_event_id=heard[-1]) as stream:
            heard += seqs(stream, bus.events.last_seq() - heard[-1])
    assert heard == list(range(1, 4 * 740 + 2 * 40 + 1))


def test_a_stream_has_only_what_its_filters_let_through(own_hub: HubProcess, bus: LocalBus) -> None:
    with (
        Stream(own_hub.port, "?project=github.com%2Facme%2Fshop") as shop,
        Stream(own_hub.port, "?kinds=a") as all_a,
        Stream(own_hub.port, "?kinds=a.one&kinds=b") as some,
        Stream(own_hub.port, "?project=other&kinds=a.two") as both,
        Stream(own_hub.port, "?project=nowhere") as nothing,
    ):
        for kind, project in (("a.one", SHOP), ("a.two", SHOP), ("b", "other"), ("ab.c", "other"), ("a.two", "other")):
            append(bus, 1, kind, project)
        append(bus, 1, "a.one", "nowhere")
        assert seqs(shop, 2) == [1, 2]
        assert seqs(all_a, 4) == [1, 2, 5, 6]
        assert seqs(some, 3) == [1, 3, 6]
        assert seqs(both, 1) == [5]
        assert seqs(nothing, 1) == [6]


@pytest.mark.parametrize(
    ("query", "last_event_id"),
    [
        ("?after=-1", None),
        ("?after=x", None),
        ("?limit=5", None),
        ("?kind=a", None),
        ("?after=1&after=2", None),
        ("", "x"),
        ("", "1" * 30),
        ("", "\xb2"),
        ("?kinds=" + ",".join("x" * 100), None),
    ],
)
def test_a_stream_that_cannot_be_is_refused(hub: HubProcess, query: str, last_event_id: object) -> None:
    status, error = refusal(hub.port, query, last_event_id)
    assert status in (400, 413)
    assert error["code"] in ("invalid_input", "too_large")


# -- other processes --------------------------------------------------------------------------------------------------


def test_what_another_process_does_arrives_at_once(own_hub: HubProcess, bus: LocalBus) -> None:
    took = []
    with Stream(own_hub.port) as stream:
        for _ in range(21):
            began = time.monotonic()
            append(bus, 1)
            stream.take(1)
            took.append(time.monotonic() - began)
    assert sorted(took)[10] < 0.05  # far below the slow look's quarter of a second


def test_what_a_process_did_that_died_before_it_could_wake_anybody_arrives(
    own_hub: HubProcess, bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hallway.local.notify.notify", lambda *_: None)
    with Stream(own_hub.port) as stream:
        append(bus, 3)
        assert seqs(stream, 3) == [1, 2, 3]


def test_an_expiry_is_told_with_nobody_asking(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    with LocalBus(SQLiteStore(str(tmp_path / "hallway" / "bus.db"), clock=FakeClock()), Here()) as past:
        past.sessions.register("alice", "alice's agent", "codex")
    hub = start_hub()
    with closing(sqlite3.connect(hub.bus_file)) as silent:  # one that sweeps nothing itself
        until(lambda: silent.execute("SELECT 1 FROM events WHERE kind = 'session.expired'").fetchone())


# -- many readers, and slow ones --------------------------------------------------------------------------------------


def streams(client: Client) -> int:
    count: int = client.get("/health").json["streams"]
    return count


def test_many_streams_hear_all_of_it(own_hub: HubProcess, bus: LocalBus) -> None:
    opened = [Stream(own_hub.port) for _ in range(40)]
    with ThreadPoolExecutor(40) as threads, Client(own_hub.port) as client:
        assert streams(client) == 40
        heard = [threads.submit(seqs, stream, 300) for stream in opened]
        for _ in range(30):
            append(bus, 10)
        assert all(each.result(20) == list(range(1, 301)) for each in heard)
        for stream in opened:
            stream.close()
        until(lambda: streams(client) == 0)


def test_a_stream_too_many_is_refused(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants={"hallway.hub.stream.MAX_STREAMS": 2})
    with Client(hub.port) as client, Stream(hub.port):
        with Stream(hub.port):
            status, error = refusal(hub.port)
            assert (status, error["code"]) == (503, "unavailable")
            assert error["hint"]
            assert client.get("/events").status == 200  # a page is no stream
        until(lambda: streams(client) == 1)
        with Stream(hub.port) as again:
            assert again.response.status == 200


@pytest.mark.slow
def test_a_reader_that_does_not_read_takes_no_memory_and_slows_nobody(own_hub: HubProcess, bus: LocalBus) -> None:
    with Client(own_hub.port) as client, Stream(own_hub.port) as slow, Stream(own_hub.port) as quick:
        append(bus, 5_000, text="x" * 200)
        assert seqs(quick, 5_000) == list(range(1, 5_001))
        before_kib = own_hub.memory_kib()
        with ThreadPoolExecutor(1) as thread:
            heard = thread.submit(seqs, quick, MANY)
            for _ in range(MANY // 1000):
                append(bus, 1000, text="x" * 1000)
            assert heard.result(60) == list(range(5_001, 5_001 + MANY))
        # Of 55 MiB that were written: what may fill up is the page caches of two connections, 16 MiB each.
        assert own_hub.memory_kib() - before_kib < 36 * 1024
        began = time.monotonic()
        assert client.post("/sessions/alice/heartbeat").status == 200
        assert time.monotonic() - began < 10
        assert seqs(slow, MANY + 5_000) == list(range(1, MANY + 5_001))


def hear(stream: Stream, heard: list[int]) -> None:
    """Add the numbers of all events up to the 20,000th, or to where the stream is cut off."""
    try:
        for frame in stream:
            heard.append(frame.id)
            if frame.id == 20_000:
                return
    except (http.client.HTTPException, OSError, AssertionError):
        pass  # cut in the middle of a frame


def test_a_reader_that_is_stuck_is_cut_off_and_resumes_where_it_was(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(constants={"hallway.hub.stream.STUCK_S": 0.2})
    hub.forgiven = {"ASGI callable returned without completing response."}  # the server's word for cutting it off
    with hallway.connect(hub.bus_file) as bus, Client(hub.port) as client, Stream(hub.port, "?after=0") as stuck:
        assert isinstance(bus, LocalBus)
        append(bus, 20_000, text="x" * 400)
        until(lambda: streams(client) == 0)
        heard: list[int] = []
        hear(stuck, heard)
        assert 0 < len(heard) < 20_000
        while len(heard) < 20_000:  # on a busy machine this test itself may be slow, and be cut off again
            with Stream(hub.port, last_event_id=heard[-1]) as again:
                hear(again, heard)
        assert heard == list(range(1, 20_001))
