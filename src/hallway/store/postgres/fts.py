"""Full-text search on PostgreSQL: the same words as on SQLite, in a `tsvector`.

PostgreSQL's own parser treats URLs, hyphens and stop words specially and would find other entries than SQLite does.
So this module splits the words itself and writes the `tsvector`: each word with its positions, in weight class A for
the key and B for the tags. PostgreSQL has no position above 16,383 and only 255 of a word: what stands later is found
as single words, by an identifier therefore only in the second step of a search (`services/search.py`).
"""

from __future__ import annotations

from hashlib import blake2b

from hallway.store.tokenize import Grammar, spread, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from hallway.store.tokenize import Word

LAST_PLACE = 16_383
MAX_PLACES = 255  # of one word
WORD_BYTES = 2_000  # longest word; a lexeme may have 2,046 bytes
APART = 8  # positions left free between key, tags and text, so that no phrase matches across them


def _cut(word: str) -> str:
    return word if len(word) <= WORD_BYTES // 4 else word.encode()[:WORD_BYTES].decode(errors="ignore")


def label(text: str) -> str:
    """Return a label, of any characters and length, as one lexeme that cannot equal a word."""
    return f"'={text[0]}{blake2b(text[1:].encode(), digest_size=16).hexdigest()}'"


class TsQueryWriter(Grammar):
    """Full-text expressions of PostgreSQL: a `tsvector` column with a GIN index."""

    AND, OR = " & ", " | "

    def phrase(self, text: str, *, is_start: bool = False) -> str:
        words = [f"'{_cut(word)}'" for word in words_in(text)]
        return f"({' <-> '.join(words)}{':*' if is_start else ''})"

    def indexed(self, key: str, tags: str, text: str) -> dict[str, Any]:
        """Return an entry's words for `labelled_words`."""
        places: dict[str, list[str]] = {}
        first = 1
        for part, letter in ((key, "A"), (tags, "B"), (text, "")):
            words = words_in(spread(part))
            for place, word in enumerate(words, first):
                at = places.setdefault(_cut(word), [])
                if len(at) < MAX_PLACES:
                    at.append(f"{min(place, LAST_PLACE)}{letter}")
            first += len(words) + APART
        lexemes = [f"'{word}':{','.join(at)}" for word, at in places.items()]
        return {"words": " ".join(lexemes)}

    def labelled_words(self, words: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
        """Return an entry's words and labels as the parameters of the statement `memory.index_add`."""
        return {"words": " ".join([words["words"], *map(label, labels)])}

    def labelled(self, labels: Sequence[str], any_of: Sequence[str] = ()) -> str:
        """Return the expression for entries with all `labels` and, unless `any_of` is empty, one of `any_of`."""
        wanted = [label(each) for each in labels]
        return self.joined(wanted + ([self.joined([label(each) for each in any_of], is_any=True)] if any_of else []))

    def match(self, words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
        """Return the expression for entries that have these labels and all of the words, or any of the words."""
        asked = [word.expression for word in words]
        wanted = [self.joined(asked, is_any=is_any)] if asked else []
        return " & ".join(wanted + ([labels] if labels else []))

    def ranking(self, words: Sequence[Word], weights: Sequence[float], *, is_alone: bool = False) -> dict[str, Any]:
        """Return the words and their weights; `is_alone` changes nothing, for no rank here depends on other texts."""
        return {"asked": [word.expression for word in words], "weights": list(weights)}

    def glob(self, pattern: str | None) -> str | None:
        """Return a glob as a regular expression: PostgreSQL has no globs."""
        return None if pattern is None else f"^{''.join(_translated(pattern))}$"


def _translated(glob: str) -> list[str]:
    parts, at = [], 0
    while at < len(glob):
        sign = glob[at]
        at += 1
        end = _end_of_set(glob, at) if sign == "[" else -1
        if end > 0:
            parts.append(_set(glob[at:end]))
            at = end + 1
        elif sign == "[":
            return ["$_"]  # a set without its closing bracket matches nothing, as in SQLite
        else:
            parts.append({"*": ".*", "?": "."}.get(sign) or _literal(sign))
    return parts


def _end_of_set(glob: str, at: int) -> int:
    """Return the index of the `]` that ends a set starting at `at`; a `]` in first place belongs to the set."""
    first = at + 1 if glob[at : at + 1] == "^" else at
    return glob.find("]", first + 1)


def _set(inside: str) -> str:
    """Translate a character set by SQLite's rules: a backward range such as `z-a` matches its first character only."""
    is_not = inside.startswith("^")
    body = inside[1:] if is_not else inside
    parts: list[str] = []
    before, at = "", 0
    while at < len(body):
        sign = body[at]
        if sign == "-" and before and at + 1 < len(body):
            at += 1
            if before <= body[at]:
                parts[-1] = f"{_literal(before)}-{_literal(body[at])}"
            before = ""
        else:
            parts.append(_literal(sign) if sign != "-" else r"\-")
            before = "" if sign == "]" and at == 0 else sign
        at += 1
    return f"[{'^' if is_not else ''}{''.join(parts)}]"


def _literal(sign: str) -> str:
    return sign if sign.isalnum() or ord(sign) > 127 or sign.isspace() else f"\\{sign}"
