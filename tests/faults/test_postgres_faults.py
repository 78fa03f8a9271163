"""Hubs and their PostgreSQL stopped, killed, frozen, cut off, filled up, under load: nothing acknowledged is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from pyroute2 import IPRoute, NetNS, netns

import postgres
from faults.crowd import Crowd
from hallway.bus import remote
from hallway.core import errors
from hub.client import Client
from hub.process import HubProcess
from postgres import PostgresServer
from support import PATIENCE_S, Here, open_store, until

Start = Callable[..., HubProcess]
QUICK_S = 2.0  # how long clients of these tests wait for a hub before they ask the next
CONSTANTS = {
    f"hallway.{name}.FAILOVER_TIMEOUT_S": QUICK_S
    for name in ("bus.remote", "hub.workers.watchdog", "hub.workers.writer")
}
SETTINGS = {"HALLWAY_MEMORY_VERSIONS": "1000000", "HALLWAY_MESSAGE_BURST": "0"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this file's own, for it is stopped and started."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    url = postgres.new_bus(server.url)
    yield url
    postgres.drop_bus(url)


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[Start]:
    """Starts hubs of the test's own; what they logged must hold no error that nobody foresaw."""
    started: list[HubProcess] = []

    def start_hub(name: str, database: str, **options: object) -> HubProcess:
        settings = {"constants": CONSTANTS, **SETTINGS, **options}
        started.append(HubProcess(tmp_path / name, "--store", database, **settings))
        return started[-1]

    yield start_hub
    for hub in started:
        hub.__exit__(None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FAILOVER_TIMEOUT_S", QUICK_S)


@pytest.fixture
def hubs(start_hub: Start, database: str) -> list[HubProcess]:
    return [start_hub("a", database), start_hub("b", database)]


def health(hub: HubProcess) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE_S)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


# -- the database -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.promise("M1", "R1", "T1")
def test_postgres_is_stopped_and_started_under_load(
    server: PostgresServer, database: str, hubs: list[HubProcess]
) -> None:
    with Crowd([hub.url for hub in hubs], database) as crowd:
        for mode in ("immediate", "fast"):
            crowd.goes_on()
            if mode == "immediate":
                crowd.crashes.append(time.monotonic())
            server.stop(mode)
            until(lambda: health(hubs[0])[0] == 503)
            told = health(hubs[1])[1]["error"]
            assert told["code"] == "unavailable"
            assert told["is_ready"] is False
            assert "pg_isready" in told["hint"]
            server.start()
            until(lambda: health(hubs[0])[0] == health(hubs[1])[0] == 200)
        crowd.check()


END_ONE = """\
SELECT pg_terminate_backend(pid)
FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'hallway' ORDER BY random() LIMIT 1) AS one
"""


@pytest.mark.slow
@pytest.mark.promise("M1", "R1", "T1")
def test_the_hubs_connections_are_ended_one_by_one(
    server: PostgresServer, database: str, hubs: list[HubProcess]
) -> None:
    ended = 0
    with Crowd([hub.url for hub in hubs], database) as crowd, psycopg.connect(server.url, autocommit=True) as admin:
        crowd.goes_on()
        until_at = time.monotonic() + 5
        while time.monotonic() < until_at:
            ended += len(admin.execute(END_ONE).fetchall())
            time.sleep(0.1)
        assert ended > 10
        crowd.check()
        assert len(crowd.history.ops) > 100


COMMITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"  # that wait for a standby


@pytest.mark.promise("M1", "S5")
def test_while_no_commit_is_durable_a_send_waits_and_a_heartbeat_without_news_does_not(
    server: PostgresServer, database: str, start_hub: Start
) -> None:
    hub = start_hub("a", database)
    with (
        psycopg.connect(server.url, autocommit=True) as admin,
        ThreadPoolExecutor(1) as thread,
        Client(hub.port) as a,
        Client(hub.port) as b,
    ):
        a.register("alice", "bob")
        before = a.get("/sessions/alice").json["last_seen"]
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            said = {"from_session": "bob", "to_session": "alice", "subject": "hello"}
            sent = thread.submit(b.post, "/messages", said)
            until(lambda: admin.execute(COMMITS).fetchall())
            assert a.post("/sessions/alice/heartbeat", {}).status == 200
            assert a.get("/sessions/alice").json["last_seen"] > before
            assert not sent.done()
        finally:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        assert sent.result(PATIENCE_S).status == 200


