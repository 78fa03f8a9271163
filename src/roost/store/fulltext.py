"""Full text on SQLite: which words of a text are found, how a query asks for them, how finds are ranked and shown.

SQLite's tokenizer splits at everything that is neither letter nor digit, so `user_id` and `api/auth.py` fall apart by
themselves and a query for either is a phrase. What it cannot take apart is added to the text: the parts of `camelCase`
words, and the character pairs of Chinese, Japanese and Korean, which write without spaces. A query is words, never a
language: no input is an error. Languages that write without spaces otherwise (Thai, Khmer …) are found by the
beginning of a run only.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Pattern
    from typing import Any

    from apsw import FTS5ExtensionApi

MAX_WORDS = 32
PREFIX_LEAST = 3  # letters before a `*`; fewer would collect half of the dictionary
COUNT_MOST = 2_000  # a word in more entries than this is common, and how common does not matter
COLUMN_WEIGHTS = (4.0, 2.0, 1.0, 0.0)  # of a word in the key, the tags, the text; labels are no words
LEAST_WEIGHT = 0.05  # of a word that is everywhere, so that having it still beats not having it
SATURATION, LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b
LINE_LENGTH = 120

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_patterns: dict[str, Pattern[str]] = {}


def _pattern(text: str) -> Pattern[str]:
    if text not in _patterns:
        import re  # costs a hook 5 ms, and only memory needs it

        _patterns[text] = re.compile(text)
    return _patterns[text]


def spread(text: str) -> str:
    """A text and, behind it, the parts of its words that no space or sign separates."""
    parts = []
    if not text.islower():
        for word in _pattern("[A-Za-z0-9]*(?:[a-z0-9][A-Z]|[A-Z][A-Z][a-z])[A-Za-z0-9]*").findall(text):
            parts += _camel_parts(word)
    if not text.isascii():
        for run in _pattern(f"[{_CJK}]+").findall(text):
            parts += [*_pairs(run), run[-1]]
    return f"{text} {' '.join(parts)}" if parts else text


def _camel_parts(word: str) -> list[str]:
    return _pattern("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])").sub(" ", word).split()


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(len(run) - 1, 1))]


def plain(json_text: str) -> str:
    """JSON text as words: its signs separate them anyway, its escapes must not stick to them."""
    return _pattern(r'\\(?:["\\/bfnrt]|u[0-9a-f]{4})').sub(" ", json_text) if "\\" in json_text else json_text


def label(kind: str, value: str) -> str:
    """One exact word for a value, whatever is in it; `kind` is a letter that tells whose value it is."""
    return kind + value.encode().hex()


class Word:
    """A word of a query as an FTS5 expression, and how many phrases that has."""

    __slots__ = ("expression", "phrases")

    def __init__(self, typed: str) -> None:
        core = typed.rstrip("*")
        self.expression = _phrase(core)
        self.phrases = 1
        if core != typed and len(core) >= PREFIX_LEAST:
            self.expression += "*"
        elif other := _otherwise(core):
            self.expression = f"({self.expression} OR {other[0]})"
            self.phrases += other[1]


def words_of(query: str) -> list[Word]:
    """A query's words; what holds no letter and no digit is none."""
    typed = dict.fromkeys(part for part in query.replace("\0", " ").split() if any(map(str.isalnum, part)))
    return [Word(part) for part in list(typed)[:MAX_WORDS]]


def _phrase(text: str) -> str:
    return '"' + text.replace('"', " ") + '"'


def _otherwise(word: str) -> tuple[str, int] | None:
    """The same word as it may be written elsewhere, and its number of phrases: user id for userId, pairs for CJK."""
    if runs := [] if word.isascii() else _pattern(f"[{_CJK}]+|[^{_CJK}]+").findall(word):
        asked = [_asked(run) for run in runs if any(map(str.isalnum, run))]
        return f"({' AND '.join(asked)})", len(asked)
    parts = _pattern("[A-Za-z0-9]+").sub(lambda found: " ".join(_camel_parts(found[0])), word)
    return (_phrase(parts), 1) if parts != word else None


def _asked(run: str) -> str:
    if not _pattern(f"[{_CJK}]").match(run):
        return _phrase(run)
    return _phrase(" ".join(_pairs(run))) + ("*" if len(run) == 1 else "")


def match(words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
    """The FTS5 expression for entries with these labels and all of the words, or any."""
    joint = " OR " if is_any else " AND "
    wanted = [f"{{key tags text}} : ({joint.join(word.expression for word in words)})"] if words else []
    return " AND ".join(wanted + ([f"labels : ({labels})"] if labels else []))


def weight(entries: int, found: int) -> float:
    """How much a word tells that so many of so many entries have: BM25's inverse document frequency."""
    return max(math.log(1 + (entries - found + 0.5) / (found + 0.5)), LEAST_WEIGHT)


def relevance(api: FTS5ExtensionApi, /, *arguments: Any) -> float:
    """How well a row fits: BM25 over the columns, from the weights of its phrases; the SQL function of this name.

    SQLite's own `bm25` would count each word's rows anew for every query, labels included: a second where a word is
    in a million rows.
    """
    known = api.aux_data  # made for the first row and kept for the others
    if known is None:
        usual = api.column_total_size(2) / max(api.row_count, 1)
        known = api.aux_data = ([float(each) for each in arguments[0].split()], max(usual, 1.0))
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


def excerpt(text: str, query: str) -> str:
    """One short line of a text, around the first word asked for; words asked for stand between `**`."""
    text = " ".join(text.split())
    wanted = _wanted(query)
    first = wanted.search(text) if wanted else None
    line = _cut(text, first.start() if first else 0)
    return wanted.sub(r"**\g<0>**", line) if wanted else line


def _wanted(query: str) -> Pattern[str] | None:
    """What to look for in a text: the query's words whole, also as parts of compound ones."""
    edge = r"(?:(?<![^\W_])(?=[^\W_])|(?<=[^\W_])(?![^\W_])|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
    parts = set(_pattern(f"[{_CJK}]+").findall(query))
    for word in _pattern(rf"[^\W_{_CJK}]+").findall(query):
        parts |= {f"{edge}{part}{edge}" for part in (word, *_camel_parts(word))}
    return _pattern(f"(?i)(?:{'|'.join(sorted(parts, key=len, reverse=True))})+") if parts else None


def _cut(text: str, at: int) -> str:
    start = max(min(at - LINE_LENGTH // 3, len(text) - LINE_LENGTH), 0)
    line = text[start : start + LINE_LENGTH]
    return ("…" if start else "") + line + ("…" if start + LINE_LENGTH < len(text) else "")
