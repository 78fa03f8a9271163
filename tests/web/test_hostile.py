"""Text from other sessions does nothing on a page but stand there (A3)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from hallway.web.render import address
from web.conftest import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from hallway.bus.local import LocalBus

SCRIPT = "<script>window.hurt=1</script>"
IMAGE = "<img src=x onerror=window.hurt=1>"
BREAKS_OUT = '"><svg onload=window.hurt=1><a href="javascript:window.hurt=1">x</a>'
MORE = "'};window.hurt=1;//</title></style></textarea></script><iframe srcdoc='<script>top.hurt=1</script>'>"
HTMX = (
    '<b hx-get="/page/stats" hx-trigger="load" hx-on:load="window.hurt=1"></b>'
    '<hx-partial hx-target="body">gone</hx-partial>'
)
JINJA = "{{ 7*7 }}{% raise %}${7*7}"
BIDI = "\u202eevil\u2066\u2069\u200f רשע"  # turns the line around
LINE_BREAKERS = "\u2028\u2029\u0085"
HOSTILE = [SCRIPT, IMAGE, BREAKS_OUT, MORE, HTMX, JINJA, BIDI + LINE_BREAKERS]
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


@pytest.fixture
def addresses(bus: LocalBus) -> list[str]:
    """Pages of a bus with hostile text in every field that takes it."""
    written = [text for text in HOSTILE if "\u0085" not in text]  # what holds a control is not taken by the bus at all
    hostile = "".join(written) + BIDI + "\u2028\u2029"
    short = (SCRIPT + IMAGE + BIDI)[:64]
    bus.sessions.register(
        "<b>s1</b>".replace("/", "\\"),
        hostile[:200],
        short,
        hostile[:200],
        [short],
        {hostile[:60]: hostile},
        hostile[:900].replace("\n", " "),
        current_task=hostile,
        status="waiting",
        location=f"{short}:{hostile}",
        branch=hostile[:400],
    )
    session_id = "<b>s1<\\b>"
    bus.sessions.set_status_detail(session_id, {SCRIPT: [hostile, {"x": IMAGE}]})
    asked = bus.messages.send(
        session_id,
        "user:alice",
        "request",
        hostile[:200],
        f"{hostile}\njavascript:alert(1) data:text/html,x "
        f'https://good.example/a?b=1&c=%22<script> http://x.example/"onmouseover=hurt',
        {SCRIPT: hostile},
        priority="urgent",
    )
    bus.messages.send("user:<i>eve<\\i>", session_id, "notification", hostile[:200], priority="urgent")
    task = bus.tasks.offer(session_id, "*", hostile[:200], hostile, {SCRIPT: IMAGE})
    bus.memory.set(session_id, hostile[:500], {SCRIPT: hostile}, "fact", tags=[short])
    bus.memory.set(session_id, hostile[:500], [hostile, IMAGE], "fact", tags=[short])
    bus.memory.set(session_id, "plain", f"{hostile} token", "note")
    bus.sessions.register("gone", "x", "codex")
    bus.sessions.end("gone", hostile[:200])
    project = bus.sessions.get(session_id).project
    return [
        "/",
        address("/page/session", id=session_id),
        "/page/attention",
        "/page/inbox",
        "/page/messages",
        address("/page/thread", id=asked.message_id),
        "/page/tasks",
        address("/page/task", id=task.task_id),
        address("/page/memory", project=project),
        address("/page/memory", project=project, q="token"),
        address("/page/entry", project=project, key=hostile[:500]),
        address("/page/entry", project=project, key="plain"),
        "/page/events",
        "/page/stats",
        address("/page/session", id=SCRIPT + BIDI),
        address("/", q=BREAKS_OUT, project=IMAGE, status=MORE, agent=HTMX),
        address("/page/messages", q=MORE, type=SCRIPT),
        address("/page/memory", q=MORE, tag=BREAKS_OUT, project=MORE),
        address("/page/events", kind=IMAGE, project=SCRIPT),
        address("/page/entry", key=SCRIPT, project=BREAKS_OUT),
    ]


@pytest.mark.promise("A3")
def test_hostile_text_does_nothing_on_any_page(
    open_tab: Callable[..., Page], bus: LocalBus, addresses: list[str]
) -> None:
    page = open_tab("/page/stats")
    for number, where in enumerate(addresses):
        page.goto(where)
        live(page)
        check(page, where)
        # And when it comes in by an update.
        bus.sessions.update_status("<b>s1<\\b>", "waiting", f"{IMAGE}{HTMX} {number}")
        bus.messages.send("<b>s1<\\b>", "user:alice", body=f"{SCRIPT}{HTMX} {number}")
        page.wait_for_timeout(300)
        check(page, where)


PLANTED = "main script, main iframe, main img, main b[hx-get], [onerror], [onload], hx-partial, template"
ADDRESSES = "[...document.querySelectorAll('a')].map((a) => new URL(a.href.baseVal ?? a.href, location).protocol)"
LABELS = """[document.title, ...[...document.querySelectorAll('[title], [aria-label]')].map(
    (each) => `${each.title} ${each.ariaLabel}`)]"""


def check(page: Page, address: str) -> None:
    """Nothing of the hostile text has become anything but text."""
    assert page.evaluate("window.hurt") is None, address
    assert page.locator(PLANTED).count() == 0, address
    assert page.evaluate("location.pathname + location.search") == address
    assert set(page.evaluate(ADDRESSES)) <= {"http:", "https:"}, address
    shown = [page.evaluate("document.body.innerText"), *page.evaluate(LABELS)]
    assert not [text for text in shown if STEERING.search(text)], address
    assert "{{ 7*7 }}" in shown[0] or "49" not in shown[0], address


@pytest.mark.promise("A3")
def test_hostile_text_is_shown_as_it_was_written(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", IMAGE, "codex")
    sent = bus.messages.send("s1", "user:alice", "request", "look", f"{SCRIPT}\n{BREAKS_OUT} {JINJA} {BIDI}")
    page = open_tab(f"/page/thread?id={sent.message_id}")
    expect(page.locator(".text")).to_contain_text(SCRIPT)
    expect(page.locator(".text")).to_contain_text(BREAKS_OUT)
    expect(page.locator(".text")).to_contain_text("{{ 7*7 }}{% raise %}${7*7}")
    expect(page.locator(".text")).to_contain_text("\ufffdevil\ufffd\ufffd\ufffd רשע")
    page.goto(page.url.partition("/page")[0] + "/page/session?id=s1")
    expect(page.locator(".facts")).to_contain_text(IMAGE)


@pytest.mark.promise("A3")
def test_only_web_addresses_become_links(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "x", "codex")
    sent = bus.messages.send(
        "s1",
        "user:alice",
        "request",
        "look",
        "see https://good.example/a?b=1&c=2. and (http://plain.example/x), not javascript:alert(1), data:text/html,x, "
        'ftp://old.example, HTTPS//x, https://quote.example/"onmouseover="hurt, https://angle.example/<b>',
    )
    page = open_tab(f"/page/thread?id={sent.message_id}")
    links = page.locator(".text a")
    assert [each.get_attribute("href") for each in links.all()] == [
        "https://good.example/a?b=1&c=2",
        "http://plain.example/x",
        "https://quote.example/",
        "https://angle.example/",
    ]
    assert {each.get_attribute("rel") for each in links.all()} == {"noopener noreferrer nofollow"}


@pytest.mark.promise("A3")
def test_script_that_got_into_a_page_would_not_run(open_tab: Callable[..., Page]) -> None:
    """The policy is the second lock: markup is put into the page past all escaping, and the browser refuses it."""
    page = open_tab("/")
    live(page)
    page.evaluate(
        """(texts) => { for (const text of texts) {
            const place = document.createElement("div");
            place.innerHTML = text;
            document.body.append(place);
            const script = document.createElement("script");
            script.textContent = "window.hurt = 1";
            document.body.append(script);
        } }""",
        [IMAGE, BREAKS_OUT, '<a id="trap" href="javascript:window.hurt=1">x</a>'],
    )
    page.locator("#trap").click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is None
    errors: list[str] = open_tab.errors  # type: ignore[attr-defined]
    assert any("Content Security Policy" in each or "Content-Security-Policy" in each for each in errors)
    errors.clear()


def test_the_twins_give_hostile_text_as_json(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", SCRIPT, "codex", current_task=BIDI)
    answer = open_tab("/page/stats").request.get("/page/session.json?id=s1")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text())["session"]["agent_name"] == SCRIPT
