"""Compiled regular expressions of the code, kept."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

_patterns: dict[str, Pattern[str]] = {}


def pattern(text: str) -> Pattern[str]:
    """Compile a regular expression and cache it for ever; only for constants of the code, not for a user's text."""
    if text not in _patterns:
        import re  # costs a hook 5 ms, and only few calls need it

        _patterns[text] = re.compile(text)
    return _patterns[text]
