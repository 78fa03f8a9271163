"""Whether figures stay flat: the same work on two buses, of which one has a hundred times as much on it.

The larger one has 100,000 sessions, 1,000,000 messages, 1,000,000 entries and 100,000 claims, spread evenly over
10,000 projects. It is processor time, of the hub's process, of this one or of commands, because machines have other
work to do.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import apsw

import hallway
from bench.attention import of_children
from bench.hub_requests import processor_s
from bench.tools import HubProcess, Result, fill, folder, interleaved, load

os.environ["HALLWAY_MESSAGE_BURST"] = "0"  # the benchmarks are the loop that the limit breaks
SESSIONS = {"small": 1000, "large": 100_000}
PER_SESSION = 10  # messages and entries, on average
AT_ONCE = 1000
BAR = 1.5
ROUNDS = 5
PROCESSES = 15
HALF = "half of the sessions"  # in place of a number, for loads that only ask for every second session
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "heartbeat": ("heartbeat.lua", {}),
    "empty inbox": ("read.lua", {"READ_PATH": "/sessions/{s}/inbox", "FIRST": 1, "STEP": 2, "SESSIONS": HALF}),
    "inbox of ten": ("read.lua", {"READ_PATH": "/sessions/{s}/inbox", "STEP": 2, "SESSIONS": HALF}),
    "attention": ("read.lua", {"READ_PATH": "/attention?project={p}"}),
    "claims": ("read.lua", {"READ_PATH": "/claims?project={p}"}),
    "send": ("send.lua", {}),
    "memory set": ("remember.lua", {}),
}
COMMANDS: dict[str, list[str]] = {
    "`hallway`": [],
    "`hallway list`": ["list"],
    "`hallway inbox`": ["inbox", "s0"],
    "`hallway heartbeat`": ["heartbeat", "s0"],
    "`hallway search`": ["search", "token cache"],
}
MIXED = 1_000_000


def all_results() -> Iterator[Result]:
    with ExitStack() as stack:
        homes = {size: stack.enter_context(folder()) for size in SESSIONS}
        for size, home in homes.items():
            fill_evenly(home, SESSIONS[size])
        yield from in_process(homes)
        yield from pages(homes)
        yield from commands(homes)
        yield from requests(homes)
    yield memory_after_a_million()


def fill_evenly(home: str, sessions: int) -> None:
    """Give every second session ten unread messages and ten read ones, and each one ten entries and a claim."""
    fill(home, sessions)
    with hallway.connect(home) as bus:
        for first in range(0, sessions, AT_ONCE):
            with bus.transaction(is_durable=False):  # type: ignore[attr-defined]
                for number in range(first, first + AT_ONCE):
                    if number % 2 == 0:
                        send_twenty(bus, number)
                    write_ten(bus, number)
                    bus.claims.claim(f"s{number}", [f"src/part-{number % 10}/**"], ttl_s=86_400)


def send_twenty(bus: Any, number: int) -> None:
    sent = [
        bus.messages.send(
            f"s{number + 1}", f"s{number}", subject="what I found", body=f"finding {each} in api/auth-{number}.py"
        )
        for each in range(2 * PER_SESSION)
    ]
    bus.messages.acknowledge(f"s{number}", [each.message_id for each in sent[:PER_SESSION]])


def write_ten(bus: Any, number: int) -> None:
    for each in range(PER_SESSION):
        value = {"file": f"api/auth-{number % 977}.py", "finding": f"the token cache {each} is read twice"}
        bus.memory.set(f"s{number}", f"finding-{number}-{each}", value, "fact", tags=["auth"])


def result(what: str, small_s: float, large_s: float, unit: str = "µs") -> Result:
    """Return the row of a kind of work, with its processor time on both buses."""
    factor = {"µs": 1e6, "ms": 1e3}[unit]
    note = f"{large_s * factor:,.0f} against {small_s * factor:,.0f} {unit}"
    return Result(f"{what}: the large bus against the small one", large_s / small_s, BAR, at_least=False, note=note)


def in_process(homes: dict[str, str]) -> Iterator[Result]:
    """Calls of the library, each on both buses in turn."""
    calls: dict[str, Callable[[], object]] = {}
    texts = itertools.count()
    with ExitStack() as stack:
        for size, home in homes.items():
            bus: Any = stack.enter_context(hallway.connect(home, project="github.com/acme/p7"))
            session = itertools.cycle(range(70, 80))
            calls |= {
                f"{size} get by key": partial(_get, bus, session),
                f"{size} find by two words": partial(_find, bus, texts),
                f"{size} search of messages": partial(_search, bus, texts),
                f"{size} claim and release": partial(_claim, bus, texts),
                f"{size} sessions of a project": bus.sessions.active,
                f"{size} status with its event": partial(_status, bus, session, texts),
            }
        for call in calls.values():
            call()  # the first search of messages puts them into the index
        taken = interleaved(calls, rounds=60, calls=3, clock=time.process_time)
    for name in [name.removeprefix("small ") for name in calls if name.startswith("small ")]:
        yield result(name, taken[f"small {name}"], taken[f"large {name}"])


def _get(bus: Any, session: Iterator[int]) -> None:
    assert bus.memory.get_entry(f"finding-{next(session)}-3") is not None


def _find(bus: Any, texts: Iterator[int]) -> None:
    assert bus.memory.find(f"token auth-7{next(texts) % 10}", limit=20)


def _search(bus: Any, texts: Iterator[int]) -> None:
    assert bus.messages.search(f"finding auth-7{next(texts) % 5 * 2}", project="github.com/acme/p7", limit=20)


def _claim(bus: Any, texts: Iterator[int]) -> None:
    claim = bus.claims.claim("s70", [f"docs/page-{next(texts)}.md"])
    bus.claims.release("s70", claim.claim_id)


def _status(bus: Any, session: Iterator[int], texts: Iterator[int]) -> None:
    bus.sessions.update_status(f"s{next(session)}", "working", f"step {next(texts)}")


def pages(homes: dict[str, str]) -> Iterator[Result]:
    """How many pages a write puts into the log, on average: alone, and as one of a batch of eight."""
    texts = itertools.count()
    counted: dict[str, float] = {}
    for size, home in homes.items():
        with hallway.connect(home, project="github.com/acme/p7") as opened:
            bus: Any = opened
            writes: dict[str, Callable[[], object]] = {
                "heartbeat": partial(bus.sessions.heartbeat, "s70"),
                "send": partial(_send, bus, texts),
                "memory set": partial(_set, bus, texts),
                "claim and release": partial(_claim, bus, texts),
            }
            for name, write in writes.items():
                for batch in (1, 8):
                    counted[f"{size} {name} {batch}"] = _pages_of(bus, write, batch)
    for name in writes:
        small, large = counted[f"small {name} 1"], counted[f"large {name} 1"]
        note = (
            f"{large:.1f} against {small:.1f} pages alone, {counted[f'large {name} 8']:.1f} against"
            f" {counted[f'small {name} 8']:.1f} in a batch of eight"
        )
        yield Result(
            f"pages written by a {name}: the large bus against the small one",
            large / small,
            BAR,
            at_least=False,
            note=note,
        )


def _pages_of(bus: Any, write: Callable[[], object], batch: int, rounds: int = 24) -> float:
    """Return the pages that a write adds to the log, over several batches of which each is one transaction."""
    connection = bus.store._connection
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    for _ in range(rounds):
        with bus.transaction():
            for _ in range(batch):
                write()
    added, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    return float(added) / rounds / batch


def _send(bus: Any, texts: Iterator[int]) -> None:
    number = next(texts)
    bus.messages.send(f"s{70 + number % 10}", f"s{70 + number * 3 % 10}", subject="a word", body=f"finding {number}")


def _set(bus: Any, texts: Iterator[int]) -> None:
    bus.memory.set("s70", f"found-{next(texts)}", {"finding": "the token is checked twice"}, "fact")


def commands(homes: dict[str, str]) -> Iterator[Result]:
    """Whole commands of somebody who works in one of the projects."""
    runs: dict[str, Callable[[], object]] = {
        f"{size} {name}": partial(_run, home, words) for name, words in COMMANDS.items() for size, home in homes.items()
    }
    taken = interleaved(runs, PROCESSES, clock=of_children)
    for name in COMMANDS:
        yield result(name, taken[f"small {name}"], taken[f"large {name}"], "ms")


def _run(home: str, words: list[str]) -> None:
    environ = {**os.environ, "HALLWAY_HOME": home, "HALLWAY_PROJECT": "github.com/acme/p0"}
    environ.pop("HALLWAY_URL", None)
    subprocess.run([sys.executable, "-m", "hallway", *words], env=environ, stdout=subprocess.DEVNULL, check=True)


def requests(homes: dict[str, str]) -> Iterator[Result]:
    """Requests of a hub, for sessions and projects all over the bus."""
    with ExitStack() as stack:
        hubs = {size: stack.enter_context(HubProcess(home)) for size, home in homes.items()}
        taken: dict[str, list[float]] = {f"{size} {name}": [] for name in REQUESTS for size in homes}
        for _ in range(ROUNDS):
            for name, (script, settings) in REQUESTS.items():
                for size, hub in hubs.items():
                    sessions = SESSIONS[size]
                    asked = {"SESSIONS": sessions, **settings}
                    asked["SESSIONS"] = sessions // 2 if asked["SESSIONS"] == HALF else asked["SESSIONS"]
                    before = processor_s(hub)
                    done = load(hub, script, 16, **asked)
                    taken[f"{size} {name}"].append((processor_s(hub) - before) / done.requests)
        yield Result("hub memory with the large bus", hubs["large"].memory_mb, 150, at_least=False, unit="MB")
    for name in REQUESTS:
        small_s, large_s = (statistics.median(taken[f"{size} {name}"]) for size in ("small", "large"))
        yield result(f"{name} through a hub", small_s, large_s)


def memory_after_a_million() -> Result:
    """Return what a hub holds after a million requests of all kinds."""
    with folder() as home:
        fill_evenly(home, SESSIONS["small"])
        with HubProcess(home) as hub:
            before, done = hub.memory_mb, 0
            while done < MIXED:
                for script, settings in REQUESTS.values():
                    asked = {**settings, "SESSIONS": 500 if settings.get("SESSIONS") == HALF else 1000}
                    done += load(hub, script, 16, **asked).requests
            note = f"{before:.0f} MB before; {done:,} requests, as many seconds of each kind"
            return Result(
                f"hub memory after {MIXED:,} mixed requests", hub.memory_mb, 80, at_least=False, unit="MB", note=note
            )
