"""AttentionList keeps H1 and H2 on every store: what needs a person, in which order, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock, new_id
from hallway.core.errors import AttentionNotFound, InvalidInput, Refused, SecretFound
from hallway.core.model import ATTENTION_KINDS, AttentionItem
from hallway.core.principal import Principal
from hallway.services.attention_items import ANSWER_WITHIN, NOTICED_AFTER, StuckAfter
from support import all_events, kinds
from trust.secret_corpus import SECRETS

DAY = 86_400
MINUTE = 60
LATER_S = NOTICED_AFTER / 1_000_000


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with two sessions at work."""
    for name in ("login", "cart"):
        bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=DAY, status="working", branch=f"fix/{name}")
    return bus


def seen(bus: LocalBus, **filters: Any) -> list[tuple[str, str]]:
    """Each item's kind and what it is about."""
    return [(each.kind, each.what) for each in bus.attention.read(**filters).items]


def only(bus: LocalBus, **filters: Any) -> AttentionItem:
    (item,) = bus.attention.read(**filters).items
    return item


def ask(bus: LocalBus, sender: str = "login", subject: str = "Which port?", **more: Any) -> str:
    return bus.messages.send(sender, more.pop("to", "user:alice"), "request", subject, **more).message_id


def announced(bus: LocalBus) -> list[tuple[str, str]]:
    """The events of the list: what happened, and to what kind of item."""
    found = [each for each in all_events(bus) if each.kind.startswith("attention.")]
    return [(each.kind.removeprefix("attention."), each.data["kind"]) for each in found]


@pytest.mark.promise("H1")
def test_an_item_says_who_needs_what_since_when_and_what_can_be_done(shop: LocalBus, clock: FakeClock) -> None:
    began = shop.sessions.update_status(
        "login", "waiting", reason="permission", detail="Bash: make deploy"
    ).status_since
    clock.advance(90)
    item = only(shop)
    assert (item.kind, item.what, item.since, item.state) == ("permission", "Bash: make deploy", began, "open")
    assert (item.session_id, item.name, item.client) == ("login", "login", "claude-code")
    assert (item.branch, item.project, item.person) == ("fix/login", "github.com/acme/shop", "alice")
    assert item.actions == ["open", "dismiss"]


@pytest.mark.promise("H1")
def test_what_is_urgent_comes_first_then_the_kinds_in_order_then_the_oldest(shop: LocalBus, clock: FakeClock) -> None:
    def session(name: str, status: str, **more: Any) -> None:
        shop.sessions.register(name, name, "codex", ttl_s=DAY, status=status, **more)

    shop.tasks.offer("cart", "*", "an old task")
    shop.sessions.register("gone", "gone", "codex")
    task = shop.tasks.offer("cart", "*", "a task whose owner is gone")
    shop.tasks.accept("gone", task.task_id)
    shop.sessions.end("gone")
    shop.messages.send("cart", "login", subject="read this", priority="urgent")
    ask(shop, "cart", "an old question")
    clock.advance(20 * MINUTE)
    shop.sessions.heartbeat("login", status="working")
    ask(shop, "login", "production is down", priority="urgent")
    session("done", "idle", reason="done", detail="All tests pass.")
    session("asks", "waiting", reason="question", detail="Tabs or spaces?")
    clock.advance(1)
    session("wants", "waiting", reason="permission", detail="Bash: ls")
    ask(shop, "login", "a new question")
    clock.advance(1)
    assert seen(shop) == [
        ("request", "production is down"),
        ("urgent", "read this"),
        ("permission", "Bash: ls"),
        ("question", "Tabs or spaces?"),
        ("request", "an old question"),
        ("request", "a new question"),
        ("stuck", ""),
        ("orphaned", "a task whose owner is gone"),
        ("unclaimed", "an old task"),
        ("finished", "All tests pass."),
    ]


