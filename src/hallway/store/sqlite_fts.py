"""Full-text search on SQLite: the columns of the FTS5 index, its query expressions, and the ranking of results."""

from __future__ import annotations

from hallway.store.tokenize import Grammar, spread, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from apsw import FTS5ExtensionApi

    from hallway.store.tokenize import Word

COLUMN_WEIGHTS = (4.0, 2.0, 1.0, 0.0)  # of a word in the key, the tags, the text and the labels (never ranked)
SATURATION, LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b
USUAL_LENGTH = " @100"  # appended to the weights: assume this average length of a text, not that of the whole bus


def label(text: str) -> str:
    """Return a label, which may contain any characters, as one index word."""
    return text[0] + text[1:].encode().hex()


def _words_of(text: str) -> str:
    """Return what SQLite indexes of a text: if there is more in it than ASCII, the words that PostgreSQL would have."""
    words = spread(text)
    return words if words.isascii() else " ".join(words_in(words))


class FtsQueryWriter(Grammar):
    """FTS5: columns for the key, the tags, the text and the labels."""

    def phrase(self, text: str, *, is_start: bool = False) -> str:
        return f'"{" ".join(words_in(text))}"{"*" if is_start else ""}'

    def indexed(self, key: str, tags: str, text: str) -> dict[str, Any]:
        """Return an entry's words for `labelled_words`."""
        return {"key": _words_of(key), "tags": _words_of(tags), "text": _words_of(text)}

    def labelled_words(self, words: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
        """Return an entry's words and labels as the parameters of the statement `memory.index_add`."""
        return {**words, "labels": " ".join(map(label, labels))}

    def labelled(self, labels: Sequence[str], any_of: Sequence[str] = ()) -> str:
        """Return the expression for entries with all `labels` and, unless `any_of` is empty, one of `any_of`."""
        wanted = " AND ".join(f'"{label(each)}"' for each in labels)
        others = " OR ".join(f'"{label(each)}"' for each in any_of)
        return f"{wanted} AND ({others})" if others else wanted

    def match(self, words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
        """Return the expression for entries that have these labels and all of the words, or any of the words."""
        asked = [word.expression for word in words]
        wanted = [f"{{key tags text}} : {self.joined(asked, is_any=is_any)}"] if asked else []
        return " AND ".join(wanted + ([f"labels : ({labels})"] if labels else []))

    def ranking(self, words: Sequence[Word], weights: Sequence[float], *, is_alone: bool = False) -> dict[str, Any]:
        """Return the weights of these words' phrases, in order, as one string for the SQL function `relevance`."""
        each = [f"{weight:.4f}" for word, weight in zip(words, weights, strict=True) for _ in range(word.phrases)]
        return {"weights": " ".join(each) + (USUAL_LENGTH if is_alone else "")}

    def glob(self, pattern: str | None) -> str | None:
        """Return a glob unchanged: SQLite understands globs."""
        return pattern


def relevance(api: FTS5ExtensionApi, /, *arguments: Any) -> float:
    """Compute a row's rank for the SQL function `relevance`: BM25 over the columns, with the given phrase weights.

    SQLite's own `bm25` counts the rows of each word and label again for every query, which takes a second if a word is
    in a million rows.
    """
    settings = api.aux_data  # computed for the first row and kept for the others
    if settings is None:
        weights, _, usual_text = arguments[0].partition("@")
        usual = float(usual_text) if usual_text else api.column_total_size(2) / max(api.row_count, 1)
        settings = api.aux_data = ([float(each) for each in weights.split()], max(usual, 1.0))
    by_phrase, usual = settings
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * api.column_size(2) / usual)
    score = 0.0
    for phrase, phrase_weight in enumerate(by_phrase):
        count = sum(
            column_weight * len(places)
            for column_weight, places in zip(COLUMN_WEIGHTS, api.phrase_locations(phrase), strict=False)
        )
        score += phrase_weight * count * (SATURATION + 1) / (count + damping)
    return score
