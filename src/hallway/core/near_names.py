"""Search for known names that look like an unknown one, for the hints of errors."""

from __future__ import annotations

MAX_NEAR = 3
MAX_CANDIDATES = 200  # names that are compared by pairs of letters
MAX_COMPARED = 6  # names that are compared letter by letter, which costs a hundred times as much
MAX_COMPARED_LENGTH = 64
MIN_BEGINNING = 3  # how many letters a typed name needs to be compared with the beginnings of longer names


def near_matches(wanted: str, names: list[str]) -> list[str]:
    """Return the known names that are most like the wanted one, or that begin with something like it.

    The work is bounded, however many and however long the names are: otherwise many refused calls could stop a hub.
    """
    from difflib import get_close_matches
    from heapq import nlargest

    pairs = _pairs_of(wanted)
    likest = nlargest(MAX_COMPARED, names[:MAX_CANDIDATES], key=lambda name: len(pairs & _pairs_of(name)))
    wanted = wanted[:MAX_COMPARED_LENGTH]
    beginnings = {name[: len(wanted) + 1]: name for name in reversed(likest)} if len(wanted) >= MIN_BEGINNING else {}
    compared = {**beginnings, **{name[:MAX_COMPARED_LENGTH]: name for name in reversed(likest)}}
    near = get_close_matches(wanted, list(compared), len(compared) or 1)
    return list(dict.fromkeys(compared[each] for each in near))[:MAX_NEAR]


def did_you_mean(near: list[str]) -> str | None:
    """Return the hint that offers near matches, None if there are none."""
    return f"Did you mean {', '.join(near)}?" if near else None


def _pairs_of(name: str) -> set[str]:
    """Return the pairs of neighbouring letters of a name, and its letters, because swapping two letters keeps those."""
    name = name[:MAX_COMPARED_LENGTH]
    return {name[at : at + 2] for at in range(len(name))} | set(name)
