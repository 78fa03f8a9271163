"""Random lives of messages, on two connections of one bus, against a model that fits on a page (M1 to M5)."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import SECOND, FakeClock
from hallway.services.sessions import ACTS_EVERY_S
from postgres import forget, new_address
from support import STORES, Here, all_events, store_at

NAMES = ("alice", "bob", "carol", "dave")
SIDES = st.sampled_from([0, 1])
WHO = st.sampled_from(NAMES)
TTL_S = 600
DEFAULT_TTL_S = 120  # of a session that an act registers


@dataclass
class Letter:
    """What the model knows of a message."""

    message_id: str
    parent: str | None
    waits: set[str]  # the recipients that have not acknowledged it
    expires_at: int | None
    read: set[str] = field(default_factory=set)


class MessageMachine(RuleBasedStateMachine):
    """Two processes' worth of talk."""

    letters = Bundle("letters")

    @initialize(store=st.sampled_from(STORES))
    def open(self, store: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.address = new_address(store, self.folder)
        self.clock = FakeClock()
        self.buses = [self.connect(), self.connect()]
        self.sent: list[Letter] = []
        self.live: dict[str, int] = {}  # each live session and when it expires
        self.known: set[str] = set()
        self.ttl_s: dict[str, int] = {}
        self.seen: dict[str, int] = {}  # when each was seen last; none that was ended on purpose
        for name in NAMES[:2]:
            self.beat(0, name)

    def connect(self) -> LocalBus:
        bus = LocalBus(store_at(self.address, self.clock), Here())
        bus.messages.burst = 0
        return bus

    def teardown(self) -> None:
        try:
            events = Counter(event.kind for event in all_events(self.buses[0]))
            assert events["message.sent"] == len(self.sent)
        finally:  # a failure is tried again hundreds of times, each with its own connections
            for bus in self.buses:
                bus.close()
            shutil.rmtree(self.folder)
            forget(self.address)

    # -- what happens -------------------------------------------------------------------------------------------------

    @rule(side=SIDES, name=WHO)
    def beat(self, side: int, name: str) -> None:
        beat = self.buses[side].sessions.heartbeat(name, ttl_s=TTL_S)
        self.known.add(name)
        self.ttl_s[name] = TTL_S
        self.seen[name] = self.clock.now()
        self.live[name] = self.clock.now() + TTL_S * SECOND
        assert beat.unread == len(self.expected(name))

    @rule(side=SIDES, name=WHO)
    def end(self, side: int, name: str) -> None:
        if name in self.known:
            self.buses[side].sessions.end(name)
            self.live.pop(name, None)
            self.seen.pop(name, None)

    def acts(self, name: str) -> None:
        """Whatever a session writes is a sign of life, also of one that fell silent; written down every 10 s (S12)."""
        now = self.clock.now()
        if name in self.seen and (name not in self.live or now - self.seen[name] >= ACTS_EVERY_S * SECOND):
            self.seen[name], self.live[name] = now, now + self.ttl_s[name] * SECOND

    @rule(target=letters, side=SIDES, sender=WHO, to=WHO, expires_in_s=st.sampled_from([None, None, 30]))
    def send(self, side: int, sender: str, to: str, expires_in_s: int | None) -> object:
        hub = self.buses[side].messages
        if to not in self.known:
            if to != sender:
                with pytest.raises(errors.SessionNotFound):
                    hub.send(sender, to, subject="lost")
            return multiple()
        if sender not in self.known:  # an act registers whom the bus has not seen (S1)
            self.known.add(sender)
            self.ttl_s[sender] = DEFAULT_TTL_S
            self.seen[sender], self.live[sender] = self.clock.now(), self.clock.now() + DEFAULT_TTL_S * SECOND
        sent = hub.send(sender, to, subject=self.subject(), expires_in_s=expires_in_s)
        self.acts(sender)
        assert (sent.recipient_status == "offline") == (to not in self.live)
        expires_at = self.clock.now() + expires_in_s * SECOND if expires_in_s else None
        return self.keep(sent.message_id, None, {to}, expires_at)

    @rule(target=letters, side=SIDES, sender=WHO)
    def broadcast(self, side: int, sender: str) -> object:
        if sender not in self.known:
            return multiple()
        sent = self.buses[side].messages.broadcast(sender, self.subject())
        self.acts(sender)
        recipients = set(self.live) - {sender}
        assert sent.recipients == len(recipients)
        return self.keep(sent.message_id, None, recipients, None)

    @rule(target=letters, side=SIDES, sender=WHO, parent=letters)
    def reply(self, side: int, sender: str, parent: Letter) -> object:
        if sender not in self.known:
            return multiple()
        hub = self.buses[side].messages
        sent = hub.reply(sender, parent.message_id, self.subject())
        self.acts(sender)
        if sender in parent.waits:
            parent.waits.discard(sender)  # a reply acknowledges what it answers
            parent.read.add(sender)
        recipients = {delivery.recipient for delivery in hub.deliveries(sent.message_id)}
        return self.keep(sent.message_id, parent.message_id, recipients, None)

    @rule(target=letters, side=SIDES, sender=WHO, to=WHO, crash=st.booleans())
    def send_with_a_key_and_ask_again(self, side: int, sender: str, to: str, crash: bool) -> object:
        if not {sender, to} <= self.known:
            return multiple()
        subject = self.subject()
        first = self.buses[side].messages.send(sender, to, subject=subject, idempotency_key=subject)
        self.acts(sender)
        if crash:
            self.restart(side)
        again = self.buses[1 - side].messages.send(sender, to, subject=subject, idempotency_key=subject)
        assert (again.message_id, again.is_repeat) == (first.message_id, True)
        return self.keep(first.message_id, None, {to}, None)

    @rule(side=SIDES, name=WHO, count=st.integers(1, 3))
    def acknowledge(self, side: int, name: str, count: int) -> None:
        waiting = self.expected(name)[:count]
        if waiting:
            ids = [letter.message_id for letter in waiting]
            assert self.buses[side].messages.acknowledge(name, [*ids, "never-sent"]) == len(waiting)
            assert self.buses[side].messages.acknowledge(name, ids) == 0
            self.acts(name)
            for letter in waiting:
                letter.waits.discard(name)
                letter.read.add(name)

    @rule(side=SIDES, name=WHO)
    def inject(self, side: int, name: str) -> None:
        waiting = [letter.message_id for letter in self.expected(name)]
        if waiting:
            self.buses[side].messages.mark_injected(name, waiting)
            self.acts(name)
            assert self.buses[1 - side].messages.inbox(name, new_only=True) == []

    @rule(seconds=st.sampled_from([1, 30, 600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.live = {name: until for name, until in self.live.items() if until > self.clock.now()}

    @rule(side=SIDES)
    def restart(self, side: int) -> None:
        self.buses[side].close()
        self.buses[side] = self.connect()

    @rule(side=SIDES, letter=letters)
    def read_the_thread(self, side: int, letter: Letter) -> None:
        parents = {each.message_id: each.parent for each in self.sent}

        def root(message_id: str) -> str:
            while (parent := parents[message_id]) is not None:
                message_id = parent
            return message_id

        tree = [each.message_id for each in self.sent if root(each.message_id) == root(letter.message_id)]
        thread = self.buses[side].messages.get_conversation(letter.message_id)
        assert [message.message_id for message in thread.messages] == tree

    # -- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def inboxes_are_what_they_should_be(self) -> None:
        for bus in getattr(self, "buses", ()):
            for name in self.known:
                found = [message.message_id for message in bus.messages.inbox(name)]
                assert found == [letter.message_id for letter in self.expected(name)]

    @invariant()
    def histories_have_everything_that_was_delivered(self) -> None:
        for name in getattr(self, "known", ()):
            found = self.buses[0].messages.get_messages(name, after=0, limit=1000, include_broadcasts=True)
            ids = [message.message_id for message in found]
            assert ids == sorted(ids, key=[letter.message_id for letter in self.sent].index)
            assert {letter.message_id for letter in self.sent if name in letter.waits | letter.read} <= set(ids)

    def expected(self, name: str) -> list[Letter]:
        now = self.clock.now()
        return [
            letter
            for letter in self.sent
            if name in letter.waits and (letter.expires_at is None or letter.expires_at > now)
        ]

    def keep(self, message_id: str, parent: str | None, waits: set[str], expires_at: int | None) -> Letter:
        self.sent.append(Letter(message_id, parent, waits, expires_at))
        return self.sent[-1]

    def subject(self) -> str:
        return f"message {len(self.sent)}"


@pytest.mark.promise("M1", "M2", "M4", "M5")
def test_nothing_is_lost_or_given_twice_whatever_happens() -> None:
    run_state_machine_as_test(MessageMachine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None))
