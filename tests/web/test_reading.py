"""What a person reads on the page: whole numbers, found messages, kept filters, code as code, and honest ages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from hallway.web.render import prose
from hub.process import HubProcess
from web.conftest import PATIENCE_MS, live
from web.scene import INFRA, SHOP, play
from web.test_http import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from hallway.bus.local import LocalBus

expect.set_options(timeout=PATIENCE_MS)

PERSON = "user:alice"
SENTENCE = "A sentence of usual length that says what was done, what is next, and who should look at it. "
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for session_id, name in (("s1", "login-form"), ("s2", "checkout")):
        bus.sessions.register(session_id, f"{name}'s agent", "codex", name=name, ttl_s=86_400, project=SHOP)
    bus.sessions.register("s3", "release's agent", "claude-code", name="release", ttl_s=86_400, project=INFRA)
    return bus


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_number_of_the_statistics_is_clipped(open_tab: Callable[..., Page], team: LocalBus, width: int) -> None:
    with team.transaction():
        for number in range(120):
            team.sessions.register(f"n{number}", f"n{number}", "opencode", ttl_s=86_400)
            team.messages.send("s1", "s2", body=f"message {number}")
    page = open_tab("/page/stats", viewport={"width": width, "height": 900})
    expect(page.locator(".breakdowns")).to_contain_text("120")
    clipped = """() => [...document.querySelectorAll(".numbers dd, .small td")].filter((each) => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return range.getBoundingClientRect().width > each.clientWidth + 1;
    }).map((each) => each.textContent)"""
    assert page.evaluate(clipped) == []


# -- search and filters -----------------------------------------------------------------------------------------------


def test_a_search_finds_every_message_by_its_words_and_marks_them(
    open_tab: Callable[..., Page], team: LocalBus
) -> None:
    wanted = team.messages.send("s1", "s2", subject="The parser", body="It fails on a trailing comma <b>here</b>.")
    with team.transaction():
        for number in range(300):  # more than the page of threads looks at
            team.messages.send("s1", "s2", body=f"message {number}")
    page = open_tab("/page/messages")
    live(page)
    page.locator("[data-search]").fill("trailing comma")
    expect(page.locator("tbody tr")).to_have_count(1)
    row = page.locator(f"#h-{wanted.message_id}")
    expect(row.locator("mark")).to_have_text(["trailing", "comma"])
    expect(row).to_contain_text("<b>here</b>")
    team.messages.send("s2", "s1", body="Another trailing comma.")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("[data-filter] select[name=project]").select_option(INFRA)
    expect(page.locator("#live")).to_contain_text("No matches.")


def test_a_search_of_messages_comes_in_pages_and_as_json(hub: HubProcess, team: LocalBus) -> None:
    with team.transaction():
        for number in range(60):
            team.messages.send("s1", "s2", body=f"orders {number}")
    first = json.loads(exchange(hub, "GET", "/page/messages.json?q=orders")[2])
    after = first["hits"][-1]["cursor"]
    assert first["following"] == after
    second = json.loads(exchange(hub, "GET", f"/page/messages.json?q=orders&after={after}")[2])
    ids = {each["message_id"] for each in (*first["hits"], *second["hits"])}
    assert (len(first["hits"]), len(second["hits"]), len(ids)) == (50, 10, 60)
    assert "some of them" in exchange(hub, "GET", "/page/messages?q=orders+nowhere")[2]


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "plain"])
def test_the_project_filter_holds_from_page_to_page(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    sent = {each: team.messages.send(each, PERSON, "request", f"May I, {each}?") for each in ("s1", "s3")}
    for session_id in sent:
        team.tasks.offer(session_id, PERSON, f"task of {session_id}")
        team.claims.claim(session_id, [f"{session_id}.py"])
    page = open_tab("/", java_script_enabled=has_script)
    page.locator("[data-filter] select[name=project]").select_option(INFRA)
    if not has_script:
        page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#needs")).not_to_contain_text("May I, s1?")
    expect(page.locator("#needs")).to_contain_text("May I, s3?")
    for name, there, elsewhere in (
        ("Messages", "May I, s3?", "May I, s1?"),
        ("Tasks", "task of s3", "task of s1"),
        ("Claims", "s3.py", "s1.py"),
        ("Events", "s3.py", "s1.py"),
    ):
        page.get_by_role("navigation", name="Pages").first.get_by_role("link", name=name).click()
        expect(page.locator("[data-filter] select[name=project]")).to_have_value(INFRA)
        expect(page.locator("#live")).to_contain_text(there)
        assert elsewhere not in page.locator("#live").inner_text()
    page.goto(f"/page/thread?id={sent['s3'].message_id}")  # a page without a filter
    page.get_by_role("link", name="Sessions", exact=True).click()
    expect(page.locator("[data-filter] select[name=project]")).to_have_value(INFRA)
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto(f"/page/thread?id={sent['s3'].message_id}")
    page.get_by_role("link", name="Tasks").click()
    expect(page.locator(".card")).to_have_count(2)


def test_columns_sort_and_the_address_keeps_the_order(open_tab: Callable[..., Page], team: LocalBus) -> None:
    for number in range(3):
        team.messages.send("s1", "s2", body=f"message {number}")
    page = open_tab("/")
    live(page)

    def order() -> list[str]:
        return [each.get_attribute("id") or "" for each in page.locator("#rows tr").all()]

    page.get_by_role("link", name="Session", exact=True).click()
    assert order() == ["s-s2", "s-s1", "s-s3"]  # checkout, login-form, release
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Session")
    page.get_by_role("link", name="Session ↑").click()
    assert order() == ["s-s3", "s-s1", "s-s2"]
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Session")
    live(page)
    page.locator("[data-search]").fill("agent")
    page.wait_for_url("**sort=-name**")
    expect(page.locator("#rows tr")).to_have_count(3)
    assert order() == ["s-s3", "s-s1", "s-s2"]
    page.goto("/?sort=-unread")
    assert order()[0] == "s-s2"


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (390, ["Session", "Status", "Since", "Task"]),
        (768, ["Session", "Status", "Since", "Task", "Unread", "Project", "Agent"]),
        (1440, ["Session", "Status", "Since", "Task", "Unread", "Project", "Branch", "Agent"]),
        (1920, ["Session", "Status", "Since", "Task", "Unread", "Project", "Branch", "Agent", "Host", "Last seen"]),
    ],
)
def test_a_narrower_window_has_fewer_columns(
    open_tab: Callable[..., Page], team: LocalBus, width: int, columns: list[str]
) -> None:
    team.sessions.heartbeat("s1", current_task="mend the form")
    page = open_tab("/", viewport={"width": width, "height": 800})
    shown = "(row) => [...row.children].map((cell, at) => cell.checkVisibility() ? at : -1).filter((at) => at >= 0)"
    headings = [each.strip() for each in page.locator("thead th").all_text_contents()]
    found = page.locator("#s-s1").evaluate(shown)
    assert [headings[at] for at in found if headings[at] in columns] == columns
    assert len(found) <= len(columns) + (1 if width == 390 else 0)  # there the count of unread messages is a badge


# -- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_no_line_of_a_text_is_longer_than_90_characters(
    open_tab: Callable[..., Page], team: LocalBus, width: int
) -> None:
    sent = team.messages.send("s1", PERSON, "request", "Read this", SENTENCE * 8)
    team.memory.set("s1", "story", SENTENCE * 8, "note")
    page = open_tab("/", viewport={"width": width, "height": 900})
    longest = """(each) => {
        const rows = new Map(), range = document.createRange();
        const text = [...each.childNodes].find((node) => node.textContent.length > 100).firstChild ?? each.firstChild;
        for (let at = 0; at < text.length; at++) {
            range.setStart(text, at); range.setEnd(text, at + 1);
            const top = Math.round(range.getBoundingClientRect().top);
            rows.set(top, (rows.get(top) ?? 0) + 1);
        }
        return Math.max(...rows.values());
    }"""
    for where, selector in (
        ("/", "#needs .question"),
        (f"/page/thread?id={sent.message_id}", ".text"),
        ("/page/inbox", ".text"),
        (f"/page/entry?key=story&project={SHOP}", ".text"),
    ):
        page.goto(where)
        found = page.locator(selector).first.evaluate(longest)
        assert 20 < found <= 90, where


def test_code_is_shown_as_code(open_tab: Callable[..., Page], team: LocalBus) -> None:
    body = "Look at `total()`:\n```python\ndef total():\n    return '<b>' + \"`\"\n```\nand tell me."
    sent = team.messages.send("s1", PERSON, "request", "A question", body)
    page = open_tab(f"/page/thread?id={sent.message_id}")
    assert page.locator("pre.code code").text_content() == "def total():\n    return '<b>' + \"`\"\n"
    expect(page.locator(".text code")).to_have_text("total()")
    expect(page.locator(".text").last).to_have_text("and tell me.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", '<p class="text" dir="auto">plain</p>'),
        ("", ""),
        ("```\n<i>\n```", '<pre class="code"><code>&lt;i&gt;\n</code></pre>'),
        ("a\n```js\nopen", '<p class="text" dir="auto">a</p><pre class="code"><code>open</code></pre>'),
        (
            "```\nx\n```\n```\ny\n```",
            '<pre class="code"><code>x\n</code></pre><pre class="code"><code>y\n</code></pre>',
        ),
        ("`<b>` and `", '<p class="text" dir="auto"><code>&lt;b&gt;</code> and `</p>'),
        ("`https://x.example`", '<p class="text" dir="auto"><code>https://x.example</code></p>'),
        ("```\n\x1b[31m\u202e\n```", '<pre class="code"><code>\u241b[31m\ufffd\n</code></pre>'),
        ("a\r\n```\r\nb\r\n```\r\n", '<p class="text" dir="auto">a</p><pre class="code"><code>b\n</code></pre>'),
    ],
)
@pytest.mark.promise("A3")
def test_code_in_a_text_is_escaped_and_cleaned(text: str, shown: str) -> None:
    assert prose(text) == shown


def test_a_thread_says_its_subject_once(open_tab: Callable[..., Page], team: LocalBus) -> None:
    first = team.messages.send("s1", "s2", "request", "Which port?", "For the database.")
    team.messages.reply("s2", first.message_id, "5432")
    other = team.messages.send("s1", "s2", "notification", "Another subject", "text", in_reply_to=first.message_id)
    page = open_tab(f"/page/thread?id={first.message_id}")
    live(page)
    assert page.locator("main").inner_text().count("Which port?") == 1
    expect(page.locator(f"#m-{other.message_id}")).to_contain_text("Another subject")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('li').textContent.includes('5432')")


def test_a_message_of_a_session_to_itself_is_shown_once(open_tab: Callable[..., Page], team: LocalBus) -> None:
    team.messages.send("s1", "s1", subject="a note to myself")
    team.messages.send("s1", "s2", subject="to another")
    page = open_tab("/page/session?id=s1")
    expect(page.locator("#talk .subject")).to_have_text(["to another", "a note to myself"])


def test_every_page_is_in_sight_in_the_menu_of_a_tablet(open_tab: Callable[..., Page], team: LocalBus) -> None:
    for number in range(12):
        team.messages.send("s1", PERSON, subject=f"message {number}")
    page = open_tab("/", viewport={"width": 768, "height": 1024})
    expect(page.locator("#menu .badge")).to_contain_text("12")
    assert page.locator("#menu").evaluate("(menu) => menu.scrollWidth - menu.clientWidth") <= 0


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_where_an_item_is_from_breaks_between_words_first(
    open_tab: Callable[..., Page], team: LocalBus, width: int
) -> None:
    team.sessions.register("s9", "x", "claude-code", name="cdn", branch="perf/cdn-cache", project=INFRA)
    team.messages.send("s9", PERSON, "request", "May I?")
    page = open_tab("/", viewport={"width": width, "height": 800})
    lines = "(each) => new Set([...each.getClientRects()].map((rect) => Math.round(rect.top))).size"
    parts = page.locator(".need-where > *")
    expect(parts).to_have_text(["infra", "perf/cdn-cache", "claude-code"])
    heights = [part.evaluate("(each) => each.getBoundingClientRect().height") for part in parts.all()]
    assert max(heights) < 24
    assert [part.evaluate(lines) for part in parts.all()] == [1, 1, 1]


def test_bold_means_unread(open_tab: Callable[..., Page], team: LocalBus) -> None:
    unread = team.messages.send("s1", PERSON, subject="not read yet")
    read = team.messages.send("s1", PERSON, subject="read before")
    team.messages.acknowledge(PERSON, [read.message_id])
    page = open_tab("/page/messages")
    weight = "(each) => Number(getComputedStyle(each).fontWeight)"
    assert page.locator(f"#row-{unread.thread_id}").evaluate(weight) >= 600
    assert page.locator(f"#row-{read.thread_id}").evaluate(weight) == 400
    page.goto("/page/inbox")
    assert page.locator(".subject").evaluate(weight) >= 600
    page.goto("/page/session?id=s1")
    assert {each.evaluate(weight) for each in page.locator(".subject").all()} == {400}  # what it sent itself


# -- what is not there ------------------------------------------------------------------------------------------------


def test_a_hub_that_is_gone_is_told_at_once_and_ages_stand_still(
    open_tab: Callable[..., Page], hub: HubProcess, team: LocalBus
) -> None:
    page = open_tab("/")
    live(page)
    expect(page.locator("#s-s1")).to_be_visible()
    hub.stop()
    banner = page.locator("#banner")
    expect(banner).to_contain_text(re.compile(r"The hub does not answer: data from \d\d:\d\d\."))
    ages = page.locator("#rows time").all_inner_texts()
    page.evaluate("Date.now = ((real) => () => real() + 3600e3)(Date.now)")
    page.wait_for_timeout(2500)
    assert page.locator("#rows time").all_inner_texts() == ages
    with HubProcess(hub.home, port=hub.port):
        expect(banner).to_be_hidden()
        live(page)


@pytest.mark.parametrize("path", ["/page/nothing", "/nothing", "/page/%3Cb%3E", "/page/a/b/c"])
def test_an_unknown_page_is_a_page_for_browsers_and_json_for_programs(hub: HubProcess, path: str) -> None:
    status, headers, text = exchange(hub, "GET", path, **BROWSER)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "there is nothing at" in text
    assert 'href="/"' in text
    assert "<b>" not in text
    status, headers, text = exchange(hub, "GET", path, HX_Request="true")  # an update of the page
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<html" not in text
    status, headers, text = exchange(hub, "GET", path, Accept="*/*")
    assert (status, json.loads(text)["error"]["code"]) == (404, "not_found")
    status, headers, text = exchange(hub, "POST", path, **BROWSER)
    assert headers["content-type"] == "application/json"


def test_the_first_item_is_a_few_tabs_away(open_tab: Callable[..., Page], hub: HubProcess) -> None:
    play(hub.home)
    page = open_tab("/")
    live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('[data-row]')"):
            break
    assert page.evaluate("document.activeElement.closest('li')?.id") == page.locator(".need").first.get_attribute("id")
