"""What goes wrong around a hub: it is killed, frozen, or its disk fills up. What it has answered is on the bus."""

from __future__ import annotations

import http.client
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hub.client import Client
from hub.process import HubProcess
from support import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Load:
    """Clients that write without pause, and remember what they were told is done."""

    def __init__(self, hub: HubProcess, name: str, clients: int = 8) -> None:
        self.acknowledged: dict[str, int] = {}
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(clients)
        self._running = [self._threads.submit(self._write, hub.port, f"{name}-{n}") for n in range(clients)]

    def _write(self, port: int, session_id: str) -> None:
        """Write until told to stop, or the hub is gone."""
        with Client(port) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                try:
                    answer = client.post(f"/sessions/{session_id}/status", {"n": number})
                    if answer.status == 404:
                        client.post(f"/sessions/{session_id}/heartbeat")
                    elif answer.status == 200:
                        self.acknowledged[session_id] = number
                except (OSError, http.client.HTTPException):
                    return

    def end(self) -> dict[str, int]:
        self._stop.set()
        for each in self._running:
            each.result(20)
        self._threads.shutdown()
        return self.acknowledged


def assert_kept(home: Path, acknowledged: dict[str, int]) -> None:
    """All that was acknowledged is there; what was on its way may be, too."""
    with hallway.connect(home) as bus:
        for session_id, number in acknowledged.items():
            assert bus.sessions.get(session_id).status_detail["n"] in (number, number + 1)
        events: list[Any] = []
        while page := bus.events.read(events[-1].seq if events else 0, limit=1000):
            events += page
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [row[0] for row in bus.store._connection.execute("PRAGMA integrity_check")] == ["ok"]


def test_what_a_killed_hub_had_acknowledged_is_there(tmp_path: Path) -> None:
    home, port, acknowledged = tmp_path / "hallway", 0, {}
    for round_ in range(3):
        with HubProcess(home, port=port) as hub:
            port = hub.port
            with Client(port) as client:
                assert client.get("/health").status == 200
            load = Load(hub, f"load-{round_}")
            until(lambda: sum(load.acknowledged.values()) > 300)  # noqa: B023 (it is asked at once)
            hub.kill()
            acknowledged |= load.end()
        assert len(acknowledged) == 8 * (round_ + 1)
        assert_kept(home, acknowledged)


def test_a_hub_that_was_frozen_goes_on_and_answers_what_came_meanwhile(tmp_path: Path) -> None:
    with HubProcess(tmp_path / "hallway") as hub, Client(hub.port) as client, ThreadPoolExecutor(8) as threads:
        client.register("alice")
        hub.signal(signal.SIGSTOP)
        until(lambda: "T (stopped)" in hub.state())

        def beat(number: int) -> int:
            with Client(hub.port) as own:
                return own.post(f"/sessions/frozen-{number}/heartbeat").status

        beats = [threads.submit(beat, number) for number in range(8)]
        with hallway.connect(hub.bus_file) as bus:  # nobody waits for a frozen hub but who asks it
            bus.sessions.register("local", "bob's agent", "codex")
            assert not any(each.done() for each in beats)
            hub.signal(signal.SIGCONT)
            assert [each.result(20) for each in beats] == [200] * 8
            assert client.get("/sessions/local").status == 200
            assert bus.sessions.get_stats().live == 10


@pytest.mark.slow
@pytest.mark.promise("S13")
def test_a_hub_that_was_frozen_for_longer_than_a_time_to_live_expires_nobody(tmp_path: Path) -> None:
    ttl_s = 20
    with HubProcess(tmp_path / "hallway") as hub, Client(hub.port) as client:
        client.register("alice", ttl_s=ttl_s)
        client.register("bob", ttl_s=ttl_s)
        hub.signal(signal.SIGSTOP)
        until(lambda: "T (stopped)" in hub.state())
        frozen_at = time.monotonic()
        until(lambda: time.monotonic() > frozen_at + ttl_s + 1, ttl_s + 30)
        hub.signal(signal.SIGCONT)
        client.post("/sessions/alice/heartbeat")  # the first to reach the hub again
        assert client.post("/sessions/bob/heartbeat").status == 200
        kinds = {event["kind"] for event in client.get("/events?after=0").json}
        assert "session.expired" not in kinds


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 4 MiB of room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_is_over_once_there_is_room(small_disk: Path) -> None:
    home = small_disk / "hallway"
    with HubProcess(home) as hub, Client(hub.port) as client:
        client.register("alice")
        (small_disk / "ballast").write_bytes(b"x" * 3_000_000)
        kept = []
        refused = None
        for number in range(1000):
            answer = client.post(f"/sessions/s{number}/heartbeat", {"project": "x" * 1000})
            if answer.status != 200:
                refused = answer
                break
            kept.append(f"s{number}")
        assert refused is not None
        assert (refused.status, refused.error["code"]) == (507, "disk_full")
        assert "HALLWAY_HOME" in refused.error["hint"]
        assert kept
        for path in ("/sessions", "/events", "/stats", "/sessions/alice"):
            assert client.get(path).status == 200
        load = Load(hub, "load", clients=4)
        (small_disk / "ballast").unlink()
        until(lambda: sum(load.acknowledged.values()) > 8)
        load.end()
        assert client.post("/sessions/after/heartbeat").status == 200
        assert client.get("/health").status == 200
        listed = {each["session_id"] for each in client.get("/sessions?limit=1000").json}
        assert {*kept, "alice", "after"} <= listed
        assert hub.stop() == 0
    assert_kept(home, load.acknowledged)
