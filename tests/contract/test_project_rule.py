"""Which project a call is about, by one rule for every operation; and who is registered by acting."""

from __future__ import annotations

from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.operation import Operation
from hallway.core.principal import Principal
from hallway.local.workspace import NoWorkspace, ScopedWorkspace
from support import Here, kinds
from trust.world import OPERATIONS

SHOP = Here.project
SITE = "github.com/acme/site"

# How each operation is called that is about one project; those that act, as the session s1.
CALLS: dict[str, dict[str, Any]] = {
    "sessions.register": {"session_id": "new", "agent_name": "alice's", "agent_type": "codex"},
    "sessions.heartbeat": {"session_id": "new"},
    "sessions.active": {},
    "sessions.clear_offline": {},
    "messages.send": {"from_session": "user:alice", "to_session": "*", "subject": "hello"},
    "messages.broadcast": {"from_session": "user:alice", "subject": "hello"},
    "tasks.offer": {"from_session": "user:alice", "to_session": "*", "subject": "work"},
    "memory.set": {"session_id": "user:alice", "key": "color", "value": "red"},
    "memory.get_entry": {"key": "color"},
    "memory.get_all": {"key": "color"},
    "memory.find": {"query": "red"},
    "memory.delete": {"key": "color"},
    "memory.clear_some": {},
    "claims.claim": {"session_id": "user:alice", "paths": ["src/**"]},
}
ABOUT_ONE = [each for each in OPERATIONS.values() if "project" in each.parameters and not each.is_of_all]
# How each operation is called by which a session that was never seen is registered.
ACTS: dict[str, dict[str, Any]] = {
    "sessions.register": {"session_id": "new", "agent_name": "alice's", "agent_type": "codex"},
    "sessions.heartbeat": {"session_id": "new"},
    "sessions.update_status": {"session_id": "new", "status": "working"},
    "sessions.set_status_detail": {"session_id": "new", "blob": {"step": 1}},
    "messages.send": {"from_session": "new", "to_session": "s1", "subject": "hello"},
    "messages.broadcast": {"from_session": "new", "subject": "hello"},
    "messages.reply": {"from_session": "new", "to_message": "$message", "body": "an answer"},
    "messages.ping_session": {"from_session": "new", "to_session": "s1"},
    "tasks.offer": {"from_session": "new", "to_session": "*", "subject": "work"},
    "tasks.accept": {"session_id": "new", "task_id": "$task"},
    "tasks.handoff": {"session_id": "new", "task_id": "$task", "to_session": "s1"},
    "tasks.complete": {"session_id": "new", "task_id": "$task"},
    "tasks.cancel": {"session_id": "new", "task_id": "$task"},
    "memory.set": {"session_id": "new", "key": "color", "value": "red"},
    "files.touch": {"session_id": "new", "paths": ["/shop/cart.py"]},
    "claims.claim": {"session_id": "new", "paths": ["src/**"]},
    "claims.renew": {"session_id": "new", "claim_id": "$claim"},
    "claims.release": {"session_id": "new", "claim_id": "$claim"},
    "conflicts.report_merge": {"session_id": "new", "conflict_id": "$conflict"},
    "conflicts.settle": {"session_id": "new", "conflict_id": "$conflict"},
}
# Who is new owns no task and no claim, and is in no conflict: a refusal.
NOT_YOURS = (
    "tasks.handoff",
    "tasks.complete",
    "tasks.cancel",
    "claims.renew",
    "claims.release",
    "conflicts.report_merge",
    "conflicts.settle",
)


class Speaking(NoWorkspace):
    """A caller that says which session it is, and nothing else."""

    session_id = "s1"


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    bus.sessions.register("s1", "alice's codex", "codex", project=SITE)
    bus.sessions.register("s2", "bob's codex", "codex", project=SHOP)
    return bus


def call(bus: LocalBus, operation: Operation, arguments: dict[str, Any]) -> Any:
    return bus.execute(operation, bus.services[operation.noun], operation.arguments((), arguments))


def test_no_operation_about_one_project_is_left_out() -> None:
    assert {each.name for each in ABOUT_ONE} == set(CALLS)


