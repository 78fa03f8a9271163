"""A team's set-up: PostgreSQL, two hubs, a proxy that brings TLS with a certificate of one's own, and every face."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import postgres
from hallway.bus.remote import RemoteBus
from hub.process import HubProcess, environment
from mcp_server import MODERN, Server
from postgres import free_port
from proxy import make_certificate
from real_proxies import PROXIES, RealProxy
from support import Here, open_store, until
from trust.test_login import Browser

pytestmark = pytest.mark.slow

TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Team:
    """Two hubs on one database behind a proxy with TLS."""

    def __init__(
        self, folder: Path, store: str, proxy: str, version: str, certificate: tuple[str, str], stop_within_s: int = 4
    ) -> None:
        self._folder, self._store = folder, store
        self.certificate, self.version, self._stop_within_s = certificate, version, stop_within_s
        self.ports = [free_port(), free_port()]
        self._proxy = RealProxy(proxy, folder, self.ports, (*certificate, version))
        self.port = self._proxy.port
        self.url = f"https://127.0.0.1:{self.port}"
        with open_store(store) as bus:
            self.token = bus.tokens.create("wide", "agent", None).token
        self.hubs = [self._hub(0), self._hub(1)]
        until(lambda: self.speaks(TLS[version]))

    def _hub(self, number: int) -> HubProcess:
        options = ("--store", self._store, "--behind-proxy", "--name", "127.0.0.1")
        options = (*options, "--stop-within", str(self._stop_within_s))
        return HubProcess(self._folder / f"hub-{number}", *options, port=self.ports[number])

    def restart(self, number: int) -> None:
        """Restart a hub in order, as a deployment does."""
        assert self.hubs[number].stop() == 0
        self.hubs[number] = self._hub(number)

    def speaks(self, version: ssl.TLSVersion) -> bool:
        """Whether a client that has only this version of TLS gets an answer from a hub."""
        context = ssl.create_default_context(cafile=self.certificate[0])
        context.minimum_version = context.maximum_version = version
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def environ(self) -> dict[str, str]:
        return {"HALLWAY_URL": self.url, "HALLWAY_TOKEN": self.token, "SSL_CERT_FILE": self.certificate[0]}

    def close(self) -> None:
        self._proxy.close()
        for hub in self.hubs:
            hub.kill()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=[(proxy, version) for proxy in PROXIES for version in TLS], ids="-TLS-".join)
def team(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: tuple[str, str]
) -> Iterator[Team]:
    store = postgres.new_bus(postgres.server_url())
    team = Team(tmp_path_factory.mktemp("team"), store, *request.param, certificate)
    yield team
    team.close()
    postgres.drop_bus(store)


@pytest.fixture
def open_bus(team: Team, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], RemoteBus]]:
    """Opens the bus as another program would; the names of sessions begin with the test's."""
    monkeypatch.setenv("SSL_CERT_FILE", team.certificate[0])
    opened: list[RemoteBus] = []

    def open_bus() -> RemoteBus:
        opened.append(RemoteBus(team.url, Here(), team.token))
        return opened[-1]

    yield open_bus
    for bus in opened:
        bus.close()


def register(bus: RemoteBus, *names: str) -> None:
    for name in names:
        bus.sessions.register(name, "agent", "codex")


def test_the_proxy_speaks_the_one_version_of_tls(team: Team) -> None:
    assert {name for name, version in TLS.items() if team.speaks(version)} == {team.version}


def test_the_library(team: Team, open_bus: Callable[[], RemoteBus]) -> None:
    bus, other = open_bus(), open_bus()
    register(bus, "lib-a", "lib-b")
    followed, heard = bus.events.follow(kinds=["message.sent"], timeout_s=30), []
    bus.messages.register_handler("notification", lambda message: heard.append(message.subject), "lib-b")
    other.messages.register_handler(
        "request", lambda message: other.messages.reply("lib-b", message.message_id, "7433"), "lib-b"
    )
    other.messages.send("lib-a", "lib-b", subject="hello")
    until(lambda: heard == ["hello"])
    assert next(followed).data["type"] == "notification"
    assert bus.messages.request("lib-a", "lib-b", "which port?", timeout_s=30).body == "7433"


