"""`hallway top` as a person starts it, in a real terminal: tmux, of several sizes, with and without colours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import attention_scene
from attention_scene import EXPECTED
from hallway.bus.local import LocalBus
from hallway.store.sqlite import SQLiteStore
from support import Here, until
from top.tmux import Tmux, has_tmux

if TYPE_CHECKING:
    from cli.person import Person
    from hallway.core.clock import FakeClock

pytestmark = pytest.mark.skipif(not has_tmux(), reason="needs tmux")
DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "top.md"
COLOUR = re.compile("\x1b\\[(?:3[0-7]|9[0-7]|4[0-7]|10[0-7]|38;|48;)")


@pytest.fixture
def scene(person: Person, clock: FakeClock) -> Person:
    """A person with the bus of the scene, as it would be now."""
    person.home.mkdir()
    with LocalBus(SQLiteStore(str(person.bus_file), clock=clock), Here()) as bus:
        attention_scene.play(bus, clock)
    return person


def top(person: Person, width: int, height: int, **environ: str) -> Tmux:
    return Tmux(person.command("top"), {**person.environ, **environ}, width, height)


def order_in(text: str, length: int) -> list[str]:
    """Return what a screen says of the expected items, in its order; a row shows as much of it as fits."""
    places = {each.what: text.find(each.what[:length]) for each in EXPECTED if each.state == "open"}
    return [what for what, place in sorted(places.items(), key=lambda pair: pair[1]) if place >= 0]


@pytest.mark.promise("H1")
@pytest.mark.parametrize(("width", "height", "rows"), [(80, 24, 9), (60, 20, 7), (160, 50, 18)])
def test_the_screen_lists_what_hallway_lists_in_the_same_order(
    scene: Person, width: int, height: int, rows: int
) -> None:
    wanted = [each["what"] for each in json.loads(scene.types("--json").stdout)["attention"]["items"]]
    assert wanted == [each.what for each in EXPECTED]
    with top(scene, width, height) as tmux:
        screen = tmux.until(lambda text: "Which currency" in text and "quit" in text)
        listed = "\n".join(screen.splitlines()[3 : 3 + rows])
        assert order_in(listed, 16) == wanted[:rows]
        assert screen.splitlines()[1].startswith(" 1 Attention 19  2 Sess")
        tmux.press("q")
        assert tmux.status() == 0


def test_a_person_answers_and_dismisses_in_a_terminal(scene: Person) -> None:
    with top(scene, 80, 24) as tmux:
        tmux.until(lambda text: "May I roll production back" in text.splitlines()[3] and "r answer" in text)
        tmux.press("r")
        tmux.until(lambda text: "Answer release: May I roll production back to 4.1?" in text)
        tmux.type("Yes, roll it back; [b]now[/b]")
        tmux.press("Enter")
        tmux.until(lambda text: "Sent to release" in text)
        until(lambda: "[b]now[/b]" in scene.types("inbox", "release").stdout)
        tmux.press("g")
        tmux.until(lambda text: "Stop: the registry" in text.splitlines()[3])
        tmux.press("d")
        tmux.until(lambda text: "u undo" in text or "u: undo" in text)
        tmux.until(lambda text: "npm publish" in text.splitlines()[3])
        tmux.press("u")
        tmux.until(lambda text: "Stop: the registry" in text.splitlines()[3])


def test_the_screen_fits_after_a_change_of_its_size(scene: Person) -> None:
    with top(scene, 160, 50) as tmux:
        tmux.until(lambda text: "│" in text and "Which currency" in text)
        tmux.resize(60, 20)
        screen = tmux.until(lambda text: "────" in text and len(text.splitlines()) <= 20 and "q quit" in text)
        assert max(map(len, screen.splitlines())) <= 60
        tmux.resize(160, 50)
        tmux.until(lambda text: "│" in text and "✓ finished" in text)


def test_without_colours_nothing_is_coloured_and_the_selection_is_seen(scene: Person) -> None:
    with top(scene, 80, 24) as tmux:
        tmux.until(lambda text: "Which currency" in text)
        until(lambda: COLOUR.search(tmux.screen("-e")))
    with top(scene, 80, 24, NO_COLOR="1") as tmux:
        tmux.until(lambda text: "Which currency" in text and "quit" in text)
        styled = tmux.screen("-e")
        assert not COLOUR.search(styled)
        (selected,) = [line for line in styled.splitlines() if "\x1b[1;7m" in line and "roll production" in line]
        assert "‼ request" in selected


def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(scene: Person) -> None:
    with top(scene, 80, 24) as tmux:
        tmux.until(lambda text: "Which currency" in text)
        tmux.press("C-c")
        assert tmux.status() == 0
        tmux.until(lambda text: "Which currency" not in text)


def test_without_a_terminal_it_says_what_to_type(person: Person) -> None:
    done = person.types("top")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "hallway attention" in done.stderr
    assert "hallway attention --json" in person.types("top", "--json").stderr


def test_without_its_package_it_names_the_command_that_installs_it(person: Person) -> None:
    without = "import sys; sys.modules['textual'] = None; from hallway.cli.main import run; sys.exit(run(sys.argv[1:]))"
    with Tmux([*person.command("top")[:1], "-c", without, "top"], person.environ, 80, 24) as tmux:
        assert tmux.status() == 2
        tmux.until(lambda text: "pip install 'hallway[top]'" in text)


def test_the_screen_in_the_documentation_is_a_real_one(scene: Person) -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").split("```\n")[2].splitlines()
    with top(scene, 80, 24) as tmux:
        screen = tmux.until(lambda text: "○ stored" in text and "q quit" in text)
    assert masked(screen.splitlines()[1:]) == masked(shown[1:])


def masked(lines: list[str]) -> list[str]:
    """Return the lines of a screen without ages and times, and the spaces around them."""
    return [re.sub(r" *\b[0-9]+[smhd]\b *| [0-9]{2}:[0-9]{2} *", " ", line).rstrip() for line in lines]