@pytest.mark.promise("H1")
def test_two_questions_of_one_session_are_two_items_and_its_dialog_a_third(shop: LocalBus, clock: FakeClock) -> None:
    ask(shop, subject="Which port?")
    clock.advance(1)
    ask(shop, subject="Which host?")
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    assert seen(shop) == [("question", "Tabs or spaces?"), ("request", "Which port?"), ("request", "Which host?")]


@pytest.mark.promise("H1")
def test_a_page_keeps_the_first_and_the_next_one_has_the_rest(shop: LocalBus, clock: FakeClock) -> None:
    for number in range(7):
        ask(shop, subject=f"question {number}")
        clock.advance(1)
    first = shop.attention.read(limit=3)
    assert [each.what for each in first.items] == ["question 0", "question 1", "question 2"]
    assert (first.total, first.by_kind) == (7, {"request": 7})
    rest = shop.attention.read(after_id=first.items[-1].item_id)
    assert [each.what for each in rest.items] == [f"question {number}" for number in range(3, 7)]
    shop.attention.dismiss(first.items[-1].item_id)
    with pytest.raises(AttentionNotFound, match="the page after it is not known"):
        shop.attention.read(after_id=first.items[-1].item_id)


@pytest.mark.promise("H1")
def test_a_session_without_progress_is_stuck_while_its_process_is_alive(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(14 * MINUTE)
    shop.sessions.ping("login")  # its server says that the process runs, and no more
    shop.sessions.heartbeat("cart", status="working")
    clock.advance(1 * MINUTE)
    assert seen(shop) == [("stuck", "")]
    assert only(shop).session_id == "login"
    shop.messages.send("login", "cart", subject="I am still at it")  # any act is progress
    clock.advance(3)
    assert seen(shop) == []
    clock.advance(15 * MINUTE)
    assert {each.session_id for each in shop.attention.read().items if each.kind == "stuck"} == {"login", "cart"}


def test_an_act_is_progress_also_right_after_a_heartbeat_of_the_server(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(14 * MINUTE)
    for session_id in ("login", "cart"):
        shop.sessions.ping(session_id)
    shop.memory.set("login", "port", 5432)
    shop.files.touch("cart", ["/src/shop/cart.py"])
    clock.advance(2 * MINUTE)
    assert seen(shop) == []


def test_waiting_for_others_is_no_standstill(shop: LocalBus, clock: FakeClock) -> None:
    clock.advance(14 * MINUTE)
    for session_id in ("login", "cart"):
        shop.messages.inbox(session_id, wait_s=0.001)
    clock.advance(2 * MINUTE)
    assert seen(shop) == []


def test_a_sleep_of_the_machine_is_no_standstill(bus: LocalBus, clock: FakeClock) -> None:
    bus.sessions.register("login", "login's agent", "claude-code", status="working")
    clock.sleep(3 * 3600)
    bus.sessions.ping("login")
    assert bus.sessions.get("login").is_live
    assert seen(bus) == []


@pytest.mark.parametrize(
    ("setting", "client", "seconds"),
    [
        ("", "codex", 900),
        ("5m", "codex", 300),
        ("codex=30m", "codex", 1800),
        ("codex=30m", "gemini", 900),
        ("5m, codex=90", "codex", 90),
        ("0,codex=90", "gemini", 0),
    ],
)
def test_how_long_without_progress_is_stuck_is_set_by_client(setting: str, client: str, seconds: int) -> None:
    assert StuckAfter(setting).of(client) == seconds * 1_000_000


@pytest.mark.parametrize("setting", ["soon", "codex=", "=", "-5", "5m,codex=soon"])
def test_a_wrong_time_is_refused_with_the_setting_s_name(setting: str) -> None:
    with pytest.raises(InvalidInput, match="HALLWAY_STUCK_AFTER"):
        StuckAfter(setting)


def test_a_client_whose_time_is_nought_is_never_stuck(
    open_bus: Callable[[], LocalBus], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALLWAY_STUCK_AFTER", "codex=0,gemini=2m")
    bus = open_bus()
    for client in ("codex", "gemini"):
        bus.sessions.register(client, client, client, ttl_s=DAY, status="working")
    clock.advance(2 * MINUTE)
    assert [each.session_id for each in bus.attention.read().items] == ["gemini"]
    clock.advance(3600)
    assert [each.session_id for each in bus.attention.read().items] == ["gemini"]


def test_an_urgent_message_is_an_item_after_a_minute_until_the_client_has_it(shop: LocalBus, clock: FakeClock) -> None:
    sent = shop.messages.send("cart", "login", subject="stop the deployment", priority="urgent")
    assert seen(shop) == []
    clock.advance(LATER_S)
    item = only(shop)
    assert (item.kind, item.what, item.session_id, item.is_urgent) == ("urgent", "stop the deployment", "login", True)
    shop.messages.mark_injected("login", [sent.message_id])
    assert seen(shop) == []


def test_an_urgent_message_to_everybody_is_one_item_until_the_last_has_it(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.register("third", "third", "codex", ttl_s=DAY, status="working")
    sent = shop.messages.broadcast("cart", "stop", priority="urgent")
    clock.advance(LATER_S)
    assert (only(shop).name, only(shop).session_id) == ("*", None)
    shop.messages.acknowledge("login", [sent.message_id])
    assert seen(shop) == [("urgent", "stop")]
    shop.messages.acknowledge("third", [sent.message_id])
    assert seen(shop) == []


def test_an_urgent_message_moves_with_what_its_recipient_leaves_to_its_successor(
    shop: LocalBus, clock: FakeClock
) -> None:
    sent = shop.messages.send("cart", "login", subject="stop", priority="urgent")
    shop.messages.mark_injected("login", [sent.message_id])
    ask(shop, "cart")
    assert [kind for kind, _ in seen(shop)] == ["request"]  # which also forgets what is settled
    shop.sessions.register("login-2", "login's agent", "claude-code", ttl_s=DAY, status="working")
    shop.sessions.succeed("login-2", "login")
    clock.advance(LATER_S)
    assert ("urgent", "stop") in seen(shop)


@pytest.mark.promise("H2")
def test_answering_a_request_replies_to_it_and_ends_it_once_its_sender_has_the_answer(
    shop: LocalBus, clock: FakeClock
) -> None:
    asked = ask(shop)
    sent = shop.attention.answer(only(shop).item_id, "5432")
    assert (sent.item.state, sent.recipient_status) == ("answered", "working")
    (reply,) = shop.messages.inbox("login")
    assert (reply.body, reply.in_reply_to, reply.from_session) == ("5432", asked, "user:alice")
    clock.advance(10)
    assert only(shop).state == "answered"
    assert (only(shop).since, only(shop).state_since) != (None, only(shop).since)
    shop.messages.mark_injected("login", [reply.message_id])
    assert seen(shop, include_dismissed=True) == []
    assert announced(shop) == [("appeared", "request"), ("answered", "request"), ("resolved", "request")]


@pytest.mark.promise("H2")
@pytest.mark.parametrize("keep", [True, False])
def test_a_reply_on_another_way_answers_a_request_just_so(shop: LocalBus, keep: bool) -> None:
    asked = ask(shop)
    shop.attention.read()
    reply = shop.messages.reply("user:alice", asked, "5432", keep=keep)
    assert only(shop).state == "answered"
    shop.messages.mark_injected("login", [reply.message_id])
    assert seen(shop) == []
    assert announced(shop) == [("appeared", "request"), ("answered", "request"), ("resolved", "request")]


@pytest.mark.promise("H2")
def test_a_request_that_was_dealt_with_without_an_answer_is_resolved(shop: LocalBus, clock: FakeClock) -> None:
    asked = ask(shop, expires_in_s=600)
    shop.attention.read()
    shop.messages.acknowledge("user:alice", [asked])
    assert seen(shop) == []
    ask(shop, subject="Which host?", expires_in_s=600)
    assert len(seen(shop)) == 1
    clock.advance(600)  # nobody wrote anything meanwhile
    assert seen(shop) == []
    assert [kind for kind, _ in announced(shop)] == ["appeared", "resolved"] * 2


def test_an_answer_whose_session_has_ended_is_waited_for_no_longer(shop: LocalBus) -> None:
    ask(shop)
    shop.attention.answer(only(shop).item_id, "5432")
    shop.sessions.end("login")
    assert seen(shop) == []


@pytest.mark.promise("H2")
def test_answering_a_question_writes_to_its_session_which_then_goes_on(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    sent = shop.attention.answer(only(shop).item_id, "Spaces.")
    (message,) = shop.messages.inbox("login")
    assert (message.message_id, message.subject, message.body) == (sent.message_id, "Re: Tabs or spaces?", "Spaces.")
    assert only(shop).state == "answered"
    shop.messages.mark_injected("login", [message.message_id])
    assert seen(shop) == []  # it has the answer, and its status follows
    shop.sessions.heartbeat("login", status="working")
    assert seen(shop) == []
    assert announced(shop) == [("appeared", "question"), ("answered", "question"), ("resolved", "question")]
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    assert seen(shop) == [("question", "Tabs or spaces?")]  # the same words, asked again


@pytest.mark.promise("H1")
def test_a_question_that_nobody_picks_the_answer_up_of_is_important_again(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    shop.sessions.heartbeat("cart", status="idle", reason="done", detail="Done.")
    shop.attention.answer(shop.attention.read().items[0].item_id, "Spaces.")
    assert [kind for kind, _ in seen(shop)] == ["finished", "question"]
    clock.advance(ANSWER_WITHIN / 1_000_000)
    assert [kind for kind, _ in seen(shop)] == ["question", "finished"]
    assert shop.attention.read().items[0].state == "answered"


@pytest.mark.promise("H2")
def test_answering_a_finished_turn_says_what_is_next_and_wakes_the_session(shop: LocalBus) -> None:
    shop.sessions.heartbeat("login", status="idle", reason="done", detail="Done.")
    shop.attention.answer(only(shop).item_id, "Now the tests.")
    assert [each.body for each in shop.wakes.start("login").messages] == ["Now the tests."]


def test_a_permission_is_answered_in_its_terminal_alone(shop: LocalBus) -> None:
    shop.sessions.update_status("login", "waiting", reason="permission", detail="Bash: ls")
    with pytest.raises(Refused, match="in its own terminal, and claude-code takes no answer from elsewhere"):
        shop.attention.answer(only(shop).item_id, "yes")
    assert shop.messages.inbox("login") == []
    assert only(shop).state == "open"


def test_an_answer_with_a_secret_is_refused_unless_that_is_meant(shop: LocalBus) -> None:
    ask(shop)
    secret = SECRETS["OpenAI project"]
    with pytest.raises(SecretFound):
        shop.attention.answer(only(shop).item_id, secret)
    assert only(shop).state == "open"
    shop.attention.answer(only(shop).item_id, secret, allow_secret=True)
    assert only(shop).state == "answered"


def test_the_same_answer_sent_twice_under_one_key_is_one_message(shop: LocalBus) -> None:
    ask(shop)
    item = only(shop)
    first = shop.attention.answer(item.item_id, "5432", idempotency_key="k")
    assert shop.attention.answer(item.item_id, "5432", idempotency_key="k").message_id == first.message_id
    assert len(shop.messages.inbox("login")) == 1


@pytest.mark.promise("H2")
def test_dismissing_lasts_until_something_new_and_can_be_undone(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.update_status("login", "waiting", reason="permission", detail="Bash: ls")
    item = only(shop)
    assert shop.attention.dismiss(item.item_id).state == "dismissed"
    assert shop.attention.dismiss(item.item_id).state == "dismissed"
    assert seen(shop) == []
    assert only(shop, include_dismissed=True).state == "dismissed"
    clock.advance(3600)
    shop.sessions.ping("login")
    assert seen(shop) == [("stuck", "")]  # of the other session
    assert shop.attention.restore(item.item_id).state == "open"
    assert shop.attention.restore(item.item_id).state == "open"
    assert ("permission", "Bash: ls") in seen(shop)
    shop.attention.dismiss(item.item_id)
    shop.sessions.update_status("login", "waiting", reason="permission", detail="Bash: rm x")
    assert ("permission", "Bash: rm x") in seen(shop)  # something new
    found = [kind for kind, of in announced(shop) if of == "permission"]
    assert found == ["appeared", "dismissed", "restored", "dismissed", "appeared", "resolved"]


def test_what_is_resolved_can_be_neither_answered_nor_dismissed_nor_restored(shop: LocalBus) -> None:
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    item = only(shop)
    shop.sessions.heartbeat("login", status="working")
    for call in (shop.attention.dismiss, shop.attention.restore, shop.attention.nudge):
        with pytest.raises(AttentionNotFound):
            call(item.item_id)
    with pytest.raises(AttentionNotFound):
        shop.attention.answer(item.item_id, "Spaces.")


def test_the_beginning_of_an_id_names_an_item(shop: LocalBus) -> None:
    ask(shop)
    item = only(shop)
    assert shop.attention.dismiss(item.item_id[:4]).item_id == item.item_id
    with pytest.raises(AttentionNotFound):
        shop.attention.restore(item.item_id[:3])


@pytest.mark.promise("H2")
@pytest.mark.parametrize("how", ["working", "expired", "ended"])
def test_a_session_that_goes_on_or_ends_resolves_its_items(shop: LocalBus, clock: FakeClock, how: str) -> None:
    shop.sessions.register("third", "third", "codex", status="waiting", reason="permission", detail="Bash: ls")
    assert [kind for kind, _ in seen(shop)] == ["permission"]
    if how == "working":
        shop.sessions.heartbeat("third", status="working")
    elif how == "ended":
        shop.sessions.end("third")
    else:
        clock.advance(120)
    assert seen(shop) == []
    assert announced(shop) == [("appeared", "permission"), ("resolved", "permission")]


@pytest.mark.promise("H1")
def test_every_item_appears_and_is_resolved_once_however_many_look(
    shop: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    buses = [shop, open_bus(), open_bus()]
    for number in range(3):
        ask(shop, subject=f"question {number}")
        for each in buses:
            each.attention.refresh()
            assert len(each.attention.read().items) == number + 1
    shop.messages.acknowledge("user:alice", [each.message_id for each in shop.messages.inbox("user:alice")])
    for each in reversed(buses):
        each.attention.refresh()
        assert each.attention.read().items == []
    assert announced(shop) == [("appeared", "request")] * 3 + [("resolved", "request")] * 3


@pytest.mark.promise("H1")
def test_while_nothing_happens_the_list_is_not_worked_out_again(
    shop: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(shop)
    item = only(shop)
    statements: list[str] = []
    rows, one = shop.store.rows, shop.store.one
    monkeypatch.setattr(shop.store, "rows", lambda query, **more: statements.append(query) or rows(query, **more))
    monkeypatch.setattr(shop.store, "one", lambda query, **more: statements.append(query) or one(query, **more))
    clock.advance(30)
    assert only(shop) == item
    assert {each for each in statements if each.startswith("attention.")} == {"attention.last_event"}
    shop.sessions.update_status("cart", "waiting", reason="question")
    assert len(seen(shop)) == 2
    assert "attention.sessions" in statements


def test_a_nudge_reminds_whom_an_item_waits_for_and_the_item_stays(shop: LocalBus, clock: FakeClock) -> None:
    task = shop.tasks.offer("cart", "login", "mend the form")
    clock.advance(16 * MINUTE)
    by_kind = {each.kind: each for each in shop.attention.read().items if each.session_id != "login"}
    shop.attention.nudge(by_kind["stuck"].item_id, "Still there?")
    assert [each.body for each in shop.messages.inbox("cart")] == ["Still there?"]
    shop.attention.nudge(by_kind["unclaimed"].item_id)
    reminder = shop.messages.inbox("login")[-1]
    assert (reminder.in_reply_to, reminder.from_session) == (task.task_id, "user:alice")
    assert "nobody has accepted this task" in reminder.body
    assert {"stuck", "unclaimed"} <= {kind for kind, _ in seen(shop)}


@pytest.mark.promise("H1")
def test_a_request_between_agents_is_an_item_when_its_time_is_over_until_it_is_answered(
    shop: LocalBus, clock: FakeClock
) -> None:
    asked = ask(shop, "login", "Is the cart yours?", to="cart")
    clock.advance(10 * MINUTE)
    assert seen(shop) == []
    clock.advance(1)
    item = only(shop)
    assert (item.kind, item.what, item.session_id) == ("overdue", "Is the cart yours?", "cart")
    shop.attention.nudge(item.item_id)
    reminder = shop.messages.inbox("cart")[-1]
    assert (reminder.in_reply_to, reminder.from_session) == (asked, "user:alice")
    assert "still waits for your answer" in reminder.body
    assert only(shop).item_id == item.item_id
    shop.messages.reply("cart", asked, "Yes.")
    assert seen(shop) == []
    assert announced(shop) == [("appeared", "overdue"), ("resolved", "overdue")]


def test_a_request_of_a_person_or_to_one_is_not_overdue_between_agents(shop: LocalBus, clock: FakeClock) -> None:
    shop.messages.send("user:alice", "cart", "request", "Is the cart yours?")
    ask(shop)
    clock.advance(11 * MINUTE)
    assert [kind for kind, _ in seen(shop)] == ["request"]


def test_nobody_is_nudged_for_what_waits_for_a_person(shop: LocalBus) -> None:
    ask(shop)
    with pytest.raises(Refused, match="waits for a person"):
        shop.attention.nudge(only(shop).item_id)


def test_a_task_that_is_offered_to_a_person_is_a_request_to_that_person_alone(shop: LocalBus, clock: FakeClock) -> None:
    task = shop.tasks.offer("login", "user:alice", "review the form")
    clock.advance(LATER_S)
    assert seen(shop) == [("request", "review the form")]
    shop.attention.answer(only(shop).item_id, "No time today.")
    shop.messages.mark_injected("login", [each.message_id for each in shop.messages.inbox("login")])
    assert seen(shop) == []
    shop.tasks.accept("user:alice", task.task_id)
    assert seen(shop) == []
    assert announced(shop)[-1] == ("resolved", "request")


@pytest.mark.promise("H1")
def test_the_list_is_one_project_s_or_one_person_s(shop: LocalBus) -> None:
    shop.sessions.register(
        "pay", "pay", "codex", human_user="bob", project="bank", status="waiting", reason="question", detail="How?"
    )
    ask(shop, "login", "for alice")
    ask(shop, "login", "for bob", to="user:bob")
    assert len(seen(shop)) == 3
    assert seen(shop, project="bank") == [("question", "How?")]
    assert seen(shop, person="alice") == [("request", "for alice")]
    assert seen(shop, person="user:bob") == [("question", "How?"), ("request", "for bob")]


def test_a_principal_sees_what_it_may_and_the_requests_to_itself(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.register("pay", "pay", "codex", project="bank", status="waiting", reason="question", detail="How?")
    ask(shop, "login", "for alice")
    ask(shop, "login", "for bob", to="user:bob")
    clock.advance(1)
    ask(shop, "pay", "from the bank", to="user:alice")
    shop.principal = Principal("alice", "agent", ["github.com/acme/shop"])
    assert seen(shop) == [("request", "for alice"), ("request", "from the bank")]
    bank = shop.attention.read().items[1]
    assert (bank.name, bank.client, bank.branch, bank.terminal) == ("pay", None, None, None)
    assert seen(shop, person="bob") == [("request", "for bob")]
    with pytest.raises(Refused, match="a request to user:bob, not to user:alice"):
        shop.attention.answer(only(shop, person="bob").item_id, "yes")
    shop.attention.answer(shop.attention.read().items[0].item_id, "yes")
    shop.principal = None
    assert [each.from_session for each in shop.messages.inbox("login")] == ["user:alice"]


def test_an_observer_sees_the_list_and_can_do_nothing_about_it(shop: LocalBus) -> None:
    shop.sessions.update_status("login", "waiting", reason="question", detail="Tabs or spaces?")
    shop.principal = Principal("screen", "observer", None)
    item = only(shop)
    assert item.actions == ["open"]
    for call in (shop.attention.dismiss, shop.attention.restore, shop.attention.nudge):
        with pytest.raises(Refused, match="an observer's"):
            call(item.item_id)
    with pytest.raises(Refused, match="an observer's"):
        shop.attention.answer(item.item_id, "Spaces.")


def test_a_wait_ends_when_the_list_is_another(shop: LocalBus) -> None:
    version = shop.attention.read().version
    assert shop.attention.read(version=version, wait_s=0.01).version == version
    assert shop.attention.read(version="of another time", wait_s=60).version == version
    ask(shop)
    assert shop.attention.read(version=version, wait_s=60).total == 1


def test_pruned_messages_take_their_items_along(shop: LocalBus, clock: FakeClock) -> None:
    ask(shop)
    assert len(seen(shop)) == 1
    for session_id in ("login", "cart"):
        shop.sessions.end(session_id)
    clock.advance(40 * DAY)
    shop.prune()
    assert seen(shop) == []
    assert announced(shop)[-1:] in ([("resolved", "request")], [])
    assert shop.store.one("attention.is_answered", item_id="") is None
    assert "attention.resolved" in kinds(shop)


KINDS = ("permission", "question", "request", "urgent request", "finished", "unclaimed")
STATUSES = {
    "permission": ("waiting", "permission"),
    "question": ("waiting", "question"),
    "finished": ("idle", "done"),
}


@pytest.mark.promise("H1")
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_dropped_for_a_lesser_item(
    open_bus: Callable[[], LocalBus], clock: FakeClock, data: st.DataObject
) -> None:
    """Whatever needs a person is on the list once, in the order of its rank, and any page is the list's beginning."""
    bus = open_bus()
    for each in bus.sessions.list_sessions():
        bus.sessions.end(each.session_id)
    bus.messages.acknowledge("user:alice", [each.message_id for each in bus.messages.inbox("user:alice", limit=1000)])
    for task in bus.tasks.list_tasks(limit=1000):
        bus.tasks.cancel("user:alice", task.task_id)
    assert bus.attention.read().items == []
    wanted: list[tuple[bool, int, int, str]] = []
    for kind in data.draw(st.lists(st.sampled_from(KINDS), max_size=30), label="kinds"):
        clock.advance(data.draw(st.integers(1, 120), label="seconds"))
        name, at = f"s-{new_id()}", clock.now()
        status, reason = STATUSES.get(kind, ("active", None))
        detail = name if reason else None
        bus.sessions.register(name, name, "codex", ttl_s=DAY, status=status, reason=reason, detail=detail)
        if kind.endswith("request"):
            ask(bus, name, name, priority="urgent" if kind.startswith("urgent") else "normal")
        elif kind == "unclaimed":
            bus.tasks.offer(name, "*", name)
        rank = ATTENTION_KINDS.index(kind.split()[-1])
        wanted.append((not kind.startswith("urgent"), rank, at, name))
    clock.advance(LATER_S)
    whole = bus.attention.read(limit=1000)
    assert [each.what for each in whole.items] == [name for *_, name in sorted(wanted)]
    assert whole.total == len(wanted)
    length = data.draw(st.integers(1, 40), label="length of a page")
    assert bus.attention.read(limit=length).items == whole.items[:length]
