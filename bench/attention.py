"""What it costs to know what needs a person, on a bus with 1,000 sessions and 100,000 messages.

It is processor time, since the machines that this is measured on have other work to do.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import hallway
from bench.tools import Result, folder, interleaved
from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from hallway.local.workspace import NoWorkspace
from hallway.store.sqlite import SQLiteStore

SESSIONS, MESSAGES = 1000, 100_000
STATUSES = (  # of twenty sessions
    *[("working", None)] * 10,
    *[("idle", "interrupted")] * 6,
    ("idle", "done"),
    ("idle", "done"),
    ("waiting", "permission"),
    ("waiting", "question"),
)
AT_ONCE = 1000
ROUNDS = 41
PROCESSES = 21


def all_results() -> Iterator[Result]:
    with folder() as home:
        fill(f"{home}/bus.db")
        with hallway.connect(home) as bus:
            yield from looks(bus)
        yield from commands(home)


def fill(path: str) -> None:
    """Write a bus with messages of a day: one in a hundred is urgent, and one in twenty of these unread."""
    clock = FakeClock(time.time_ns() // 1000 - 24 * 3600 * SECOND)
    with LocalBus(SQLiteStore(path, clock=clock), NoWorkspace()) as bus:  # type: ignore[arg-type]
        with bus.transaction(is_durable=False):
            for number in range(SESSIONS):
                status, reason = STATUSES[number % len(STATUSES)]
                bus.sessions.register(
                    f"s{number}",
                    f"session {number}",
                    "codex",
                    project=f"github.com/acme/p{number % 20}",
                    ttl_s=24 * 3600,
                    status=status,
                    reason=reason,
                )
        for begin in range(0, MESSAGES, AT_ONCE):
            with bus.transaction(is_durable=False):
                for number in range(begin, begin + AT_ONCE):
                    _send(bus, number)
        clock.advance(24 * 3600 - 1)
        with bus.transaction(is_durable=False):
            for number in range(SESSIONS):
                bus.sessions.heartbeat(f"s{number}", limit=1)


def _send(bus: LocalBus, number: int) -> None:
    is_request, is_urgent = number % 2000 == 0, number % 100 == 9
    to = "user:alice" if is_request else f"s{(number * 7 + 1) % SESSIONS}"
    kind, priority = "request" if is_request else "notification", "urgent" if is_urgent else "normal"
    sent = bus.messages.send(f"s{number % SESSIONS}", to, kind, f"message {number}", priority=priority)
    if not is_request and number % 2000 != 9:
        bus.messages.acknowledge(to, [sent.message_id])


def looks(bus: hallway.Bus) -> Iterator[Result]:
    """A look after a change, and one with nothing changed, against reading an inbox of nothing."""
    bus.attention.read()

    def after_a_change() -> None:
        bus.attention.last_look.snapshot = None
        bus.attention.read()

    taken = interleaved(
        {
            "change": after_a_change,
            "none": lambda: bus.attention.read(),
            "inbox": lambda: bus.messages.inbox("user:nobody"),
        },
        ROUNDS,
        clock=time.process_time,
    )
    total = bus.attention.read().total
    yield Result(
        "the list of 1,000 sessions and 100,000 messages after a change",
        taken["change"] * 1000,
        5,
        unit="ms",
        at_least=False,
        note=f"{total} items",
    )
    yield Result(
        "the same with nothing changed, against the inbox of nobody",
        taken["none"] / taken["inbox"],
        25,
        at_least=False,
        note=f"{taken['none'] * 1e6:,.0f} against {taken['inbox'] * 1e6:,.0f} µs",
    )


def of_children() -> float:
    """Return the processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commands(home: str) -> Iterator[Result]:
    """`hallway` alone against a bare interpreter, and against `hallway list` of as many."""
    environ = {**os.environ, "HALLWAY_HOME": home}

    def runs(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], env=environ, stdout=subprocess.DEVNULL, check=True)

    taken = interleaved(
        {"alone": runs("-m", "hallway"), "list": runs("-m", "hallway", "list"), "pass": runs("-c", "pass")},
        PROCESSES,
        clock=of_children,
    )
    note = f"{taken['alone'] * 1000:.0f} against {taken['pass'] * 1000:.0f} ms"
    yield Result("`hallway` alone", taken["alone"] * 1000, 120, unit="ms", at_least=False, note="")
    yield Result(
        "`hallway` alone against `python -c pass`", taken["alone"] / taken["pass"], 8, at_least=False, note=note
    )
    yield Result("`hallway` alone against `hallway list`", taken["alone"] / taken["list"], 2, at_least=False)
