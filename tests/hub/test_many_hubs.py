"""Any number of hubs on one PostgreSQL: each serves any session, and they wake each other."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

import hallway
import postgres
from hallway.bus.local import LocalBus
from hallway.bus.remote import RemoteBus
from hallway.core import errors
from hallway.local import credentials
from hub.client import Client, Stream
from hub.process import HubProcess
from support import Here, all_events, open_store, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = Here.project


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    url = postgres.new_bus(postgres.server_url())
    yield url
    postgres.drop_bus(url)


@pytest.fixture(scope="module")
def hubs(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[HubProcess]]:
    """Two hubs that know nothing of each other but the database."""
    folder = tmp_path_factory.mktemp("hubs")
    with HubProcess(folder / "a", "--store", database) as a, HubProcess(folder / "b", "--store", database) as b:
        yield [a, b]


@pytest.fixture
def clients(hubs: list[HubProcess]) -> Iterator[list[Client]]:
    with Client(hubs[0].port) as a, Client(hubs[1].port) as b:
        yield [a, b]


@pytest.fixture
def bus(database: str) -> Iterator[LocalBus]:
    with open_store(database) as bus:
        yield bus


def test_each_hub_serves_any_session(clients: list[Client]) -> None:
    a, b = clients
    a.register("any-1"), b.register("any-2")
    beat = a.post("/sessions/any-2/heartbeat", {}).json
    assert {"any-1"} <= {peer["session_id"] for peer in beat["others"]}
    b.post("/messages", {"from_session": "any-1", "to_session": "any-2", "subject": "hello"})
    assert [message["subject"] for message in a.get("/sessions/any-2/inbox").json] == ["hello"]


@pytest.mark.promise("S5")
def test_a_heartbeat_in_the_fast_lane_says_what_the_service_says(clients: list[Client], bus: LocalBus) -> None:
    a, _ = clients
    for name in ("fast-1", "fast-2", "fast-3"):
        a.register(name, project="fast", current_task="read")
    a.post("/messages", {"from_session": "fast-1", "to_session": "fast-2", "subject": "hello"})
    events = bus.events.last_seq()
    for said in ({}, {"status": "active"}, {"current_task": "read", "project": "fast"}, {"limit": 1}):
        before = bus.sessions.get("fast-2").last_seen
        told = a.post("/sessions/fast-2/heartbeat", said).json
        assert bus.events.last_seq() == events
        assert bus.sessions.get("fast-2").last_seen > before
        with bus.transaction():
            meant = bus.sessions.heartbeat("fast-2", **said)
        assert {**told, "others": sorted(p["session_id"] for p in told["others"])} == {
            **meant.to_dict(),
            "others": sorted(peer.session_id for peer in meant.others),
        }
    assert a.post("/sessions/fast-2/heartbeat", {"current_task": "write"}).status == 200
    assert bus.events.last_seq() == events + 1
    assert bus.sessions.get("fast-2").current_task == "write"


@pytest.mark.promise("S4", "S5")
def test_heartbeats_beside_each_other_on_two_hubs_are_all_answered_and_change_nothing(
    hubs: list[HubProcess], clients: list[Client], bus: LocalBus
) -> None:
    names = [f"crowd-{number}" for number in range(20)]
    for name in names:
        clients[0].register(name, project="crowd")
    seq = bus.events.last_seq()
    failed: list[Any] = []

    def beat(port: int) -> None:
        with Client(port) as client:
            for _ in range(10):
                answers = [client.post(f"/sessions/{name}/heartbeat", {}) for name in names]
                failed.extend(each.body for each in answers if each.status != 200 or each.json["others_total"] != 19)

    threads = [threading.Thread(target=beat, args=(hubs[number % 2].port,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert bus.events.read(seq, project="crowd") == []


@pytest.mark.promise("M6", "E3")
def test_a_long_poll_on_one_hub_is_woken_by_a_send_on_another(hubs: list[HubProcess], clients: list[Client]) -> None:
    clients[0].register("poll-1", "poll-2")
    late_s = []
    for number in range(5):
        found: list[Any] = []

        def poll(found: list[Any] = found) -> None:
            with Client(hubs[0].port) as client:
                found.extend([client.get("/sessions/poll-2/inbox?wait_s=20").json, time.monotonic()])

        thread = threading.Thread(target=poll)
        thread.start()
        until(lambda: b"hallway_waits 1.0" in clients[0].get("/metrics").body)
        sent = clients[1].post(
            "/messages", {"from_session": "poll-1", "to_session": "poll-2", "subject": f"news {number}"}
        )
        sent_at = time.monotonic()
        thread.join()
        messages, came_at = found
        assert [message["message_id"] for message in messages] == [sent.json["message_id"]]
        clients[0].post("/sessions/poll-2/inbox/ack", {"message_ids": [sent.json["message_id"]]})
        late_s.append(came_at - sent_at)
    assert sorted(late_s)[2] < 0.2


@pytest.mark.promise("E1", "E2")
def test_an_event_stream_goes_on_at_another_hub(hubs: list[HubProcess], clients: list[Client]) -> None:
    began = clients[0].get("/events/last").json
    seqs: list[int] = []
    for number in range(6):
        clients[number % 2].register(f"stream-{number}-1", f"stream-{number}-2")
        after = seqs[-1] if seqs else began
        with Stream(hubs[number % 2].port, last_event_id=after) as stream:
            seqs += [frame.id for frame in stream.take(2)]
    assert seqs == list(range(began + 1, began + 13))


@pytest.mark.promise("S3")
def test_an_expiry_is_told_once_though_every_hub_sweeps(clients: list[Client], bus: LocalBus) -> None:
    names = [f"gone-{number}" for number in range(30)]
    for number, name in enumerate(names):
        clients[number % 2].register(name, project="gone", ttl_s=10)
    bus.store._connection.execute(
        "UPDATE sessions SET expires_at = 1, check_at = 1 WHERE project = 'gone' AND ended_at IS NULL"
    )
    until(lambda: not bus.sessions.active("gone").total)
    until(lambda: len(bus.events.read(project="gone", kinds=["session.expired"])) >= 30)
    told = Counter(event.session_id for event in bus.events.read(project="gone", kinds=["session.expired"]))
    assert told == Counter(names)


def test_migrations_run_once_when_many_start_together(tmp_path: Path) -> None:
    url = postgres.new_bus(postgres.server_url())
    opened: list[LocalBus] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(url))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    opened[0].sessions.register("alice", "agent", "codex")
    assert [event.seq for event in all_events(opened[7])] == [1]
    for bus in opened:
        bus.close()
    postgres.drop_bus(url)


# -- clients with several addresses -----------------------------------------------------------------------------------


def test_a_client_goes_to_the_next_address_and_stays_there(hubs: list[HubProcess]) -> None:
    nobody = f"http://127.0.0.1:{postgres.free_port()}"
    with hallway.connect(f"{nobody}, {hubs[1].url}/", project=SHOP) as bus:
        assert isinstance(bus, RemoteBus)
        bus.sessions.register("several", "agent", "codex")
        assert [address.url for address in bus._addresses] == [hubs[1].url, nobody]
        events = bus.events.follow(timeout_s=20)
        bus.sessions.update_status("several", "working")
        assert next(events).kind == "session.updated"
    with pytest.raises(errors.UnsupportedUrl):
        hallway.connect(f"{nobody},elsewhere:1")


def test_a_login_at_one_of_several_hubs_is_good_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HALLWAY_TOKEN", raising=False)
    credentials.store("https://b.example.org", "hallway_0123", str(tmp_path))
    both = "https://a.example.org, https://b.example.org/"
    assert credentials.token_for(both, lambda: str(tmp_path)) == "hallway_0123"
    assert credentials.token_for("https://a.example.org", lambda: str(tmp_path)) is None


def lose_the_next_answer(bus: RemoteBus) -> None:
    """Have the hub that is asked next do what it is asked, and its answer not arrive."""
    address = bus._addresses[0]

    def ask(*said: Any) -> tuple[int, bytes]:
        del address.ask
        address.ask(*said)
        raise errors.HubUnreachable("the answer was lost")

    address.ask = ask  # type: ignore[method-assign]


@pytest.mark.promise("M1", "T1")
def test_what_is_said_again_at_another_hub_is_done_once(hubs: list[HubProcess]) -> None:
    with RemoteBus(",".join(hub.url for hub in hubs), Here()) as bus:
        for name in ("once-1", "once-2"):
            bus.sessions.register(name, "agent", "codex")
        lose_the_next_answer(bus)
        assert bus.messages.send("once-1", "once-2", subject="once").is_repeat
        lose_the_next_answer(bus)
        assert bus.memory.set("once-1", "once", 1).version == 1
        lose_the_next_answer(bus)
        task = bus.tasks.offer("once-1", "once-2", "review")
        lose_the_next_answer(bus)
        assert bus.tasks.accept("once-2", task.task_id).owner == "once-2"
        lose_the_next_answer(bus)
        assert bus.tasks.handoff("once-2", task.task_id, "once-1").offered_to == "once-1"
        assert [message.subject for message in bus.messages.inbox("once-2")] == ["once", "review"]
        assert [message.type for message in bus.messages.inbox("once-1")].count("handoff") == 1
        assert bus.memory.get_entry("once").version == 1


@pytest.mark.promise("H1")
def test_hubs_announce_each_item_once_and_wake_who_waits_for_the_list(clients: list[Client], bus: LocalBus) -> None:
    a, b = clients
    a.register("asks", project="attention", status="working")
    version = b.get("/attention?project=attention").json["version"]
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(b.get(f"/attention?project=attention&wait_s=60&version={version}").json)
    )
    waiting.start()
    bus.sessions.update_status("asks", "waiting", reason="question", detail="Which port?")
    waiting.join(60)
    assert [each["what"] for each in answers[0]["items"]] == ["Which port?"]
    bus.sessions.update_status("asks", "working")

    def announced() -> list[str]:
        mine = [each for each in all_events(bus) if each.project == "attention"]
        return [each.kind for each in mine if each.kind.startswith("attention")]

    until(lambda: "attention.resolved" in announced())
    for _ in range(3):  # looks of both hubs
        a.get("/attention"), b.get("/attention")
    assert announced() == ["attention.appeared", "attention.resolved"]


@pytest.mark.promise("S9")
def test_sessions_that_want_one_name_on_two_hubs_at_once_get_different_ones(
    hubs: list[HubProcess], bus: LocalBus
) -> None:
    names: list[str] = []

    def register(number: int) -> None:
        with Client(hubs[number % 2].port) as client:
            for each in range(10):
                said = {"session_id": f"named-{number}-{each}", "agent_name": "x", "agent_type": "codex"}
                session = client.post("/sessions", {**said, "project": "names", "branch": "fix/login"}).json
                asked = client.post(f"/sessions/{session['session_id']}/rename", {"name": "chosen"})
                names.append(asked.json["name"] if asked.status == 200 else session["name"])

    threads = [threading.Thread(target=register, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names.count("chosen") == 1
    assert len(names) == 40
    here = [each.name for each in bus.sessions.list_sessions(project="names")]
    assert sorted(names) == sorted(here)
    assert len(set(here)) == 40


@pytest.mark.promise("M9")
def test_two_hubs_tell_of_an_overdue_request_once(hubs: list[HubProcess], clients: list[Client], bus: LocalBus) -> None:
    seq = bus.events.last_seq()
    for name in ("due-1", "due-2"):
        clients[0].register(name, project="due")
    asked = []
    for number in range(20):
        ask = {"from_session": "due-1", "to_session": "due-2", "type": "request", "subject": f"{number}?"}
        sent = clients[number % 2].post("/messages", {**ask, "reply_within_s": 1}).json
        asked.append(sent["message_id"])
    over = time.monotonic() + 60

    def look(number: int) -> None:
        with Client(hubs[number % 2].port) as client:
            while time.monotonic() < over:
                states = {each["state"] for each in client.get("/requests?project=due").json}
                if states == {"overdue"}:
                    return
                client.post(f"/sessions/due-{1 + number % 2}/heartbeat", {})

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = bus.events.read(seq, project="due", kinds=["request.overdue"], limit=100)
    assert sorted(str(event.data["message_id"]) for event in events) == sorted(asked)
    notices = [each for each in bus.messages.inbox("due-1", limit=100) if each.type == "notification"]
    assert len(notices) == 20


@pytest.mark.promise("C3")
def test_sessions_that_write_one_file_through_two_hubs_are_in_one_conflict_each(
    hubs: list[HubProcess], clients: list[Client], bus: LocalBus
) -> None:
    seq = bus.events.last_seq()
    writers = [f"writer-{number}" for number in range(6)]
    for name in writers:
        clients[0].register(name, project="written")
    failed: list[Any] = []

    def write(number: int) -> None:
        with Client(hubs[number % 2].port) as client:
            for _ in range(10):
                wrote = {"paths": ["/src/shop/cart.py"], "worktree": f"host-{number}:/src/shop"}
                answer = client.post(f"/sessions/{writers[number]}/files", wrote)
                failed.extend([answer.body] if answer.status != 200 else [])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = bus.events.read(seq, project="written", kinds=["conflict.found"], limit=100)
    pairs = Counter(tuple(sorted(event.data["session_ids"])) for event in found)
    assert pairs == dict.fromkeys(combinations(writers, 2), 1)
    assert len(clients[1].get("/conflicts?project=written").json) == 15
    assert clients[1].post("/sessions/writer-0/end", {}).status == 200
    assert len(clients[0].get("/conflicts?project=written").json) == 10
    settled = bus.events.read(seq, project="written", kinds=["conflict.settled"], limit=100)
    assert len(settled) == 5
