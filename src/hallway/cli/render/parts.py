"""Helper functions that the renderers share."""

from __future__ import annotations

from hallway.cli.terminal import GAP, cell_width, wrap
from hallway.text.sanitize import sanitize
from hallway.text.style import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import Any, TypeAlias

    from hallway.cli.terminal import Terminal

    Renderer: TypeAlias = Callable[[Terminal, Any, dict[str, Any]], Iterable[str]]


MIN_BESIDE = 16  # the smallest width in cells of a text beside its label
NAMED = 5  # names of a long list that a line shows


def fact_lines(screen: Terminal, facts: Iterable[tuple[str, Any]], **colours: str) -> list[str]:
    """Return named facts, aligned, a long one wrapped at the screen's width; empty values are left out."""
    rows = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, value in rows:
        label = screen.paint(name.ljust(width), "grey")
        lines += labelled(screen, label, width, " ".join(str(value).splitlines()), colours.get(name, ""))
    return lines


def labelled(screen: Terminal, label: str, cells: int, text: str, colour: str = "") -> list[str]:
    """Return a text beside its label of so many cells, wrapped; below the label where there is no room beside it."""
    if screen.width is not None and screen.width - cells - len(GAP) < MIN_BESIDE:
        return [label.rstrip(), *indented(screen, text, GAP, colour)]
    first, *rest = indented(screen, text, " " * cells + GAP, colour) or [""]
    return [f"{label}{GAP}{first.lstrip()}", *rest]


def indented(screen: Terminal, text: str, indent: str, colour: str = "") -> list[str]:
    """Return a text as indented lines that are no wider than the screen."""
    lines = wrap(text, screen.width and screen.width - len(indent))
    return [f"{indent}{screen.paint(line, colour)}".rstrip() for line in lines]


def flow(screen: Terminal, parts: Iterable[tuple[str, str]], *, first: str = "", rest: str = "  ") -> list[str]:
    """Return texts with their colours side by side, on as many lines as the screen's width needs.

    `first` and `rest` are what the first line and the others begin with.
    """
    lines, used = [first], cell_width(first)
    is_empty = True
    room = screen.width and screen.width - cell_width(rest)
    for text, colour in ((piece, colour) for whole, colour in parts if whole for piece in wrap(whole, room)):
        if not is_empty and screen.width is not None and used + len(GAP) + cell_width(text) > screen.width:
            lines.append(rest)
            used, is_empty = cell_width(rest), True
        gap = "" if is_empty else GAP
        lines[-1] += gap + screen.paint(text, colour)
        used, is_empty = used + len(gap) + cell_width(text), False
    return lines


def how_many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_few(names: list[str]) -> str:
    """Return the first names and how many more there are."""
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return sanitize(", ".join(names[:NAMED])) + rest


def when(screen: Terminal, at: datetime) -> str:
    return f"{age(at, screen.now_s)} ago ({at.astimezone().strftime('%Y-%m-%d %H:%M:%S')})"


def in_numbers(items: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in items)


def when_short(screen: Terminal, at: datetime) -> str:
    return f"{age(at, screen.now_s)} ago"


def next_page(page: list[Any], arguments: dict[str, Any], flag: str, last: object) -> list[str]:
    """Return a line with the flag for the next page if this page is full; else an empty list."""
    if len(page) != arguments.get("limit"):
        return []
    return [f"These are {len(page)}; the next ones: add --{flag} {sanitize(str(last))}"]
