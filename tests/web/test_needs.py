"""What needs a person, on the page: shown in full, answered in place, and calm while everything changes (H1, H2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

import attention_scene
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.store.sqlite import SQLiteStore
from hallway.web.pages.attention_list import changes_since, in_groups
from support import Here, until
from web.conftest import PATIENCE_MS, live
from web.noise import PERSON, Noise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from hub.process import HubProcess

expect.set_options(timeout=PATIENCE_MS)

LONG = "Which of them?\n" + "\n".join(
    f"{number}. This is a choice that takes a whole line to say." for number in range(9)
)


def ask(bus: LocalBus, session_id: str, question: str) -> None:
    bus.sessions.update_status(session_id, "waiting", reason="question", detail=question)


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for session_id, name in (("s1", "login-form"), ("s2", "checkout"), ("s3", "search")):
        bus.sessions.register(session_id, f"{name}'s agent", "codex", name=name, ttl_s=86_400, status="working")
    return bus


@pytest.mark.promise("H1")
def test_the_groups_are_the_list_in_its_order(tmp_path: Path) -> None:
    clock = FakeClock(1_800_000_000_000_000)
    with LocalBus(SQLiteStore(str(tmp_path / "bus.db"), clock=clock), Here()) as bus:
        attention_scene.play(bus, clock)
        items = bus.attention.read(include_dismissed=True, limit=100).items
    for most in (1, 3, 100):
        groups = {each["name"]: each["items"] for each in in_groups(items, most)}
        assert [each for group in groups.values() for each in group] == items
        assert [each.kind for each in groups["list"]] == ["request", "urgent", "permission"][:most] or most > 3
    assert {name: len(group) for name, group in groups.items()} == {
        "list": 11,
        "more": 0,
        "stuck": 1,
        "unclaimed": 2,
        "finished": 4,
        "answered": 1,
        "dismissed": 1,
    }


@pytest.mark.promise("H1")
def test_a_question_is_shown_in_three_lines_and_opens_in_full(open_tab: Callable[..., Page], team: LocalBus) -> None:
    team.messages.send("s1", PERSON, "request", "Which of them?", LONG)
    team.messages.send("s2", PERSON, "request", "Which port?", "Which port? 5432?")
    page = open_tab("/")
    live(page)
    long, short = page.locator(".need", has_text="login-form"), page.locator(".need", has_text="checkout")
    lines = "(each) => Math.round(each.clientHeight / parseFloat(getComputedStyle(each).lineHeight))"
    assert long.locator(".question").evaluate(lines) == 3
    assert short.locator(".question").inner_text() == "Which port? 5432?"
    expect(short.locator(".whole")).to_have_count(0)
    long.get_by_text("All of it").click()
    expect(long.locator(".text")).to_contain_text("8. This is a choice")
    expect(long.locator(".question")).to_be_hidden()
    team.sessions.register("s4", "x", "codex")  # an update
    expect(page.locator("#s-s4")).to_be_visible()
    expect(long.locator(".text")).to_be_visible()


@pytest.mark.promise("H4")
@pytest.mark.parametrize(
    ("key", "said"), [("y", "Yes."), ("n", "No."), ("w", "Please wait: I will come back to this.")]
)
def test_one_key_answers_the_question_that_has_the_focus(
    open_tab: Callable[..., Page], team: LocalBus, key: str, said: str
) -> None:
    ask(team, "s1", "May I drop the index?")
    team.messages.send("s2", PERSON, "request", "May I merge?")
    page = open_tab("/")
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press(key)
    expect(page.locator("#said")).to_contain_text("Sent to checkout")
    assert [each.body for each in team.messages.inbox("s2")] == [said]
    assert team.messages.inbox("s1") == []
    expect(page.locator(".need", has_text="May I merge?")).to_contain_text("not yet picked up")


@pytest.mark.promise("H4")
def test_what_a_person_does_about_an_item_is_in_the_persons_name(open_tab: Callable[..., Page], team: LocalBus) -> None:
    ask(team, "s1", "Which index?")
    team.messages.send("s2", "s3", "request", "Which port?", reply_within_s=1)
    ask(team, "s2", "Which host?")
    page = open_tab("/")
    live(page)
    page.locator(".need", has_text="Which index?").get_by_role("button", name="Yes").click()
    page.locator(".need", has_text="Which port?").get_by_role("button", name="Nudge").click()
    page.locator(".need", has_text="Which host?").get_by_role("button", name="Dismiss").click()
    expect(page.locator("#said")).to_contain_text("Dismissed.")
    until(lambda: "Yes." in [each.body for each in team.messages.inbox("s1") if each.from_session == PERSON])
    until(lambda: PERSON in [each.from_session for each in team.messages.inbox("s3") if each.type == "notification"])
    dismissed = [each.data["by"] for each in team.events.read(limit=1000) if each.kind == "attention.dismissed"]
    assert dismissed == [PERSON]


@pytest.mark.promise("H2")
def test_a_dismissal_is_undone_by_its_key_and_in_its_place(open_tab: Callable[..., Page], team: LocalBus) -> None:
    ask(team, "s1", "First?")
    ask(team, "s2", "Second?")
    page = open_tab("/")
    live(page)
    first = page.locator(".need", has_text="First?")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#said")).to_contain_text("Dismissed.")
    expect(first.get_by_role("button", name="Undo")).to_be_visible()  # where it was, while it has the focus
    page.keyboard.press("u")
    expect(page.locator("#said")).to_contain_text("It is back on the list.")
    expect(first.get_by_role("button", name="Dismiss")).to_be_visible()
    assert [each.state for each in team.attention.read().items] == ["open", "open"]


def test_lesser_kinds_are_folded_and_a_fold_stays_open(open_tab: Callable[..., Page], team: LocalBus) -> None:
    for session_id in ("s1", "s2"):
        team.sessions.update_status(session_id, "idle", reason="done", detail=f"{session_id} is done.")
    page = open_tab("/")
    live(page)
    fold = page.locator("#fold-finished")
    expect(fold.locator("summary").first).to_contain_text("Finished 2")
    expect(fold.locator("summary").first).to_contain_text("login-form, checkout")
    expect(fold.locator(".need").first).to_be_hidden()
    expect(page.locator("#fold-stuck")).to_be_hidden()
    fold.locator("summary").first.click()
    team.sessions.update_status("s3", "idle", reason="done", detail="s3 is done.")
    expect(fold.locator("summary").first).to_contain_text("Finished 3")
    expect(fold.locator(".need")).to_have_count(3)
    expect(fold.locator(".need").first).to_be_visible()


def test_a_task_offered_to_a_person_is_accepted_from_the_list(open_tab: Callable[..., Page], team: LocalBus) -> None:
    task_id = team.tasks.offer("s1", PERSON, "Choose a name").task_id
    page = open_tab("/")
    live(page)
    page.locator(".need", has_text="Choose a name").get_by_role("button", name="Accept").click()
    expect(page.locator("#said")).to_contain_text("“Choose a name” is yours.")
    assert team.tasks.get(task_id).owner == PERSON


def test_a_line_says_what_changed_since_the_person_last_looked(open_tab: Callable[..., Page], team: LocalBus) -> None:
    page = open_tab("/")
    live(page)
    expect(page.locator("#since")).to_have_count(0)
    page.goto("/page/memory")  # looks away
    ask(team, "s1", "First?")
    ask(team, "s2", "Second?")
    team.messages.send("s1", "s2", body="hello")
    team.attention.read()
    page.goto("/")
    expect(page.locator("#since")).to_have_text(re.compile(r"^Since \d\d:\d\d: 2 questions, 1 message$"))
    page.reload()
    expect(page.locator("#since")).to_contain_text("nothing new")


@pytest.mark.parametrize("looked", ["", "x", "1", "1.", ".1", "-1.2", "1.2.3", "٣.1", "1" * 60, "1.1e9"])
def test_a_strange_cookie_says_nothing_of_changes(looked: str) -> None:
    assert changes_since([], looked, None) is None


# -- calm -------------------------------------------------------------------------------------------------------------


def place(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box
    return box["y"]


@pytest.mark.promise("H2")
def test_typing_and_pointing_go_on_through_five_updates_a_second(
    open_tab: Callable[..., Page], team: LocalBus, hub: HubProcess
) -> None:
    ask(team, "s1", "First?")
    ask(team, "s2", "Second?")
    ask(team, "s3", "Third?")
    page = open_tab("/", viewport={"width": 1100, "height": 700})
    live(page)
    second = page.locator(".need", has_text="Second?")
    button = second.locator('[data-key="x"]')
    item_id = second.get_attribute("id")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with Noise(str(hub.bus_file)) as noise:
        until(lambda: noise.changes > 3)
        button.hover()
        first_place = place(page, f"#{item_id}")
        places = set()
        end = noise.changes + 30
        while noise.changes < end:
            page.wait_for_timeout(50)
            places.add(round(place(page, f"#{item_id}") - first_place))
        assert places <= {-1, 0, 1}
        second.locator('[data-key="r"]').click()
        field = second.locator("textarea")
        text = "A rather long answer, typed letter by letter while everything changes."
        team.sessions.update_status("s2", "working")  # it goes on by itself: the item is resolved while being answered
        for letter in text:
            page.keyboard.type(letter)
            page.wait_for_timeout(30)
        expect(field).to_have_value(text)
        expect(field).to_be_focused()
        page.mouse.move(5, 5)
        page.evaluate("document.activeElement.blur()")
        until(lambda: noise.changes > end + 20)
        expect(field).to_have_value(text)
    assert len(asked) > 10  # the page did update


def test_what_is_resolved_under_the_pointer_stays_until_the_pointer_leaves(
    open_tab: Callable[..., Page], team: LocalBus
) -> None:
    for session_id in ("s1", "s2", "s3"):
        ask(team, session_id, f"{session_id}?")
    page = open_tab("/")
    live(page)
    rows = page.locator("#needs-list > .need")
    expect(rows).to_have_count(3)
    rows.nth(1).hover()
    before = place(page, "#needs-list > .need >> nth=2")
    team.sessions.update_status("s1", "working")
    team.sessions.update_status("s2", "working")
    expect(page.locator("#needs-list > .is-gone")).to_have_count(2)
    assert place(page, "#needs-list > .need >> nth=2") == before
    page.mouse.move(5, 5)
    expect(rows).to_have_count(1)


def test_what_is_read_stays_where_it_is_when_something_comes_above_it(
    open_tab: Callable[..., Page], team: LocalBus
) -> None:
    for number in range(40):
        team.sessions.register(f"t{number}", f"t{number}", "codex", ttl_s=86_400)
    page = open_tab("/", viewport={"width": 1000, "height": 600})
    live(page)
    page.locator("#s-t20").scroll_into_view_if_needed()
    page.locator("#s-t20").hover()
    before = place(page, "#s-t20")
    for session_id in ("s1", "s2", "s3"):
        ask(team, session_id, f"{session_id}?")
    expect(page.locator("#needs-list > .need")).to_have_count(3)
    assert abs(place(page, "#s-t20") - before) <= 1
