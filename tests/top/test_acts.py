"""Everything that a person does in `hallway top` changes the bus (H2, H4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from top.driver import Seat, at_the_screen
from top.test_list import PROJECT, ask

if TYPE_CHECKING:
    from hallway.bus.local import LocalBus


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
