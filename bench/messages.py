"""What messages cost: sends and inboxes through the hub and in process, wake-ups, broadcasts, open polls."""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import hallway
from bench.tools import HubProcess, Result, against_heartbeats, fill, folder, interleaved, load, loads
from hallway.hub.serve import allow_many_files

os.environ["HALLWAY_MESSAGE_BURST"] = "0"  # the benchmarks are the loop that the limit breaks
PROJECT = "github.com/acme/p0"
POLLS = 10_000


def all_results() -> Iterator[Result]:
    yield against_heartbeats("send", "send.lua")
    yield from waiting()
    yield from growth()
    yield from broadcasts()
    yield from open_polls()


RECEIVER = """
import sys, time, hallway
with hallway.connect(sys.argv[1]) as bus:
    print("ready", flush=True)
    while True:
        for message in bus.messages.inbox("s1", 20):
            came = time.time_ns()
            bus.messages.acknowledge("s1", [message.message_id])
            print(came, flush=True)
"""


def waiting() -> Iterator[Result]:
    """From the call of send to the return of a waiting inbox in another process."""
    with folder() as home:
        fill(home, 10)
        yield _latency("send to a waiting inbox in another process, local file", home, home)
        with HubProcess(home) as hub:
            yield _latency("the same through the hub", hub.url, hub.url)


def _latency(name: str, sender: str, receiver: str) -> Result:
    process = subprocess.Popen([sys.executable, "-c", RECEIVER, receiver], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    taken = []
    with hallway.connect(sender) as bus:
        for number in range(200):
            time.sleep(0.005)  # it acknowledges the last one and waits again
            began = time.time_ns()
            bus.messages.send("s0", "s1", subject="question", body=f"{name} {number}")
            taken.append((int(process.stdout.readline()) - began) / 1e6)
    process.kill()
    process.wait()
    note = f"95th percentile {sorted(taken)[189]:.2f} ms"
    return Result(name, statistics.median(taken), 5, at_least=False, unit="ms", note=note)


def growth() -> Iterator[Result]:
    """An inbox with ten unread, and an acknowledgement, with 1,000 and with 1,000,000 messages on the bus."""
    with folder() as few, folder() as many:
        buses = {"few": _with_messages(few, 1000), "many": _with_messages(many, 1_000_000)}
        fetch: dict[str, Callable[[], Any]] = {
            name: partial(bus.messages.inbox, "reader", limit=10) for name, bus in buses.items()
        }
        seconds = interleaved(fetch, rounds=200, calls=5)
        acknowledged = interleaved({name: _acknowledger(bus) for name, bus in buses.items()}, rounds=300)
        for bus in buses.values():
            bus.close()
    note = f"{seconds['many'] * 1e6:.0f} against {seconds['few'] * 1e6:.0f} µs"
    yield Result(
        "an inbox of ten with 1,000,000 messages on the bus against 1,000",
        seconds["many"] / seconds["few"],
        1.5,
        at_least=False,
        note=note,
    )
    note = f"{acknowledged['many'] * 1e6:.0f} against {acknowledged['few'] * 1e6:.0f} µs, the sync included"
    yield Result(
        "an acknowledgement, likewise", acknowledged["many"] / acknowledged["few"], 1.5, at_least=False, note=note
    )


def _with_messages(home: str, messages: int) -> Any:
    """A bus with so many messages between 1,000 sessions, and a reader with 310 unread."""
    fill(home, 1000, per_project=1000)
    bus = hallway.connect(home, project=PROJECT)
    bus.sessions.register("reader", "the reader", "codex")
    for first in range(0, messages, 10_000):
        with bus.transaction():  # type: ignore[attr-defined]
            for number in range(first, min(first + 10_000, messages)):
                bus.messages.send(f"s{number % 1000}", f"s{number * 7 % 1000}", subject="noise", body=f"line {number}")
    with bus.transaction():  # type: ignore[attr-defined]
        for number in range(310):
            bus.messages.send(f"s{number}", "reader", subject="for you", body=f"line {number}")
    return bus


def _acknowledger(bus: Any) -> Callable[[], Any]:
    unread = iter(bus.messages.inbox("reader", limit=310))
    return lambda: bus.messages.acknowledge("reader", [next(unread).message_id])


def broadcasts() -> Iterator[Result]:
    """One broadcast to 10,000 sessions against one direct send."""
    with folder() as home:
        fill(home, 10_000, per_project=10_000)
        numbers = itertools.count()
        with hallway.connect(home) as bus:
            seconds = interleaved(
                {
                    "send": lambda: bus.messages.send("s0", "s1", subject="a word", body=f"{next(numbers)}"),
                    "broadcast": lambda: bus.messages.broadcast("s0", "news", f"{next(numbers)}"),
                },
                rounds=15,
            )
    note = f"{seconds['broadcast'] * 1e3:.0f} against {seconds['send'] * 1e3:.2f} ms"
    yield Result(
        "a broadcast to 10,000 sessions against a direct send",
        seconds["broadcast"] / seconds["send"],
        200,
        at_least=False,
        note=note,
    )


def open_polls() -> Iterator[Result]:
    """Heartbeats of a hub with 10,000 open long polls, and of one without."""
    with folder() as home, folder() as other:
        fill(home, POLLS)
        fill(other, POLLS)
        with HubProcess(home) as busy, HubProcess(other) as quiet:
            holder = subprocess.Popen(
                [sys.executable, "-m", "bench.messages", str(busy.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert holder.stdout is not None
            assert holder.stdin is not None
            holder.stdout.readline()
            _, p99 = loads(
                {
                    "quiet": lambda: load(quiet, "heartbeat.lua", 16),
                    "busy": lambda: load(busy, "heartbeat.lua", 16),
                }
            )
            memory = busy.memory_mb
            holder.stdin.close()
            holder.wait()
    yield Result("hub memory with 10,000 long polls open", memory, 500, at_least=False, unit="MB")
    yield Result(
        "a heartbeat's 99th percentile beside them against without",
        p99["busy"] / p99["quiet"],
        3,
        at_least=False,
        note=f"{p99['busy']:.1f} against {p99['quiet']:.1f} ms",
    )


async def hold_polls(port: int) -> None:
    """Open the long polls, say so, and hold them until the standard input closes."""
    streams = []
    for number in range(POLLS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /sessions/s{number}/inbox?wait_s=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        streams.append((reader, writer))
        if number % 100 == 0:
            await writer.drain()
    await asyncio.sleep(2)  # the last of them reach the hub
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    allow_many_files()
    asyncio.run(hold_polls(int(sys.argv[1])))
