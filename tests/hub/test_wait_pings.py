"""What waits at a hub stays live: followers and waits of a `RemoteBus`, long polls, streams and MCP (S12)."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from hallway.bus import keep_alive
from hallway.bus.local import LocalBus
from hallway.bus.remote import RemoteBus
from hallway.core.model import Event
from hub.client import Client
from hub.process import CHANGED, HubProcess, environment
from support import Here, kinds, open_store, until

if TYPE_CHECKING:
    pass

QUICK = {"hallway.hub.workers.wait_pings.PINGS_PER_TTL": 1200, "hallway.services.sessions.ACTS_EVERY_S": 0}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that records a waiting session of 120 seconds every 0.1 seconds."""
    with HubProcess(tmp_path_factory.mktemp("shared") / "hallway", constants=QUICK) as hub:
        yield hub


@pytest.fixture
def beside(hub: HubProcess) -> Iterator[LocalBus]:
    """The hub's bus, without the hub."""
    with open_store(str(hub.bus_file)) as bus:
        yield bus


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An id that no other test of this hub uses."""
    return f"s-{abs(hash(request.node.name))}"


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive, "PINGS_PER_TTL", 1200)
    monkeypatch.setattr(keep_alive, "RETRY_S", 0.1)


class Seen:
    """When a session was seen, as another process reads it."""

    def __init__(self, bus: LocalBus, name: str) -> None:
        self._bus, self._name = bus, name

    def moves(self) -> None:
        """Wait until it was seen again, and again."""
        for _ in range(3):
            before = self._bus.sessions.get(self._name).last_seen
            until(lambda: self._bus.sessions.get(self._name).last_seen > before)  # noqa: B023
        assert set(kinds(self._bus, self._name)) <= {"session.registered", "session.expired", "session.resumed"}

    def is_moving(self) -> bool:
        """Return whether it was seen again within the time of several pings."""
        before = self._bus.sessions.get(self._name).last_seen
        time.sleep(0.5)
        return self._bus.sessions.get(self._name).last_seen > before


@pytest.fixture
def seen(beside: LocalBus, name: str) -> Seen:
    beside.sessions.register(name, "agent", "codex")
    return Seen(beside, name)


# -- a program with hallway -------------------------------------------------------------------------------------------


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_a_program_that_only_follows_through_a_hub_stays_live(hub: HubProcess, seen: Seen, name: str) -> None:
    with RemoteBus(hub.url, Here()) as bus:
        bus.sessions.register(name, "agent", "codex")
        follower = bus.events.follow()
        seen.moves()
        follower.close()
        until(lambda: not seen.is_moving())


@pytest.mark.promise("S12")
def test_a_program_that_handles_an_inbox_through_a_hub_stays_live(hub: HubProcess, seen: Seen, name: str) -> None:
    with RemoteBus(hub.url, Here()) as bus:
        listener = bus.messages.register_handler("*", lambda message: None, name)
        seen.moves()
        listener.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_a_frozen_hub_delays_no_follower_and_hears_of_its_session_afterwards(
    start_hub: Callable[..., HubProcess],
) -> None:
    hub = start_hub()
    with open_store(str(hub.bus_file)) as beside, RemoteBus(hub.url, Here()) as bus:
        bus.sessions.register("alice", "agent", "codex")
        seen, follower = Seen(beside, "alice"), bus.events.follow(timeout_s=8)
        with ThreadPoolExecutor(1) as pool, Client(hub.port) as client:
            events = pool.submit(list[Event], follower)
            until(lambda: client.get("/health").json["streams"] == 1)
            seen.moves()
            hub.signal(signal.SIGSTOP)
            try:
                assert events.result(20) == []  # the time limit of the ping that gets no answer is 30 s
            finally:
                hub.signal(signal.SIGCONT)
        follower = bus.events.follow()
        seen.moves()
        follower.close()


@pytest.mark.promise("S12")
@pytest.mark.usefixtures("quick_pings")
def test_a_follower_keeps_its_session_live_through_a_restart_of_the_hub(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with open_store(str(hub.bus_file)) as beside, RemoteBus(hub.url, Here()) as bus:
        bus.sessions.register("alice", "agent", "codex")
        follower = bus.events.follow()
        Seen(beside, "alice").moves()
        hub.kill()
        assert not Seen(beside, "alice").is_moving()
        start_hub(port=hub.port)
        Seen(beside, "alice").moves()
        follower.close()


@pytest.mark.promise("S12")
@pytest.mark.parametrize("way", [["watch"], ["inbox", "me", "--wait", "60"]])
@pytest.mark.parametrize("is_remote", [False, True], ids=["file", "hub"])
def test_a_command_that_waits_keeps_its_session_live(
    hub: HubProcess, seen: Seen, name: str, way: list[str], is_remote: bool
) -> None:
    constants = json.dumps({"hallway.bus.keep_alive.PINGS_PER_TTL": 1200})
    environ = {**environment(hub.home), "HALLWAY_SESSION": name, **({"HALLWAY_URL": hub.url} if is_remote else {})}
    command = subprocess.Popen(
        [sys.executable, "-c", CHANGED, "0", constants, *way], env=environ, stdout=subprocess.DEVNULL
    )
    try:
        seen.moves()
        assert command.poll() is None
    finally:
        command.kill()
        command.wait()


# -- a program without hallway ----------------------------------------------------------------------------------------


def waiting(hub: HubProcess, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPConnection:
    """Send a request, and return its connection without waiting for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), named)
    return connection


