"""How a bus grows beyond one database: three databases, a hub for each, and HAProxy, which routes by project.

A transaction that writes holds its database's lock, so one database carries the same number of writes with any number
of hubs. Projects share nothing but their database, so several databases carry several times as much. Two processors
show that only where the database is not what they are busy with: its answers are therefore also delayed, as on a
network, and the processor time of each request is given for all processes. HAProxy: `apt-get install haproxy`.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path

import psycopg

from bench.postgres import CROWD
from bench.tools import HERE, HubProcess, Load, Result, fill, folder, load
from hallway.store.postgres.store import PostgresStore

sys.path.insert(0, str(HERE.parent / "tests"))
import postgres  # the tests' own way to a server
from support import until

PROJECTS, SESSIONS_EACH = 30, 10
CONNECTIONS = 48
ROUNDS = 5
DISTANCES_MS = (0.0, 0.5)  # of the database: on this machine, and in the same data centre
SETTINGS = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB", "max_connections": "100"}
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
SAMPLE_EVERY_S = 0.02
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin") or ""
CONFIG = """\
defaults
    mode http
    timeout connect 5s
    timeout client 90s
    timeout server 90s
frontend bus
    bind 127.0.0.1:{port}
    http-request set-var(txn.project) "req.hdr(Hallway-Here),regsub('^(.*&)?project=([^&]*).*','\\2'),url_dec"
    use_backend %[var(txn.project),map({folder}/projects.map,db0)]
    default_backend db0
"""


class Database(postgres.PostgresServer):  # type: ignore[misc]
    """A PostgreSQL that syncs every commit, and whose answers take as long as over a network."""

    def __init__(self, distance_ms: float, library: str) -> None:
        if distance_ms:
            self.environ = {"LD_PRELOAD": library, "NET_DELAY_US": str(int(distance_ms * 1000))}
        super().__init__(None, **SETTINGS)
        self.bus = postgres.new_bus(self.url)


class Router:
    """HAProxy with a directory: a line for each project, which names the database that has it."""

    def __init__(self, home: str, backends: dict[str, list[int]], directory: dict[str, str]) -> None:
        self.port = postgres.free_port()
        lines = [CONFIG.format(port=self.port, folder=home)]
        for name, ports in backends.items():
            servers = [f"    server hub{number} 127.0.0.1:{port}\n" for number, port in enumerate(ports)]
            lines.append(f"backend {name}\n    balance roundrobin\n{''.join(servers)}")
        (Path(home) / "projects.map").write_text("".join(f"{project} {name}\n" for project, name in directory.items()))
        (Path(home) / "haproxy.cfg").write_text("".join(lines))
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", f"{home}/haproxy.cfg"], stderr=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.wait()


class Setup:
    """Databases with their hubs behind one router, and what was measured there."""

    def __init__(self, stack: contextlib.ExitStack, databases: list[Database], hubs_each: int) -> None:
        self.databases = databases
        self.hubs: list[HubProcess] = []
        self.rates: list[float] = []
        self.waits: list[float] = []
        self.processor_us: list[tuple[float, float]] = []
        backends: dict[str, list[int]] = {}
        for number, database in enumerate(databases):
            made = [
                stack.enter_context(HubProcess(stack.enter_context(folder()), store=database.bus))
                for _ in range(hubs_each)
            ]
            self.hubs += made
            backends[f"db{number}"] = [hub.port for hub in made]
        self.directory = {project(number): f"db{number % len(databases)}" for number in range(PROJECTS)}
        self.router = stack.enter_context(Router(stack.enter_context(folder()), backends, self.directory))

    def measure(self) -> None:
        """Send for a while from all projects; note the rate, the lock's queue, and the processor time of each send."""
        before = self._processor_s()
        with LockSamples(self.databases) as samples:
            found: Load = load(self.router, "route.lua", CONNECTIONS, 3)
        after = self._processor_s()
        self.rates.append(found.rate)
        self.waits.append(samples.waiting)
        self.processor_us.append(tuple((b - a) * 1e6 / found.requests for a, b in zip(before, after, strict=True)))  # type: ignore[arg-type]

    def _processor_s(self) -> tuple[float, float]:
        return (
            sum(processor_s(hub.process.pid) for hub in self.hubs),
            sum(processor_s(each.pid) + sum(map(processor_s, children(each.pid))) for each in self.databases),
        )

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def note(self) -> str:
        hub, database = (statistics.median(each) for each in zip(*self.processor_us, strict=True))
        waiting = statistics.median(self.waits)
        spent = f"hub {hub:.0f} µs, database {database:.0f} µs a send"
        return f"{self.rate:,.0f} a second ({spent}; {waiting:.1f} batches wait)"


