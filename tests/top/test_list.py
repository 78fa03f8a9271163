"""What `hallway top` shows: the ranked list, the sessions, the record that is selected, and what changes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import attention_scene
import hallway
from attention_scene import EXPECTED
from cli.test_terminal import HOSTILE, make_hostile
from hallway.cli.top.entry_form import TextField
from hallway.cli.top.program import Fresh
from top.driver import Seat, at_the_screen

if TYPE_CHECKING:
    from cli.person import Person
    from hallway.bus.base import Bus
    from hallway.bus.local import LocalBus
    from hallway.core.clock import FakeClock

PROJECT = "github.com/acme/shop"
DANGEROUS = {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\r", "\x08", "\x7f"}


def ask(bus: Bus, session_id: str, subject: str, **more: str) -> str:
    """Have a session ask alice something; return the message's id."""
    return bus.messages.send(session_id, "user:alice", "request", subject, **more).message_id


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for name in ("login", "cart", "search"):
        bus.sessions.register(
            name, name, "claude-code", name=name, human_user="alice", project=PROJECT, status="working"
        )
    return bus


@pytest.mark.promise("H1")
@pytest.mark.parametrize("size", [(80, 24), (60, 20), (160, 50)])
def test_the_scene_is_ranked_as_on_every_face(bus: LocalBus, clock: FakeClock, size: tuple[int, int]) -> None:
    attention_scene.play(bus, clock)

    async def look(seat: Seat) -> None:
        rows = [(line[2:].split()[0], line) for line in seat.lines()]
        assert [kind for kind, _ in rows] == [each.kind for each in EXPECTED]
        for (_, line), wanted in zip(rows, EXPECTED, strict=True):
            assert wanted.name[:7] in line
            assert (wanted.what[:10] if wanted.state == "open" else "(answered") in line
        assert " 1 Attention 19 " in seat.text("tabs")

    at_the_screen(bus, look, size)


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (160, 50)])
def test_no_line_is_wider_than_the_screen(bus: LocalBus, clock: FakeClock, size: tuple[int, int]) -> None:
    attention_scene.play(bus, clock)
    bus.sessions.rename("docs", "a-name-as-long-as-a-name-may-be")

    async def look(seat: Seat) -> None:
        for key in "123456":
            await seat.press(key)
            for widget in ("state", "tabs", "heading", "list", "keys"):
                assert max(map(len, seat.lines(widget)), default=0) <= size[0], (key, widget)

    at_the_screen(bus, look, size)


def test_an_empty_bus_is_all_clear(bus: LocalBus) -> None:
    async def look(seat: Seat) -> None:
        assert "All clear." in seat.text()
        await seat.press("2")
        assert "hallway install" in seat.text()
        await seat.press("enter", "r", "d", "x", "G", "k")  # nothing is selected
        assert seat.form is None

    at_the_screen(bus, look)


def test_the_selected_question_is_shown_in_full(team: LocalBus) -> None:
    question = "Which of the two? " * 12 + "Say it soon."
    team.sessions.heartbeat("login", status="waiting", reason="question", detail=question[:200])
    ask(team, "cart", "Tabs or spaces?", body="In the templates, too.\nAnd in the tests.")

    async def look(seat: Seat) -> None:
        await seat.until(lambda: "Which of the two?" in seat.text("detail"))
        assert " ".join(seat.text("detail").split()).count("Which of the two?") >= 11
        await seat.press("j")
        await seat.until(lambda: "And in the tests." in seat.text("detail"))
        await seat.press("enter")
        assert seat.program.screen.has_class("-zoomed")
        await seat.press("escape")
        assert not seat.program.screen.has_class("-zoomed")

    at_the_screen(team, look)


def test_a_session_is_shown_with_its_messages_and_its_activity(team: LocalBus) -> None:
    team.messages.send("cart", "login", subject="The cart is done", body="All of it.")
    team.sessions.heartbeat("login", current_task="mend the form")

    async def look(seat: Seat) -> None:
        await seat.press("2")
        await seat.until(lambda: len(seat.lines()) == 3)
        assert [line.split()[2] for line in seat.lines()] == ["cart", "login", "search"]
        await seat.press("j")
        await seat.until(lambda: "mend the form" in seat.text("detail") and "All of it." in seat.text("detail"))
        assert "cart → login" in seat.text("detail")
        assert "Activity" in seat.lines("detail")
        assert "login is here working" in seat.text("detail")

    at_the_screen(team, look, (160, 50))


