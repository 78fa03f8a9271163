"""Random lives of sessions, on two connections of one bus, against a model that fits on a page (S1 to S4, E1)."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock, to_micros
from hallway.core.errors import SessionElsewhere, SessionNotFound
from hallway.services import sessions
from postgres import forget, new_address
from support import STORES, Here, all_events, store_at

IDS = st.sampled_from(["a", "b", "c", "d", "e"])
PROJECTS = st.sampled_from([None, "github.com/acme/shop", "github.com/acme/other"])
TTLS = st.sampled_from([None, 10, 30, 120])
SIDES = st.sampled_from([0, 1])
SWEEP_AT_ONCE = 2  # so that what one sweep leaves over happens, too


@dataclass
class Life:
    """What the model knows of a session."""

    started_at: int
    last_seen: int
    project: str = Here.project
    ttl_s: int = 120
    ended_at: int | None = None

    @property
    def expires_at(self) -> int:
        return self.last_seen + self.ttl_s * SECOND


class SessionMachine(RuleBasedStateMachine):
    """Two processes' worth of sessions."""

    @initialize(store=st.sampled_from(STORES))
    def open(self, store: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.address = new_address(store, self.folder)
        self.buses = [LocalBus(store_at(self.address, self.clock), Here()) for _ in range(2)]
        self.lives: dict[str, Life] = {}
        self.expiries: Counter[str] = Counter()

    def teardown(self) -> None:
        try:
            self.sweep_all()
            told = Counter(event.session_id for event in all_events(self.buses[0]) if event.kind == "session.expired")
            assert told == self.expiries
        finally:  # a failure is tried again hundreds of times, each with its own connections
            for bus in self.buses:
                bus.close()
            shutil.rmtree(self.folder)
            forget(self.address)

    def sweep_all(self) -> None:
        for _ in range(10):
            self.buses[0].sweep()

    # -- what happens -------------------------------------------------------------------------------------------------

    def stays(self, id_: str, project: str | None, move: bool) -> bool:
        """Whether a session is live in another project than this one, and not told to move."""
        life = self.lives.get(id_)
        return not (move or life is None or life.ended_at is not None or project in (None, life.project))

    @rule(side=SIDES, id_=IDS, project=PROJECTS, ttl_s=TTLS, move=st.booleans())
    def register(self, side: int, id_: str, project: str | None, ttl_s: int | None, move: bool) -> None:
        said: dict[str, Any] = {"project": project, "ttl_s": ttl_s, "move": move}
        project = project or Here.project
        if self.stays(id_, project, move):
            with pytest.raises(SessionElsewhere, match=self.lives[id_].project):
                self.buses[side].sessions.register(id_, "agent", "codex", **said)
            return
        session = self.buses[side].sessions.register(id_, "agent", "codex", **said)
        life = self.live(id_, project, ttl_s)
        assert (session.project, to_micros(session.started_at)) == (life.project, life.started_at)

    @rule(side=SIDES, id_=IDS, project=PROJECTS, ttl_s=TTLS, task=st.sampled_from([None, "read"]), move=st.booleans())
    def beat(self, side: int, id_: str, project: str | None, ttl_s: int | None, task: str | None, move: bool) -> None:
        said: dict[str, Any] = {"project": project, "ttl_s": ttl_s, "current_task": task, "move": move}
        if self.stays(id_, project, move):
            with pytest.raises(SessionElsewhere, match=self.lives[id_].project):
                self.buses[side].sessions.heartbeat(id_, **said)
            return
        answer = self.buses[side].sessions.heartbeat(id_, **said)
        life = self.live(id_, project, ttl_s)
        others = {other for other in self.live_ids() if self.lives[other].project == life.project} - {id_}
        assert {peer.session_id for peer in answer.others} == others
        assert (answer.project, answer.others_total) == (life.project, len(others))

    @rule(side=SIDES, id_=IDS, act=st.sampled_from(["ping", "idle", "working"]))
    def act(self, side: int, id_: str, act: str) -> None:
        registry = self.buses[side].sessions
        try:
            session = registry.ping(id_) if act == "ping" else registry.update_status(id_, act)
        except SessionNotFound:
            assert (act, id_ in self.lives) == ("ping", False)
        else:
            self.live(id_)
            assert session.is_live

    @rule(side=SIDES, id_=IDS, by_status=st.booleans())
    def end(self, side: int, id_: str, by_status: bool) -> None:
        registry = self.buses[side].sessions
        try:
            session = registry.update_status(id_, "offline") if by_status else registry.end(id_)
        except SessionNotFound:
            assert id_ not in self.lives
        else:
            life = self.lives[id_]
            life.ended_at = life.ended_at or self.clock.now()
            assert to_micros(session.ended_at) == life.ended_at

    @rule(side=SIDES, older_than_s=st.sampled_from([0, 30]))
    def clear(self, side: int, older_than_s: int) -> None:
        before = self.clock.now() - older_than_s * SECOND
        gone = {id_ for id_, life in self.lives.items() if life.ended_at is not None and life.ended_at <= before}
        assert self.buses[side].sessions.clear_offline(older_than_s, all_projects=True) == len(gone)
        self.lives = {id_: life for id_, life in self.lives.items() if id_ not in gone}

    @rule(seconds=st.sampled_from([5, 10, 25, 60, 120, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for id_ in self.live_ids():
            life = self.lives[id_]
            if life.expires_at <= self.clock.now():
                life.ended_at = life.expires_at
                self.expiries[id_] += 1

    @rule(seconds=st.sampled_from([5, 60, 3600]))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.sweep_all()  # else what is overdue and not written down yet is live again
        self.clock.advance(-seconds)
        for id_ in self.live_ids():
            self.lives[id_].last_seen = min(self.lives[id_].last_seen, self.clock.now())

    @rule(side=SIDES)
    def look(self, side: int) -> None:
        self.buses[side].sweep()

    # -- the model ----------------------------------------------------------------------------------------------------

    def live(self, id_: str, project: str | None = None, ttl_s: int | None = None) -> Life:
        now = self.clock.now()
        life = self.lives.setdefault(id_, Life(now, now))
        life.last_seen, life.ended_at = now, None
        life.project, life.ttl_s = project or life.project, ttl_s or life.ttl_s
        return life

    def live_ids(self) -> set[str]:
        return {id_ for id_, life in self.lives.items() if life.ended_at is None}

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def every_reader_sees_exactly_the_live(self) -> None:
        for bus in self.buses:
            assert {session.session_id for session in bus.sessions.find_sessions()} == self.live_ids()
            assert bus.sessions.get_stats().live == len(self.live_ids())

    @invariant()
    def nobody_is_lost_doubled_or_reborn(self) -> None:
        listed = self.buses[1].sessions.find_sessions(include_offline=True)
        assert len(listed) == len(self.lives)
        for session in listed:
            life = self.lives[session.session_id]
            assert to_micros(session.started_at) == life.started_at
            assert to_micros(session.last_seen) == life.last_seen
            assert session.is_live == (life.ended_at is None)

    @invariant()
    def every_projects_total_is_right(self) -> None:
        live = Counter(self.lives[id_].project for id_ in self.live_ids())
        for project in ("github.com/acme/shop", "github.com/acme/other"):
            active = self.buses[0].sessions.active(project)
            assert active.total == len(active.sessions) == live[project]

    @invariant()
    def no_expiry_is_told_twice_and_no_event_is_missing(self) -> None:
        events = all_events(self.buses[1])
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert Counter(event.session_id for event in events if event.kind == "session.expired") <= self.expiries


@pytest.mark.promise("S1", "S2", "S3", "S4", "E1")
def test_random_lives_keep_the_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SWEEP_AT_ONCE", SWEEP_AT_ONCE)
    run_state_machine_as_test(SessionMachine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
