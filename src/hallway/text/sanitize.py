"""Make text from elsewhere safe to show: one line, no control characters."""

from __future__ import annotations


def sanitize(text: str) -> str:
    """Return text from elsewhere as one line that is safe on a terminal.

    What steers a terminal or reorders a line (controls, bidirectional and other invisible format characters, line
    separators, lone surrogates) becomes a visible sign. Joiners inside words and emoji stay.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _visible(c) for c in text)


def _visible(character: str) -> str:
    from unicodedata import category  # only unprintable text pays for it

    point = ord(character)
    if point < 0x20:
        return chr(0x2400 + point)
    if point == 0x7F:
        return "␡"
    kind = category(character)
    if kind == "Zs":
        return " "
    is_harmless = character in "\u200c\u200d" or kind in ("Cn", "Co")  # joiners, and letters newer than this Python
    return character if is_harmless else "\ufffd"


def clean_json(text: str) -> str:
    """Return JSON text with whatever `sanitize` would replace escaped instead: the same value, safe on a terminal."""
    return text if text.isprintable() else "".join(c if sanitize(c) == c or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
