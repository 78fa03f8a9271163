"""RequestBook keeps M9 and M10, on every store: what became of a request is told once, to whom it concerns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.agents.hook.digest import Digest
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.services import requests
from hallway.services.requests import REPLY_WITHIN_S, SWEEP_AT_ONCE
from support import Here, all_events, kinds, until, waits

NAMES = ("alice", "bob", "carol")
SHOP = Here.project

pytestmark = pytest.mark.promise("M9")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with three working sessions in one project."""
    for name in NAMES:
        bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=86_400, status="working", name=name)
    return bus


def ask(bus: LocalBus, sender: str = "bob", to: str = "alice", subject: str = "which port?", **more: Any) -> str:
    return bus.messages.send(sender, to, "request", subject, **more).message_id


def state(bus: LocalBus, message_id: str) -> str:
    return next(each.state for each in bus.requests.find(limit=1000) if each.message_id == message_id)


def notices(bus: LocalBus, session_id: str) -> list[tuple[str, str]]:
    """What a session was told of requests: the cause, and the text of its digest."""
    inbox = bus.messages.inbox(session_id, types=["notification"], limit=1000)
    return [(each.data["cause"], f"{each.subject}: {each.body}") for each in inbox if "cause" in each.data]


def causes(bus: LocalBus, session_id: str) -> list[str]:
    return [cause for cause, _ in notices(bus, session_id)]


def of_requests(bus: LocalBus) -> list[str]:
    return [kind for kind in kinds(bus) if kind.startswith("request.")]


def see(bus: LocalBus, session_id: str, *message_ids: str) -> None:
    assert bus.messages.mark_injected(session_id, list(message_ids)) == len(message_ids)


def end_turn(bus: LocalBus, session_id: str) -> None:
    bus.sessions.heartbeat(session_id, status="idle", reason="done")
    bus.sessions.heartbeat(session_id, status="working")


# -- a deadline -------------------------------------------------------------------------------------------------------


def test_a_request_has_ten_minutes_unless_its_sender_says_otherwise(shop: LocalBus, clock: FakeClock) -> None:
    sent = {within_s: ask(shop, subject=f"{within_s}?", reply_within_s=within_s) for within_s in (None, 0, 30)}
    assert REPLY_WITHIN_S == 600
    by = {within_s: shop.messages.get(message_id) for within_s, message_id in sent.items()}
    assert by[0].reply_by is None
    for within_s, seconds in ((None, 600), (30, 30)):
        assert (by[within_s].reply_by - by[within_s].sent_at).total_seconds() == seconds
    assert {each.state for each in shop.requests.find()} == {"open"}
    clock.advance(20 * 24 * 3600)
    shop.sessions.heartbeat("carol")
    assert of_requests(shop).count("request.overdue") == 2


def test_only_a_request_has_a_deadline(shop: LocalBus) -> None:
    with pytest.raises(errors.InvalidInput, match="only a request"):
        shop.messages.send("bob", "alice", "notification", "done", reply_within_s=30)
    sent = shop.messages.send("bob", "alice", "notification", "done")
    assert shop.messages.get(sent.message_id).reply_by is None
    assert shop.requests.find() == []


