"""The dispatcher sends by the rules: once, after the delay, outside of quiet hours, what still needs a person (H3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hallway.notifications.rules import NotificationRule as Rule
from hallway.notifications.rules import SinkOptions
from hallway.notifications.sinks import MAX_ATTEMPTS
from notifications.receiver import Receiver, ask, webhook
from support import open_store, until


@pytest.mark.promise("H3")
def test_an_item_is_sent_once_and_the_next_one_too(shop, receiver, dispatch):
    reports = dispatch([Rule(["hook"])], webhook(receiver))
    ask(shop)
    until(lambda: len(reports) == 1)
    ask(shop, "And which host?")
    until(lambda: len(reports) == 2)
    assert [each.json["kind"] for each in receiver.requests] == ["question", "question"]
    assert len({each.json["item_id"] for each in receiver.requests}) == 2
    assert [error for _, _, error in reports] == [None, None]


@pytest.mark.promise("H3")
def test_two_dispatchers_of_one_bus_send_each_item_once_and_a_third_remembers(shop, receiver, dispatch):
    for _ in range(2):
        dispatch([Rule(["hook"])], webhook(receiver))
    for number in range(20):
        shop.messages.send("bob", "user:alice", "request", f"question {number}")
    until(lambda: len(receiver.requests) >= 20)
    until(lambda: shop.notifications.list_channels()[0].by_state == {"sent": 20})
    late = dispatch([Rule(["hook"])], webhook(receiver))
    shop.messages.send("bob", "user:alice", "request", "the last one")
    until(lambda: len(receiver.requests) == 21)
    until(lambda: shop.notifications.list_channels()[0].by_state == {"sent": 21})
    assert len({each.json["item_id"] for each in receiver.requests}) == 21
    assert len(late) <= 1


@pytest.mark.promise("H3")
def test_nothing_is_sent_for_what_resolved_within_the_delay(shop, receiver, dispatch):
    dispatch([Rule(["hook"], delay_s=2, kinds=["question"]), Rule(["hook"], kinds=["request"])], webhook(receiver))
    ask(shop)
    shop.messages.send("bob", "user:alice", "request", "sent at once")
    until(lambda: len(receiver.requests) == 1)
    shop.sessions.update_status("bob", "working")
    ask(shop, "this one stays")
    stays = next(each.item_id for each in shop.attention.read().items if each.kind == "question")
    until(lambda: len(receiver.requests) == 2)
    assert [each.json["kind"] for each in receiver.requests] == ["request", "question"]
    assert receiver.requests[1].json["item_id"] == stays


@pytest.mark.promise("H3")
def test_what_appears_in_quiet_hours_waits_for_their_end_unless_it_is_urgent(shop, receiver, dispatch):
    at = [datetime(2026, 11, 28, 23, 0)]
    dispatch([Rule(["hook"], quiet=["22:00-07:00"], urgent_anyway=True)], webhook(receiver), clock=lambda: at[0])
    ask(shop)
    shop.messages.send("bob", "user:alice", "request", "now", priority="urgent")
    until(lambda: len(receiver.requests) == 1)
    assert receiver.requests[0].json["is_urgent"]
    at[0] = datetime(2026, 11, 29, 7, 0)
    shop.messages.send("bob", "user:alice", "request", "a change, so that the dispatcher looks")
    until(lambda: len(receiver.requests) == 3)


@pytest.mark.parametrize(
    ("hour", "minute", "left_s"),
    [(21, 59, 0), (22, 0, 9 * 3600), (23, 30, 7.5 * 3600), (0, 0, 7 * 3600), (6, 59, 60), (7, 0, 0), (12, 0, 0)],
)
def test_quiet_hours_may_pass_midnight(hour, minute, left_s):
    assert Rule(["x"], quiet=["22:00-07:00"]).quiet_s(datetime(2026, 11, 28, hour, minute)) == left_s


def test_quiet_hours_within_a_day_and_several_of_them():
    rule = Rule(["x"], quiet=["12:00-13:00", "12:30-14:00"])
    at = datetime(2026, 11, 28, 12, 45, tzinfo=UTC)
    assert rule.quiet_s(at) == 75 * 60
    assert rule.quiet_s(at + timedelta(hours=2)) == 0


@pytest.mark.promise("H3")
def test_only_what_the_person_has_not_looked_at(shop, receiver, dispatch):
    ask(shop)
    shop.attention.read()
    shop.notifications.look()
    dispatch([Rule(["hook"], unless_seen=True)], webhook(receiver))
    shop.messages.send("bob", "user:alice", "request", "a new one")
    until(lambda: len(receiver.requests) == 1)
    assert receiver.requests[0].json["kind"] == "request"
    until(lambda: shop.notifications.list_channels()[0].by_state == {"sent": 1})


@pytest.mark.promise("H3")
def test_a_sink_that_fails_is_tried_again_and_another_one_is_not_held_up(shop, dispatch, monkeypatch):
    monkeypatch.setattr("hallway.notifications.dispatcher.FIRST_RETRY_S", 0.01)
    statuses = [500, 503, 200]
    with Receiver(lambda _: (statuses.pop(0), {})) as bad, Receiver() as good:
        other = webhook(good)
        other.name = "other"
        reports = dispatch([Rule(["hook", "other"])], webhook(bad), other)
        ask(shop)
        until(lambda: len(bad.requests) == 3 and len(good.requests) == 1)
        until(lambda: len(reports) == 4)
    assert len({each.headers["idempotency-key"] for each in bad.requests}) == 1
    assert [error is None for sink, _, error in reports if sink.name == "hook"] == [False, False, True]


@pytest.mark.promise("H3")
def test_a_sink_that_goes_on_failing_is_given_up_and_says_why(shop, dispatch, monkeypatch):
    monkeypatch.setattr("hallway.notifications.dispatcher.FIRST_RETRY_S", 0.001)
    monkeypatch.setattr("hallway.notifications.dispatcher.MAX_BACKOFF_S", 0.01)
    with Receiver(lambda _: (500, {})) as bad:
        dispatch([Rule(["hook"])], webhook(bad))
        ask(shop)
        until(
            lambda: (
                shop.notifications.list_channels() and shop.notifications.list_channels()[0].by_state == {"failed": 1}
            )
        )
        assert len(bad.requests) == MAX_ATTEMPTS
    assert "status 500" in shop.notifications.list_channels()[0].last_error


@pytest.mark.promise("H3")
def test_a_sink_that_hangs_holds_up_neither_the_bus_nor_another_sink(shop, place, receiver, dispatch):
    hanging = SinkOptions("hanging", "command", command="sleep 20")
    dispatch([Rule(["hanging", "hook"])], hanging, webhook(receiver))
    ask(shop)
    until(lambda: len(receiver.requests) == 1)
    with open_store(place) as other:
        other.sessions.heartbeat("bob")
        ask(other, "And which host?")
    until(lambda: len(receiver.requests) == 2)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({}, True),
        ({"kinds": ["permission"]}, False),
        ({"kinds": ["permission", "question"]}, True),
        ({"who": ["login-*"]}, True),
        ({"who": ["checkout-*"]}, False),
        ({"who": ["type:claude-*"]}, True),
        ({"who": ["type:codex"]}, False),
        ({"who": ["user:ALICE"]}, True),
        ({"who": ["user:bob", "nobody"]}, False),
        ({"projects": ["github.com/acme/*"]}, True),
        ({"projects": ["github.com/other/*"]}, False),
        ({"urgent_only": True}, False),
    ],
)
def test_which_items_a_rule_is_about(shop, rule, fits):
    ask(shop)
    (item,) = shop.attention.read().items
    assert Rule(["x"], **rule).fits(item) == fits