def test_what_happens_is_shown_without_a_key(team: LocalBus) -> None:
    async def look(seat: Seat) -> None:
        assert "All clear." in seat.text()
        ask(team, "cart", "Which port?")
        await seat.until(lambda: "Which port?" in seat.text())
        assert " 1 Attention 1 " in seat.text("tabs")
        assert "1 need you" in seat.text("state")
        await seat.press("2")
        team.sessions.heartbeat("search", status="waiting", reason="question", detail="Which index?")
        await seat.until(lambda: "search" in seat.lines()[0])  # who waits is first

    at_the_screen(team, look)


def test_the_selection_follows_its_item_when_others_come_and_go(team: LocalBus) -> None:
    first, second = ask(team, "cart", "First?"), ask(team, "cart", "Second?")
    ask(team, "search", "Third?")

    async def look(seat: Seat) -> None:
        await seat.press("j")
        assert "Second?" in seat.selected
        ask(team, "login", "Now!", priority="urgent")
        await seat.until(lambda: "Now!" in seat.text())
        assert "Second?" in seat.selected
        team.messages.reply("user:alice", first, "Yes.")
        await seat.until(lambda: "(answered" in seat.text())
        assert "Second?" in seat.selected
        assert second

    at_the_screen(team, look)


def test_no_key_acts_on_the_neighbour_of_an_item_that_has_just_gone(team: LocalBus) -> None:
    ask(team, "cart", "First?")
    ask(team, "cart", "Second?")
    items = team.attention.read().items

    async def look(seat: Seat) -> None:
        assert "First?" in seat.selected
        team.attention.dismiss(items[0].item_id)
        await seat.until(lambda: len(seat.lines()) == 1)
        await seat.press("d")
        assert seat.selected == ""
        await seat.press("j")
        assert "Second?" in seat.selected
        assert len(team.attention.read().items) == 1

    at_the_screen(team, look)


def test_a_filter_shows_what_has_all_of_its_words(team: LocalBus) -> None:
    async def look(seat: Seat) -> None:
        await seat.press("2", "slash")
        await seat.type("acme cart")
        await seat.press("enter")
        assert [line.split()[2] for line in seat.lines()] == ["cart"]
        await seat.press("escape")
        assert len(seat.lines()) == 3

    at_the_screen(team, look)


def test_hostile_text_is_text(person: Person) -> None:
    make_hostile(person)
    markup = "[bold red]x[/] [@click=app.quit]y[/] [link=http://acme.example]z"
    with hallway.connect(person.home, project=PROJECT) as bus:
        bus.sessions.register("s9", "s9", "codex", name="s9", project=PROJECT)
        ask(bus, "s9", markup, body=markup)
        bus.memory.set("s9", "key", f"{HOSTILE}{markup}", project=PROJECT)

        async def look(seat: Seat) -> None:
            for view in "123456":
                await seat.press(view)
                for step in ("g", "j", "j", "j"):
                    await seat.press(step)
                    await seat.until(lambda: seat.lines("detail") or not seat.selected)
                    for widget in ("list", "detail", "state", "keys"):
                        assert not DANGEROUS & set(seat.text(widget).replace("\n", "")), (view, widget)
            await seat.press("1", "G", "r")
            assert seat.form is not None
            assert "[bold red]x[/] [@click=app.quit]y[/]" in str(seat.form.query_one("#title").render())
            await seat.press("escape", "5", "slash")
            await seat.type("forged")
            await seat.press("enter")
            await seat.until(lambda: "e edit" in seat.text("keys"))
            await seat.press("e")
            assert seat.form is not None
            assert HOSTILE.partition("\r")[0] in seat.form.texts()["value"]  # what is stored does not change
            shown = "".join(
                strip.text for strip in (seat.form.query(TextField).first().render_line(y) for y in range(4))
            )
            assert not DANGEROUS & set(shown)
            assert "␛[2J" in shown

        at_the_screen(bus, look, (160, 50))


