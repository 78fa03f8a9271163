"""What Qwen Code calls a session: the last title in the conversation's file, by `/rename` or by its model (0.24.4)."""

from __future__ import annotations

from hallway.agents.hook.light_json import loads
from hallway.agents.turn_note import read_tail

TAIL_BYTES = 256 * 1024
MARK = b'"subtype":"custom_title"'
TYPED = "manual"


def read_title(path: str, *, is_typed: bool) -> str:
    """Return a session's name by its conversation's file; `is_typed`: only one that a person gave."""
    for line in reversed(read_tail(path, TAIL_BYTES)):
        if MARK in line and (title := _title(line, is_typed=is_typed)):
            return title
    return ""


def _title(line: bytes, *, is_typed: bool) -> str:
    try:
        record = loads(line.decode("utf-8", "replace"))["systemPayload"]
        is_wanted = not is_typed or record.get("titleSource") == TYPED
        return str(record["customTitle"]) if is_wanted else ""
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
