"""Codex notes the beginning and the end of each turn in the conversation's file, with the error that ended it.

No hook runs after an error of the model's API (seen in 0.169.0). A turn that has begun and not ended may be at work or
wait for the person, so its beginning says nothing. The file is in a folder for the day on which the
conversation began, and the conversation's id begins with that time (UUIDv7).
"""

from __future__ import annotations

import os
import time

from hallway.agents.hook.event import is_limit
from hallway.agents.turn_note import TurnNote, read_tail
from hallway.core.clock import parse_time
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TAIL_BYTES = 256 * 1024  # at the end of the file: Codex writes little after the end of a turn
MARK = b'"type":"event_msg"'
ABOUT_TURNS = ("task_started", "turn_aborted", "task_complete")


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return what the conversation's file says last about a turn; None if it is not found, or says nothing."""
    path = path_of(session_id, environ)
    for line in reversed(read_tail(path, TAIL_BYTES) if path else []):
        if MARK in line and (payload := _payload(line)):
            return _note(*payload)
    return None


def path_of(session_id: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of a conversation's file; None before its first prompt."""
    try:
        began = time.localtime(int(session_id.replace("-", "")[:12], 16) / 1000)
        home = environ.get("CODEX_HOME") or os.path.join(os.path.expanduser("~"), ".codex")
        folder = os.path.join(home, "sessions", time.strftime("%Y/%m/%d", began))
        names = [name for name in os.listdir(folder) if name.endswith(f"-{session_id}.jsonl")]
    except (OSError, ValueError, OverflowError):
        return None
    return os.path.join(folder, names[0]) if names else None


def _payload(line: bytes) -> tuple[dict[str, Any], float] | None:
    """Return what a line says about a turn, and when; None if it is about something else, or is not whole."""
    try:
        record = decode(line)
        payload, at = record["payload"], parse_time(record["timestamp"]).timestamp()
        return (payload, at) if payload["type"] in ABOUT_TURNS else None
    except (ValueError, TypeError, KeyError):
        return None


def _note(payload: dict[str, Any], at: float) -> TurnNote | None:
    if payload["type"] == "task_started":
        return None
    if payload["type"] == "turn_aborted":
        return TurnNote("idle", "interrupted", at=at)
    error = payload.get("error")
    if not isinstance(error, dict):
        return TurnNote("idle", "done", str(payload.get("last_agent_message") or ""), at)
    return TurnNote(
        "idle",
        "limited" if is_limit(str(error.get("codex_error_info"))) else "error",
        str(error.get("message") or ""),
        at,
    )