def test_no_write_is_about_every_project_unless_told_so() -> None:
    assert [each.name for each in OPERATIONS.values() if each.is_of_all and each.is_write] == []


@pytest.mark.promise("S15")
@pytest.mark.parametrize("operation", ABOUT_ONE, ids=lambda each: each.name)
def test_where_nothing_says_the_project_an_error_asks_for_it(team: LocalBus, operation: Operation) -> None:
    team.here = NoWorkspace()
    before = kinds(team)
    with pytest.raises(errors.ProjectNeeded) as caught:
        call(team, operation, CALLS[operation.name])
    assert caught.value.details["projects"] == [SHOP, SITE]
    assert kinds(team) == before
    team.memory.set("user:alice", "color", "red", project=SHOP)
    call(team, operation, {**CALLS[operation.name], "project": SHOP})


@pytest.mark.promise("S15")
def test_the_session_that_calls_says_the_project_of_reads_and_writes(team: LocalBus) -> None:
    team.memory.set("s1", "color", "red")
    team.memory.set("s2", "color", "blue")
    team.sessions.end("s2")
    team.here = Speaking()
    assert team.memory.get("color") == "red"
    assert [hit.session_id for hit in team.memory.find("red")] == ["s1"]
    assert [each.version for each in team.memory.get_all("color")] == [1]
    assert team.sessions.active().project == SITE
    assert team.sessions.current_project() == SITE
    assert team.memory.set("user:alice", "by hand", 1).project == SITE
    assert team.messages.broadcast("user:alice", "hello").recipients == 1
    assert team.tasks.offer("user:alice", "*", "work").project == SITE
    assert team.memory.delete("by hand") == 1
    assert team.memory.clear() == 1
    assert team.sessions.clear_offline() == 0
    assert team.memory.get("color", project=SHOP) == "blue"


@pytest.mark.promise("S15")
def test_what_is_named_counts_before_the_session_and_the_session_before_the_folder(team: LocalBus) -> None:
    """The folder is the shop's; s1 lives in the site."""
    assert team.memory.set("s1", "color", "red").project == SITE
    assert team.memory.set("s1", "color", "blue", project=SHOP).project == SHOP
    assert team.memory.get("color") == "blue"
    assert team.memory.delete("color", "s1") == 1
    assert (team.memory.get("color"), team.memory.get("color", project=SITE)) == ("blue", None)
    assert team.messages.get(team.messages.broadcast("s1", "hello").message_id).project == SITE
    assert team.sessions.current_project("s1") == SITE
    assert team.sessions.current_project() == SHOP


@pytest.mark.promise("S15")
def test_a_token_for_one_project_needs_to_name_none(team: LocalBus) -> None:
    team.memory.set("s1", "color", "red")
    one, two = Principal("alice", "agent", [SITE]), Principal("alice", "agent", [SITE, SHOP])
    team.principal, team.here = one, ScopedWorkspace(NoWorkspace(), one)
    assert team.memory.get("color") == "red"
    assert team.sessions.heartbeat("new").project == SITE
    team.principal, team.here = two, ScopedWorkspace(NoWorkspace(), two)
    with pytest.raises(errors.ProjectNeeded):
        team.memory.get("color")


@pytest.mark.promise("P2")
def test_a_session_that_a_token_does_not_see_says_no_project(team: LocalBus) -> None:
    who = Principal("bob", "agent", [SHOP, "github.com/acme/third"])
    team.memory.set("s1", "color", "red")
    team.principal, team.here = who, ScopedWorkspace(Speaking(), who)
    with pytest.raises(errors.ProjectNeeded) as caught:
        team.memory.get("color")
    assert caught.value.details["projects"] == [SHOP]
    with pytest.raises(errors.ProjectNeeded):
        team.sessions.current_project("s1")


