"""What Codex calls a conversation: the last line about it in `session_index.jsonl`, by `/rename` (seen in 0.169.0)."""

from __future__ import annotations

import os

from hallway.agents.hook.light_json import loads
from hallway.agents.turn_note import read_tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TAIL_BYTES = 256 * 1024


def read_title(session_id: str, environ: Mapping[str, str]) -> str:
    """Return a conversation's name; empty if it has none."""
    home = environ.get("CODEX_HOME") or os.path.join(os.path.expanduser("~"), ".codex")
    mark = f'"{session_id}"'.encode()
    for line in reversed(read_tail(os.path.join(home, "session_index.jsonl"), TAIL_BYTES)):
        if mark in line:
            try:
                record = loads(line.decode("utf-8", "replace"))
            except ValueError:
                continue  # it is not whole
            if record.get("id") == session_id:
                return str(record.get("thread_name") or "")
    return ""
