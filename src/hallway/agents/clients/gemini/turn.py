"""Gemini CLI notes in the conversation's file that the person has cancelled a request (seen in 0.61.0).

The hook `AfterAgent` runs after Esc while the model thinks, as after any turn, and does not run after Esc at a dialog.
"""

from __future__ import annotations

import os

from hallway.agents.turn_note import TurnNote, read_tail
from hallway.core.clock import parse_time
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TAIL_BYTES = 1024 * 1024  # at the end of the file: after a cancelled request the conversation is written again
CANCELLED = b'"content":"Request cancelled."'


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return when a request of the conversation was last cancelled; None if that is not known."""
    home = environ.get("GEMINI_CLI_HOME") or os.path.expanduser("~")
    path = _path(os.path.join(home, ".gemini", "tmp"), f"-{session_id[:8]}.jsonl")
    return cancelled(path) if path else None


def cancelled(path: str) -> TurnNote | None:
    """Return when a request was last cancelled, as a conversation's file says; None if it does not."""
    lines = [line for line in read_tail(path, TAIL_BYTES) if CANCELLED in line and len(line) < 1000]
    try:
        return TurnNote("idle", "interrupted", at=parse_time(decode(lines[-1])["timestamp"]).timestamp())
    except (IndexError, ValueError, TypeError, KeyError):
        return None


def _path(folder: str, end: str) -> str | None:
    """Return the path of a conversation's file; `folder` has a folder for each project, with its conversations."""
    try:
        for project in os.listdir(folder):
            chats = os.path.join(folder, project, "chats")
            for name in os.listdir(chats) if os.path.isdir(chats) else ():
                if name.endswith(end):
                    return os.path.join(chats, name)
    except OSError:
        pass  # no conversation has been kept, or the folder cannot be read
    return None
