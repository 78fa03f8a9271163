"""Every act of the page while it is updated five times a second: nothing moves, nothing takes focus or text (H2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support import until
from web.conftest import PATIENCE_MS
from web.noise import PERSON, Hand, Noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

    from hallway.bus.local import LocalBus
    from hub.process import HubProcess

expect.set_options(timeout=PATIENCE_MS)

pytestmark = [pytest.mark.promise("H2"), pytest.mark.promise("H4")]


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for session_id, name in (("s1", "login-form"), ("s2", "checkout")):
        bus.sessions.register(session_id, f"{name}'s agent", "codex", name=name, ttl_s=86_400, status="working")
    return bus


@pytest.fixture
def hand(open_tab: Callable[..., Page], team: LocalBus, hub: HubProcess) -> Iterator[Hand]:
    """A person's hand on the page, with updates five times a second."""
    page = open_tab("/page/stats", viewport={"width": 1200, "height": 800})
    with Noise(str(hub.bus_file)) as noise:
        until(lambda: noise.changes > 2)
        yield Hand(page)


def summary(within: Page | Locator, word: str) -> Locator:
    return within.locator("summary", has_text=word).first


def test_items_are_answered_dismissed_and_put_back(hand: Hand, team: LocalBus) -> None:
    texts = {each: f"May I, {each}?" for each in ("one", "two", "three", "four")}
    sent = {each: team.messages.send("s1", PERSON, "request", text).message_id for each, text in texts.items()}
    hand.open("/")
    items = {each: hand.page.locator(".need", has_text=text) for each, text in texts.items()}
    hand.click(items["one"].get_by_role("button", name="Yes"))
    until(lambda: [each.body for each in team.messages.inbox("s1")] == ["Yes."])
    hand.click(summary(items["two"], "Reply"))
    hand.type(items["two"].locator("textarea"), "Not before noon.")
    hand.click(items["two"].get_by_role("button", name="Send reply"))
    until(lambda: [each.in_reply_to for each in team.messages.inbox("s1")] == [sent["one"], sent["two"]])
    hand.click(items["three"].get_by_role("button", name="Dismiss"))
    hand.click(hand.page.locator("#said").get_by_role("button", name="Undo"))
    until(lambda: [each.state for each in _items(team, sent["three"])] == ["open"])
    items["four"].locator("[data-row]").focus()
    hand.page.keyboard.press("n")
    until(lambda: [each.body for each in team.messages.inbox("s1")][2:] == ["No."])


def _items(team: LocalBus, message_id: str) -> list[object]:
    listed = team.attention.read(include_dismissed=True, limit=1000).items
    return [each for each in listed if each.message_id == message_id]


def test_who_is_overdue_is_reminded(hand: Hand, team: LocalBus) -> None:
    team.messages.send("s1", "s2", "request", "Which port?", reply_within_s=1)
    hand.open("/")
    item = hand.page.locator(".need", has_text="Which port?")
    hand.click(item.get_by_role("button", name="Nudge"))
    expect(hand.page.locator("#said")).to_contain_text("Sent to")
    until(lambda: PERSON in [each.from_session for each in team.messages.inbox("s2")])


def test_tasks_go_through_the_board(hand: Hand, team: LocalBus) -> None:
    first, second = (team.tasks.offer("s1", "*", subject).task_id for subject in ("first", "second"))
    hand.open("/page/tasks")
    hand.click(summary(hand.page, "New task"))
    hand.type(hand.page.get_by_label("Title"), "third")
    hand.type(hand.page.locator("#new-task").get_by_label("Text"), "All of it.")
    hand.click(hand.page.get_by_role("button", name="Offer task"))
    until(
        lambda: [each.body for each in team.tasks.list_tasks(limit=1000) if each.subject == "third"] == ["All of it."]
    )
    card = hand.page.locator(f"#t-{first}")
    hand.click(card.get_by_role("button", name="Accept"))
    until(lambda: team.tasks.get(first).owner == PERSON)
    hand.click(summary(card, "Hand over"))
    hand.type(card.get_by_label("To", exact=True), "checkout")
    hand.click(card.get_by_role("button", name="Hand over task"))
    until(lambda: team.tasks.get(first).offered_to == "s2")
    hand.click(card.get_by_role("button", name="Take back"))
    until(lambda: team.tasks.get(first).offered_to is None)
    expect(card.get_by_role("button", name="Take back")).to_have_count(0)
    hand.click(summary(card, "Complete"))
    hand.type(card.get_by_label("Result"), "Done at last.")
    hand.click(card.get_by_role("button", name="Complete task"))
    until(lambda: team.tasks.get(first).result == "Done at last.")
    other = hand.page.locator(f"#t-{second}")
    hand.click(summary(other, "Assign"))
    hand.type(other.get_by_label("To", exact=True), "login-form")
    hand.click(other.get_by_role("button", name="Assign task"))
    until(lambda: team.tasks.get(second).offered_to == "s1")
    expect(other.get_by_role("button", name="Take back")).to_be_visible()  # it was accepted, and then handed over
    hand.click(summary(other, "Cancel"))
    hand.type(other.get_by_label("Reason"), "not needed")
    hand.click(other.get_by_role("button", name="Cancel task"))
    until(lambda: team.tasks.get(second).status == "cancelled")


