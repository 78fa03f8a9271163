"""What a bus in PostgreSQL costs: heartbeats through one hub and two, many sessions, messages between hubs, search.

Its server is the one that the tests use, with its files on a real disk and every commit synced. A machine that is
shared gives each of PostgreSQL's processes a share of its own; `steady` makes them as heavy as the hubs that they work
for, on both sides of every ratio.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

import hallway
from bench.memory import MILLION, PROJECT, key_of, word
from bench.tools import HERE, HubProcess, Load, Result, fill, folder, load, loads
from hallway.core.clock import new_id
from hallway.services.search import label_words
from hallway.store.migrate import newest_version
from hallway.store.postgres.fts import TsQueryWriter
from hallway.store.postgres.store import PostgresStore

sys.path.insert(0, str(HERE.parent / "tests"))
import postgres  # the tests' own way to a server

BEATS = 1_000_000


@contextlib.contextmanager
def server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL that syncs every commit to a real disk."""
    made = postgres.PostgresServer(fsync="on", shared_buffers="512MB", max_wal_size="4GB", max_connections="100")
    try:
        yield made
    finally:
        made.close()


def steady(*pids: int) -> None:
    """Give processes and their children more of the processor than other work on the machine, where that is allowed."""
    for pid in pids:
        found = Path(f"/proc/{pid}/task/{pid}/children")
        children = found.read_text().split() if found.exists() else []
        for each in (str(pid), *children):
            with contextlib.suppress(OSError):
                Path(f"/proc/{each}/autogroup").write_text("-15")


def all_results() -> Iterator[Result]:
    steady(os.getpid())
    with server() as database:
        yield from heartbeats(database)
        yield from between_hubs(database)
        yield from many_sessions(database)
        yield from search(database)


# -- heartbeats -------------------------------------------------------------------------------------------------------


def heartbeats(database: postgres.PostgresServer) -> Iterator[Result]:
    """Heartbeats of 1,000 sessions, against one durable transaction per request on psycopg's pool."""
    url = postgres.new_bus(database.url)
    fill(url, 1000)
    with (
        folder() as home,
        HubProcess(home, store=url) as hub,
        HubProcess(home, store=url) as other,
        HubProcess(home, store=url, script="pool_hub.py") as pool,
    ):
        both = [hub, other]
        steady(os.getpid(), database.pid, *(each.process.pid for each in (*both, pool)))
        rates, p99 = loads(
            {
                "one, 64": lambda: load(hub, "heartbeat.lua", 64),
                "pool, 64": lambda: load(pool, "heartbeat.lua", 64),
                "two, 64": lambda: together(both, 32),
                "one, 16": lambda: load(hub, "heartbeat.lua", 16),
                "pool, 16": lambda: load(pool, "heartbeat.lua", 16),
            }
        )
    postgres.drop_bus(url)
    for connections, bar in (("64", 3.0), ("16", 2.0)):
        one, of_pool = rates[f"one, {connections}"], rates[f"pool, {connections}"]
        yield Result(
            f"heartbeat through one hub, {connections} connections, against one transaction per request on a pool",
            one / of_pool,
            bar,
            at_least=True,
            note=f"{one:,.0f} against {of_pool:,.0f} a second",
        )
        if connections == "64":
            note = f"the pool's {p99['pool, 64']:.0f} ms"
            yield Result("its 99th percentile", p99["one, 64"], 15, at_least=False, unit="ms", note=note)
    note = f"{rates['two, 64']:,.0f} against {rates['one, 64']:,.0f} a second, 64 connections in all"
    yield Result("two hubs against one", rates["two, 64"] / rates["one, 64"], 1.3, at_least=True, note=note)


def together(hubs: list[HubProcess], connections: int) -> Load:
    """The sum of what several hubs do at the same time, and the worst of their percentiles."""
    with concurrent.futures.ThreadPoolExecutor(len(hubs)) as threads:
        found = list(threads.map(lambda hub: load(hub, "heartbeat.lua", connections), hubs))
    found[0].rate = sum(each.rate for each in found)
    found[0].p99_ms = max(each.p99_ms for each in found)
    return found[0]


CROWD = """\
INSERT INTO sessions (session_id, name, agent_name, agent_type, project, status, current_task, human_user,
                      started_at, last_seen, progress_at, ttl_s, expires_at, check_at)
SELECT 's' || number, 'login-' || number, 'alice''s agent', 'claude-code', 'github.com/acme/p' || number / 10, 'active',
       'mend the login form', 'alice', now, now, now, 86400, now + 86400000000, now + 86400000000
FROM generate_series(0, 99999) AS number, (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now) AS moment
"""


def many_sessions(database: postgres.PostgresServer) -> Iterator[Result]:
    """100,000 live sessions; and what a million heartbeats leave behind on the disk."""
    url = postgres.new_bus(database.url)
    store = PostgresStore(url)
    store._execute(CROWD)
    store._execute("VACUUM ANALYZE")
    with folder() as home, HubProcess(home, store=url) as hub:
        steady(os.getpid(), database.pid, hub.process.pid)
        _, p99 = loads({"many": lambda: load(hub, "heartbeat.lua", 64, SESSIONS=100_000)})
    yield Result(
        "heartbeat with 100,000 live sessions, 64 connections: 99th percentile",
        p99["many"],
        25,
        at_least=False,
        unit="ms",
    )
    yield beat_a_million(store)
    store.close()
    postgres.drop_bus(url)


