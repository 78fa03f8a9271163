"""An inbox that waits at the hub: it answers at once, costs nothing until then, and is gone when its caller is."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.bus.local import LOOK_EVERY_S
from hub.client import TIMEOUT_S, Client
from support import open_store, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.process import HubProcess

MANY = 200
LONG_S = 50  # of a poll that the test never waits for


class Poll:
    """A request for an inbox that is on its way."""

    def __init__(self, port: int, session_id: str, wait_s: float = LONG_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        request = f"GET /sessions/{session_id}/inbox?wait_s={wait_s} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.socket.sendall(request.encode())

    def answer(self) -> Any:
        with self.socket:
            response = http.client.HTTPResponse(self.socket)
            response.begin()
            assert response.status == 200
            return json.loads(response.read())


looks: Counter[Client] = Counter()  # at the metrics, by each client


def metric(client: Client, name: str) -> float:
    looks[client] += 1
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").body.decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


def waits(client: Client) -> float:
    return metric(client, "hallway_waits")


def reads(client: Client) -> float:
    """How often the hub has read for others: each look at the metrics counts the requests that wait for an answer."""
    return metric(client, 'hallway_jobs_total{worker="reader"}') - looks[client]


@pytest.fixture
def own(start_hub: Callable[..., HubProcess]) -> HubProcess:
    """A hub that nobody else waits at."""
    return start_hub()


@pytest.mark.promise("M6")
@pytest.mark.parametrize("way", ["through the hub", "past the hub"])
def test_a_poll_answers_at_once(own, way):
    with Client(own.port) as client:
        client.register("alice", "bob")
        poll = Poll(own.port, "bob")
        until(lambda: waits(client) == 1)
        began = time.monotonic()
        if way == "through the hub":
            client.post("/messages", {"from_session": "alice", "to_session": "bob", "subject": "hello"})
        else:
            with open_store(str(own.bus_file)) as bus:
                bus.messages.send("alice", "bob", subject="hello")
        (message,) = poll.answer()
        assert message["subject"] == "hello"
        assert time.monotonic() - began < 5
        assert waits(client) == 0


@pytest.mark.promise("S10")
@pytest.mark.parametrize("reference", ["cart", "@cart", "bob-1"])
def test_a_poll_under_a_name_hears_of_the_sessions_messages(own, reference):
    with Client(own.port) as client:
        client.register("alice", "bob-1234")
        client.post("/sessions/bob-1234/rename", {"name": "cart"})
        poll = Poll(own.port, reference)
        until(lambda: waits(client) == 1)
        client.post("/messages", {"from_session": "alice", "to_session": "cart", "subject": "hello"})
        began = time.monotonic()
        (message,) = poll.answer()
        assert (message["subject"], message["to_session"]) == ("hello", "bob-1234")
        assert time.monotonic() - began < LONG_S / 2


@pytest.mark.promise("M6")
def test_a_poll_of_what_is_there_does_not_wait_and_one_of_nothing_ends_in_time(own):
    with Client(own.port) as client:
        client.register("alice", "bob")
        assert Poll(own.port, "bob", 0.05).answer() == []
        client.post("/messages", {"from_session": "alice", "to_session": "bob", "subject": "hello"})
        assert len(Poll(own.port, "bob").answer()) == 1
        assert client.get("/sessions/bob/inbox?wait_s=61").status == 400
        assert client.get("/sessions/nobody/inbox?wait_s=50").status == 404


def test_many_polls_read_nothing_while_they_wait_and_leave_nothing_behind(own):
    with Client(own.port) as client:
        names = [f"s{number}" for number in range(MANY)]
        client.register("alice", "bob", *names)
        polls = [Poll(own.port, name) for name in names]
        until(lambda: waits(client) == MANY)
        before = reads(client)
        assert before >= MANY
        for number in range(50):
            client.post("/messages", {"from_session": "alice", "to_session": "bob", "subject": str(number)})
        client.post("/messages", {"from_session": "alice", "to_session": names[0], "subject": "for one"})
        assert [message["subject"] for message in polls.pop(0).answer()] == ["for one"]
        assert reads(client) == before + 1
        for poll in polls:
            poll.socket.close()
        until(lambda: waits(client) == 0)
        assert reads(client) == before + 1


def test_heartbeats_wake_no_poll(own):
    """They commit and tell nobody; a hub that looked at commits instead of news would wake every poll for each."""
    with Client(own.port) as client:
        client.register("alice", "bob")
        poll = Poll(own.port, "bob")
        until(lambda: waits(client) == 1)
        before = reads(client)
        deadline = time.monotonic() + 6 * LOOK_EVERY_S
        while time.monotonic() < deadline:
            client.post("/sessions/alice/heartbeat", {})
        assert reads(client) == before
        poll.socket.close()


def test_a_broadcast_answers_every_poll(own):
    with Client(own.port) as client:
        names = [f"s{number}" for number in range(20)]
        client.register("alice", *names)
        polls = [Poll(own.port, name) for name in names]
        until(lambda: waits(client) == len(polls))
        client.post("/messages/broadcast", {"from_session": "alice", "subject": "to all"})
        assert [[message["subject"] for message in poll.answer()] for poll in polls] == [["to all"]] * len(polls)


def test_a_hub_that_stops_answers_its_polls(own):
    with Client(own.port) as client:
        client.register("bob")
        polls = [Poll(own.port, "bob") for _ in range(20)]
        until(lambda: waits(client) == len(polls))
    assert own.stop() == 0
    assert [poll.answer() for poll in polls] == [[]] * len(polls)


def test_a_remote_inbox_waits_at_the_hub(own):
    with hallway.connect(own.url) as bus, Client(own.port) as client:
        client.register("alice", "bob")
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.extend(bus.messages.inbox("bob", LONG_S)))
        waiting.start()
        until(lambda: waits(client) == 1)
        bus.messages.send("alice", "bob", subject="hello")
        waiting.join(TIMEOUT_S)
        assert [message.subject for message in found] == ["hello"]
