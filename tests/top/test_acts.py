"""Everything that a person does in `hallway top` changes the bus (H2, H4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hallway.cli.top.entry_form import TextField
from top.driver import Seat, at_the_screen
from top.test_list import PROJECT, ask

if TYPE_CHECKING:
    from hallway.bus.local import LocalBus
    from hallway.core.clock import FakeClock


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for name in ("login", "cart", "search"):
        bus.sessions.register(
            name, name, "claude-code", name=name, human_user="alice", project=PROJECT, status="working"
        )
    return bus


@pytest.mark.promise("H2")
def test_an_answer_is_a_reply_in_the_thread_and_marks_the_item(team: LocalBus) -> None:
    question = ask(team, "cart", "Which port?")

    async def do(seat: Seat) -> None:
        await seat.press("r")
        await seat.type("Port 80, please.")
        await seat.press("enter")
        await seat.until(lambda: "(answered" in seat.text())
        assert seat.form is None
        assert "Sent to cart" in seat.text("keys")

    at_the_screen(team, do)
    (answer,) = team.messages.inbox("cart")
    assert (answer.body, answer.from_session, answer.in_reply_to) == ("Port 80, please.", "user:alice", question)


@pytest.mark.promise("H2")
def test_a_dismissal_can_be_undone(team: LocalBus) -> None:
    ask(team, "cart", "First?")
    ask(team, "cart", "Second?")

    async def do(seat: Seat) -> None:
        await seat.press("d")
        await seat.until(lambda: len(seat.lines()) == 1)
        await seat.until(lambda: "Second?" in seat.selected)  # the next one, at once
        await seat.press("d")
        await seat.until(lambda: "All clear." in seat.text())
        assert not team.attention.read().items
        await seat.press("u", "u")
        await seat.until(lambda: len(seat.lines()) == 2)
        assert len(team.attention.read().items) == 2

    at_the_screen(team, do)


def test_a_text_of_several_lines_is_sent_as_it_was_typed(team: LocalBus) -> None:
    ask(team, "cart", "Which ports?")

    async def do(seat: Seat) -> None:
        await seat.press("r")
        await seat.type("80")
        await seat.press("ctrl+j")
        await seat.type("443 [bold]")
        await seat.press("enter")
        await seat.until(lambda: "(answered" in seat.text())

    at_the_screen(team, do)
    assert team.messages.inbox("cart")[0].body == "80\n443 [bold]"


def test_a_half_typed_text_survives_updates_and_escape(team: LocalBus) -> None:
    ask(team, "cart", "Which port?")

    async def do(seat: Seat) -> None:
        await seat.press("r")
        await seat.type("Port 4")
        for number in range(5):
            ask(team, "login", f"Another {number}?", priority="urgent")
        await seat.until(lambda: "Another 4?" in seat.text())
        await seat.type("43")
        assert seat.form is not None
        assert seat.form.texts() == {"body": "Port 443"}
        await seat.press("escape")
        assert seat.form is None
        assert "Which port?" in seat.selected
        await seat.press("q")
        assert "would be lost" in seat.text("keys")
        await seat.press("r")
        assert seat.form is not None
        assert seat.form.texts() == {"body": "Port 443"}
        await seat.press("enter")
        await seat.until(lambda: "(answered" in seat.text())

    at_the_screen(team, do)
    assert team.messages.inbox("cart")[0].body == "Port 443"


def test_the_answer_goes_to_the_item_for_which_it_was_begun(team: LocalBus) -> None:
    question = ask(team, "cart", "Which port?")

    async def do(seat: Seat) -> None:
        await seat.press("r")
        ask(team, "login", "Now!", priority="urgent")
        await seat.until(lambda: "Now!" in seat.text())
        await seat.type("80")
        await seat.press("enter")
        await seat.until(lambda: "(answered" in seat.text())

    at_the_screen(team, do)
    assert [each.in_reply_to for each in team.messages.inbox("cart")] == [question]
    assert not team.messages.inbox("login")


def test_what_the_bus_refuses_is_said_and_the_text_stays(team: LocalBus) -> None:
    ask(team, "cart", "Which key?")
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"

    async def do(seat: Seat) -> None:
        await seat.press("r")
        await seat.press("enter")
        assert "Answer" in seat.note()  # it is empty
        await seat.type(secret)
        await seat.press("enter")
        await seat.until(lambda: "enter again" in seat.note())
        assert seat.form is not None
        assert seat.form.texts() == {"body": secret}
        assert not team.messages.inbox("cart")
        await seat.press("enter")
        await seat.until(lambda: seat.form is None)

    at_the_screen(team, do)
    assert team.messages.inbox("cart")[0].body == secret


async def fill(seat: Seat, **texts: str) -> None:
    """Replace the texts of the open form's fields, and send it."""
    form = seat.form
    assert form is not None
    for name, text in texts.items():
        field = form.query_one(f"#{name}", TextField)
        field.focus()
        field.select_all()
        await seat.press("delete")
        await seat.type(text)
    await seat.press("enter")
    await seat.until(lambda: seat.form is None)


