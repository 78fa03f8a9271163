"""Beginnings of ids: lists show them instead of whole ids, and commands take them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SHORT_ID = 8  # characters that are shown of a long id
LONGEST_WHOLE_ID = 16  # characters of an id that is shown whole


def id_length(ids: Collection[str], least: int) -> int:
    """Return how many characters of these ids are needed to tell them apart, and no fewer than `least`."""
    length = least
    while len({each[:length] for each in ids}) < len(set(ids)):
        length += 1
    return length


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return the first eight characters of each id, or as many as tell them apart. An id of up to 16 stays whole."""
    unique = set(ids)
    length = id_length(unique, SHORT_ID)
    return {each: each if len(each) <= LONGEST_WHOLE_ID else each[:length] for each in unique}
