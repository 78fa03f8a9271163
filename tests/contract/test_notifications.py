"""NotificationLog keeps H3 on every store: each item is sent once through each channel, by one sender."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.model import NotificationTurn
from hallway.core.principal import Principal
from hallway.services.notifications import INTERRUPTED, LEASE_S, TOKEN_WITHIN_S
from support import Here


@pytest.fixture
def asking(bus: LocalBus) -> LocalBus:
    """A bus with a session that asks a question."""
    bus.sessions.register("bob", "bob's agent", "claude-code", ttl_s=86_400)
    ask(bus)
    return bus


def ask(bus: LocalBus, question: str = "Which port?") -> None:
    bus.sessions.update_status("bob", "waiting", reason="question", detail=question)


def item_of(bus: LocalBus) -> str:
    (item,) = bus.attention.read().items
    return item.item_id


def take(bus: LocalBus, item_id: str, holder: str = "one", channel: str = "phone", **more: bool) -> NotificationTurn:
    return bus.notifications.take(channel, item_id, holder, **more)


@pytest.mark.promise("H3")
def test_of_several_senders_one_sends_an_item_and_none_does_so_again(asking: LocalBus) -> None:
    item_id = item_of(asking)
    assert take(asking, item_id).may_send
    other = take(asking, item_id, "two")
    assert (other.may_send, other.is_settled, other.retry_in_s) == (False, False, LEASE_S)
    assert asking.notifications.settle("phone", item_id, "one")
    for holder in ("one", "two", "three"):
        turn = take(asking, item_id, holder, is_repeatable=True)
        assert (turn.may_send, turn.is_settled) == (False, True)


@pytest.mark.promise("H3")
def test_channels_and_persons_are_told_apart(asking: LocalBus) -> None:
    item_id = item_of(asking)
    first = take(asking, item_id)
    assert take(asking, item_id, channel="desktop@host").may_send
    asking.principal = Principal("bob", "agent", [Here.project])
    second = take(asking, item_id)
    assert second.may_send
    assert first.key != second.key, "a receiver of both would drop the second"


@pytest.mark.promise("H3")
def test_a_failed_attempt_is_made_again_when_its_time_has_come_with_the_same_key(
    asking: LocalBus, clock: FakeClock
) -> None:
    item_id = item_of(asking)
    first = take(asking, item_id)
    asking.notifications.settle("phone", item_id, "one", error="no network", retry_in_s=5)
    assert take(asking, item_id, "two").retry_in_s == 5
    clock.advance(5)
    again = take(asking, item_id, "two")
    assert (again.may_send, again.attempt, again.key) == (True, 2, first.key)
    assert asking.notifications.settle("phone", item_id, "two", error="gone for good")
    assert take(asking, item_id).is_settled


@pytest.mark.promise("H3")
def test_after_a_crash_only_a_repeatable_channel_sends_the_item_again(asking: LocalBus, clock: FakeClock) -> None:
    item_id = item_of(asking)
    assert take(asking, item_id, channel="desktop").may_send
    assert take(asking, item_id, channel="webhook", is_repeatable=True).may_send
    clock.advance(LEASE_S)
    assert take(asking, item_id, "two", channel="desktop").is_settled
    again = take(asking, item_id, "two", channel="webhook", is_repeatable=True)
    assert (again.may_send, again.attempt) == (True, 2)
    desktop, webhook = asking.notifications.list_channels()
    assert (desktop.by_state, desktop.last_error) == ({"unknown": 1}, INTERRUPTED)
    assert webhook.by_state == {"sending": 1}


@pytest.mark.promise("H3")
def test_a_sender_that_lost_its_lease_records_nothing(asking: LocalBus, clock: FakeClock) -> None:
    item_id = item_of(asking)
    take(asking, item_id, is_repeatable=True)
    clock.advance(LEASE_S)
    take(asking, item_id, "two", is_repeatable=True)
    assert not asking.notifications.settle("phone", item_id, "one", error="too late")
    assert asking.notifications.settle("phone", item_id, "two")
    assert asking.notifications.list_channels()[0].by_state == {"sent": 1}


@pytest.mark.promise("H3")
@pytest.mark.parametrize("end", ["goes on", "dismissed", "answered"])
def test_what_no_longer_needs_a_person_is_not_sent(asking: LocalBus, end: str) -> None:
    item_id = item_of(asking)
    if end == "goes on":
        asking.sessions.update_status("bob", "working")
    elif end == "dismissed":
        asking.attention.dismiss(item_id)
    else:
        asking.attention.answer(item_id, "5432")
    asking.attention.read()
    turn = take(asking, item_id)
    assert (turn.may_send, turn.is_settled) == (False, True)
    assert asking.notifications.list_channels() == []


@pytest.mark.promise("H3")
def test_what_a_person_has_looked_at_is_not_sent_if_they_say_so(asking: LocalBus, clock: FakeClock) -> None:
    first = item_of(asking)
    clock.advance(1)
    asking.notifications.look()
    assert take(asking, first, unless_seen=True).is_settled
    assert take(asking, first, channel="desktop").may_send
    clock.advance(1)
    ask(asking, "And which host?")
    assert take(asking, item_of(asking), unless_seen=True).may_send


@pytest.mark.promise("H3")
def test_another_persons_look_hides_nothing(asking: LocalBus, clock: FakeClock) -> None:
    item_id = item_of(asking)
    clock.advance(1)
    asking.principal = Principal("bob", "agent", [Here.project])
    asking.notifications.look()
    asking.principal = None
    assert take(asking, item_id, unless_seen=True).may_send


def test_an_item_of_another_project_is_nobodys_to_send(asking: LocalBus) -> None:
    item_id = item_of(asking)
    asking.principal = Principal("carol", "agent", ["github.com/acme/bank"])
    assert take(asking, item_id).is_settled
    with pytest.raises(errors.AttentionNotFound):
        asking.notifications.make_token(item_id)


@pytest.mark.promise("H3")
def test_what_was_sent_is_remembered_over_restarts_and_pruned_once_it_is_off_the_list(
    asking: LocalBus, open_bus: Callable[[], LocalBus], clock: FakeClock
) -> None:
    item_id = item_of(asking)
    take(asking, item_id)
    asking.notifications.settle("phone", item_id, "one")
    clock.advance(3600)
    asking.prune(older_than_s=60)
    assert take(open_bus(), item_id, "two").is_settled
    asking.sessions.update_status("bob", "working")
    asking.attention.read()
    asking.prune(older_than_s=60)
    assert asking.notifications.list_channels() == []


@pytest.mark.promise("H3")
def test_a_token_answers_one_item_once(asking: LocalBus) -> None:
    made = asking.notifications.make_token(item_of(asking))
    reply = asking.notifications.answer(made.token, "5432")
    assert (reply.item.state, reply.item.item_id) == ("answered", made.item_id)
    assert [each.body for each in asking.messages.inbox("bob")] == ["5432"]
    with pytest.raises(errors.Unauthorised):
        asking.notifications.answer(made.token, "5433")
    assert len(asking.messages.inbox("bob")) == 1


@pytest.mark.promise("H3")
def test_a_token_ends_with_its_time_and_with_its_item(asking: LocalBus, clock: FakeClock) -> None:
    item_id = item_of(asking)
    late, early = (asking.notifications.make_token(item_id) for _ in range(2))
    clock.advance(TOKEN_WITHIN_S - 1)
    asking.sessions.update_status("bob", "working")
    with pytest.raises(errors.AttentionNotFound):
        asking.notifications.answer(early.token, "5432")
    assert asking.notifications.is_token(late.token)
    clock.advance(1)
    assert not asking.notifications.is_token(late.token)
    with pytest.raises(errors.Unauthorised):
        asking.notifications.answer(late.token, "5432")


def test_a_refused_answer_leaves_the_token(asking: LocalBus) -> None:
    made = asking.notifications.make_token(item_of(asking))
    with pytest.raises(errors.SecretFound):
        asking.notifications.answer(made.token, "AKIAIOSFODNN7EXAMPLE is my key, ghp_" + "a1B2" * 9)
    assert asking.notifications.answer(made.token, "5432").item.state == "answered"


def test_a_token_is_stored_as_a_hash(asking: LocalBus) -> None:
    made = asking.notifications.make_token(item_of(asking))
    with asking.store.read():
        rows = asking.store.rows("notifications.has_token", token_digest=made.token, now=0)
    assert rows == []


def test_an_answer_by_token_has_the_rights_of_who_made_the_token(asking: LocalBus) -> None:
    asking.tokens.create("dave", projects=[Here.project])
    asking.principal = Principal("dave", "agent", [Here.project])
    made, second = (asking.notifications.make_token(item_of(asking)) for _ in range(2))
    asking.principal = None  # a hub's route, at which anybody may show a token
    asking.notifications.answer(made.token, "5432")
    assert [each.from_session for each in asking.messages.inbox("bob")] == ["user:dave"]
    ask(asking, "And which host?")
    asking.tokens.revoke("dave")
    with pytest.raises(errors.Refused):
        asking.notifications.answer(second.token, "localhost")


def test_what_cannot_be_answered_has_no_token(bus: LocalBus) -> None:
    bus.sessions.register("bob", "bob's agent", "claude-code")
    bus.sessions.update_status("bob", "waiting", reason="permission", detail="Bash: ls")
    with pytest.raises(errors.Refused):
        bus.notifications.make_token(item_of(bus))
