"""What shared memory costs: sets through the hub, reads by key, full-text search over a million entries."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import hallway
from bench.tools import Result, against_heartbeats, fill, folder, interleaved

PROJECT = "github.com/acme/p0"
MILLION = 1_000_000


def all_results() -> Iterator[Result]:
    yield against_heartbeats("set", "remember.lua")
    yield from reads()


def reads() -> Iterator[Result]:
    """By key with 1,000 and with 1,000,000 entries; two words and a glob over the million."""
    with folder() as few_home, folder() as many_home:
        few, many = _with_entries(few_home, 1000), _with_entries(many_home, MILLION)
        keys = itertools.cycle(random.Random(7).sample(range(1000), 1000))
        spread = itertools.cycle(random.Random(7).sample(range(MILLION), 1000))
        seconds = interleaved(
            {
                "few": lambda: few.memory.get_entry(key_of(next(keys))),
                "many": lambda: many.memory.get_entry(key_of(next(spread))),
            },
            rounds=300,
            calls=5,
        )
        note = f"{seconds['many'] * 1e6:.0f} against {seconds['few'] * 1e6:.0f} µs"
        yield Result(
            "get by key with 1,000,000 entries against 1,000",
            seconds["many"] / seconds["few"],
            1.5,
            at_least=False,
            note=note,
        )
        yield from _searches(many)
        few.close()
        many.close()


def _searches(bus: Any) -> Iterator[Result]:
    dice = random.Random(11)
    taken = []
    for _ in range(400):
        query = f"{word(dice)} {word(dice)}"
        began = time.perf_counter()
        bus.memory.find(query, limit=20)
        taken.append((time.perf_counter() - began) * 1e3)
    yield Result(
        "two words over 1,000,000 entries, the first 20: median",
        statistics.median(taken),
        20,
        at_least=False,
        unit="ms",
    )
    yield Result(
        "the same: 99th percentile",
        sorted(taken)[395],
        100,
        at_least=False,
        unit="ms",
        note=f"slowest {max(taken):.0f} ms",
    )
    globs = []
    for _ in range(100):
        began = time.perf_counter()
        bus.memory.find(pattern=f"{key_of(dice.randrange(MILLION))}*", limit=20)
        globs.append((time.perf_counter() - began) * 1e3)
    yield Result(
        "a glob with a literal prefix over 1,000,000 entries",
        statistics.median(globs),
        2,
        at_least=False,
        unit="ms",
        note="an index range; a scan of the keys would take hundreds",
    )


VERBS = [
    "checks",
    "reads",
    "writes",
    "drops",
    "parses",
    "signs",
    "caches",
    "retries",
    "counts",
    "renders",
    "merges",
    "splits",
    "locks",
    "wakes",
    "sends",
]
NOUNS = [
    "token",
    "header",
    "invoice",
    "basket",
    "price",
    "session",
    "cursor",
    "index",
    "queue",
    "worker",
    "lease",
    "schema",
    "branch",
    "socket",
    "buffer",
]
PLACES = ["api", "web", "jobs", "billing", "search", "mail", "auth", "admin", "tools", "docs"]
RARE = [f"{a}{b}" for a in ("mend", "trim", "weigh", "fold", "carve", "bind") for b in range(2000)]


def word(dice: random.Random) -> str:
    """A word as people search for it: mostly common ones, now and then a rare one."""
    return dice.choice(dice.choices((VERBS, NOUNS, PLACES, RARE), weights=(3, 4, 2, 2))[0])


def key_of(number: int) -> str:
    return f"{PLACES[number % 10]}/{NOUNS[number // 10 % 15]}_{number}"


def _with_entries(home: str, entries: int) -> Any:
    """A bus with so many memory entries of twelve to forty words."""
    fill(home, 100, per_project=1000)
    dice = random.Random(3)
    bus = hallway.connect(home, project=PROJECT)
    for first in range(0, entries, 10_000):
        with bus.transaction():  # type: ignore[attr-defined]
            for number in range(first, min(first + 10_000, entries)):
                text = " ".join(word(dice) for _ in range(dice.randint(12, 40)))
                bus.memory.set(
                    f"s{number % 100}", key_of(number), {"finding": text, "line": number}, "fact", tags=["found"]
                )
    return bus
