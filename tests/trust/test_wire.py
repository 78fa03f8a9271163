"""How a hub meets the network: what it demands to listen at all, whom it believes, and how much anybody may have."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.bus.hub_endpoint import HubEndpoint
from hub.client import Client, Stream, raw_exchange
from hub.process import HubProcess
from hub.test_http import serve
from proxy import make_certificate
from support import until
from trust.conftest import Guarded, make_tokens
from trust.test_login import Browser
from trust.world import OPERATIONS, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OUTSIDE = ("--host", "0.0.0.0")  # noqa: S104 (that is the point)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


# -- listening --------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P3")
def test_an_address_that_others_reach_wants_tls_or_a_proxy_and_a_token(tmp_path: Path) -> None:
    for options, said in (
        (OUTSIDE, "in clear"),
        ((*OUTSIDE, "--behind-proxy"), "hallway token create NAME --role admin"),
    ):
        done = serve(tmp_path / "hallway", *options, "--port", "0")
        assert done.returncode == 2
        assert said in done.stderr
    make_tokens(tmp_path / "hallway")
    done = serve(tmp_path / "hallway", *OUTSIDE, "--port", "0")
    assert (done.returncode, "in clear" in done.stderr) == (2, True)


def test_a_certificate_needs_its_key_and_both_must_be_there(tmp_path: Path) -> None:
    assert "its key" in serve(tmp_path / "hallway", "--tls-cert", "x.pem").stderr
    done = serve(tmp_path / "hallway", "--tls-cert", "no.pem", "--tls-key", "no.pem")
    assert (done.returncode, "cannot be read" in done.stderr) == (7, True)


@pytest.mark.promise("P3")
def test_a_hub_for_other_machines_speaks_tls_and_demands_tokens(
    tmp_path: Path, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate
    tokens = make_tokens(tmp_path / "hallway")
    with HubProcess(tmp_path / "hallway", *OUTSIDE, "--tls-cert", cert, "--tls-key", key) as hub:
        context = ssl.create_default_context(cafile=cert)
        connection = http.client.HTTPSConnection("127.0.0.1", hub.port, context=context, timeout=60)
        connection.request("GET", "/sessions")
        response = connection.getresponse()
        assert (response.status, response.headers["strict-transport-security"]) == (401, "max-age=31536000")
        response.read()
        connection.close()
        with socket.create_connection(("127.0.0.1", hub.port), timeout=5) as plain:
            plain.sendall(b"GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in plain.recv(100)
        monkeypatch.setenv("HALLWAY_TOKEN", tokens["alice"])
        with hallway.connect(f"https://127.0.0.1:{hub.port}", project=SHOP) as bus:
            with pytest.raises(hallway.HallwayError) as caught:
                bus.sessions.heartbeat("over-tls")
            assert "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", cert)
        with hallway.connect(f"https://127.0.0.1:{hub.port}", project=SHOP) as bus:
            assert bus.sessions.heartbeat("over-tls").project == SHOP


def test_an_empty_name_of_a_certificate_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As clients pass on a variable that is not set."""
    trusted = ssl.create_default_context().cert_store_stats()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "")
    connection = HubEndpoint("https://hub.example.org").connect(1)
    assert connection._context.cert_store_stats() == trusted  # type: ignore[attr-defined]


