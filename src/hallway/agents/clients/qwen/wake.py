"""Qwen Code: its documented socket for peers, found in its registry of sessions.

A server that the session itself started has its token, so what it says is delivered and not held for review.
"""

from __future__ import annotations

import os

from hallway.agents.clients.claude_code.wake import is_own_socket, send
from hallway.core.clock import new_id
from hallway.core.schema import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TOKEN = "QWEN_CODE_MESSAGING_TOKEN"  # noqa: S105 (a variable's name)
MAX_RECORD = 64 * 1024


def deliver(session_id: str, words: str, client: int, environ: Mapping[str, str]) -> bool:
    """Write to the session's inbox, if a person has it open; whether it was there."""
    record = _record(session_id, environ)
    path = record.get("ipcPath")
    if record.get("kind", "tui") != "tui" or not isinstance(path, str) or not is_own_socket(path):
        return False
    token = environ.get(TOKEN) or record.get("ipcToken")
    requests: list[dict[str, Any]] = [{"msgV": 1, "type": "auth", "token": token}] if token else []
    requests.append(
        {
            "msgV": 1,
            "msgId": new_id(),
            "type": "user",
            "fromName": "hallway",
            "fromMode": "prompting",
            "toSessionId": session_id,
            "priority": "next",
            "message": {"role": "user", "content": words},
        }
    )
    return send(path, "".join(f"{encode(line)}\n" for line in requests))


def _record(session_id: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a live session's entry in Qwen's registry; empty if there is none."""
    folder = os.path.join(environ.get("QWEN_HOME") or os.path.expanduser("~/.qwen"), "sessions")
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        record = _read(os.path.join(folder, name)) if name.endswith(".json") else {}
        if record.get("sessionId") == session_id and record.get("schemaVersion") == 1:
            return record
    return {}


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            record = decode(file.read(MAX_RECORD))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
