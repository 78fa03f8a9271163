"""Items are answered from afar: by ntfy's buttons, which reach the hub with a one-time token and nothing else (H3)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core.errors import FileUnusable
from hallway.hub.auth.limits import MAX_NETWORKS, TRIES_AT_ONCE, AddressLimits, network_of
from hallway.notifications.rules import check_rules
from hub.process import HubProcess
from notifications.receiver import ask
from notifications.test_hub import register
from postgres import free_port
from support import open_store, until

PATH = "/notifications/answer"


class Hub:
    """A hub that wants a token of everybody, whose person has ntfy send buttons; `bus` is its bus."""

    def __init__(self, process: HubProcess, bus: LocalBus) -> None:
        self.process, self.bus = process, bus

    def item(self) -> Any:
        return self.bus.attention.read().items[0]

    def posts(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Send a body as a phone does: without any token but what the body holds; the answer's status and JSON."""
        return posts(self.process.url + PATH, json.dumps(body).encode(), headers)


def posts(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    named = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, body, named, method="POST")  # noqa: S310 (the test's own hub)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


@pytest.fixture
def write_ntfy_rules(tmp_path: Path, receiver) -> Callable[..., Path]:
    def write(port: int, answers: str = "true") -> Path:
        path = tmp_path / "rules.toml"
        path.write_text(
            f'hub_url = "http://127.0.0.1:{port}"\n'
            f'[sinks.phone]\ntype = "apprise"\nurl = "ntfy://127.0.0.1:{receiver.port}/secret-topic"\n'
            f'answers = {answers}\n[[rules]]\nsinks = ["phone"]\n'
        )
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def hub(tmp_path: Path, write_ntfy_rules) -> Iterator[Hub]:
    path = write_ntfy_rules(port := free_port())
    with (
        HubProcess(tmp_path / "home", "--require-tokens", port=port, HALLWAY_NOTIFICATIONS=str(path)) as process,
        open_store(str(process.bus_file)) as bus,
    ):
        register(bus)
        yield Hub(process, bus)


@pytest.mark.promise("H3")
def test_a_button_of_ntfy_answers_the_item_once_without_a_hub_token(hub, receiver):
    ask(hub.bus)
    until(lambda: receiver.requests)
    sent = receiver.requests[0]
    assert (sent.path, sent.json["topic"]) == ("/", "secret-topic")
    assert "login-form asks a question (shop)" in (sent.json.get("title"), sent.json["message"])
    assert b"Which port?" not in sent.body
    buttons = json.loads(sent.headers["x-actions"])
    assert [each["label"] for each in buttons] == ["Yes", "No", "Wait"]
    for each in buttons:
        assert (each["action"], each["method"]) == ("http", "POST")
        assert each["url"] == hub.process.url + PATH
    yes, no, _ = buttons
    assert posts(yes["url"], yes["body"].encode(), yes["headers"]) == (200, {"state": "answered"})
    assert [(each.from_session, each.body) for each in hub.bus.messages.inbox("bob")] == [("user:alice", "Yes.")]
    status, said = posts(no["url"], no["body"].encode(), no["headers"])
    assert (status, said["error"]["code"]) == (401, "unauthorised")
    assert "used already" in said["error"]["message"]
    assert len(hub.bus.messages.inbox("bob")) == 1
    until(lambda: any(each.kind == "access.refused" for each in hub.bus.events.read(limit=1000)))


@pytest.mark.promise("H3")
def test_no_button_is_sent_unless_the_person_switched_answers_on(tmp_path, write_ntfy_rules, receiver):
    path = write_ntfy_rules(free_port(), "false")
    with (
        HubProcess(tmp_path / "home", HALLWAY_NOTIFICATIONS=str(path)) as process,
        open_store(str(process.bus_file)) as bus,
    ):
        register(bus)
        ask(bus)
        until(lambda: receiver.requests)
        assert "x-actions" not in receiver.requests[0].headers
        assert bus.store.rows("notifications.prune_tokens", now=2**62, limit=10) == []


@pytest.mark.promise("H3")
def test_only_a_good_token_answers_and_nothing_else_is_open(hub):
    ask(hub.bus)
    item_id = hub.item().item_id
    token = hub.bus.notifications.make_token(item_id).token
    for body in ({"token": "x" * 43, "body": "yes"}, {"token": token[:-1], "body": "yes"}):
        status, said = hub.posts(body)
        assert (status, said["error"]["code"]) == (401, "unauthorised")
        assert "Bearer" not in said["error"]["hint"]
    for body in (
        {"token": token},
        {"token": 5, "body": "yes"},
        [],
        {"token": token, "body": "yes", "item_id": item_id},
    ):
        assert hub.posts(body)[0] == 400
    assert hub.posts({"body": "yes"})[0] == 401
    assert hub.posts({"token": token, "body": "yes"}, Authorization="Bearer hallway_wrong")[0] == 401
    assert hub.posts({"token": token, "body": "yes"}, Host="evil.example.com")[0] == 403
    assert hub.posts({"token": token, "body": "yes"}, Origin="https://evil.example.com")[0] == 403
    for path in (
        "/notifications/tokens",
        "/notifications%2Fanswer",
        "/notifications/answer/",
        f"/attention/{item_id}/answer",
    ):
        assert posts(hub.process.url + path, b"{}", {})[0] == 401, path
    assert hub.posts({"token": token, "body": "5432"}) == (200, {"state": "answered"})