def test_over_tls_the_login_is_in_a_cookie_that_only_this_host_can_set(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    told = {"X-Forwarded-Proto": "https"}
    with HubProcess(tmp_path / "hallway", "--behind-proxy") as hub:
        browser = Browser(hub.port)
        form = browser.ask("GET", "/page/login", None, **told).body.decode()
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        fields = {**hidden, "secret": tokens["alice"]}
        assert browser.ask("POST", "/page/login", fields, **told).status == 303
        (cookie,) = [each for each in browser.set_cookies if "hallway_login" in each]
        assert re.fullmatch(r"__Host-hallway_login=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Secure", cookie)
        assert browser.ask("GET", "/me", None, **told).json["name"] == "alice"
        browser.cookies["hallway_login"] = browser.cookies.pop("__Host-hallway_login")
        assert browser.ask("GET", "/me", None, **told).status == 401


def test_a_proxy_is_believed_where_it_was_said_to_be_and_nobody_else(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    told = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    for options, address in (
        (("--behind-proxy",), "192.0.2.7"),
        (("--require-tokens",), "127.0.0.1"),
        (("--behind-proxy", "--trust-proxy", "192.0.2.1"), "127.0.0.1"),
    ):
        with HubProcess(tmp_path / "hallway", *options) as hub, Client(hub.port, token=tokens["root"]) as root:
            root.call("POST", "/tokens/nobody/rotate", None, told)
            root.call("GET", "/sessions", None, {**told, "Authorization": "Bearer wrong"})

            def is_told(root: Client = root, address: str = address) -> bool:
                found = root.get("/events?kinds=access.refused&limit=1000").json
                return any(each["data"]["address"] == address for each in found)

            until(is_told)


def test_a_hub_behind_a_proxy_answers_to_the_names_it_was_given(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = HubProcess(tmp_path / "hallway", "--behind-proxy", "--name", "hub.example")
    with hub, Client(hub.port, token=tokens["alice"]) as client:
        for host, origin, status in (
            ("hub.example", "https://hub.example", 200),
            ("HUB.example:443", None, 200),
            ("hub.example", "http://hub.example", 403),
            ("evil.example", None, 403),
            ("hub.example", "https://evil.example", 403),
        ):
            headers = {"Host": host, **({"Origin": origin} if origin else {})}
            assert client.call("GET", "/sessions", None, headers).status == status, (host, origin)


def test_the_page_works_behind_a_proxy_with_a_port_of_its_own_whatever_host_it_passes_on(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    for name, told, status in (
        ("hub.example", {"Host": "hub.example:8443"}, 200),
        ("hub.example", {"Host": "hub.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ("hub.example", {"Host": "hub.example"}, 403),
        ("hub.example:8443", {"Host": "hub.example"}, 200),
        ("hub.example:9443", {"Host": "hub.example"}, 403),
    ):
        hub = HubProcess(tmp_path / "hallway", "--behind-proxy", "--name", name)
        with hub, Client(hub.port, token=tokens["alice"]) as client:
            headers = {**told, "Origin": "https://hub.example:8443"}
            assert client.call("GET", "/sessions", None, headers).status == status, (name, told)


def test_a_hub_behind_a_proxy_that_was_given_no_name_warns(tmp_path: Path) -> None:
    make_tokens(tmp_path / "hallway")
    for options, warns in ((("--behind-proxy",), True), (("--behind-proxy", "--name", "hub.example"), False)):
        with HubProcess(tmp_path / "hallway", *options) as hub:
            assert any("--name HOST" in each["message"] for each in hub.log()) == warns


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_head_that_is_too_large_is_refused(guarded: Guarded) -> None:
    port = guarded.hub.port
    for head in (b"X-Big: " + b"x" * 40_000, b"\r\n".join(b"X-%d: %s" % (n, b"y" * 100) for n in range(400))):
        answer = raw_exchange(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
        assert answer.status == 431
    with socket.create_connection(("127.0.0.1", port), timeout=60) as endless:
        endless.sendall(b"GET /" + b"a" * 40_000)
        assert b"414" in endless.recv(1000)
    with guarded.client("alice") as client:
        assert client.get("/health").status == 200


def test_who_never_ends_a_request_is_cut_off(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(
        constants={"hallway.hub.http_protocol.HEAD_WITHIN_S": 0.5, "hallway.hub.http_protocol.BODY_WITHIN_S": 0.5}
    )
    begun = (
        b"",
        b"GET /health HT",
        b"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he",
    )
    with Client(hub.port) as client:
        for part in begun:
            with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as slow:
                slow.sendall(part)
                began = time.monotonic()
                try:
                    while slow.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
                assert time.monotonic() - began < 15, part
        assert client.get("/health").status == 200


def test_a_stream_is_not_cut_off(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(
        constants={"hallway.hub.http_protocol.HEAD_WITHIN_S": 0.3, "hallway.hub.http_protocol.BODY_WITHIN_S": 0.3}
    )
    with Client(hub.port) as client, Stream(hub.port) as stream:
        time.sleep(1)
        client.register("late")
        assert stream.take(1)[0].data["session_id"] == "late"


def test_a_token_that_asks_too_much_is_told_when_it_may_go_on(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = HubProcess(tmp_path / "hallway", "--require-tokens", "--limit-requests", "1")
    with hub, Client(hub.port, token=tokens["alice"]) as alice, Client(hub.port, token=tokens["bob"]) as bob:
        answers = [alice.get("/me") for _ in range(15)]
        refused = answers[-1]
        assert {each.status for each in answers} == {200, 429}
        assert refused.error["code"] == "limit_reached"
        assert int(refused.headers["retry-after"]) >= 1
        assert bob.get("/me").status == 200
        time.sleep(refused.error["retry_after_s"] + 0.1)
        assert alice.get("/me").status == 200


def test_what_a_token_writes_and_keeps_open_is_bounded(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    options = ("--require-tokens", "--limit-waits", "1", "--limit-bytes", "5000")
    with HubProcess(tmp_path / "hallway", *options) as hub, Client(hub.port, token=tokens["alice"]) as alice:
        alice.post("/sessions/bounded/heartbeat", {"project": SHOP})
        with Stream(hub.port, "", None, tokens["alice"]) as first, Stream(hub.port, "", None, tokens["alice"]) as more:
            assert (first.response.status, more.response.status) == (200, 429)
            assert alice.get("/sessions/bounded/inbox?wait_s=5").status == 429
        until(lambda: alice.get("/sessions/bounded/inbox?wait_s=0.01").status == 200)
        said: dict[str, Any] = {"from_session": "bounded", "to_session": "user:bob", "subject": "x", "body": "y" * 3000}
        assert alice.post("/messages", said).status == 200
        answer = alice.post("/messages", {**said, "subject": "z"})
        assert (answer.status, answer.error["code"]) == (429, "limit_reached")


# -- everywhere -------------------------------------------------------------------------------------------------------

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def test_every_answer_has_the_headers_that_bind_browsers(guarded: Guarded) -> None:
    with guarded.client("root") as root, guarded.client(None) as nobody:
        for client in (root, nobody):
            for path in (
                "/",
                "/health",
                "/openapi.json",
                "/metrics",
                "/nothing",
                "/page/login",
                "/page/tasks",
                *sorted({each.path for each in OPERATIONS.values() if "{" not in each.path}),
            ):
                headers = client._exchange("GET", path).headers
                for name, value in HEADERS.items():
                    assert headers[name] == value, (path, name)
                assert "frame-ancestors 'none'" in headers["content-security-policy"]
                assert "access-control-allow-origin" not in headers


def test_health_tells_a_stranger_nothing_of_the_bus(guarded: Guarded) -> None:
    with guarded.client(None) as nobody:
        assert "session" not in json.dumps(nobody.get("/health").json)
