"""What requests cost the hub, against an empty POST on the path of November 2026 (`baseline_hub.py`).

Rates are on keep-alive connections that ask again at once. Where the machine has other work, the processor time of the
hub's process for each request says more than a rate.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hallway
from bench.tools import HubProcess, Load, Result, fill, folder, load

os.environ["HALLWAY_MESSAGE_BURST"] = "0"  # the benchmarks are the loop that the limit breaks
ROUNDS = 5
P99_MS = 12
CASES: dict[str, tuple[str, dict[str, Any], float]] = {  # the load's script, its settings, and the least ratio
    "heartbeat": ("heartbeat.lua", {}, 0.6),
    "empty inbox": ("read.lua", {"READ_PATH": "/sessions/{s}/inbox"}, 0.7),
    "inbox of ten": ("read.lua", {"READ_PATH": "/sessions/{s}/inbox", "SESSIONS": 100}, 0.45),
    "send": ("send.lua", {}, 0.45),
    "memory set": ("remember.lua", {}, 0.4),
    "attention": ("read.lua", {"READ_PATH": "/attention?project={p}"}, 0.35),
    "claims": ("read.lua", {"READ_PATH": "/claims?project={p}"}, 0.35),
}


def all_results() -> Iterator[Result]:
    with ExitStack() as stack:
        hubs = {}
        for name in CASES:
            home = stack.enter_context(folder())
            fill(home, 1000)
            if name == "inbox of ten":
                send_ten(home)
            hubs[name] = stack.enter_context(HubProcess(home))
        baseline = stack.enter_context(HubProcess(stack.enter_context(folder()), script="baseline_hub.py"))
        costs = {name: Costs(hub, *CASES[name][:2]) for name, hub in hubs.items()}
        empty = Costs(baseline, "empty.lua", {})
        for _ in range(ROUNDS):
            for each in (empty, *costs.values()):
                each.measure()
    yield from rows(empty, costs)


def send_ten(home: str) -> None:
    """Leave ten unread messages for each of a hundred sessions."""
    with hallway.connect(home) as bus, bus.transaction():  # type: ignore[attr-defined]
        for session in range(100):
            for number in range(10):
                bus.messages.send(
                    f"s{500 + session}", f"s{session}", subject="what I found", body=f"finding {number} in api/auth.py"
                )


class Costs:
    """What one kind of request cost a hub in each round."""

    def __init__(self, hub: HubProcess, script: str, settings: dict[str, Any]) -> None:
        self._hub, self._script, self._settings = hub, script, settings
        self._at_16: list[Load] = []
        self._at_64: list[Load] = []
        self._processor_us: list[float] = []

    def measure(self) -> None:
        before = processor_s(self._hub)
        self._at_16.append(load(self._hub, self._script, 16, **self._settings))
        self._processor_us.append((processor_s(self._hub) - before) * 1e6 / self._at_16[-1].requests)
        self._at_64.append(load(self._hub, self._script, 64, **self._settings))

    @property
    def rate(self) -> float:
        return statistics.median(each.rate for each in self._at_16)

    @property
    def p99_ms(self) -> float:
        return statistics.median(each.p99_ms for each in self._at_64)

    @property
    def processor_us(self) -> float:
        return statistics.median(self._processor_us)


def processor_s(hub: HubProcess) -> float:
    """Return the processor time that a hub's threads have had."""
    threads = Path(f"/proc/{hub.process.pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


def rows(empty: Costs, costs: dict[str, Costs]) -> Iterator[Result]:
    for name, each in costs.items():
        share = empty.processor_us / each.processor_us
        yield Result(
            f"{name}, 16 connections, rate against the empty POST of November 2026",
            each.rate / empty.rate,
            CASES[name][2],
            at_least=True,
            note=f"{each.rate:,.0f} against {empty.rate:,.0f} a second; processor time {each.processor_us:.0f} against"
            f" {empty.processor_us:.0f} µs, {share:.2f} ×",
        )
        yield Result(
            f"{name}, 64 connections, 99th percentile",
            each.p99_ms,
            P99_MS,
            at_least=False,
            unit="ms",
            note=f"of the empty POST: {empty.p99_ms:.1f} ms",
        )
