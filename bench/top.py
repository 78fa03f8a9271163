"""What a person waits for at `hallway top`, and what it costs while nothing happens: on a terminal of 80×24 cells."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Self

import hallway
from bench.tools import Result, fill, folder

SESSIONS = 100
MANY = 500
ROUNDS = 9
REST_S = 20.0
EVENTS = 40
BURST = 200
PROJECT = "github.com/acme/p0"
TOP = ["-m", "hallway", "top"]
EMPTY = [  # Python, Textual with the libraries it needs, and a program of one line
    "-c",
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class Empty(App):\n"
    "    def compose(self):\n"
    "        yield Static('sessions')\n"
    "Empty(ansi_color=True).run()\n",
]


class Screen:
    """A program on a terminal of its own, of which everything that it writes is read."""

    def __init__(self, home: str, arguments: list[str]) -> None:
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environ = {**os.environ, "HALLWAY_HOME": home, "TERM": "xterm-256color", "HALLWAY_USER": "alice"}
        environ.pop("HALLWAY_URL", None)
        self.began_s = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *arguments], env=environ, stdin=side, stdout=side, stderr=side, start_new_session=True
        )
        os.close(side)
        self._text = b""

    def until(self, text: str, within_s: float = 60.0) -> float:
        """Read until a text was written since the last call; return the time at which it was read."""
        deadline = time.perf_counter() + within_s
        while text.encode() not in self._text:
            assert time.perf_counter() < deadline, self._text[-2000:]
            self._read(0.5)
        now = time.perf_counter()
        self._text = b""
        return now

    def rest(self, seconds: float) -> None:
        """Read what is written for a time."""
        deadline = time.perf_counter() + seconds
        while (left_s := deadline - time.perf_counter()) > 0:
            self._read(left_s)
        self._text = b""

    def _read(self, within_s: float) -> None:
        if select.select([self._main], [], [], within_s)[0]:
            self._text += os.read(self._main, 65536)

    def cpu_s(self) -> float:
        """Return the processor time that the program has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._main)


def all_results() -> Iterator[Result]:
    with folder() as home, folder() as large:
        fill(home, SESSIONS)
        fill(large, MANY)
        yield first_paint(home)
        for place, sessions in ((home, SESSIONS), (large, MANY)):
            yield from life(place, sessions)


def first_paint(home: str) -> Result:
    """The processor time until the first rows, against that until an empty program's first line, in turns."""
    taken: dict[str, list[float]] = {"top": [], "empty": []}
    waited: dict[str, list[float]] = {"top": [], "empty": []}
    for _ in range(ROUNDS):
        for name, arguments, text in (("top", TOP, "3 Tasks"), ("empty", EMPTY, "sessions")):
            with Screen(home, arguments) as screen:
                waited[name].append(screen.until(text) - screen.began_s)
                taken[name].append(screen.cpu_s())
    top_ms, empty_ms, top_wait_ms, empty_wait_ms = (
        statistics.median(each[name]) * 1000 for each in (taken, waited) for name in ("top", "empty")
    )
    return Result(
        f"first paint with {SESSIONS} sessions, beyond an empty program's",
        top_ms - empty_ms,
        150,
        at_least=False,
        unit="ms",
        note=f"processor time, {top_ms:.0f} ms against {empty_ms:.0f} ms; on the clock {top_wait_ms:.0f} ms against"
        f" {empty_wait_ms:.0f} ms",
    )


def life(home: str, sessions: int) -> Iterator[Result]:
    """What one program costs at rest and in a burst of events, and how soon it shows an event."""
    with Screen(home, TOP) as screen, hallway.connect(home, project=PROJECT) as bus:
        screen.until("3 Tasks")
        screen.rest(3)
        began_s = screen.cpu_s()
        screen.rest(REST_S)
        yield Result(
            f"a core at rest with {sessions} sessions",
            (screen.cpu_s() - began_s) / REST_S * 100,
            2 if sessions == SESSIONS else 5,
            at_least=False,
            unit="%",
            note=f"processor time of {REST_S:g} s",
        )
        taken = []
        for number in range(EVENTS):
            bus.sessions.heartbeat("s0", status="waiting", reason="question", detail=f"Is it {number:04}?")
            written_s = time.perf_counter()
            taken.append((screen.until(f"Is it {number:04}?") - written_s) * 1000)
            screen.rest(0.4)
        slowest = statistics.quantiles(taken, n=20)[-1]
        yield Result(
            f"an event is on the screen after its commit, with {sessions} sessions",
            statistics.median(taken),
            200,
            at_least=False,
            unit="ms",
            note=f"95th percentile {slowest:.0f} ms",
        )
        yield burst(screen, bus, sessions)


def burst(screen: Screen, bus: hallway.Bus, sessions: int) -> Result:
    """Events come 100 a second: a reading rests four times as long as it takes, so the program takes part of a core."""
    began_s, at_s = screen.cpu_s(), time.perf_counter()
    for number in range(BURST):
        bus.sessions.heartbeat(f"s{number % 50}", current_task=f"step {number}")
        screen.rest(max(at_s + number / 100 - time.perf_counter(), 0))
    lasted_s = time.perf_counter() - at_s
    return Result(
        f"a core in a burst of 100 events a second, with {sessions} sessions",
        (screen.cpu_s() - began_s) / lasted_s * 100,
        50,
        at_least=False,
        unit="%",
        note=f"{BURST} events in {lasted_s:.1f} s",
    )
