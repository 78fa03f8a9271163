"""Who may do what: every operation, as every role, about one's own, another's, and what is in another project."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any

import pytest

import postgres
from faces.faces import Normaliser
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.errors import AlreadyTaken, HallwayError, NotFound, Refused
from hallway.core.principal import Principal
from hallway.core.schema import encode
from hallway.local import presence
from support import STORES, Here, kinds, store_at
from trust.world import BANK, CALLS, OPERATIONS, SHOP, TARGETS, World, principal

# What comes of a call, by role, about what is one's own, another's, and in another project.
OK, NO, GONE, NOTHING = "done", "refused", "not there", "nothing"
ACTS = {"agent": (OK, NO, GONE), "observer": (NO, NO, NO), "admin": (OK, OK, OK)}
READS = {"agent": (OK, OK, GONE), "observer": (OK, OK, GONE), "admin": (OK, OK, OK)}
LISTS = {"agent": (OK, OK, NOTHING), "observer": (OK, OK, NOTHING), "admin": (OK, OK, OK)}
OPEN = {"agent": (OK, OK, OK), "observer": (OK, OK, OK), "admin": (OK, OK, OK)}
SEEN = {"agent": (OK, OK, GONE), "observer": (NO, NO, NO), "admin": (OK, OK, OK)}  # by whoever sees it
BOBS = {"agent": (NOTHING,) * 3, "observer": (NOTHING,) * 3, "admin": (OK, OK, OK)}  # whatever it is asked about
OWN = {"agent": (OK, OK, OK), "observer": (NO, NO, NO), "admin": (OK, OK, OK)}  # of the caller's own person
ADMINS = {"agent": (NO, NO, NO), "observer": (NO, NO, NO), "admin": (OK, OK, OK)}

TABLE = {
    "sessions.register": ACTS,
    "sessions.heartbeat": ACTS,
    "sessions.ping": ACTS,
    "sessions.update_status": ACTS,
    "sessions.set_status_detail": ACTS,
    "sessions.active": LISTS,
    "sessions.get": READS,
    "sessions.find_sessions": LISTS,
    "sessions.find_names": LISTS,
    "sessions.end": ACTS,
    "sessions.rename": ACTS,
    "sessions.succeed": ACTS,
    "sessions.clear_offline": ADMINS,
    "sessions.current_project": OPEN,
    "messages.send": ACTS,
    "messages.broadcast": ACTS,
    "messages.reply": ACTS,
    "messages.ping_session": ACTS,
    "messages.inbox": ACTS,
    "messages.replies": ACTS,
    "messages.acknowledge": ACTS,
    "messages.mark_injected": ACTS,
    "messages.get_messages": READS,
    "messages.sent": LISTS,
    "messages.search": LISTS,
    "messages.inboxes": LISTS,
    "messages.get": READS,
    "messages.get_conversation": READS,
    "messages.deliveries": READS,
    "requests.find": LISTS,
    "requests.counts": LISTS,
    "requests.outcome": ACTS,
    "tasks.offer": ACTS,
    "tasks.accept": ACTS,
    "tasks.handoff": ACTS,
    "tasks.complete": ACTS,
    "tasks.cancel": ACTS,
    "tasks.get": READS,
    "tasks.list_tasks": LISTS,
    "memory.set": ACTS,
    "memory.get_entry": READS,
    "memory.get_all": LISTS,
    "memory.find": LISTS,
    "memory.delete": ACTS,
    "memory.clear_some": ACTS,
    "events.read": LISTS,
    "events.last_seq": OPEN,
    "stats.read": LISTS,
    "attention.read": LISTS,
    "attention.dismiss": SEEN,
    "attention.restore": SEEN,
    "attention.answer": SEEN,
    "attention.nudge": SEEN,
    "notifications.list_channels": BOBS,
    "notifications.take": OWN,
    "notifications.settle": OWN,
    "notifications.look": OWN,
    "notifications.make_token": SEEN,
    "notifications.answer": OWN,
    "files.touch": ACTS,
    "wakes.start": ACTS,
    "wakes.undo": ACTS,
    "wakes.confirm": ACTS,
    "wakes.continue_turn": ACTS,
    "wakes.refill": ACTS,
    "files.touched": LISTS,
    "claims.claim": ACTS,
    "claims.granted": ACTS,
    "claims.check_edit": READS,
    "claims.renew": ACTS,
    "claims.release": ACTS,
    "claims.list_claims": LISTS,
    "claims.get": READS,
    "conflicts.find": LISTS,
    "conflicts.report_merge": ACTS,
    "conflicts.settle": ACTS,
    "projects.move": ADMINS,
    "projects.undo": ADMINS,
    "retention.prune": ADMINS,
    "imports.add_records": ADMINS,
    "tokens.create": ADMINS,
    "tokens.list_tokens": ADMINS,
    "tokens.revoke": ADMINS,
    "tokens.rotate": ADMINS,
    "tokens.whoami": OPEN,
    "logins.list_logins": ADMINS,
    "logins.end": ADMINS,
}
NUDGE = "attention.nudge"
ROWS = [
    (operation, role, target, outcomes[TARGETS.index(target)])
    for operation, roles in TABLE.items()
    for role, outcomes in roles.items()
    for target in TARGETS
]


def test_every_operation_is_in_the_table() -> None:
    assert set(TABLE) == set(OPERATIONS) == set(CALLS)


def test_every_write_is_somebodys_or_an_admins() -> None:
    """A new operation cannot forget to say whom it acts as: one that does not is an admin's."""
    for operation in OPERATIONS.values():
        if operation.is_write:
            assert (operation.actor is None) == (operation.is_admins or operation.is_persons)
            assert not (operation.is_admins and operation.is_persons)
            assert operation.actor in (None, "from_session", "session_id")
        if operation.waits_for:
            assert operation.actor == operation.waits_for