def test_a_passed_deadline_is_told_once_to_both(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    clock.advance(600)
    shop.sweep()
    assert state(shop, message_id) == "open"
    clock.advance(0.000001)
    shop.sweep()
    for _ in range(3):
        clock.advance(3600)
        shop.sweep()
    assert state(shop, message_id) == "overdue"
    assert of_requests(shop) == ["request.overdue"]
    assert [cause for cause, _ in notices(shop, "bob")] == ["overdue"]
    assert "alice has not answered your request by" in notices(shop, "bob")[0][1]
    assert "which port?" in notices(shop, "bob")[0][1]
    assert [cause for cause, _ in notices(shop, "alice")] == ["overdue"]
    assert "bob has waited for your answer" in notices(shop, "alice")[0][1]
    assert notices(shop, "carol") == []
    event = next(each for each in all_events(shop) if each.kind == "request.overdue")
    assert (event.session_id, event.data["message_id"], event.data["from_session"]) == ("alice", message_id, "bob")


def test_an_answer_at_the_moment_of_the_deadline_is_in_time(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop, reply_within_s=30)
    clock.advance(30)
    shop.sweep()
    shop.messages.reply("alice", message_id, "8080")
    clock.advance(3600)
    shop.sweep()
    assert of_requests(shop) == ["request.answered"]
    assert (state(shop, message_id), notices(shop, "bob"), notices(shop, "alice")) == ("answered", [], [])


def test_a_late_answer_reaches_the_sender_and_closes_the_request(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    clock.advance(601)
    reply = shop.messages.reply("alice", message_id, "8080, sorry")
    assert of_requests(shop) == ["request.overdue", "request.answered"]
    assert state(shop, message_id) == "answered"
    assert [each.message_id for each in shop.messages.replies("bob", message_id)] == [reply.message_id]
    assert shop.requests.find()[0].answer_id == reply.message_id
    assert shop.requests.find(unanswered=True) == []


def test_a_reply_to_the_reminder_answers_the_request(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    clock.advance(601)
    reminder = shop.messages.inbox("alice", types=["notification"])[0]
    reply = shop.messages.reply("alice", reminder.message_id, "8080")
    assert [each.message_id for each in shop.messages.replies("bob", message_id)] == [reply.message_id]
    assert state(shop, message_id) == "answered"
    assert shop.messages.inbox("alice") == []


def test_a_notification_that_names_another_request_is_no_reminder_of_it(shop: LocalBus) -> None:
    message_id = ask(shop)
    forged = shop.messages.send("carol", "alice", "notification", "psst", data={"request_id": message_id})
    reply = shop.messages.reply("alice", forged.message_id, "what?")
    assert shop.messages.get(reply.message_id).in_reply_to == forged.message_id
    assert state(shop, message_id) == "open"


def test_a_reply_of_any_type_answers_but_a_follow_up_of_the_sender_does_not(shop: LocalBus) -> None:
    message_id = ask(shop)
    shop.messages.send("bob", "alice", "notification", "I mean the hub's", in_reply_to=message_id)
    shop.messages.send("alice", "carol", "notification", "bob asks for a port", in_reply_to=message_id)
    assert state(shop, message_id) == "open"
    shop.messages.send("alice", "bob", "request", "which of the two?", in_reply_to=message_id)
    assert state(shop, message_id) == "answered"
    assert [each.subject for each in shop.requests.find(unanswered=True)] == ["which of the two?"]


def test_the_second_answer_changes_nothing(shop: LocalBus) -> None:
    message_id = ask(shop)
    first = shop.messages.reply("alice", message_id, "8080")
    shop.messages.reply("alice", message_id, "no, 8081")
    assert of_requests(shop) == ["request.answered"]
    assert shop.requests.find()[0].answer_id == first.message_id


# -- a recipient that ends, or ends its turn --------------------------------------------------------------------------


def test_the_end_of_the_recipient_is_told_at_once_and_once(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    shop.sessions.end("alice")
    assert causes(shop, "bob") == ["recipient_gone"]
    assert "alice is gone" in notices(shop, "bob")[0][1]
    assert state(shop, message_id) == "recipient_gone"
    shop.sessions.end("alice", "really")
    shop.sessions.heartbeat("alice")
    assert state(shop, message_id) == "open"
    shop.sessions.end("alice")
    assert of_requests(shop) == ["request.unanswered"]
    assert (causes(shop, "bob"), state(shop, message_id)) == (["recipient_gone"], "recipient_gone")
    event = next(each for each in all_events(shop) if each.kind == "request.unanswered")
    assert event.data["cause"] == "recipient_gone"


def test_an_expired_recipient_is_gone_and_the_deadline_is_told_besides(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", ttl_s=60)
    message_id = ask(shop, to="dave")
    clock.advance(3600)
    shop.sweep()
    assert of_requests(shop) == ["request.unanswered", "request.overdue"]
    assert causes(shop, "bob") == ["recipient_gone", "overdue"]
    assert state(shop, message_id) == "recipient_gone"
    shop.sessions.heartbeat("dave")
    assert state(shop, message_id) == "overdue"


def test_a_silent_recipient_whose_process_runs_is_not_gone(
    shop: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", ttl_s=60)
    message_id = ask(shop, to="dave")
    monkeypatch.setattr(LocalBus, "present_sessions", lambda self: {"dave"})
    clock.advance(61)
    shop.sweep()
    assert "session.expired" in kinds(shop)
    assert (of_requests(shop), state(shop, message_id)) == ([], "open")
    shop.sessions.end("dave", "process gone")
    assert causes(shop, "bob") == ["recipient_gone"]


def test_the_end_of_a_turn_is_told_if_the_request_was_seen(shop: LocalBus) -> None:
    message_id = ask(shop)
    end_turn(shop, "alice")
    assert of_requests(shop) == []
    see(shop, "alice", message_id)
    end_turn(shop, "alice")
    assert "alice ended its turn without answering your request" in notices(shop, "bob")[0][1]
    assert state(shop, message_id) == "turn_ended"
    end_turn(shop, "alice")
    assert (of_requests(shop), causes(shop, "bob")) == (["request.unanswered"], ["turn_ended"])


def test_what_was_acknowledged_without_an_answer_was_seen(shop: LocalBus) -> None:
    message_id = ask(shop)
    shop.messages.acknowledge("alice", [message_id])
    end_turn(shop, "alice")
    assert causes(shop, "bob") == ["turn_ended"]


@pytest.mark.parametrize("status", ["waiting", "working", "active"])
def test_a_turn_that_goes_on_or_waits_for_a_person_has_not_ended(shop: LocalBus, status: str) -> None:
    see(shop, "alice", ask(shop))
    shop.sessions.heartbeat("alice", status=status)
    assert of_requests(shop) == []


def test_an_answered_request_is_never_told_of(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    see(shop, "alice", message_id)
    shop.messages.reply("alice", message_id, "8080")
    end_turn(shop, "alice")
    shop.sessions.end("alice")
    clock.advance(3600)
    shop.sweep()
    assert of_requests(shop) == ["request.answered"]
    assert causes(shop, "bob") == []


def test_an_idle_sender_is_woken_for_the_notice_and_the_recipient_is_not(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    shop.sessions.heartbeat("bob", status="idle", reason="done")
    shop.sessions.heartbeat("alice", status="idle", reason="done")
    shop.messages.acknowledge("alice", [message_id])
    clock.advance(601)
    assert [each.data["cause"] for each in shop.wakes.start("bob").messages] == ["overdue"]
    assert shop.wakes.start("alice").messages == []


@pytest.mark.promise("M8")
def test_two_agents_that_ask_each_other_without_answering_stop_with_the_budget(shop: LocalBus) -> None:
    for name in NAMES:
        shop.sessions.heartbeat(name, status="idle", reason="done")
    ask(shop, "bob", "alice", "0?")
    turns = 0
    for number in range(1, 60):
        for name, other in (("alice", "bob"), ("bob", "alice")):
            if found := [each.message_id for each in shop.wakes.start(name).messages]:
                turns += 1
                shop.sessions.heartbeat(name, status="working")
                shop.messages.mark_injected(name, found)
                ask(shop, name, other, f"{number}?")
                shop.sessions.heartbeat(name, status="idle", reason="done")
    assert 1 < turns <= shop.wakes.budget


# -- successions ------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S14")
def test_a_successor_has_the_open_requests_of_both_kinds(shop: LocalBus, clock: FakeClock) -> None:
    asked, asks = ask(shop, "bob", "alice"), ask(shop, "alice", "bob", "which branch?")
    see(shop, "alice", asked)
    shop.sessions.register("alice-2", "alice's agent", "claude-code", ttl_s=86_400, status="working")
    shop.sessions.succeed("alice-2", "alice")
    assert of_requests(shop) == []
    assert {(each.message_id, each.from_session, each.to_session) for each in shop.requests.find()} == {
        (asked, "bob", "alice-2"),
        (asks, "alice-2", "bob"),
    }
    end_turn(shop, "alice-2")  # which has not seen it
    assert of_requests(shop) == []
    see(shop, "bob", asks)
    end_turn(shop, "bob")
    assert causes(shop, "alice-2") == ["turn_ended"]
    shop.messages.reply("bob", asks, "main")
    shop.messages.reply("alice-2", asked, "8080")
    assert {each.state for each in shop.requests.find()} == {"answered"}


@pytest.mark.promise("S14")
def test_a_request_to_a_predecessor_is_one_to_the_successor(shop: LocalBus) -> None:
    shop.sessions.register("alice-2", "alice's agent", "claude-code", ttl_s=86_400, status="working")
    shop.sessions.succeed("alice-2", "alice")
    message_id = ask(shop, "bob", "alice")
    see(shop, "alice-2", message_id)
    end_turn(shop, "alice-2")
    assert causes(shop, "bob") == ["turn_ended"]


@pytest.mark.promise("S14")
def test_a_late_reply_to_an_expired_request_of_a_predecessor_answers_it(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop, expires_in_s=60)
    clock.advance(61)
    shop.sessions.register("bob-2", "bob's agent", "claude-code", ttl_s=86_400, status="working")
    shop.sessions.succeed("bob-2", "bob")
    shop.messages.reply("alice", message_id, "8080")
    assert state(shop, message_id) == "answered"


# -- groups and persons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["*", "capability:review"])
def test_of_a_group_one_answer_is_enough(shop: LocalBus, clock: FakeClock, to: str) -> None:
    for name in ("alice", "carol"):
        shop.sessions.register(name, name, "codex", capabilities=["review"])
    message_id = ask(shop, to=to)
    shop.messages.reply("carol", message_id, "8080")
    assert state(shop, message_id) == "answered"


@pytest.mark.parametrize("to", ["*", "capability:review"])
def test_of_a_group_nobody_in_particular_owes_the_answer(shop: LocalBus, clock: FakeClock, to: str) -> None:
    for name in ("alice", "carol"):
        shop.sessions.register(name, name, "codex", capabilities=["review"])
    message_id = ask(shop, to=to)
    see(shop, "alice", message_id)
    end_turn(shop, "alice")
    shop.sessions.end("alice")
    assert of_requests(shop) == []
    shop.sessions.end("carol")
    assert (causes(shop, "bob"), state(shop, message_id)) == (["recipient_gone"], "recipient_gone")
    shop.sessions.heartbeat("carol")
    assert state(shop, message_id) == "open"
    clock.advance(601)
    shop.sweep()
    assert causes(shop, "bob") == ["recipient_gone", "overdue"]
    assert (causes(shop, "alice"), causes(shop, "carol")) == ([], [])


def test_a_persons_overdue_request_is_told_to_who_asked_and_costs_a_turn_of_the_budget(
    shop: LocalBus, clock: FakeClock
) -> None:
    message_id = ask(shop, to="user:dora")
    clock.advance(601)
    shop.sweep()
    assert causes(shop, "bob") == ["overdue"]
    assert [each.message_id for each in shop.messages.inbox("user:dora")] == [message_id]
    notice = shop.messages.inbox("bob")[0]
    assert not notice.from_session.startswith("user:")  # which would fill the budget again


def test_a_person_who_asks_is_told(shop: LocalBus, clock: FakeClock) -> None:
    ask(shop, "user:dora", "alice")
    clock.advance(601)
    shop.sweep()
    assert (causes(shop, "user:dora"), causes(shop, "alice")) == (["overdue"], ["overdue"])


def test_a_note_to_oneself_is_no_request(shop: LocalBus) -> None:
    ask(shop, "bob", "bob")
    assert shop.requests.find() == []


# -- expiry -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M10")
def test_a_message_that_expires_unread_is_expired_with_one_event(shop: LocalBus, clock: FakeClock) -> None:
    sent = shop.messages.send("bob", "alice", "notification", "lunch?", expires_in_s=60)
    seen = shop.messages.send("bob", "carol", "notification", "lunch?", expires_in_s=60)
    see(shop, "carol", seen.message_id)
    clock.advance(59)
    assert shop.messages.deliveries(sent.message_id)[0].state == "stored"
    clock.advance(1)
    assert shop.messages.deliveries(sent.message_id)[0].state == "expired"
    assert shop.messages.get_conversation(sent.message_id).deliveries[0].state == "expired"
    assert shop.messages.deliveries(seen.message_id)[0].state == "injected"
    for _ in range(3):
        shop.sweep()
        clock.advance(60)
    events = [each for each in all_events(shop) if each.kind == "message.expired"]
    assert [(each.data["message_id"], each.data["recipients"]) for each in events] == [(sent.message_id, 1)]
    assert causes(shop, "bob") == []


@pytest.mark.promise("M10")
def test_the_sender_of_an_expired_request_hears_of_it_and_not_of_a_deadline_as_well(
    shop: LocalBus, clock: FakeClock
) -> None:
    message_id = ask(shop, expires_in_s=60)
    assert shop.messages.get(message_id).reply_by == shop.messages.get(message_id).expires_at
    clock.advance(60)
    shop.sweep()
    clock.advance(3600)
    shop.sweep()
    assert [kind for kind in kinds(shop) if kind.endswith(("expired", "overdue", "unanswered"))] == [
        "message.expired",
        "request.unanswered",
    ]
    assert (causes(shop, "bob"), state(shop, message_id)) == (["expired"], "expired")
    shop.messages.reply("alice", message_id, "8080")  # late, from whoever remembers the id
    assert state(shop, message_id) == "answered"


@pytest.mark.promise("M10")
def test_no_expired_message_is_pruned_before_its_expiry_is_recorded(shop: LocalBus, clock: FakeClock) -> None:
    for number in range(SWEEP_AT_ONCE + 10):
        shop.messages.send("bob", "alice", "notification", f"{number}", expires_in_s=60)
    clock.advance(61)
    while not shop.retention.prune(older_than_s=3600).is_complete:
        pass
    shop.sweep()
    assert kinds(shop).count("message.expired") == SWEEP_AT_ONCE + 10
    shop.prune(older_than_s=3600)
    assert shop.messages.inbox("alice") == shop.messages.get_messages("alice") == []


# -- clocks, restarts, hubs -------------------------------------------------------------------------------------------


@pytest.mark.promise("S8")
def test_a_clock_that_is_set_back_gives_a_request_its_whole_time_and_no_more(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    clock.advance(-3600)
    shop.sweep()
    clock.advance(600)
    shop.sweep()
    assert of_requests(shop) == []
    clock.advance(1)
    shop.sweep()
    assert state(shop, message_id) == "overdue"


@pytest.mark.promise("S13")
@pytest.mark.usefixtures("home")
def test_the_time_for_which_the_machine_slept_is_no_time_to_reply(shop: LocalBus, clock: FakeClock) -> None:
    Path(shop.folder).mkdir(parents=True, exist_ok=True)
    shop.sessions.register("dave", "dave's agent", "codex")  # which notes that the machine is awake
    message_id = ask(shop)
    clock.advance(400)
    for name in NAMES:
        shop.sessions.heartbeat(name)
    clock.sleep(8 * 3600)
    shop.sweep()
    assert state(shop, message_id) == "open"
    clock.advance(199)
    shop.sweep()
    assert state(shop, message_id) == "open"
    clock.advance(2)
    shop.sweep()
    assert of_requests(shop) == ["request.overdue"]


def test_many_processes_that_sweep_at_once_tell_it_once(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    for number in range(20):
        ask(shop, subject=f"{number}?")
    shop.messages.send("bob", "alice", "notification", "lunch?", expires_in_s=60)
    clock.advance(601)
    buses = [open_bus() for _ in range(4)]
    start = threading.Barrier(len(buses))

    def sweep(bus: LocalBus) -> None:
        start.wait()
        bus.sweep()

    threads = [threading.Thread(target=sweep, args=(bus,)) for bus in buses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert of_requests(shop) == ["request.overdue"] * 20
    assert kinds(shop).count("message.expired") == 1
    assert (len(causes(shop, "bob")), len(causes(shop, "alice"))) == (20, 20)


def test_a_process_that_begins_after_the_deadline_tells_it(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    ask(shop)
    shop.close()
    clock.advance(601)
    again = open_bus()
    again.sessions.active(SHOP)
    assert of_requests(again) == ["request.overdue"]


def test_more_deadlines_than_one_sweep_takes_are_all_told(
    shop: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "SWEEP_AT_ONCE", 3)
    for number in range(8):
        ask(shop, subject=f"{number}?")
    clock.advance(601)
    for told in (3, 6, 8, 8):
        shop.sweep()
        with shop.store.read():
            overdue = shop.store.rows("requests.overdue", project=None, limit=100)
        assert len(overdue) == told
    assert of_requests(shop) == ["request.overdue"] * 8


# -- what can be asked ------------------------------------------------------------------------------------------------


def test_requests_are_listed_by_sender_recipient_and_project(shop: LocalBus) -> None:
    first = ask(shop, "bob", "alice")
    second = ask(shop, "alice", "carol", "which branch?")
    third = ask(shop, "user:dora", "carol", "are you there?")

    def found(**filters: Any) -> list[str]:
        return [each.message_id for each in shop.requests.find(**filters)]

    assert found() == [third, second, first]
    assert found(to_session="carol") == [third, second]
    assert found(from_session="bob") == [first]
    assert found(project="another") == []
    shop.messages.reply("carol", second, "main")
    assert found(to_session="carol", unanswered=True) == [third]
    assert found(unanswered=True, limit=1) == [third]
    assert found(unanswered=True, before=shop.requests.find(limit=1)[0].seq) == [first]


def test_how_a_request_stands_is_among_its_deliveries(shop: LocalBus) -> None:
    message_id = ask(shop)
    notice = shop.messages.send("bob", "alice", "notification", "by the way")
    see(shop, "alice", message_id)
    end_turn(shop, "alice")
    assert shop.messages.deliveries(message_id)[0].request_state == "turn_ended"
    assert shop.messages.get_conversation(message_id).deliveries[0].request_state == "turn_ended"
    assert shop.messages.deliveries(notice.message_id)[0].request_state is None


def test_notices_are_in_the_thread_and_are_no_replies(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    clock.advance(601)
    shop.sweep()
    thread = shop.messages.get_conversation(message_id).messages
    assert [each.type for each in thread] == ["request", "notification", "notification"]
    assert shop.messages.replies("bob", message_id) == []


def test_a_moved_project_takes_its_requests_along(shop: LocalBus) -> None:
    ask(shop)
    shop.projects.move(SHOP, "github.com/acme/store")
    assert len(shop.requests.find(project="github.com/acme/store", unanswered=True)) == 1
    shop.projects.undo(SHOP, "github.com/acme/store")
    assert len(shop.requests.find(project=SHOP, unanswered=True)) == 1


def test_a_pruned_request_leaves_nothing_behind(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop)
    shop.messages.acknowledge("alice", [message_id])
    clock.advance(10)
    shop.prune(older_than_s=1)
    assert shop.requests.find() == []
    clock.advance(3600)
    shop.sweep()
    assert of_requests(shop) == []


# -- a call that waits ------------------------------------------------------------------------------------------------


def in_a_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run a call in a thread; what it returned or raised."""
    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(call())
        except errors.HallwayError as error:
            outcomes.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcomes


END = {
    "turn_ended": lambda bus, message_id: (see(bus, "alice", message_id), end_turn(bus, "alice")),
    "recipient_gone": lambda bus, message_id: bus.sessions.end("alice"),
}


@pytest.mark.promise("M6")
@pytest.mark.parametrize("cause", END)
def test_a_request_ends_early_with_the_cause_and_a_late_reply_still_comes(
    shop: LocalBus, open_bus: Callable[[], LocalBus], cause: str
) -> None:
    other = open_bus()
    thread, outcomes = in_a_thread(lambda: other.messages.request("bob", "alice", "which port?", timeout_s=120))
    until(lambda: len(shop.messages.inbox("alice")) == 1)
    message_id = shop.messages.inbox("alice")[0].message_id
    END[cause](shop, message_id)
    thread.join(60)
    (error,) = outcomes
    assert isinstance(error, errors.NoAnswer)
    assert (error.details["cause"], error.details["message_id"]) == (cause, message_id)
    thread, outcomes = in_a_thread(lambda: other.messages.wait_reply(message_id, timeout_s=120))
    until(lambda: waits(shop, "requests"))
    shop.messages.reply("alice", message_id, "8080")
    thread.join(60)
    assert [each.body for each in outcomes] == ["8080"]


@pytest.mark.promise("M6")
def test_a_passed_deadline_does_not_end_a_wait(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    other = open_bus()
    call = in_a_thread(lambda: other.messages.request("bob", "alice", "which port?", timeout_s=120, reply_within_s=1))
    until(lambda: len(shop.messages.inbox("alice")) == 1)
    message_id = shop.messages.inbox("alice")[0].message_id
    clock.advance(2)
    until(lambda: state(shop, message_id) == "overdue")
    shop.messages.reply("alice", message_id, "8080")
    call[0].join(60)
    assert [each.body for each in call[1]] == ["8080"]


def test_a_wait_tells_what_is_due_meanwhile_though_nobody_else_looks(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    other = open_bus()
    ask(shop, reply_within_s=1)
    thread, outcomes = in_a_thread(lambda: other.messages.inbox("bob", wait_s=60))
    until(lambda: waits(shop, "messages"))
    clock.advance(2)
    thread.join(60)
    assert [each.data["cause"] for each in outcomes[0]] == ["overdue"]


@pytest.mark.promise("A2")
def test_a_digest_shows_each_notice_in_one_line_once(shop: LocalBus, clock: FakeClock) -> None:
    message_id = ask(shop, subject="which port does the hub listen on? " * 5)
    see(shop, "alice", message_id)
    clock.advance(601)

    def digest(session_id: str) -> list[str]:
        new = Digest(shop, session_id, -1, project=SHOP, is_start=False, except_ids=[])
        assert len(new.words.encode()) <= 1024
        if new.message_ids:
            see(shop, session_id, *new.message_ids)
        return [line for line in new.words.splitlines() if line.startswith("- ")]

    (to_bob,), (to_alice,) = digest("bob"), digest("alice")
    assert "alice has not answered your request by" in to_bob
    assert "which port" in to_bob
    assert "bob has waited for your answer since" in to_alice
    assert (digest("bob"), digest("alice")) == ([], [])
