"""TaskBoard keeps T1 to T3, on every store, whichever way a task is told of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock, to_datetime
from hallway.core.model import Task
from support import Here, all_events, kinds

NAMES = ("alice", "bob", "carol", "dave")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with four sessions in one project; carol and dave can review."""
    for name in NAMES:
        capabilities = ["review"] if name in ("carol", "dave") else []
        bus.sessions.register(name, f"{name}'s agent", "claude-code", capabilities=capabilities, ttl_s=60)
    return bus


def offer(bus: LocalBus, to: str = "*", subject: str = "mend the login") -> Task:
    return bus.tasks.offer("alice", to, subject, "it fails on Mondays", {"file": "login.py"})


def told(bus: LocalBus, session_id: str) -> list[tuple[str, str]]:
    """Who told a session of a task, and how."""
    return [(message.from_session, message.type) for message in bus.messages.inbox(session_id) if message.task_id]


def accept_by_operation(bus: LocalBus, session_id: str, task_id: str) -> None:
    bus.tasks.accept(session_id, task_id)


def accept_by_message(bus: LocalBus, session_id: str, task_id: str) -> None:
    bus.messages.send(session_id, "alice", "task_accept", "mine", in_reply_to=task_id)


def accept_by_reply(bus: LocalBus, session_id: str, task_id: str) -> None:
    bus.messages.reply(session_id, task_id, "mine", type="task_accept")


ACCEPTS = [accept_by_operation, accept_by_message, accept_by_reply]


@pytest.fixture(params=ACCEPTS)
def accept(request: pytest.FixtureRequest) -> Callable[[LocalBus, str, str], None]:
    return request.param


# -- T1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("T1")
def test_an_offer_is_a_message_and_the_message_is_the_task(shop: LocalBus, clock: FakeClock) -> None:
    by_operation = offer(shop, "bob")
    by_message = shop.messages.send("alice", "bob", "task_offer", "write the tests")
    assert by_message.task_id == by_message.message_id
    assert told(shop, "bob") == [("alice", "task_offer")] * 2
    assert [task.task_id for task in shop.tasks.list_tasks()] == [by_message.message_id, by_operation.task_id]
    assert shop.tasks.get(by_operation.task_id) == Task(
        task_id=by_operation.task_id,
        project=Here.project,
        subject="mend the login",
        body="it fails on Mondays",
        data={"file": "login.py"},
        status="offered",
        offered_by="alice",
        offered_to="bob",
        owner=None,
        result=None,
        created_at=to_datetime(clock.now()),
        updated_at=to_datetime(clock.now()),
    )


@pytest.mark.promise("T1")
def test_the_first_to_accept_gets_it_and_the_others_hear_who(
    shop: LocalBus, accept: Callable[[LocalBus, str, str], None]
) -> None:
    task = offer(shop)
    accept(shop, "bob", task.task_id)
    with pytest.raises(errors.AlreadyTaken, match=r"shop-2 \(bob\)") as caught:
        accept(shop, "carol", task.task_id)
    assert caught.value.details == {"owner": "bob", "status": "accepted"}
    task = shop.tasks.get(task.task_id)
    assert (task.status, task.owner, task.offered_to) == ("accepted", "bob", None)
    assert told(shop, "alice") == [("bob", "task_accept")]  # the loser's message went with its error
    assert kinds(shop).count("task.accepted") == 1


@pytest.mark.promise("T1")
def test_accepting_again_changes_nothing(shop: LocalBus) -> None:
    task = offer(shop)
    assert shop.tasks.accept("bob", task.task_id) == shop.tasks.accept("bob", task.task_id)
    assert told(shop, "alice") == [("bob", "task_accept")]


@pytest.mark.promise("T1")
@pytest.mark.parametrize(
    ("to", "who", "may"),
    [
        ("bob", "bob", True),
        ("bob", "carol", False),
        ("capability:review", "carol", True),
        ("capability:review", "bob", False),
        ("*", "dave", True),
        ("user:erin", "user:erin", True),
        ("user:erin", "bob", False),
    ],
)
def test_only_whom_it_is_offered_to_may_accept(shop: LocalBus, to: str, who: str, may: bool) -> None:
    task = offer(shop, to)
    if may:
        assert shop.tasks.accept(who, task.task_id).owner == who
    else:
        with pytest.raises(errors.Refused, match=f"offered to {to}"):
            shop.tasks.accept(who, task.task_id)


