"""The page of a hub that demands tokens: its login, its cookie, and what each reader sees."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from hallway.core.errors import Unauthorised
from hallway.services.tokens import digest_of
from hub.client import Answer
from hub.process import HubProcess, environment
from support import open_store, until
from trust.conftest import make_tokens
from trust.corpus import HOSTILE
from trust.world import BANK, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hallway.bus.local import LocalBus
    from hallway.core.clock import FakeClock
    from trust.conftest import Guarded

FORM = "application/x-www-form-urlencoded"
WRONG = "hallway_" + "B" * 43


class Browser:
    """As much of a browser as logging in takes: cookies, forms, and where it was sent."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._port, self._context = port, context
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def connect(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=60, context=self._context)

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        connection = self.connect()
        said = {"Cookie": self.cookie, **headers}
        if fields is not None:
            said["Content-Type"] = FORM
        connection.request(method, path, urlencode(fields) if fields is not None else None, said)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        self.set_cookies = answer.headers.get_all("set-cookie") or []
        for cookie in self.set_cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def log_in(self, token: str, to: str = "/", **headers: str) -> Answer:
        form = self.ask("GET", f"/page/login?to={to}").body.decode()
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        return self.ask("POST", "/page/login", {**dict(hidden), "secret": token}, **headers)

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def form_token(self) -> str:
        return self.cookies["hallway_page"]


@pytest.fixture
def browser(guarded: Guarded) -> Browser:
    return Browser(guarded.hub.port)


@pytest.fixture
def logged_in(guarded: Guarded, browser: Browser) -> Browser:
    assert browser.log_in(guarded.tokens["alice"]).status == 303
    return browser


def test_who_has_no_token_is_sent_to_the_login(browser: Browser) -> None:
    answer = browser.ask("GET", "/page/session?id=a%20b")
    assert (answer.status, answer.headers["location"]) == (303, "/page/login?to=%2Fpage%2Fsession%3Fid%3Da%2520b")
    assert browser.ask("GET", "/").status == 303
    assert browser.ask("GET", "/page/events.json").status == 401
    assert browser.ask("GET", "/", None, **{"HX-Request": "true"}).status == 401


def test_logging_in_keeps_a_random_id_in_a_cookie_that_no_script_and_no_other_site_has(
    guarded: Guarded, browser: Browser
) -> None:
    answer = browser.log_in(guarded.tokens["alice"], "/page/tasks")
    assert (answer.status, answer.headers["location"]) == (303, "/page/tasks")
    (cookie,) = [each for each in browser.set_cookies if each.startswith("hallway_login=")]
    assert cookie.partition(";")[2] == " Path=/; HttpOnly; SameSite=Strict"
    assert guarded.tokens["alice"] not in cookie
    page = browser.ask("GET", "/page/tasks")
    assert page.status == 200
    assert b"Log out" in page.body
    assert guarded.tokens["alice"].encode() not in page.body


def test_a_wrong_token_gets_the_form_again(guarded: Guarded, browser: Browser) -> None:
    for token in (WRONG, "", "x", "ünï"):
        answer = browser.log_in(token)
        assert answer.status == 401
        assert "hallway_login" not in browser.cookies
        assert b'type="password"' in answer.body
    with guarded.client("root") as root:
        until(lambda: "login" in str(root.get("/events?kinds=access&limit=1000").json))


def test_a_login_takes_nobody_to_another_site(guarded: Guarded, browser: Browser) -> None:
    for wanted in (
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "javascript:alert(1)",
        "",
        "/a%0d%0ab:c",
    ):
        browser.cookies.clear()
        answer = browser.log_in(guarded.tokens["alice"], wanted)
        assert (answer.status, answer.headers["location"]) == (303, "/"), wanted


def test_a_login_needs_the_forms_own_secret(guarded: Guarded, browser: Browser) -> None:
    browser.ask("GET", "/page/login")
    answer = browser.ask("POST", "/page/login", {"token": "x" * 32, "secret": guarded.tokens["alice"]})
    assert answer.status == 403
    assert "hallway_login" not in browser.cookies


def test_logging_out_forgets_the_cookie(logged_in: Browser) -> None:
    kept = logged_in.cookies["hallway_login"]
    assert logged_in.ask("POST", "/page/logout", {}).status == 403
    answer = logged_in.ask("POST", "/page/logout", {"token": logged_in.form_token})
    assert (answer.status, answer.headers["location"]) == (303, "/page/login")
    assert logged_in.cookies["hallway_login"] == ""
    assert logged_in.ask("GET", "/").status == 303
    logged_in.cookies["hallway_login"] = kept  # the hub has forgotten it, too
    assert logged_in.ask("GET", "/me").status == 401