class LockSamples:
    """How many batches wait for a database's lock, looked at every 20 ms."""

    def __init__(self, databases: list[Database]) -> None:
        self._databases = databases
        self._is_over = threading.Event()
        self._seen: list[int] = []
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        with contextlib.ExitStack() as stack:
            admins = [stack.enter_context(psycopg.connect(each.url, autocommit=True)) for each in self._databases]
            while not self._is_over.wait(SAMPLE_EVERY_S):
                self._seen.append(sum(admin.execute(WAITING).fetchall()[0][0] for admin in admins))

    @property
    def waiting(self) -> float:
        return statistics.mean(self._seen) if self._seen else 0.0

    def __enter__(self) -> LockSamples:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        self._thread.join()


def project(number: int) -> str:
    return f"github.com/acme/p{number}"


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processor_s(pid: int) -> float:
    """Return the processor time that a process's threads have had; 0 if it has ended."""
    spent = 0.0
    for each in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            spent += int(each.read_text().split()[0]) / 1e9
    return spent


def all_results() -> Iterator[Result]:
    yield from full()
    if not HAPROXY:
        print("HAProxy is not installed here: apt-get install haproxy", file=sys.stderr)
        return
    library = slow_network_library()
    for distance_ms in DISTANCES_MS:
        yield from spread(distance_ms, library)


def slow_network_library() -> str:
    """A library that, preloaded, delays what PostgreSQL sends; built where its user can read it."""
    made = Path(tempfile.mkdtemp(prefix="hallway-bench-"))
    made.chmod(0o755)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", f"{made}/slow_network.so", str(HERE / "slow_network.c"), "-ldl"], check=True
    )
    return f"{made}/slow_network.so"


# -- several databases ------------------------------------------------------------------------------------------------


def spread(distance_ms: float, library: str) -> Iterator[Result]:
    """Sends of thirty projects: one database with one hub and with three, and three databases with a hub each."""
    where = f"a database {distance_ms:g} ms away" if distance_ms else "a database on this machine"
    with contextlib.ExitStack() as stack:
        databases = []
        for _ in range(4):
            databases.append(Database(distance_ms, library))
            stack.callback(databases[-1].close)
        for each in databases:
            fill(each.bus, PROJECTS * SESSIONS_EACH, SESSIONS_EACH)
        setups = {
            "one hub": Setup(stack, databases[:1], 1),
            "three hubs": Setup(stack, databases[:1], 3),
            "three databases": Setup(stack, databases[1:], 1),
        }
        for setup in setups.values():
            until(partial(answers, setup.router))
        for _ in range(ROUNDS):
            for setup in setups.values():
                setup.measure()
        strayed = sum(map(count_strayed, databases[1:], range(3)))
    one = setups["one hub"]
    for name, bar in (("three hubs", 1.3), ("three databases", 2.5)):
        found = setups[name]
        yield Result(
            f"sends, {where}: {name} against one hub on one database",
            found.rate / one.rate,
            bar,
            at_least=True,
            note=f"{found.note()} against {one.note()}",
        )
    yield Result(
        f"sends, {where}: messages in another database than their project's",
        strayed,
        0,
        at_least=False,
        unit="messages",
    )


def answers(router: Router) -> bool:
    """Return whether the router and the hub behind it are there."""
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def count_strayed(database: Database, number: int) -> int:
    """Count the messages of projects that the directory gives to another database; there must be messages."""
    with psycopg.connect(database.bus) as connection:
        found = connection.execute("SELECT project, count(*) FROM messages GROUP BY project").fetchall()
        counts: dict[str, int] = dict(found)
    own = {project(each) for each in range(number, PROJECTS, 3)}
    assert own & counts.keys()
    return sum(count for name, count in counts.items() if name not in own)


