"""Gemini CLI notes in the conversation's file that the person has cancelled a request (seen in 0.61.0).

The hook `AfterAgent` runs after Esc while the model thinks, as after any turn, and does not run after Esc at a dialog.
"""

from __future__ import annotations

import os

from hallway.agents.turn_note import TurnNote
from hallway.core.clock import SECOND, parse_time, to_micros
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TAIL = 1024 * 1024  # the conversation is written anew after a cancelled request
CANCELLED = b'"content":"Request cancelled."'


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return when a request of the conversation was last cancelled; None if that is not known."""
    home = environ.get("GEMINI_CLI_HOME") or os.path.expanduser("~")
    path = _path(os.path.join(home, ".gemini", "tmp"), f"-{session_id[:8]}.jsonl")
    return cancelled(path) if path else None


def cancelled(path: str) -> TurnNote | None:
    """Return when a request was last cancelled, by a conversation's file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_TAIL))
            lines = [line for line in file.read(MAX_TAIL).splitlines() if CANCELLED in line and len(line) < 1000]
        at = to_micros(parse_time(decode(lines[-1])["timestamp"])) / SECOND if lines else 0.0
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return TurnNote("idle", "interrupted", at=at) if at else None


def _path(folder: str, end: str) -> str | None:
    """Return the file of a conversation, which is in a folder of its project."""
    try:
        for project in os.listdir(folder):
            chats = os.path.join(folder, project, "chats")
            for name in os.listdir(chats) if os.path.isdir(chats) else ():
                if name.endswith(end):
                    return os.path.join(chats, name)
    except OSError:
        pass  # no conversation has been kept, or the folder cannot be read
    return None
