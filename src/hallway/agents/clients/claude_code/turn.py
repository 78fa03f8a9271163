"""Claude Code notes in a file for each process whether its conversation is busy, waits for its person, or idles.

The file is the one by which its sessions find each other (`sessions/PID.json`, seen in 2.1.329). It is written within
half a second after Esc, and after the answer to a dialog. It is busy until all hooks of a stop have run.
"""

from __future__ import annotations

import os

from hallway.agents.turn_note import TurnNote
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOTES = {"busy": TurnNote("working"), "waiting": TurnNote("waiting"), "idle": TurnNote("idle", "interrupted")}
MAX_FILE = 64 * 1024


def read_turn(session_id: str, client: int, environ: Mapping[str, str]) -> TurnNote | None:
    """Return what the client's process has noted; None if it has another conversation, or notes nothing."""
    folder = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".claude")
    try:
        with open(os.path.join(folder, "sessions", f"{client}.json"), encoding="utf-8") as file:
            state = decode(file.read(MAX_FILE))
    except (OSError, ValueError):
        return None
    if not isinstance(state, dict) or state.get("sessionId") != session_id:
        return None
    return NOTES.get(str(state.get("status")))