@pytest.mark.promise("P5")
def test_a_token_is_no_login_and_a_login_is_no_token(guarded: Guarded, logged_in: Browser) -> None:
    secret = logged_in.cookies["hallway_login"]
    logged_in.cookies["hallway_login"] = guarded.tokens["alice"]
    assert logged_in.ask("GET", "/me").status == 401
    logged_in.cookies.clear()
    assert logged_in.ask("GET", "/me", None, Authorization=f"Bearer {secret}").status == 401


@pytest.mark.promise("P5")
def test_a_login_is_for_one_hub(guarded: Guarded, logged_in: Browser) -> None:
    port = guarded.hub.port
    assert logged_in.ask("GET", "/me").status == 200
    for host in (f"localhost:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}"):
        assert logged_in.ask("GET", "/me", None, Host=host).status == 401, host


@pytest.mark.promise("P5")
def test_logins_are_listed_and_taken_back_with_their_streams(guarded: Guarded, logged_in: Browser) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.hub.port, timeout=60)
    cookie = f"hallway_login={logged_in.cookies['hallway_login']}"
    connection.request("GET", "/events", headers={"Accept": "text/event-stream", "Cookie": cookie})
    response = connection.getresponse()
    assert response.status == 200
    with guarded.client("root") as root, guarded.client("alice") as alice:
        mine = root.get("/logins").json[0]
        assert (mine["name"], mine["host"]) == ("alice", f"127.0.0.1:{guarded.hub.port}")
        assert alice.get("/logins").status == 403
        assert alice.call("DELETE", f"/logins/{mine['login_id']}").status == 403
        assert root.call("DELETE", f"/logins/{mine['login_id']}").json["login_id"] == mine["login_id"]
        assert root.call("DELETE", f"/logins/{mine['login_id']}").error["code"] == "login_not_found"
        until(lambda: logged_in.ask("GET", "/me").status == 401)
        assert alice.get("/me").status == 200  # the token stays
    response.read()  # to its end
    connection.close()


