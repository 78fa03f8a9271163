"""Tokenizer for full-text search: the words of a text and of a query, for both stores.

Every character that is neither letter nor digit separates words, so `user_id` and `api/auth.py` are several words, and
a query for either is a phrase. Words without separators are split and appended to the text: the parts of `camelCase`
words, and the character pairs of Chinese, Japanese and Korean. A query is a list of words without syntax, so no query
is an error. In other languages written without spaces (Thai, Khmer …), only the beginning of a run of letters can be
found.
"""

from __future__ import annotations

import math

from hallway.core.pattern import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_WORDS = 32
MIN_PREFIX = 3  # letters before a `*`; a shorter prefix would match too many words
MIN_STEM = 4  # letters that must be left of a word without its ending
MAX_NEAR_PARTS = 4  # a word of more parts has no near forms, which bounds the prefixes of a query
ENDINGS = ("ion", "ing", "ed", "y", "e")
MAX_COUNT = 2_000  # a word in more entries than this is common; the exact number does not matter
MIN_WEIGHT = 0.05  # of a word that is in every entry, so that a text with the word still ranks above one without it
LINE_LENGTH = 120

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"


def base_letters(text: str) -> str:
    """Return a text without the diacritics of its letters: `cafe` for `café`, however the accent is encoded."""
    if text.isascii():
        return text
    from unicodedata import normalize  # which few texts need

    return normalize("NFC", pattern("[\u0300-\u036f]").sub("", normalize("NFD", text)))


def words_in(text: str) -> list[str]:
    """Return the words of a text without diacritics, in order: runs of letters and digits, without regard to case."""
    return pattern(r"[^\W_]+").findall(text.casefold())


def spread(text: str) -> str:
    """Return a text's base letters, followed by the parts of its compound words (`camelCase`, CJK), in linear time."""
    text = base_letters(text)
    parts: list[str] = []
    if not text.islower():
        for word in pattern("[A-Za-z0-9]+").findall(text):
            if not (word.islower() or word.isdigit()) and len(words := _camel_parts(word)) > 1:
                parts += words
    if not text.isascii():
        parts += _parts_beside(text)
    return f"{text} {' '.join(parts)}" if parts else text


def _camel_parts(word: str) -> list[str]:
    return pattern("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])").sub(" ", word).split()


def _parts_beside(text: str) -> list[str]:
    """Return the character pairs of each run of CJK, and the runs of other letters and digits next to a CJK run."""
    parts: list[str] = []
    before, end, is_before_cjk = "", -1, False
    for match in pattern(f"([{_CJK}]+)|[^\\W_{_CJK}]+").finditer(text):
        run, is_cjk = match[0], match[1] is not None
        does_touch = match.start() == end
        if is_cjk:
            parts += [*([before] if does_touch and before else []), *_pairs(run), run[-1]]
            before = ""
        elif does_touch and is_before_cjk:
            parts.append(run)
            before = ""
        else:
            before = run
        end, is_before_cjk = match.end(), is_cjk
    return parts


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(len(run) - 1, 1))]


def plain(json_text: str) -> str:
    """Replace the escapes of a JSON text by spaces, so that they do not become part of a word."""
    return pattern(r'\\(?:["\\/bfnrt]|u[0-9a-f]{4})').sub(" ", json_text) if "\\" in json_text else json_text


def words_apart(query: str) -> str:
    """Return a query with its compound words split: identifiers into their parts, runs of CJK into character pairs."""
    matches = pattern(f"([{_CJK}]+)|[^\\W_{_CJK}]+\\*?").finditer(base_letters(query))
    return " ".join(part for word in matches for part in (_pairs(word[0]) if word[1] else _camel_parts(word[0])))


def stems(word: str) -> list[str]:
    """Return what the forms of an English word begin with: `migration` and `migrat` of `migrations`."""
    word = word.casefold()
    singulars = _singulars(word)
    for ending in ENDINGS:
        stem = singulars[-1].removesuffix(ending)
        if stem != singulars[-1] and len(stem) >= MIN_STEM:
            is_doubled = stem[-1] == stem[-2] and stem[-1] not in "lsz"
            return [*singulars, stem[:-1] if is_doubled else stem]
    return singulars


def _singulars(word: str) -> list[str]:
    """Return what the word may be the plural of, or the word itself; a short word may be either, as `dns` or `ids`."""
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        if len(word) == MIN_PREFIX:
            return [word, word[:-1]]
        if len(word) > MIN_STEM and word.endswith("ies"):
            return [word[:-1], f"{word[:-3]}y"]
        is_longer = len(word) > MIN_STEM and word.endswith(("ses", "xes", "zes", "ches", "shes"))
        return [word[:-2] if is_longer else word[:-1]]
    return [word]


class Grammar:
    """The syntax of a store's full-text expressions; each store has its subclass."""

    AND, OR = " AND ", " OR "

    def phrase(self, text: str, *, is_start: bool = False) -> str:
        """Return the expression for a text's words in sequence; `is_start` makes the last word a prefix."""
        raise NotImplementedError

    def words_of(self, query: str) -> list[Word]:
        """Return a query's words; a part without letters and digits is not a word."""
        parts = base_letters(query).replace("\0", " ").split()
        typed = dict.fromkeys(part for part in parts if any(map(str.isalnum, part)))
        return [Word(part, self) for part in list(typed)[:MAX_WORDS]]

    def joined(self, expressions: Sequence[str], *, is_any: bool = False) -> str:
        """Join expressions with AND, or with OR for `is_any`."""
        return f"({(self.OR if is_any else self.AND).join(expressions)})"


