"""What sessions and events cost: heartbeats through the hub and in process, commands, memory, wake-ups."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import apsw

import hallway
from bench.tools import HubProcess, Result, fill, folder, interleaved, load, loads, run

os.environ["HALLWAY_MESSAGE_BURST"] = "0"  # the benchmarks are the loop that the limit breaks
BIN = sys.executable


def all_results() -> Iterator[Result]:
    yield from hub_heartbeats()
    yield from slow_disk()
    yield from growth()
    yield from in_process()
    yield from commands()
    yield from wake_up()


def hub_heartbeats() -> Iterator[Result]:
    """Heartbeats on disk before the answer, against an empty POST on the same server."""
    with folder() as home:
        fill(home, 1000)
        with HubProcess(home) as hub:
            rates, p99 = loads(
                {
                    "empty": lambda: load(hub, "empty.lua", 16),
                    "heartbeat": lambda: load(hub, "heartbeat.lua", 16),
                }
            )
    note = f"{rates['heartbeat']:,.0f} against {rates['empty']:,.0f} a second"
    yield Result(
        "heartbeat through the hub, 16 connections, rate against an empty POST",
        rates["heartbeat"] / rates["empty"],
        0.35,
        at_least=True,
        note=note,
    )
    yield Result("its 99th percentile", p99["heartbeat"], 10, at_least=False, unit="ms")


def slow_disk() -> Iterator[Result]:
    """What group commit is for: a disk whose sync takes 3 ms longer. Heartbeats wait for no disk, but sends do."""
    with folder() as home:
        fill(home, 1000)
        with HubProcess(home, sync_delay_ms=3) as hub:
            rates, _ = loads(
                {
                    "one": lambda: load(hub, "send.lua", 1),
                    "many": lambda: load(hub, "send.lua", 64),
                }
            )
    note = f"{rates['many']:,.0f} against {rates['one']:,.0f} a second"
    yield Result(
        "sends with a sync 3 ms slower: 64 connections against one",
        rates["many"] / rates["one"],
        15,
        at_least=True,
        note=note,
    )


def growth() -> Iterator[Result]:
    """100 and 100,000 sessions on the bus; 10 and 10,000 in one project."""
    with folder() as few, folder() as many, folder() as crowd:
        fill(few, 100)
        fill(many, 100_000)
        fill(crowd, 10_000, per_project=10_000)
        with HubProcess(few) as a, HubProcess(many) as b, HubProcess(crowd) as c:
            rates, _ = loads(
                {
                    "few": lambda: load(a, "heartbeat.lua", 16, SESSIONS=100),
                    "many": lambda: load(b, "heartbeat.lua", 16, SESSIONS=100_000),
                }
            )
            memory = b.memory_mb
            # 50 peers are five times the bytes of 10 whoever answers, so the crowd is held against a project of 51.
            with folder() as room:
                fill(room, 51, per_project=51)
                with HubProcess(room) as d:
                    crowded, _ = loads(
                        {
                            "room": lambda: load(d, "heartbeat.lua", 16, SESSIONS=51, PER_PROJECT=51),
                            "crowd": lambda: load(c, "heartbeat.lua", 16, SESSIONS=10_000, PER_PROJECT=10_000),
                            "ten": lambda: load(a, "heartbeat.lua", 16, SESSIONS=100),
                        }
                    )
    yield Result(
        "a heartbeat with 100,000 sessions on the bus against 100", rates["few"] / rates["many"], 1.5, at_least=False
    )
    note = f"against the 9 of a project of 10, five times the bytes: {crowded['ten'] / crowded['crowd']:.2f} ×"
    yield Result(
        "the first 50 of 10,000 in one project against 50 of 51",
        crowded["room"] / crowded["crowd"],
        2,
        at_least=False,
        note=note,
    )
    yield Result("hub memory with 100,000 sessions", memory, 150, at_least=False, unit="MB")


def in_process() -> Iterator[Result]:
    """`bus.sessions.heartbeat` against the bare upsert and commit with the same settings."""
    with folder() as home, folder() as bare_home:
        fill(home, 1000)
        connection = apsw.Connection(f"{bare_home}/bare.db")
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
            "PRAGMA wal_autocheckpoint = 8000",
            """CREATE TABLE sessions (id INTEGER PRIMARY KEY, session_id TEXT UNIQUE, project TEXT, agent TEXT,
               task TEXT, last_seen INTEGER, expires_at INTEGER) STRICT""",
            "CREATE INDEX live ON sessions (project, last_seen)",
            "CREATE INDEX expiry ON sessions (expires_at)",
        ):
            connection.execute(statement).fetchall()
        ticks, numbers = itertools.count(), itertools.cycle(range(0, 1000, 7))
        upsert = """INSERT INTO sessions (session_id, project, agent, task, last_seen, expires_at)
                    VALUES (?1, ?2, 'alice''s agent', 'mend the login form', ?3, ?3 + 120000000)
                    ON CONFLICT (session_id)
                    DO UPDATE SET last_seen = excluded.last_seen, expires_at = excluded.expires_at"""

        def bare() -> None:
            number = next(numbers)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(upsert, (f"s{number}", f"github.com/acme/p{number // 10}", next(ticks)))
            connection.execute("COMMIT")

        with hallway.connect(home) as bus:
            seconds = interleaved(
                {"bare": bare, "heartbeat": lambda: bus.sessions.heartbeat(f"s{next(numbers)}")}, rounds=300, calls=10
            )
    note = f"{seconds['heartbeat'] * 1e6:.0f} against {seconds['bare'] * 1e6:.0f} µs; it also lists the 9 others"
    yield Result(
        "heartbeat in process against the bare upsert and commit",
        seconds["heartbeat"] / seconds["bare"],
        3,
        at_least=False,
        note=note,
    )


def commands() -> Iterator[Result]:
    """Whole processes against an empty interpreter."""
    with folder() as home:
        fill(home, 100)
        command = f"{sys.prefix}/bin/hallway"
        seconds = interleaved(
            {
                "pass": lambda: run(BIN, "-c", "pass"),
                "heartbeat": lambda: run(command, "heartbeat", "s1", HALLWAY_HOME=home),
                "list": lambda: run(command, "list", HALLWAY_HOME=home),
                "alone": lambda: run(command, HALLWAY_HOME=home),
            },
            rounds=40,
        )
    for name, typed, bar in (
        ("heartbeat", "hallway heartbeat", 2.5),
        ("list", "hallway list", 2.2),
        ("alone", "hallway", 2.2),
    ):
        note = f"{seconds[name] * 1000:.1f} against {seconds['pass'] * 1000:.1f} ms"
        yield Result(
            f"`{typed}` against `python -c pass`",
            seconds[name] / seconds["pass"],
            bar,
            at_least=False,
            note=note,
        )


FOLLOWER = """
import sys, time, hallway
with hallway.connect(sys.argv[1]) as bus:
    events = bus.events.follow(bus.events.last_seq(), timeout_s=30)
    print("ready", flush=True)
    for event in events:
        print(time.time_ns(), flush=True)
"""


def wake_up() -> Iterator[Result]:
    """From a commit in one process to the event in a follower in another."""
    with folder() as home:
        fill(home, 10)
        follower = subprocess.Popen([BIN, "-c", FOLLOWER, home], stdout=subprocess.PIPE, text=True)
        assert follower.stdout is not None
        follower.stdout.readline()
        time.sleep(0.3)  # it is in its wait, as a follower mostly is
        taken = []
        with hallway.connect(home) as bus:
            for number in range(200):
                began = time.time_ns()
                bus.sessions.update_status("s1", "working", f"step {number}")
                taken.append((int(follower.stdout.readline()) - began) / 1e6)
                time.sleep(0.002)
        follower.kill()
        follower.wait()
    note = f"the write and its sync included; 95th percentile {sorted(taken)[189]:.2f} ms"
    yield Result(
        "an event reaches a follower in another process",
        statistics.median(taken),
        5,
        at_least=False,
        unit="ms",
        note=note,
    )