@pytest.mark.promise("H3")
def test_a_token_that_is_too_old_or_whose_item_is_gone_answers_nothing(tmp_path):
    with HubProcess(tmp_path / "home", "--require-tokens") as process, open_store(str(process.bus_file)) as bus:
        register(bus)
        ask(bus)
        hub = Hub(process, bus)
        item_id = hub.item().item_id
        old = bus.notifications.make_token(item_id, expires_in_s=1).token
        late = bus.notifications.make_token(item_id).token
        until(lambda: not bus.notifications.is_token(old))
        assert hub.posts({"token": old, "body": "yes"})[0] == 401
        bus.sessions.update_status("bob", "working")
        status, said = hub.posts({"token": late, "body": "yes"})
        assert (status, said["error"]["code"]) == (404, "attention_not_found")


@pytest.mark.promise("H3")
def test_tries_are_limited(hub):
    answers = [hub.posts({"token": f"{number:043}", "body": "yes"}) for number in range(int(TRIES_AT_ONCE) + 3)]
    assert [status for status, _ in answers].count(401) >= TRIES_AT_ONCE
    status, said = answers[-1]
    assert (status, said["error"]["code"]) == (429, "limit_reached")


def test_the_limit_is_each_networks_own_and_remembers_only_so_many():
    limits = AddressLimits()
    for number in range(3 * MAX_NETWORKS):
        if number % 50 == 0:
            limits._all._left = 100.0
        limits.take(f"10.0.{number // 250}.{number % 250}")
    assert len(limits._networks) == MAX_NETWORKS


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_is_what_one_caller_may_have(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ({"sinks": {"x": {"type": "desktop", "answers": True}}}, "only a webhook and ntfy"),
        ({"sinks": {"x": {"type": "apprise", "url": "tgram://a/b", "answers": True}}}, "only a webhook and ntfy"),
        ({"sinks": {"x": {"type": "apprise", "url": "ntfys://a/b", "answers": True}}}, "hub_url"),
        ({"hub_url": "hub.example.com"}, "begins with https://"),
        ({"hub_url": "https://a:b@hub.example.com"}, "no login"),
    ],
)
def test_answers_that_could_not_come_back_are_refused_in_the_file(text, why):
    with pytest.raises(FileUnusable) as refused:
        check_rules("/rules.toml", text)
    assert why in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.promise("H3")
def test_a_webhook_hears_where_it_may_answer_later(tmp_path, receiver):
    path, port = tmp_path / "rules.toml", free_port()
    path.write_text(
        f'hub_url = "http://127.0.0.1:{port}/"\n[sinks.hook]\ntype = "webhook"\nurl = "{receiver.url}"\n'
        'allow_private = true\nanswers = true\n[[rules]]\nsinks = ["hook"]\n'
    )
    path.chmod(0o600)
    with (
        HubProcess(tmp_path / "home", "--require-tokens", port=port, HALLWAY_NOTIFICATIONS=str(path)) as process,
        open_store(str(process.bus_file)) as bus,
    ):
        register(bus)
        bus.messages.send("bob", "user:alice", "request", "Which port?")
        until(lambda: receiver.requests)
        answer = receiver.requests[0].json["answer"]
        assert posts(answer["url"], json.dumps({"token": answer["token"], "body": "5432"}).encode(), {})[0] == 200
        assert [(each.type, each.body) for each in bus.messages.inbox("bob")] == [("response", "5432")]


@pytest.mark.promise("H3")
def test_a_webhooks_reply_answers_the_item_by_its_token_alone(shop, receiver, dispatch):
    from hallway.notifications.rules import NotificationRule
    from notifications.receiver import webhook

    def reply(request) -> tuple[int, Any]:
        token = request.json.get("answer", {}).get("token")
        is_first = len(receiver.requests) == 0
        return 200, {"answer": "Port 5432.", "token": token if is_first else "another"}

    receiver._answer = reply
    dispatch([NotificationRule(["hook"])], webhook(receiver, answers=True))
    ask(shop)
    until(lambda: [each.body for each in shop.messages.inbox("bob")] == ["Port 5432."])
    shop.messages.send("bob", "user:alice", "request", "And which host?")
    until(lambda: len(receiver.requests) == 2)
    until(lambda: shop.notifications.list_channels()[0].by_state == {"sent": 2})
    assert len(shop.messages.inbox("bob")) == 1