# -- one full database ------------------------------------------------------------------------------------------------

MILLION, INBOX = 1_000_000, "/sessions/{s}/inbox"
FULL = """\
{crowd};
ALTER TABLE messages DISABLE TRIGGER USER;
INSERT INTO messages (seq, message_id, thread_id, type, from_session, to_session, project, subject, body, priority,
                      sent_at, digest)
SELECT number, 'old-' || number, 'old-' || number, 'notification', 's' || number % 100000, 's' || (number + 1) % 100000,
       'github.com/acme/p' || number % 100000 / 10, 'what I found', 'finding ' || number || ' in api/auth.py', 'normal',
       now - number, number
FROM generate_series(1, {million}) AS number, (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now) AS moment;
ALTER TABLE messages ENABLE TRIGGER USER;
INSERT INTO deliveries (seq, recipient, injected_at, acknowledged_at)
SELECT seq, to_session, sent_at, sent_at FROM messages;
INSERT INTO message_totals SELECT project, type, count(*), 45 * count(*) FROM messages GROUP BY project, type;
INSERT INTO events (seq, at, kind, project, session_id, data)
SELECT {million} + seq, sent_at, 'message.sent', project, from_session, '{{"message_id":"' || message_id || '"}}'
FROM messages;
UPDATE counters SET last = 3 * {million};
"""


def full() -> Iterator[Result]:
    """What 100,000 live sessions, a million messages and a million events cost each request."""
    with contextlib.ExitStack() as stack:
        database = Database(0, "")
        stack.callback(database.close)
        buses = {"nearly empty": database.bus, "full": postgres.new_bus(database.url)}
        fill(buses["nearly empty"], PROJECTS * SESSIONS_EACH, SESSIONS_EACH)
        store = PostgresStore(buses["full"])
        store._execute(FULL.format(million=MILLION, crowd=CROWD))
        store._execute("VACUUM ANALYZE")
        size = store._connection.execute("SELECT pg_database_size(current_database())").fetchall()[0][0]
        store.close()
        hubs = {
            name: stack.enter_context(HubProcess(stack.enter_context(folder()), store=url))
            for name, url in buses.items()
        }
        cases: dict[str, Callable[[HubProcess, int], Load]] = {
            "send": lambda hub, _: load(hub, "route.lua", 16),  # of thirty projects in both
            "heartbeat": lambda hub, sessions: load(hub, "heartbeat.lua", 16, SESSIONS=sessions),
            "inbox": lambda hub, sessions: load(
                hub, "read.lua", 16, READ_PATH="/sessions/{s}/inbox", SESSIONS=sessions
            ),
        }
        spent: dict[tuple[str, str], list[float]] = {}
        rates: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for case, measure in cases.items():
                for name, hub in hubs.items():
                    before = total_s(hub, database)
                    found = measure(hub, 100_000 if name == "full" else PROJECTS * SESSIONS_EACH)
                    rates.setdefault((case, name), []).append(found.rate)
                    spent.setdefault((case, name), []).append((total_s(hub, database) - before) * 1e6 / found.requests)
    for case in cases:
        rate, time_us = ({name: statistics.median(each[case, name]) for name in buses} for each in (rates, spent))
        yield Result(
            f"{case}, 100,000 live sessions, 1,000,000 messages and events: processor time against a nearly empty bus",
            time_us["full"] / time_us["nearly empty"],
            1.5,
            at_least=False,
            note=f"hub and database {time_us['full']:.0f} against {time_us['nearly empty']:.0f} µs,"
            f" {rate['full']:,.0f} against {rate['nearly empty']:,.0f} a second; the full one: {size / 2**30:.1f} GB",
        )


def total_s(hub: HubProcess, database: Database) -> float:
    return processor_s(hub.process.pid) + processor_s(database.pid) + sum(map(processor_s, children(database.pid)))
