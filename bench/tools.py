"""Clocks, hubs and load for the benchmarks."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import hallway
from hallway.core.principal import Principal

HERE = Path(__file__).parent


class Result:
    """One line of the table: what was measured, what the bar was, and whether it was reached."""

    def __init__(self, name: str, value: float, bar: float, *, at_least: bool, unit: str = "×", note: str = "") -> None:
        self.name, self.value, self.bar, self.unit, self.note = name, value, bar, unit, note
        self.at_least = at_least

    @property
    def is_reached(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def row(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "yes" if self.is_reached else "**no**"
        bar, value = f"{sign} {self.bar:g} {self.unit}", f"{self.value:.3g} {self.unit}"
        return f"| {self.name} | {bar} | {value} | {verdict} | {self.note} |"


def interleaved(
    functions: dict[str, Callable[[], Any]],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each function's call, measured in turns."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began = clock()
            for _ in range(calls):
                function()
            taken[name].append((clock() - began) / calls)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def run(*command: str, **environ: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environ})


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """A folder on a real disk, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hallway-bench-", dir=os.environ.get("HALLWAY_BENCH_DIR")) as path:
        yield path


def fill(home: str, sessions: int, per_project: int = 10, principal: Principal | None = None) -> None:
    """Register sessions that stay live for a day: s0, s1, … in projects p0, p1, … They are the principal's."""
    with hallway.connect(home, project="bench") as bus:
        bus.principal = principal
        for first in range(0, sessions, 5000):
            with bus.transaction():  # type: ignore[attr-defined]
                for number in range(first, min(first + 5000, sessions)):
                    bus.sessions.register(
                        f"s{number}",
                        "alice's agent",
                        "claude-code",
                        "alice",
                        ttl_s=86_400,
                        project=f"github.com/acme/p{number // per_project}",
                        current_task="mend the login form",
                    )


class HubProcess:
    """A hub in a process of its own, with an extra `POST /empty` as the baseline."""

    def __init__(
        self, home: str, *, sync_delay_ms: float = 0, store: str | None = None, script: str = "hub.py"
    ) -> None:
        self.home = home
        environ = {**os.environ, "HALLWAY_HOME": home}
        environ.pop("HALLWAY_URL", None)
        if store:
            environ["HALLWAY_URL"] = store
        if sync_delay_ms:
            environ |= {"LD_PRELOAD": slow_sync_library(home), "SYNC_DELAY_US": str(int(sync_delay_ms * 1000))}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script)], env=environ, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.request("GET", "/health")  # answered once its connections to the database are there

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory_mb(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found.group(1)) / 1024 if found else 0.0

    def request(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, body)
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def __enter__(self) -> HubProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.communicate()


class Load:
    """What wrk saw: requests, also a second, the 99th percentile in ms, and answers that were no success."""

    def __init__(self, text: str) -> None:
        self.requests = int(_found(r"(\d+) requests in", text))
        self.rate = float(_found(r"Requests/sec:\s+([\d.]+)", text))
        amount, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)[-1]
        self.p99_ms = float(amount) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
        errors = re.findall(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", text)
        if errors:
            raise RuntimeError(f"the load met errors:\n{text}")


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"wrk said:\n{text}")
    return found.group(1)


class Served(Protocol):
    """What answers HTTP at an address."""

    @property
    def url(self) -> str: ...


def load(hub: Served, script: str, connections: int, seconds: float = 2.0, **environ: object) -> Load:
    """Keep-alive connections in a closed loop, driven by wrk and one of the Lua scripts here."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("the benchmarks need wrk: apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(HERE / script), hub.url]
    told = {name: str(value) for name, value in environ.items()}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **told})
    return Load(done.stdout)


def loads(cases: dict[str, Callable[[], Load]], rounds: int = 5) -> tuple[dict[str, float], dict[str, float]]:
    """Each case's median rate and median 99th percentile, measured in turns."""
    seen: dict[str, list[Load]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            seen[name].append(case())
    return (
        {name: statistics.median(one.rate for one in each) for name, each in seen.items()},
        {name: statistics.median(one.p99_ms for one in each) for name, each in seen.items()},
    )


def against_heartbeats(name: str, script: str) -> Result:
    """The rate of a write on disk before the answer, 16 connections, against heartbeats of the same run."""
    with folder() as home, folder() as ten:
        fill(home, 1000, per_project=1000)
        fill(ten, 1000)
        with HubProcess(home) as hub, HubProcess(ten) as beats:
            rates, _ = loads(
                {
                    "heartbeat": lambda: load(beats, "heartbeat.lua", 16),
                    name: lambda: load(hub, script, 16),
                }
            )
    return Result(
        f"{name} through the hub, 16 connections, rate against a heartbeat",
        rates[name] / rates["heartbeat"],
        0.5,
        at_least=True,
        note=f"{rates[name]:,.0f} against {rates['heartbeat']:,.0f} a second",
    )


def slow_sync_library(home: str) -> str:
    """A library that, preloaded, makes every disk sync take longer; built here from slow_sync.c."""
    built = str(Path(home) / "slow_sync.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", built, str(HERE / "slow_sync.c"), "-ldl"], check=True)
    return built
