"""The one line that says why a session waits or idles, as the bus keeps it (S11): without secrets, and cut."""

from __future__ import annotations

from hallway.core.redaction import redact
from hallway.core.secret_scan import replace_secrets

MAX_LINE = 200
MAX_LINE_SOURCE = 4000  # characters in which secrets are replaced before the line is cut: half of one is not recognised
MAX_END = 80
ENDS = ("resets ", "reset at ", "reset in ", "try again ", "retry ", "available again ")  # before when a limit ends


def detail_line(reason: str, text: str) -> str | None:
    """Return a detail in one line; of a limit, the time at which it ends is never cut off."""
    line = one_line(text)
    if reason != "limited" or line is None:
        return line
    end = _end_of_limit(text)
    return line if not end or end in line else one_line(f"{end}: {line}")


def one_line(text: str) -> str | None:
    """Return the first line of a text without secrets and control characters, cut; None where there is none."""
    lines = text.strip().splitlines()
    line = " ".join(lines[0].split()) if lines else ""
    if not line:
        return None
    line = "".join(c if c.isprintable() else " " for c in line[:MAX_LINE_SOURCE])
    line = redact(replace_secrets(line))
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _end_of_limit(text: str) -> str:
    """Return the part of a text that says when a limit ends; empty if it names no time."""
    text = " ".join(text[:MAX_LINE_SOURCE].split())
    lower = text.lower()
    for words in ENDS:
        at = lower.find(words)
        end = text[at : at + MAX_END].partition(". ")[0].rstrip(".") if at >= 0 else ""
        if any(c.isdigit() for c in end):
            return end
    return ""