def test_the_command_line(team: Team, tmp_path: Path, open_bus: Callable[[], RemoteBus]) -> None:
    register(open_bus(), "cli-a", "cli-b")

    def hallway(*words: str) -> str:
        command, environ = [sys.executable, "-m", "hallway", *words], {**environment(tmp_path / "cli"), **team.environ}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "cli-b" in hallway("list")
    sent = threading.Timer(0.5, lambda: open_bus().messages.send("cli-b", "cli-a", subject="late"))
    sent.start()
    assert "late" in hallway("inbox", "cli-a", "--wait", "30")
    assert team.url in hallway("doctor")


def test_the_mcp_server_of_a_session(team: Team, tmp_path: Path, open_bus: Callable[[], RemoteBus]) -> None:
    server = Server(tmp_path / "mcp", HALLWAY_SESSION="mcp-a", **team.environ)
    try:
        server.initialize()
        bus = open_bus()
        register(bus, "mcp-a", "mcp-b")
        for number in range(3):
            assert "sessions" in server.call("sessions")
            request_id = server.send("tools/call", name="inbox", arguments={"wait_s": 30}, _meta=MODERN)
            bus.messages.send("mcp-b", "mcp-a", subject=f"hello {number}")
            while (answer := server.receive()).get("id") != request_id:
                pass
            assert f"hello {number}" in json.dumps(answer)
            bus.messages.acknowledge("mcp-a", [each.message_id for each in bus.messages.inbox("mcp-a")])
        assert server.close() == 0
    finally:
        server.kill()


def test_mcp_over_http(team: Team) -> None:
    context = ssl.create_default_context(cafile=team.certificate[0])
    for method in ("tools/list", "resources/templates/list"):
        connection = http.client.HTTPSConnection("127.0.0.1", team.port, context=context, timeout=60)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": MODERN}})
        headers = {
            "Authorization": f"Bearer {team.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
        }
        connection.request("POST", "/mcp", body, headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert (response.status, "result" in answer) == (200, True), answer
        connection.close()


def test_the_page(team: Team, open_bus: Callable[[], RemoteBus]) -> None:
    bus = open_bus()
    register(bus, "page-a", "page-b")
    browser = Browser(team.port, ssl.create_default_context(cafile=team.certificate[0]))
    own = {"Origin": team.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.log_in(team.token, **own).status == 303
    assert b"page-a" in browser.ask("GET", "/").body
    stream = browser.connect()
    stream.request("GET", "/events", headers={"Accept": "text/event-stream", "Cookie": browser.cookie})
    events = stream.getresponse()
    assert events.readline() == b": hallway\n"
    said = {"to_session": "page-a", "body": "from the page", "token": browser.form_token}
    assert browser.ask("POST", "/page/say", said, **own).status == 303
    while b"message.sent" not in events.readline():
        pass
    stream.close()
    assert [each.body for each in bus.messages.inbox("page-a")] == ["from the page"]
    assert browser.ask("POST", "/page/say", said, Origin="https://evil.example").status == 403


def test_what_waits_goes_on_while_both_hubs_are_restarted_in_turn(
    team: Team, open_bus: Callable[[], RemoteBus], tmp_path: Path
) -> None:
    bus = open_bus()
    register(bus, "on-a", "on-b")
    server = Server(tmp_path / "mcp", HALLWAY_SESSION="on-c", **team.environ)
    try:
        server.initialize()
        assert "sessions" in server.call("sessions")
        followed: list[str] = []
        handled: list[str] = []
        events = bus.events.follow(kinds=["message.sent"])

        def follow() -> None:
            for event in events:
                followed.append(bus.messages.get(event.data["message_id"]).subject)

        threading.Thread(target=follow, daemon=True).start()
        bus.messages.register_handler("*", lambda message: handled.append(message.subject), "on-b")
        sent = []
        for number in (0, 1):
            for moment in ("before", "after"):
                sent.append(f"{moment} {number}")
                bus.messages.send("on-a", "on-b", subject=sent[-1])
                until(lambda: handled == followed == sent)
                assert "sessions" in server.call("sessions")
                if moment == "before":
                    team.restart(number)
        events.close()
        assert server.close() == 0
    finally:
        server.kill()