INBOX = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "inbox", "arguments": {"wait_s": 30}},
}


@pytest.mark.promise("S12")
@pytest.mark.parametrize("way", ["long poll", "stream", "MCP inbox"])
def test_a_request_that_waits_keeps_its_session_live(hub: HubProcess, seen: Seen, name: str, way: str) -> None:
    if way == "long poll":
        connection = waiting(hub, "GET", f"/sessions/{name}/inbox?wait_s=30")
    elif way == "stream":
        connection = waiting(hub, "GET", "/events", Accept="text/event-stream", Hallway_Session=name)
    else:
        connection = waiting(hub, "POST", "/mcp", INBOX, Hallway_Session=name)
    seen.moves()
    connection.close()
    until(lambda: not seen.is_moving())  # once the hub has noticed


@pytest.mark.promise("S12")
def test_a_request_of_somebody_else_keeps_nobody_live(hub: HubProcess, seen: Seen, name: str) -> None:
    connections = [
        waiting(hub, "GET", f"/sessions/{name}/inbox?wait_s=30", Hallway_Session="carol"),
        waiting(hub, "GET", "/events", Accept="text/event-stream"),
    ]
    assert not seen.is_moving()
    for connection in connections:
        connection.close()


@pytest.mark.promise("S12")
def test_an_ended_session_stays_ended_whatever_waits_for_it(hub: HubProcess, seen: Seen, name: str) -> None:
    seen._bus.sessions.end(name, "logout")
    connections = [
        waiting(hub, "GET", f"/sessions/{name}/inbox?wait_s=30"),
        waiting(hub, "GET", "/events", Accept="text/event-stream", Hallway_Session=name),
    ]
    assert not seen.is_moving()
    assert seen._bus.sessions.get(name).end_reason == "logout"
    for connection in connections:
        connection.close()


@pytest.mark.promise("S12")
def test_only_the_token_that_registered_a_session_keeps_it_live_by_waiting(
    start_hub: Callable[..., HubProcess],
) -> None:
    hub = start_hub("--require-tokens", constants=QUICK)
    with open_store(str(hub.bus_file)) as beside:
        tokens = {
            each: beside.tokens.create(each, role=role).token
            for each, role in (("alice", "agent"), ("bob", "agent"), ("root", "admin"), ("eve", "observer"))
        }
        with Client(hub.port, token=tokens["alice"]) as client:
            client.post("/sessions", {"session_id": "s1", "agent_name": "a", "agent_type": "codex", "project": "p"})
        seen = Seen(beside, "s1")

        def streams(*names: str) -> list[http.client.HTTPConnection]:
            return [
                waiting(
                    hub,
                    "GET",
                    "/events",
                    Accept="text/event-stream",
                    Hallway_Session="s1",
                    Authorization=f"Bearer {tokens[each]}",
                )
                for each in names
            ]

        others = streams("bob", "root", "eve")
        others.append(waiting(hub, "GET", "/sessions/s1/inbox?wait_s=30", Authorization=f"Bearer {tokens['root']}"))
        assert not seen.is_moving()
        assert "access.administered" not in kinds(beside)
        own = streams("alice")
        seen.moves()
        for connection in (*others, *own):
            connection.close()
