"""Helper functions that the renderers share."""

from __future__ import annotations

from hallway.text.sanitize import sanitize
from hallway.text.style import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import Any, TypeAlias

    from hallway.cli.terminal import Terminal

    Renderer: TypeAlias = Callable[[Terminal, Any, dict[str, Any]], Iterable[str]]


NAMED = 5  # names of a long list that a line shows


def fact_lines(screen: Terminal, facts: Iterable[tuple[str, Any]], **colours: str) -> list[str]:
    """Return named facts, one per line and aligned; empty values are left out."""
    rows = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in rows), default=0)
    return [
        f"{screen.paint(name.ljust(width), 'grey')}  {screen.paint(str(value), colours.get(name, ''))}"
        for name, value in rows
    ]


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