@pytest.mark.promise("T1")
def test_of_fifty_at_once_exactly_one_wins(shop: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    buses = [open_bus() for _ in range(5)]
    for number in range(50):
        shop.sessions.register(f"s{number}", "agent", "codex")
    for round_ in range(4):
        task = offer(shop, subject=f"job {round_}")
        outcomes = race(buses, task.task_id)
        won = [owner for is_won, owner in outcomes if is_won]
        assert len(won) == 1
        assert [owner for is_won, owner in outcomes if not is_won] == won * 49
        shop.tasks.complete(won[0], task.task_id)


def race(buses: list[LocalBus], task_id: str) -> list[tuple[bool, str]]:
    """Have fifty sessions accept a task at once: whether each got it, and whose it is."""
    outcomes: list[tuple[bool, str]] = []
    gate = threading.Barrier(50)

    def accept(number: int) -> None:
        gate.wait()
        try:
            outcomes.append((True, buses[number % len(buses)].tasks.accept(f"s{number}", task_id).owner or ""))
        except errors.AlreadyTaken as error:
            outcomes.append((False, error.details["owner"]))

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_an_acceptance_of_nothing_is_an_error(shop: LocalBus) -> None:
    with pytest.raises(errors.InvalidInput, match="answers no offer"):
        shop.messages.send("bob", "alice", "task_accept", "mine")
    with pytest.raises(errors.TaskNotFound):
        shop.tasks.accept("bob", "never-offered")
    assert told(shop, "alice") == []


# -- T2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("T2")
@pytest.mark.parametrize("is_message", [False, True])
def test_a_handoff_moves_a_task_with_its_context_once_it_is_accepted(shop: LocalBus, is_message: bool) -> None:
    task = offer(shop)
    shop.tasks.accept("bob", task.task_id)
    if is_message:
        shop.messages.send("bob", "carol", "handoff", "yours?", "half done", in_reply_to=task.task_id)
    else:
        shop.tasks.handoff("bob", task.task_id, "carol", "half done")
    task = shop.tasks.get(task.task_id)
    assert (task.status, task.owner, task.offered_to) == ("accepted", "bob", "carol")
    handoff = shop.messages.inbox("carol", types=["handoff"])[0]
    assert (handoff.from_session, handoff.body, handoff.task_id) == ("bob", "half done", task.task_id)
    with pytest.raises(errors.AlreadyTaken, match="bob"):
        shop.tasks.accept("dave", task.task_id)
    shop.messages.reply("carol", handoff.message_id, "taking it", type="task_accept")
    task = shop.tasks.get(task.task_id)
    assert (task.status, task.owner, task.offered_to) == ("accepted", "carol", None)
    assert told(shop, "bob") == [("alice", "task_offer"), ("carol", "task_accept")]
    assert told(shop, "alice") == [("bob", "task_accept"), ("carol", "task_accept")]
    with pytest.raises(errors.AlreadyTaken, match="carol"):
        shop.tasks.complete("bob", task.task_id)


@pytest.mark.promise("T2")
def test_a_handoff_can_be_redirected(shop: LocalBus) -> None:
    task = offer(shop)
    shop.tasks.accept("bob", task.task_id)
    shop.tasks.handoff("bob", task.task_id, "carol")
    shop.tasks.handoff("bob", task.task_id, "dave")
    with pytest.raises(errors.AlreadyTaken):
        shop.tasks.accept("carol", task.task_id)
    assert shop.tasks.complete("bob", task.task_id, "done meanwhile").status == "completed"


@pytest.mark.promise("T2")
def test_an_owner_that_accepts_its_task_again_keeps_it(shop: LocalBus) -> None:
    task = offer(shop)
    shop.tasks.accept("bob", task.task_id)
    shop.tasks.handoff("bob", task.task_id, "carol")
    kept = shop.tasks.accept("bob", task.task_id)
    assert (kept.status, kept.owner, kept.offered_to) == ("accepted", "bob", None)
    assert told(shop, "carol")[1:] == [("bob", "handoff"), ("bob", "task_accept")]
    with pytest.raises(errors.AlreadyTaken, match="bob"):
        shop.tasks.accept("carol", task.task_id)
    before = shop.events.last_seq()
    assert shop.tasks.accept("bob", task.task_id) == kept  # once more changes nothing
    assert shop.events.last_seq() == before
    assert told(shop, "carol")[1:] == [("bob", "handoff"), ("bob", "task_accept")]


@pytest.mark.promise("T2")
def test_only_the_owner_hands_off(shop: LocalBus) -> None:
    task = offer(shop)
    for name in ("bob", "alice"):
        with pytest.raises(errors.AlreadyTaken):
            shop.tasks.handoff(name, task.task_id, "carol")
    shop.tasks.accept("bob", task.task_id)
    with pytest.raises(errors.AlreadyTaken, match="bob"):
        shop.tasks.handoff("carol", task.task_id, "dave")
    with pytest.raises(errors.SessionNotFound):
        shop.tasks.handoff("bob", task.task_id, "carlo")
    assert shop.tasks.get(task.task_id).offered_to is None
    assert shop.messages.inbox("carol", types=["handoff"]) == []


@pytest.mark.promise("T2")
def test_a_handoff_of_work_that_was_no_task_makes_one(shop: LocalBus) -> None:
    sent = shop.messages.send("bob", "carol", "handoff", "the rest of the migration", "see branch next")
    task = shop.tasks.get(sent.message_id)
    assert (task.status, task.owner, task.offered_to, sent.task_id) == ("accepted", "bob", "carol", task.task_id)
    assert shop.tasks.accept("carol", task.task_id).owner == "carol"


# -- T3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("T3")
@pytest.mark.parametrize("how", ["expires", "ends", "goes offline"])
@pytest.mark.parametrize(("to", "again_to"), [("*", "*"), ("bob", "*"), ("capability:review", "capability:review")])
def test_the_task_of_an_owner_that_is_gone_is_offered_again_once(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, how: str, to: str, again_to: str
) -> None:
    owner = "carol" if to.startswith("capability") else "bob"
    task = offer(shop, to)
    shop.tasks.accept(owner, task.task_id)
    clock.advance(30)
    for name in {*NAMES} - {owner}:
        shop.sessions.heartbeat(name)
    if how == "expires":
        clock.advance(40)
    elif how == "ends":
        shop.sessions.end(owner)
    else:
        shop.sessions.update_status(owner, "offline")
    for bus in (shop, open_bus()):
        again = bus.tasks.get(task.task_id)
        assert (again.status, again.owner, again.offered_to) == ("offered", None, again_to)
    assert kinds(shop).count("task.reoffered") == 1
    offers = [m for m in shop.messages.inbox("dave") if m.type == "task_offer"]
    assert offers[-1].task_id == task.task_id
    assert f"{owner}, who had accepted it, is gone" in offers[-1].body
    assert shop.tasks.accept("dave", offers[-1].task_id or "").owner == "dave"
    assert len(shop.tasks.list_tasks(include_done=True)) == 1


@pytest.mark.promise("T3")
@pytest.mark.parametrize("how", ["expires", "ends", "goes offline"])
def test_a_task_offered_to_a_session_that_is_gone_before_it_accepts_is_offered_to_everybody_once(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock, how: str
) -> None:
    task, other = offer(shop, "bob"), offer(shop, "capability:review", "look at it")
    leave(shop, clock, "bob", how)
    for bus in (shop, open_bus()):
        again = bus.tasks.get(task.task_id)
        assert (again.status, again.owner, again.offered_to) == ("offered", None, "*")
    assert shop.tasks.get(other.task_id).offered_to == "capability:review"
    (event,) = [each for each in all_events(shop) if each.kind == "task.reoffered"]
    assert (event.session_id, event.data["task_id"], event.data["offered_to"]) == ("bob", task.task_id, "*")
    (offered,) = [m for m in shop.messages.inbox("dave") if m.task_id == task.task_id]
    assert "bob, whom it was offered to, is gone" in offered.body
    assert "it fails on Mondays" in offered.body
    shop.sessions.heartbeat("bob")  # whoever comes back may still have it, if nobody else has
    assert shop.tasks.accept("bob", task.task_id).owner == "bob"


@pytest.mark.promise("T3")
def test_only_open_offers_of_a_session_that_is_gone_are_offered_again(shop: LocalBus) -> None:
    cancelled, accepted = offer(shop, "bob"), offer(shop, "bob", "another")
    shop.tasks.cancel("alice", cancelled.task_id)
    shop.tasks.accept("bob", accepted.task_id)
    shop.tasks.complete("bob", accepted.task_id)
    offer(shop, "user:bob", "a person's")
    shop.sessions.end("bob")
    assert "task.reoffered" not in kinds(shop)


@pytest.mark.promise("T3")
@pytest.mark.parametrize("how", ["expires", "ends"])
def test_a_task_handed_to_a_session_that_is_gone_stays_its_owners_who_is_told(
    shop: LocalBus, clock: FakeClock, how: str
) -> None:
    task = offer(shop, "bob")
    shop.tasks.accept("bob", task.task_id)
    shop.tasks.handoff("bob", task.task_id, "carol")
    leave(shop, clock, "carol", how)
    kept = shop.tasks.get(task.task_id)
    assert (kept.status, kept.owner, kept.offered_to) == ("accepted", "bob", None)
    assert kinds(shop).count("task.handoff_returned") == 1
    assert ("carol", "notification") in told(shop, "bob")
    assert shop.tasks.complete("bob", task.task_id).status == "completed"


def leave(bus: LocalBus, clock: FakeClock, session_id: str, how: str) -> None:
    """Have one of the sessions end, and the others stay."""
    clock.advance(30)
    for name in {*NAMES} - {session_id}:
        bus.sessions.heartbeat(name)
    if how == "expires":
        clock.advance(40)
    elif how == "ends":
        bus.sessions.end(session_id)
    else:
        bus.sessions.update_status(session_id, "offline")


@pytest.mark.promise("T3")
def test_a_task_that_is_over_is_not_offered_again(shop: LocalBus, clock: FakeClock) -> None:
    done, cancelled = offer(shop), offer(shop, subject="another")
    for task in (done, cancelled):
        shop.tasks.accept("bob", task.task_id)
    shop.tasks.accept("carol", offer(shop, subject="of another owner").task_id)
    shop.tasks.complete("bob", done.task_id)
    shop.tasks.cancel("bob", cancelled.task_id)
    shop.sessions.end("bob")
    assert "task.reoffered" not in kinds(shop)


@pytest.mark.promise("T3")
def test_an_owner_that_dies_while_handing_off_leaves_an_open_task(shop: LocalBus) -> None:
    task = offer(shop, "bob")
    shop.tasks.accept("bob", task.task_id)
    shop.tasks.handoff("bob", task.task_id, "carol")
    shop.sessions.end("bob")
    assert shop.tasks.accept("carol", task.task_id).owner == "carol"


@pytest.mark.promise("T3")
def test_a_task_outlives_who_offered_it_and_the_message(shop: LocalBus, clock: FakeClock) -> None:
    task = offer(shop, "capability:review")
    shop.tasks.accept("carol", task.task_id)
    for name in ("alice", "bob", "dave"):
        shop.sessions.end(name)
    clock.advance(10)
    shop.sessions.heartbeat("carol")
    shop.messages.acknowledge("carol", [task.task_id])
    shop.prune(5)
    with pytest.raises(errors.MessageNotFound):
        shop.messages.get(task.task_id)
    shop.sessions.end("carol")  # nobody is left to be told
    shop.sessions.heartbeat("carol")
    shop.tasks.accept("carol", task.task_id)
    assert shop.tasks.complete("carol", task.task_id, "done").result == "done"


@pytest.mark.promise("T3")
def test_completing_tells_who_offered_it_and_happens_once(shop: LocalBus) -> None:
    task = offer(shop)
    with pytest.raises(errors.AlreadyTaken, match="is offered"):
        shop.tasks.complete("bob", task.task_id)
    shop.tasks.accept("bob", task.task_id)
    done = shop.tasks.complete("bob", task.task_id, "it was the clock")
    assert (done.status, done.owner, done.result) == ("completed", "bob", "it was the clock")
    assert shop.tasks.complete("bob", task.task_id) == done
    assert shop.messages.inbox("alice")[-1].body == "it was the clock"
    for late in (shop.tasks.accept, shop.tasks.cancel):
        with pytest.raises(errors.AlreadyTaken, match="completed by bob"):
            late("carol", task.task_id)


@pytest.mark.promise("T3")
@pytest.mark.parametrize(
    ("who", "is_accepted", "told_of_it"),
    [
        ("alice", False, ["bob", "carol", "dave"]),
        ("alice", True, ["bob"]),
        ("bob", True, ["alice"]),
        ("user:erin", True, ["alice", "bob"]),
    ],
)
def test_cancelling_tells_everybody_concerned(
    shop: LocalBus, who: str, is_accepted: bool, told_of_it: list[str]
) -> None:
    task = offer(shop)
    if is_accepted:
        shop.tasks.accept("bob", task.task_id)
    assert shop.tasks.cancel(who, task.task_id, "not needed").result == "not needed"
    assert shop.tasks.cancel(who, task.task_id).status == "cancelled"
    assert [name for name in NAMES if (who, "notification") in told(shop, name)] == told_of_it
    with pytest.raises(errors.AlreadyTaken, match="cancelled"):
        shop.tasks.accept("carol", task.task_id)


def test_a_bystander_does_not_cancel(shop: LocalBus) -> None:
    with pytest.raises(errors.AlreadyTaken, match="is offered"):
        shop.tasks.cancel("bob", offer(shop).task_id)


@pytest.mark.promise("T3")
def test_every_change_of_a_task_is_an_event_and_in_its_thread(shop: LocalBus) -> None:
    task = offer(shop)
    shop.tasks.accept("bob", task.task_id)
    shop.tasks.handoff("bob", task.task_id, "carol")
    shop.tasks.accept("carol", task.task_id)
    shop.tasks.complete("carol", task.task_id, "done")
    other = offer(shop, subject="another")
    shop.tasks.cancel("alice", other.task_id)
    events = [event for event in all_events(shop) if event.kind.startswith("task.")]
    assert [(event.kind, event.session_id) for event in events] == [
        ("task.offered", "alice"),
        ("task.accepted", "bob"),
        ("task.handed_off", "bob"),
        ("task.accepted", "carol"),
        ("task.completed", "carol"),
        ("task.offered", "alice"),
        ("task.cancelled", "alice"),
    ]
    thread = shop.messages.get_conversation(task.task_id)
    assert [message.type for message in thread.messages] == [
        "task_offer",
        "task_accept",
        "handoff",
        "task_accept",
        "task_accept",
        "notification",
    ]


def test_tasks_are_listed_newest_first_by_page_and_filter(shop: LocalBus) -> None:
    tasks = [offer(shop, subject=str(number)) for number in range(5)]
    shop.tasks.accept("bob", tasks[1].task_id)
    shop.tasks.accept("bob", tasks[2].task_id)
    shop.tasks.complete("bob", tasks[2].task_id)

    def listed(**filters: object) -> str:
        return "".join(task.subject for task in shop.tasks.list_tasks(**filters))

    assert listed() == "4310"
    assert listed(include_done=True) == "43210"
    assert listed(status="completed") == "2"
    assert listed(owner="bob") == "1"
    assert listed(limit=2, after_id=tasks[3].task_id) == "10"
    assert listed(project="github.com/acme/other") == ""
    numbers = shop.tasks.get_stats()
    assert (numbers.total, numbers.by_status) == (5, {"offered": 3, "accepted": 1, "completed": 1})


def test_a_page_after_a_task_that_is_gone_is_an_error_and_no_end(shop: LocalBus, clock: FakeClock) -> None:
    first, second = (offer(shop, subject=str(number)) for number in range(2))
    shop.tasks.accept("bob", second.task_id)
    shop.tasks.complete("bob", second.task_id)
    clock.advance(1)
    shop.prune(older_than_s=0)
    with pytest.raises(errors.TaskNotFound, match="any more"):
        shop.tasks.list_tasks(after_id=second.task_id)
    assert shop.tasks.list_tasks(after_id=first.task_id) == []  # which is the end


def test_old_tasks_that_are_over_are_pruned(shop: LocalBus, clock: FakeClock) -> None:
    done, open_ = offer(shop), offer(shop, subject="another")
    shop.tasks.accept("bob", done.task_id)
    shop.tasks.complete("bob", done.task_id)
    clock.advance(50)
    for name in NAMES:
        shop.sessions.heartbeat(name)
    assert shop.prune(40).removed["tasks"] == 1
    assert [task.task_id for task in shop.tasks.list_tasks(include_done=True)] == [open_.task_id]


def test_an_offer_that_is_sent_twice_under_a_key_is_one_task(shop: LocalBus) -> None:
    first = shop.tasks.offer("alice", "*", "once", idempotency_key="k")
    assert shop.tasks.offer("alice", "*", "once", idempotency_key="k") == first
    assert len(shop.tasks.list_tasks()) == 1


@pytest.mark.promise("S13")
@pytest.mark.parametrize("how", ["expires", "ends"])
def test_a_task_that_nobody_took_is_its_owners_again_who_is_told(shop: LocalBus, clock: FakeClock, how: str) -> None:
    task = offer(shop, "bob")
    shop.tasks.accept("bob", task.task_id)
    leave(shop, clock, "bob", how)
    assert shop.tasks.get(task.task_id).status == "offered"
    shop.sessions.heartbeat("bob")
    again = shop.tasks.get(task.task_id)
    assert (again.status, again.owner, again.offered_to) == ("accepted", "bob", None)
    assert [each for each in shop.messages.inbox("bob") if "it is yours as before" in each.body]


@pytest.mark.promise("S13")
def test_a_task_that_somebody_took_stays_with_whoever_took_it(shop: LocalBus, clock: FakeClock) -> None:
    task = offer(shop, "bob")
    shop.tasks.accept("bob", task.task_id)
    leave(shop, clock, "bob", "expires")
    shop.tasks.accept("dave", task.task_id)
    shop.sessions.heartbeat("bob")
    assert shop.tasks.get(task.task_id).owner == "dave"
