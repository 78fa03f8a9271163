"""What the person calls a session of Copilot CLI (`/rename`): in the session's `workspace.yaml` (seen in 1.0.102).

A name that nobody gave is the beginning of the first prompt there, and no name for hallway.
"""

from __future__ import annotations

import os

from hallway.agents.clients.copilot.turn import folder_of
from hallway.agents.hook.light_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 16 * 1024


def read_title(session_id: str, environ: Mapping[str, str]) -> str:
    """Return a session's name; empty if no person gave it one."""
    try:
        with open(os.path.join(folder_of(session_id, environ), "workspace.yaml"), "rb") as file:
            lines = file.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    values = dict(line.split(": ", 1) for line in lines if ": " in line)
    return _unquoted(values.get("name", "").strip()) if values.get("user_named", "").strip() == "true" else ""


def _unquoted(value: str) -> str:
    """Return a scalar of YAML without its quotation marks."""
    if value.startswith('"'):
        try:
            return str(loads(f'{{"is": {value}}}')["is"])
        except ValueError:
            return value.strip('"')
    return value[1:-1].replace("''", "'") if value.startswith("'") else value
