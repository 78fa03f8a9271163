"""The page over plain HTTP: its headers, its JSON twins, its files, and who may write."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

import hallway
import postgres
from hallway.bus.local import LocalBus
from hallway.store.sqlite import SQLiteStore
from hallway.web.pages.catalog import PAGES
from hub.process import HubProcess
from support import Here, open_store
from web.scene import SHOP, play

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

VENDOR = Path(hallway.__file__).parent / "web" / "static" / "vendor"
SAID = {"to_session": "s1", "body": "hello", "type": "request"}


@pytest.fixture
def bus(hub: HubProcess) -> Iterator[LocalBus]:
    with LocalBus(SQLiteStore(str(hub.bus_file)), Here()) as bus:
        yield bus


def exchange(
    hub: HubProcess, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read().decode()
    finally:
        connection.close()


def token(hub: HubProcess) -> str:
    """A browser's token, as its first page sets it."""
    _, headers, text = exchange(hub, "GET", "/page/session?id=s1")
    found = re.fullmatch(r"hallway_page=([\w-]{32,}); Path=/; SameSite=Strict", headers["set-cookie"])
    assert found
    assert f'name="token" value="{found[1]}"' in text
    return found[1]


def say(hub: HubProcess, fields: dict[str, str], **headers: str) -> tuple[int, dict[str, str], str]:
    told = {"Content_Type": "application/x-www-form-urlencoded", **headers}
    return exchange(hub, "POST", "/page/say", urlencode(fields), **told)


# -- who may write ----------------------------------------------------------------------------------------------------


def test_a_form_with_its_browsers_token_is_taken(hub: HubProcess, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    own = token(hub)
    status, headers, _ = say(
        hub, {**SAID, "token": own}, Cookie=f"hallway_page={own}", Sec_Fetch_Site="same-origin", Origin=hub.url
    )
    assert (status, headers["location"]) == (303, "/page/session?id=s1")
    (message,) = bus.messages.inbox("s1")
    assert (message.from_session, message.type, message.body) == ("user:alice", "request", "hello")


@pytest.mark.parametrize(
    "forged",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},  # another port of this machine
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Cookie": ""},
        {"Cookie": "hallway_page=" + "x" * 32},
        {"Cookie": "hallway_page="},
        {"Cookie": 'hallway_page="\\"'},
        {"X_Hallway_Token": "wrong"},
        {"X_Hallway_Token": "wröng".encode().decode("latin-1")},
    ],
    ids=str,
)
def test_a_form_of_another_page_is_refused(hub: HubProcess, bus: LocalBus, forged: dict[str, str]) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    own = token(hub)
    headers = {"Cookie": f"hallway_page={own}", "Sec_Fetch_Site": "same-origin", "Origin": hub.url, **forged}
    status, _, body = say(hub, {**SAID, "token": own}, **headers)
    assert status == 403, body
    assert json.loads(body)["error"]["code"] == "refused"
    assert bus.messages.inbox("s1") == []


def test_a_form_without_a_token_is_refused(hub: HubProcess, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    own = token(hub)
    for fields in (SAID, {**SAID, "token": ""}, {**SAID, "token": own[:-1]}):
        assert say(hub, fields, Cookie=f"hallway_page={own}")[0] == 403
    assert bus.messages.inbox("s1") == []


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data", ""])
def test_what_is_no_form_is_refused(hub: HubProcess, kind: str) -> None:
    assert exchange(hub, "POST", "/page/say", "{}", Content_Type=kind)[0] == 400


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"body": "  "}, "invalid_input"),
        ({"to_session": "nobody"}, "session_not_found"),
        ({"to_session": "user:a/b"}, "invalid_input"),
        ({"type": "shout"}, "invalid_input"),
        ({"body": "x" * 70_000}, "too_large"),
        ({"body": "a\x00b"}, "invalid_input"),
    ],
)
def test_a_form_that_says_nonsense_gets_its_operations_error(
    hub: HubProcess, bus: LocalBus, fields: dict[str, str], code: str
) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    own = token(hub)
    status, _, body = say(hub, {**SAID, **fields, "token": own}, Cookie=f"hallway_page={own}")
    assert (status >= 400, json.loads(body)["error"]["code"]) == (True, code)


# -- what every answer says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/page/nothing", "/sessions", "/health", "/page/static/0/hallway.js"])
def test_every_answer_forbids_other_script_and_frames(hub: HubProcess, path: str) -> None:
    _, headers, _ = exchange(hub, "GET", path)
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_no_page_has_script_or_style_of_its_own_or_asks_elsewhere(tmp_path: Path, hub: HubProcess) -> None:
    play_on(hub)
    for address in addresses():
        _, _, text = exchange(hub, "GET", address)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/page/static/)|javascript:", text), address
        elsewhere = set(re.findall(r"(?:src|href|action)=\"(?:https?:)?//[^\"]*", text))
        assert all("acme" in each for each in elsewhere), elsewhere  # links in messages


