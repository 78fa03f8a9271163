"""Secrets in what sessions write: keys and tokens that are told by their form, found before anybody else can read them.

The forms are data (`secret_rules.tsv`), most of them from a maintained set: docs/decisions/0012. A text is first asked
for the few words that one of which every secret of a form holds, without a regular expression; only where it holds one
is that form's expression compiled, once. A refusal says of which kind a secret is and where, never what it is.
"""

from __future__ import annotations

import os

from hallway.core.errors import SecretFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from re import Pattern
    from typing import Any

RULES = os.path.join(os.path.dirname(__file__), "secret_rules.tsv")
SHORTEST = 16  # characters; no form is shorter
# What a form that begins a word may stand behind, besides what ends a word: an escaped line end or sign.
WORD_BEGINS = r"(?:\b|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"


class Rule:
    """The form of one kind of secret."""

    __slots__ = ("_expression", "_pattern", "kind", "least_entropy", "words")

    def __init__(self, line: str) -> None:
        kind, words, entropy, self._expression = line.split("\t")
        self.kind = kind.replace("-", " ")
        self.words = tuple(words.split(","))
        self.least_entropy = float(entropy)
        self._pattern: Pattern[str] | None = None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a text holds secrets of this form."""
        if self._pattern is None:
            import re  # costs a hook 5 ms, and only a text that holds one of the words needs it

            flags = "(?i)" if self._expression.startswith("(?i)") else ""
            expression = self._expression.removeprefix("(?i)")
            if expression.startswith(r"\b"):
                expression = WORD_BEGINS + expression[2:]
            self._pattern = re.compile(flags + expression)
        for match in self._pattern.finditer(text):
            group = 1 if self._pattern.groups and match[1] else 0
            if not self.least_entropy or entropy(match[group]) > self.least_entropy:
                yield match.span(group)


_rules: list[Rule] = []


def rules() -> list[Rule]:
    """Return all forms, read once."""
    if not _rules:
        with open(RULES, encoding="utf-8") as file:
            _rules.extend(Rule(line.rstrip("\n")) for line in file if not line.startswith("#"))
    return _rules


_distinct_words: list[str] = []


def _words() -> list[str]:
    """Return the words of all forms, each once."""
    if not _distinct_words:
        _distinct_words.extend({word for rule in rules() for word in rule.words})
    return _distinct_words


def refuse_secret(what: str, *values: Any) -> None:
    """Raise SecretFound where one of the values, texts or JSON, holds a secret; `what` they are parts of."""
    for value in values:
        for text in texts_in(value):
            if kind := find_secret(text):
                raise SecretFound(f"{what} holds what looks like a secret ({kind}); whoever reads the bus could use it")


def find_secret(text: str) -> str | None:
    """Return what kind of secret a text holds; None where it holds none that is told by its form."""
    for rule in _candidates(text):
        for _ in rule.spans(text):
            return rule.kind
    return None


def replace_secrets(value: Any) -> Any:
    """Return a text, or a JSON value with all its texts, in which each secret is replaced by its kind."""
    if isinstance(value, str):
        return _replaced(value)
    if isinstance(value, dict):
        return {_replaced(key) if isinstance(key, str) else key: replace_secrets(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [replace_secrets(each) for each in value]
    return value


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value, keys included, as they are before they are encoded."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts_in(key)
            yield from texts_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)


def _candidates(text: str) -> list[Rule]:
    """Return the rules of which a text holds a word."""
    if len(text) < SHORTEST:
        return []
    lower = text.lower()
    held = [word for word in _words() if word in lower]  # one flat loop: nearly every text holds none of them
    return [rule for rule in rules() if not set(held).isdisjoint(rule.words)] if held else []


def _replaced(text: str) -> str:
    spans = sorted((start, end, rule.kind) for rule in _candidates(text) for start, end in rule.spans(text))
    parts, at = [], 0
    for start, end, kind in spans:
        if start >= at:
            parts += [text[at:start], f"[removed: {kind}]"]
        at = max(at, end)
    return "".join([*parts, text[at:]]) if parts else text


def entropy(text: str) -> float:
    """Return how many bits a character of a text tells, by how often each occurs in it (Shannon)."""
    import math

    counts: dict[str, int] = {}
    for character in text:
        counts[character] = counts.get(character, 0) + 1
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
