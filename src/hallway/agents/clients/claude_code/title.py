"""What Claude Code calls a session: the person's name (`/rename`), else the title that its model made.

Both are lines of the transcript, which Claude Code repeats at its end (seen in 2.1.329). A prompt's hook is told the
person's name as well.
"""

from __future__ import annotations

from hallway.agents.hook.light_json import loads
from hallway.agents.turn_note import read_tail

TAIL_BYTES = 64 * 1024
NAMED, MADE = ("custom-title", "customTitle"), ("ai-title", "aiTitle")


def read_title(path: str, *, is_typed: bool) -> str:
    """Return a session's name by its transcript; `is_typed`: only one that a person gave."""
    lines = read_tail(path, TAIL_BYTES)[::-1]
    return _last(lines, *NAMED) or ("" if is_typed else _last(lines, *MADE))


def _last(lines: list[bytes], kind: str, member: str) -> str:
    """Return what the last line of a kind says."""
    begin = f'{{"type":"{kind}"'.encode()
    for line in lines:
        if line.startswith(begin):
            try:
                return str(loads(line.decode("utf-8", "replace")).get(member) or "")
            except ValueError:
                continue  # it is not whole
    return ""
