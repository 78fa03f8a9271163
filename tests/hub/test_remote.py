"""hallway.connect("http://…"): a hub's bus with the methods and the errors of a local one."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

import hallway
from hallway.bus.base import Bus
from hallway.bus.hub_endpoint import HubEndpoint
from hallway.bus.remote import RemoteBus
from hallway.core import errors
from hallway.local.workspace import LocalWorkspace
from hub.process import HubProcess
from support import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHOP = "github.com/acme/shop"


class Elsewhere:
    """Where a caller on another machine runs."""

    project = "github.com/acme/til"
    branch = "feature/ünï & co=?"
    location = "other-host:/src/til #1"
    user = "bob ☂"
    suggested_name = None
    session_id = None


@pytest.fixture
def remote(hub: HubProcess) -> Iterator[RemoteBus]:
    with RemoteBus(hub.url, Elsewhere()) as bus:
        yield bus


def test_connect_gives_a_bus_with_the_same_services(hub: HubProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with hallway.connect(hub.url) as bus, hallway.connect(hub.bus_file) as local:
        assert bus.services.keys() == local.services.keys()
        bus.sessions.register("same", "alice's agent", "codex")
        assert bus.sessions.get("same") == local.sessions.get("same")
        assert bus.stats() == local.stats()
    monkeypatch.setenv("HALLWAY_URL", hub.url + "/")
    with hallway.connect() as bus:
        assert bus.sessions.get("same").agent_name == "alice's agent"


def test_a_new_session_takes_over_where_its_caller_runs_not_where_the_hub_does(remote: RemoteBus) -> None:
    session = remote.sessions.register("travels", "bob's agent", "codex")
    assert (session.project, session.branch, session.location, session.human_user) == (
        Elsewhere.project,
        Elsewhere.branch,
        Elsewhere.location,
        Elsewhere.user,
    )
    assert [peer.session_id for peer in remote.sessions.active().sessions] == ["travels"]
    assert remote.sessions.heartbeat("beats").project == Elsewhere.project


def test_a_project_given_to_connect_is_the_one_of_new_sessions(hub: HubProcess) -> None:
    with hallway.connect(hub.url, project=SHOP) as bus:
        assert bus.sessions.register("given", "alice's agent", "codex").project == SHOP


@pytest.mark.parametrize(
    "session_id", ["ünï☂", "100%", "a%2Fb", "a+b;c", "q?a=b&c#d", "'\"<>", "\ufffd", "🐓", "x" * 200]
)
def test_an_id_with_odd_characters_makes_the_round_trip(remote: RemoteBus, session_id: str) -> None:
    detail = {session_id: [session_id, None, 2**70, 0.1]}
    remote.sessions.register(session_id, session_id, "codex", capabilities=[f"{session_id[:60]},[", "]"])
    assert remote.sessions.set_status_detail(session_id, detail).status_detail == detail
    assert remote.sessions.get(session_id).agent_name == session_id
    assert [s.session_id for s in remote.sessions.find_sessions(capability=f"{session_id[:60]},[")] == [session_id]
    assert remote.sessions.end(session_id, session_id).end_reason == session_id


def test_times_are_the_same_moments(remote: RemoteBus, hub: HubProcess) -> None:
    remote.sessions.register("times", "alice's agent", "codex")
    remote.sessions.end("times")
    with hallway.connect(hub.bus_file) as local:
        assert remote.sessions.get("times") == local.sessions.get("times")
        assert remote.events.read(limit=1000) == local.events.read(limit=1000)


def test_errors_come_back_as_their_classes_with_hint_and_details(remote: RemoteBus) -> None:
    remote.sessions.register("near-alice", "alice's agent", "codex")
    with pytest.raises(errors.SessionNotFound) as caught:
        remote.sessions.get("near-alcie")
    assert "near-alice" in caught.value.hint
    assert caught.value.details["near"] == ["near-alice"]
    assert "near-alcie" in caught.value.message


def test_the_hints_of_a_remote_bus_are_those_of_a_local_one(remote: RemoteBus, tmp_path: Path) -> None:
    """A hub's hints for plain HTTP are none for a program or a command line."""
    calls: list[Callable[[Bus], object]] = [
        lambda bus: bus.sessions.get("nobody"),
        lambda bus: bus.memory.get_entry("none"),
        lambda bus: bus.memory.find("x", after="none"),
        lambda bus: bus.messages.get("none"),
        lambda bus: bus.tasks.get("none"),
        lambda bus: bus.tokens.revoke("none"),
        lambda bus: bus.projects.move("none", "other"),
    ]
    with open_store(str(tmp_path / "bus.db")) as local:
        for call in calls:
            hints = []
            for bus in (local, remote):
                with pytest.raises(errors.HallwayError) as caught:
                    call(bus)
                hints.append(caught.value.hint)
            assert hints[0] == hints[1]
            assert "GET /" not in hints[0]