def test_a_message_goes_to_the_selected_session_or_to_the_one_that_is_typed(team: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("2", "j", "r")  # cart, login, search
        await fill(seat, subject="Tests", body="Do they pass?", type="request", priority="high")
        await seat.press("n")
        await fill(seat, to_session="search", subject="Hello")

    at_the_screen(team, do)
    (request,) = team.messages.inbox("login")
    said = (request.type, request.from_session, request.subject, request.body, request.priority)
    assert said == ("request", "user:alice", "Tests", "Do they pass?", "high")
    assert [each.subject for each in team.messages.inbox("search")] == ["Hello"]


def test_a_broadcast_reaches_every_session_of_the_project(team: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("2", "b")
        await fill(seat, subject="Lunch", body="Back at one.")

    at_the_screen(team, do)
    for name in ("login", "cart", "search"):
        assert [each.subject for each in team.messages.inbox(name)] == ["Lunch"]


def test_a_reminder_is_sent_to_whom_the_item_waits_for(team: LocalBus, clock: FakeClock) -> None:
    team.tasks.offer("cart", "login", "Review the cart")
    clock.advance(61)

    async def do(seat: Seat) -> None:
        assert "unclaimed" in seat.selected
        await seat.press("N")
        await fill(seat, body="Can you?")

    at_the_screen(team, do)
    assert "Can you?" in [each.body for each in team.messages.inbox("login")]


def test_a_task_is_offered_accepted_handed_over_and_completed(team: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("3", "n")
        await fill(seat, to_session="login", subject="Mend it", body="All of it.")
        await seat.until(lambda: "Mend it" in seat.text())
        await seat.press("a")
        await fill(seat)  # by the session that it is offered to
        await seat.until(lambda: "accepted" in seat.selected)
        await seat.press("h")
        await fill(seat, to_session="cart", body="You know it.")
        await seat.until(lambda: "cart" in seat.selected)
        await seat.press("a")
        await fill(seat)
        await seat.until(lambda: team.tasks.list_tasks()[0].owner == "cart")
        await seat.until(lambda: "handoff" not in seat.selected and seat.selected.count("cart") == 1)
        await seat.press("c")
        await fill(seat, result="Done.")
        await seat.until(lambda: "No task is open." in seat.text())

    at_the_screen(team, do)
    (task,) = team.tasks.list_tasks(include_done=True)
    assert (task.status, task.owner, task.result, task.offered_by) == ("completed", "cart", "Done.", "user:alice")


def test_a_task_that_is_offered_to_the_person_is_accepted_from_the_list(team: LocalBus) -> None:
    task_id = team.tasks.offer("cart", "user:alice", "Choose a name").task_id

    async def do(seat: Seat) -> None:
        assert "Choose a name" in seat.selected
        await seat.press("a")
        await fill(seat)

    at_the_screen(team, do)
    assert team.tasks.get(task_id).owner == "user:alice"


def test_a_task_is_cancelled_with_a_reason(team: LocalBus) -> None:
    task_id = team.tasks.offer("cart", "*", "Mend it").task_id

    async def do(seat: Seat) -> None:
        await seat.press("3", "x")
        await fill(seat, reason="No longer needed.")
        await seat.until(lambda: "No task is open." in seat.text())

    at_the_screen(team, do)
    assert team.tasks.get(task_id).status == "cancelled"


def test_a_claim_is_released_after_a_question(team: LocalBus) -> None:
    team.claims.claim("cart", ["web/cart.py"], "prices")

    async def do(seat: Seat) -> None:
        await seat.press("4", "x")
        assert seat.form is not None
        assert "web/cart.py" in str(seat.form.query_one("#title").render())
        await seat.press("n")
        assert seat.form is None
        assert len(team.claims.list_claims()) == 1
        await seat.press("x", "y")
        await seat.until(lambda: "Nothing is claimed." in seat.text())

    at_the_screen(team, do)
    assert team.claims.list_claims() == []


def test_a_session_is_renamed(team: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("2", "R")
        await fill(seat, name="basket")
        await seat.until(lambda: "basket" in seat.text())

    at_the_screen(team, do)
    assert team.sessions.get("cart").name == "basket"


@pytest.fixture
def remembered(team: LocalBus) -> LocalBus:
    team.memory.set("cart", "db/port", 5432, type="fact", tags=["db"])
    team.memory.set("cart", "db/name", "orders", type="fact")
    return team


def test_memory_is_searched_by_words(remembered: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("5")
        await seat.until(lambda: len(seat.lines()) == 2)
        await seat.press("slash")
        await seat.type("orders")
        await seat.press("enter")
        await seat.until(lambda: len(seat.lines()) == 1)
        assert "db/name" in seat.selected
        await seat.press("escape")
        await seat.until(lambda: len(seat.lines()) == 2)

    at_the_screen(remembered, do)


def test_a_memory_entry_is_edited_only_at_the_version_that_was_seen(remembered: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("5", "slash")
        await seat.type("5432")
        await seat.press("enter")
        await seat.until(lambda: "db/port" in seat.selected and "e edit" in seat.text("keys"))
        await seat.press("e")
        assert seat.form is not None
        assert seat.form.texts() == {"value": "5432"}
        remembered.memory.set("login", "db/port", 6000, type="fact")
        field = seat.form.query_one("#value", TextField)
        field.select_all()
        await seat.type("7000")
        await seat.press("enter")
        await seat.until(lambda: "6000" in seat.note())
        assert seat.form.texts() == {"value": "7000"}
        assert remembered.memory.get_entry("db/port").value == 6000
        await seat.press("enter")
        await seat.until(lambda: seat.form is None)

    at_the_screen(remembered, do)
    entry = remembered.memory.get_entry("db/port")
    assert (entry.value, entry.version, entry.session_id) == (7000, 3, "user:alice")
    assert entry.tags == ["db"]


def test_a_text_in_memory_stays_a_text_when_it_looks_like_a_number(remembered: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("5", "slash")
        await seat.type("orders")
        await seat.press("enter")
        await seat.until(lambda: "db/name" in seat.selected and "e edit" in seat.text("keys"))
        await seat.press("e")
        await fill(seat, value="17")

    at_the_screen(remembered, do)
    assert remembered.memory.get_entry("db/name").value == "17"


def test_memory_entries_are_written_and_deleted(team: LocalBus) -> None:
    async def do(seat: Seat) -> None:
        await seat.press("5", "n")
        await fill(seat, key="deploy/day", value="Monday", type="decision")
        await seat.until(lambda: "deploy/day" in seat.text())
        entry = team.memory.get_entry("deploy/day")
        assert (entry.value, entry.type, entry.session_id) == ("Monday", "decision", "user:alice")
        await seat.press("D", "y")
        await seat.until(lambda: "No matching entries." in seat.text())

    at_the_screen(team, do)
    assert not team.memory.find()


def test_an_act_that_the_bus_refuses_says_why(team: LocalBus) -> None:
    team.tasks.offer("cart", "login", "Mend it")

    async def do(seat: Seat) -> None:
        await seat.press("3", "a")
        assert seat.form is not None
        field = seat.form.query_one("#session_id", TextField)
        field.select_all()
        await seat.type("search")
        await seat.press("enter")
        await seat.until(lambda: "offered to" in seat.note() or "is for" in seat.note())
        assert seat.form.texts() == {"session_id": "search"}

    at_the_screen(team, do)
    assert team.tasks.list_tasks()[0].owner is None


def test_after_an_answer_the_next_item_is_selected(team: LocalBus) -> None:
    for question in ("First?", "Second?", "Third?"):
        ask(team, "cart", question)

    async def do(seat: Seat) -> None:
        await seat.press("r")
        await fill(seat, body="Yes.")
        await seat.until(lambda: "(answered" in seat.lines()[-1])
        assert "Second?" in seat.selected

    at_the_screen(team, do)