def play_on(hub: HubProcess) -> None:
    """The scene, on the bus of a hub that runs."""
    play(hub.home)


def addresses() -> list[str]:
    known = {"session": "?id=login", "memory": f"?project={SHOP}", "entry": f"?key=db/orders&project={SHOP}"}
    return [f"{page.path}{known.get(page.name, '')}" for page in PAGES if page.name not in ("thread", "task")]


def test_every_page_has_a_twin_with_the_same_in_json(hub: HubProcess, bus: LocalBus) -> None:
    play_on(hub)
    twins: dict[str, Any] = {}
    sent = bus.messages.sent(limit=1)[0]
    task = bus.tasks.list_tasks()[0]
    queries = {
        "session": "?id=login",
        "thread": f"?id={sent.message_id}",
        "task": f"?id={task.task_id}",
        "memory": f"?project={SHOP}",
        "entry": f"?key=db/orders&project={SHOP}",
    }
    for page in PAGES:
        query = queries.get(page.name, "")
        status, headers, text = exchange(hub, "GET", page.path + query)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8"), text
        assert re.search(rf'<link rel="alternate" type="application/json" href="{re.escape(page.twin)}[?"]', text)
        status, headers, text = exchange(hub, "GET", page.twin + query)
        assert (status, headers["content-type"]) == (200, "application/json"), text
        twins[page.name] = json.loads(text)
    assert {each["session_id"] for each in twins["home"]["rows"]} >= {"login", "schema", "release"}
    waiting = [each["session_id"] for each in twins["home"]["needs"]["top"] if each["kind"] == "question"]
    assert waiting == ["release", "login"]
    top = [each["item_id"] for each in twins["home"]["needs"]["top"]]
    assert [each["item_id"] for each in twins["attention"]["items"]][: len(top)] == top
    assert twins["session"]["session"]["current_task"] == "which of the two designs do you prefer?"
    assert twins["entry"]["entry"]["version"] == 3
    assert twins["stats"]["stats"]["sessions"]["live"] == 7


def test_the_memory_page_says_when_no_entry_has_all_of_the_words(hub: HubProcess, bus: LocalBus) -> None:
    bus.sessions.register("login", "login claude", "claude-code")
    bus.memory.set("login", "db/orders", "the orders table")
    loose, exact = (
        exchange(hub, "GET", f"/page/memory?q={query}&project={SHOP}")[2] for query in ("orders%20nowhere", "orders")
    )
    assert "No entry has all of the words. These have some of them:" in loose
    assert "db/orders" in loose
    assert "db/orders" in exact
    assert "No entry has" not in exact


def test_pages_are_the_same_on_postgresql(tmp_path: Path) -> None:
    url = postgres.new_bus(postgres.server_url())
    try:
        with HubProcess(tmp_path / "hallway", "--store", url) as hub, open_store(url) as bus:
            bus.sessions.register("login", "login claude", "claude-code", status="waiting", current_task="may I?")
            sent = bus.messages.send("login", "user:alice", "request", "may I?", priority="urgent")
            task = bus.tasks.offer("login", "*", "mend the login form")
            bus.memory.set("login", "db/orders", [1], "fact")
            bus.files.touch("login", ["/src/shop/login.py"])
            known = {
                "session": "?id=login",
                "thread": f"?id={sent.message_id}",
                "task": f"?id={task.task_id}",
                "memory": "?q=orders",
                "entry": "?key=db/orders",
            }
            for page in PAGES:
                for path in (page.path, page.twin):
                    status, _, text = exchange(hub, "GET", path + known.get(page.name, ""))
                    assert status == 200, text
            home = json.loads(exchange(hub, "GET", "/page/home.json")[2])
            assert [each["what"] for each in home["needs"]["top"]] == ["may I?", "may I?"]
    finally:
        postgres.drop_bus(url)


