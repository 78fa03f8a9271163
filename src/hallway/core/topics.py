"""Topics: the words by which a waiting process and a writer find each other."""

from __future__ import annotations

EVENTS = "events"  # the topic of every change
TOPICS = 2**32 - 5  # of a noun; a prime, so that every character counts. Two that collide wake each other, no more


def topic(noun: str, whose: str) -> str:
    """Return the topic of what is new for one party of a noun: a word that a file can be named after."""
    return f"{noun}-{int.from_bytes(whose.encode(), 'big') % TOPICS:08x}"