# -- the hubs ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.promise("M1", "R1", "T1")
def test_a_hub_is_killed_under_load_and_comes_back(database: str, hubs: list[HubProcess], start_hub: Start) -> None:
    with Crowd([hub.url for hub in hubs], database) as crowd:
        for _ in range(2):
            crowd.goes_on()
            hubs[0].kill()
            crowd.goes_on()
            hubs[0] = start_hub("a", database, port=hubs[0].port)
        crowd.check()


def freeze(hub: HubProcess, crowd: Crowd, seconds: float) -> None:
    """Stop a hub's process, and go on with it after a while in which the other one has worked."""
    hub.signal(signal.SIGSTOP)
    ends = time.monotonic() + seconds
    try:
        crowd.goes_on()
        time.sleep(max(ends - time.monotonic(), 0))
    finally:
        hub.signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.promise("M1", "R1", "T1")
@pytest.mark.parametrize("seconds", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_a_hub_is_frozen_under_load_and_goes_on(database: str, hubs: list[HubProcess], seconds: int) -> None:
    with Crowd([hub.url for hub in hubs], database) as crowd:
        crowd.goes_on()
        freeze(hubs[0], crowd, seconds)
        until(lambda: health(hubs[0])[0] == 200)
        crowd.check()


def test_a_frozen_hub_does_not_do_late_what_was_said_again_elsewhere(database: str, hubs: list[HubProcess]) -> None:
    a, b = hubs
    with remote.RemoteBus(f"{a.url},{b.url}", Here()) as bus, open_store(database) as store:
        bus.sessions.register("alice", "agent", "codex")
        a.signal(signal.SIGSTOP)
        try:
            bus.sessions.update_status("alice", "working", "said to the frozen one first")
            assert [address.url for address in bus._addresses] == [b.url, a.url]
            bus.sessions.update_status("alice", "waiting", "said since")
        finally:
            a.signal(signal.SIGCONT)
        until(lambda: health(a)[0] == 200)
        assert store.sessions.get("alice").current_task == "said since"


@pytest.mark.slow
@pytest.mark.promise("S8")
def test_hubs_whose_clocks_are_an_hour_apart_agree(database: str, start_hub: Start) -> None:
    hubs = [start_hub("a", database, clock_ahead_s=3600), start_hub("b", database, clock_ahead_s=-3600)]
    with Crowd([hub.url for hub in hubs], database) as crowd:
        crowd.goes_on(50)
        crowd.check()
    with open_store(database) as bus:
        now = bus.store.now / 1e6
        assert all(abs(each.last_seen.timestamp() - now) < 120 for each in bus.sessions.list_sessions(True))
        times = [event.at for event in bus.events.read(limit=1000)]
        assert times == sorted(times)


# -- the network ------------------------------------------------------------------------------------------------------


class Host:
    """A host of its own as far as the network goes: a namespace, linked with this one by a cable that can be cut."""

    def __init__(self) -> None:
        self.name = f"rt{random.randrange(1 << 24):06x}"
        net = f"10.{random.randrange(64, 255)}.{random.randrange(255)}"
        self.here, self.there = f"{net}.1", f"{net}.2"
        netns.create(self.name)
        self._routes = IPRoute()
        peer = {"ifname": f"{self.name}b", "net_ns_fd": self.name}
        self._routes.link("add", ifname=f"{self.name}a", kind="veth", peer=peer)
        self._address(self._routes, f"{self.name}a", self.here)
        with NetNS(self.name) as inside:
            self._address(inside, f"{self.name}b", self.there)
            inside.link("set", index=inside.link_lookup(ifname="lo")[0], state="up")

    @staticmethod
    def _address(routes: IPRoute, link: str, address: str) -> None:
        index = routes.link_lookup(ifname=link)[0]
        routes.addr("add", index=index, address=address, prefixlen=24)
        routes.link("set", index=index, state="up")

    def _set(self, state: str) -> None:
        self._routes.link("set", index=self._routes.link_lookup(ifname=f"{self.name}a")[0], state=state)

    def cut(self) -> None:
        self._set("down")

    def restore(self) -> None:
        self._set("up")

    def close(self) -> None:
        self._routes.close()
        netns.remove(self.name)


@pytest.fixture
def host() -> Iterator[Host]:
    with ThreadPoolExecutor(1) as thread:  # a browser's tests leave an event loop running in this one
        host = thread.submit(Host).result()
        yield host
        thread.submit(host.close).result()


@pytest.mark.slow
@pytest.mark.promise("M1", "R1", "T1")
def test_the_link_of_a_hubs_host_is_cut_and_restored(host: Host, tmp_path: Path, start_hub: Start) -> None:
    server = PostgresServer(listen_addresses=f"127.0.0.1,{host.here}")
    with (server.data / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {host.there}/32 trust\n")
    subprocess.run(["kill", "-HUP", str(server.pid)], check=True)
    near = postgres.new_bus(server.url)
    far = near.replace("127.0.0.1", host.here)
    try:
        a = start_hub("a", near)
        b = start_hub("b", far, inside=host.name)
        with Crowd([a.url], near) as crowd:
            until(lambda: far_health(host, b) == 200)
            sent = []
            for number in range(2):
                far_call(host, b, "POST", "/sessions/far/heartbeat", {"project": Here.project})
                said = {"from_session": "far", "to_session": "boss", "subject": f"from afar {number}"}
                sent.append(far_call(host, b, "POST", "/messages", said)["message_id"])
                host.cut()
                until(lambda: far_health(host, b) == 503)
                crowd.goes_on()
                host.restore()
                until(lambda: far_health(host, b) == 200, within_s=60)
            crowd.check()
        with open_store(near) as bus:
            assert [m.message_id for m in bus.messages.inbox("boss", limit=1000) if m.from_session == "far"] == sent
    finally:
        for hub in (a, b):
            hub.kill()
        server.close()


CALL = """\
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=15)
connection.request(sys.argv[2], sys.argv[3], sys.argv[4] or None)
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""


def far_call(host: Host, hub: HubProcess, method: str, path: str, body: object = None) -> dict[str, object]:
    """Ask a hub on its own host."""
    said = json.dumps(body) if body is not None else ""
    within = ["nsenter", f"--net=/var/run/netns/{host.name}"]
    command = [*within, sys.executable, "-I", "-S", "-c", CALL, str(hub.port), method, path, said]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    status, answer = json.loads(done.stdout)
    return {"status_code": status, **answer}


def far_health(host: Host, hub: HubProcess) -> object:
    return far_call(host, hub, "GET", "/health")["status_code"]


# -- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 160 MB that everybody may get at: PostgreSQL is another user here."""
    disk = Path(tempfile.mkdtemp(prefix="hallway-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    disk.rmdir()


@pytest.mark.slow
@pytest.mark.promise("M1")
def test_the_databases_disk_is_full_and_then_is_not(small_disk: Path, start_hub: Start) -> None:
    folder = small_disk / "postgres"
    folder.mkdir()
    server = PostgresServer(folder, max_wal_size="32MB", min_wal_size="32MB")
    database = postgres.new_bus(server.url)
    hub = start_hub("a", database)
    ballast = small_disk / "ballast"
    with Crowd([hub.url], database) as crowd:
        crowd.goes_on()
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass  # no space is left
        with remote.RemoteBus(hub.url, Here()) as bus:
            refused = write_until_refused(bus)
        assert isinstance(refused, errors.DiskFull | errors.Unavailable)
        ballast.unlink()
        server.revive()
        crowd.check()
    hub.kill()
    server.close()


def write_until_refused(bus: remote.RemoteBus) -> errors.HallwayError:
    for number in range(100_000):
        try:
            bus.memory.set("boss", f"big-{number}", os.urandom(60_000).hex())
        except errors.HallwayError as error:
            return error
    raise AssertionError("the disk took everything")
