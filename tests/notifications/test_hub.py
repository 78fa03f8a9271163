"""A hub sends its user's notifications by the rules file, as `hallway notify` does, and is not held up by it (H3)."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from threading import Event

import pytest

import hallway
from hub.process import HubProcess
from notifications.receiver import Receiver, ask
from support import open_store, until

LEASE = {"hallway.services.notifications.LEASE_S": 8}


def write_rules(path: Path, receiver: Receiver, sink: str = "", more: str = "") -> None:
    """Write a rules file with a webhook, which has all items."""
    text = f'[sinks.hook]\ntype = "webhook"\nurl = "{receiver.url}/in"\nallow_private = true\n{sink}\n'
    path.write_text(f'{more}\n{text}[[rules]]\nsinks = ["hook"]\n')
    path.chmod(0o600)


@pytest.fixture
def rules(tmp_path: Path, receiver: Receiver) -> Path:
    path = tmp_path / "rules.toml"
    write_rules(path, receiver)
    return path


def register(bus) -> None:
    bus.sessions.register("bob", "bob's agent", "claude-code", name="login-form", ttl_s=86_400)


def sent(bus) -> dict[str, int]:
    channels = bus.notifications.list_channels()
    return channels[0].by_state if channels else {}


@pytest.mark.promise("H3")
def test_a_hub_sends_by_the_rules_of_its_user_and_another_hub_not_again(tmp_path, rules, receiver):
    options = {"HALLWAY_NOTIFICATIONS": str(rules)}
    hubs = [HubProcess(tmp_path / "home", **options) for _ in range(2)]
    with hubs[0], hubs[1], open_store(str(hubs[0].bus_file)) as bus:
        register(bus)
        for number in range(20):
            bus.messages.send("bob", "user:alice", "request", f"question {number}")
        until(lambda: sent(bus) == {"sent": 20})
    items = Counter(each.json["item_id"] for each in receiver.requests)
    assert len(items) == 20
    assert set(items.values()) == {1}


@pytest.mark.promise("H3")
def test_a_hub_without_notifications_sends_none_and_one_learns_of_rules_later(tmp_path, rules, receiver):
    silent = HubProcess(tmp_path / "home", "--no-notifications", HALLWAY_NOTIFICATIONS=str(rules))
    later = tmp_path / "later.toml"
    fast = {"hallway.hub.workers.notification_sender.LOOK_EVERY_S": 0.1}
    with silent, open_store(str(silent.bus_file)) as bus:
        register(bus)
        ask(bus)
        store = ("--store", str(silent.home))
        with HubProcess(tmp_path / "other", *store, constants=fast, HALLWAY_NOTIFICATIONS=str(later)) as hub:
            with hallway.connect(hub.url) as remote:
                assert remote.attention.read().total == 1
            assert receiver.requests == []
            write_rules(later, receiver)
            until(lambda: len(receiver.requests) == 1)
    assert all("notifications" not in each["logger"] for each in silent.log())


@pytest.mark.promise("H3")
def test_a_sink_that_hangs_holds_up_neither_the_hub_nor_its_end(tmp_path):
    may_answer = Event()

    def hang(_: object) -> tuple[int, object]:
        may_answer.wait(600)
        return 200, {}

    patient = {"hallway.notifications.webhook.LIMIT_S": 600.0}
    with Receiver(hang) as receiver:
        write_rules(path := tmp_path / "rules.toml", receiver)
        hub = HubProcess(tmp_path / "home", constants=patient, HALLWAY_NOTIFICATIONS=str(path))
        with hub, hallway.connect(hub.url) as bus:
            register(bus)
            ask(bus)
            until(lambda: sent(bus))  # it is taken, so it is being sent
            for _ in range(20):
                bus.sessions.heartbeat("bob")
            ask(bus, "And which host?")
            assert sent(bus) == {"sending": 1}
            hub.signal(signal.SIGTERM)
            assert hub.ends() == 0
            assert receiver.requests == [], "the sink has answered"
            may_answer.set()


@pytest.mark.promise("H3")
def test_rules_that_others_may_read_are_not_used_and_the_log_says_so(tmp_path, rules, receiver):
    rules.chmod(0o644)
    with HubProcess(tmp_path / "home", HALLWAY_NOTIFICATIONS=str(rules)) as hub, open_store(str(hub.bus_file)) as bus:
        register(bus)
        ask(bus)
        until(lambda: any(f"chmod 600 {rules}" in each["message"] or "0644" in each["message"] for each in hub.log()))
        assert receiver.requests == []
        rules.chmod(0o600)
        ask(bus, "And which host?")
        until(lambda: len(receiver.requests) >= 1)


@pytest.mark.slow
@pytest.mark.promise("H3")
@pytest.mark.parametrize("address", ["sqlite", "postgres"], indirect=True)
def test_of_two_hubs_one_is_killed_in_the_middle_and_each_item_comes_once(tmp_path, address, rules, receiver):
    """Only what was being sent at that instant may come again, with the same key."""
    urls = [f"{receiver.url}/{number}" for number in range(2)]
    paths = [tmp_path / f"rules-{number}.toml" for number in range(2)]
    for path, url in zip(paths, urls, strict=True):
        write_rules(path, receiver)
        path.write_text(path.read_text().replace(f"{receiver.url}/in", url))
    hubs: list[HubProcess] = []
    killed: list[int] = []
    seen: list[str] = []

    def kill_its_sender(request) -> tuple[int, object]:
        seen.append(request.headers["idempotency-key"])
        if len(seen) == 10:
            killed.append(int(request.path[1:]))
            hubs[killed[0]].kill()
        return 200, {}

    receiver._answer = kill_its_sender
    with open_store(address) as bus:
        register(bus)
        for path in paths:
            hubs.append(
                HubProcess(tmp_path / path.stem, "--store", address, constants=LEASE, HALLWAY_NOTIFICATIONS=str(path))
            )
        for number in range(60):
            bus.messages.send("bob", "user:alice", "request", f"question {number}")
        try:
            until(lambda: sent(bus) == {"sent": 60}, within_s=240)
        finally:
            print(bus.notifications.list_channels(), [hub.log()[-3:] for hub in hubs])
            for hub in hubs:
                hub.kill()
    assert len(killed) == 1
    keys = Counter(seen)
    assert len(keys) == 60
    again = [key for key, count in keys.items() if count > 1]
    assert again in ([], [seen[9]]), "more than what was being sent came again"
    assert keys.total() == 60 + len(again)


@pytest.mark.slow
@pytest.mark.promise("H3")
def test_what_a_killed_hub_was_about_to_tell_by_a_command_is_not_told_again_and_is_counted(tmp_path):
    """Nobody knows whether such a command has done its work: at most once."""
    began, path = tmp_path / "began", tmp_path / "rules.toml"
    path.write_text(
        '[sinks.script]\ntype = "command"\n'
        f"command = \"sh -c 'cat >> {began}; while ! test -e {tmp_path}/go; do sleep 0.1; done'\"\n"
        '[[rules]]\nsinks = ["script"]\n'
    )
    path.chmod(0o600)
    options = {"constants": LEASE, "HALLWAY_NOTIFICATIONS": str(path)}
    hub = HubProcess(tmp_path / "home", **options)
    with open_store(str(hub.bus_file)) as bus:
        register(bus)
        ask(bus)
        until(lambda: began.exists() and b"Which port?" in began.read_bytes())
        hub.kill()
        (tmp_path / "go").touch()
        with HubProcess(tmp_path / "home", **options):
            until(lambda: sent(bus) == {"unknown": 1})
            bus.messages.send("bob", "user:alice", "request", "And which host?")
            until(lambda: sent(bus) == {"unknown": 1, "sent": 1})
    items = [json.loads(line)["what"] for line in began.read_text().splitlines()]
    assert items == ["Which port?", "And which host?"]


ITEMS, OF_A_SESSION = 10_000, 50


@pytest.mark.slow
@pytest.mark.promise("H3")
def test_ten_thousand_items_through_a_sink_that_fails_half_the_time_come_once_each(tmp_path):
    chance = random.Random(22)
    accepted: list[str] = []
    began: list[float] = []

    def answer(request) -> tuple[int, object]:
        began or began.append(time.monotonic())
        if chance.random() < 0.5:
            return 503, {}
        accepted.append(request.json["item_id"])
        return 200, {}

    pauses = {"FIRST_RETRY_S": 0.05, "MAX_BACKOFF_S": 0.5}  # else the last few of them would wait for minutes
    constants = {f"hallway.notifications.dispatcher.{name}": value for name, value in pauses.items()}
    home = tmp_path / "home"
    home.mkdir()
    with Receiver(answer) as receiver, open_store(str(home / "bus.db")) as bus:
        with bus.transaction():
            for number in range(ITEMS // OF_A_SESSION):
                bus.sessions.register(f"s{number}", "agent", "codex", ttl_s=86_400)
                for each in range(OF_A_SESSION):
                    bus.messages.send(f"s{number}", "user:alice", "request", f"question {each}", reply_within_s=0)
        assert bus.attention.read().total == ITEMS
        write_rules(path := tmp_path / "rules.toml", receiver)
        with HubProcess(home, constants=constants, HALLWAY_NOTIFICATIONS=str(path)) as hub:
            until(lambda: len(accepted) >= ITEMS, within_s=600)
            took_s, cpu_s = time.monotonic() - began[0], hub.cpu_s()
            until(lambda: sent(bus) == {"sent": ITEMS})
            with hallway.connect(hub.url) as remote:
                assert remote.sessions.get("s1").is_live
    tries = len(receiver.requests)
    print(f"{tries} tries: {took_s:.1f} s, {cpu_s / tries * 1000:.2f} ms of the hub's processor time each")
    assert len(accepted) == len(set(accepted)) == ITEMS
    assert tries > 1.9 * ITEMS
    assert len({(each.json["item_id"], each.headers["idempotency-key"]) for each in receiver.requests}) == ITEMS
