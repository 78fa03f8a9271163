"""Wherever an operation takes a session, its name or the beginning of its id will do (S10), on every store."""

from __future__ import annotations

import tempfile
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.model import Message
from hallway.core.operation import Operation
from hallway.core.principal import Principal
from hallway.core.topics import topic
from hallway.services import service_classes
from support import Here, kinds, store_at, until, waits

SHOP, OTHER = Here.project, "github.com/acme/other"
ALICE, BOB = "0c0ffee0-1111-4000-8000-00000000000a", "0decaf00-1111-4000-8000-00000000000b"
OPERATIONS = [
    (operation, parameter)
    for service in service_classes()
    for operation in service.operations.values()
    for parameter in operation.references
]


def register(bus: LocalBus, session_id: str, name: str | None = None, agent_type: str = "codex", **said: Any) -> None:
    bus.sessions.register(session_id, f"{session_id}'s agent", agent_type, name=name, **said)


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    """A bus with alice's session, called `login-form`, and bob's, called `payments`."""
    register(bus, ALICE, "login-form", "claude-code", branch="fix/login-form")
    register(bus, BOB, "payments", branch="feature/payments")
    return bus


@pytest.mark.promise("S10")
@pytest.mark.parametrize(
    ("operation", "parameter"), OPERATIONS, ids=[f"{operation.name} {parameter}" for operation, parameter in OPERATIONS]
)
def test_every_operation_that_takes_a_session_takes_its_name(
    team: LocalBus, operation: Operation, parameter: str
) -> None:
    for reference in ("@login-form", ALICE, "login-form", "Login-Form", ALICE[:8]):
        arguments = {**dict.fromkeys(operation.parameters), parameter: reference}
        team.sessions.references.resolve_arguments(operation, arguments)
        is_as_said = operation.takes_id and parameter == operation.actor and reference[0] != "@"
        assert arguments[parameter] == (reference if is_as_said else ALICE)


@pytest.mark.promise("S10")
def test_what_is_stored_is_the_id(team: LocalBus) -> None:
    team.messages.send("payments", "@login-form", "request", "Is it done?")
    (message,) = team.messages.inbox("login-form")
    assert (message.from_session, message.to_session) == (BOB, ALICE)
    team.messages.reply("login-form", message.message_id, "Yes")
    (reply,) = team.messages.replies("payments", message.message_id)
    assert (reply.from_session, reply.to_session) == (ALICE, BOB)
    task = team.tasks.accept("payments", team.tasks.offer("login-form", "payments", "Mend it").task_id)
    assert (task.offered_by, task.owner) == (ALICE, BOB)
    assert team.tasks.list_tasks(owner="payments") == [task]
    assert team.memory.set("login-form", "port", 5432).session_id == ALICE
    assert team.messages.ping_session("payments", "login-form").session_id == ALICE
    assert {each.session_id for each in team.events.read()} == {ALICE, BOB}


@pytest.mark.promise("S10")
@pytest.mark.parametrize("reference", ["login-form", "@login-form", "LOGIN-FORM", ALICE, ALICE[:4]])
def test_a_session_is_shown_renamed_and_ended_by_whatever_names_it(team: LocalBus, reference: str) -> None:
    assert team.sessions.get(reference).session_id == ALICE
    assert team.sessions.rename(reference, "login").session_id == ALICE
    assert team.sessions.end("login").session_id == ALICE


@pytest.mark.promise("S10")
def test_four_characters_of_an_id_are_enough_and_three_are_not(bus: LocalBus) -> None:
    register(bus, "c0ffee-1", "one")
    register(bus, "decaf-2", "two")
    assert bus.sessions.get("c0ff").session_id == "c0ffee-1"
    with pytest.raises(errors.SessionNotFound):
        bus.sessions.get("c0f")


