"""Sanitizing of untrusted text for display: one line, no control characters."""

from __future__ import annotations


def sanitize(text: str) -> str:
    """Return untrusted text as one line that is safe on a terminal.

    Characters that control a terminal or reorder a line (control characters, bidirectional and other invisible format
    characters, line separators, lone surrogates) become visible characters. Joiners inside words and emoji stay.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _visible(c) for c in text)


def _visible(character: str) -> str:
    from unicodedata import category  # imported here, because printable text does not need it

    point = ord(character)
    if point < 0x20:
        return chr(0x2400 + point)
    if point == 0x7F:
        return "␡"
    kind = category(character)
    if kind == "Zs":
        return " "
    is_harmless = character in "\u200c\u200d" or kind in ("Cn", "Co")  # joiners, and characters newer than this Python
    return character if is_harmless else "\ufffd"


def clean_json(text: str) -> str:
    """Return equivalent JSON text that is safe on a terminal: characters that `sanitize` replaces are escaped."""
    return text if text.isprintable() else "".join(c if sanitize(c) == c or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