@pytest.fixture(scope="module", params=STORES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all rows of the table, each of which is undone."""
    address = postgres.new_address(request.param, tmp_path_factory.mktemp("world"))
    with LocalBus(store_at(address, FakeClock()), Here()) as bus:
        world = World(bus)
        world.log_in()
        yield world
    postgres.forget(address)


class Undone(Exception):
    """Ends a transaction without a commit."""


@contextmanager
def undo(bus: LocalBus) -> Iterator[None]:
    """Undo everything that is written meanwhile."""
    try:
        with bus.transaction():
            yield
            raise Undone
    except Undone:
        pass


@pytest.mark.promise("P1")
@pytest.mark.parametrize(("operation", "role", "target", "outcome"), [row for row in ROWS if row[0] != NUDGE])
def test_the_table(world: World, operation: str, role: str, target: str, outcome: str) -> None:
    with undo(world.bus):
        check_row(world, operation, role, target, outcome)


@pytest.mark.promise("P1")
@pytest.mark.parametrize(("operation", "role", "target", "outcome"), [row for row in ROWS if row[0] == NUDGE])
def test_the_table_of_what_takes_time(
    bus: LocalBus, clock: FakeClock, operation: str, role: str, target: str, outcome: str
) -> None:
    world = World(bus)
    clock.advance(100)  # so that nobody has accepted the tasks
    bus.attention.refresh()
    check_row(world, operation, role, target, outcome)


def check_row(world: World, operation: str, role: str, target: str, outcome: str) -> None:
    """Call an operation as a role about what is somebody's, and check what comes of it."""
    bus = world.bus
    if operation in ("tasks.handoff", "tasks.complete"):
        bus.tasks.accept(target, world.tasks[target])
    if operation == "messages.replies":
        bus.messages.reply(target, world.messages[target], "a reply")
    if operation == "projects.undo":
        bus.projects.move(**world.arguments(operation, target))
    before = everything(bus)
    came = outcome_of(world, principal(role), operation, world.arguments(operation, target))
    assert came == outcome
    if came in (NO, GONE, NOTHING):
        assert everything(bus) == before  # what is refused has changed nothing


def outcome_of(world: World, who: Principal, operation: str, arguments: dict[str, Any]) -> str:
    try:
        result = world.call(who, operation, arguments)
    except Refused as error:
        assert "hallway " not in error.hint  # noqa: PT017 (it is for every face, so it names no command)
        return NO
    except NotFound:
        return GONE
    return OK if has_something(result) or OPERATIONS[operation].is_write else NOTHING


def has_something(result: Any) -> bool:
    """Whether an answer tells of anything at all."""
    value = json.loads(encode(result))
    if isinstance(value, dict):
        return any(
            has_something(each) for name, each in value.items() if name not in ("project", "last_seq", "version")
        )
    return bool(value)


def everything(bus: LocalBus) -> list[str]:
    """What is on the bus, as its owner sees it."""
    read = ("sessions.find_sessions", "tasks.list_tasks", "events.read", "stats.read", "tokens.list_tokens")
    found = []
    for name in read:
        operation = OPERATIONS[name]
        more = {"include_offline": True} if name == "sessions.find_sessions" else {}
        found.append(encode(bus.execute(operation, bus.services[operation.noun], operation.arguments((), more))))
    return found


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P1")
def test_a_token_speaks_as_the_person_it_is_named_after_and_as_no_other(bus: LocalBus) -> None:
    world = World(bus)
    said = {"to_session": "own", "subject": "hello"}
    sent = world.call(principal("agent"), "messages.send", {"from_session": "user:alice", **said})
    assert bus.messages.get(sent.message_id).from_session == "user:alice"
    with pytest.raises(Refused) as refused:
        world.call(principal("agent"), "messages.send", {"from_session": "user:bob", **said})
    assert refused.value.hint == "Say it as user:alice"
    with pytest.raises(Refused):
        world.call(principal("agent"), "messages.inbox", {"session_id": "user:bob"})
    world.call(principal("admin"), "messages.send", {"from_session": "user:bob", **said})


@pytest.mark.promise("P1")
def test_a_session_belongs_to_the_token_that_registered_it_first(bus: LocalBus) -> None:
    world = World(bus)
    alice, bob = principal("agent"), principal("agent", "bob")
    world.call(bob, "sessions.heartbeat", {"session_id": "new", "project": SHOP})
    with pytest.raises(Refused):
        world.call(alice, "sessions.heartbeat", {"session_id": "new"})
    world.call(bob, "sessions.end", {"session_id": "new"})
    with pytest.raises(Refused):
        world.call(alice, "sessions.register", {"session_id": "new", "agent_name": "a", "agent_type": "b"})
    world.call(bob, "sessions.heartbeat", {"session_id": "new"})


def test_what_the_owner_of_the_bus_registered_is_no_tokens(bus: LocalBus) -> None:
    world = World(bus)
    bus.sessions.register("local", "a", "b", project=SHOP)
    with pytest.raises(Refused):
        world.call(principal("agent"), "sessions.heartbeat", {"session_id": "local"})
    assert world.call(None, "sessions.heartbeat", {"session_id": "own"}).session_id == "own"


def test_the_inbox_of_a_session_that_was_pruned_is_nobodys(bus: LocalBus, clock: Any) -> None:
    world = World(bus)
    bus.sessions.end("others")
    clock.advance(10)
    bus.sessions.clear_offline()
    assert world.call(None, "messages.inbox", {"session_id": "others"})
    for operation in ("messages.inbox", "messages.acknowledge"):
        with pytest.raises(NotFound):
            world.call(principal("agent"), operation, world.arguments(operation, "others"))


def test_only_an_admin_writes_for_everybody(bus: LocalBus) -> None:
    world = World(bus)
    for operation, arguments in (("memory.delete", {"key": "key-own"}), ("memory.clear_some", {})):
        with pytest.raises(Refused, match="for everybody"):
            world.call(principal("agent"), operation, {**arguments, "project": SHOP})
        world.call(principal("admin"), operation, {**arguments, "project": SHOP})


def test_what_an_admin_does_to_others_is_an_event(bus: LocalBus) -> None:
    world = World(bus)
    admin = principal("admin", "root")
    world.call(admin, "sessions.heartbeat", {"session_id": "mine", "project": SHOP})
    world.call(admin, "sessions.heartbeat", {"session_id": "mine"})
    assert "access.administered" not in kinds(bus)
    world.call(admin, "sessions.end", {"session_id": "others"})
    world.call(admin, "retention.prune", {})
    told = [event for event in bus.events.read() if event.kind == "access.administered"]
    assert [event.data for event in told] == [
        {"principal": "root", "operation": "sessions.end", "of": "others"},
        {"principal": "root", "operation": "retention.prune", "of": None},
    ]
    assert all(event.project == "" for event in told)


# -- projects ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P2")
@pytest.mark.parametrize("project", [BANK, "no/such/project"])
def test_a_project_that_a_token_is_not_for_is_refused_whether_or_not_it_is_there(bus: LocalBus, project: str) -> None:
    world = World(bus)
    for operation, arguments in (
        ("sessions.register", {"session_id": "new", "agent_name": "a", "agent_type": "b"}),
        ("sessions.heartbeat", {"session_id": "own"}),
        ("messages.send", {"from_session": "user:alice", "to_session": "*", "subject": "hello"}),
        ("memory.set", {"session_id": "own", "key": "k", "value": 1}),
    ):
        with pytest.raises(Refused) as refused:
            world.call(principal("agent"), operation, {**arguments, "project": project})
        assert refused.value.message == f"the token 'alice' is not for the project {project!r}"


@pytest.mark.promise("P2")
def test_nothing_that_is_elsewhere_can_be_told_from_nothing(bus: LocalBus) -> None:
    """Every read, about ids of another project and about ids that never were: the same answer."""
    world = World(bus)
    made_up = {"key-elsewhere": "key-elsewher2", "elsewhere": "elsewher2", BANK: f"{BANK[:-1]}2"}
    made_up |= {each: "f" + each[1:] for each in (world.messages["elsewhere"], world.tasks["elsewhere"])}
    for operation in [each for each in OPERATIONS.values() if not each.is_write and not each.is_admins]:
        arguments = encode(world.arguments(operation.name, "elsewhere"))
        there = told(world, operation.name, json.loads(arguments))
        absent = told(world, operation.name, json.loads(replaced(arguments, made_up)))
        assert replaced(there, made_up) == absent, operation.name


def replaced(text: str, words: dict[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text


def told(world: World, operation: str, arguments: dict[str, Any]) -> str:
    """Return the answer; of an error what does not depend on how much two ids look alike: its near matches are ids
    that the caller sees, or there are none."""
    try:
        return encode(world.call(principal("agent"), operation, arguments))
    except HallwayError as error:
        hidden = {"elsewhere", BANK, world.messages["elsewhere"], world.tasks["elsewhere"]}
        assert not hidden & set(error.details.get("near", ()))  # noqa: PT017 (every error is looked at)
        assert error.hint is not None  # noqa: PT017 (every error is looked at)
        asked = {str(value) for value in arguments.values()}
        assert not any(each in error.hint for each in hidden - asked)  # noqa: PT017 (every error is looked at)
        return encode({"code": error.code, "message": error.message})


READINGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("sessions.find_sessions", "tasks.list_tasks", "events.read", "events.last_seq")),
    ("stats.read", {}),
    ("stats.read", {"project": BANK}),
    ("sessions.active", {"project": BANK}),
    ("sessions.active", {}),
    ("sessions.find_sessions", {"include_offline": True, "limit": 3}),
    ("sessions.find_sessions", {"include_offline": True, "after_id": "elsewhere"}),
    ("sessions.find_sessions", {"capability": "go"}),
    ("sessions.get", {"session_id": "elsewhere"}),
    ("sessions.find_names", {"session_ids": ["elsewhere", "own"]}),
    ("sessions.get", {"session_id": "elsewher"}),
    ("messages.get_messages", {"session_id": "elsewhere"}),
    ("messages.get_messages", {"session_id": "user:carol"}),
    ("messages.get_messages", {"session_id": "own"}),
    ("messages.inbox", {"session_id": "own"}),
    ("messages.sent", {}),
    ("messages.sent", {"from_session": "elsewhere"}),
    ("messages.search", {"query": "hidden"}),
    ("messages.search", {"query": "about text"}),
    ("messages.inboxes", {}),
    ("tasks.list_tasks", {"include_done": True, "owner": "elsewhere"}),
    ("memory.find", {"query": "value text"}),
    ("memory.find", {"query": "hidden"}),
    ("memory.find", {"pattern": "key-*"}),
    ("memory.find", {"tags": ["t"], "include_values": True}),
    ("memory.find", {"query": "value", "project": BANK}),
    ("memory.get_entry", {"key": "key-elsewhere"}),
    ("memory.get_entry", {"key": "key-elsewhere", "project": BANK}),
    ("events.read", {"project": BANK}),
    ("files.touched", {}),
    ("files.touched", {"project": BANK}),
    ("conflicts.find", {}),
    ("conflicts.find", {"project": BANK}),
    ("attention.read", {}),
    ("attention.read", {"project": BANK}),
    ("attention.read", {"person": "carol"}),
    ("events.read", {"after": 3, "kinds": ["session", "token", "access"]}),
]


@pytest.mark.promise("P2")
@pytest.mark.parametrize("role", ["agent", "observer"])
def test_what_happens_elsewhere_changes_nothing_that_a_token_reads(bus: LocalBus, clock: Any, role: str) -> None:
    """Lists, searches and their scores, counts, pages, near matches, statistics, events: all are as before."""
    world = World(bus)
    for number in range(20):  # so that a word of the others is rare here, and would be common if theirs counted
        bus.memory.set("own", f"filler-{number}", "nothing of it")
    before = readings(world, role)
    bus.principal = Principal("carol", "agent", [BANK])
    for number in range(30):
        bus.sessions.register(f"elsewhere{number}", "a", "b", project=BANK, capabilities=["go"])
        bus.memory.set("elsewhere", f"key-hidden-{number}", "value text hidden " * 50, tags=["t"])
    bus.messages.broadcast("elsewhere", "hidden news", "value")
    for name in ("elsewhere", "elsewhere0"):
        bus.files.touch(name, ["/hidden"])
    task = bus.tasks.offer("elsewhere", "*", "hidden")
    bus.tasks.accept("elsewhere-2", task.task_id)
    bus.principal = None
    bus.tokens.create("dave")
    bus.sessions.end("elsewhere3")
    bus.sessions.clear_offline(project=BANK)
    assert readings(world, role) == before


def readings(world: World, role: str) -> list[Any]:
    """Every reading, or its error; what one may not do at all is told as such."""
    normaliser, found = Normaliser(), []
    for operation, arguments in READINGS:
        try:
            value = world.call(principal(role), operation, arguments)
        except HallwayError as error:
            found.append(error.to_dict())
            continue
        found.append(json.loads(encode(value)))
    normaliser.see(found)
    return [normaliser.normal(each) for each in found]


@pytest.mark.promise("P2")
def test_a_page_after_what_is_elsewhere_is_refused_as_one_after_nothing(bus: LocalBus) -> None:
    world = World(bus)
    for operation, hidden in (
        ("tasks.list_tasks", world.tasks["elsewhere"]),
        ("sessions.find_sessions", "elsewhere"),
    ):
        assert world.call(principal("admin"), operation, {"after_id": hidden})
        told = []
        for after in (hidden, "never-was"):
            with pytest.raises(NotFound) as refused:
                world.call(principal("agent"), operation, {"after_id": after})
            told.append(str(refused.value.to_dict()).replace(after, "ID"))
        assert told[0] == told[1]


@pytest.mark.promise("P2")
def test_who_is_written_to_from_elsewhere_reads_it_and_can_answer(bus: LocalBus) -> None:
    world = World(bus)
    both = Principal("dave", "agent", [SHOP, BANK])
    world.call(both, "sessions.register", {"session_id": "dave", "agent_name": "d", "agent_type": "t", "project": BANK})
    sent = world.call(both, "messages.send", {"from_session": "dave", "to_session": "own", "subject": "from afar"})
    alice = principal("agent")
    assert sent.message_id in [each.message_id for each in world.call(alice, "messages.inbox", {"session_id": "own"})]
    assert world.call(alice, "messages.get", {"message_id": sent.message_id}).subject == "from afar"
    with pytest.raises(NotFound):
        world.call(alice, "messages.send", {"from_session": "own", "to_session": "dave", "subject": "who are you"})
    world.call(alice, "messages.reply", {"from_session": "own", "to_message": sent.message_id, "body": "an answer"})
    assert [each.body for each in bus.messages.inbox("dave")] == ["an answer"]
    assert len(world.call(alice, "messages.get_conversation", {"message_id": sent.message_id}).messages) == 2


def test_a_task_from_elsewhere_can_be_accepted_by_whom_it_is_offered_to(bus: LocalBus) -> None:
    world = World(bus)
    both = Principal("dave", "agent", [SHOP, BANK])
    world.call(both, "sessions.register", {"session_id": "dave", "agent_name": "d", "agent_type": "t", "project": BANK})
    task = world.call(both, "tasks.offer", {"from_session": "dave", "to_session": "own", "subject": "from afar"})
    alice = principal("agent")
    assert task.task_id in [each.task_id for each in world.call(alice, "tasks.list_tasks", {})]
    done = world.call(alice, "tasks.accept", {"session_id": "own", "task_id": task.task_id})
    assert done.owner == "own"
    with pytest.raises((NotFound, AlreadyTaken)):
        world.call(principal("agent", "bob"), "tasks.accept", {"session_id": "others", "task_id": "nothing"})


def test_what_expires_elsewhere_is_swept_whoever_looks(bus: LocalBus, clock: Any) -> None:
    """A limited token's look sweeps sessions that it does not see, with what they held."""
    world = World(bus)
    bus.tasks.accept("elsewhere", world.tasks["elsewhere"])
    clock.advance(100)
    bus.principal = principal("agent")
    bus.sessions.heartbeat("own")
    clock.advance(50)
    bus.sessions.heartbeat("own")
    bus.principal = None
    assert bus.sessions.get("elsewhere").end_reason == "expired"
    assert bus.tasks.get(world.tasks["elsewhere"]).status == "offered"


def test_who_is_gone_elsewhere_is_ended_whoever_looks(bus: LocalBus) -> None:
    """A limited token's look ends sessions that it does not see, whose process is gone."""
    world = World(bus)
    if not bus.folder:
        pytest.skip("this store knows of no processes of this machine")
    with Popen([sys.executable, "-c", "input()"], stdin=PIPE) as process:
        presence.bind(bus.folder, "elsewhere", process.pid)
        process.kill()
    bus._end_gone_at = 0.0
    assert len(world.call(principal("agent"), "sessions.find_sessions", {})) == 4
    assert bus.sessions.get("elsewhere").end_reason == presence.GONE