def test_a_person_answers_in_the_project_of_the_message(team: LocalBus) -> None:
    sent = team.messages.send("s1", "user:alice", "request", "which color?")
    team.here = NoWorkspace()
    answer = team.messages.reply("user:alice", sent.message_id, "red")
    assert team.messages.get(answer.message_id).project == SITE
    passed_on = team.messages.send("user:alice", "user:bob", subject="see", in_reply_to=sent.message_id)
    assert team.messages.get(passed_on.message_id).project == SITE
    direct = team.messages.send("user:alice", "s2", subject="hello")
    assert team.messages.get(direct.message_id).project == SHOP
    assert len(team.messages.get_messages("user:bob")) == 1


# -- acts of sessions that were never seen -----------------------------------------------------------------------------


def test_no_act_is_left_out() -> None:
    assert {each.name for each in OPERATIONS.values() if each.registers} == set(ACTS)


@pytest.mark.promise("S1")
@pytest.mark.parametrize("role", ["owner", "agent"])
@pytest.mark.parametrize("name", ACTS)
def test_an_act_of_a_session_that_was_never_seen_registers_it(team: LocalBus, name: str, role: str) -> None:
    message = team.messages.send("s1", "user:alice", "request", "well?").message_id
    task = team.tasks.offer("s1", "*", "work").task_id
    claim = team.claims.claim("s2", ["docs/**"]).claim_id
    team.sessions.register("s3", "carol's codex", "codex", project=SHOP)
    for session_id in ("s2", "s3"):
        team.files.touch(session_id, ["/shop/login.py"])
    conflict = team.conflicts.find()[0].conflict_id
    if role == "agent":
        team.principal = Principal("alice", "agent", [SHOP, SITE])
    named = {"$message": message, "$task": task, "$claim": claim, "$conflict": conflict}
    arguments = {key: named.get(str(value), value) for key, value in ACTS[name].items()}
    if name in NOT_YOURS:
        with pytest.raises((errors.AlreadyTaken, errors.Refused)):
            call(team, OPERATIONS[name], arguments)
        team.principal = None
        assert "new" not in {each.session_id for each in team.sessions.list_sessions()}  # what is refused wrote nothing
        return
    call(team, OPERATIONS[name], arguments)
    session = team.sessions.get("new")
    assert (session.project, session.is_live) == (SHOP, True)
    assert kinds(team, "new")[0] == "session.registered"
    team.principal = None
    assert team.store.one("sessions.owner", session_id="new")[0] == ("alice" if role == "agent" else None)


@pytest.mark.promise("S1")
def test_an_act_registers_in_the_project_that_it_names(team: LocalBus) -> None:
    team.memory.set("new", "color", "red", project=SITE)
    team.messages.send("newer", "*", subject="hello", project=SITE)
    assert {team.sessions.get(each).project for each in ("new", "newer")} == {SITE}


@pytest.mark.promise("S1")
def test_a_recipient_that_was_never_seen_is_an_error_and_its_sender_is_not_registered(team: LocalBus) -> None:
    for refused in (
        lambda: team.messages.send("new", "s11", subject="hello"),
        lambda: team.tasks.offer("new", "s11", "work"),
        lambda: team.messages.ping_session("new", "s11"),
        lambda: team.messages.inbox("s11"),
        lambda: team.messages.acknowledge("s11", ["m"]),
        lambda: team.messages.mark_injected("s11", ["m"]),
        lambda: team.sessions.ping("s11"),
        lambda: team.sessions.end("s11"),
        lambda: team.sessions.update_status("s11", "offline"),
    ):
        with pytest.raises(errors.SessionNotFound) as caught:
            refused()
        assert "s1" in caught.value.details["near"]
    assert {each.session_id for each in team.sessions.list_sessions(include_offline=True)} == {"s1", "s2"}


def test_an_observer_registers_nobody_by_acting(team: LocalBus) -> None:
    team.principal = Principal("olive", "observer", [SHOP])
    for name, arguments in ACTS.items():
        with pytest.raises(errors.Refused):
            call(team, OPERATIONS[name], arguments)
    team.principal = None
    assert "session.registered" not in kinds(team)[2:]


def test_a_session_that_was_ended_is_not_registered_again_by_acting(team: LocalBus) -> None:
    team.sessions.end("s2")
    team.memory.set("s2", "color", "red")
    assert not team.sessions.get("s2").is_live
