"""Terminal output of the command line: width, colours, and tables that fit the width.

All output for people is written through this module. It passes text through `sanitize` before it reaches a terminal.
Keep the imports light: the heartbeat's fast path loads this module.
"""

from __future__ import annotations

import os
import sys
import time

from hallway.core.model import EVERYBODY
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

CODES = {"yellow": "33", "green": "32", "cyan": "36", "blue": "34", "red": "31", "grey": "90", "bold": "1"}
GAP = "  "
ELLIPSIS = "…"
MAX_WIDTHS = 2000  # measured texts that are remembered
MIN_WRAP = 8  # the smallest width in cells to which a text is wrapped


class Terminal:
    """An output stream with its width in cells (None: nothing is cut), its colours, and the time to compute ages.

    `names` are the names of the sessions whose ids are in what is shown. `has_ids`: items and messages come with their
    ids, for a person who types them.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        width: int | None = None,
        has_colour: bool = False,
        has_ids: bool = True,
        is_terminal: bool = False,
    ) -> None:
        self.stream = stream
        self.width = width
        self.is_terminal = is_terminal
        self.has_colour = has_colour
        self.has_ids = has_ids
        self.now_s = time.time()
        self.names: dict[str, str] = {}

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """Return a `Terminal` for a stream. Colours are used only on a terminal, and only if NO_COLOR is not set."""
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # do not fail on a character that the terminal cannot encode
        is_terminal = stream.isatty()
        is_colourful = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = _width(stream) if is_terminal else None
        return cls(stream, width=width, has_colour=is_colourful, is_terminal=is_terminal)

    def name_of(self, party: str) -> str:
        """Return how a sender or recipient is shown: by a session's name, as `everybody`, or by the address."""
        return "everybody" if party == EVERYBODY else self.names.get(party, party)

    def paint(self, text: str, colour: str) -> str:
        """Sanitize a text, and colour it if this terminal shows colours."""
        safe = sanitize(text)
        return f"\x1b[{CODES[colour]}m{safe}\x1b[0m" if self.has_colour and colour in CODES else safe

    def paint_marked(self, text: str) -> str:
        """Sanitize a text, and show the parts between `**` in bold. Without colours, the `**` marks stay."""
        if not self.has_colour:
            return sanitize(text)
        return "".join(self.paint(part, "bold" if at % 2 else "") for at, part in enumerate(text.split("**")))

    def write(self, *lines: str) -> None:
        """Write lines and flush the stream. The caller has sanitized the text of the lines."""
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()


def _width(stream: TextIO) -> int | None:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def out() -> Terminal:
    """Return the terminal for results (standard output)."""
    return Terminal.of(sys.stdout or open(os.devnull, "w"))  # a process may be started without standard output


def err() -> Terminal:
    """Return the terminal for errors (standard error)."""
    return Terminal.of(sys.stderr or open(os.devnull, "w"))


class Column:
    """A column of a table: its heading, how far it may be cut, and the colour of each cell.

    `least` is the smallest width in cells to which the column may be cut (0: it is not cut). A column with
    `is_precious` is cut only if cutting the others is not enough. `drop` says when the column is left out of a table
    that is too wide even so: the highest number first, 0 never. `has_marks` applies to the last column only: a text
    between `**` is shown in bold.
    """

    __slots__ = ("colour_of", "drop", "has_marks", "heading", "is_cut_left", "is_precious", "least")

    def __init__(
        self,
        heading: str,
        *,
        least: int = 0,
        drop: int = 0,
        is_precious: bool = False,
        is_cut_left: bool = False,
        has_marks: bool = False,
        colour_of: Callable[[str], str] | None = None,
    ) -> None:
        self.heading = heading
        self.least = least
        self.drop = drop
        self.is_precious = is_precious
        self.is_cut_left = is_cut_left
        self.has_marks = has_marks
        self.colour_of = colour_of


