"""A person at `hallway top`: the real program on a real bus, driven by Textual's pilot."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from hallway.cli.top.entry_form import EntryForm
from hallway.cli.top.lines import LineList
from hallway.cli.top.program import TopProgram
from support import PATIENCE_S, run_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    from hallway.bus.base import Bus

COLOUR = re.compile("\x1b\\[[0-9]+m")


class Seat:
    """Reads what the program shows, and presses keys."""

    def __init__(self, program: TopProgram, pilot: Pilot[None]) -> None:
        self.program = program
        self.pilot = pilot

    def lines(self, widget: str = "list") -> list[str]:
        """Return what a widget shows, without colours, as far as it was read."""
        return [COLOUR.sub("", line) for line in self.program.query_one(f"#{widget}", LineList).lines]

    def text(self, widget: str = "list") -> str:
        return "\n".join(self.lines(widget))

    @property
    def selected(self) -> str:
        """Return the selected line; empty if none is."""
        at = self.program.query_one("#list", LineList).selected
        return "" if at is None else self.lines()[at]

    @property
    def form(self) -> EntryForm | None:
        return next(iter(self.program.query(EntryForm)), None)

    def note(self) -> str:
        """Return what the open form says below its fields."""
        form = self.form
        return str(form.query_one("#note").render()) if form else ""

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*("space" if each == " " else each for each in text))

    async def until(self, condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, self.whole()
            await asyncio.sleep(0.01)
        await self.pilot.pause()

    def whole(self) -> str:
        """Return everything that is shown, for a failure."""
        return "\n".join(self.text(each) for each in ("state", "tabs", "heading", "list", "detail", "keys"))


def at_the_screen(bus: Bus, do: Callable[[Seat], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run the program on a bus of that many cells, and let a person do something at it once it shows a list."""

    async def run() -> None:
        program = TopProgram(bus, "/src/bus")
        async with program.run_test(size=size) as pilot:
            seat = Seat(program, pilot)
            await seat.until(lambda: seat.lines())
            await do(seat)

    run_apart(run())