class Word:
    """A word of a query: its expression in a store's syntax, and the number of phrases in that expression."""

    __slots__ = ("_grammar", "_typed", "expression", "phrases")

    def __init__(self, typed: str, grammar: Grammar) -> None:
        self._typed, self._grammar = typed, grammar
        core = typed.rstrip("*")
        is_start = core != typed and len(core) >= MIN_PREFIX
        self.expression = grammar.phrase(core, is_start=is_start)
        self.phrases = 1
        if not is_start and (other := _otherwise(core, grammar)):
            self.expression = grammar.joined((self.expression, other[0]), is_any=True)
            self.phrases += other[1]

    def near(self) -> Word:
        """Return this word together with its near forms: prefix, singular and stem, of each part of an identifier.

        The word as typed stays in the expression, so that entries with exactly that word rank higher. A word without
        near forms is returned itself: one with CJK or a `*`, or of many parts.
        """
        parts = words_apart(self._typed).split()
        if len(parts) > MAX_NEAR_PARTS or pattern(f"[*{_CJK}]").search(self._typed):
            return self
        forms = [[_prefix_of(stem, self._grammar) for stem in stems(part)] for part in parts]
        near = self._grammar.joined([self._grammar.joined(each, is_any=True) for each in forms])
        word = Word(self._typed, self._grammar)
        word.expression = self._grammar.joined((word.expression, near), is_any=True)
        word.phrases += sum(map(len, forms))
        return word


def _prefix_of(stem: str, grammar: Grammar) -> str:
    return grammar.phrase(stem, is_start=len(stem) >= MIN_PREFIX)


def _otherwise(word: str, grammar: Grammar) -> tuple[str, int] | None:
    """Return a word's other spelling and its number of phrases: `user id` for `userId`, character pairs for CJK."""
    if runs := [] if word.isascii() else pattern(f"[{_CJK}]+|[^{_CJK}]+").findall(word):
        asked = [_asked(run, grammar) for run in runs if any(map(str.isalnum, run))]
        return grammar.joined(asked), len(asked)
    parts = pattern("[A-Za-z0-9]+").sub(lambda found: " ".join(_camel_parts(found[0])), word)
    return (grammar.phrase(parts), 1) if parts != word else None


def _asked(run: str, grammar: Grammar) -> str:
    if not pattern(f"[{_CJK}]").match(run):
        return grammar.phrase(run)
    return grammar.phrase(" ".join(_pairs(run)), is_start=len(run) == 1)


def weight(entries: int, entries_with_word: int) -> float:
    """Return the weight of a word found in `found` of `entries`: BM25's inverse document frequency."""
    return max(math.log(1 + (entries - entries_with_word + 0.5) / (entries_with_word + 0.5)), MIN_WEIGHT)


class Excerpts:
    """A maker of excerpts: one line of a text around the words of a query. One object serves all results of a query.

    Each text is read once, word by word, so the time grows with the text and not with the query. With `is_near`, other
    forms of the query's words are found, too: words that begin with their stems, and the character pairs of CJK.
    """

    def __init__(self, query: str, *, is_near: bool = False) -> None:
        matches = pattern(rf"([{_CJK}]+)|[^\W_{_CJK}]+").finditer(base_letters(query))
        typed = list(dict.fromkeys((each[0], each[1] is not None) for each in matches))[:MAX_WORDS]
        self._runs = [run for run, is_cjk in typed if is_cjk]
        parts = [part for word, is_cjk in typed if not is_cjk for part in (word, *_camel_parts(word))]
        self._stems: tuple[str, ...] = ()
        if is_near:
            self._runs = list(dict.fromkeys(pair for run in self._runs for pair in _pairs(run)))[:MAX_WORDS]
            parts += [stem for part in parts for stem in stems(part)]
            self._stems = tuple(part.casefold() for part in parts if len(part) >= MIN_PREFIX)[:MAX_WORDS]
        self._words = frozenset(part.casefold() for part in parts)

    def of(self, text: str) -> str:
        """Return one short line of a text around the first word of the query; the query's words are between `**`."""
        text = " ".join(text.split())
        first = min(filter(None, (next(self._runs_in(text), None), next(self._words_in(text), None))), default=None)
        start = max(min((first[0] if first else 0) - LINE_LENGTH // 3, len(text) - LINE_LENGTH), 0)
        line, is_cut = text[start : start + LINE_LENGTH], start + LINE_LENGTH < len(text)
        return ("…" if start else "") + (self._marked(line) if first else line) + ("…" if is_cut else "")

    def _marked(self, line: str) -> str:
        parts, done = [], 0
        for start, end in _joined_spans(sorted((*self._runs_in(line), *self._words_in(line)))):
            parts += [line[done:start], "**", line[start:end], "**"]
            done = end
        return "".join([*parts, line[done:]])

    def _runs_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of the query's CJK words anywhere in a text; the first span in the text comes first."""
        firsts = sorted((at, run) for run in self._runs if (at := text.find(run)) >= 0)
        for at, run in firsts:
            while at >= 0:
                yield at, at + len(run)
                at = text.find(run, at + len(run))

    def _words_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of the query's other words in order: whole words, or parts of compound words."""
        if not self._words:
            return
        for match in pattern(rf"[^\W_{_CJK}]+").finditer(text):
            word = match[0]
            if self._has(word):
                yield match.span()
            elif not word.islower():
                at = match.start()
                for part in _camel_parts(word):
                    if self._has(part):
                        yield at, at + len(part)
                    at += len(part)

    def _has(self, word: str) -> bool:
        word = base_letters(word).casefold()
        return word in self._words or word.startswith(self._stems)


def _joined_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge spans that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