def test_help_names_every_key_of_every_act(team: LocalBus) -> None:
    from hallway.cli.top.acts import ACTS

    async def look(seat: Seat) -> None:
        await seat.press("question_mark")
        text = " ".join(seat.text("detail").split())
        for act in ACTS:
            assert f" {act.key} {act.label}" in text
        await seat.press("escape")
        assert not seat.program.screen.has_class("-zoomed")

    at_the_screen(team, look)


def test_no_key_has_two_meanings_in_a_view() -> None:
    from hallway.cli.top.acts import ACTS
    from hallway.cli.top.views import VIEWS

    for view in VIEWS:
        keys = [act.key for act in ACTS if view.name in act.views]
        assert len(keys) == len(set(keys)), view.title
        assert not set(keys) & set("jkgGqup/?123456"), view.title


def test_the_mouse_selects_and_opens(team: LocalBus) -> None:
    ask(team, "cart", "First?")
    ask(team, "cart", "Second?")

    async def look(seat: Seat) -> None:
        await seat.pilot.click("#list", offset=(5, 1))
        await seat.pilot.pause()
        assert "Second?" in seat.selected
        await seat.pilot.click("#list", offset=(5, 0), times=2)
        await seat.pilot.pause()
        assert seat.program.screen.has_class("-zoomed")
        await seat.pilot.click("#tabs", offset=(20, 0))
        await seat.until(lambda: "claude-code" in seat.text())

    at_the_screen(team, look)


@pytest.mark.parametrize("size", [(20, 6), (10, 3), (300, 100)])
def test_a_screen_of_any_size_is_drawn(bus: LocalBus, clock: FakeClock, size: tuple[int, int]) -> None:
    attention_scene.play(bus, clock)

    async def look(seat: Seat) -> None:
        for key in ("2", "3", "6", "enter", "escape", "question_mark", "j", "escape", "n", "escape", "1", "r"):
            await seat.press(key)
        await seat.pilot.resize_terminal(80, 24)
        await seat.until(lambda: seat.form is not None)

    at_the_screen(bus, look, size)


def test_the_help_scrolls_where_it_does_not_fit(team: LocalBus) -> None:
    async def look(seat: Seat) -> None:
        await seat.press("question_mark", "j", "j")
        assert "Mouse" in seat.text("detail")
        assert seat.program.query_one("#detail").scroll_y == 2
        assert "esc back" in seat.text("keys")
        await seat.press("escape")
        assert seat.program.query_one("#detail").scroll_y == 0

    at_the_screen(team, look, (60, 10))


def test_a_burst_of_events_is_shown_in_a_few_readings(team: LocalBus) -> None:
    readings: list[object] = []

    async def look(seat: Seat) -> None:
        show = seat.program.on_fresh

        def count(event: Fresh) -> None:
            readings.append(event)
            show(event)

        seat.program.on_fresh = count  # type: ignore[method-assign]
        await seat.press("2")
        for number in range(300):
            team.sessions.heartbeat("login", current_task=f"step {number}")
        await seat.until(lambda: "step 299" in seat.text())
        assert len(readings) < 150

    at_the_screen(team, look)


@pytest.mark.promise("H3")
def test_who_uses_the_screen_has_looked_and_who_left_it_open_has_not(
    team: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hallway.cli.top.feed.MIN_BETWEEN_LOOKS_S", 0.0)

    def looks() -> int:
        return int((team.store.one("notifications.looked_at", person="user:alice") or (0,))[0])

    async def look(seat: Seat) -> None:
        await seat.until(looks)
        first = looks()
        team.store.clock.advance(60)
        ask(team, "login", "Which port?")
        await seat.until(lambda: "Which port?" in seat.text())
        ask(team, "cart", "And which host?")
        await seat.until(lambda: "And which host?" in seat.text())
        assert looks() == first, "nobody has touched the screen"
        await seat.press("j")
        await seat.until(lambda: looks() > first)

    at_the_screen(team, look)
