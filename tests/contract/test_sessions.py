"""SessionRegistry keeps S1 to S8, S11 and S12, on every store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock, SystemClock, to_datetime
from hallway.core.model import LIVE_STATUSES, Session
from hallway.services import sessions
from hallway.services.sessions import SessionRegistry
from support import Here, all_events, kinds, live_ids

OTHER = "github.com/acme/other"
SHOP = Here.project

# Every way to see whether a session is live.
VIEWS: dict[str, Callable[[LocalBus, str], bool]] = {
    "get": lambda bus, id_: bus.sessions.get(id_).is_live and bus.sessions.get(id_).status != "offline",
    "list": lambda bus, id_: id_ in live_ids(bus),
    "list all": lambda bus, id_: any(
        s.session_id == id_ and s.is_live and s.status != "offline" for s in bus.sessions.list_sessions(True)
    ),
    "find": lambda bus, id_: any(
        s.session_id == id_ for status in LIVE_STATUSES for s in bus.sessions.find_sessions(status=status)
    ),
    "find offline": lambda bus, id_: all(
        s.session_id != id_ for s in bus.sessions.find_sessions(status="offline", include_offline=True)
    ),
    "active": lambda bus, id_: id_ in {peer.session_id for peer in bus.sessions.active(SHOP).sessions},
    "active total": lambda bus, _: bus.sessions.active(SHOP).total == 1,
    "stats": lambda bus, _: bus.sessions.get_stats().live == 1 and not bus.sessions.get_stats().offline,
}


@pytest.fixture(params=VIEWS)
def sees_live(request: pytest.FixtureRequest) -> Callable[[LocalBus, str], bool]:
    return VIEWS[request.param]


def register(bus: LocalBus, *ids: str, **said: object) -> None:
    for session_id in ids:
        bus.sessions.register(session_id, f"{session_id}'s agent", "claude-code", **said)


def pass_an_hour_each(clock: FakeClock, *steps: Callable[[], object]) -> None:
    for step in steps:
        step()
        clock.advance(3600)


# -- S1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S1")
def test_a_heartbeat_for_an_unknown_id_registers_it(bus: LocalBus, clock: FakeClock) -> None:
    bus.sessions.heartbeat("alice", current_task="mend the login", agent_type="codex")
    session = bus.sessions.get("alice")
    assert (session.current_task, session.agent_type, session.status) == ("mend the login", "codex", "active")
    assert session.started_at == session.last_seen == to_datetime(clock.now())
    assert kinds(bus) == ["session.registered"]


@pytest.mark.promise("S1")
def test_registering_twice_updates_and_never_duplicates(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", human_user="alice", capabilities=["review"], metadata={"os": "linux"}, current_task="read")
    started_at = bus.sessions.get("alice").started_at
    clock.advance(60)
    session = bus.sessions.register("alice", "another name", "codex", capabilities=["deploy"])
    assert bus.sessions.list_sessions(include_offline=True) == [session]
    assert (session.agent_name, session.agent_type, session.capabilities) == ("another name", "codex", ["deploy"])
    assert (session.human_user, session.metadata, session.current_task) == ("alice", {"os": "linux"}, "read")
    assert session.started_at == started_at
    assert session.last_seen == started_at + timedelta(seconds=60)
    assert session == bus.sessions.get("alice")


@pytest.mark.promise("S1")
def test_started_at_survives_all_that_a_session_may_go_through(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    started_at = bus.sessions.get("alice").started_at
    pass_an_hour_each(
        clock,
        lambda: bus.sessions.heartbeat("alice", project="github.com/acme/other", move=True),
        lambda: bus.sessions.end("alice"),
        lambda: bus.sessions.ping("alice"),
        lambda: bus.sessions.update_status("alice", "waiting"),
        lambda: bus.sessions.set_status_detail("alice", {"step": 1}),
        lambda: register(bus, "alice"),
    )
    assert bus.sessions.get("alice").started_at == started_at
    assert len(bus.sessions.list_sessions(include_offline=True)) == 1


@pytest.mark.promise("S1")
def test_a_new_session_takes_what_it_does_not_say_from_where_its_caller_runs(bus: LocalBus) -> None:
    register(bus, "alice")
    register(bus, "bob", project="github.com/acme/other", human_user="bob", location="elsewhere:/", branch="fix")
    told = {s.session_id: (s.project, s.human_user, s.location, s.branch) for s in bus.sessions.list_sessions()}
    assert told["alice"] == (SHOP, "alice", "host:/src/shop", "main")
    assert told["bob"] == ("github.com/acme/other", "bob", "elsewhere:/", "fix")


# -- S2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S2")
def test_a_session_is_live_to_the_last_instant_of_its_ttl_and_not_after(
    bus: LocalBus, clock: FakeClock, sees_live: Callable[[LocalBus, str], bool]
) -> None:
    register(bus, "alice", ttl_s=30)
    clock.advance(29.999999)
    assert sees_live(bus, "alice")
    clock.advance(0.000001)
    assert not sees_live(bus, "alice")


@pytest.mark.promise("S2")
def test_an_expired_session_is_shown_to_nobody_as_live_while_nobody_can_sweep(
    bus: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, sees_live: Callable[[LocalBus, str], bool]
) -> None:
    register(bus, "alice")
    other = open_bus()
    clock.advance(120)
    with other.store.write():  # a writer that takes its time, and does not sweep either
        bus.store.busy_timeout_s = 0.01
        assert not sees_live(bus, "alice")
        assert bus.sessions.get("alice").end_reason == "expired"
    assert other.store.one("sessions.due", now=clock.now())


@pytest.mark.promise("S2")
def test_more_expiries_than_one_sweep_takes_are_all_offline_at_once(
    bus: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, sees_live: Callable[[LocalBus, str], bool]
) -> None:
    monkeypatch.setattr(sessions, "SWEEP_AT_ONCE", 1)
    register(bus, "alice", "bob", "carol", ttl_s=60)
    register(bus, "dave")
    clock.advance(61)
    assert not sees_live(bus, "carol") or bus.sessions.active(SHOP).total == 1
    answer = bus.sessions.heartbeat("dave")
    assert (answer.others, answer.others_total) == ([], 0)
    assert live_ids(bus) == {"dave"}


@pytest.mark.promise("S2")
def test_the_others_of_a_heartbeat_are_live(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", "bob", "carol")
    bus.sessions.end("carol")
    clock.advance(119)
    assert bus.sessions.heartbeat("alice").others_total == 1
    clock.advance(1)
    assert bus.sessions.heartbeat("alice").others == []


@pytest.mark.promise("S2")
def test_an_ended_session_is_offline_at_once(bus: LocalBus, sees_live: Callable[[LocalBus, str], bool]) -> None:
    register(bus, "alice")
    bus.sessions.end("alice", "done")
    assert not sees_live(bus, "alice")
    assert bus.sessions.get("alice").end_reason == "done"


@pytest.mark.promise("S2")
def test_whatever_counts_as_a_heartbeat_keeps_a_session_live(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    for beat in (
        lambda: bus.sessions.heartbeat("alice"),
        lambda: bus.sessions.ping("alice"),
        lambda: bus.sessions.update_status("alice", "working"),
        lambda: bus.sessions.update_status("alice", "working"),
        lambda: bus.sessions.set_status_detail("alice", {"step": 1}),
        lambda: register(bus, "alice"),
    ):
        clock.advance(119)
        beat()
        assert bus.sessions.get("alice").last_seen == to_datetime(clock.now())
    assert "session.expired" not in kinds(bus)


@pytest.mark.promise("S2")
def test_a_session_chooses_its_ttl_between_ten_seconds_and_a_day(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    assert bus.sessions.get("alice").ttl_s == 120
    for ttl_s in (9, 86_401, -1, 2**70):
        with pytest.raises(errors.InvalidInput):
            bus.sessions.heartbeat("alice", ttl_s=ttl_s)
    bus.sessions.heartbeat("alice", ttl_s=86_400)
    clock.advance(86_399)
    assert live_ids(bus) == {"alice"}
    bus.sessions.heartbeat("alice", ttl_s=10)
    clock.advance(10)
    assert live_ids(bus) == set()


@pytest.mark.promise("S2")
def test_a_clock_set_back_keeps_no_ghost_live_for_longer_than_its_ttl(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", ttl_s=86_400)  # seen before the clock went wrong, and expiring after all others
    clock.advance(3600)
    register(bus, "ghost")
    clock.advance(-3600)
    bus.sessions.heartbeat("alice")
    clock.advance(121)
    assert live_ids(bus) == {"alice"}


# -- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S3")
def test_any_reader_makes_an_expiry_durable_and_no_second_one_repeats_it(
    bus: LocalBus,
    open_bus: Callable[[], LocalBus],
    clock: FakeClock,
    sees_live: Callable[[LocalBus, str], bool],
) -> None:
    other = open_bus()
    register(bus, "alice", ttl_s=30)
    clock.advance(1000)
    for reader in (other, bus, other):
        sees_live(reader, "alice")
        assert not reader.store.one("sessions.due", now=clock.now())
    assert kinds(bus) == ["session.registered", "session.expired"]
    session = bus.sessions.get("alice")
    assert (session.status, session.end_reason) == ("offline", "expired")
    assert session.ended_at == session.last_seen + timedelta(seconds=30)


@pytest.mark.promise("S3")
def test_a_night_of_expiries_is_told_once_each(
    bus: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SWEEP_AT_ONCE", 3)
    ids = [f"s{n}" for n in range(10)]
    register(bus, *ids)
    clock.advance(3600)
    for _ in range(10):
        bus.sweep()
    expired = [event.session_id for event in all_events(bus) if event.kind == "session.expired"]
    assert sorted(expired) == ids


@pytest.mark.promise("S3")
def test_an_expiry_is_told_of_its_session_and_project(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", project="github.com/acme/other")
    seen = bus.sessions.get("alice").last_seen
    clock.advance(500)
    (event,) = bus.events.read(kinds=["session.expired"])
    assert (event.session_id, event.project, event.at) == ("alice", "github.com/acme/other", to_datetime(clock.now()))
    assert event.data == {"last_seen": "2023-11-14T22:13:20Z"}
    assert seen.isoformat() == "2023-11-14T22:13:20+00:00"


@pytest.mark.promise("S3")
def test_each_expiry_of_a_session_that_comes_back_is_told(bus: LocalBus, clock: FakeClock) -> None:
    pass_an_hour_each(clock, *[lambda: bus.sessions.heartbeat("alice")] * 3)
    bus.sweep()
    assert Counter(kinds(bus)) == {"session.registered": 1, "session.expired": 3, "session.resumed": 2}


@pytest.mark.promise("S3")
def test_a_sweep_that_fails_leaves_the_bus_to_the_next_one(
    bus: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bus, "alice")
    clock.advance(121)
    with monkeypatch.context() as broken:
        broken.setattr(bus.events, "append", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bus.sessions.heartbeat("bob")
    other = open_bus()
    other.store.busy_timeout_s = 0.01  # it would wait for ever on a lock that was left behind
    other.sessions.heartbeat("bob")
    assert kinds(bus) == ["session.registered", "session.expired", "session.registered"]


# -- S4 ---------------------------------------------------------------------------------------------------------------

ALIVE: dict[str, Callable[[LocalBus], object]] = {
    "heartbeat": lambda bus: bus.sessions.heartbeat("alice"),
    "ping": lambda bus: bus.sessions.ping("alice"),
    "update_status": lambda bus: bus.sessions.update_status("alice", "active"),
    "set_status_detail": lambda bus: bus.sessions.set_status_detail("alice", {"step": 1}),
    "register": lambda bus: register(bus, "alice"),
}


@pytest.fixture(params=ALIVE)
def act_alive(request: pytest.FixtureRequest) -> Callable[[LocalBus], object]:
    return ALIVE[request.param]


def assert_resumed(bus: LocalBus, *before: str) -> None:
    session = bus.sessions.get("alice")
    assert (session.status, session.is_live, session.ended_at, session.end_reason) == ("active", True, None, None)
    assert kinds(bus, "alice") == ["session.registered", *before, "session.resumed"]


@pytest.mark.promise("S4")
def test_a_heartbeat_after_expiry_revives_the_session(
    bus: LocalBus, clock: FakeClock, act_alive: Callable[[LocalBus], object]
) -> None:
    register(bus, "alice")
    clock.advance(121)
    assert live_ids(bus) == set()
    act_alive(bus)
    assert_resumed(bus, "session.expired")


@pytest.mark.promise("S12")
def test_a_session_that_is_ended_after_it_expired_stays_ended_whatever_it_writes(
    bus: LocalBus, clock: FakeClock
) -> None:
    register(bus, "alice", "bob")
    clock.advance(120)
    expired_at = bus.sessions.get("alice").ended_at
    ended = bus.sessions.end("alice", "logout")
    assert (ended.end_reason, ended.ended_at) == ("logout", expired_at)
    assert bus.sessions.end("alice", "another").end_reason == "logout"
    bus.messages.send("alice", "bob", subject="a late hook")
    bus.messages.send("bob", "alice", subject="which only expired")
    assert live_ids(bus) == {"bob"}
    bus.sessions.heartbeat("alice")
    assert live_ids(bus) == {"alice", "bob"}


@pytest.mark.promise("S4")
def test_a_heartbeat_that_is_first_to_notice_the_expiry_tells_both(
    bus: LocalBus, clock: FakeClock, act_alive: Callable[[LocalBus], object]
) -> None:
    register(bus, "alice")
    clock.advance(120)
    act_alive(bus)
    assert_resumed(bus, "session.expired")


@pytest.mark.promise("S4")
def test_a_session_that_one_sweep_did_not_reach_is_revived_like_any_other(
    bus: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, act_alive: Callable[[LocalBus], object]
) -> None:
    monkeypatch.setattr(sessions, "SWEEP_AT_ONCE", 1)
    register(bus, "bob", "carol", ttl_s=10)
    register(bus, "alice")
    clock.advance(3600)
    act_alive(bus)
    assert_resumed(bus, "session.expired")
    for _ in range(3):
        bus.sweep()
    assert kinds(bus).count("session.expired") == 3
    assert live_ids(bus) == {"alice"}


@pytest.mark.promise("S4")
def test_an_ended_session_that_goes_on_is_live_again(bus: LocalBus, act_alive: Callable[[LocalBus], object]) -> None:
    register(bus, "alice")
    bus.sessions.end("alice")
    act_alive(bus)
    assert_resumed(bus, "session.ended")


@pytest.mark.promise("S4")
def test_a_read_looks_once_whether_a_sweep_is_due(bus: LocalBus, clock: FakeClock, monkeypatch: Any) -> None:
    """One snapshot answers both questions; only a sweep takes another."""
    register(bus, "alice")
    looks: list[int] = []
    is_due = LocalBus._is_due
    monkeypatch.setattr(LocalBus, "_is_due", lambda self: looks.append(1) or is_due(self))
    assert bus.sessions.get("alice").status == "active"
    assert len(looks) == 1
    clock.advance(3600)
    assert bus.sessions.get("alice").end_reason == "expired"
    assert bus.events.read(kinds=["session.expired"])[0].session_id == "alice"


def test_a_heartbeat_in_time_leaves_nothing_to_the_sweep(
    bus: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    other = open_bus()
    register(bus, "alice")
    clock.advance(119.999999)
    bus.sessions.heartbeat("alice")
    clock.advance(0.000001)
    other.sweep()
    assert live_ids(other) == {"alice"}
    assert kinds(bus) == ["session.registered"]


# -- S5 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S5")
def test_a_heartbeat_answers_with_the_others_of_its_project_newest_first(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "elsewhere", project="github.com/acme/other")
    for session_id in ("alice", "bob", "carol", "dave"):
        register(bus, session_id)
        clock.advance(1)
    bus.sessions.heartbeat("bob", current_task="mend the login", status="working")
    bus.sessions.end("dave")
    clock.advance(1)
    answer = bus.sessions.heartbeat("alice")
    assert (answer.session_id, answer.project, answer.status) == ("alice", SHOP, "active")
    assert [peer.session_id for peer in answer.others] == ["bob", "carol"]
    assert (answer.others_total, answer.unread, answer.conflicts) == (2, 0, [])
    bob = answer.others[0]
    assert (bob.agent_name, bob.agent_type, bob.status) == ("bob's agent", "claude-code", "working")
    assert (bob.current_task, bob.human_user, bob.branch) == ("mend the login", "alice", "main")
    assert bob.silent_s == 1


@pytest.mark.promise("S5")
def test_a_heartbeat_lists_fifty_others_unless_told_and_counts_them_all(bus: LocalBus) -> None:
    with bus.transaction():
        register(bus, *(f"s{n}" for n in range(60)))
    for limit, listed in ((None, 50), (3, 3), (59, 59), (1000, 59)):
        answer = bus.sessions.heartbeat("s7", limit=limit)
        assert (len(answer.others), answer.others_total) == (listed, 59)
        assert "s7" not in {peer.session_id for peer in answer.others}


@pytest.mark.promise("S7")
def test_a_ping_revives_a_session_that_was_ended_unless_it_is_told_not_to(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", "bob", "carol")
    for session_id, reason in (("alice", "clear"), ("bob", "client closed")):
        bus.sessions.end(session_id, reason)
    last_seq = bus.events.last_seq()
    assert [bus.sessions.ping(each, unless_ended=True).is_live for each in ("alice", "bob", "carol")] == [
        False,
        False,
        True,
    ]
    assert bus.events.last_seq() == last_seq
    clock.advance(1000)
    assert bus.sessions.ping("carol", unless_ended=True).is_live  # it had expired
    assert bus.sessions.ping("alice").is_live


@pytest.mark.promise("S5")
def test_a_heartbeat_that_changes_nothing_writes_when_it_was_and_no_event(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice", "bob", current_task="read")
    before, last_seq = bus.sessions.get("alice"), bus.events.last_seq()
    clock.advance(60)
    bus.sessions.heartbeat("alice")
    bus.sessions.heartbeat("alice", current_task="read", status="active", project=SHOP, branch="main", ttl_s=120)
    bus.sessions.heartbeat("alice", agent_name="alice's agent", agent_type="claude-code")
    bus.sessions.ping("alice")
    assert bus.sessions.get("alice") == before.replace(last_seen=to_datetime(clock.now()))
    assert bus.events.last_seq() == last_seq
    assert bus.sessions.active(SHOP).total == 2


@pytest.mark.promise("S5")
@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ({"current_task": "write"}, {"current_task": "write"}),
        ({"current_task": ""}, {"current_task": ""}),
        ({"status": "waiting", "current_task": "read"}, {"status": "waiting"}),
        ({"agent_type": "codex", "agent_name": "alice's agent"}, {"agent_type": "codex"}),
        ({"ttl_s": 30}, {"ttl_s": 30}),
        ({"branch": "fix"}, {"branch": "fix"}),
    ],
)
def test_a_heartbeat_that_changes_something_tells_what(
    bus: LocalBus, said: dict[str, object], changed: dict[str, object]
) -> None:
    register(bus, "alice", current_task="read")
    bus.sessions.heartbeat("alice", **said)
    event = all_events(bus)[-1]
    assert (event.seq, event.kind, event.data) == (2, "session.updated", changed)
    assert {name: getattr(bus.sessions.get("alice"), name) for name in changed} == changed


@pytest.mark.promise("S5")
def test_a_session_that_changes_its_project_leaves_the_old_one(bus: LocalBus) -> None:
    register(bus, "alice", "bob", "carol")
    answer = bus.sessions.heartbeat("alice", project=OTHER, move=True)
    assert (answer.project, answer.others_total) == (OTHER, 0)
    assert bus.sessions.heartbeat("bob").others_total == 1
    assert [(each.kind, each.project) for each in all_events(bus)[-2:]] == [
        ("session.left", SHOP),
        ("session.moved", OTHER),
    ]
    assert bus.events.read(project=SHOP)[-1].data == {}  # who sees the old project alone does not hear of the new one
    assert bus.events.read(project=OTHER)[-1].data["project"] == OTHER


class Elsewhere(Here):
    """A caller in another repository."""

    project, branch, location = OTHER, "fix", "host:/src/other"


@pytest.mark.promise("S16")
@pytest.mark.parametrize("how", ["register", "register from another folder", "heartbeat", "heartbeat with a name"])
def test_a_live_session_is_moved_to_another_project_only_when_told_so(bus: LocalBus, how: str) -> None:
    register(bus, "alice", "bob", current_task="read")
    before, told = bus.sessions.get("alice"), kinds(bus)
    if how == "register from another folder":
        bus.here = Elsewhere()

    def call(**more: Any) -> object:
        if how.startswith("register"):
            said = {} if "folder" in how else {"project": OTHER}
            return bus.sessions.register("alice", "another", "codex", **said, **more)
        named = {"agent_name": "another"} if "name" in how else {}
        return bus.sessions.heartbeat("alice", project=OTHER, current_task="write", **named, **more)

    with pytest.raises(errors.SessionElsewhere, match=f"lives in {SHOP}, not in {OTHER}") as caught:
        call()
    assert caught.value.details == {"project": SHOP}
    assert (bus.sessions.get("alice"), kinds(bus)) == (before, told)
    bus.here = Elsewhere()
    call(move=True)
    moved = bus.sessions.get("alice")
    assert (moved.project, moved.location, moved.branch) == (OTHER, Elsewhere.location, Elsewhere.branch)
    assert moved.started_at == before.started_at
    assert kinds(bus) == [*told, "session.left", "session.moved"]
    assert [bus.sessions.active(each).total for each in (SHOP, OTHER)] == [1, 1]


@pytest.mark.promise("S16")
def test_the_sessions_of_both_projects_are_told_that_one_moves(bus: LocalBus) -> None:
    register(bus, "alice", "bob")
    bus.sessions.register("carol", "carol's", "codex", project=OTHER)
    with bus.transaction():
        bus.sessions.heartbeat("alice", project=OTHER, move=True)
        assert bus.due_sessions >= {"bob", "carol"}


@pytest.mark.promise("S16")
def test_a_session_that_is_not_live_resumes_where_it_says(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    bus.sessions.end("alice")
    assert bus.sessions.heartbeat("alice", project=OTHER).project == OTHER
    clock.advance(3600)
    assert bus.sessions.register("alice", "alice's", "codex").project == SHOP
    assert "session.moved" not in kinds(bus)


@pytest.mark.promise("S16")
def test_what_a_session_holds_stays_its_own_when_it_moves(bus: LocalBus) -> None:
    register(bus, "alice", "bob")
    bus.messages.send("bob", "alice", subject="hello")
    bus.messages.broadcast("bob", "to all")
    task = bus.tasks.offer("bob", "alice", "work")
    bus.tasks.accept("alice", task.task_id)
    bus.sessions.heartbeat("alice", project=OTHER, move=True)
    assert [each.subject for each in bus.messages.inbox("alice")] == ["hello", "to all", "work"]
    assert bus.tasks.get(task.task_id).owner == "alice"
    assert bus.tasks.complete("alice", task.task_id).status == "completed"
    assert bus.memory.set("alice", "color", "red").project == OTHER


def test_the_active_sessions_say_their_detail_and_when_they_were_seen(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    clock.advance(5)
    detail = {"step": 3, "of": [1, None, "ünï"]}
    seen = bus.sessions.set_status_detail("alice", detail).last_seen
    register(bus, "bob")
    bob, alice = bus.sessions.active(SHOP).sessions
    assert (alice.status_detail, alice.last_seen) == (detail, seen)
    assert (bob.status_detail, bob.silent_s) == (None, 0)


@pytest.mark.promise("S5")
def test_a_status_detail_that_differs_only_as_json_is_a_change(bus: LocalBus) -> None:
    register(bus, "alice")
    for detail in ({"done": 1}, {"done": True}, {"done": 1.0}):
        assert repr(bus.sessions.set_status_detail("alice", detail).status_detail) == repr(detail)
    bus.sessions.set_status_detail("alice", {"done": 1.0})
    assert kinds(bus).count("session.updated") == 3


def test_a_heartbeat_may_not_say_offline(bus: LocalBus) -> None:
    with pytest.raises(errors.InvalidInput, match="cannot be offline") as refused:
        bus.sessions.heartbeat("alice", status="offline")
    assert refused.value.hint == "End the session instead (end)"
    with pytest.raises(errors.InvalidInput, match="cannot be offline"):
        bus.sessions.register("alice", "a", "codex", status="offline")
    assert live_ids(bus) == set()


@pytest.mark.promise("S12")
def test_whatever_a_session_writes_keeps_it_alive(bus: LocalBus, clock: FakeClock) -> None:
    for name in ("alice", "bob"):
        bus.sessions.register(name, "a", "codex", project=SHOP)
    for _ in range(5):
        clock.advance(100)
        bus.messages.send("alice", "bob", subject=f"still here at {clock.now()}")
    assert live_ids(bus) == {"alice"}
    bus.memory.set("bob", "key", 1)  # one that fell silent is back with what it says
    assert live_ids(bus) == {"alice", "bob"}
    bus.sessions.end("bob")
    bus.memory.set("bob", "key", 2)
    assert live_ids(bus) == {"alice"}  # what was ended on purpose stays so


@pytest.mark.promise("S12")
def test_waiting_is_a_sign_of_life_and_looking_is_none(open_bus: Callable[[], LocalBus], clock: FakeClock) -> None:
    bus, other = open_bus(), open_bus()
    bus.sessions.register("alice", "a", "codex", project=SHOP)
    other.sessions.register("bob", "a", "codex", project=SHOP)
    clock.advance(100)
    other.messages.inbox("bob")
    bus.messages.inbox("alice", wait_s=1)
    clock.advance(100)
    assert live_ids(bus) == {"alice"}


@pytest.mark.promise("S12")
def test_an_act_is_written_down_once_in_a_while(bus: LocalBus, clock: FakeClock) -> None:
    for name in ("alice", "bob"):
        bus.sessions.register(name, "a", "codex", project=SHOP)
    seen = bus.sessions.get("alice").last_seen
    clock.advance(5)
    bus.messages.send("alice", "bob", subject="x")
    assert bus.sessions.get("alice").last_seen == seen
    clock.advance(5)
    bus.messages.send("alice", "bob", subject="y")
    assert bus.sessions.get("alice").last_seen > seen


# -- S6 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(bus: LocalBus) -> LocalBus:
    told = [
        ("a", "claude-code", "alice", ["review", "deploy"], SHOP),
        ("b", "codex", "alice", ["review"], SHOP),
        ("c", "codex", "bob", [], "github.com/acme/other"),
        ("d", "gemini", "bob", ["deploy"], SHOP),
    ]
    for session_id, agent_type, user, capabilities, project in told:
        bus.sessions.register(session_id, "agent", agent_type, user, capabilities, project=project)
    bus.sessions.update_status("b", "waiting")
    bus.sessions.end("d")
    return bus


@pytest.mark.promise("S6")
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, "cba"),
        ({"include_offline": True}, "dcba"),
        ({"status": "waiting"}, "b"),
        ({"status": "offline"}, "d"),
        ({"agent_type": "codex"}, "cb"),
        ({"human_user": "bob"}, "c"),
        ({"human_user": "bob", "include_offline": True}, "dc"),
        ({"capability": "review"}, "ba"),
        ({"capability": "rev"}, ""),
        ({"project": SHOP}, "ba"),
        ({"project": SHOP, "agent_type": "codex", "human_user": "alice", "capability": "review"}, "b"),
        ({"project": SHOP, "agent_type": "gemini"}, ""),
        ({"limit": 2}, "cb"),
        ({"limit": 2, "after_id": "b"}, "a"),
    ],
)
def test_sessions_are_found_by_all_filters_together_newest_registration_first(
    crowd: LocalBus, filters: dict[str, object], found: str
) -> None:
    assert "".join(session.session_id for session in crowd.sessions.find_sessions(**filters)) == found


@pytest.mark.promise("S6")
def test_a_list_is_whole_however_many_pages_it_takes(bus: LocalBus) -> None:
    with bus.transaction():
        register(bus, *(f"s{n}" for n in range(2001)))
    assert [s.session_id for s in bus.sessions.list_sessions()] == [f"s{n}" for n in reversed(range(2001))]


@pytest.mark.promise("S6")
def test_statistics_count_by_status_type_and_user(crowd: LocalBus) -> None:
    stats = crowd.sessions.get_stats()
    assert (stats.total, stats.live, stats.offline) == (4, 3, 1)
    assert stats.by_status == {"active": 2, "waiting": 1, "offline": 1}
    assert stats.by_type == {"claude-code": 1, "codex": 2, "gemini": 1}
    assert stats.by_user == {"alice": 2, "bob": 2}
    assert crowd.sessions.get_stats(project=SHOP).by_type == {"claude-code": 1, "codex": 1, "gemini": 1}


@pytest.mark.promise("S6")
def test_offline_history_is_kept_until_it_is_cleared(crowd: LocalBus, clock: FakeClock) -> None:
    clock.advance(30 * 24 * 3600)
    assert len(crowd.sessions.list_sessions(include_offline=True)) == 4
    assert crowd.sessions.clear_offline(all_projects=True) == 4
    assert crowd.sessions.list_sessions(include_offline=True) == []
    assert crowd.sessions.clear_offline(all_projects=True) == 0
    cleared = [event for event in all_events(crowd) if event.kind == "session.cleared"]
    assert {event.project: event.data["count"] for event in cleared} == {SHOP: 3, "github.com/acme/other": 1}


@pytest.mark.promise("S6")
def test_clearing_spares_the_live_the_recent_and_other_projects(crowd: LocalBus, clock: FakeClock) -> None:
    assert crowd.sessions.clear_offline(older_than_s=1) == 0
    clock.advance(60)
    crowd.sessions.end("b")
    assert crowd.sessions.clear_offline(project="github.com/acme/other") == 0
    assert crowd.sessions.clear_offline(older_than_s=60) == 1
    assert {s.session_id for s in crowd.sessions.list_sessions(include_offline=True)} == {"a", "b", "c"}


@pytest.mark.promise("S6")
def test_clearing_takes_what_no_sweep_has_reached(
    bus: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SWEEP_AT_ONCE", 2)
    register(bus, *"abcdefg")
    clock.advance(3600)
    assert bus.sessions.clear_offline() == 7
    assert kinds(bus).count("session.expired") == 7


def test_a_session_that_is_not_there_is_an_error_with_near_matches(bus: LocalBus) -> None:
    register(bus, "alice-1", "bob")
    for call in (bus.sessions.get, bus.sessions.ping, bus.sessions.end, bus.sessions.unregister):
        with pytest.raises(errors.SessionNotFound, match="alice-2") as caught:
            call("alice-2")
        assert caught.value.details["near"] == ["alice-1"]
        assert "alice-1" in caught.value.hint


def test_ending_twice_keeps_the_first_end(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    ended = bus.sessions.end("alice", "done")
    clock.advance(5)
    assert bus.sessions.unregister("alice") == bus.sessions.update_status("alice", "offline") == ended
    assert kinds(bus) == ["session.registered", "session.ended"]


# -- S7 ---------------------------------------------------------------------------------------------------------------

WRITES_OF_SOMEBODY = [
    name
    for name, declared in SessionRegistry.operations.items()
    if declared.is_write and "session_id" in declared.parameters
]


@pytest.mark.promise("S7")
@pytest.mark.parametrize("name", WRITES_OF_SOMEBODY)
def test_a_write_by_nobody_fails_and_says_how_to_bind_an_identity(bus: LocalBus, name: str) -> None:
    required = {"agent_name": "agent", "agent_type": "codex", "status": "idle", "blob": {}}
    parameters = SessionRegistry.operations[name].parameters
    said = {key: value for key, value in required.items() if key in parameters}
    for nobody in ({}, {"session_id": None}):
        with pytest.raises(errors.IdentityMissing, match="session_id") as caught:
            getattr(bus.sessions, name)(**said, **nobody)
        assert "Name the session" in caught.value.hint
    assert kinds(bus) == []


@pytest.mark.promise("S7")
@pytest.mark.parametrize("session_id", ["", "*", "active", "me", "user:alice", "capability:review", "a b", "a/b", "\n"])
def test_an_id_that_could_mean_something_else_identifies_nobody(bus: LocalBus, session_id: str) -> None:
    with pytest.raises(errors.InvalidInput):
        bus.sessions.heartbeat(session_id)
    assert kinds(bus) == []


# -- S8 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S8")
def test_all_times_are_the_stores(bus: LocalBus, clock: FakeClock) -> None:
    clock.advance(12.345678)
    bus.sessions.heartbeat("alice")
    session = bus.sessions.end("alice")
    assert session.started_at == session.last_seen == session.ended_at == to_datetime(clock.now())
    assert {event.at for event in all_events(bus)} == {to_datetime(clock.now())}


@pytest.mark.promise("S8")
def test_no_operation_takes_a_time_from_its_caller(bus: LocalBus) -> None:
    names = {
        name
        for service in bus.services.values()
        for declared in service.operations.values()
        for name in declared.parameters
    }
    assert not {name for name in names if name.endswith("_at") or name in ("now", "last_seen")}


@pytest.mark.promise("S8")
def test_a_bus_nobody_gave_a_clock_lives_by_the_hosts(tmp_path: Path) -> None:
    before = time.time()
    with hallway.connect(tmp_path) as bus:
        started_at = bus.sessions.register("alice", "agent", "codex").started_at
    assert before - 0.001 <= started_at.timestamp() <= time.time()


class TickingClock(SystemClock):
    """A clock that has moved on a minute whenever it is asked again."""

    time = 0

    def now(self) -> int:
        self.time += 60_000_000
        return self.time


@pytest.mark.promise("S8")
def test_a_transaction_judges_everything_at_one_instant(bus: LocalBus) -> None:
    bus.store.clock = TickingClock()
    with bus.transaction():
        register(bus, "alice", "bob", "carol", ttl_s=10)
        assert bus.sessions.heartbeat("alice").others_total == 2
        assert len({session.started_at for session in bus.sessions.list_sessions()}) == 1


def test_a_registry_of_its_own_opens_a_bus_in_a_folder(tmp_path: Path) -> None:
    with SessionRegistry(tmp_path / "here") as registry:
        registry.register("alice", "agent", "codex", project=SHOP)
        with SessionRegistry(str(tmp_path / "here" / "bus.db")) as again:
            assert again.active(SHOP).total == 1


def test_a_clearing_of_one_project_and_of_all_is_a_contradiction(bus: LocalBus) -> None:
    with pytest.raises(errors.InvalidInput, match="all projects"):
        bus.sessions.clear_offline(project=SHOP, all_projects=True)


def test_a_parameter_that_is_given_twice_is_an_error(bus: LocalBus) -> None:
    with pytest.raises(errors.InvalidInput, match="session_id twice"):
        bus.sessions.heartbeat("alice", session_id="bob")
    assert bus.sessions.list_sessions() == []


def test_a_page_after_a_session_that_is_gone_is_an_error_and_no_end(bus: LocalBus) -> None:
    for session_id in "abc":
        bus.sessions.register(session_id, "agent", "codex")
    first = bus.sessions.find_sessions(limit=2)
    bus.sessions.end(first[-1].session_id)
    bus.sessions.clear_offline()
    with pytest.raises(errors.SessionNotFound, match="any more"):
        bus.sessions.find_sessions(limit=2, after_id=first[-1].session_id)
    assert [each.session_id for each in bus.sessions.find_sessions(limit=2, after_id=first[0].session_id)] == ["a"]
    assert bus.sessions.find_sessions(after_id="a") == []  # which is the end


def test_all_sessions_are_listed_though_some_go_between_two_pages(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hallway.services.sessions.LIST_PAGE", 2)
    for session_id in "abcdefg":
        bus.sessions.register(session_id, "agent", "codex")
    find, gone = bus.sessions.find_sessions, iter(("f", "d", "none"))

    def find_and_forget(**filters: Any) -> list[Session]:
        page = find(**filters)
        if (session_id := next(gone, "none")) != "none":
            bus.sessions.end(session_id)
            bus.sessions.clear_offline()
        return page

    monkeypatch.setattr(bus.sessions, "find_sessions", find_and_forget)
    listed = [each.session_id for each in bus.sessions.list_sessions()]
    assert [each for each in listed if each not in "fd"] == ["g", "e", "c", "b", "a"]
    assert len(listed) == len(set(listed))


# -- S11 --------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S11")
def test_a_status_is_said_with_its_reason_and_one_line_about_it(bus: LocalBus) -> None:
    register(bus, "alice")
    bus.sessions.heartbeat("alice", status="waiting", reason="permission", detail="Bash: git push")
    session = bus.sessions.get("alice")
    assert (session.status, session.reason, session.detail) == ("waiting", "permission", "Bash: git push")
    (peer,) = bus.sessions.active(SHOP).sessions
    assert (peer.reason, peer.detail, peer.status_s) == ("permission", "Bash: git push", 0)
    assert all_events(bus)[-1].data == {"status": "waiting", "reason": "permission", "detail": "Bash: git push"}


@pytest.mark.promise("S11")
def test_only_a_change_of_status_or_reason_moves_status_since(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    since = {}
    for step, change in {
        "question": lambda: bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which port?"),
        "heartbeat": lambda: bus.sessions.heartbeat("alice"),
        "same status": lambda: bus.sessions.heartbeat("alice", status="waiting"),
        "new detail": lambda: bus.sessions.heartbeat("alice", reason="question", detail="Which host?"),
        "new task": lambda: bus.sessions.heartbeat("alice", current_task="deploy"),
        "ping": lambda: bus.sessions.ping("alice"),
        "registered again": lambda: register(bus, "alice"),
        "permission": lambda: bus.sessions.update_status("alice", "waiting", reason="permission"),
        "working": lambda: bus.sessions.heartbeat("alice", status="working"),
        "end": lambda: bus.sessions.end("alice"),
    }.items():
        clock.advance(60)
        change()
        since[step] = (bus.sessions.get("alice").status_since - to_datetime(0)).total_seconds() - clock.now() / 1e6
    assert since == {
        "question": 0,
        "heartbeat": -60,
        "same status": -120,
        "new detail": -180,
        "new task": -240,
        "ping": -300,
        "registered again": -360,
        "permission": 0,
        "working": 0,
        "end": 0,
    }


@pytest.mark.promise("S11")
@pytest.mark.parametrize(
    "change",
    [
        lambda bus: bus.sessions.heartbeat("alice", status="working"),
        lambda bus: bus.sessions.heartbeat("alice", status="idle"),
        lambda bus: bus.sessions.update_status("alice", "active"),
        lambda bus: register(bus, "alice", status="working"),
        lambda bus: bus.sessions.end("alice"),
        lambda bus: (bus.sessions.end("alice"), bus.sessions.ping("alice")),
    ],
)
def test_a_reason_and_a_detail_end_with_their_status(bus: LocalBus, change: Callable[[LocalBus], object]) -> None:
    register(bus, "alice")
    bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which port?")
    change(bus)
    session = bus.sessions.get("alice")
    assert (session.reason, session.detail) == (None, None)


@pytest.mark.promise("S11")
def test_a_detail_ends_with_its_reason_and_can_be_taken_back(bus: LocalBus) -> None:
    register(bus, "alice")
    bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which port?")
    bus.sessions.heartbeat("alice", reason="permission")
    assert bus.sessions.get("alice").detail is None
    bus.sessions.heartbeat("alice", detail="Bash: make")
    bus.sessions.heartbeat("alice", detail="")
    session = bus.sessions.get("alice")
    assert (session.status, session.reason, session.detail) == ("waiting", "permission", None)


@pytest.mark.promise("S11")
@pytest.mark.parametrize("status", ["working", "active", "offline"])
def test_a_session_that_is_neither_waiting_nor_idle_has_no_reason(bus: LocalBus, status: str) -> None:
    register(bus, "alice")
    for said in ({"reason": "done"}, {"detail": "All tests pass."}):
        with pytest.raises(errors.InvalidInput, match="has no reason"):
            bus.sessions.update_status("alice", status, **said)
        with pytest.raises(errors.InvalidInput, match="has no reason"):
            bus.sessions.heartbeat("bob", **said)  # a new session is active
    assert bus.sessions.get("alice").is_live


@pytest.mark.promise("S11")
def test_an_expired_session_shows_no_reason_before_and_after_the_sweep(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "alice")
    bus.sessions.heartbeat("alice", status="waiting", reason="question", detail="Which port?")
    clock.advance(121)
    with bus.store.read():
        shown = bus.sessions.require("alice")
    bus.sweep()
    swept = bus.sessions.get("alice")
    assert shown == swept
    assert (swept.reason, swept.detail, swept.status_since) == (None, None, swept.ended_at)


# -- S14 --------------------------------------------------------------------------------------------------------------


def talk(bus: LocalBus) -> str:
    """Have alice get a message from bob, accept a task of bob's and be offered another; returns the message's id."""
    register(bus, "alice", "bob", "alice-2")
    sent = bus.messages.send("bob", "alice", "request", "Which port?")
    bus.messages.mark_injected("alice", [sent.message_id])
    bus.tasks.accept("alice", bus.tasks.offer("bob", "alice", "mend the login").task_id)
    bus.tasks.offer("bob", "alice", "mend the cart")
    return sent.message_id


def subjects(bus: LocalBus, session_id: str, **only: Any) -> list[str]:
    return [each.subject for each in bus.messages.inbox(session_id, **only)]


@pytest.mark.promise("S14")
def test_who_goes_on_under_a_new_id_has_the_unread_messages_and_the_tasks(bus: LocalBus) -> None:
    talk(bus)
    bus.sessions.succeed("alice-2", "alice")
    assert "Which port?" in subjects(bus, "alice-2", new_only=True)  # whoever it was shown to is gone
    assert subjects(bus, "alice") == []
    tasks = {task.subject: (task.status, task.owner, task.offered_to) for task in bus.tasks.list_tasks()}
    assert tasks == {"mend the login": ("accepted", "alice-2", None), "mend the cart": ("offered", None, "alice-2")}
    assert "task.reoffered" not in kinds(bus)
    before = bus.sessions.get("alice")
    assert (before.status, before.end_reason) == ("offline", "continued as alice-2")


@pytest.mark.promise("S14")
def test_a_broadcast_that_both_have_is_read_once(bus: LocalBus) -> None:
    register(bus, "alice", "bob", "alice-2")
    bus.messages.broadcast("bob", "lunch")
    bus.sessions.succeed("alice-2", "alice")
    assert subjects(bus, "alice-2") == ["lunch"]


@pytest.mark.promise("S14")
def test_a_message_to_the_old_id_reaches_the_new_one_and_its_sender_is_told(bus: LocalBus) -> None:
    asked = talk(bus)
    answer_to = bus.messages.send("alice", "bob", "request", "And the host?").message_id
    register(bus, "alice-3")
    bus.sessions.succeed("alice-2", "alice")
    bus.sessions.succeed("alice-3", "alice-2")
    receipt = bus.messages.send("bob", "alice", "notification", "news")
    assert (receipt.forwarded_to, receipt.recipients, receipt.recipient_status) == ("alice-3", 1, "active")
    assert bus.messages.reply("bob", answer_to, "localhost").forwarded_to == "alice-3"
    assert {"news", "Which port?"} <= {*subjects(bus, "alice-3")}
    assert bus.messages.reply("alice-3", asked, "8080").forwarded_to is None
    assert bus.messages.send("bob", "alice-3", "notification", "direct").forwarded_to is None


@pytest.mark.promise("S14")
def test_those_who_talked_with_it_are_told_and_nobody_else(bus: LocalBus) -> None:
    talk(bus)
    register(bus, "carol")
    bus.sessions.succeed("alice-2", "alice")
    assert "alice goes on as alice-2" in subjects(bus, "bob")
    assert subjects(bus, "carol") == []


@pytest.mark.promise("S14")
def test_an_old_session_that_goes_on_too_gets_its_own_messages_again(bus: LocalBus) -> None:
    talk(bus)
    bus.sessions.succeed("alice-2", "alice")
    bus.sessions.heartbeat("alice", status="working")
    assert bus.messages.send("bob", "alice", "notification", "news").forwarded_to is None
    assert "news" in subjects(bus, "alice")


@pytest.mark.promise("S14")
def test_what_the_old_session_still_writes_does_not_make_it_live(bus: LocalBus) -> None:
    talk(bus)
    bus.sessions.succeed("alice-2", "alice")
    bus.messages.send("alice", "bob", "notification", "late")
    assert not bus.sessions.get("alice").is_live


@pytest.mark.promise("S14")
def test_a_session_that_has_ended_is_continued_too_and_twice_moves_nothing(bus: LocalBus) -> None:
    talk(bus)
    bus.sessions.end("alice", "clear")
    bus.sessions.succeed("alice-2", "alice")
    seen = len(all_events(bus))
    bus.sessions.succeed("alice-2", "alice")
    assert "Which port?" in subjects(bus, "alice-2")
    assert [event.kind for event in all_events(bus)[seen:]] == []


@pytest.mark.promise("S14")
def test_no_session_continues_itself_or_nobody(bus: LocalBus) -> None:
    register(bus, "alice")
    with pytest.raises(errors.InvalidInput):
        bus.sessions.succeed("alice", "alice")
    for new, old in (("alice", "nobody"), ("nobody", "alice")):
        with pytest.raises(errors.SessionNotFound):
            bus.sessions.succeed(new, old)
    assert bus.sessions.get("alice").is_live
