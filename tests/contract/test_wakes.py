"""WakeUps keeps M8 and M3 on every store: when an idle session is woken, for what, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.services import wakes
from hallway.services.wakes import BUDGET, IN_FLIGHT_S, MAX_WAKES, WITHIN_S

NAMES = ("alice", "bob", "carol")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with three idle sessions in one project."""
    for name in NAMES:
        bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=86_400, status="idle")
    return bus


def write(bus: LocalBus, sender: str = "alice", to: str = "bob", subject: str = "hello", **more: Any) -> str:
    return bus.messages.send(sender, to, more.pop("type", "notification"), subject, **more).message_id


def turn(bus: LocalBus, session_id: str) -> list[str]:
    """Wake a session and let it have its turn; the messages it was woken with, none if it was not."""
    found = [each.message_id for each in bus.wakes.start(session_id).messages]
    if found:
        bus.messages.mark_injected(session_id, found)
    return found


@pytest.mark.promise("M3")
def test_what_a_wake_up_took_is_on_its_way_until_the_client_says_so_or_keeps_silent(
    shop: LocalBus, clock: FakeClock
) -> None:
    first = write(shop)
    assert [each.message_id for each in shop.wakes.start("bob").messages] == [first]
    second = write(shop, subject="and this")
    again = shop.wakes.start("bob")
    assert (again.messages, again.retry_after_s) == ([], IN_FLIGHT_S)
    assert [each.message_id for each in shop.messages.inbox("bob", new_only=True)] == [second]
    assert [each.message_id for each in shop.messages.inbox("bob")] == [first, second]
    assert shop.messages.deliveries(first)[0].state == "stored"
    clock.advance(IN_FLIGHT_S)
    assert [each.message_id for each in shop.messages.inbox("bob", new_only=True)] == [first, second]
    assert turn(shop, "bob") == [first, second]


@pytest.mark.promise("M3")
def test_a_client_that_never_confirms_is_not_woken_for_a_minute_and_never_again_for_the_same_message(
    shop: LocalBus, clock: FakeClock
) -> None:
    first = write(shop)
    assert [each.message_id for each in shop.wakes.start("bob").messages] == [first]
    urgent = write(shop, subject="at once", priority="urgent")
    clock.advance(IN_FLIGHT_S - 1)
    early = shop.wakes.start("bob")
    assert (early.messages, early.retry_after_s) == ([], 1)
    assert [each.message_id for each in shop.messages.inbox("bob", new_only=True)] == [urgent]
    clock.advance(1)
    assert [each.message_id for each in shop.wakes.start("bob").messages] == [urgent, first]
    clock.advance(IN_FLIGHT_S)
    late = shop.wakes.start("bob")
    assert (late.messages, late.retry_after_s) == ([], None)
    assert [each.message_id for each in shop.messages.inbox("bob", new_only=True)] == [first, urgent]


@pytest.mark.promise("M3")
def test_what_a_client_has_taken_is_injected_and_what_came_since_is_new(shop: LocalBus, clock: FakeClock) -> None:
    assert shop.wakes.confirm("bob") == 0
    first = write(shop)
    shop.wakes.start("bob")
    second = write(shop, subject="and this")
    assert shop.wakes.confirm("bob") == 1
    assert shop.wakes.confirm("bob") == 0
    assert [shop.messages.deliveries(each)[0].state for each in (first, second)] == ["injected", "stored"]
    clock.advance(IN_FLIGHT_S)
    assert [each.message_id for each in shop.messages.inbox("bob", new_only=True)] == [second]


def test_a_wake_up_that_reached_nobody_is_given_back_and_not_counted(shop: LocalBus) -> None:
    message_id = write(shop)
    for _ in range(BUDGET + 2):
        assert [each.message_id for each in shop.wakes.start("bob").messages] == [message_id]
        assert shop.wakes.undo("bob", [message_id]) == 1
    assert turn(shop, "bob") == [message_id]


@pytest.mark.parametrize("status", ["working", "waiting"])
def test_only_an_idle_session_is_woken(shop: LocalBus, status: str) -> None:
    write(shop, priority="urgent")
    shop.sessions.heartbeat("bob", status=status)
    assert turn(shop, "bob") == []
    shop.sessions.end("bob")
    assert turn(shop, "bob") == []
    with pytest.raises(errors.SessionNotFound):
        shop.wakes.start("bobby")


