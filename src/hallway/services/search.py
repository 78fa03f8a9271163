"""Search for memory entries: by relevance to words, newest first, or in the order of their keys.

A search returns row ids, sizes and cursors; `SharedMemory` reads the entries.
"""

from __future__ import annotations

import math

from hallway.core.errors import InvalidInput
from hallway.store.tokenize import COUNT_MOST, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row, Store
    from hallway.store.tokenize import Word

CANDIDATES = 500  # number of newest matches that are ranked
LAST = 2**63 - 1
BEST = 1e300
ANY = "~"  # first character of the cursor of a search that fell back to any of the words


class Hit:
    """A search result: the entry's row id, its value's size, and the cursor for the next page."""

    __slots__ = ("cursor", "entry", "size_bytes")

    def __init__(self, entry: int, cursor: str, size_bytes: int) -> None:
        self.entry = entry
        self.cursor = cursor
        self.size_bytes = size_bytes


class Search:
    """One search in a project, narrowed by labels and a glob of keys.

    The rarity of a word is counted over the whole bus, unless the project `is_alone`: a caller without access to other
    projects must not learn from a score how often others use a word.
    """

    def __init__(
        self, store: Store, project: str, labels: str, pattern: str | None, limit: int, *, is_alone: bool = False
    ) -> None:
        self._store = store
        self._fulltext = store.fulltext
        self._project = project
        self._labels = labels
        self._is_alone = is_alone
        self._narrowed: dict[str, Any] = {
            "pattern": self._fulltext.glob(pattern),
            "limit": limit,
            "now": store.now,
        }

    def by_relevance(self, query: str, after: str | None) -> list[Hit]:
        """Search by relevance, best first: entries with all of the words or, if there are none, with any word."""
        words, match = self._fulltext.words_of(query), self._fulltext.match
        if not words:
            return []
        alone = labels_of(self._store, self._project, None, None, [], False) if self._is_alone else ""
        counts = {word: self._count("memory.count_matches", match=match([word], alone)) for word in words}
        if not (after or "").startswith(ANY):
            found = self._best(match(words, self._labels), self._ranking(words, counts), after, "")
            if found or after or len(words) == 1:
                return found
        # A word that is in most entries would fill the candidates with entries that match nothing else.
        rare = _rarest(words, counts)
        either = match(rare, self._labels, is_any=True)
        return self._best(either, self._ranking(rare, counts), (after or "")[1:], ANY)

    def newest_first(self, after: str | None) -> list[Hit]:
        """Return the matching entries, newest first."""
        _, after_id = _position(after)
        match = self._fulltext.match(labels=self._labels)
        rows = self._store.rows("memory.newest_first", match=match, after_id=after_id, **self._narrowed)
        return [Hit(entry, f"0:{entry}", size_bytes) for entry, size_bytes in rows]

    def in_key_order(self, pattern: str, after: str | None) -> list[Hit]:
        """Return the entries whose keys match a glob; the text before its first wildcard limits the range searched."""
        low, high = key_range(pattern)
        rows = self._store.rows(
            "memory.in_key_order", project=self._project, low=low, high=high, after=after or "", **self._narrowed
        )
        return [Hit(entry, key, size_bytes) for entry, key, size_bytes in rows]

    def _best(self, match: str, ranking: dict[str, Any], after: str | None, mark: str) -> list[Hit]:
        after_score, after_id = _position(after)
        rows = self._store.rows(
            "memory.by_relevance",
            match=match,
            candidates=CANDIDATES,
            after_score=after_score,
            after_id=after_id,
            **ranking,
            **self._narrowed,
        )
        return [Hit(entry, f"{mark}{score!r}:{entry}", size_bytes) for entry, score, size_bytes in rows]

    def _ranking(self, words: list[Word], counts: dict[Word, int]) -> dict[str, Any]:
        entries = self._count("memory.count_keys", project=self._project if self._is_alone else None)
        weights = [weight(entries, counts[word]) for word in words]
        return self._fulltext.ranking(words, weights, is_alone=self._is_alone)

    def _count(self, statement: str, **parameters: str | None) -> int:
        row: Row | None = self._store.one(statement, **parameters, most=COUNT_MOST)
        return row[0] if row else 0


def _rarest(words: list[Word], counts: dict[Word, int]) -> list[Word]:
    """Return the rarest word that is found, and the next ones as long as all their matches are candidates."""
    chosen: list[Word] = []
    total = 0
    for word in sorted(words, key=lambda each: counts[each]):
        total += counts[word]
        if counts[word] and (not chosen or total <= CANDIDATES):
            chosen.append(word)
    return [word for word in words if word in chosen] or words


def label_words(project: str, type_: str, session_id: str, tags: list[str]) -> list[str]:
    """Return the labels of an entry's index row: each is a letter for the field, followed by the field's value."""
    return [f"p{project}", f"t{type_}", f"s{session_id}", *(f"g{tag}" for tag in tags)]


def labels_of(
    store: Store, project: str, type_: str | None, session_id: str | None, tags: list[str], match_all: bool
) -> str:
    """Return the full-text expression for entries with these labels."""
    wanted = [f"p{project}", *([f"t{type_}"] if type_ else []), *([f"s{session_id}"] if session_id else [])]
    tagged = [f"g{tag}" for tag in tags]
    return store.fulltext.labelled(wanted + tagged) if match_all else store.fulltext.labelled(wanted, tagged)


def key_range(pattern: str) -> tuple[str, str | None]:
    """Return the range of keys that can match a glob: its first key, and the key before which it ends, or None."""
    literal = pattern
    for at, character in enumerate(pattern):
        if character in "*?[":
            literal = pattern[:at]
            break
    for at in range(len(literal) - 1, -1, -1):
        if (point := ord(literal[at]) + 1) < 0x110000:
            return literal, literal[:at] + chr(0xE000 if point == 0xD800 else point)
    return literal, None


def _position(cursor: str | None) -> tuple[float, int]:
    """Return the position in a cursor: a score and an id."""
    if not cursor:
        return BEST, LAST
    score, _, entry = cursor.partition(":")
    try:
        position = float(score), int(entry)
    except ValueError:
        position = math.nan, 0
    if not (math.isfinite(position[0]) and -LAST <= position[1] <= LAST):
        raise InvalidInput(f"after is {cursor[:60]!r}, which is no cursor of a find like this one")
    return position
