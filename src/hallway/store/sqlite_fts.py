"""Full text on SQLite: what FTS5 keeps, how it is asked, how finds are ranked."""

from __future__ import annotations

from hallway.store.tokenize import Grammar, spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from apsw import FTS5ExtensionApi

    from hallway.store.tokenize import Word

COLUMN_WEIGHTS = (4.0, 2.0, 1.0, 0.0)  # of a word in the key, the tags, the text; labels are no words
SATURATION, LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b
USUAL_LENGTH = " @100"  # behind weights: take this for the usual length of a text, not what the whole bus has


def label(text: str) -> str:
    """Return one exact word for a label, whatever is in it."""
    return text[0] + text[1:].encode().hex()


class FtsQueryWriter(Grammar):
    """FTS5: columns for the key, the tags, the text and the labels."""

    def phrase(self, text: str, *, is_start: bool = False) -> str:
        return '"' + text.replace('"', " ") + ('"*' if is_start else '"')

    def indexed(self, key: str, tags: str, text: str) -> dict[str, Any]:
        """Return the words of an entry, for `labelled_words`."""
        return {"key": spread(key), "tags": spread(tags), "text": spread(text)}

    def labelled_words(self, words: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
        """Return what `memory.index_add` takes for an entry."""
        return {**words, "labels": " ".join(map(label, labels))}

    def labelled(self, labels: Sequence[str], any_of: Sequence[str] = ()) -> str:
        """Return the expression for entries with all of these labels and, where there are any, one of those."""
        wanted = " AND ".join(f'"{label(each)}"' for each in labels)
        others = " OR ".join(f'"{label(each)}"' for each in any_of)
        return f"{wanted} AND ({others})" if others else wanted

    def match(self, words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
        """Return the expression for entries with these labels and all of the words, or any."""
        asked = [word.expression for word in words]
        wanted = [f"{{key tags text}} : {self.joined(asked, is_any=is_any)}"] if asked else []
        return " AND ".join(wanted + ([f"labels : ({labels})"] if labels else []))

    def ranking(self, words: Sequence[Word], weights: Sequence[float], *, is_alone: bool = False) -> dict[str, Any]:
        """Return the weight of each phrase of an expression of these words, in order, as the SQL function takes it."""
        each = [f"{weight:.4f}" for word, weight in zip(words, weights, strict=True) for _ in range(word.phrases)]
        return {"weights": " ".join(each) + (USUAL_LENGTH if is_alone else "")}

    def glob(self, pattern: str | None) -> str | None:
        """Return a glob as the statements take it: SQLite knows them."""
        return pattern


def relevance(api: FTS5ExtensionApi, /, *arguments: Any) -> float:
    """Return how well a row fits: BM25 over the columns, from the weights of its phrases; the SQL function of this
    name.

    SQLite's own `bm25` would count each word's rows anew for every query, labels included: a second where a word is
    in a million rows.
    """
    known = api.aux_data  # made for the first row and kept for the others
    if known is None:
        weights, _, said = arguments[0].partition("@")
        usual = float(said) if said else api.column_total_size(2) / max(api.row_count, 1)
        known = api.aux_data = ([float(each) for each in weights.split()], max(usual, 1.0))
    by_phrase, usual = known
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * api.column_size(2) / usual)
    score = 0.0
    for phrase, phrase_weight in enumerate(by_phrase):
        count = sum(
            column_weight * len(places)
            for column_weight, places in zip(COLUMN_WEIGHTS, api.phrase_locations(phrase), strict=False)
        )
        score += phrase_weight * count * (SATURATION + 1) / (count + damping)
    return score