def test_what_is_wrong_is_refused_before_it_is_sent() -> None:
    with RemoteBus("http://127.0.0.1:1", Elsewhere()) as nowhere:
        with pytest.raises(errors.InvalidInput):
            nowhere.sessions.heartbeat("x", ttl_s=1)
        with pytest.raises(errors.IdentityMissing):
            nowhere.sessions.heartbeat(None)  # type: ignore[arg-type]


def test_surroundings_that_no_session_could_have_are_refused(hub: HubProcess) -> None:
    class Wrong(Elsewhere):
        project = "a\x1b[2Jb"

    with RemoteBus(hub.url, Wrong()) as bus, pytest.raises(errors.InvalidInput, match="Hallway-Here"):
        bus.sessions.register("wrong", "alice's agent", "codex")


# -- connections ------------------------------------------------------------------------------------------------------


def test_a_connection_that_the_hub_has_dropped_is_opened_again(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with RemoteBus(hub.url, Elsewhere()) as bus:
        bus.sessions.register("alice", "alice's agent", "codex")
        for end in (HubProcess.stop, HubProcess.kill):
            end(hub)
            hub = start_hub(port=hub.port)
            assert bus.sessions.heartbeat("alice").session_id == "alice"
        assert len(bus.events.read()) == 1


def test_threads_share_a_bus_and_none_waits_for_another(remote: RemoteBus) -> None:
    def beat(number: int) -> int:
        for _ in range(20):
            assert remote.sessions.heartbeat(f"thread-{number}").session_id == f"thread-{number}"
        return number

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(beat, range(8))) == list(range(8))


def test_a_slow_answer_holds_up_no_other_thread() -> None:
    answered = threading.Event()

    class Slow(Answers):
        def do_GET(self) -> None:
            if "slow" in self.path:
                answered.wait(10)
            self.answer(200, b"7")

    with serving(Slow) as url, RemoteBus(url, Elsewhere()) as bus, ThreadPoolExecutor(1) as thread:
        slow = thread.submit(lambda: bus.execute(bus.events.operations["last_seq"], bus.events, {"slow": 1}))
        assert bus.events.last_seq() == 7
        assert not slow.done()
        answered.set()
        assert slow.result() == 7


def test_a_forked_child_opens_a_connection_of_its_own(remote: RemoteBus) -> None:
    remote.sessions.heartbeat("parent")
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if remote.sessions.heartbeat("child").session_id == "child" else 2
        finally:
            os._exit(status)
    for _ in range(20):
        assert remote.sessions.heartbeat("parent").session_id == "parent"
    assert os.waitpid(child, 0)[1] == 0


# -- no hub there -----------------------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """A server that is no hub."""

    protocol_version = "HTTP/1.1"
    status, body = 200, b""

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(self.status, self.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[Answers]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b'{"hello": "world"}'),
        (200, b"[1, 2]"),
        (200, b""),
        (404, b"not here"),
        (404, b'"not here"'),
        (404, b'{"error": "not here"}'),
        (404, b'{"detail": "Not Found"}'),
        (500, b"null"),
        (302, b'{"error": {}}'),
        (200, b"[" * 100_000),
        (204, b""),
    ],
)
def test_a_server_that_is_no_hub_is_called_that(status: int, body: bytes) -> None:
    stranger = type("Stranger", (Answers,), {"status": status, "body": body})
    with serving(stranger) as url, RemoteBus(url, Elsewhere()) as bus:
        with pytest.raises(errors.HubUnreachable, match=f"{url} answered with status {status}"):
            bus.sessions.get("alice")
        if status != 200:
            with pytest.raises(errors.HubUnreachable):
                next(bus.events.follow(0))