def test_a_card_is_dragged(hand: Hand, team: LocalBus) -> None:
    task_id = team.tasks.offer("s1", "*", "first").task_id
    hand.open("/page/tasks?q=first")
    column = hand.page.locator("[data-column=accepted]")
    hand.rest_on(hand.page.locator(f"#row-{task_id}"))
    hand.page.mouse.down()
    column.hover()
    hand.rest_on(column)
    column.hover(position={"x": 30, "y": 30})
    hand.page.mouse.up()
    until(lambda: team.tasks.get(task_id).owner == PERSON)


def test_messages_are_written_and_answered(hand: Hand, team: LocalBus) -> None:
    asked = [team.messages.send("s1", PERSON, "request", subject).message_id for subject in ("Which port?", "Where?")]
    hand.open("/page/inbox")
    row = hand.page.locator(f"#m-{asked[0]}")
    hand.click(summary(row, "Reply"))
    hand.type(row.locator("textarea"), "5432, as ever")
    hand.click(row.get_by_role("button", name="Reply"))
    until(lambda: [each.body for each in team.messages.inbox("s1")] == ["5432, as ever"])
    hand.click(hand.page.locator(f"#m-{asked[1]}").get_by_role("button", name="Done"))
    until(lambda: asked[1] not in [each.message_id for each in team.messages.inbox(PERSON, limit=200)])
    hand.open("/page/session?id=s1")
    hand.type(hand.page.locator("#compose-body"), "How is it?")
    hand.click(hand.page.get_by_role("button", name="Send"))
    until(lambda: len(team.messages.inbox("s1")) == 2)
    hand.open(f"/page/thread?id={asked[0]}")
    hand.type(hand.page.locator("#compose-body"), "And the host?")
    hand.click(hand.page.get_by_role("button", name="Reply"))
    until(lambda: len(team.messages.inbox("s1")) == 3)
    hand.open(f"/page/compose?to=*&project={team.sessions.get('s1').project}")
    hand.type(hand.page.get_by_label("Text"), "Main is frozen.")
    hand.click(hand.page.get_by_role("button", name="Send message"))
    until(lambda: [each.type for each in team.messages.inbox("s2")] == ["broadcast"])


def test_entries_are_written_and_deleted(hand: Hand, team: LocalBus) -> None:
    project = team.memory.set("s1", "plan", "one", "note").project
    hand.open(f"/page/edit?key=plan&project={project}")
    field = hand.page.get_by_label("Value")
    hand.type(field, "two and a half")
    hand.page.get_by_role("button", name="Save version 2").click()
    until(lambda: team.memory.get("plan", project=project) == "two and a half")
    hand.open(f"/page/entry?key=plan&project={project}")
    hand.click(summary(hand.page, "Delete"))
    hand.click(hand.page.get_by_role("button", name="Delete entry"))
    until(lambda: team.memory.get_all("plan", project=project) == [])


def test_sessions_are_renamed_claims_released_and_conflicts_settled(hand: Hand, team: LocalBus) -> None:
    team.claims.claim("s1", ["src/api/**"], "new handlers")
    for session_id in ("s1", "s2"):
        team.files.touch(session_id, ["/src/shop/web/cart.py"], worktree="laptop:/src/shop")
    (conflict,) = team.conflicts.find()
    hand.open("/page/claims")
    claim = hand.page.locator(".card", has_text="new handlers")
    hand.click(summary(claim, "Release"))
    hand.click(claim.get_by_role("button", name="End this claim"))
    until(lambda: not [each for each in team.claims.list_claims() if each.intent == "new handlers"])
    hand.click(hand.page.locator(f"#conflict-{conflict.conflict_id}").get_by_role("button", name="Settle"))
    until(lambda: team.conflicts.find() == [])
    hand.open("/page/session?id=s1")
    hand.click(summary(hand.page, "Rename"))
    hand.type(hand.page.get_by_label("New name"), "sign-in")
    hand.click(hand.page.locator("#rename").get_by_role("button", name="Rename"))
    until(lambda: team.sessions.get("s1").name == "sign-in")
