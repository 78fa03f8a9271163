"""Copilot CLI notes each turn in the conversation's file: answers, questions, and why it ended (seen in 1.0.102).

No hook runs after an error of the model's API, nor after the person has stopped a turn; and no hook tells what the
agent answers or asks. The file is written some time after the fact: while a hook runs, it is up to date once its last
line says that this hook has begun.
"""

from __future__ import annotations

import os
import time

from hallway.agents.hook.event import is_limit, question_of
from hallway.agents.hook.light_json import loads
from hallway.agents.turn_note import TurnNote, read_tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TAIL_BYTES = 256 * 1024
BEGINS, ABORTED, FAILED = b'{"type":"assistant.turn_start"', b'{"type":"abort"', b'{"type":"session.error"'
ANSWERED, ASKED = b'{"type":"assistant.message"', b'"toolName":"ask_user"'
HOOK, TOOL_ENDS = b'{"type":"hook.start"', b'{"type":"tool.execution_complete"'
LOOKS, LOOK_EVERY_S = 8, 0.02  # how often a hook looks whether the file is up to date


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return how the last turn of a conversation ended, or what it asks; None if it goes on, or ended well."""
    for line in _lines(session_id, environ):
        if line.startswith((BEGINS, TOOL_ENDS)):
            return None
        if ASKED in line:
            question = _data(line).get("arguments")
            return TurnNote("waiting", "question", question_of(question)) if isinstance(question, dict) else None
        if line.startswith((ABORTED, FAILED)):
            return _note(line)
    return None


def last_answer(session_id: str, environ: Mapping[str, str]) -> str:
    """Return the last text of the agent in a conversation; empty if there is none."""
    lines = _lines_until_now(session_id, environ)
    answers = (_data(line).get("content") for line in lines if line.startswith(ANSWERED))
    return next((answer for answer in answers if isinstance(answer, str) and answer), "")


def last_question(session_id: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the agent's last question to the person consists of; empty if there is none."""
    questions = (_data(line).get("arguments") for line in _lines_until_now(session_id, environ) if ASKED in line)
    return next((question for question in questions if isinstance(question, dict)), {})


def folder_of(session_id: str, environ: Mapping[str, str]) -> str:
    """Return the folder in which Copilot CLI keeps a conversation."""
    home = environ.get("COPILOT_HOME") or os.path.join(os.path.expanduser("~"), ".copilot")
    return os.path.join(home, "session-state", os.path.basename(session_id))


def _lines(session_id: str, environ: Mapping[str, str]) -> list[bytes]:
    """Return the last lines of a conversation's file, the newest first."""
    return read_tail(os.path.join(folder_of(session_id, environ), "events.jsonl"), TAIL_BYTES)[::-1]


def _lines_until_now(session_id: str, environ: Mapping[str, str]) -> list[bytes]:
    """Return the last lines of a conversation's file, for a hook that is running: wait briefly until they are there."""
    lines = _lines(session_id, environ)
    for _ in range(LOOKS):
        if lines and lines[0].startswith(HOOK):
            break
        time.sleep(LOOK_EVERY_S)
        lines = _lines(session_id, environ)
    return lines


def _data(line: bytes) -> dict[str, Any]:
    try:
        data = loads(line.decode("utf-8", "replace"))["data"]
    except (ValueError, KeyError):
        return {}
    return data if isinstance(data, dict) else {}


def _note(line: bytes) -> TurnNote | None:
    from hallway.core.clock import parse_time  # no hook needs it

    try:
        at = parse_time(loads(line.decode("utf-8", "replace"))["timestamp"]).timestamp()
    except (ValueError, TypeError, KeyError):
        return None
    if line.startswith(ABORTED):
        return TurnNote("idle", "interrupted", at=at)
    data = _data(line)
    reason = "limited" if is_limit(str(data.get("errorType"))) or data.get("statusCode") == 429 else "error"
    return TurnNote("idle", reason, str(data.get("message") or ""), at)
