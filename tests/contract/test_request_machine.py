"""Random lives of requests, on two connections of one bus, against a model that fits on a page (M9, M10)."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from postgres import forget, new_address
from support import STORES, Here, all_events, store_at

PEOPLE = ("alice", "bob", "carol")
SIDES = st.sampled_from([0, 1])
WHO = st.sampled_from(PEOPLE)
NUMBER = st.integers(0, 1000)
TTL_S = 86_400  # which no example outlives: a session ends when it is told to


@dataclass
class Asked:
    """What the model knows of a request."""

    message_id: str
    sender: str  # of the people, whichever session that is now
    recipient: str
    due: int | None
    expires_at: int | None
    is_seen: bool = False
    is_turn_told: bool = False
    is_gone: bool = False
    is_gone_told: bool = False
    is_overdue: bool = False
    closed: str = ""
    events: Counter[str] = field(default_factory=Counter)

    @property
    def state(self) -> str:
        if self.closed or self.is_gone:
            return self.closed or "recipient_gone"
        return "overdue" if self.is_overdue else "turn_ended" if self.is_turn_told else "open"


class RequestMachine(RuleBasedStateMachine):
    """Two processes' worth of questions."""

    @initialize(store=st.sampled_from(STORES))
    def open(self, store: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.address = new_address(store, self.folder)
        self.clock = FakeClock()
        self.buses = [self.connect(), self.connect()]
        self.asked: list[Asked] = []
        self.sessions = dict(zip(PEOPLE, PEOPLE, strict=True))
        self.live = set(PEOPLE)
        for name in PEOPLE:
            self.buses[0].sessions.register(name, name, "codex", status="working", ttl_s=TTL_S)

    def connect(self) -> LocalBus:
        bus = LocalBus(store_at(self.address, self.clock), Here())
        bus.messages.burst = 0
        return bus

    def teardown(self) -> None:
        for bus in self.buses:
            bus.close()
        shutil.rmtree(self.folder)
        forget(self.address)

    def pick(self, number: int) -> Asked | None:
        return self.asked[number % len(self.asked)] if self.asked else None

    def open_for(self, name: str) -> list[Asked]:
        return [each for each in self.asked if each.recipient == name and not each.closed]

    # -- what happens -------------------------------------------------------------------------------------------------

    @rule(
        side=SIDES,
        sender=WHO,
        to=WHO,
        within_s=st.sampled_from([0, 30, None]),
        expires_in_s=st.sampled_from([None, None, 20, 45]),
    )
    def ask(self, side: int, sender: str, to: str, within_s: int | None, expires_in_s: int | None) -> None:
        if sender == to:
            return
        now = self.clock.now()
        sent = self.buses[side].messages.send(
            self.sessions[sender],
            self.sessions[to],
            "request",
            f"{len(self.asked)}?",
            reply_within_s=within_s,
            expires_in_s=expires_in_s,
        )
        expires_at = now + expires_in_s * SECOND if expires_in_s else None
        due = None if within_s == 0 else now + (600 if within_s is None else within_s) * SECOND
        self.asked.append(Asked(sent.message_id, sender, to, due, expires_at))

    @rule(side=SIDES, number=NUMBER, acknowledge=st.booleans())
    def see(self, side: int, number: int, acknowledge: bool) -> None:
        each = self.pick(number)
        if each and not each.closed and each.recipient in self.live:
            messages = self.buses[side].messages
            mark = messages.acknowledge if acknowledge else messages.mark_injected
            seen = mark(self.sessions[each.recipient], [each.message_id])
            each.is_seen = each.is_seen or bool(seen)

    @rule(side=SIDES, number=NUMBER)
    def answer(self, side: int, number: int) -> None:
        each = self.pick(number)
        if each:
            self.buses[side].messages.reply(self.sessions[each.recipient], each.message_id, f"{len(each.events)}")
            if each.closed != "answered":
                each.closed = "answered"
                each.events["request.answered"] += 1
            self.clock.advance(61)  # so that the next answer is no repetition
            self.pass_time()

    @rule(side=SIDES, name=WHO)
    def end_turn(self, side: int, name: str) -> None:
        if name in self.live:
            for status in ("idle", "working"):
                self.buses[side].sessions.heartbeat(self.sessions[name], status=status)
            for each in self.open_for(name):
                if each.is_seen and not each.is_turn_told:
                    each.is_turn_told = True
                    each.events["turn_ended"] += 1

    @rule(side=SIDES, name=WHO)
    def end(self, side: int, name: str) -> None:
        self.buses[side].sessions.end(self.sessions[name])
        for each in self.open_for(name) if name in self.live else ():
            each.events["recipient_gone"] += not each.is_gone_told
            each.is_gone = each.is_gone_told = True
        self.live.discard(name)

    @rule(side=SIDES, name=WHO)
    def come_back(self, side: int, name: str) -> None:
        self.buses[side].sessions.heartbeat(self.sessions[name], status="working")
        if name not in self.live:
            self.live.add(name)
            for each in self.open_for(name):
                each.is_gone = False

    @rule(side=SIDES, name=WHO)
    def succeed(self, side: int, name: str) -> None:
        session_id = f"{self.sessions[name]}+"
        sessions = self.buses[side].sessions
        sessions.register(session_id, name, "codex", status="working", ttl_s=TTL_S)
        sessions.succeed(session_id, self.sessions[name])
        self.sessions[name] = session_id
        self.live.add(name)
        for each in self.open_for(name):
            each.is_seen = each.is_turn_told = each.is_gone = False

    @rule(side=SIDES, seconds=st.sampled_from([1, 10, 30, 600]))
    def time_passes(self, side: int, seconds: int) -> None:
        self.clock.advance(seconds)
        self.pass_time()
        self.buses[side].sweep()

    @rule(side=SIDES)
    def restart(self, side: int) -> None:
        self.buses[side].close()
        self.buses[side] = self.connect()

    def pass_time(self) -> None:
        now = self.clock.now()
        for each in self.asked:
            if each.closed:
                continue
            ends = each.expires_at is not None and each.expires_at <= now
            if each.due is not None and each.due < now and not (each.is_overdue or ends):
                each.is_overdue = True
                each.events["request.overdue"] += 1
            if ends:
                each.closed = "expired"
                each.events["expired"] += 1

    # -- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def every_request_stands_as_it_should(self) -> None:
        for bus in getattr(self, "buses", ()):
            found = {each.message_id: each for each in bus.requests.find(limit=1000)}
            assert {each: found[each].state for each in found} == {each.message_id: each.state for each in self.asked}
            unanswered = {each.message_id for each in bus.requests.find(unanswered=True, limit=1000)}
            assert unanswered == {each.message_id for each in self.asked if not each.closed}
            for each in self.asked:
                if not each.closed:
                    parties = found[each.message_id].from_session, found[each.message_id].to_session
                    assert parties == (self.sessions[each.sender], self.sessions[each.recipient])

    @invariant()
    def each_thing_was_told_once(self) -> None:
        if not hasattr(self, "buses"):
            return
        told: dict[str, Counter[str]] = {each.message_id: Counter() for each in self.asked}
        for event in all_events(self.buses[0]):
            if event.kind.startswith("request."):
                told[event.data["message_id"]][event.data.get("cause", event.kind)] += 1
        assert told == {each.message_id: +each.events for each in self.asked}


@pytest.mark.promise("M9", "M10")
def test_every_request_is_answered_or_told_of_once_whatever_happens() -> None:
    run_state_machine_as_test(RequestMachine, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