def test_an_event_says_what_it_is_about(hub: HubProcess, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    bus.claims.claim("s1", ["src/api/**"])
    bus.sessions.rename("s1", "login-form")
    bus.events.append("request.overdue", SHOP, None, message_id="m1", subject="Which port?", to_session="user:alice")
    text = re.sub(r"<[^>]*>|\s+", " ", exchange(hub, "GET", "/")[2])
    text = re.sub(r" +", " ", text)
    for sentence in ("claims src/api/**", "is now called login-form", "alice has not answered in time: Which port?"):
        assert sentence in text


def test_events_of_any_shape_are_shown_and_hurt_no_page(hub: HubProcess, bus: LocalBus) -> None:
    """As an import of a file may bring them, or a newer hallway writes them."""
    bus.sessions.register("s1", "login claude", "claude-code")
    strange: list[Any] = [None, 7, "x", [1, None, {"a": []}], {"a": {"b": []}}, True, ["a"] * 300, ""]
    names = (
        "status",
        "current_task",
        "task_id",
        "subject",
        "key",
        "message_ids",
        "end_reason",
        "count",
        "type",
        "to_session",
        "message_id",
        "session_ids",
        "owner",
        "offered_to",
        "items",
        "keys",
        "get",
        "paths",
        "what",
        "name",
    )
    kinds = (
        "session.registered",
        "session.updated",
        "session.ended",
        "session.expired",
        "session.cleared",
        "session",
        "message.sent",
        "message.acknowledged",
        "message.injected",
        "task.offered",
        "memory.set",
        "request.overdue",
        "claim.granted",
        "attention.appeared",
        "session.renamed",
        "new.kind",
        "odd",
        "",
    )
    with bus.transaction():
        for kind in kinds:
            bus.events.append(kind, SHOP, "s1")
            bus.events.append(kind, "", None)
            for value in strange:
                bus.events.append(kind, SHOP, "s1", **dict.fromkeys(names, value))
    for page in ("/", "/page/session?id=s1", "/page/events", "/page/stats", "/page/messages", "/page/tasks"):
        status, _, text = exchange(hub, "GET", page)
        assert status == 200, text
        status, _, text = exchange(hub, "GET", page, HX_Request="true")
        assert (status, "<html" in text) == (200, False)
    assert "new.kind" in exchange(hub, "GET", "/page/events?kind=new")[2]


@pytest.mark.promise("M9")
def test_the_messages_can_be_those_requests_that_wait_for_an_answer(hub: HubProcess, bus: LocalBus) -> None:
    for name in ("alice", "bob"):
        bus.sessions.register(name, name, "codex", project=SHOP)
    asked = bus.messages.send("alice", "bob", "request", "which <port>?").message_id
    answered = bus.messages.send("alice", "bob", "request", "which host?").message_id
    bus.messages.reply("bob", answered, "localhost")
    bus.sessions.end("bob")
    status, _, text = exchange(hub, "GET", "/page/messages?requests=unanswered")
    assert (status, f'id="r-{asked}"' in text, "which host?" in text) == (200, True, False)
    assert "which &lt;port&gt;?" in text
    assert "recipient_gone" in text
    twin = json.loads(exchange(hub, "GET", "/page/messages.json?requests=unanswered&q=PORT")[2])
    assert [each["message_id"] for each in twin["requests"]] == [asked]
    assert json.loads(exchange(hub, "GET", "/page/messages.json?requests=unanswered&q=none")[2])["requests"] == []
    assert "has nobody who could answer it" in exchange(hub, "GET", f"/page/thread?id={asked}")[2]


def test_a_twin_of_what_is_not_there_is_an_error_as_everywhere(hub: HubProcess) -> None:
    status, _, text = exchange(hub, "GET", "/page/session.json?id=nobody")
    assert (status, json.loads(text)["error"]["code"]) == (404, "session_not_found")
    status, headers, text = exchange(hub, "GET", "/page/session?id=nobody")
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "session_not_found" in text


@pytest.mark.parametrize(
    "query", ["?page=0", "?page=99999", "?page=x", "?q=%00", "?q=" + "x" * 5000, "?project=", "?nothing=1"]
)
def test_a_strange_filter_is_no_error(hub: HubProcess, bus: LocalBus, query: str) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    assert exchange(hub, "GET", f"/{query}")[0] == 200


@pytest.mark.parametrize("path", ["/page/messages?before=x", "/page/events?before=-1", "/page/events?kind=no.such"])
def test_a_strange_place_to_go_on_from_is_no_error(hub: HubProcess, path: str) -> None:
    assert exchange(hub, "GET", path)[0] == 200


# -- files ------------------------------------------------------------------------------------------------------------


def test_vendored_files_are_what_they_were_when_they_were_taken() -> None:
    told = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del there["SHA256SUMS"]
    assert there == told
    assert all((VENDOR / f"{name}-LICENSE").exists() for name in ("htmx", "uplot"))


def test_files_are_kept_for_ever_under_their_digest_and_nowhere_else(hub: HubProcess) -> None:
    _, _, text = exchange(hub, "GET", "/")
    paths = re.findall(r'(?:src|href)="(/page/static/[^"]+)"', text)
    assert len(paths) >= 5
    for path in paths:
        status, headers, _ = exchange(hub, "GET", path)
        assert (status, "immutable" in headers["cache-control"]) == (200, True)
    assert exchange(hub, "GET", "/page/static/0000000000000000/hallway.js")[0] == 404
    assert exchange(hub, "GET", "/page/static/0/..%2Fpages.py")[0] == 404
