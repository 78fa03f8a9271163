"""The page in a browser, on a hub that other processes feed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from hallway.text.style import duration
from hub.process import HubProcess
from support import until
from web.conftest import PATIENCE_MS, live

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

    from playwright.sync_api import Page

    from hallway.bus.local import LocalBus

expect.set_options(timeout=PATIENCE_MS)


def row(page: Page, session_id: str):  # type: ignore[no-untyped-def]
    return page.locator(f"#s-{session_id}")


def test_an_empty_bus_says_what_to_type(tab: Page) -> None:
    expect(tab.locator("#people")).to_contain_text("hallway install")
    expect(tab.locator("#needs")).to_contain_text("All clear.")


def test_a_session_appears_changes_and_goes_offline_without_a_reload(
    tab: Page, hub: HubProcess, start: Callable[..., Popen[str]]
) -> None:
    tab.evaluate("window.isSamePage = true")
    agent = start("live_a_life", str(hub.bus_file))
    expect(row(tab, "s1")).to_contain_text("active")
    agent.stdin.write("work\n")
    agent.stdin.flush()
    expect(row(tab, "s1")).to_contain_text("working")
    expect(row(tab, "s1")).to_contain_text("mend the login form")
    agent.stdin.write("wait\n")
    agent.stdin.flush()
    expect(tab.locator("#needs .is-question")).to_contain_text("may I run the migration?")
    expect(tab).to_have_title(re.compile(r"\(1\) Sessions"))
    agent.stdin.write("end\n")
    agent.stdin.flush()
    expect(row(tab, "s1")).to_contain_text("offline")
    expect(tab.locator("#needs")).to_contain_text("All clear.")
    assert tab.evaluate("window.isSamePage")


def test_a_session_that_falls_silent_goes_offline_on_the_page(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("s1", "alice's agent", "codex", ttl_s=10)
    expect(row(tab, "s1")).to_contain_text("active")
    expect(row(tab, "s1")).to_contain_text("offline")
    expect(tab.locator("#feed")).to_contain_text("has gone silent")


def test_a_message_typed_on_the_page_reaches_a_session_and_its_reply_shows_up(
    open_tab: Callable[..., Page], hub: HubProcess, start: Callable[..., Popen[str]]
) -> None:
    agent = start("answer_one", str(hub.bus_file), "s1")
    assert agent.stdout.readline() == "ready\n"
    page = open_tab("/page/session?id=s1")
    live(page)
    page.keyboard.press("r")
    expect(page.locator("[data-reply]")).to_be_focused()
    page.keyboard.type("Which form do you mean?\nThe old one?")
    page.locator("[name=priority]").check()
    page.locator("[data-reply]").press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("In the inbox of shop, who is active.")
    expect(page.locator("[data-reply]")).to_have_value("")
    assert agent.stdout.readline() == "urgent request from user:alice: 'Which form do you mean?\\nThe old one?'\n"
    expect(page.locator("#talk")).to_contain_text("the new one")
    expect(page.locator("#talk li.is-in")).to_contain_text("acknowledged")
    page.goto("/")
    page.get_by_role("link", name="Inbox").click()
    expect(page.locator("#live")).to_contain_text("the new one")
    page.get_by_role("button", name="done").click()
    page.mouse.move(5, 5)
    expect(page.locator("#live")).to_contain_text("Nothing is in your inbox.")


def test_what_needs_a_person_is_on_top(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("a", "first", "codex", location="laptop:/src/shop")
    bus.sessions.register("b", "second", "codex", location="laptop:/src/shop")
    bus.sessions.register("c", "third", "codex", location="another:/src/shop")
    needs = tab.locator("#needs")
    for name in "abc":
        bus.files.touch(name, ["/src/shop/cart.py", f"/src/shop/{name}.py"])
    bus.messages.send("a", "user:alice", subject="only to tell you")
    task = bus.tasks.offer("a", "user:alice", "mend the cart")
    bus.sessions.update_status("c", "waiting", reason="permission", detail="Bash: make deploy")
    bus.messages.send("b", "user:alice", "request", "production is down", priority="urgent")
    expect(needs.locator(".need:visible")).to_have_count(4)
    expect(needs.locator(".need:visible").nth(3)).to_contain_text(
        "cart.py: shop-2 writes it, too, in the same worktree"
    )
    expect(needs.locator(".need:visible").nth(0)).to_contain_text("production is down")
    expect(needs.locator(".need:visible").nth(1)).to_contain_text("Bash: make deploy")
    expect(needs.locator(".need:visible").nth(2)).to_contain_text("mend the cart")
    expect(tab.get_by_role("link", name="Inbox").locator(".badge")).to_contain_text("3")
    bus.messages.acknowledge("user:alice", [each.message_id for each in bus.messages.inbox("user:alice")])
    bus.tasks.accept("user:alice", task.task_id)
    bus.messages.mark_injected("a", [each.message_id for each in bus.messages.inbox("a")])
    bus.sessions.update_status("c", "working")
    expect(needs.locator(".need:visible")).to_have_count(1)
    assert "third" not in needs.inner_text()  # the same path on another machine is another file
    bus.sessions.end("a")
    expect(needs).to_contain_text("All clear.")


def test_claims_are_shown_and_a_person_ends_one(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    page = open_tab("/page/claims")
    live(page)
    expect(page.locator("#live")).to_contain_text("Nothing is claimed.")
    for session_id, name in (("s1", "login-form"), ("s2", "checkout")):
        bus.sessions.register(session_id, f"{name}'s agent", "codex", name=name, ttl_s=86_400)
    bus.claims.claim("s1", ["src/api/**", "README.md"], "new <b>handlers</b>", ttl_s=7200)
    bus.claims.claim("s2", ["src/api/users.py"], queue_s=3600)
    bus.claims.claim("s2", ["docs/**"], mode="shared")
    cards = page.locator("#live .card")
    expect(cards).to_have_count(3)
    expect(cards.nth(0)).to_contain_text("login-form holds")
    expect(cards.nth(0).locator("code")).to_have_text(["README.md", "src/api/**"])
    expect(cards.nth(0)).to_contain_text("new <b>handlers</b>")
    expect(cards.nth(0)).to_contain_text(re.compile(r"ends \d\d:\d\d.*, in 1h"))
    expect(cards.nth(1)).to_contain_text("checkout waits for")
    expect(cards.nth(2)).to_contain_text("holds (shared)")
    button = cards.nth(0).get_by_role("button", name="End this claim")
    expect(button).to_be_hidden()
    cards.nth(0).get_by_text("Release", exact=True).click()
    bus.claims.claim("s2", ["src/web/**"])  # the page changes meanwhile
    expect(cards).to_have_count(4)
    button.click()
    expect(page.locator("#said")).to_contain_text("login-form no longer holds README.md, src/api/**.")
    page.mouse.move(5, 5)
    expect(cards).to_have_count(3)
    expect(cards.nth(0)).to_contain_text("checkout holds")
    released = [each for each in bus.events.read(limit=1000) if each.kind == "claim.released"]
    assert [(each.session_id, each.data["by"]) for each in released] == [("s1", "user:alice")]
    page.locator("[data-search]").fill("docs/")
    expect(cards).to_have_count(1)


@pytest.mark.promise("H2")
def test_an_item_is_dismissed_and_the_dismissal_undone_on_the_page(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code", status="waiting", reason="permission", detail="Bash: ls")
    needs = tab.locator("#needs")
    needs.get_by_role("button", name="Dismiss").click()
    expect(needs.locator(".calm")).to_have_text("All clear.")
    tab.locator("#said").get_by_role("button", name="Undo").click()
    expect(tab.locator("#said")).to_contain_text("It is back on the list.")
    expect(needs.locator("#needs-list .is-permission")).to_contain_text("Bash: ls")
    expect(needs.locator(".calm")).to_have_count(0)


@pytest.mark.promise("H2")
def test_a_reply_on_a_card_answers_the_item_and_says_that_it_is_not_picked_up_yet(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code", status="working")
    bus.messages.send("s1", "user:alice", "request", "Which port?")
    card = tab.locator("#needs .is-request")
    card.get_by_text("Reply", exact=True).first.click()
    card.locator("textarea").fill("5432")
    bus.messages.send("s1", "user:alice", subject="only to tell you")  # the page changes meanwhile
    expect(tab.get_by_role("link", name="Inbox").locator(".badge")).to_contain_text("2")
    expect(card.locator("textarea")).to_have_value("5432")
    card.get_by_role("button", name="Reply").click()
    expect(card).to_contain_text("not yet picked up")
    (reply,) = bus.messages.inbox("s1")
    assert (reply.body, reply.from_session) == ("5432", "user:alice")
    bus.messages.mark_injected("s1", [reply.message_id])
    expect(tab.locator("#needs .calm")).to_contain_text("All clear.")


@pytest.mark.promise("H2")
def test_the_list_works_without_javascript(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register(
        "s1", "login claude", "claude-code", status="waiting", reason="question", detail="Which port?"
    )
    page = open_tab("/", java_script_enabled=False)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#needs")).to_contain_text("All clear.")
    page.locator("#fold-dismissed summary").first.click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Reply", exact=True).first.click()
    page.locator("#needs textarea").fill("5432")
    page.get_by_role("button", name="Reply").click()
    page.locator("#fold-answered summary").first.click()
    expect(page.locator("#needs .need")).to_contain_text("not yet picked up")
    assert [each.body for each in bus.messages.inbox("s1")] == ["5432"]


def test_a_session_shows_what_it_wrote_took_and_remembers(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("a", "first", "codex", location="laptop:/src/shop")
    bus.files.touch("a", ["/src/shop/cart.py"])
    task = bus.tasks.offer("user:alice", "*", "mend the cart")
    bus.tasks.accept("a", task.task_id)
    bus.memory.set("a", "cart/currency", "JPY", "fact")
    bus.sessions.set_status_detail("a", {"step": 3})
    page = open_tab("/page/session?id=a")
    live(page)
    expect(page.locator("#files code")).to_have_text("cart.py")
    expect(page.locator("#tasks")).to_contain_text("accepted mend the cart")
    expect(page.locator("#memory")).to_contain_text("cart/currency")
    expect(page.locator("#detail")).to_contain_text('"step": 3')
    bus.tasks.complete("a", task.task_id, "done")
    expect(page.locator("#tasks")).to_contain_text("completed mend the cart")


def test_a_question_to_a_person_is_answered_on_the_page(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    bus.sessions.update_status("s1", "waiting", "wait for an answer")
    asked = bus.messages.send("s1", "user:alice", "request", "One form or two?", "I would take one.")
    card = tab.locator("#needs .is-request")
    expect(card).to_contain_text("One form or two?")
    card.locator("[data-row]").click()
    tab.locator("[data-reply]").fill("One.")
    tab.get_by_role("button", name="Reply").click()
    expect(tab.locator(".tree li")).to_have_count(2)
    (reply,) = bus.messages.inbox("s1")
    assert (reply.type, reply.from_session, reply.body, reply.in_reply_to) == (
        "response",
        "user:alice",
        "One.",
        asked.message_id,
    )
    assert bus.messages.inbox("user:alice") == []


def test_an_error_is_told_where_the_form_is_and_the_text_stays(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    page = open_tab("/page/session?id=s1")
    live(page)
    for said in ("In the inbox of shop", "said exactly this"):
        page.locator("[data-reply]").fill("the same twice")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#said")).to_contain_text(said)
    expect(page.locator("[data-reply]")).to_have_value("the same twice")
    assert len(bus.messages.inbox("s1")) == 1


@pytest.mark.promise("S9")
def test_a_session_is_renamed_on_its_page(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    bus.sessions.register("s2", "cart codex", "codex", name="cart")
    page = open_tab("/page/session?id=s1")
    live(page)
    page.get_by_text("Rename").first.click()
    name = page.get_by_label("New name")
    name.fill("cart")
    name.press("Enter")
    expect(page.locator("#renamed")).to_contain_text("cart")
    expect(page.locator("#renamed .c-red")).to_have_count(1)
    name.fill("login-form")
    name.press("Enter")
    expect(page.locator("#renamed")).to_contain_text("It is called login-form now.")
    expect(page.locator("h1")).to_have_text("login-form")
    assert bus.sessions.get("s1").name == "login-form"


def test_the_page_writes_without_script_too(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    page = open_tab("/page/session?id=s1", java_script_enabled=False)
    page.locator("[data-reply]").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#talk")).to_contain_text("hello")
    assert [each.body for each in bus.messages.inbox("s1")] == ["hello"]


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("project=github.com/acme/infra", "c"),
        ("agent=gemini", "b"),
        ("user=bob", "b"),
        ("status=waiting", "a"),
        ("q=MIGRATION", "a"),
        ("q=nothing+like+it", ""),
    ],
)
def test_the_filter_is_in_the_address(open_tab: Callable[..., Page], bus: LocalBus, query: str, there: str) -> None:
    bus.sessions.register("a", "first", "codex", current_task="may I run the migration?", status="waiting")
    bus.sessions.register("b", "second", "gemini", "bob")
    bus.sessions.register("c", "third", "codex", project="github.com/acme/infra")
    page = open_tab(f"/?{query}")
    live(page)
    expect(page.locator("tbody tr")).to_have_count(len(there))
    assert {each.get_attribute("id") for each in page.locator("tbody tr").all()} == {f"s-{each}" for each in there}


def test_a_filter_is_applied_as_it_is_typed_and_stays_through_updates(tab: Page, bus: LocalBus) -> None:
    bus.sessions.register("a", "first", "codex")
    bus.sessions.register("b", "second", "gemini")
    expect(tab.locator("tbody tr")).to_have_count(2)
    tab.keyboard.press("/")
    tab.keyboard.type("seco")
    expect(tab.locator("tbody tr")).to_have_count(1)
    expect(tab).to_have_url(re.compile(r"/\?q=seco$"))
    tab.locator("select[name=agent]").select_option("gemini")
    expect(tab).to_have_url(re.compile(r"/\?q=seco&agent=gemini$"))
    bus.sessions.register("c", "second of all", "gemini")
    bus.sessions.register("d", "third", "gemini")
    expect(tab.locator("tbody tr")).to_have_count(2)
    tab.reload()
    expect(tab.locator("[data-search]")).to_have_value("seco")
    expect(tab.locator("tbody tr")).to_have_count(2)
    tab.locator("[data-clear]").click()
    expect(tab.locator("tbody tr")).to_have_count(4)


def test_the_keyboard_goes_through_the_page(tab: Page, bus: LocalBus) -> None:
    for name in "abc":
        bus.sessions.register(name, f"agent {name}", "codex")
    expect(tab.locator("tbody tr")).to_have_count(3)
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    expect(tab.locator("#row-b")).to_be_focused()
    tab.keyboard.press("k")
    expect(tab.locator("#row-c")).to_be_focused()
    tab.keyboard.press("?")
    expect(tab.locator("#help")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#help")).to_be_hidden()
    expect(tab.locator("#row-c")).to_be_focused()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/page/session?id=c")
    tab.go_back()
    live(tab)
    tab.keyboard.press("j")
    tab.keyboard.press("r")
    tab.wait_for_url("**/page/session?id=c#compose-body")
    expect(tab.locator("[data-reply]")).to_be_focused()


def test_what_a_person_types_and_where_they_are_survives_updates(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    for number in range(40):
        bus.messages.send("s1", "user:alice", body=f"message {number}")
    page = open_tab("/page/session?id=s1")
    live(page)
    page.evaluate("scrollTo(0, 600)")
    page.locator("[data-reply]").fill("half a sent")
    before = page.evaluate("scrollY")
    assert before > 0
    bus.messages.send("user:bob", "s1", body="meanwhile")
    expect(page.locator("#talk")).to_contain_text("meanwhile")
    expect(page.locator("[data-reply]")).to_have_value("half a sent")
    expect(page.locator("[data-reply]")).to_be_focused()
    assert page.evaluate("scrollY") >= before  # the browser's scroll anchoring may follow what was being read


def test_nothing_jumps_under_the_pointer(tab: Page, bus: LocalBus) -> None:
    for name in "abc":
        bus.sessions.register(name, f"agent {name}", "codex")
    expect(tab.locator("tbody tr")).to_have_count(3)
    order = lambda: [each.get_attribute("id") for each in tab.locator("tbody tr").all()]  # noqa: E731
    assert order() == ["s-c", "s-b", "s-a"]
    row(tab, "b").hover()
    bus.sessions.update_status("a", "waiting", "may I?")
    expect(row(tab, "a")).to_contain_text("waiting")
    bus.sessions.register("d", "agent d", "codex")  # a second update, after "Needs attention" has pushed the rows down
    expect(row(tab, "d")).to_be_visible()
    assert order() == ["s-c", "s-b", "s-a", "s-d"]
    tab.mouse.move(5, 5)
    until(lambda: order() == ["s-a", "s-d", "s-c", "s-b"])


def test_ages_tick_by_the_hubs_clock(open_tab: Callable[..., Page], bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    page = open_tab("/")
    live(page)
    age = row(page, "s1").locator(".w-seen time")
    expect(age).not_to_have_text(age.inner_text())
    page.evaluate("Date.now = ((real) => () => real() + 3600e3)(Date.now)")  # this browser's clock is wrong
    bus.sessions.update_status("s1", "working")
    expect(row(page, "s1")).to_contain_text("working")
    expect(age).not_to_have_text(age.inner_text())
    expect(age).to_have_text(re.compile(r"^\d\d?s$"))


def test_ages_are_told_by_the_script_as_by_the_server(tab: Page) -> None:
    ages = [-5, 0.5, 59.5, 60.5, 3599.5, 3600.5, 86_399.5, 86_400.5, 200_000.5, 10_000_000.5]
    told = tab.evaluate(
        """async (ages) => {
            Date.now = () => 0; // a clock that stands still, so that both look at one instant
            const now = document.querySelector("[data-now]");
            now.dataset.now = "1000000000";
            const times = ages.map((age) => {
                const time = document.createElement("time");
                time.dataset.at = String(1e9 - age);
                document.body.append(time);
                return time;
            });
            document.dispatchEvent(new Event("DOMContentLoaded")); // what the script does when a page is there
            return times.map((time) => time.textContent);
        }""",
        ages,
    )
    assert told == [duration(age) for age in ages]


def test_a_hidden_tab_lets_go_of_its_stream_and_catches_up(tab: Page, hub: HubProcess, bus: LocalBus) -> None:
    until(lambda: streams(tab) == 1)
    hide(tab, True)
    until(lambda: streams(tab) == 0)
    expect(tab.locator("#link-state")).to_have_text("paused")
    bus.sessions.register("s1", "login claude", "claude-code")
    hide(tab, False)
    expect(row(tab, "s1")).to_be_visible()
    live(tab)
    bus.sessions.update_status("s1", "working")
    expect(row(tab, "s1")).to_contain_text("working")
    assert streams(tab) == 1


def streams(page: Page) -> int:
    """How many streams the hub has open; asked outside the browser."""
    answer = page.request.get("/health").json()
    found: int = answer["streams"]
    return found


def hide(page: Page, is_hidden: bool) -> None:
    """What a browser does when another tab comes to the front."""
    page.evaluate(
        """(is) => {
            Object.defineProperty(document, "hidden", { value: is, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def test_a_restart_of_the_hub_is_survived_and_caught_up(tab: Page, hub: HubProcess, bus: LocalBus) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    expect(row(tab, "s1")).to_contain_text("active")
    port = hub.port
    hub.stop()
    bus.sessions.update_status("s1", "working", "went on without a hub")
    expect(tab.locator("#link-state")).to_have_text("reconnecting")
    with HubProcess(hub.home, port=port):
        expect(row(tab, "s1")).to_contain_text("went on without a hub")
        live(tab)
        expect(tab.locator("#banner")).to_be_hidden()
        bus.sessions.update_status("s1", "waiting", "and now?")
        expect(row(tab, "s1")).to_contain_text("and now?")
        tab.locator("#row-s1").click()
        tab.locator("[data-reply]").fill("the token of before the restart is good")
        tab.get_by_role("button", name="Send").click()
        expect(tab.locator("#said")).to_contain_text("In the inbox of shop")


def test_a_message_that_cannot_be_sent_stays_in_its_field(
    open_tab: Callable[..., Page], hub: HubProcess, bus: LocalBus
) -> None:
    bus.sessions.register("s1", "login claude", "claude-code")
    page = open_tab("/page/session?id=s1")
    live(page)
    hub.stop()
    page.locator("[data-reply]").fill("is anybody there?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#said")).to_contain_text("It was not sent")
    expect(page.locator("[data-reply]")).to_have_value("is anybody there?")
    expect(page.locator("#live")).to_contain_text("login claude")


def test_colours_follow_the_readers_preference(open_tab: Callable[..., Page]) -> None:
    def ground(theme: str) -> str:
        page = open_tab("/", color_scheme=theme)
        found: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return found

    assert ground("light") == "rgb(251, 251, 250)"
    assert ground("dark") == "rgb(19, 21, 23)"


@pytest.mark.parametrize("width", [360, 2560])
def test_no_page_is_wider_than_its_window(open_tab: Callable[..., Page], bus: LocalBus, width: int) -> None:
    wide = "x" * 180
    bus.sessions.register("s1", wide, "codex", project=f"github.com/{wide}", branch=wide, current_task=wide)
    sent = bus.messages.send("s1", "user:alice", "request", wide, wide * 3, {"wide": wide})
    task = bus.tasks.offer("s1", "*", wide, wide)
    bus.memory.set("s1", wide, [wide, wide], "fact", tags=[wide[:60]])
    page = open_tab("/", viewport={"width": width, "height": 800})
    for address in (
        "/",
        "/page/session?id=s1",
        "/page/messages",
        f"/page/thread?id={sent.message_id}",
        "/page/tasks",
        f"/page/task?id={task.task_id}",
        "/page/memory",
        f"/page/entry?key={wide}",
        "/page/events",
        "/page/stats",
        "/page/inbox",
        "/page/session?id=nobody",
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_a_thousand_sessions_come_in_pages(open_tab: Callable[..., Page], bus: LocalBus, tmp_path: Path) -> None:
    with bus.transaction():
        for number in range(250):
            bus.sessions.register(f"s{number}", f"agent {number}", "codex")
        bus.sessions.update_status("s7", "waiting", "may I?")
    page = open_tab("/")
    live(page)
    expect(page.locator("tbody tr")).to_have_count(100)
    expect(page.locator("tbody tr").first).to_contain_text("s7")
    page.get_by_role("link", name="next").click()
    page.get_by_role("link", name="next").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator(".paging")).to_contain_text("201–250 of 250")
