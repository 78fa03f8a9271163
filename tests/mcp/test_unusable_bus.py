"""A bus that cannot be used ends no server: each call says what is wrong, and works once the bus does (A1)."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

import hallway
from hub.process import HubProcess
from mcp_server import MODERN, Server
from support import live_ids, until

pytestmark = pytest.mark.promise("A1")

WAYS_TO_SUBSCRIBE = ("subscribe", "listen")
QUICK_S = 4.0  # what a busy machine may take where nothing is waited for


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(folder: Path, **environ: str) -> Server:
        servers.append(Server(folder, HALLWAY_SESSION="s1", **environ))
        servers[-1].initialize()
        return servers[-1]

    yield serve
    for server in servers:
        server.kill()


def break_as_garbage(folder: Path) -> None:
    (folder / "bus.db").write_text("This is no database. " * 1000)


def break_as_newer(folder: Path) -> None:
    with hallway.connect(folder):
        pass
    connection = apsw.Connection(str(folder / "bus.db"))
    connection.execute("PRAGMA user_version = 9999")
    connection.close()


def break_as_folder(folder: Path) -> None:
    (folder / "bus.db").mkdir()
    (folder / "bus.db" / "file").touch()


BROKEN = {"garbage": break_as_garbage, "newer": break_as_newer, "a folder": break_as_folder}


def subscribe(server: Server, way: str) -> None:
    """Have the client ask to be told of changes, as clients do that see resources."""
    if way == "subscribe":
        server.answer_to("resources/subscribe", uri="hallway://sessions")
    else:
        server.send("subscriptions/listen", notifications={"resourcesListChanged": True}, _meta=MODERN)
        server.receive()


@pytest.mark.parametrize("way", WAYS_TO_SUBSCRIBE)
@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_a_server_outlives_a_bus_that_cannot_be_opened_and_heals_with_it(
    tmp_path: Path, serve: Callable[..., Server], break_it: Callable[[Path], None], way: str
) -> None:
    folder = tmp_path / "hallway"
    folder.mkdir()
    break_it(folder)
    server = serve(folder)
    subscribe(server, way)
    for _ in range(2):
        told = server.call("sessions")
        assert told["code"] in ("not_a_bus", "bus_is_newer", "not_writable", "storage_error")
        assert told["hint"]
    assert server.ask("tools/list", _meta=MODERN)["tools"]
    time.sleep(0.5)  # past the moment at which it says that its session is alive
    assert server.process.poll() is None
    shutil.rmtree(folder)
    folder.mkdir()
    assert "sessions" in server.call("sessions")
    with hallway.connect(folder) as bus:
        until(lambda: "s1" in live_ids(bus))


@pytest.mark.parametrize("way", WAYS_TO_SUBSCRIBE)
def test_a_server_outlives_a_hub_that_is_not_there_and_finds_it_when_it_comes(
    tmp_path: Path, serve: Callable[..., Server], way: str
) -> None:
    with HubProcess(tmp_path / "hub") as hub:
        url, port = hub.url, hub.port
    server = serve(tmp_path / "hallway", HALLWAY_URL=url)
    subscribe(server, way)
    assert server.call("sessions")["code"] == "hub_unreachable"
    with HubProcess(tmp_path / "hub", port=port):
        until(lambda: "sessions" in server.call("sessions"), within_s=60)


def test_a_frozen_hub_holds_up_no_call_for_long_and_no_end(tmp_path: Path, serve: Callable[..., Server]) -> None:
    with HubProcess(tmp_path / "hub") as hub:
        server = serve(tmp_path / "hallway", HALLWAY_URL=hub.url)
        assert "sessions" in server.call("sessions")
        hub.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert server.call("sessions")["code"] == "hub_unreachable"
            assert time.monotonic() - began < 5 + QUICK_S
            began = time.monotonic()
            for _ in range(3):  # it is not asked again for a while
                assert server.call("sessions")["code"] == "hub_unreachable"
            assert server.ask("tools/list", _meta=MODERN)["tools"]
            assert server.close() == 0
            assert time.monotonic() - began < QUICK_S
        finally:
            hub.signal(signal.SIGCONT)


def test_a_hub_that_is_frozen_from_the_start_delays_a_client_by_less_than_a_second(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    with HubProcess(tmp_path / "hub") as hub:
        hub.signal(signal.SIGSTOP)
        try:
            server = serve(tmp_path / "hallway", HALLWAY_URL=hub.url)
            time.sleep(0.4)  # it says now that its session is alive
            began = time.monotonic()
            assert server.ask("tools/list", _meta=MODERN)["tools"]
            assert server.close() == 0
            assert time.monotonic() - began < 1 + QUICK_S
        finally:
            hub.signal(signal.SIGCONT)
