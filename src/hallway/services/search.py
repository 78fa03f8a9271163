"""Full-text search of messages and of memory entries, which can also be read newest first or in order of their keys.

A search returns row ids, sizes and cursors; the services read the messages and entries.
"""

from __future__ import annotations

import math

from hallway.core.errors import InvalidInput
from hallway.store.tokenize import MAX_COUNT, weight, words_apart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row, Store
    from hallway.store.tokenize import Word

PAGE_BYTES = 1024 * 1024  # of values or texts; a page that reaches it ends early
CANDIDATES = 500  # number of newest matches that are ranked
LAST = 2**63 - 1
BEST = 1e300
MAX_NEAR_PHRASES = 32  # of near forms in one query; the rarest words have theirs first
EXACT, NEAR, ANY = "", "^", "~"  # steps of a search: all words, their near forms, any word; each begins its cursors


class Hit:
    """A search result: the row id of the entry or message, its text's size, and the cursor for the next page."""

    __slots__ = ("cursor", "entry", "size_bytes")

    def __init__(self, entry: int, cursor: str, size_bytes: int) -> None:
        self.entry = entry
        self.cursor = cursor
        self.size_bytes = size_bytes

    @property
    def is_near(self) -> bool:
        """Return whether the entry was found by a fallback, so that it may have other forms of the words."""
        return self.cursor.startswith((NEAR, ANY))

    @property
    def is_loose(self) -> bool:
        """Return whether the entry may have only some of the words."""
        return self.cursor.startswith(ANY)


class Search:
    """One search among the texts of a noun, with that noun's statements: `NOUN.by_relevance` and two that count.

    `labels` and the parameters `narrowed` say which texts may be found. The rarity of a word is counted over the texts
    with the labels `counted_labels` that the parameters `counted` select: those of the project that is searched, so
    that the work does not grow with the others, and a caller that `is_alone`, without access to other projects, does
    not learn from a score how often they use a word.
    """

    def __init__(
        self,
        store: Store,
        noun: str,
        narrowed: dict[str, Any],
        counted: dict[str, Any],
        *,
        labels: str = "",
        counted_labels: str = "",
        is_alone: bool = False,
    ) -> None:
        self._store = store
        self._fulltext = store.fulltext
        self._noun = noun
        self._narrowed = narrowed
        self._counted = counted
        self._labels = labels
        self._counted_labels = counted_labels
        self._is_alone = is_alone
        self._counts: dict[str, int] = {}

    def by_relevance(self, query: str, after: str | None) -> list[Hit]:
        """Search by relevance, best first: entries with all of the words as typed, else near forms, else any word.

        A cursor goes on with the step that found its page.
        """
        after = after or ""
        page_of = after[0] if after.startswith((NEAR, ANY)) else EXACT
        position = _position(after[len(page_of) :])
        for step in (page_of,) if after else (EXACT, NEAR, ANY):
            if hits := self._best(self._words_of(query, step), position, step):
                return hits
        return []

    def _words_of(self, query: str, step: str) -> list[Word]:
        """Return what a step of a search looks for."""
        if step == ANY:
            return self._any_words(query)
        words = self._fulltext.words_of(query)
        return self._near(words) if step == NEAR else words

    def _best(self, words: list[Word], position: tuple[float, int], step: str) -> list[Hit]:
        """Return the best matches of one step of a search: entries with all of these words or, for ANY, any of them."""
        is_any = step == ANY
        if not words or not (any if is_any else all)(map(self._matches, words)):
            return []
        after_score, after_id = position
        rows = self._store.rows(
            f"{self._noun}.by_relevance",
            match=self._fulltext.match(words, self._labels, is_any=is_any),
            candidates=CANDIDATES,
            after_score=after_score,
            after_id=after_id,
            **self._ranking(words),
            **self._narrowed,
        )
        return [Hit(entry, f"{step}{score!r}:{entry}", size_bytes) for entry, score, size_bytes in rows]

    def _near(self, words: list[Word]) -> list[Word]:
        """Return the words with their near forms; the most common words stay as typed where that would be too many."""
        near: dict[Word, Word] = {}
        phrases = 0
        for word in sorted(words, key=self._matches):
            wider = word.near()
            phrases += wider.phrases - word.phrases
            if phrases <= MAX_NEAR_PHRASES:
                near[word] = wider
        return [near.get(word, word) for word in words]

    def _any_words(self, query: str) -> list[Word]:
        """Return the rarest word of the query, and the next ones as long as all their matches are candidates.

        A word that is in most entries would fill the candidates with entries that match nothing else. A word that is
        nowhere has its near forms. The parts of an identifier are words of the query. A query of one word has no
        such step.
        """
        words = self._fulltext.words_of(words_apart(query))
        if len(words) < 2:
            return []
        near = self._near([word for word in words if not self._matches_here(word)])
        chosen: list[Word] = []
        total = 0
        for word in sorted([*filter(self._matches_here, words), *near], key=self._matches_here):
            count = self._matches_here(word)
            total += count
            if count and (not chosen or total <= CANDIDATES):
                chosen.append(word)
        return chosen

    def _matches(self, word: Word) -> int:
        """Return in how many texts a word is, of all that count."""
        return self._count_once(self._fulltext.match([word], self._counted_labels))

    def _matches_here(self, word: Word) -> int:
        """Return in how many of the texts with the search's labels a word is."""
        return self._count_once(self._fulltext.match([word], self._labels))

    def _count_once(self, match: str) -> int:
        if match not in self._counts:
            self._counts[match] = self._count("count_matches", match=match)
        return self._counts[match]

    def _ranking(self, words: list[Word]) -> dict[str, Any]:
        texts = self._count("count_texts")
        weights = [weight(texts, self._matches(word)) for word in words]
        return self._fulltext.ranking(words, weights, is_alone=self._is_alone)

    def _count(self, statement: str, **parameters: str) -> int:
        row: Row | None = self._store.one(f"{self._noun}.{statement}", **parameters, **self._counted, most=MAX_COUNT)
        return row[0] if row else 0


class MemorySearch(Search):
    """One search among the entries of a project, narrowed by labels and a glob of keys."""

    def __init__(
        self, store: Store, project: str, labels: str, pattern: str | None, limit: int, *, is_alone: bool = False
    ) -> None:
        super().__init__(
            store,
            "memory",
            {"pattern": store.fulltext.glob(pattern), "limit": limit, "now": store.now},
            {"project": project},
            labels=labels,
            counted_labels=labels_of(store, project, None, None, [], False),
            is_alone=is_alone,
        )
        self._project = project

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


def how_many_fit(sizes: list[int]) -> int:
    """Return how many texts of these sizes fit in the bytes of a page: at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and total > PAGE_BYTES:
            return count
    return len(sizes)


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
        raise InvalidInput(f"{cursor[:60]!r} is no cursor of a search like this one")
    return position
