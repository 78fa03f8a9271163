"""Gemini CLI notes in the conversation's file that the person has cancelled a request, or that it failed (0.61.0).

The hook `AfterAgent` runs after Esc while the model thinks and after an error of the model's API, as after any turn. It
does not run after Esc at a dialog.
"""

from __future__ import annotations

import os

from hallway.agents.hook.event import is_limit
from hallway.agents.hook.light_json import loads
from hallway.agents.turn_note import TurnNote, read_tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TAIL_BYTES = 1024 * 1024  # at the end of the file: after a cancelled request the conversation is written again
CANCELLED = b'"content":"Request cancelled."'
FAILED = b'"type":"error","content":"[API Error: '
MAX_LINE = 4000
SAID = b'"type":"gemini"'
ANSWER_BYTES = 64 * 1024
API_ERROR = "[API Error: "


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return when a request of the conversation was last cancelled or failed; None if that is not known."""
    home = environ.get("GEMINI_CLI_HOME") or os.path.expanduser("~")
    path = _path(os.path.join(home, ".gemini", "tmp"), f"-{session_id[:8]}.jsonl")
    return last_end(path) if path else None


def last_end(path: str) -> TurnNote | None:
    """Return when a request was last cancelled or failed, as a conversation's file says; None if it does not."""
    for line in reversed(read_tail(path, TAIL_BYTES)):
        if len(line) < MAX_LINE and (CANCELLED in line or FAILED in line):
            return _note(line)
    return None


def last_answer(path: str, texts: str) -> str:
    """Return the last of a turn's texts, which a hook is told as one, by a conversation's file; else all of them."""
    for line in reversed(read_tail(path, ANSWER_BYTES)):
        if SAID in line and (answer := _content(line)):
            return answer if texts.endswith(answer) else texts
    return texts


def _content(line: bytes) -> str:
    try:
        content = loads(line.decode("utf-8", "replace"))["content"]
    except (ValueError, KeyError):
        return ""
    return content if isinstance(content, str) else ""


def _note(line: bytes) -> TurnNote | None:
    from hallway.core.clock import parse_time  # few hooks need it

    try:
        record = loads(line.decode("utf-8", "replace"))
        at, content = parse_time(record["timestamp"]).timestamp(), str(record["content"])
    except (ValueError, TypeError, KeyError):
        return None
    if CANCELLED in line:
        return TurnNote("idle", "interrupted", at=at)
    return TurnNote("idle", "limited" if is_limit(content) else "error", _message(content), at)


def _message(content: str) -> str:
    """Return the message in an error of the model's API, which is quoted as JSON."""
    quoted = content.removeprefix(API_ERROR).removesuffix("]")
    try:
        return str(loads(quoted)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return quoted


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