@pytest.mark.promise("S10")
def test_an_ambiguous_reference_lists_the_candidates_and_does_nothing(team: LocalBus) -> None:
    third = f"{ALICE[:-1]}c"
    register(team, third, "cart")
    before = kinds(team)
    with pytest.raises(errors.AmbiguousSession, match="may mean") as caught:
        team.messages.send("payments", ALICE[:8], "request", "hello")
    assert [each["name"] for each in caught.value.details["candidates"]] == ["login-form", "cart"]
    assert all(text in caught.value.message for text in ("login-form", "cart", ALICE, third))
    assert kinds(team) == before


@pytest.mark.promise("S10")
@pytest.mark.parametrize("reference", ["logn-form", "@logn-form", "lоgin-form", "login_form"])
def test_an_unknown_reference_suggests_names_that_look_like_it(team: LocalBus, reference: str) -> None:
    with pytest.raises(errors.SessionNotFound) as caught:
        team.sessions.get(reference)
    assert "login-form" in caught.value.hint
    assert "login-form" in caught.value.details["near"]


@pytest.mark.promise("S10")
def test_an_id_is_always_itself(bus: LocalBus) -> None:
    register(bus, "1", "login")
    register(bus, "login", "other")  # an id that is another session's name
    register(bus, "logi", "third")  # and one that is the beginning of another id
    assert [bus.sessions.get(each).session_id for each in ("login", "@login", "logi")] == ["login", "1", "logi"]


@pytest.mark.promise("S10")
def test_who_registers_is_an_id_even_where_another_session_has_that_name(team: LocalBus) -> None:
    team.sessions.heartbeat("login-form", current_task="its own")
    assert team.sessions.get("login-form").current_task == "its own"
    assert team.sessions.get(ALICE).current_task is None
    assert team.sessions.heartbeat("@login-form", current_task="hers").session_id == ALICE
    with pytest.raises(errors.SessionNotFound):
        team.sessions.heartbeat("@nobody")


@pytest.mark.promise("S10")
def test_an_act_under_a_name_registers_no_ghost(team: LocalBus) -> None:
    team.sessions.update_status("login-form", "waiting")
    team.messages.send("payments", "login-form", "request", "hello")
    team.memory.set("@payments", "port", 5432)
    team.memory.set(ALICE[:8], "host", "localhost")
    assert {each.session_id for each in team.sessions.list_sessions(True)} == {ALICE, BOB}
    team.memory.set("payments-script", "port", 5432)  # nobody's name
    assert team.sessions.get("payments-script").name


@pytest.mark.promise("S10")
def test_a_script_that_never_registered_is_not_taken_for_a_session_whose_id_begins_so(bus: LocalBus) -> None:
    register(bus, "worker-10", "ten")
    bus.memory.set("worker-1", "port", 5432)
    assert bus.memory.get_entry("port").session_id == "worker-1"


@pytest.mark.promise("S10")
def test_a_name_is_looked_for_in_the_callers_project_first(bus: LocalBus) -> None:
    register(bus, "1", "login")
    register(bus, "2", "login", project=OTHER)
    register(bus, "3", "payments", project=OTHER)
    assert bus.sessions.get("login").session_id == "1"
    bus.messages.send("@payments", "login", "request", "hello")  # said in the other project
    assert len(bus.messages.inbox("2")) == 1
    assert bus.sessions.get("payments").session_id == "3"  # which only the other project has
    bus.here = type("Nowhere", (Here,), {"project": "github.com/acme/third"})()
    with pytest.raises(errors.AmbiguousSession, match=OTHER):
        bus.sessions.get("login")


@pytest.mark.promise("S10")
def test_a_live_session_comes_before_one_that_has_ended(bus: LocalBus, clock: FakeClock) -> None:
    for session_id in ("1", "2"):
        register(bus, session_id, "login")
        bus.sessions.end(session_id)
        clock.advance(60)
    assert bus.sessions.get("login").session_id == "2"  # the last one of the name
    register(bus, "3", "login")
    assert bus.sessions.get("login").session_id == "3"
    assert bus.sessions.get("1").name == "login"