def table(screen: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Return the lines of a table with its headings, aligned and cut to the screen width.

    A column that is empty in every row is left out. So are columns with `drop` in a table that is too wide even with
    every column cut to its `least`. As a last resort every column is cut: a row is never wider than the screen.
    """
    rows = [[sanitize(cell) for cell in row] for row in rows]
    width = None if screen.width is None else screen.width - len(indent)
    kept = _columns_that_fit(columns, [at for at in range(len(columns)) if any(row[at] for row in rows)], rows, width)
    columns = [columns[at] for at in kept]
    rows = [[row[at] for at in kept] for row in rows]
    widths = [_natural_width(column, [row[at] for row in rows]) for at, column in enumerate(columns)]
    if width is not None:
        _squeeze(columns, widths, width - len(GAP) * (len(columns) - 1))
    headings = [_fit(column, column.heading, width) for column, width in zip(columns, widths, strict=True)]
    lines = [screen.paint((indent + GAP.join(headings)).rstrip(), "grey")]
    for row in rows:
        fitted = [_fit(column, cell, width) for column, cell, width in zip(columns, row, widths, strict=True)]
        colours = [
            column.colour_of(cell) if column.colour_of else "" for column, cell in zip(columns, row, strict=True)
        ]
        fitted[-1] = fitted[-1].rstrip()
        painted = [*map(screen.paint, fitted, colours)]
        if columns[-1].has_marks:
            painted[-1] = screen.paint_marked(fitted[-1])
        lines.append(indent + GAP.join(painted))
    return lines


def _natural_width(column: Column, cells: Sequence[str]) -> int:
    return max(cell_width(text) for text in (column.heading, *cells))


def _columns_that_fit(
    columns: Sequence[Column], kept: list[int], rows: Sequence[Sequence[str]], width: int | None
) -> list[int]:
    """Return which columns are shown: without those that are to be dropped until the others, cut, fit the width."""
    if width is None:
        return kept
    widths = {at: _natural_width(columns[at], [row[at] for row in rows]) for at in kept}
    smallest = {at: min(widths[at], columns[at].least or widths[at]) for at in kept}
    while sum(smallest[at] + len(GAP) for at in kept) - len(GAP) > width:
        droppable = [at for at in kept if columns[at].drop]
        if not droppable:
            break
        kept = [at for at in kept if at != max(droppable, key=lambda at: columns[at].drop)]
    return kept


def _squeeze(columns: Sequence[Column], widths: list[int], room: int) -> None:
    """Narrow the widest column that may be cut, one cell at a time, until all fit.

    Precious columns are cut only after the others. At last all columns are, as far as one cell.
    """
    least = [column.least or width for column, width in zip(columns, widths, strict=True)]
    not_precious = [
        width if column.is_precious else cells for column, width, cells in zip(columns, widths, least, strict=True)
    ]
    for limits in (not_precious, least, [1] * len(widths)):
        while sum(widths) > room:
            candidates = [at for at, limit in enumerate(limits) if widths[at] > limit]
            if not candidates:
                break
            widths[max(candidates, key=widths.__getitem__)] -= 1


def _fit(column: Column, text: str, width: int) -> str:
    """Return text cut or padded to a width."""
    text = cut(text, width, is_cut_left=column.is_cut_left)
    return text + " " * (width - cell_width(text))


def cut(text: str, width: int, *, is_cut_left: bool = False) -> str:
    """Return a text cut to at most `width` cells, with an ellipsis in place of the part that is cut off."""
    if cell_width(text) <= width:
        return text
    kept, used = [], 0
    for character in reversed(text) if is_cut_left else text:
        used += cell_width(character)
        if used >= width:  # the ellipsis takes a cell
            break
        kept.append(character)
    return ELLIPSIS + "".join(reversed(kept)) if is_cut_left else "".join(kept) + ELLIPSIS


def wrap(text: str, width: int | None) -> list[str]:
    """Return the sanitized lines of a text. A line wider than `width` is broken at a space and keeps its indent."""
    lines = [sanitize(line.expandtabs(4)) for line in text.replace("\r\n", "\n").rstrip().split("\n")]
    return lines if width is None else [part for line in lines for part in _parts(line, max(width, MIN_WRAP))]


def _parts(line: str, width: int) -> Iterator[str]:
    lead = line[: len(line) - len(line.lstrip())][: width // 2]
    while (fitting := _fitting(line, width)) < len(line):
        space = line.rfind(" ", len(lead) + 1, fitting + 1)
        at = fitting if space < 0 else space
        yield line[:at].rstrip()
        line = lead + line[at:].lstrip()
    yield line


def _fitting(text: str, width: int) -> int:
    """Return how many characters of a text fit into `width` cells."""
    used = 0
    for at, character in enumerate(text):
        used += cell_width(character)
        if used > width:
            return at
    return len(text)


_widths: dict[str, int] = {}  # of the texts that were measured last: a table measures each of its cells four times


def cell_width(text: str) -> int:
    """Return the width of a text in terminal cells: two for a wide letter, none for a combining mark or a joiner."""
    if text.isascii():
        return len(text)
    if text not in _widths:
        from unicodedata import category, east_asian_width

        if len(_widths) >= MAX_WIDTHS:
            _widths.clear()
        _widths[text] = sum(
            0 if category(c) in ("Mn", "Me", "Cf") else 2 if east_asian_width(c) in ("W", "F") else 1 for c in text
        )
    return _widths[text]
