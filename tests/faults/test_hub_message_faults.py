"""Messages through a hub that is killed again and again, while clients send and read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import hallway
from hallway.core.errors import HallwayError, HubUnreachable
from hub.process import HubProcess
from support import all_messages, open_store, until

SENDERS = ("alice", "bob", "carol", "dave")
KILLS = 4
MORE = 150  # messages that each sender and the reader get on with before the next kill


class Party(threading.Thread):
    """Somebody at the hub, on a connection of their own; an error that is not the hub's absence fails the test."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.name = name
        self.done: list[str] = []  # the messages that the hub has answered for
        self.failure: BaseException | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        with hallway.connect(self.url) as bus:
            try:
                while not self.is_finished(bus):
                    try:
                        self.step(bus)
                    except HubUnreachable:
                        self.stopping.wait(0.005)
                    except HallwayError as error:
                        if error.status != 503:  # what a hub says that is stopping
                            raise
            except BaseException as error:
                self.failure = error

    def is_finished(self, bus: hallway.Bus) -> bool:
        return self.stopping.is_set()

    def step(self, bus: hallway.Bus) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


class Sender(Party):
    """Sends numbered messages, each until the hub has accepted it."""

    repeats = 0

    def step(self, bus: hallway.Bus) -> None:
        number = str(len(self.done))
        receipt = bus.messages.send(self.name, "reader", subject=number, idempotency_key=f"{self.name} {number}")
        self.repeats += receipt.is_repeat
        self.done.append(receipt.message_id)


class Reader(Party):
    """Reads and acknowledges; what the hub has acknowledged to it must not come again."""

    def step(self, bus: hallway.Bus) -> None:
        for message in bus.messages.inbox(self.name, 1, limit=20):
            assert message.message_id not in self.done
            bus.messages.acknowledge(self.name, [message.message_id])
            self.done.append(message.message_id)

    def is_finished(self, bus: hallway.Bus) -> bool:
        return self.stopping.is_set() and not bus.messages.inbox(self.name)


@pytest.mark.slow
@pytest.mark.promise("M1", "M4")
def test_kills_of_the_hub_lose_repeat_and_reorder_nothing(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "hallway", HALLWAY_MESSAGE_BURST="0")
    with hallway.connect(hub.url) as bus:
        for name in ("reader", *SENDERS):
            bus.sessions.register(name, f"{name}'s agent", "codex", ttl_s=3600)
    senders = [Sender(hub.url, name) for name in SENDERS]
    reader = Reader(hub.url, "reader")
    parties: list[Party] = [*senders, reader]
    for party in parties:
        party.start()
    try:
        for _ in range(KILLS):
            before = {party: len(party.done) for party in parties}
            until(lambda: all(len(party.done) >= before[party] + MORE or party.failure for party in parties))  # noqa: B023
            hub.kill()
            hub = HubProcess(tmp_path / "hallway", port=hub.port, HALLWAY_MESSAGE_BURST="0")
        for sender in senders:
            sender.finish()
        reader.finish()
    finally:
        for party in parties:
            party.stopping.set()
        hub.kill()
    with open_store(str(hub.bus_file)) as bus:
        stored = all_messages(bus, "reader")
        assert bus.messages.inbox("reader") == []
    for sender in senders:
        assert [message.message_id for message in stored if message.from_session == sender.name] == sender.done
        assert [message.subject for message in stored if message.from_session == sender.name] == [
            str(number) for number in range(len(sender.done))
        ]
    # The reader may have been cut off between an acknowledgement and its answer, once in each kill.
    assert set(reader.done) <= {message.message_id for message in stored}
    assert len(stored) - len(reader.done) <= KILLS
