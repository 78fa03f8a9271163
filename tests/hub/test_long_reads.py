"""Reads that take long: bounded by construction, on threads of their own, a turn for every caller."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from string import ascii_lowercase
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core.errors import TookTooLong
from hallway.core.principal import Principal
from hallway.hub.workers.reader import Reader
from hallway.services.memory import SharedMemory
from hallway.services.sessions import SessionRegistry
from hallway.store.tokenize import Excerpts
from hub.client import Client
from hub.process import HubProcess
from support import Here, open_store, run_apart

GET, FIND = SessionRegistry.operations["get"], SharedMemory.operations["find"]


# -- bounds -----------------------------------------------------------------------------------------------------------


def fastest_s(work: Callable[[], object], times: int = 9) -> float:
    """The least processor time of several runs: what other programs take of a busy machine is not counted."""
    taken = []
    for _ in range(times):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken)


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("letters", "x"),
        ("words", "alpha "),
        ("camel", "aB"),
        ("upper", "AB"),
        ("signs", "_-"),
        ("cjk", "日本"),
        ("mixed", "日a"),
        ("digits", "1"),
        ("blanks", " "),
    ],
)
@pytest.mark.parametrize("is_near", [False, True])
def test_an_excerpt_takes_time_in_proportion_to_its_text(name: str, piece: str, is_near: bool) -> None:
    query = " ".join(f"word{n} camelCase{n} 日{n}" for n in range(160))
    excerpts = Excerpts(query, is_near=is_near)
    sizes = [fastest_s(lambda text=piece * n: excerpts.of(text)) for n in (10_000, 20_000, 80_000)]
    assert sizes[2] < 24 * sizes[0] + 0.002, (name, sizes)  # 64 times, were it quadratic


@pytest.mark.parametrize("is_near", [False, True])
@pytest.mark.parametrize(
    "piece",
    ["zeta{}", "zeta{}Zetas", "".join(f"Z{a}{b}{c}" for a, b, c in product(ascii_lowercase, repeat=3))],
    ids=["words", "compound words", "one word of many parts"],
)
def test_the_length_of_a_query_does_not_multiply_the_work(piece: str, is_near: bool) -> None:
    text = "alpha beta gamma userName 日本語 " * 250
    many = " ".join(piece.format(n) for n in range(160))
    short, long = (Excerpts(query, is_near=is_near) for query in ("zeta", many))
    assert fastest_s(lambda: long.of(text)) < 4 * fastest_s(lambda: short.of(text)) + 0.002


@pytest.mark.parametrize(
    ("query", "text", "line"),
    [
        ("beta", "alpha beta gamma", "alpha **beta** gamma"),
        ("BETA", "alpha Beta", "alpha **Beta**"),
        ("user", "the userName", "the **user**Name"),
        ("userName", "getUserName", "get**UserName**"),
        ("user name", "userName", "**userName**"),
        ("use", "the user", "the user"),
        ("id", "user_id", "user_**id**"),
        ("日本", "東日本語", "東**日本**語"),
        ("本 alpha", "alpha 日本", "**alpha** 日**本**"),
        ("", "alpha", "alpha"),
        ("a", " ", ""),
        ("...", "alpha", "alpha"),
    ],
)
def test_an_excerpt_marks_the_words_that_were_asked_for(query: str, text: str, line: str) -> None:
    assert Excerpts(query).of(text) == line


def test_an_excerpt_stands_around_the_first_word_that_was_asked_for() -> None:
    line = Excerpts("needle 針").of("hay " * 200 + "needle " + "hay " * 200 + "針")
    assert "**needle**" in line
    assert line.startswith("…")
    assert line.endswith("…")
    assert len(line) < 140


def test_a_read_that_takes_too_long_is_given_up(address: str) -> None:
    slow = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgres": "SELECT pg_sleep(30)",
    }
    with open_store(address) as bus:
        bus.sessions.register("alice", "agent", "codex")
        bus.store.limit_reads(0.3)
        store: Any = bus.store
        if bus.store.is_local:
            store._statements["test.slow"] = slow["sqlite"]
        else:
            from hallway.store.postgres.store import Statement

            store._statements["test.slow"] = Statement(slow["postgres"])
        began = time.monotonic()
        with pytest.raises(TookTooLong), bus.store.read():
            bus.store.rows("test.slow")
        assert time.monotonic() - began < 15
        assert bus.sessions.get("alice").session_id == "alice"  # the next one has its own time
        bus.sessions.heartbeat("alice")  # and writes have no such limit


# -- turns ------------------------------------------------------------------------------------------------------------


class Stopped:
    """A reader whose long reads wait until they are let go."""

    def __init__(self, open_bus: Callable[[], LocalBus]) -> None:
        self.order: list[str] = []
        self.go = threading.Semaphore(0)
        buses = [open_bus() for _ in range(3)]
        for bus in buses[1:]:
            self._slow_down(bus)
        self.reader = Reader(buses[:1], buses[1:], asyncio.get_running_loop())

    def _slow_down(self, bus: LocalBus) -> None:
        execute = bus.execute

        def wait(operation: Any, service: Any, arguments: Any) -> Any:
            assert bus.principal is not None
            self.order.append(bus.principal.name)
            assert self.go.acquire(timeout=60)
            return execute(operation, service, arguments)

        bus.execute = wait  # type: ignore[method-assign]

    def ask(self, name: str) -> asyncio.Future[Any]:
        return self.reader.run(FIND, FIND.arguments((), {"query": "alpha", "project": Here.project}), _caller(name))


def _caller(name: str) -> Any:
    from hallway.hub.auth.caller import NOWHERE, Caller

    caller = Caller(NOWHERE)
    grant = type("Grant", (), {"principal": Principal(name, "agent")})
    caller.grant = grant  # type: ignore[assignment]
    return caller


def test_a_short_read_never_waits_for_long_ones_and_every_caller_has_a_turn(
    open_bus: Callable[[], LocalBus],
) -> None:
    open_bus().sessions.register("alice", "agent", "codex")

    async def work() -> None:
        stopped = Stopped(open_bus)
        greedy = [stopped.ask("greedy") for _ in range(50)]
        others = [stopped.ask(name) for name in ("bob", "carol")]
        got = await asyncio.wait_for(
            stopped.reader.run(GET, GET.arguments((), {"session_id": "alice"}), _caller("dave")), 30
        )
        assert got.session_id == "alice"
        for _ in range(52):
            stopped.go.release()
        await asyncio.wait_for(asyncio.gather(*greedy, *others), 60)
        # Asked in order, they would come after fifty of the greedy one's.
        assert max(stopped.order.index(name) for name in ("bob", "carol")) < 45
        await asyncio.to_thread(stopped.reader.close)

    run_apart(work())


@pytest.fixture
def searched(address: str, tmp_path: Any) -> Iterator[HubProcess]:
    with open_store(address) as bus:
        for number in range(0, 1000, 100):
            with bus.transaction():
                for each in range(number, number + 100):
                    text = "alpha beta gamma delta camelCaseWord " * 200
                    bus.memory.set("user:alice", f"k{each}", f"{each} {text}", project="default")
    options = ("--store", address) if "://" in address else ("--store", f"{address}")
    with HubProcess(tmp_path / "hallway", *options) as hub:
        yield hub


def test_one_callers_searches_stop_nobody(searched: HubProcess) -> None:
    hub = searched
    words = "%20".join(f"alpha%20beta{n}" for n in range(70)) + "%20gamma"
    path = f"/memory?q={words}&limit=1000&project=default"
    with Client(hub.port) as client:
        client.register("alice")
        began = time.monotonic()
        assert client.get(path).status == 200
        assert time.monotonic() - began < 20
        stop = threading.Event()

        def search() -> None:
            with Client(hub.port) as own:
                while not stop.is_set():
                    own._exchange("GET", path)

        threads = [threading.Thread(target=search) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            taken = []
            for _ in range(30):
                began = time.monotonic()
                assert client._exchange("GET", "/sessions/alice").status == 200
                taken.append(time.monotonic() - began)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert statistics.median(taken) < 2.0, taken
