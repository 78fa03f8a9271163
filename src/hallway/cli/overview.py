"""`hallway` alone: what needs attention, who works, what is stuck and what is finished, on one screen.

Keep the imports light: it runs without argparse.
"""

from __future__ import annotations

import os

from hallway.bus.connect import connect
from hallway.cli.looks import note_look
from hallway.cli.render.attention import items
from hallway.cli.render.sessions import BRANCH, NAME, PROJECT, SEEN, TASK, TYPE
from hallway.cli.terminal import Column, cut, out, table
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json
from hallway.text.style import age, short_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Attention, AttentionItem, Session

AT_ONCE = 1000
AROUND = 4  # lines of a section beside its rows: title, headings, how many more there are, and an empty line
APART = ("stuck", "finished")  # kinds of items with a section of their own
SINCE = Column("SINCE", drop=2)


class Section:
    """A heading with a table below it; `others` is the command that shows what does not fit."""

    def __init__(self, title: str, colour: str, total: int, table_lines: list[str], others: str) -> None:
        self.title = title
        self.colour = colour
        self.total = total
        self.others = others
        self.heading, *self.rows = table_lines or [""]

    def lines(self, screen: Terminal, room: int) -> list[str]:
        """Return the section with at most `room` rows, and how many more there are; without room, one line."""
        if not room:
            return [screen.paint(f"{self.title} ({self.total}): {self.others}", self.colour)]
        rows = self.rows[:room]
        more = self.total - len(rows)
        count = [screen.paint(f"  and {more} more: {self.others}", "grey")] if more else []
        return [screen.paint(f"{self.title} ({self.total})", self.colour), self.heading, *rows, *count, ""]


def show(url: str | None = None, *, is_json: bool = False) -> None:
    """Print the overview; on a terminal, no more than fits its height."""
    with connect(url) as bus:
        attention = bus.attention.read(limit=AT_ONCE)
        working = [*bus.sessions.find_sessions(status="working", limit=AT_ONCE)]
        working += bus.sessions.find_sessions(status="active", limit=AT_ONCE)
        is_empty = not (working or attention.total or bus.sessions.find_sessions(limit=1))
        screen = out()
        if screen.is_terminal:
            note_look(bus)
    if is_json:
        screen.write(clean_json(encode({"attention": attention, "working": working})))
        return
    screen.write(*overview(screen, attention, working, is_empty=is_empty, height=height_of(screen)))


def height_of(screen: Terminal) -> int | None:
    """Return the lines of a terminal; None for an output that is no terminal."""
    if screen.width is None:
        return None
    text = os.environ.get("LINES", "")
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    try:
        return os.get_terminal_size(screen.stream.fileno()).lines or None
    except (OSError, ValueError):
        return None


def overview(
    screen: Terminal, attention: Attention, working: list[Session], *, is_empty: bool, height: int | None
) -> list[str]:
    """Return the lines of the overview; with a height, as many rows of each section as fit."""
    stuck = {each.session_id for each in attention.items if each.kind == "stuck"}
    needs = [each for each in attention.items if each.kind not in APART]
    sections = [
        _of_items(screen, "Needs attention", "yellow", needs),
        _of_items(screen, "Stuck", "red", [each for each in attention.items if each.kind == "stuck"]),
        _of_sessions(screen, [each for each in working if each.session_id not in stuck]),
        _of_items(screen, "Finished", "green", [each for each in attention.items if each.kind == "finished"]),
    ]
    sections = [each for each in sections if each.total]
    clear = [] if needs else [screen.paint("All clear.", "green"), ""]
    if is_empty:
        from hallway.cli.render.setup import nobody_here  # late: it imports the clients

        return [*clear[:1], *nobody_here(screen), "Check the connection: hallway doctor"]
    if not sections:
        return [*clear[:1], "Nobody is at work. All sessions: hallway list"]
    rooms = _rooms([len(each.rows) for each in sections], None if height is None else height - len(clear) - 2)
    lines = []
    for section, room in zip(sections, rooms, strict=True):
        lines += section.lines(screen, room)
    return [*clear, *lines, _footer(screen, needs)]


def _footer(screen: Terminal, needs: list[AttentionItem]) -> str:
    text = "All sessions: hallway list. To follow: hallway attention --watch"
    if any("answer" in each.actions for each in needs):
        text = "To answer: hallway answer ITEM TEXT. To take it off: hallway dismiss ITEM"
    return screen.paint(text if screen.width is None else cut(text, screen.width), "grey")


def _of_items(screen: Terminal, title: str, colour: str, listed: list[AttentionItem]) -> Section:
    return Section(title, colour, len(listed), items(screen, listed, indent="  "), "hallway attention")


def _of_sessions(screen: Terminal, sessions: list[Session]) -> Section:
    rows = [
        (
            each.name,
            each.current_task or "",
            each.agent_type,
            short_project(each.project),
            each.branch or "",
            age(each.status_since, screen.now_s),
            age(each.last_seen, screen.now_s),
        )
        for each in sorted(sessions, key=lambda each: each.last_seen, reverse=True)
    ]
    columns = (NAME, TASK, TYPE, PROJECT, BRANCH, SINCE, SEEN)
    return Section(
        "Working", "green", len(sessions), table(screen, columns, rows, indent="  ") if rows else [], "hallway list"
    )


def _rooms(wanted: list[int], height: int | None) -> list[int]:
    """Return how many rows each section gets: one each, and the rest in order, so that the first are cut last."""
    if height is None:
        return wanted
    rooms = [1] * len(wanted)
    while (left := height - sum(AROUND + 1 if room else 1 for room in rooms)) < 0 and any(rooms):
        rooms[sum(rooms) - 1] = 0  # a section that is no more than a line
    for place, rows in enumerate(wanted):
        if rooms[place]:
            more = max(min(rows - 1, left), 0)
            left -= more
            rooms[place] += more
    return rooms
