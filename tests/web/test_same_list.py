"""What needs a person is one list on the page, `hallway` and `hallway top`: order, kind, who, question (H1)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

import attention_scene
from cli.person import Person
from hallway.bus.local import LocalBus
from hallway.cli.overview import APART
from hallway.core.clock import SECOND, FakeClock
from hallway.store.sqlite import SQLiteStore
from hub.process import HubProcess
from support import Here
from top.driver import Seat, at_the_screen
from web.conftest import PATIENCE_MS
from web.scene import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

expect.set_options(timeout=PATIENCE_MS)

WIDE = 300  # cells that cut no cell
CELLS = re.compile(r" {2,}")
STATE = re.compile(r"^\(answered .*?\) ")


class Shown(NamedTuple):
    """What a face shows of an item."""

    kind: str
    who: str
    what: str


def afternoon(home: Path) -> None:
    clock = FakeClock(time.time_ns() // 1000 - attention_scene.BEGAN_MIN * 60 * SECOND)
    with LocalBus(SQLiteStore(str(home / "bus.db"), clock=clock), Here()) as bus:
        attention_scene.play(bus, clock)


@pytest.fixture(params=[play, afternoon], ids=["morning", "afternoon"])
def hub(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HubProcess]:
    """A hub whose bus has a scene on it."""
    home = tmp_path / "hallway"
    home.mkdir()
    request.param(home)
    with HubProcess(home) as hub:
        yield hub


def on_the_page(page: Page) -> list[Shown]:
    """Return the items in the order in which the page has them, also the folded ones."""
    rows = page.locator("#needs .needs-list:not(#needs-dismissed) > .need").all()
    return [
        Shown(
            (row.locator(".need-kind .status").text_content() or "").split()[-1],
            row.locator(".need-who a").text_content() or "",
            (row.locator(".question").text_content() or "").strip().split("\n")[0],
        )
        for row in rows
    ]


def in_a_table(lines: list[str], first: int) -> list[Shown]:
    """Return the items in the rows of a table; the cell with the kind is the `first`."""
    cells = [CELLS.split(line.strip())[first:] for line in lines]
    return [Shown(kind.split()[-1], who, STATE.sub("", what)) for kind, who, what, *_ in cells]


def of_hallway(text: str) -> list[Shown]:
    """Return the items that `hallway` shows: each row of its sections but that of who works."""
    rows = [line for line in text.splitlines() if re.match(r"^  [0-9a-f]{4,}  ", line)]
    return in_a_table(rows, 1)


@pytest.mark.promise("H1")
def test_the_page_and_hallway_and_hallway_top_show_one_list(
    open_tab: Callable[..., Page], hub: HubProcess, bus: LocalBus
) -> None:
    items = [Shown(each.kind, each.name, each.what) for each in bus.attention.read(limit=1000).items]
    assert len(items) >= 10
    page = open_tab("/")
    expect(page.locator("#needs")).to_be_visible()
    assert on_the_page(page) == items

    shown: list[list[Shown]] = []

    async def look(seat: Seat) -> None:
        shown.append(in_a_table(seat.lines(), 0))

    at_the_screen(bus, look, (WIDE, 60))
    assert shown == [items]

    person = Person(hub.home)
    apart = [[each for each in items if each.kind == kind] for kind in APART]
    needs = [each for each in items if each.kind not in APART]
    assert of_hallway(person.types().stdout) == [*needs, *apart[0], *apart[1]]
    assert of_hallway(person.types("attention").stdout.replace("\n", "\n  ")) == items