@pytest.mark.promise("S10")
def test_a_rename_while_a_message_is_under_way_loses_nothing(team: LocalBus) -> None:
    sent = team.messages.send("payments", "login-form", "request", "Is it done?")
    team.sessions.rename("login-form", "login")
    register(team, "3", "login-form")
    assert [each.message_id for each in team.messages.inbox("login")] == [sent.message_id]
    assert team.messages.inbox("login-form") == []
    assert team.messages.reply("login", sent.message_id, "Yes").recipients == 1
    renamed = [each for each in team.events.read() if each.kind == "session.renamed"]
    assert [(each.session_id, each.data) for each in renamed] == [(ALICE, {"name": "login", "was": "login-form"})]


@pytest.mark.promise("S9")
@pytest.mark.promise("S10")
def test_a_rename_to_a_taken_name_is_refused_with_a_free_one(team: LocalBus) -> None:
    before = kinds(team)
    with pytest.raises(errors.NameTaken, match="another session") as caught:
        team.sessions.rename("login-form", "payments")
    assert caught.value.details["free"] == "payments-2"
    assert kinds(team) == before
    assert team.sessions.rename("login-form", "login-form").name == "login-form"
    assert kinds(team) == before
    assert team.sessions.heartbeat(ALICE, client_name="A title").name == "login-form"


@pytest.mark.promise("S10")
def test_nobody_finds_a_session_by_name_that_they_may_not_see(team: LocalBus) -> None:
    register(team, "3", "secret", project=OTHER)
    team.principal = Principal("bob", "agent", frozenset({SHOP}))
    with pytest.raises(errors.SessionNotFound) as caught:
        team.sessions.get("secret")
    assert "secret" not in caught.value.details["near"]
    with pytest.raises(errors.Refused):
        team.sessions.rename("login-form", "mine")  # which another token registered
    team.principal = None


@pytest.mark.promise("S10")
def test_waiting_for_the_inbox_of_a_name_hears_of_a_message(team: LocalBus, address: str) -> None:
    found: list[Message] = []
    waiting = threading.Thread(target=lambda: found.extend(team.messages.inbox("login-form", wait_s=60)))
    with LocalBus(store_at(address), Here()) as other:
        waiting.start()
        until(lambda: waits(other, topic("messages", ALICE)))
        other.messages.send(BOB, ALICE, "request", "hello")
        waiting.join()
    assert [each.subject for each in found] == ["hello"]


@pytest.mark.promise("S10")
def test_a_handler_of_a_name_hears_what_comes_at_once_and_after_a_rename(team: LocalBus) -> None:
    heard: list[str] = []
    handler = team.messages.register_handler("request", lambda message: heard.append(message.subject), "login-form")
    team.messages.send(BOB, ALICE, "request", "before")
    until(lambda: heard == ["before"])
    team.sessions.rename(ALICE, "checkout")
    team.messages.send(BOB, ALICE, "request", "after")
    until(lambda: heard == ["before", "after"])
    handler.close()


# -- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M11")
@pytest.mark.parametrize(
    ("group", "recipients"),
    [
        ("type:codex", {BOB, "3"}),
        ("type:claude-code", {ALICE}),
        ("branch:fix/login-form", {ALICE, "3"}),
        ("branch:feature/payments", {BOB}),
    ],
)
def test_a_group_is_every_live_session_that_fits(team: LocalBus, group: str, recipients: set[str]) -> None:
    register(team, "3", branch="fix/login-form")
    register(team, "ended", branch="fix/login-form")
    team.sessions.end("ended")
    register(team, "elsewhere", branch="fix/login-form", project=OTHER)
    sent = team.messages.send("user:alice", group, "request", "hello", project=SHOP)
    assert {each.recipient for each in team.messages.deliveries(sent.message_id)} == recipients
    assert sent.recipients == len(recipients)