@pytest.mark.promise("M8")
def test_a_thread_between_agents_has_a_budget_that_only_a_person_fills(shop: LocalBus) -> None:
    message_id, woken = write(shop), 0
    for number in range(60):
        who = ("bob", "alice")[number % 2]
        woken += bool(turn(shop, who))
        sent = shop.messages.reply(who, message_id, f"Thank you {number}", type="notification")
        message_id = sent.message_id
    assert woken == BUDGET
    assert sent.held_back
    assert "this thread's budget" in sent.held_back
    shop.messages.reply("user:alice", message_id, "Go on", type="notification")
    assert turn(shop, "alice")
    assert turn(shop, "bob") == [message_id]  # what was held back wakes after all


@pytest.mark.promise("M8")
def test_a_sender_sees_later_that_a_message_is_held_back_since(shop: LocalBus) -> None:
    shop.wakes.budget = 1
    first = write(shop)
    assert turn(shop, "bob") == [first]
    asked = shop.messages.reply("bob", first, "Which form?", type="request")
    assert asked.held_back
    shop.wakes.refill("alice")
    reasons = [shop.messages.deliveries(asked.message_id)[0].held_back]  # there is room again
    shop.wakes.continue_turn("bob", [first])  # another turn of the thread takes it
    (now,) = shop.messages.deliveries(asked.message_id)
    in_thread = {each.message_id: each.held_back for each in shop.messages.get_conversation(first).deliveries}
    assert in_thread == {first: None, asked.message_id: now.held_back}
    assert now.held_back
    assert "a person's message or prompt fills the budget again" in now.held_back
    shop.messages.mark_injected("alice", [asked.message_id])  # shown with a turn of hers
    reasons.append(shop.messages.deliveries(asked.message_id)[0].held_back)
    assert reasons == [None, None]


@pytest.mark.promise("M8")
def test_a_message_that_is_on_its_way_to_the_client_is_not_called_held_back(shop: LocalBus) -> None:
    shop.wakes.budget = 1
    first = write(shop)
    assert [each.message_id for each in shop.wakes.start("bob").messages] == [first]
    assert shop.messages.deliveries(first)[0].held_back is None


@pytest.mark.promise("M8")
def test_a_thread_that_works_with_a_person_in_between_is_never_held_back(shop: LocalBus, clock: FakeClock) -> None:
    message_id = write(shop)
    for _ in range(5):
        for number in range(BUDGET):
            who = ("bob", "alice")[number % 2]
            clock.advance(60)
            assert turn(shop, who) == [message_id]
            if number < BUDGET - 1:
                sent = shop.messages.reply(who, message_id, f"Step {number}", type="notification")
                assert sent.held_back is None
                message_id = sent.message_id
        sent = shop.messages.reply("user:carol", message_id, "Go on", type="notification")
        assert turn(shop, "bob") == [sent.message_id]
        shop.wakes.refill("bob")
        message_id = shop.messages.send("alice", "bob", "notification", "next").message_id


@pytest.mark.promise("M8")
def test_a_circle_that_begins_a_new_thread_each_time_has_one_budget(shop: LocalBus) -> None:
    write(shop, "alice", "bob", "start")
    woken = 0
    for number in range(120):
        who, to = NAMES[(number + 1) % 3], NAMES[(number + 2) % 3]
        woken += bool(turn(shop, who))
        shop.messages.send(who, to, "notification", f"Acknowledged, number {number}")
    assert woken == BUDGET


@pytest.mark.promise("M8")
def test_a_prompt_fills_the_budgets_of_its_sessions_threads_alone(shop: LocalBus) -> None:
    shop.wakes.budget = 4  # two of which are less than a session takes in ten minutes
    threads = {sender: write(shop, sender, "bob", f"from {sender}") for sender in ("alice", "carol")}
    for thread in threads.values():
        for _ in range(shop.wakes.budget):
            shop.wakes.continue_turn("bob", [thread])
    assert turn(shop, "bob") == []
    assert shop.wakes.refill("alice") == 1
    assert shop.wakes.refill("alice") == 0
    assert turn(shop, "bob") == [*threads.values()]  # what was held back comes along
    shop.messages.reply("carol", threads["carol"], "more", type="notification")
    assert turn(shop, "bob") == []


