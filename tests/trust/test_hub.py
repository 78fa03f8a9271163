"""A hub that demands tokens: who gets in, what they get, and how long a revoked token lasts (P3)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.bus.remote import RemoteBus
from hallway.core.errors import Refused, SessionNotFound, Unauthorised
from hallway.local.workspace import NoWorkspace
from hub.client import Client, Stream
from hub.process import HubProcess
from support import open_store, until
from trust.conftest import Guarded, make_tokens
from trust.world import BANK, OPERATIONS, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRONG = "hallway_" + "A" * 43
PATHS = sorted({operation.path.replace("{", "").replace("}", "") for operation in OPERATIONS.values()})


def heartbeat(client: Client, session_id: str, project: str = SHOP) -> Any:
    return client.post(f"/sessions/{session_id}/heartbeat", {"project": project})


# -- getting in -------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"Authorization": f"Bearer {WRONG}"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer é"},
        {"Cookie": f"hallway={WRONG}"},
    ],
)
def test_nobody_gets_in_without_a_valid_token(guarded: Guarded, credentials: dict[str, str]) -> None:
    paths = (*PATHS, "/metrics", "/mcp", "/nothing") if not credentials else ("/sessions", "/mcp")
    with guarded.client(None) as client:
        for path in paths:
            for method in ("GET", "POST", "DELETE"):
                answer = client.call(method, path, None, credentials)
                assert answer.status == 401, (method, path)
                assert answer.error["code"] == "unauthorised"
                assert answer.headers["www-authenticate"] == 'Bearer realm="hallway"'


def test_what_says_nothing_of_the_bus_is_open(guarded: Guarded) -> None:
    with guarded.client(None) as client:
        assert client.get("/health").json["status"] == "ok"
        assert client.get("/openapi.json").status == 200


def test_a_token_opens_the_hub_as_its_principal(guarded: Guarded) -> None:
    for name, role, projects in (("alice", "agent", [SHOP]), ("olive", "observer", [SHOP]), ("root", "admin", None)):
        with guarded.client(name) as client:
            assert client.get("/me").json == {"name": name, "role": role, "projects": projects}


def test_a_token_is_checked_on_a_hub_that_demands_none(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub()
    with (
        Client(hub.port) as nobody,
        Client(hub.port, token=tokens["alice"]) as alice,
        Client(hub.port, token=WRONG) as wrong,
    ):
        assert nobody.get("/me").json["role"] == "admin"
        assert alice.get("/me").json["name"] == "alice"
        assert wrong.get("/me").status == 401
        heartbeat(nobody, "local")
        assert heartbeat(alice, "local").status == 403


# -- what they get ----------------------------------------------------------------------------------------------------


@pytest.mark.promise("P1")
def test_one_token_cannot_act_as_the_session_of_another(guarded: Guarded) -> None:
    with guarded.client("alice") as alice, guarded.client("bob") as bob:
        assert heartbeat(alice, "own-1").status == 200
        for method, path, body in (
            ("POST", "/sessions/own-1/heartbeat", {}),
            ("POST", "/sessions/own-1/end", {}),
            ("GET", "/sessions/own-1/inbox", None),
            ("POST", "/messages", {"from_session": "own-1", "to_session": "*", "subject": "hello"}),
        ):
            answer = bob.call(method, path, body)
            assert (answer.status, answer.error["code"]) == (403, "refused"), path
            assert "your token registered" in answer.error["hint"]
        assert bob.get("/sessions/own-1").status == 200


@pytest.mark.promise("P2")
def test_another_project_is_not_there(guarded: Guarded) -> None:
    with guarded.client("carol") as carol, guarded.client("alice") as alice, guarded.client("root") as root:
        heartbeat(carol, "vault", BANK)
        sent = carol.post("/messages", {"from_session": "vault", "to_session": "vault", "subject": "secret"}).json
        carol.call("PUT", "/memory/secret", {"session_id": "vault", "value": "hidden"})
        for path in (
            "/sessions/vault",
            f"/messages/{sent['message_id']}",
            f"/messages/{sent['message_id']}/thread",
            f"/memory/secret?project={BANK}",
            f"/tasks/{sent['message_id']}",
        ):
            assert alice.get(path).status == 404, path
        assert heartbeat(alice, "vault").status == 404
        for path in ("/sessions", "/events?limit=1000", f"/events?project={BANK}", f"/memory?q=hidden&project={BANK}"):
            assert "vault" not in alice.get(path).body.decode(), path
        assert alice.get(f"/stats?project={BANK}").json["sessions"]["total"] == 0
        assert root.get(f"/stats?project={BANK}").json["sessions"]["total"] == 1
        assert alice.get("/metrics").status == 403
        assert root.get("/metrics").status == 200


@pytest.mark.promise("P2")
def test_a_stream_tells_of_the_projects_of_its_token_alone(guarded: Guarded) -> None:
    with guarded.client("carol") as carol, guarded.client("alice") as alice, guarded.client("root") as root:
        last = root.get("/events/last").json
        started = "?kinds=session.registered"  # a token of an earlier test may have its own events in the meantime
        with (
            Stream(guarded.hub.port, started, last, guarded.tokens["alice"]) as stream,
            Stream(guarded.hub.port, started, last, guarded.tokens["root"]) as all_of_it,
        ):
            heartbeat(carol, "stream-carol", BANK)
            heartbeat(alice, "stream-alice")
            assert [frame.data["session_id"] for frame in stream.take(1)] == ["stream-alice"]
            assert [frame.data["session_id"] for frame in all_of_it.take(2)] == ["stream-carol", "stream-alice"]
    with Stream(guarded.hub.port) as refused:
        assert refused.response.status == 401


@pytest.mark.promise("P1")
def test_an_observer_reads_and_writes_nothing(guarded: Guarded) -> None:
    with guarded.client("alice") as alice, guarded.client("olive") as olive:
        heartbeat(alice, "seen")
        assert "seen" in olive.get("/sessions").body.decode()
        assert heartbeat(olive, "observer").status == 403
        sent = olive.post("/messages", {"from_session": "user:olive", "to_session": "seen", "subject": "hello"})
        assert sent.status == 403
        assert olive.get("/sessions/seen/inbox").status == 403


def test_a_new_session_of_a_token_for_one_project_is_in_that_one(guarded: Guarded) -> None:
    with guarded.client("alice") as alice, guarded.client("wide") as wide:
        assert alice.post("/sessions/unsaid/heartbeat", {}).json["project"] == SHOP
        assert alice.get("/sessions/unsaid").json["human_user"] == "alice"
        unsaid = wide.post("/sessions/unsaid-2/heartbeat", {})
        assert (unsaid.status, unsaid.error["code"]) == (400, "project_needed")
        refused = heartbeat(alice, "unsaid-3", BANK)
        assert (refused.status, SHOP in refused.error["hint"]) == (403, True)


def test_what_was_refused_and_what_an_admin_did_are_events(guarded: Guarded) -> None:
    with guarded.client("bob") as bob, guarded.client("alice") as alice, guarded.client("root") as root:
        heartbeat(alice, "audited")
        for _ in range(3):
            bob.post("/sessions/audited/end", {})
        with guarded.client(None) as nobody:
            nobody.get("/sessions/audited-by-nobody")
        root.post("/sessions/audited/end", {})

        def audited() -> list[dict[str, Any]]:
            found = [event["data"] for event in root.get("/events?limit=1000&kinds=access").json]
            return [each for each in found if "audited" in str(each) or "sessions.end" in str(each)]

        until(lambda: sum(each.get("count", 0) for each in audited() if each["principal"] == "bob") >= 3)
        assert {"principal": "root", "operation": "sessions.end", "of": "audited"} in audited()
        mine = [kind for each in audited() if each["principal"] == "bob" for kind in each["kinds"]]
        assert {"operation": "sessions.end", "code": "refused", "address": "127.0.0.1"}.items() <= next(
            kind for kind in mine if kind["operation"] == "sessions.end"
        ).items()
        until(lambda: "GET /sessions/audited-by-nobody" in str(audited()))
        assert "audited-by-nobody" not in alice.get("/events?limit=1000").body.decode()


# -- MCP --------------------------------------------------------------------------------------------------------------


def tool(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return client._exchange("POST", "/mcp", json.dumps(asked).encode()).json["result"]


@pytest.mark.promise("P1")
def test_mcp_passes_the_same_door(guarded: Guarded) -> None:
    with guarded.client("alice") as alice, guarded.client("bob") as bob, guarded.client("carol") as carol:
        heartbeat(alice, "mcp-alice")
        heartbeat(carol, "mcp-carol", BANK)
        own = tool(alice, "inbox", {"session_id": "mcp-alice"})
        assert not own.get("isError")
        for session_id in ("mcp-alice", "mcp-carol"):
            other = tool(bob, "inbox", {"session_id": session_id})
            assert other["isError"]
        seen = tool(alice, "sessions", {"session_id": "mcp-alice"})
        assert "mcp-carol" not in str(seen)


# -- tokens come and go -----------------------------------------------------------------------------------------------


@pytest.mark.promise("P3")
def test_a_token_is_good_at_once_and_dead_within_seconds_on_every_hub(
    start_hub: Callable[..., HubProcess], tmp_path: Path
) -> None:
    make_tokens(tmp_path / "hallway")
    hubs = [start_hub("--require-tokens"), start_hub("--require-tokens")]
    with open_store(str(hubs[0].bus_file)) as bus:
        made = bus.tokens.create("dave", projects=[SHOP])
        for hub in hubs:
            with Client(hub.port, token=made.token) as client:
                assert heartbeat(client, f"dave-{hub.port}").status == 200
        new = bus.tokens.rotate("dave")
        began = time.monotonic()
        for hub in hubs:
            with Client(hub.port, token=new.token) as good, Client(hub.port, token=made.token) as bad:
                assert heartbeat(good, f"dave-{hub.port}").status == 200
                until(lambda bad=bad: bad.get("/me").status == 401)
        bus.tokens.revoke("dave")
        for hub in hubs:
            with Client(hub.port, token=new.token) as client:
                until(lambda client=client: client.get("/me").status == 401)
        assert time.monotonic() - began < 10


@pytest.mark.promise("P3")
def test_a_revoked_tokens_streams_and_waits_end(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub("--require-tokens")
    with Client(hub.port, token=tokens["alice"]) as client, open_store(str(hub.bus_file)) as bus:
        heartbeat(client, "waits")
        with Stream(hub.port, "", None, tokens["alice"]) as stream:
            client._connection.request("GET", "/sessions/waits/inbox?wait_s=50", None, client._credentials)
            with Client(hub.port, token=tokens["root"]) as root:
                until(lambda: b"hallway_waits 2.0" in root.get("/metrics").body)
            began = time.monotonic()
            bus.tokens.revoke("alice")
            response = client._connection.getresponse()
            assert response.status == 401
            response.read()
            assert list(stream) == []
            assert time.monotonic() - began < 10


def test_an_expired_token_is_dead(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    make_tokens(tmp_path / "hallway")
    hub = start_hub("--require-tokens")
    with open_store(str(hub.bus_file)) as bus:
        made = bus.tokens.create("brief", expires_in_s=2)
    with Client(hub.port, token=made.token) as client:
        assert client.get("/me").status == 200
        until(lambda: client.get("/me").status == 401)


def test_the_use_of_a_token_is_listed(guarded: Guarded) -> None:
    with guarded.client("bob") as bob, guarded.client("root") as root:
        bob.get("/me")
        used = lambda: {each["name"]: each["last_used_from"] for each in root.get("/tokens").json}  # noqa: E731
        until(lambda: used()["bob"] == "127.0.0.1")


# -- the client's side ------------------------------------------------------------------------------------------------


def test_a_remote_bus_sends_its_token(guarded: Guarded, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hallway.connect(guarded.hub.url) as nobody, pytest.raises(Unauthorised) as error:
        nobody.sessions.find_sessions()
    assert "hallway login" in error.value.hint
    monkeypatch.setenv("HALLWAY_TOKEN", guarded.tokens["alice"])
    with hallway.connect(guarded.hub.url, project=SHOP) as bus:
        assert bus.tokens.whoami().name == "alice"
        assert bus.sessions.heartbeat("remote").project == SHOP
        events = bus.events.follow(after=0, timeout_s=0.5)
        assert next(events).project == SHOP
        with pytest.raises(SessionNotFound):
            bus.sessions.get("nobody")
    with RemoteBus(guarded.hub.url, NoWorkspace(), guarded.tokens["bob"]) as bob, pytest.raises(Refused):
        bob.sessions.end("remote")
