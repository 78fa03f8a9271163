"""The browser tells of what needs attention, if the person switched that on: each item once, its headline only (H3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from support import until
from web.conftest import PATIENCE_MS, live
from web.test_page import hide

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from hallway.bus.local import LocalBus
    from hub.process import HubProcess

# What the page shows by the browser's own constructor is also written down, in all tabs of a context.
RECORD = """
window.Notification = new Proxy(window.Notification, {
  construct(target, arguments_) {
    recordNotification(arguments_[0], arguments_[1].tag);
    return Reflect.construct(target, arguments_);
  },
});
"""
ON, OFF = "Notify me in this browser", "Stop notifying me in this browser"


class Tabs:
    """Tabs of one browser whose notifications are written down, as pairs of headline and item."""

    def __init__(self, page: Page) -> None:
        self.context: BrowserContext = page.context
        self.first = page
        self.sent: list[tuple[str, str]] = []
        self.context.expose_function("recordNotification", lambda *sent: self.sent.append(sent))
        self.context.add_init_script(RECORD)
        page.reload()
        live(page)

    def open(self, address: str = "/") -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        return page

    @property
    def headlines(self) -> list[str]:
        return [headline for headline, _ in self.sent]

    def waits_for(self, count: int) -> None:
        """Wait for so many notifications; the driver hears of them only while it is asked something."""
        until(lambda: self.first.evaluate("1") and len(self.sent) >= count)


@pytest.fixture
def tabs(open_tab: Callable[..., Any], bus: LocalBus) -> Tabs:
    bus.sessions.register("s1", "login-form's agent", "codex", name="login-form", ttl_s=86_400, status="working")
    return Tabs(open_tab("/", permissions=["notifications"]))


def ask(bus: LocalBus, question: str) -> None:
    bus.sessions.update_status("s1", "waiting", reason="question", detail=question)


def switch(page: Page, before: str, after: str) -> None:
    page.get_by_role("button", name=before).click()
    expect(page.get_by_role("button", name=after)).to_be_visible()


@pytest.mark.promise("H3")
def test_a_person_switches_notifications_on_and_a_hidden_tab_tells_of_each_item_once(tabs: Tabs, bus: LocalBus) -> None:
    page = tabs.first
    ask(bus, "There already?")
    expect(page.locator("#needs")).to_contain_text("There already?")
    switch(page, ON, OFF)
    hide(page, True)
    ask(bus, "Which port?")
    tabs.waits_for(1)
    assert tabs.headlines == ["login-form asks a question (shop)"]
    expect(page).to_have_title("(1) Sessions · hallway")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", badge(page))
    bus.messages.send("s1", "user:alice", "request", "And which host?")
    tabs.waits_for(2)
    assert tabs.headlines[1] == "login-form asks you (shop)"
    expect(page).to_have_title("(2) Sessions · hallway")
    assert not any("port" in headline or "host" in headline for headline in tabs.headlines)
    page.reload()
    live(page)
    bus.messages.send("s1", "user:alice", "request", "After a reload?")
    hide(page, True)
    tabs.waits_for(3)
    assert len({item for _, item in tabs.sent}) == len(tabs.sent) == 3


def badge(page: Page) -> str:
    found: str = page.locator("link[rel=icon]").evaluate("link => link.dataset.badge")
    return found


@pytest.mark.promise("H3")
def test_of_several_tabs_one_tells_and_another_one_when_that_is_closed(tabs: Tabs, bus: LocalBus) -> None:
    switch(tabs.first, ON, OFF)
    others = [tabs.open("/page/memory"), tabs.open("/page/tasks")]
    asking: list[str] = []
    for name, each in zip("abc", (tabs.first, *others), strict=True):
        expect(each.get_by_role("button", name=OFF)).to_be_visible()
        hide(each, True)
        each.on("request", lambda sent, name=name: asking.append(name) if "/page/headlines" in sent.url else None)
    ask(bus, "Which port?")
    tabs.waits_for(1)
    assert set(asking) == {"a"}, "another tab than the first one follows the list, too"
    for each in others:  # the count goes to all tabs
        until(lambda each=each: each.title().startswith("(1) "))
    tabs.first.close()
    tabs.first = others[0]
    ask(bus, "And which host?")
    tabs.waits_for(2)
    ask(bus, "And which path?")
    tabs.waits_for(3)
    assert len({item for _, item in tabs.sent}) == len(tabs.sent) == 3


@pytest.mark.promise("H3")
def test_what_a_tab_in_front_shows_and_what_goes_by_itself_is_not_told(tabs: Tabs, bus: LocalBus) -> None:
    page = tabs.first
    switch(page, ON, OFF)
    hidden = tabs.open("/page/memory")
    hide(hidden, True)
    ask(bus, "In front?")
    expect(page.locator("#needs")).to_contain_text("In front?")
    told = "() => JSON.parse(localStorage.getItem('hallway_told')).ids.length"
    until(lambda: page.evaluate(told) == 1)
    hide(page, True)
    bus.messages.send("s1", "user:alice", "request", "Hidden")
    tabs.waits_for(1)
    bus.sessions.update_status("s1", "waiting", reason="permission", detail="rm")
    bus.sessions.update_status("s1", "working")
    bus.messages.send("s1", "user:alice", "request", "Hidden, too")
    tabs.waits_for(2)
    assert tabs.headlines == ["login-form asks you (shop)"] * 2


@pytest.mark.promise("H3")
def test_nothing_is_asked_or_sent_before_the_person_clicks_and_after_it_is_off(tabs: Tabs, bus: LocalBus) -> None:
    page = tabs.first
    asked = page.evaluate(
        "() => { window.asked = 0; Notification.requestPermission = () => { window.asked++; }; return 0; }"
    )
    assert asked == 0
    hide(page, True)
    ask(bus, "Which port?")
    hide(page, False)
    expect(page.locator("#needs")).to_contain_text("Which port?")
    assert page.evaluate("window.asked") == 0
    page.reload()
    switch(page, ON, OFF)
    switch(page, OFF, ON)
    hide(page, True)
    ask(bus, "And which host?")
    hide(page, False)
    expect(page.locator("#needs")).to_contain_text("And which host?")
    switch(page, ON, OFF)
    hide(page, True)
    ask(bus, "And which path?")
    tabs.waits_for(1)
    assert tabs.headlines == ["login-form asks a question (shop)"]


@pytest.mark.promise("H3")
def test_a_browser_that_blocks_notifications_says_so(open_tab: Callable[..., Any], bus: LocalBus) -> None:
    page = open_tab("/")
    page.add_init_script('Object.defineProperty(Notification, "permission", { get: () => "denied" });')
    page.reload()
    expect(page.get_by_role("button", name="This browser blocks notifications")).to_be_disabled()


@pytest.mark.promise("H3")
def test_who_looks_at_the_list_has_looked(tabs: Tabs, bus: LocalBus, hub: HubProcess) -> None:
    ask(bus, "Which port?")
    expect(tabs.first.locator("#needs")).to_contain_text("Which port?")
    (item,) = bus.attention.read().items
    asked = {"channel": "phone", "item_id": item.item_id, "unless_seen": True}
    until(lambda: tabs.first.evaluate("1") and looked(bus))
    turn = bus.notifications.take(**asked, holder="h")
    assert (turn.may_send, turn.is_settled) == (False, True)


def looked(bus: LocalBus) -> bool:
    """Whether alice has looked at the list since its newest item appeared."""
    (at,) = bus.store.one("notifications.looked_at", person="user:alice") or (0,)
    appeared = bus.store.one("notifications.open_item", item_id=bus.attention.read().items[0].item_id)
    return appeared is not None and at >= appeared[1]


@pytest.mark.promise("H3")
def test_the_headlines_hold_no_text_and_need_the_rights_of_the_page(hub: HubProcess, bus: LocalBus, tabs: Tabs) -> None:
    ask(bus, "Which secret port?")
    answer = tabs.first.request.get("/page/headlines")
    assert answer.json()["items"][0]["headline"] == "login-form asks a question (shop)"
    assert answer.json()["total"] == 1
    assert "secret" not in answer.text()