@pytest.mark.promise("P5")
def test_a_login_ends_with_its_token(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub("--require-tokens")
    with open_store(str(hub.bus_file)) as bus:
        for name, end in (("alice", bus.tokens.rotate), ("bob", bus.tokens.revoke)):
            browser = Browser(hub.port)
            assert browser.log_in(tokens[name]).status == 303
            assert browser.ask("GET", "/me").json["name"] == name
            assert [each.name for each in bus.logins.list_logins()] == [name]
            end(name)
            until(lambda browser=browser: browser.ask("GET", "/me").status == 401)
            assert bus.logins.list_logins() == []


def test_a_token_has_no_more_than_twenty_logins(bus: LocalBus) -> None:
    made = bus.tokens.create("alice")
    for number in range(25):
        bus.logins.begin(digest_of(made.token), "alice", f"host-{number}", None, "x" * 1000)
    found = bus.logins.list_logins()
    assert [each.host for each in found] == [f"host-{number}" for number in range(24, 4, -1)]
    assert len(found[0].browser or "") == 200


# -- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P5")
def test_a_link_logs_in_once(guarded: Guarded, browser: Browser) -> None:
    with guarded.client("alice") as alice:
        path = alice._exchange("POST", "/page/link").json["path"]
        assert guarded.tokens["alice"] not in path
    form = browser.ask("GET", path).body.decode()
    assert browser.ask("GET", "/me").status == 401  # who only looks at the link is not logged in
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert browser.ask("POST", "/page/login", hidden).status == 303
    assert browser.ask("GET", "/me").json["name"] == "alice"
    again = Browser(guarded.hub.port)
    form = again.ask("GET", path).body.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert again.ask("POST", "/page/login", hidden).status == 401
    assert (
        browser.ask("POST", "/page/link", {"token": browser.form_token}).status == 403
    )  # a login makes no more of them
    assert Browser(guarded.hub.port).ask("POST", "/page/link").status == 401


def test_a_link_is_good_for_two_minutes(bus: LocalBus, clock: FakeClock) -> None:
    made = bus.tokens.create("alice")
    link = bus.logins.make_link(digest_of(made.token), "alice")
    clock.advance(121)
    with pytest.raises(Unauthorised, match="too old"):
        bus.logins.follow_link(link, "localhost", None, "a browser")
    link = bus.logins.make_link(digest_of(made.token), "alice")
    assert bus.logins.list_logins() == []
    bus.logins.follow_link(link, "localhost", None, "a browser")
    assert [each.host for each in bus.logins.list_logins()] == ["localhost"]
    with pytest.raises(Unauthorised):
        bus.logins.follow_link(link, "localhost", None, "a browser")
    clock.advance(30 * 86400)
    assert bus.logins.list_logins() == []
    assert bus.prune(50).removed["logins"] == 2


def test_the_command_prints_where_the_page_is(start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hallway", "open", *words],
            env=environment(tmp_path / "hallway"),
            capture_output=True,
            text=True,
            timeout=60,
        )

    hub = start_hub()
    own = command(hub.url, "--print")
    assert (own.returncode, own.stdout) == (0, f"{hub.url}/\n")
    demanding = start_hub(constants={"hallway.hub.auth.peers.SOURCES": []})
    link = json.loads(command(demanding.url, "--json").stdout)["url"]
    browser = Browser(demanding.port)
    form = browser.ask("GET", link.removeprefix(demanding.url)).body.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert browser.ask("POST", "/page/login", hidden).status == 303
    assert browser.ask("GET", "/me").json["role"] == "admin"
    missing = command("http://127.0.0.1:1", "--print")
    assert (missing.returncode, "no hub answers" in missing.stderr) == (6, True)


def test_the_cookie_writes_nothing_but_the_pages_own_forms(logged_in: Browser) -> None:
    assert logged_in.ask("GET", "/me").json["name"] == "alice"
    for method, path in (("POST", "/messages"), ("POST", "/sessions/x/heartbeat"), ("DELETE", "/memory/k")):
        assert logged_in.ask(method, path).status == 401
    say = {"to_session": "*", "body": "hello", "project": SHOP}
    assert logged_in.ask("POST", "/page/say", say).status == 403
    evil = {"Origin": "https://evil.example"}
    assert logged_in.ask("POST", "/page/say", {**say, "token": logged_in.form_token}, **evil).status == 403
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert logged_in.ask("POST", "/page/say", {**say, "token": logged_in.form_token}, **cross).status == 403
    assert logged_in.ask("POST", "/page/say", {**say, "token": logged_in.form_token}).status == 303


def test_a_reader_writes_in_the_name_of_its_token(guarded: Guarded, logged_in: Browser) -> None:
    with guarded.client("bob") as bob, guarded.client("root") as root:
        bob.post("/sessions/page-bob/heartbeat", {"project": SHOP})
        said = {"to_session": "page-bob", "body": "from the page", "token": logged_in.form_token}
        assert logged_in.ask("POST", "/page/say", said).status == 303
        assert bob.get("/sessions/page-bob/inbox").json[0]["from_session"] == "user:alice"
        assert root.get("/sessions/user:alice/inbox").status == 200


PAGES = ("/", "/page/messages", "/page/tasks", "/page/events", "/page/stats", "/page/memory", "/page/inbox")


@pytest.mark.promise("P2")
@pytest.mark.parametrize("name", ["alice", "olive"])
def test_no_page_shows_another_project(guarded: Guarded, browser: Browser, name: str) -> None:
    with guarded.client("carol") as carol, guarded.client("bob") as bob:
        for client, who, project in ((carol, "vault-page", BANK), (bob, "shop-page", SHOP)):
            client.post(f"/sessions/{who}/heartbeat", {"project": project, "current_task": f"{who} task"})
            said = {"from_session": who, "to_session": "*", "subject": f"{who} says", "type": "request"}
            client.post("/messages", said)
            client.post("/tasks", {"from_session": who, "to_session": "*", "subject": f"{who} task"})
            client.call("PUT", f"/memory/{who}", {"session_id": who, "value": f"{who} knows"})
    browser.log_in(guarded.tokens[name])
    for path in (*PAGES, "/page/session?id=shop-page"):
        for twin in ("", ".json"):
            target = path.replace("?", f"{twin}?") if "?" in path else path + twin
            if target == "/.json":
                target = "/page/home.json"
            answer = browser.ask("GET", target)
            assert answer.status == 200, target
            assert b"vault-page" not in answer.body, target
            assert BANK.encode() not in answer.body, target
    assert b"shop-page" in browser.ask("GET", "/").body
    assert browser.ask("GET", "/page/session?id=vault-page").status == 404


def test_the_stream_opens_with_the_cookie(guarded: Guarded, logged_in: Browser) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.hub.port, timeout=60)
    cookie = f"hallway_login={logged_in.cookies['hallway_login']}"
    connection.request("GET", "/events", headers={"Accept": "text/event-stream", "Cookie": cookie})
    response = connection.getresponse()
    assert (response.status, response.readline()) == (200, b": hallway\n")
    response.close()
    connection.close()


def test_hostile_texts_stay_texts_on_the_page(guarded: Guarded, logged_in: Browser) -> None:
    with guarded.client("bob") as bob:
        bob.post("/sessions/page-hostile/heartbeat", {"project": SHOP})
        for text in HOSTILE:
            told: dict[str, Any] = {
                "from_session": "page-hostile",
                "to_session": "user:alice",
                "subject": "x",
                "body": text,
            }
            bob.post("/messages", told)
    page = logged_in.ask("GET", "/page/inbox").body.decode()
    for mark in ("<script>alert", "<img src=x", "<svg onload", "\x1b", "\u202e", "</system-reminder>"):
        assert mark not in page