def beat_a_million(store: PostgresStore) -> Result:
    """The table and its indexes before and after, while the server cleans up as it does by itself."""
    before = size_of(store)
    numbers = itertools.cycle(random.Random(5).sample(range(100_000), 100_000))
    most, nothing = before, [None] * 250
    for count in range(BEATS // 250):
        asked = dict.fromkeys(("statuses", "current_tasks", "branches", "projects", "ttls", "principals"), nothing)
        version = newest_version("postgres")
        store.rows(
            "heartbeats.many",
            now=None,
            version=version,
            limit=1,
            session_ids=[f"s{next(numbers)}" for _ in nothing],
            **asked,
        )
        if count % 100 == 0:
            most = max(most, size_of(store))
    note = f"{before / 2**20:.0f} MB before, {size_of(store) / 2**20:.0f} MB after, at most {most / 2**20:.0f} MB"
    return Result(
        "100,000 sessions' table and indexes after 1,000,000 heartbeats", most / before, 3, at_least=False, note=note
    )


def size_of(store: PostgresStore) -> int:
    rows = store._connection.execute("SELECT pg_total_relation_size('sessions')").fetchall()
    return int(rows[0][0])


# -- messages ---------------------------------------------------------------------------------------------------------


def between_hubs(database: postgres.PostgresServer) -> Iterator[Result]:
    """From a send at one hub to the end of a long poll at another."""
    url = postgres.new_bus(database.url)
    fill(url, 100)
    with folder() as home, HubProcess(home, store=url) as a, HubProcess(home, store=url) as b:
        steady(os.getpid(), database.pid, a.process.pid, b.process.pid)
        taken = sorted(_sent_and_polled(a, b) for _ in range(150))
    postgres.drop_bus(url)
    note = f"commit and sync included; 95th percentile {taken[142]:.1f} ms"
    yield Result(
        "send at one hub to the end of a long poll at another: median",
        statistics.median(taken),
        10,
        at_least=False,
        unit="ms",
        note=note,
    )


def _sent_and_polled(a: HubProcess, b: HubProcess) -> float:
    came_at = 0.0
    found: list[dict[str, Any]] = []

    def poll() -> None:
        nonlocal came_at
        connection = http.client.HTTPConnection("127.0.0.1", b.port)
        connection.request("GET", "/sessions/s2/inbox?wait_s=20")
        found.extend(json.loads(connection.getresponse().read()))
        came_at = time.perf_counter()
        connection.close()

    thread = threading.Thread(target=poll)
    thread.start()
    while b"hallway_waits 1.0" not in b.request("GET", "/metrics"):
        time.sleep(0.005)
    said = {"from_session": "s1", "to_session": "s2", "subject": f"news {time.time_ns()}"}
    began = time.perf_counter()
    a.request("POST", "/messages", json.dumps(said))
    thread.join()
    taken = [message["message_id"] for message in found]
    assert taken
    b.request("POST", "/sessions/s2/inbox/ack", json.dumps({"message_ids": taken}))
    return (came_at - began) * 1e3


# -- search -----------------------------------------------------------------------------------------------------------


def search(database: postgres.PostgresServer) -> Iterator[Result]:
    """Two words over a million entries of one project, as in bench/memory.py."""
    url = postgres.new_bus(database.url)
    remember(url, MILLION)
    dice, taken = random.Random(11), []
    steady(os.getpid(), database.pid)
    with hallway.connect(url, project=PROJECT) as bus:
        for _ in range(200):
            query = f"{word(dice)} {word(dice)}"
            began = time.perf_counter()
            bus.memory.find(query, limit=20)
            taken.append((time.perf_counter() - began) * 1e3)
    postgres.drop_bus(url)
    taken.sort()
    note = f"90th percentile {taken[180]:.0f} ms, slowest {taken[-1]:.0f} ms"
    yield Result(
        "two words over 1,000,000 entries, the first 20: median",
        statistics.median(taken),
        20,
        at_least=False,
        unit="ms",
        note=note,
    )


def remember(url: str, entries: int) -> None:
    """Entries as `memory.set` would leave them, copied in at once: a set for each would take an hour."""
    with hallway.connect(url, project=PROJECT):
        pass
    dice, words, now = random.Random(3), TsQueryWriter(), time.time_ns() // 1000
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE memory_entries DISABLE TRIGGER USER; DROP INDEX memory_words")
        columns = {
            "memory_keys": "id, project, key, last_version, entry, type",
            "memory_entries": "id, key_id, version, entry_id, type, session_id, created_at, size_bytes, tags, value",
            "memory_index": "id, words",
        }
        for first in range(1, entries + 1, 50_000):
            rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in columns}
            for id_ in range(first, min(first + 50_000, entries + 1)):
                text = " ".join(word(dice) for _ in range(dice.randint(12, 40)))
                value, key, author = json.dumps({"finding": text, "line": id_}), key_of(id_), f"s{id_ % 100}"
                labels = label_words(PROJECT, "fact", author, ["found"])
                rows["memory_keys"].append((id_, PROJECT, key, 1, id_, "fact"))
                rows["memory_entries"].append(
                    (id_, id_, 1, new_id(), "fact", author, now, len(value), '["found"]', value)
                )
                rows["memory_index"].append(
                    (id_, words.labelled_words(words.indexed(key, "found", value), labels)["words"])
                )
            for table, names in columns.items():
                with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                    for row in rows[table]:
                        copy.write_row(row)
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("CREATE INDEX memory_words ON memory_index USING gin (words)")
        connection.execute("ALTER TABLE memory_entries ENABLE TRIGGER USER; VACUUM ANALYZE".partition(";")[0])
        connection.execute("VACUUM ANALYZE")
