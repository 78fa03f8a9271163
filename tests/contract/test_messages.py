"""CollaborationHub keeps M1 to M8, on every store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock, to_datetime
from hallway.core.model import MESSAGE_TYPES, Message
from hallway.services import messages, retention
from hallway.services.messages import CollaborationHub
from support import Here, all_events, kinds, until, waits

SHOP = Here.project
NAMES = ("alice", "bob", "carol")


@pytest.fixture
def shop(bus: LocalBus) -> LocalBus:
    """A bus with three sessions in one project."""
    for name in NAMES:
        bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=3600)
    return bus


def send(bus: LocalBus, sender: str = "alice", to: str = "bob", subject: str = "hello", **more: Any) -> str:
    return bus.messages.send(sender, to, subject=subject, **more).message_id


def subjects(found: list[Message]) -> list[str]:
    return [message.subject for message in found]


def inbox(bus: LocalBus, session_id: str, **filters: Any) -> list[str]:
    return subjects(bus.messages.inbox(session_id, **filters))


def states(bus: LocalBus, message_id: str) -> dict[str, str]:
    return {delivery.recipient: delivery.state for delivery in bus.messages.deliveries(message_id)}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"x": value}
    return value


# -- what a message is ------------------------------------------------------------------------------------------------


def test_a_message_arrives_as_it_was_sent(shop: LocalBus, clock: FakeClock) -> None:
    sent = shop.messages.send(
        "alice",
        "bob",
        "request",
        "which port?",
        "the hub's\nnot the page's",
        {"n": [1, None]},
        priority="high",
        expires_in_s=60,
    )
    assert shop.messages.inbox("bob") == [
        Message(
            message_id=sent.message_id,
            seq=sent.seq,
            type="request",
            from_session="alice",
            to_session="bob",
            project=SHOP,
            subject="which port?",
            body="the hub's\nnot the page's",
            data={"n": [1, None]},
            priority="high",
            in_reply_to=None,
            thread_id=sent.message_id,
            task_id=None,
            sent_at=to_datetime(clock.now()),
            expires_at=to_datetime(clock.now() + 60_000_000),
            reply_by=to_datetime(clock.now() + 60_000_000),
        )
    ]


@pytest.mark.parametrize("kind", [kind for kind in MESSAGE_TYPES if kind != "task_accept"])
def test_every_type_can_be_sent(shop: LocalBus, kind: str) -> None:
    shop.messages.send("alice", "bob", kind, "hello")
    assert [message.type for message in shop.messages.inbox("bob", types=[kind])] == [kind]


def test_a_message_without_a_subject_takes_the_first_line_of_its_body(shop: LocalBus) -> None:
    shop.messages.send("alice", "bob", body="\n  mend\tthe login \nbefore noon")
    assert inbox(shop, "bob") == ["mend the login"]
    with pytest.raises(errors.InvalidInput, match="neither a subject nor a body"):
        shop.messages.send("alice", "bob", body=" \n")


def test_a_person_sends_and_receives_like_a_session(shop: LocalBus) -> None:
    send(shop, "user:dave", "alice", "how far are you?")
    send(shop, "alice", "user:dave", "almost there")
    send(shop, "user:dave", "*", "lunch")
    assert inbox(shop, "alice") == ["how far are you?", "lunch"]
    assert inbox(shop, "user:dave") == ["almost there"]
    assert shop.messages.acknowledge("user:dave", [shop.messages.inbox("user:dave")[0].message_id]) == 1


def test_a_message_to_oneself_is_a_note_for_later(shop: LocalBus) -> None:
    send(shop, "alice", "alice", "where I stopped")
    assert inbox(shop, "alice") == ["where I stopped"]


def test_it_opens_from_a_registry_and_from_a_folder(tmp_path: Path) -> None:
    with hallway.SessionRegistry(tmp_path) as registry:
        registry.register("alice", "alice's agent", "codex")
        CollaborationHub(registry).send("alice", "alice", subject="note")
    with CollaborationHub(tmp_path) as hub:
        assert subjects(hub.inbox("alice")) == ["note"]


BAD: dict[str, tuple[dict[str, Any], type[errors.HallwayError]]] = {
    "a type that is none": ({"type": "gossip"}, errors.InvalidInput),
    "a subject of two lines": ({"subject": "a\nb"}, errors.InvalidInput),
    "a subject that is too long": ({"subject": "x" * 201}, errors.TooLarge),
    "a body of 2 MiB": ({"body": "x" * 2**21}, errors.TooLarge),
    "a body that steers terminals": ({"body": "\x1b[2J"}, errors.InvalidInput),
    "data that is a list": ({"data": [1]}, errors.InvalidInput),
    "data of 65 KiB": ({"data": {"x": "y" * 65 * 1024}}, errors.TooLarge),
    "data nested a thousand deep": ({"data": nested(1000)}, errors.InvalidInput),
    "a priority that is none": ({"priority": "asap"}, errors.InvalidInput),
    "no time to live": ({"expires_in_s": 0}, errors.InvalidInput),
    "a capability without a name": ({"to_session": "capability:"}, errors.InvalidInput),
    "a person without a name": ({"to_session": "user: "}, errors.InvalidInput),
    "an answer to nothing": ({"in_reply_to": "never-sent"}, errors.MessageNotFound),
    "everybody as a sender": ({"from_session": "*"}, errors.InvalidInput),
    "a capability as a sender": ({"from_session": "capability:review"}, errors.InvalidInput),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_right_is_refused_and_nothing_is_sent(shop: LocalBus, what: str) -> None:
    arguments, error = BAD[what]
    with pytest.raises(error) as caught:
        shop.messages.send(**{"from_session": "alice", "to_session": "bob", "subject": "x", **arguments})
    assert caught.value.hint
    assert inbox(shop, "bob") == []
    assert "message.sent" not in kinds(shop)


# -- M1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M1")
def test_an_inbox_gives_a_message_until_it_is_acknowledged_and_never_after(
    shop: LocalBus, open_bus: Callable[[], LocalBus]
) -> None:
    first, second = send(shop, subject="one"), send(shop, subject="two")
    assert inbox(shop, "bob") == inbox(open_bus(), "bob") == ["one", "two"]
    assert shop.messages.acknowledge("bob", [first]) == 1
    assert inbox(shop, "bob") == inbox(open_bus(), "bob") == ["two"]
    assert shop.messages.acknowledge("bob", [first, second, "never-sent"]) == 1
    assert inbox(open_bus(), "bob") == []


@pytest.mark.promise("M1")
def test_only_the_recipient_acknowledges(shop: LocalBus) -> None:
    message_id = send(shop)
    assert shop.messages.acknowledge("carol", [message_id]) == 0
    assert inbox(shop, "bob") == ["hello"]


@pytest.mark.promise("M1")
def test_a_repeated_key_of_a_sender_is_the_first_message(shop: LocalBus) -> None:
    first = shop.messages.send("alice", "bob", subject="one", idempotency_key="k")
    again = shop.messages.send("alice", "bob", subject="another", idempotency_key="k")
    assert (again.message_id, again.seq, again.recipients) == (first.message_id, first.seq, first.recipients)
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert not shop.messages.send("carol", "bob", subject="mine", idempotency_key="k").is_repeat
    assert inbox(shop, "bob") == ["one", "mine"]


@pytest.mark.promise("M1")
def test_what_expired_is_neither_given_nor_counted_but_told_in_the_history(shop: LocalBus, clock: FakeClock) -> None:
    send(shop, subject="soon over", expires_in_s=60)
    assert shop.sessions.heartbeat("bob").unread == 1
    clock.advance(60)
    assert inbox(shop, "bob") == []
    assert shop.sessions.heartbeat("bob").unread == 0
    assert shop.messages.get_stats().unread == 0
    assert subjects(shop.messages.get_messages("bob")) == ["soon over"]


@pytest.mark.promise("M1", "S5")
def test_a_heartbeat_tells_how_much_is_unread(shop: LocalBus) -> None:
    sent = [send(shop, subject=str(number)) for number in range(3)]
    assert shop.sessions.heartbeat("bob").unread == 3
    shop.messages.acknowledge("bob", sent[:2])
    assert shop.sessions.heartbeat("bob").unread == 1
    assert shop.sessions.heartbeat("carol").unread == 0


# -- M2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M2")
@pytest.mark.parametrize("how", ["ended", "expired"])
def test_a_message_to_a_session_that_is_gone_waits_for_it(shop: LocalBus, clock: FakeClock, how: str) -> None:
    assert shop.messages.send("alice", "bob", subject="before").recipient_status == "active"
    if how == "ended":
        shop.sessions.end("bob")
    else:
        clock.advance(3600)
    assert shop.messages.send("alice", "bob", subject="after").recipient_status == "offline"
    assert shop.sessions.heartbeat("bob").unread == 2
    assert inbox(shop, "bob") == ["before", "after"]


@pytest.mark.promise("M2")
def test_an_id_the_bus_has_never_seen_is_an_error_with_near_matches(shop: LocalBus) -> None:
    for call in (
        lambda: send(shop, "alice", "bobb"),
        lambda: shop.messages.inbox("alcie"),
        lambda: shop.messages.acknowledge("bobb", ["m"]),
        lambda: shop.messages.ping_session("alice", "bobb"),
    ):
        with pytest.raises(errors.SessionNotFound) as caught:
            call()
        assert caught.value.details["near"][0] in NAMES
    assert "message.sent" not in kinds(shop)


@pytest.mark.promise("M2")
def test_a_broadcast_reaches_the_live_sessions_of_the_project_except_its_sender(shop: LocalBus) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", project="github.com/acme/other")
    shop.sessions.end("carol")
    sent = shop.messages.broadcast("alice", "the tests are red")
    assert (sent.recipients, list(states(shop, sent.message_id))) == (1, ["bob"])
    assert [inbox(shop, name) for name in ("alice", "bob", "carol", "dave")] == [[], ["the tests are red"], [], []]


@pytest.mark.promise("M2")
def test_who_joins_later_reads_a_broadcast_in_the_history_and_not_in_the_inbox(shop: LocalBus) -> None:
    shop.messages.broadcast("alice", "the tests are red")
    shop.sessions.register("dave", "dave's agent", "codex")
    assert inbox(shop, "dave") == []
    assert subjects(shop.messages.get_messages("dave")) == ["the tests are red"]
    assert shop.messages.get_messages("dave", include_broadcasts=False) == []
    assert shop.messages.get_messages("dave", unread_only=True) == []
    assert shop.messages.get_messages("alice") == []
    shop.sessions.register("erin", "erin's agent", "codex", project="github.com/acme/other")
    assert shop.messages.get_messages("erin") == []


@pytest.mark.promise("M2")
def test_a_capability_is_every_live_session_that_has_it(shop: LocalBus) -> None:
    for name in ("alice", "bob", "carol"):
        shop.sessions.register(name, name, "codex", capabilities=["review", "deploy"])
    shop.sessions.end("carol")
    sent = shop.messages.send("alice", "capability:review", subject="look at this")
    assert list(states(shop, sent.message_id)) == ["bob"]
    with pytest.raises(errors.SessionNotFound, match="'reviews'") as caught:
        send(shop, "alice", "capability:reviews")
    assert caught.value.details["near"] == ["review"]


# -- M3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M3")
def test_the_sender_sees_how_far_a_message_has_come_with_each_recipient(shop: LocalBus, clock: FakeClock) -> None:
    message_id = shop.messages.broadcast("alice", "hear").message_id
    assert states(shop, message_id) == {"bob": "stored", "carol": "stored"}
    clock.advance(1)
    assert shop.messages.mark_injected("bob", [message_id]) == 1
    assert shop.messages.mark_injected("bob", [message_id]) == 0
    assert states(shop, message_id) == {"bob": "injected", "carol": "stored"}
    assert inbox(shop, "bob") == ["hear"]
    assert inbox(shop, "bob", new_only=True) == []
    clock.advance(1)
    shop.messages.acknowledge("bob", [message_id])
    shop.messages.acknowledge("carol", [message_id])
    bob, carol = shop.messages.deliveries(message_id)
    assert (bob.state, carol.state) == ("acknowledged", "acknowledged")
    assert bob.stored_at < bob.injected_at < bob.acknowledged_at
    assert carol.injected_at is None
    assert shop.messages.deliveries(message_id, after_id="bob") == [carol]
    assert shop.messages.get_conversation(message_id).deliveries == [bob, carol]


@pytest.mark.promise("M3")
def test_every_step_of_a_message_is_an_event(shop: LocalBus) -> None:
    message_id = send(shop)
    shop.messages.mark_injected("bob", [message_id])
    shop.messages.acknowledge("bob", [message_id])
    shop.messages.acknowledge("bob", [message_id])
    sent, injected, acknowledged = (event for event in all_events(shop) if event.kind.startswith("message."))
    assert (sent.kind, sent.session_id, sent.data["message_id"]) == ("message.sent", "alice", message_id)
    assert (injected.kind, injected.session_id) == ("message.injected", "bob")
    assert (acknowledged.kind, acknowledged.data) == ("message.acknowledged", {"message_ids": [message_id]})


# -- M4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M4")
def test_a_recipient_sees_its_messages_in_one_order_on_every_page(shop: LocalBus) -> None:
    for number in range(7):
        send(shop, NAMES[number % 3], "bob", str(number))
    read: list[Message] = []
    while page := shop.messages.inbox("bob", limit=3, after=read[-1].seq if read else 0):
        read += page
    assert subjects(read) == list("0123456")
    shop.messages.acknowledge("bob", [message.message_id for message in read[::2]])
    tailed: list[Message] = []
    while page := shop.messages.get_messages("bob", after=tailed[-1].seq if tailed else 0, limit=2):
        tailed += page
    assert tailed == read
    assert subjects(shop.messages.get_messages("bob", limit=2)) == ["5", "6"]
    assert subjects(shop.messages.get_messages("bob", unread_only=True)) == ["1", "3", "5"]


def test_what_was_sent_comes_newest_first_by_sender_project_and_page(shop: LocalBus) -> None:
    for number in range(5):
        send(shop, subject=f"a{number}")
    send(shop, "bob", "carol", "b")
    shop.messages.send("user:dan", "alice", subject="from elsewhere", project="github.com/acme/infra")
    sent = shop.messages.sent()
    assert subjects(sent) == ["from elsewhere", "b", "a4", "a3", "a2", "a1", "a0"]
    assert subjects(shop.messages.sent(limit=2, before=sent[1].seq)) == ["a4", "a3"]
    assert subjects(shop.messages.sent("alice", limit=2)) == ["a4", "a3"]
    assert subjects(shop.messages.sent("user:dan")) == ["from elsewhere"]
    assert subjects(shop.messages.sent(project=SHOP, limit=1)) == ["b"]
    assert shop.messages.sent("nobody") == []


def test_of_one_sender_only_the_newest_messages_of_the_bus_are_looked_at(
    shop: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "LOOK_BACK", 3)
    for number in range(4):
        send(shop, subject=f"a{number}")
    assert subjects(shop.messages.sent("alice")) == ["a3", "a2", "a1"]


def test_inboxes_with_something_in_them_are_told_the_urgent_ones_first(shop: LocalBus, clock: FakeClock) -> None:
    began = clock.now()
    for number in range(3):
        send(shop, "alice", "bob", f"m{number}")
    clock.advance(5)
    urgent = send(shop, "bob", "user:dan", priority="urgent")
    send(shop, "bob", "carol", expires_in_s=1)
    read = send(shop, "bob", "alice")
    shop.messages.acknowledge("alice", [read])
    clock.advance(2)
    found = [each.to_dict().values() for each in shop.messages.inboxes()]
    assert [tuple(each) for each in found] == [
        ("user:dan", 1, 1, to_datetime(began + 5_000_000)),
        ("bob", 3, 0, to_datetime(began)),
    ]
    assert shop.messages.inboxes("github.com/acme/infra") == []
    assert len(shop.messages.inboxes(limit=1)) == 1
    assert [each.unread for each in shop.messages.inboxes(session_id="bob")] == [3]
    assert shop.messages.inboxes(session_id="alice") == []
    shop.messages.acknowledge("user:dan", [urgent])
    assert [each.recipient for each in shop.messages.inboxes()] == ["bob"]


def test_the_history_can_be_of_one_type(shop: LocalBus) -> None:
    send(shop, subject="note")
    shop.messages.broadcast("carol", "hear")
    assert subjects(shop.messages.get_messages("bob", message_type="broadcast")) == ["hear"]
    assert subjects(shop.messages.get_messages("bob", True, "notification")) == ["note"]


# -- M5 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M5")
def test_a_thread_is_the_whole_tree_from_any_of_its_messages(shop: LocalBus) -> None:
    root = send(shop, subject="which port?")
    left = shop.messages.reply("bob", root, "7433").message_id
    right = shop.messages.reply("bob", root, "or 0 for any").message_id
    leaf = shop.messages.reply("alice", left, "thanks").message_id
    send(shop, subject="something else")
    tree = [root, left, right, leaf]
    for message_id in tree:
        thread = shop.messages.get_conversation(message_id)
        assert [message.message_id for message in thread.messages] == tree
        assert thread.thread_id == root
    assert [message.in_reply_to for message in thread.messages] == [None, root, root, left]
    recipients = ("bob", "alice", "alice", "bob")
    assert [(d.message_id, d.recipient) for d in thread.deliveries] == list(zip(tree, recipients, strict=True))
    page = shop.messages.get_conversation(leaf, after=thread.messages[1].seq, limit=1)
    assert [message.message_id for message in page.messages] == [right]


@pytest.mark.promise("M5")
def test_a_thread_survives_the_pruning_of_its_first_message(shop: LocalBus, clock: FakeClock) -> None:
    root = send(shop, subject="old")
    shop.messages.acknowledge("bob", [root])
    clock.advance(100)
    reply = shop.messages.reply("bob", root, "new").message_id
    shop.prune(50)
    with pytest.raises(errors.MessageNotFound):
        shop.messages.get(root)
    with pytest.raises(errors.MessageNotFound):
        shop.messages.reply("bob", root, "too late")
    for message_id in (root, reply):
        assert [message.message_id for message in shop.messages.get_conversation(message_id).messages] == [reply]
    answer = shop.messages.reply("alice", reply, "still here")
    assert answer.thread_id == root


def test_a_reply_goes_to_the_other_side(shop: LocalBus) -> None:
    root = send(shop, subject="Re: port?")
    shop.messages.reply("bob", root, "7433")
    shop.messages.reply("alice", root, "and one more thing", type="notification")
    assert inbox(shop, "alice") == ["Re: port?"]
    assert inbox(shop, "bob") == ["Re: port?"]  # the first is answered
    public = shop.messages.broadcast("alice", "who knows?").message_id
    shop.messages.reply("alice", public, "found it")
    assert inbox(shop, "carol") == ["who knows?", "Re: who knows?"]


# -- M6 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M6")
def test_a_ping_answers_with_how_the_other_is_and_leaves_one_message(shop: LocalBus, clock: FakeClock) -> None:
    shop.sessions.update_status("bob", "working", "the login")
    pong = shop.messages.ping_session("alice", "bob")
    assert (pong.is_live, pong.status, pong.current_task) == (True, "working", "the login")
    assert [message.type for message in shop.messages.inbox("bob")] == ["ping"]
    assert shop.messages.ping_session("alice", "bob").message_id == pong.message_id
    shop.sessions.end("bob")
    clock.advance(61)
    later = shop.messages.ping_session("alice", "bob")
    assert (later.is_live, later.status) == (False, "offline")
    assert len(shop.messages.inbox("bob")) == 2


@pytest.mark.promise("M6")
def test_a_request_returns_its_response_and_takes_it_out_of_the_inbox(
    shop: LocalBus, open_bus: Callable[[], LocalBus]
) -> None:
    old = send(shop, "bob", "alice", "an older response", type="response")
    other = open_bus()

    def answer() -> None:
        (question,) = other.messages.inbox("bob", 10)
        other.messages.send("carol", "alice", "response", "of another matter")
        other.messages.reply("bob", question.message_id, "7433", {"port": 7433})

    thread = threading.Thread(target=answer)
    thread.start()
    response = shop.messages.request("alice", "bob", "which port?", timeout_s=10)
    thread.join()
    assert (response.body, response.data, response.from_session) == ("7433", {"port": 7433}, "bob")
    assert inbox(shop, "alice") == ["an older response", "of another matter"]
    assert shop.messages.inbox("alice")[0].message_id == old


@pytest.mark.promise("M6")
def test_a_request_without_an_answer_ends_in_time_and_stays_sent(shop: LocalBus) -> None:
    began = time.monotonic()
    with pytest.raises(errors.NoAnswer) as caught:
        shop.messages.request("alice", "bob", "anybody?", timeout_s=0.1)
    assert time.monotonic() - began < 20
    assert shop.messages.inbox("bob")[0].message_id == caught.value.details["message_id"]
    shop.messages.reply("bob", caught.value.details["message_id"], "late")
    assert inbox(shop, "alice") == ["Re: anybody?"]


@pytest.mark.promise("M6")
@pytest.mark.parametrize("type_", ["response", "notification", "sync", "request"])
def test_a_request_finds_its_reply_whatever_its_type_though_a_handler_acknowledges_it_first(
    shop: LocalBus, open_bus: Callable[[], LocalBus], type_: str
) -> None:
    other, handler = open_bus(), open_bus()
    handler.messages.register_handler("*", lambda _: None, "alice")

    def answer(question: Message) -> None:
        other.messages.send("bob", "alice", type_, "a reply", f"re {question.subject}", in_reply_to=question.message_id)

    other.messages.register_handler("request", answer, "bob")
    for number in range(10):
        reply = shop.messages.request("alice", "bob", f"question {number}", timeout_s=20)
        assert (reply.type, reply.body) == (type_, f"re question {number}")
        until(lambda: not inbox(shop, "alice"))


@pytest.mark.promise("M6")
def test_waiting_for_a_reply_goes_on_after_the_request_and_elsewhere(
    shop: LocalBus, open_bus: Callable[[], LocalBus]
) -> None:
    with pytest.raises(errors.NoAnswer) as caught:
        shop.messages.request("alice", "bob", "which port?", timeout_s=0.1)
    message_id = caught.value.details["message_id"]
    assert message_id in caught.value.hint
    with pytest.raises(errors.NoAnswer) as caught:
        shop.messages.wait_reply(message_id, timeout_s=0)
    assert caught.value.details["message_id"] == message_id
    found: list[Message] = []
    waiting = threading.Thread(target=lambda: found.append(open_bus().messages.wait_reply(message_id, timeout_s=None)))
    waiting.start()
    shop.messages.reply("alice", message_id, "a word to oneself is no reply")
    shop.messages.reply("bob", message_id, "7433")
    waiting.join(20)
    assert [each.body for each in found] == ["7433"]
    assert inbox(shop, "alice") == []
    assert shop.messages.wait_reply(message_id, timeout_s=0).body == "7433"  # also once it was acknowledged


@pytest.mark.promise("M6")
def test_every_error_of_a_request_names_its_message(shop: LocalBus) -> None:
    with pytest.raises(errors.SessionNotFound) as nobody:
        shop.messages.request("alice", "nobody", "anybody?")
    assert nobody.value.details["message_id"] is None
    with pytest.raises(errors.NoAnswer) as first:
        shop.messages.request("alice", "bob", "anybody?", timeout_s=0)
    with pytest.raises(errors.DuplicateMessage) as again:
        shop.messages.request("alice", "bob", "anybody?", timeout_s=0)
    key = first.value.details["idempotency_key"]
    with pytest.raises(errors.NoAnswer) as same:
        shop.messages.request("alice", "bob", "anybody?", timeout_s=0, idempotency_key=key)
    ids = {each.value.details["message_id"] for each in (first, again, same)}
    assert ids == {shop.messages.inbox("bob")[0].message_id}
    with pytest.raises(errors.MessageNotFound) as unknown:
        shop.messages.wait_reply("unknown")
    assert unknown.value.details["message_id"] == "unknown"
    shop.messages.is_standalone = True  # then `get` returns None
    with pytest.raises(errors.MessageNotFound):
        shop.messages.wait_reply("unknown")


@pytest.mark.promise("M6")
def test_an_expired_reply_and_one_by_somebody_else_are_found(shop: LocalBus, clock: FakeClock) -> None:
    asked = send(shop, subject="who can?", type="request")
    shop.messages.send("carol", "alice", subject="I can", in_reply_to=asked, expires_in_s=10)
    clock.advance(60)
    assert inbox(shop, "alice") == []
    assert shop.messages.wait_reply(asked, timeout_s=0).from_session == "carol"


@pytest.mark.promise("M6", "E3")
def test_an_inbox_waits_and_wakes_at_once(shop: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    other, found, took_s = open_bus(), [], []

    def wait() -> None:
        found.extend(other.messages.inbox("bob", 10))
        took_s.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: waits(shop, "messages-"))
    send(shop, "alice", "carol", "not for bob")
    send(shop, subject="for bob")
    sent_at = time.monotonic()
    thread.join()
    assert subjects(found) == ["for bob"]
    assert took_s[0] - sent_at < 0.5
    until(lambda: not waits(shop, "messages-"))


@pytest.mark.promise("M6")
def test_a_wait_ends_empty_and_blocks_no_writer(shop: LocalBus) -> None:
    began = time.monotonic()
    thread = threading.Thread(target=lambda: shop.messages.inbox("bob", 0.4))
    thread.start()
    while thread.is_alive():
        shop.sessions.heartbeat("alice")
        assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.4
    with shop.transaction():
        assert shop.messages.inbox("bob", 60) == []  # inside a transaction it looks once


# -- M7 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M7")
def test_age_prunes_what_no_live_session_has_still_to_read(shop: LocalBus, clock: FakeClock) -> None:
    for name in ("bob", "carol", "user:dave"):
        send(shop, "alice", name, f"unread by {name}")
    read = send(shop, subject="read")
    shop.messages.acknowledge("bob", [read])
    shop.sessions.end("carol")
    clock.advance(1000)
    send(shop, subject="young")
    pruned = shop.prune(500)
    assert (pruned.removed["messages"], pruned.is_complete) == (3, True)
    assert inbox(shop, "bob") == ["unread by bob", "young"]
    assert shop.messages.get_stats().total == 2
    assert inbox(shop, "user:dave") == []


@pytest.mark.promise("M7")
def test_age_prunes_by_age_whatever_the_order_they_came_in(shop: LocalBus, clock: FakeClock) -> None:
    shop.messages.burst = 0
    young = send(shop, subject="young")
    clock.advance(-1000)  # the host's clock is set back, or an import brings an old message late
    old = [send(shop, subject=f"old {number}") for number in range(2)]
    shop.messages.acknowledge("bob", [young, *old])
    clock.advance(1000)
    assert shop.prune(500).removed["messages"] == 2
    assert shop.messages.get(young).subject == "young"


@pytest.mark.promise("M7")
def test_size_prunes_the_oldest_first(shop: LocalBus) -> None:
    kept = send(shop, "alice", "carol", "unread", body="x" * 1000)
    for number in range(10):
        message_id = send(shop, subject=f"{number}", body="x" * 999)
        shop.messages.acknowledge("bob", [message_id])
    size = shop.messages.get_stats().size_bytes
    pruned = shop.messages.prune(keep_bytes=size - 7 * len("0" + "x" * 999 + "{}"))
    assert pruned.removed["messages"] == 7
    assert subjects(shop.messages.get_messages("bob")) == ["7", "8", "9"]
    assert inbox(shop, "carol") == ["unread"]
    assert shop.messages.get(kept)


@pytest.mark.promise("M7")
def test_nothing_is_pruned_for_being_the_101st(shop: LocalBus) -> None:
    with shop.transaction():
        for number in range(150):
            shop.messages.acknowledge("bob", [send(shop, subject=str(number))])
    shop.prune()
    assert len(shop.messages.get_messages("bob", limit=1000)) == 150


@pytest.mark.promise("M7")
def test_what_expired_events_and_ended_sessions_go_too(shop: LocalBus, clock: FakeClock) -> None:
    send(shop, subject="over", expires_in_s=10)
    shop.sessions.end("carol")
    clock.advance(60)
    last = shop.events.last_seq()
    pruned = shop.prune(60)
    assert pruned.removed == {"messages": 1, "sessions": 1, "events": last - 1}
    assert [event.kind for event in shop.events.read()] == ["message.expired", "session.cleared", "retention.pruned"]
    assert all(event.seq >= last for event in shop.events.read())


@pytest.mark.promise("M7")
def test_pruning_goes_in_steps(shop: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    with shop.transaction():
        for number in range(10):
            shop.messages.acknowledge("bob", [send(shop, subject=str(number))])
    clock.advance(10)
    assert not shop.retention.prune(5).is_complete
    assert shop.prune(5).removed["messages"] == 6
    assert shop.messages.get_stats().total == 0


# -- M8 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M8")
def test_saying_the_same_again_within_a_minute_is_refused(shop: LocalBus, clock: FakeClock) -> None:
    first = send(shop, subject="hello", data={"n": 1})
    send(shop, subject="hello", data={"n": 2})
    send(shop, subject="hello", to="carol", data={"n": 1})
    clock.advance(59)
    with pytest.raises(errors.DuplicateMessage, match="exactly this to bob 59 s ago") as caught:
        send(shop, subject="hello", data={"n": 1})
    assert caught.value.details["message_id"] == first
    clock.advance(1)
    send(shop, subject="hello", data={"n": 1})
    assert len(inbox(shop, "bob")) == 3


@pytest.mark.promise("M8")
def test_the_same_answer_to_two_questions_is_no_repeat(shop: LocalBus) -> None:
    questions = [send(shop, subject="ok?", body=str(number)) for number in range(2)]
    for question in questions:
        shop.messages.reply("bob", question, "yes")
    assert len(inbox(shop, "alice")) == 2
    with pytest.raises(errors.DuplicateMessage):
        shop.messages.reply("bob", question, "yes")


@pytest.mark.promise("M8")
def test_one_party_may_send_another_only_so_much_at_once(shop: LocalBus, clock: FakeClock) -> None:
    shop.messages.burst = 5
    for number in range(5):
        send(shop, subject=str(number))
    with pytest.raises(errors.RateLimited, match="5 messages at once") as caught:
        send(shop, subject="too much")
    assert caught.value.details["retry_after_s"] == 1
    send(shop, to="carol", subject="another pair")
    send(shop, "bob", "alice", "the other way")
    clock.advance(1)
    send(shop, subject="5")
    with pytest.raises(errors.RateLimited):
        send(shop, subject="too much")
    clock.advance(3600)
    for number in range(5):
        send(shop, subject=f"an hour later {number}")
    with pytest.raises(errors.RateLimited):
        send(shop, subject="too much")


@pytest.mark.promise("M8")
def test_a_clock_that_is_set_back_locks_nobody_out(shop: LocalBus, clock: FakeClock) -> None:
    shop.messages.burst = 5
    for number in range(5):
        send(shop, subject=str(number))
    clock.advance(-86_400)
    send(shop, subject="yesterday")
    with pytest.raises(errors.RateLimited) as caught:
        send(shop, subject="too much")
    assert caught.value.details["retry_after_s"] <= 1


@pytest.mark.promise("M8")
def test_how_much_is_a_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, burst in (("", messages.BURST), ("0", 0), ("60", 60)):
        monkeypatch.setenv("HALLWAY_MESSAGE_BURST", text)
        with hallway.connect() as bus:
            assert bus.messages.burst == burst
    monkeypatch.setenv("HALLWAY_MESSAGE_BURST", "many")
    with hallway.connect() as bus, pytest.raises(errors.InvalidInput, match="HALLWAY_MESSAGE_BURST"):
        bus.messages  # noqa: B018 (a service reads its settings when it is first used)


@pytest.mark.promise("M8")
def test_two_handlers_that_answer_each_other_come_to_an_end(
    shop: LocalBus, open_bus: Callable[[], LocalBus], caplog: pytest.LogCaptureFixture
) -> None:
    buses = [open_bus(), open_bus()]
    for bus, name in zip(buses, ("alice", "bob"), strict=True):
        bus.messages.burst = 20
        bus.messages.register_handler(
            "response", lambda m, bus=bus, name=name: bus.messages.reply(name, m.message_id, f"to {m.seq}"), name
        )
    shop.messages.send("carol", "alice", "response", "go")
    shop.messages.send("alice", "bob", "response", "go")
    until(lambda: "RateLimited" in caplog.text)
    for bus in buses:
        bus.close()
    assert 20 <= shop.messages.get_stats().total <= 60


# -- handlers ---------------------------------------------------------------------------------------------------------


def test_a_handler_outlives_its_errors_and_what_it_failed_at_stays(
    shop: LocalBus, open_bus: Callable[[], LocalBus], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def handle(message: Message) -> None:
        seen.append(message.subject)
        if message.subject == "bad":
            raise ValueError("broken")

    send(shop, subject="before")
    listener = open_bus().messages.register_handler("notification", handle, "bob")
    for subject in ("good", "bad", "better"):
        send(shop, subject=subject)
    shop.messages.send("alice", "bob", "request", "of another type")
    until(lambda: seen[-1:] == ["better"] and inbox(shop, "bob") == ["bad", "of another type"])
    listener.close()
    assert seen == ["before", "good", "bad", "better"]
    assert "broken" in caplog.text


def test_a_handler_without_a_session_hears_what_anybody_sends(shop: LocalBus, open_bus: Callable[[], LocalBus]) -> None:
    seen: list[str] = []
    everything: list[str] = []
    bus = open_bus()
    bus.messages.register_handler("broadcast", lambda message: seen.append(message.subject))
    bus.messages.register_handler("*", lambda message: everything.append(message.subject))
    send(shop, subject="one to one")
    shop.messages.broadcast("carol", "to all")
    until(lambda: seen == ["to all"] and everything == ["one to one", "to all"])
    bus.close()
    assert inbox(shop, "bob") == ["one to one", "to all"]


# -- numbers ----------------------------------------------------------------------------------------------------------


def test_the_bus_counts_its_messages(shop: LocalBus) -> None:
    shop.sessions.register("dave", "dave's agent", "codex", project="github.com/acme/other")
    send(shop, subject="1234", body="567")
    send(shop, "dave", "bob", "far")
    shop.messages.acknowledge("bob", [shop.messages.broadcast("alice", "hear").message_id])
    numbers = shop.messages.get_stats()
    assert (numbers.total, numbers.unread, numbers.by_type) == (3, 3, {"notification": 2, "broadcast": 1})
    assert shop.messages.get_stats("github.com/acme/other").total == 1
    assert shop.messages.get_stats(SHOP).unread == 2
    assert numbers.size_bytes == len("1234567" + "far" + "hear") + 3 * len("{}")


@pytest.mark.promise("M2")
def test_messages_are_paged_backwards(shop: LocalBus) -> None:
    for number in range(7):
        shop.messages.send("alice", "bob", subject=str(number))
    pages, before = [], None
    while page := shop.messages.get_messages("bob", before=before, limit=3):
        pages.append([each.subject for each in page])
        before = page[0].seq
    assert pages == [["4", "5", "6"], ["1", "2", "3"], ["0"]]
    with pytest.raises(errors.InvalidInput, match="not both"):
        shop.messages.get_messages("bob", before=3, after=1)


def test_the_messages_of_an_unknown_id_are_an_error_and_those_of_a_person_are_none(shop: LocalBus) -> None:
    for broadcasts in range(2):
        for arguments in ({}, {"after": 0}, {"before": 99}, {"unread_only": True}, {"message_type": "broadcast"}):
            with pytest.raises(errors.SessionNotFound):
                shop.messages.get_messages("ghost", **arguments)
        assert len(shop.messages.get_messages("user:carol")) == broadcasts  # those of the caller's project
        shop.messages.broadcast("alice", f"hear {broadcasts}")


def test_a_reply_acknowledges_the_message_unless_it_is_to_stay(shop: LocalBus) -> None:
    first, second = (shop.messages.send("alice", "bob", "request", str(each)) for each in range(2))
    shop.messages.reply("bob", first.message_id, "yes")
    assert [each.message_id for each in shop.messages.inbox("bob")] == [second.message_id]
    shop.messages.reply("bob", second.message_id, "wait", keep=True)
    assert [each.message_id for each in shop.messages.inbox("bob")] == [second.message_id]
    shop.messages.reply("alice", second.message_id, "in addition")
    assert [each.message_id for each in shop.messages.inbox("bob")][:1] == [second.message_id]