@pytest.mark.promise("M8")
def test_a_response_wakes_who_asked_and_nobody_else(shop: LocalBus) -> None:
    asked = write(shop, "alice", "bob", "Which port?", type="request")
    turn(shop, "bob")
    answer = shop.messages.reply("bob", asked, "4000").message_id
    assert turn(shop, "alice") == [answer]
    shop.messages.reply("alice", answer, "Thank you", priority="urgent")
    assert turn(shop, "bob") == []
    shop.messages.reply("bob", asked, "Or 4001")  # it was answered
    assert turn(shop, "alice") == []


@pytest.mark.promise("M8")
def test_a_session_that_was_woken_often_is_not_deaf(shop: LocalBus, clock: FakeClock) -> None:
    for number in range(MAX_WAKES):
        shop.wakes.refill("bob")
        write(shop, subject=f"number {number}")
        assert turn(shop, "bob")
        clock.advance(1)
    shop.wakes.refill("bob")
    said = shop.messages.send("alice", "bob", "notification", "the eleventh")
    assert said.held_back
    assert "woken 10 times in 10 minutes" in said.held_back
    later = shop.wakes.start("bob")
    assert (later.messages, later.retry_after_s) == ([], WITHIN_S - MAX_WAKES)
    write(shop, subject="the twelfth")
    clock.advance(WITHIN_S - MAX_WAKES)
    assert [each.subject for each in shop.wakes.start("bob").messages] == ["the eleventh", "the twelfth"]


@pytest.mark.promise("M8")
def test_a_person_wakes_whenever_they_like(shop: LocalBus) -> None:
    for number in range(3 * MAX_WAKES):
        sent = shop.messages.send("user:alice", "bob", "notification", f"number {number}")
        assert sent.held_back is None
        assert turn(shop, "bob") == [sent.message_id]


@pytest.mark.promise("M8")
def test_a_turn_that_goes_on_for_a_message_is_counted_too(shop: LocalBus) -> None:
    asked = write(shop, type="request", priority="urgent")
    assert [shop.wakes.continue_turn("bob", [asked]) for _ in range(BUDGET + 1)] == [1] * BUDGET + [0]


def test_what_is_held_back_is_told_whatever_the_recipient_does(shop: LocalBus) -> None:
    asked = write(shop, type="request")
    for _ in range(BUDGET):
        shop.wakes.continue_turn("bob", [asked])
    shop.sessions.heartbeat("bob", status="working")
    assert shop.messages.reply("alice", asked, "now?", type="request").held_back
    assert shop.messages.reply("alice", asked, "thanks").held_back is None  # which wakes nobody anyway


@pytest.mark.promise("M8")
def test_two_that_wake_a_session_at_once_wake_it_once(shop: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    write(shop)
    assert sorted(len(bus.wakes.start("bob").messages) for bus in (open_bus(), open_bus(), shop)) == [0, 0, 1]


@pytest.mark.promise("M8")
def test_the_budget_is_a_setting(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, budget in (("", wakes.BUDGET), ("0", 0), ("60", 60)):
        monkeypatch.setenv("HALLWAY_WAKE_BUDGET", text)
        with hallway.connect() as bus:
            assert bus.wakes.budget == budget
    monkeypatch.setenv("HALLWAY_WAKE_BUDGET", "many")
    with hallway.connect() as bus, pytest.raises(errors.InvalidInput, match="HALLWAY_WAKE_BUDGET"):
        bus.wakes  # noqa: B018 (a service reads its settings when it is first used)


def test_old_wake_ups_are_pruned(shop: LocalBus, clock: FakeClock) -> None:
    for number in range(2):
        write(shop, subject=f"number {number}")
        turn(shop, "bob")
        write(shop, "bob", "carol", f"a thread that shares its budget {number}")
        clock.advance(100)
    shop.prune(50)
    assert shop.store.rows("wakes.budget", thread_id="none", session_id="bob", most=1, since=0)[0][2] is None
