"""What rolling restarts lose: 200 sessions behind nginx, Caddy and HAProxy while two hubs on PostgreSQL are restarted.

The set-up is that of `make test-team`, with TLS 1.3. Each session has two clients at the same time: ours, and one that
keeps its connection open and repeats nothing. Each proxy needs some two minutes. The proxies are Debian's, `apt-get
install nginx caddy haproxy`; one that is not installed is left out.
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.postgres import server
from bench.tools import HERE, Result, folder
from hallway.bus.remote import RemoteBus
from hallway.core.errors import HallwayError

sys.path.insert(0, str(HERE.parent / "tests"))
import postgres  # the tests' own way to a server
from proxy import make_certificate
from real_proxies import PROXIES
from support import Here, open_store, until
from team.test_team import Team

SESSIONS = 200
ROUNDS = 6  # in each of them both hubs are restarted
STOP_WITHIN_S = 10  # the default of `hallway serve`
PAUSE_S = 1.2  # mean pause of a client between two requests: the machine's processors are the limit, not the hubs
BETWEEN = 500  # requests between a hub's return and the next restart
MAX_KINDS = 5  # kinds of errors that a note shows, the most frequent first
PATIENCE_S = 120.0


def all_results() -> Iterator[Result]:
    with server() as database, folder() as home:
        certificate = make_certificate(Path(home))
        os.environ["SSL_CERT_FILE"] = certificate[0]
        for proxy in PROXIES:
            store = postgres.new_bus(database.url)
            try:
                team = Team(Path(home), store, proxy, "1.3", certificate, STOP_WITHIN_S)
            except pytest.skip.Exception as missing:
                print(missing, file=sys.stderr)
                continue
            try:
                yield from restarts(team, store, proxy)
            finally:
                team.close()
                postgres.drop_bus(store)


def restarts(team: Team, store: str, proxy: str) -> Iterator[Result]:
    """The errors of both kinds of clients in 10,000 requests, and the messages that are not stored exactly once."""
    ours, others = Clients("ours", _our_client, team), Clients("another", _another_client, team)
    with RemoteBus(team.url, Here(), team.token) as bus:
        for clients in (ours, others):
            for number in range(SESSIONS):
                bus.sessions.register(clients.session(number), "agent", "codex", ttl_s=3600)
    with ours, others:
        for _ in range(ROUNDS):
            for number in (0, 1):
                before = ours.requests + others.requests
                until(partial(_have_asked, before + BETWEEN, ours, others), PATIENCE_S)
                team.restart(number)
                until(partial(_is_ready, team.ports[number]), PATIENCE_S)
    for clients, bar in ((ours, 0), (others, 1)):
        kinds = "; ".join(f"{count} × {kind}" for kind, count in clients.failed.most_common(MAX_KINDS))
        note = f"{clients.failed.total()} errors in {clients.requests:,} requests, {2 * ROUNDS} restarts"
        yield Result(
            f"{proxy}, {clients.name}: of 10,000 requests",
            clients.failed.total() / clients.requests * 10_000,
            bar,
            at_least=False,
            unit="errors",
            note=f"{note}: {kinds}" if kinds else note,
        )
    acknowledged = ours.acknowledged | others.acknowledged
    stored = _stored(store, [clients.session(number) for clients in (ours, others) for number in range(SESSIONS)])
    lost = sum(1 for subject in acknowledged if subject not in stored)
    doubled = sum(1 for count in stored.values() if count > 1)
    yield Result(
        f"{proxy}: answered with success, but not stored exactly once",
        lost + doubled,
        0,
        at_least=False,
        unit="messages",
        note=f"of {len(acknowledged):,}; {lost} lost, {doubled} stored twice",
    )


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _have_asked(requests: int, *clients: Clients) -> bool:
    return sum(each.requests for each in clients) >= requests


class Clients:
    """A client of one kind for each session, each in a thread of its own, and the results of their requests."""

    def __init__(self, name: str, connect: Callable[[Team], Any], team: Team) -> None:
        self.name = "our client" if name == "ours" else "another client"
        self.acknowledged: set[str] = set()
        self.failed: collections.Counter[str] = collections.Counter()
        self._prefix, self._connect, self._team = name, connect, team
        self._done = [0] * SESSIONS
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(SESSIONS)]

    @property
    def requests(self) -> int:
        return sum(self._done)

    def session(self, number: int) -> str:
        return f"{self._prefix}-{number % SESSIONS}"

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        """Send heartbeats and messages in turn, with pauses, until the run is over."""
        me, other, count = self.session(number), self.session(number + 1), 0
        with self._connect(self._team) as client:
            while not self._is_over.wait(random.uniform(0.2, 1.8) * PAUSE_S):
                count += 1
                subject = f"{me} {count}" if count % 2 else None
                try:
                    if subject:
                        client.send(me, other, subject)
                    else:
                        client.heartbeat(me)
                except (HallwayError, OSError, http.client.HTTPException) as error:
                    with self._lock:
                        self.failed[f"{type(error).__name__}: {error}"[:200]] += 1
                else:
                    if subject:
                        with self._lock:
                            self.acknowledged.add(subject)
                self._done[number] += 1


@contextlib.contextmanager
def _our_client(team: Team) -> Iterator[OurClient]:
    with RemoteBus(team.url, Here(), team.token) as bus:
        yield OurClient(bus)


class OurClient:
    """The library's client, which repeats what is safe to repeat."""

    def __init__(self, bus: RemoteBus) -> None:
        self._bus = bus

    def heartbeat(self, session: str) -> None:
        self._bus.sessions.heartbeat(session)

    def send(self, sender: str, receiver: str, subject: str) -> None:
        self._bus.messages.send(sender, receiver, subject=subject)


@contextlib.contextmanager
def _another_client(team: Team) -> Iterator[AnotherClient]:
    client = AnotherClient(team)
    try:
        yield client
    finally:
        client.close()


class AnotherClient:
    """A plain HTTP client: one connection that stays open, no second attempt and no idempotency key."""

    def __init__(self, team: Team) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", team.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {team.token}", "Content-Type": "application/json"}

    def heartbeat(self, session: str) -> None:
        self._ask(f"/sessions/{session}/heartbeat", {})

    def send(self, sender: str, receiver: str, subject: str) -> None:
        self._ask("/messages", {"from_session": sender, "to_session": receiver, "subject": subject})

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        try:
            self._connection.request("POST", path, json.dumps(body), self._headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request opens another
            raise
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status}: {text[:100]!r}")

    def close(self) -> None:
        self._connection.close()


def _stored(store: str, senders: list[str]) -> collections.Counter[str]:
    """How often each subject is stored."""
    subjects: collections.Counter[str] = collections.Counter()
    with open_store(store) as bus:
        for sender in senders:
            subjects.update(message.subject for message in bus.messages.sent(sender, limit=1000))
    return subjects
