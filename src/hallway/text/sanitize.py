"""Sanitizing of untrusted text for display: one line, no control characters, nothing invisible.

Characters are allowed by their Unicode category: letters, marks, numbers, punctuation and symbols. Not allowed are
control, format, private, surrogate and unassigned characters, and those of the other categories that show nothing
(Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt, the blank braille pattern, two fillers): many of
them can hide a whole text. Words and emoji need three of them, which stay only where they have that use: the joiners
between letters or marks beyond ASCII, or between symbols, and one variation selector after a symbol.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"
NON_JOINER, JOINER = "\u200c", "\u200d"
EMOJI_SELECTORS = "\ufe0e\ufe0f"
KEYCAP = "\u20e3"
OTHER_EMOJI = "\u203c\u2049\u2139\u3030"  # punctuation and a letter that have a coloured form
# Those that `str.isprintable` lets pass; the others are format characters or unassigned.
INVISIBLE = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0x16FE4, 0x16FE4),
        (0x1D159, 0x1D159),
        (0xE0100, 0xE01EF),
    )
    for point in range(first, last + 1)
)


def sanitize(text: str) -> str:
    """Return untrusted text as one line that is safe on a terminal, with every invisible character replaced.

    Characters that control a terminal, reorder a line or show nothing become visible ones. Sanitizing twice changes
    nothing.
    """
    if text.isprintable() and (text.isascii() or INVISIBLE.isdisjoint(text)):
        return text
    parts: list[str] = []
    for at, character in enumerate(text):
        is_shown = character.isprintable() and character not in INVISIBLE
        if not is_shown and not _is_needed(character, parts[-2:], text[at + 1 : at + 2]):
            character = _visible(character)
        parts.append(character)
    return "".join(parts)


def _is_needed(character: str, before: list[str], after: str) -> bool:
    """Return whether a joiner or a selector has a use between its neighbours."""
    if not before:
        return False
    if character in EMOJI_SELECTORS:
        return _is_symbol(before[-1]) or (after == KEYCAP and before[-1] in "0123456789#*")
    if character not in (NON_JOINER, JOINER) or not after:
        return False
    if _is_in_word(before[-1]) and _is_in_word(after):
        return True
    joined = before[0] if before[-1] in EMOJI_SELECTORS else before[-1]
    return character == JOINER and _is_symbol(joined) and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    from unicodedata import category  # imported here, because printable text does not need it

    if character.isascii() or character == REPLACEMENT:
        return False
    return category(character) in ("So", "Sk", "Sm") or character in OTHER_EMOJI


def _is_in_word(character: str) -> bool:
    from unicodedata import category

    return category(character)[0] in "LM" and not character.isascii() and character not in INVISIBLE


def _visible(character: str) -> str:
    from unicodedata import category

    point = ord(character)
    if point < 0x20:
        return chr(0x2400 + point)
    if point == 0x7F:
        return "␡"
    return " " if category(character) == "Zs" else REPLACEMENT


def clean_json(text: str) -> str:
    """Return equivalent JSON text that is safe on a terminal: characters that `sanitize` replaces are escaped."""
    if text.isprintable() and (text.isascii() or INVISIBLE.isdisjoint(text)):
        return text
    return "".join(c if c == "\n" or (c.isprintable() and c not in INVISIBLE) else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