@pytest.mark.promise("M11")
def test_the_sender_is_not_among_the_recipients_of_a_group(team: LocalBus) -> None:
    register(team, "3")
    sent = team.messages.send(BOB, "type:codex", "request", "hello")
    assert [each.recipient for each in team.messages.deliveries(sent.message_id)] == ["3"]


@pytest.mark.promise("M11")
@pytest.mark.parametrize(
    ("group", "near"),
    [("type:claude", "claude-code"), ("branch:login-form", "fix/login-form"), ("type:nobody", "")],
)
def test_a_group_without_sessions_is_an_error_that_names_similar_ones(team: LocalBus, group: str, near: str) -> None:
    with pytest.raises(errors.SessionNotFound, match="no other live session") as caught:
        team.messages.send(BOB, group, "request", "hello")
    assert near in (caught.value.hint or "")


@pytest.mark.promise("M11")
@pytest.mark.parametrize("group", ["type:claude-code", "branch:fix/login-form"])
def test_a_task_for_a_group_is_for_whoever_fits(team: LocalBus, group: str) -> None:
    register(team, "3")
    task = team.tasks.offer(BOB, group, "Mend it")
    with pytest.raises(errors.Refused):
        team.tasks.accept("3", task.task_id)
    assert team.tasks.accept(ALICE, task.task_id).owner == ALICE
    team.sessions.end(ALICE)
    assert team.tasks.get(task.task_id).offered_to == group


@pytest.mark.promise("M11")
@pytest.mark.parametrize("session_id", ["type:codex", "branch:main", "capability:x", "user:alice", "*"])
def test_no_session_has_the_address_of_a_group_as_its_id(bus: LocalBus, session_id: str) -> None:
    with pytest.raises(errors.InvalidInput):
        register(bus, session_id)


# -- any of them ------------------------------------------------------------------------------------------------------

IDS = st.sampled_from(["abcd1", "abcd2", "abcde", "login", "login-form", "shop", ALICE, BOB])
NAMES = st.sampled_from(["login", "login-form", "shop", "abcd", "payments"])
SESSIONS = st.dictionaries(IDS, st.tuples(NAMES, st.sampled_from([SHOP, OTHER]), st.booleans()), max_size=6)
REFERENCES = st.one_of(IDS, NAMES, NAMES.map("@{}".format), IDS.map(lambda each: each[:4]))


@pytest.mark.promise("S10")
@settings(max_examples=50)
@given(SESSIONS, REFERENCES)
def test_a_reference_means_an_id_or_one_live_session_or_is_ambiguous(
    sessions: dict[str, tuple[str, str, bool]], reference: str
) -> None:
    """Compare with the rule in words: an id, else the caller's project, else all; there, a live name, else a prefix."""
    with tempfile.TemporaryDirectory() as folder, LocalBus(store_at(f"{folder}/bus"), Here()) as bus:
        for session_id, (name, project, is_live) in sessions.items():
            register(bus, session_id, name, project=project)
            if not is_live:
                bus.sessions.end(session_id)
        known = bus.sessions.list_sessions(True)
        try:
            found = {bus.sessions.get(reference).session_id}
        except errors.AmbiguousSession as error:
            found = {each["session_id"] for each in error.details["candidates"]}
        except errors.SessionNotFound:
            found = set()
        wanted = reference.removeprefix("@")
        for scope in ([each for each in known if each.project == SHOP], known):
            named = {each.session_id for each in scope if each.is_live and each.name == wanted}
            begun = [each for each in scope if reference[0] != "@" and each.session_id.startswith(reference)]
            begun = [each for each in begun if each.is_live] or begun
            former = {each.session_id for each in scope if each.name == wanted}
            if reference in sessions:
                assert found == {reference}
            elif named or begun:
                assert found == (named or {each.session_id for each in begun})
            elif former:
                assert found <= former
            else:
                continue
            return
        assert found == set()
