"""C1 through two hubs on one PostgreSQL, while a hub is killed or frozen and the database is restarted."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres
from faults.test_claim_races import judge
from hallway.bus import remote
from hallway.bus.remote import RemoteBus
from hallway.core import errors
from hub.process import HubProcess
from postgres import PostgresServer
from support import PATIENCE_S, Here, all_events, open_store, until
from workers import CLAIMED_GLOBS

CLAIMANTS = 6


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


class Claimants:
    """Sessions that claim, alone and by waiting, each in a thread with both hubs' addresses."""

    def __init__(self, urls: list[str]) -> None:
        self.granted = dict.fromkeys((f"s{number}" for number in range(CLAIMANTS)), 0)
        self._urls, self._stopped = urls, threading.Event()
        self._threads = [threading.Thread(target=self._claims, args=[name], daemon=True) for name in self.granted]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def goes_on(self) -> None:
        """Wait until every claimant has had more turns: nobody starves, and nothing hangs."""
        before = dict(self.granted)
        until(lambda: all(self.granted[name] >= before[name] + 2 for name in before), PATIENCE_S * 2)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE_S * 2)
            assert not thread.is_alive()

    def _claims(self, name: str) -> None:
        choice = random.Random(name)
        with RemoteBus(",".join(choice.sample(self._urls, 2)), Here()) as bus:
            while not self._stopped.is_set():
                try:
                    self._claim(bus, name, choice)
                except errors.ClaimRefused:
                    pass
                except errors.HallwayError:
                    time.sleep(0.05)  # a fault: what was asked for may have been done

    def _claim(self, bus: RemoteBus, name: str, choice: random.Random) -> None:
        for each in bus.claims.list_claims(session_id=name):  # what a fault has left
            bus.claims.release(name, each.claim_id)
        globs = choice.sample(CLAIMED_GLOBS, choice.choice((1, 1, 2)))
        if choice.random() < 0.7:
            claim = bus.claims.claim_when_free(name, globs, wait_s=20)
        else:
            claim = bus.claims.claim(name, globs)
        self.granted[name] += 1
        bus.claims.release(name, claim.claim_id)


@pytest.mark.slow
@pytest.mark.promise("C1")
def test_claims_through_two_hubs_while_hubs_and_database_fail(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FAILOVER_TIMEOUT_S", 2.0)
    database = postgres.new_bus(server.url)
    hubs = [HubProcess(tmp_path / name, "--store", database) for name in ("a", "b")]
    claimants = Claimants([hub.url for hub in hubs])
    try:
        with open_store(database) as bus:
            for name in claimants.granted:
                bus.sessions.register(name, name, "codex", ttl_s=86_400)
        claimants.start()
        claimants.goes_on()
        port = hubs[0].port
        hubs[0].kill()
        claimants.goes_on()
        hubs[0] = HubProcess(tmp_path / "a", "--store", database, port=port)
        hubs[1].signal(signal.SIGSTOP)
        claimants.goes_on()
        hubs[1].signal(signal.SIGCONT)
        server.stop("immediate")
        server.start()
        claimants.goes_on()
        claimants.stop()
        with open_store(database) as bus:
            for name in claimants.granted:
                bus.sessions.end(name)
            assert bus.claims.list_claims() == []
            counts = judge(all_events(bus))
        assert counts["claim.granted"] >= sum(claimants.granted.values())
        assert counts["claim.queued"] > 0
    finally:
        claimants._stopped.set()
        for hub in hubs:
            hub.kill()
        postgres.drop_bus(database)