def test_a_program_that_speaks_no_http_is_no_hub() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"220 ready\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with RemoteBus(url, Elsewhere()) as bus, pytest.raises(errors.HubUnreachable):
            bus.sessions.get("alice")
        thread.join()


def test_where_nobody_listens_there_is_a_clear_error() -> None:
    with RemoteBus(f"http://127.0.0.1:{free_port()}", Elsewhere()) as bus:
        for call in (
            lambda: bus.sessions.get("alice"),
            lambda: bus.events.follow(),
            lambda: next(bus.events.follow(0)),
        ):
            with pytest.raises(errors.HubUnreachable, match=f"no hub answers at {bus.url}") as caught:
                call()
            assert "hallway serve" in caught.value.hint


@pytest.mark.parametrize("url", ["http://", "http://host:port", "http://host:99999", "http://[::1", "https:///x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.UnsupportedUrl):
        hallway.connect(url)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


# -- following --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["local", "remote"])
def followed(request: pytest.FixtureRequest, start_hub: Callable[..., HubProcess]) -> Iterator[Bus]:
    """A bus to follow, on both sides of a hub."""
    hub = start_hub()
    with hallway.connect(hub.url if request.param == "remote" else hub.bus_file, project=SHOP) as bus:
        yield bus


def test_follow_from_now_begins_at_the_call(followed: Bus) -> None:
    followed.sessions.register("before", "alice's agent", "codex")
    events = followed.events.follow(timeout_s=20)
    followed.sessions.register("after", "alice's agent", "codex")
    assert next(events).session_id == "after"
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("timeout_s", [0, 0.001, 0.3])
def test_follow_gives_what_is_there_and_ends_after_its_time(followed: Bus, timeout_s: float) -> None:
    for number in range(3):
        followed.sessions.register(f"s{number}", "alice's agent", "codex")
    began = time.monotonic()
    assert [event.seq for event in followed.events.follow(1, timeout_s=timeout_s)] == [2, 3]
    assert timeout_s <= time.monotonic() - began < timeout_s + 10


def test_follow_filters_by_project_and_kinds(followed: Bus) -> None:
    events = followed.events.follow(project=SHOP, kinds=["session.ended", "session.registered"], timeout_s=20)
    followed.sessions.register("alice", "alice's agent", "codex")
    followed.sessions.register("bob", "bob's agent", "codex", project="elsewhere")
    followed.sessions.update_status("alice", "waiting")
    followed.sessions.end("bob")
    followed.sessions.end("alice")
    assert [next(events).kind for _ in range(2)] == ["session.registered", "session.ended"]
    events.close()  # type: ignore[attr-defined]


def test_follow_goes_on_after_the_hub_has_been_started_again(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    with RemoteBus(hub.url, LocalWorkspace(SHOP)) as bus, hallway.connect(hub.bus_file) as local:
        events = bus.events.follow(timeout_s=20)
        heard = []
        for number, end in enumerate((HubProcess.stop, HubProcess.kill)):
            local.sessions.register(f"up-{number}", "alice's agent", "codex")
            heard.append(next(events))
            end(hub)
            local.sessions.register(f"down-{number}", "alice's agent", "codex")
            hub = start_hub(port=hub.port)
            heard.append(next(events))
        assert heard == local.events.read()
        events.close()  # type: ignore[attr-defined]


def test_handlers_hear_what_happens_on_the_hub(remote: RemoteBus) -> None:
    heard: list[str] = []
    came = threading.Event()

    def hear(event: hallway.core.model.Event) -> None:
        heard.append(event.kind)
        came.set()

    remote.events.on("session.ended", hear)
    remote.sessions.register("handled", "alice's agent", "codex")
    remote.sessions.end("handled")
    assert came.wait(20)
    assert heard == ["session.ended"]


def test_a_connection_whose_answer_comes_while_the_bus_is_closed_is_closed_too(hub: HubProcess) -> None:
    endpoint = HubEndpoint(hub.url)

    class ClosedMeanwhile(list[http.client.HTTPConnection]):
        def append(self, connection: http.client.HTTPConnection) -> None:
            endpoint.close()
            super().append(connection)

    kept = endpoint._idle = ClosedMeanwhile()
    assert endpoint.ask("GET", "/ready", None, {}, 60)[0] == 200
    assert kept == []
