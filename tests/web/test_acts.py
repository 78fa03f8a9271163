"""Everything a person does on the page, in a browser with script and without (H4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from web.conftest import PATIENCE_MS, live

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from hallway.bus.local import LocalBus

expect.set_options(timeout=PATIENCE_MS)

PERSON = "user:alice"
SCRIPT = pytest.mark.parametrize("has_script", [True, False], ids=["script", "plain"])


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for session_id, name in (("s1", "login-form"), ("s2", "checkout")):
        bus.sessions.register(session_id, f"{name}'s agent", "codex", name=name, ttl_s=86_400)
    return bus


def shown(open_tab: Callable[..., Page], where: str, has_script: bool) -> Page:
    page = open_tab(where, java_script_enabled=has_script)
    if has_script:
        live(page)
    return page


def act(within: Page | Locator, word: str) -> None:
    """Open the form of an act."""
    within.locator("summary", has_text=word).first.click()


# -- tasks ------------------------------------------------------------------------------------------------------------


@SCRIPT
@pytest.mark.promise("H4")
def test_a_task_is_offered_accepted_and_completed_on_the_board(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    page = shown(open_tab, "/page/tasks", has_script)
    act(page, "New task")
    page.get_by_label("Title").fill("Mend the <b>cart</b>")
    page.get_by_label("Text").fill("Every total.\nIn yen, too.")
    page.get_by_role("button", name="Offer task").click()
    card = page.locator("section", has=page.get_by_role("heading", name="Offered")).locator(".card")
    expect(card).to_contain_text("Mend the <b>cart</b>")
    (task,) = team.tasks.list_tasks()
    assert (task.offered_by, task.offered_to, task.body) == (PERSON, "*", "Every total.\nIn yen, too.")
    card.get_by_role("button", name="Accept").click()
    expect(page.locator("#live summary", has_text="Complete")).to_have_count(1)
    assert team.tasks.get(task.task_id).owner == PERSON
    page.goto("/page/tasks")
    act(page.locator(f"#t-{task.task_id}"), "Complete")
    page.get_by_label("Result").fill("All totals are right.")
    page.get_by_role("button", name="Complete task").click()
    expect(page.locator("#live")).to_contain_text("All totals are right.")
    done = team.tasks.get(task.task_id)
    assert (done.status, done.result) == ("completed", "All totals are right.")


@SCRIPT
@pytest.mark.promise("H4")
def test_a_task_is_assigned_and_handed_over_and_cancelled_by_names(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    task_id = team.tasks.offer("s1", "*", "Rotate the certificates").task_id
    page = shown(open_tab, "/page/tasks", has_script)
    card = page.locator(f"#t-{task_id}")
    act(card, "Assign")
    card.get_by_label("To").fill("checkout")
    card.get_by_label("Note").fill("You know them.")
    card.get_by_role("button", name="Assign task").click()
    expect(page.locator(".acts summary", has_text="Hand over")).to_have_count(1)
    expect(page.locator("#live")).to_contain_text("checkout")
    task = team.tasks.get(task_id)
    assert (task.owner, task.offered_to) == (PERSON, "s2")
    page.goto(f"/page/task?id={task_id}")
    act(page, "Hand over")
    page.get_by_label("To", exact=True).fill("login-form")
    page.get_by_role("button", name="Hand over task").click()
    expect(page.locator(".facts")).to_contain_text(re.compile(r"Handed to\s*login-form"))
    assert team.tasks.get(task_id).offered_to == "s1"
    act(page, "Cancel")
    page.get_by_label("Reason").fill("They are new.")
    page.get_by_role("button", name="Cancel task").click()
    expect(page.locator(".one-head")).to_contain_text("cancelled")
    assert team.tasks.get(task_id).result == "They are new."


def test_a_task_that_cannot_be_assigned_stays_offered(open_tab: Callable[..., Page], team: LocalBus) -> None:
    task_id = team.tasks.offer("s1", "*", "Rotate the certificates").task_id
    page = shown(open_tab, "/page/tasks", True)
    act(page.locator(f"#t-{task_id}"), "Assign")
    page.get_by_label("To", exact=True).fill("chekout")
    page.get_by_role("button", name="Assign task").click()
    expect(page.locator("#said")).to_contain_text("chekout")
    assert team.tasks.get(task_id).status == "offered"
    expect(page.get_by_label("To", exact=True)).to_have_value("chekout")


def test_a_task_shows_only_what_a_person_can_do_about_it(open_tab: Callable[..., Page], team: LocalBus) -> None:
    own = team.tasks.offer("s1", PERSON, "for you").task_id
    others = team.tasks.offer("s1", "s2", "for another").task_id
    done = team.tasks.offer("s1", "s2", "soon done").task_id
    team.tasks.accept("s2", done)
    page = shown(open_tab, "/page/tasks", True)

    def words(task_id: str) -> list[str]:
        return page.locator(
            f"#t-{task_id} .acts > form button, #t-{task_id} .acts > details > summary"
        ).all_inner_texts()

    assert words(own) == ["Accept", "Assign", "Cancel"]
    assert words(others) == words(done) == ["Cancel"]
    team.tasks.complete("s2", done)
    expect(page.locator(f"#t-{done} summary")).to_have_count(0)


# -- messages ---------------------------------------------------------------------------------------------------------


@SCRIPT
@pytest.mark.promise("H4")
def test_a_message_is_written_from_any_page(open_tab: Callable[..., Page], team: LocalBus, has_script: bool) -> None:
    page = shown(open_tab, "/page/memory", has_script)
    page.get_by_role("link", name="New message").click()
    page.get_by_label("To").fill("checkout")
    page.get_by_label("Subject").fill("Which currency?")
    page.get_by_label("Text").fill("EUR or JPY?\nSay soon.")
    page.get_by_label("Priority").select_option("high")
    page.get_by_label("Answer within").select_option("1 hour")
    page.get_by_role("button", name="Send message").click()
    expect(page.locator("#said" if has_script else "h1")).to_contain_text("checkout")
    (message,) = team.messages.inbox("s2")
    assert (message.subject, message.body, message.type, message.priority) == (
        "Which currency?",
        "EUR or JPY?\nSay soon.",
        "request",
        "high",
    )
    (request,) = team.requests.find(unanswered=True)
    assert request.reply_by is not None
    assert 3500 < (request.reply_by - request.asked_at).total_seconds() < 3700


@SCRIPT
@pytest.mark.promise("H4")
def test_a_broadcast_reaches_every_session_of_the_chosen_project(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    project = team.sessions.get("s1").project
    team.sessions.register("elsewhere", "x", "codex", project="github.com/acme/infra")
    page = shown(open_tab, f"/page/compose?to=*&project={project}", has_script)
    page.get_by_label("Text").fill("Main is frozen.")
    page.get_by_role("button", name="Send message").click()
    expect(page.locator("body")).to_contain_text("In 2 inboxes." if has_script else "Main is frozen.")
    assert [team.messages.inbox(each)[0].type for each in ("s1", "s2")] == ["broadcast"] * 2
    assert team.messages.inbox("elsewhere") == []


@SCRIPT
@pytest.mark.promise("H4")
def test_the_inbox_counts_in_the_menu_and_is_answered_in_place(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    first, second = (
        team.messages.send("s1", PERSON, "request", subject).message_id for subject in ("Which port?", "Which host?")
    )
    page = shown(open_tab, "/page/events", has_script)
    inbox = page.get_by_role("link", name="Inbox")
    expect(inbox).to_contain_text("2")
    inbox.click()
    act(page.locator(f"#m-{first}"), "Reply")
    page.locator(f"#m-{first} textarea").fill("5432")
    page.locator(f"#m-{first}").get_by_role("button", name="Reply").click()
    if has_script:  # it stays under the pointer, crossed out
        expect(page.locator(f"#m-{first}")).to_have_class(re.compile("is-gone"))
        page.mouse.move(5, 5)
    expect(page.locator(f"#m-{first}")).to_have_count(0)
    expect(page.locator(f"#m-{second}")).to_be_visible()
    expect(inbox).to_contain_text("1")
    (reply,) = team.messages.inbox("s1")
    assert (reply.body, reply.in_reply_to) == ("5432", first)
    page.get_by_role("button", name="Done").click()
    page.mouse.move(5, 5)
    expect(page.locator("#live")).to_contain_text("Nothing is in your inbox.")
    expect(inbox.locator(".badge")).to_have_count(0)
    assert team.messages.inbox(PERSON) == []


def test_the_count_of_the_inbox_follows_on_every_page(open_tab: Callable[..., Page], team: LocalBus) -> None:
    for where in ("/page/memory", "/page/claims", "/page/compose", "/page/edit"):
        page = shown(open_tab, where, True)
        before = len(team.messages.inbox(PERSON))
        team.messages.send("s1", PERSON, subject=f"seen on {where}")
        expect(page.get_by_role("link", name="Inbox").locator(".badge")).to_contain_text(str(before + 1))


def test_requests_show_their_deadlines(open_tab: Callable[..., Page], team: LocalBus) -> None:
    timed = team.messages.send("s1", "s2", "request", "Which port?", reply_within_s=900).message_id
    untimed = team.messages.send("s1", "s2", "request", "Which host?", reply_within_s=0).message_id
    page = shown(open_tab, "/page/messages?requests=unanswered", True)
    expect(page.locator("thead")).to_contain_text("Answer by")
    request = next(each for each in team.requests.find() if each.message_id == timed)
    assert request.reply_by is not None
    at = page.locator(f"#r-{timed} td").last.locator("time").get_attribute("data-clock")
    assert float(at or 0) == pytest.approx(request.reply_by.timestamp(), abs=0.01)
    expect(page.locator(f"#r-{untimed} td").last).to_have_text("–")
    cut = "(each) => each.scrollWidth > each.clientWidth"
    assert not page.locator(f"#r-{timed} td").last.evaluate(cut)
    page.set_viewport_size({"width": 390, "height": 800})  # without headings, it says what the time is
    said = "(each) => getComputedStyle(each, '::before').content"
    assert page.locator(f"#r-{timed} td").last.evaluate(said) == '"answer by "'


# -- memory -----------------------------------------------------------------------------------------------------------


@SCRIPT
@pytest.mark.promise("H4")
def test_an_entry_is_written_edited_and_deleted(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    page = shown(open_tab, "/page/memory", has_script)
    page.get_by_role("link", name="New entry").click()
    page.get_by_label("Key", exact=True).fill("cart/currency")
    page.get_by_label("Value").fill("\nJPY & <EUR>\n")
    page.get_by_label("Tags").fill("cart, money")
    page.get_by_role("button", name="Save entry").click()
    expect(page.locator("h1")).to_have_text("cart/currency")
    project = team.memory.bus.project_for(None)
    entry = team.memory.get_entry("cart/currency", project=project)
    assert (entry.value, entry.tags, entry.session_id) == ("\nJPY & <EUR>\n", ["cart", "money"], PERSON)
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Value")).to_have_value("\nJPY & <EUR>\n")
    page.get_by_label("Value").fill('{"currency": ["JPY"]}')
    page.get_by_label("Written as").select_option("JSON")
    page.get_by_role("button", name="Save version 2").click()
    expect(page.locator(".one-head")).to_contain_text("version 2")
    assert team.memory.get("cart/currency", project=project) == {"currency": ["JPY"]}
    act(page, "Delete")
    page.get_by_role("button", name="Delete entry").click()
    expect(page.locator("body")).to_contain_text("is deleted" if has_script else "Memory")
    assert team.memory.get_all("cart/currency", project=project) == []


@SCRIPT
@pytest.mark.promise("R1")
@pytest.mark.promise("H4")
def test_an_edit_that_crosses_another_shows_the_difference_and_keeps_the_text(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    project = team.memory.set("s1", "plan", "one\ntwo\nthree", "note").project
    page = shown(open_tab, f"/page/edit?key=plan&project={project}", has_script)
    team.memory.set("s2", "plan", "one\n<b>two</b> and a half\nthree", "note")
    page.get_by_label("Value").fill("one\nTWO\nthree")
    page.get_by_role("button", name="Save version 2").click()
    conflict = page.locator("#conflict")
    expect(conflict).to_contain_text("Version 2, by checkout")
    expect(conflict.locator(".del")).to_have_text("-<b>two</b> and a half\n")
    expect(conflict.locator(".ins")).to_have_text("+TWO\n")
    expect(page.get_by_label("Value")).to_have_value("one\nTWO\nthree")
    assert team.memory.get("plan", project=project) == "one\n<b>two</b> and a half\nthree"
    page.get_by_role("button", name="Save version 3").click()
    expect(page.locator(".one-head")).to_contain_text("version 3")
    assert team.memory.get("plan", project=project) == "one\nTWO\nthree"


def test_a_value_that_is_not_json_is_told_of_beside_the_text(open_tab: Callable[..., Page], team: LocalBus) -> None:
    page = shown(open_tab, "/page/edit", True)
    page.get_by_label("Key", exact=True).fill("k")
    page.get_by_label("Value").fill("{no")
    page.get_by_label("Written as").select_option("JSON")
    page.get_by_role("button", name="Save entry").click()
    expect(page.get_by_role("alert")).to_contain_text("the value is not JSON")
    expect(page.get_by_label("Value")).to_have_value("{no")
    expect(page.get_by_label("Key", exact=True)).to_have_value("k")


@pytest.mark.promise("R1")
def test_an_entry_that_changed_meanwhile_is_not_deleted(open_tab: Callable[..., Page], team: LocalBus) -> None:
    project = team.memory.set("s1", "plan", "one", "note").project
    page = open_tab(f"/page/entry?key=plan&project={project}", java_script_enabled=False)
    team.memory.set("s2", "plan", "two", "note")
    act(page, "Delete")
    page.get_by_role("button", name="Delete entry").click()
    expect(page.locator("h1")).to_contain_text("is at version 2, not 1")
    assert team.memory.get("plan", project=project) == "two"


# -- what holds for all of them ---------------------------------------------------------------------------------------


@SCRIPT
@pytest.mark.promise("H4")
def test_a_claim_is_released_and_a_session_renamed(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    team.claims.claim("s1", ["src/api/**"], "new handlers")
    page = shown(open_tab, "/page/claims", has_script)
    act(page, "Release")
    page.get_by_role("button", name="End this claim").click()
    page.mouse.move(5, 5)
    expect(page.locator(".card")).to_have_count(0)
    assert team.claims.list_claims() == []
    page.goto("/page/session?id=s1")
    act(page, "Rename")
    page.get_by_label("New name").fill("sign-in")
    page.get_by_label("New name").press("Enter")
    expect(page.locator("h1")).to_have_text("sign-in")
    assert team.sessions.get("s1").name == "sign-in"


@SCRIPT
@pytest.mark.promise("H4")
@pytest.mark.promise("C3")
def test_conflicts_are_shown_beside_the_claims_and_settled(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    for session_id in ("s1", "s2"):
        team.files.touch(session_id, ["/src/shop/web/<b>cart</b>.py"], worktree="laptop:/src/shop")
    (conflict,) = team.conflicts.find()
    page = shown(open_tab, "/page/claims", has_script)
    card = page.locator(f"#conflict-{conflict.conflict_id}")
    expect(card).to_contain_text(
        re.compile(r"web/<b>cart</b>\.py\s+(checkout and login-form|login-form and checkout) write it")
    )
    card.get_by_role("button", name="Settle").click()
    if has_script:
        expect(page.locator("#said")).to_contain_text("Settled")
        page.mouse.move(5, 5)
    expect(card).to_have_count(0)
    assert team.conflicts.find() == []
    (settled,) = [each for each in team.events.read(limit=1000) if each.kind == "conflict.settled"]
    assert settled.data["by"] == PERSON
    page.goto("/page/session?id=s2")
    expect(page.locator("#life")).to_contain_text("writes what another session writes, too: web/<b>cart</b>.py")


def test_a_plain_forms_error_is_a_page(open_tab: Callable[..., Page], team: LocalBus) -> None:
    page = open_tab("/page/compose?to=nobody-here", java_script_enabled=False)
    page.get_by_label("Text").fill("hello")
    page.get_by_role("button", name="Send message").click()
    expect(page.locator("h1")).to_contain_text("nobody-here")
    expect(page.locator(".failure")).to_contain_text("session_not_found")


def test_acts_have_keys_in_the_row_that_has_the_focus(open_tab: Callable[..., Page], team: LocalBus) -> None:
    first, second = (team.tasks.offer("s1", "*", subject).task_id for subject in ("first", "second"))
    page = shown(open_tab, "/page/tasks", True)
    page.locator(f"#row-{first}").focus()
    page.keyboard.press("x")
    expect(page.locator(f"#t-{first}").get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"#t-{first}").get_by_label("Reason")).to_be_hidden()
    page.keyboard.press("a")
    expect(page.locator("#said")).to_contain_text("“first” is yours.")
    assert [team.tasks.get(each).status for each in (first, second)] == ["accepted", "offered"]
    page.keyboard.press("c")
    page.wait_for_url("**/page/compose**")


# -- the board by dragging --------------------------------------------------------------------------------------------


def column(page: Page, name: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=name))


@pytest.mark.promise("H4")
def test_a_card_is_dragged_through_the_board(open_tab: Callable[..., Page], team: LocalBus) -> None:
    first, second = (team.tasks.offer("s1", "*", subject).task_id for subject in ("first", "second"))
    page = shown(open_tab, "/page/tasks", True)
    page.locator(f"#t-{first}").drag_to(column(page, "Accepted"))
    expect(page.locator("#said")).to_contain_text("“first” is yours.")
    expect(column(page, "Accepted")).to_contain_text("first")
    page.locator(f"#t-{first}").drag_to(column(page, "Handed over"))
    expect(page.locator(f"#t-{first}").get_by_label("To", exact=True)).to_be_focused()
    page.keyboard.type("checkout")
    page.locator(f"#t-{first}").get_by_role("button", name="Hand over task").click()
    page.mouse.move(5, 5)  # the card stays under the pointer until then
    expect(column(page, "Handed over")).to_contain_text("first")
    page.locator(f"#t-{first}").drag_to(column(page, "Accepted"))
    expect(column(page, "Accepted")).to_contain_text("first")
    assert (team.tasks.get(first).owner, team.tasks.get(first).offered_to) == (PERSON, None)
    page.locator(f"#t-{first}").drag_to(column(page, "Done"))
    expect(page.locator(f"#t-{first}").get_by_label("Result")).to_be_focused()
    page.keyboard.type("All of it.")
    page.get_by_role("button", name="Complete task").click()
    page.mouse.move(5, 5)
    expect(column(page, "Done")).to_contain_text("All of it.")
    assert team.tasks.get(second).status == "offered"


def test_only_columns_that_a_card_may_go_to_take_it(open_tab: Callable[..., Page], team: LocalBus) -> None:
    task_id = team.tasks.offer("s1", "s2", "for another").task_id
    page = shown(open_tab, "/page/tasks", True)
    card, cancel = page.locator(f"#t-{task_id}"), page.locator("[data-column=cancelled]")
    expect(cancel).to_be_hidden()
    card.hover()
    page.mouse.down()
    column(page, "Accepted").hover()
    column(page, "Accepted").hover()  # the first begins to drag, the second is over the column
    expect(page.locator("[data-target]")).to_have_count(1)
    expect(cancel).to_be_visible()
    page.mouse.up()
    expect(page.locator("[data-target]")).to_have_count(0)
    assert team.tasks.get(task_id).status == "offered"
    card.hover()
    page.mouse.down()
    column(page, "Accepted").hover()
    cancel.hover()
    cancel.hover()
    expect(page.locator("[data-target=over]")).to_have_text("Cancel")
    team.tasks.offer("s1", "*", "meanwhile")  # an update in the middle of the drag
    expect(page.locator("#live")).to_contain_text("meanwhile")
    expect(page.locator("[data-target=over]")).to_have_text("Cancel")
    cancel.hover()
    page.mouse.up()
    expect(card.get_by_label("Reason")).to_be_focused()
    assert team.tasks.get(task_id).status == "offered"  # until the form is sent


@SCRIPT
def test_a_task_that_is_handed_to_a_person_is_accepted_on_the_board(
    open_tab: Callable[..., Page], team: LocalBus, has_script: bool
) -> None:
    task_id = team.tasks.offer("s1", "s2", "Rotate the certificates").task_id
    team.tasks.accept("s2", task_id)
    team.tasks.handoff("s2", task_id, PERSON, "I cannot.")
    page = shown(open_tab, "/page/tasks", has_script)
    page.locator(f"#t-{task_id}").get_by_role("button", name="Accept").click()
    page.mouse.move(5, 5)
    expect(column(page, "Accepted") if has_script else page.locator(".facts")).to_contain_text("alice")
    assert team.tasks.get(task_id).owner == PERSON
