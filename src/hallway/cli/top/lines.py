"""Widgets that show lines of text with the command line's colours. They interpret no markup.

The lines come from the command line's renderers, which sanitize every text from the bus: an escape sequence in them is
one of their colours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hallway.cli.terminal import CODES

if TYPE_CHECKING:
    from textual.events import Click

ESCAPE = re.compile("\x1b\\[([0-9]+)m")
STYLES = {
    code: Style(bold=True) if name == "bold" else Style(color="bright_black" if name == "grey" else name)
    for name, code in CODES.items()
}
STYLES["7"] = SELECTED = Style(reverse=True, bold=True)


@lru_cache(4096)
def strip_of(line: str) -> Strip:
    """Return a line of text with its colours as Textual's form of a line."""
    first, *rest = ESCAPE.split(line)
    parts = [(first, None), *((text, STYLES.get(code)) for code, text in zip(rest[::2], rest[1::2], strict=True))]
    return Strip([Segment(text, style) for text, style in parts if text])


class LineList(ScrollView):
    """Lines of text that scroll, one of which may be selected; a change repaints only the lines that differ."""

    DEFAULT_CSS = """
    LineList { overflow-x: hidden; scrollbar-size: 0 0; }
    """

    class Clicked(Message):
        """A line was clicked at a column; `chain` is 2 for a double click."""

        def __init__(self, widget_id: str, at: int, column: int, chain: int) -> None:
            self.widget_id = widget_id
            self.at = at
            self.column = column
            self.chain = chain
            super().__init__()

    def __init__(self, widget_id: str) -> None:
        super().__init__(id=widget_id)
        self.lines: list[str] = []
        self.selected: int | None = None

    def show(self, lines: list[str], selected: int | None = None) -> None:
        """Show lines in place of the ones before; the scroll position stays."""
        before, was_selected = self.lines, self.selected
        self.lines, self.selected = lines, selected
        if len(before) != len(lines):
            self.virtual_size = Size(0, len(lines))
            self.refresh()
            return
        top = self.scroll_offset.y
        for at in range(top, min(top + self.size.height, len(lines))):
            if before[at] != lines[at] or (at in (selected, was_selected) and selected != was_selected):
                self.refresh_line(at)

    def keep_in_view(self, at: int, *, moved: int = 0) -> None:
        """Keep a line in view; `moved` is by how many lines an update has moved it."""
        top = round(self.scroll_y)
        top += moved if top else 0
        height = max(self.size.height, 1)
        wanted = min(max(top, at - height + 1), at)
        if wanted != round(self.scroll_y):
            self.scroll_to(y=wanted, animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        at, width = y + self.scroll_offset.y, self.size.width
        if at >= len(self.lines):
            return Strip.blank(width)
        strip = strip_of(self.lines[at]).adjust_cell_length(width)
        return Strip([Segment(strip.text, SELECTED)], strip.cell_length) if at == self.selected else strip

    def on_click(self, event: Click) -> None:
        at = event.y + self.scroll_offset.y
        if at < len(self.lines):
            self.post_message(self.Clicked(str(self.id), at, event.x, event.chain))
