"""Detection of the session that a process belongs to, without asking the user or the model (S7).

Most clients pass the session's id to their programs in an environment variable; some pass it in the metadata of each
tool call. Otherwise a hook has bound the session to the client's process (presence.py). If nothing else names the
session, `HALLWAY_SESSION` does. A model never has to remember the id.
"""

from __future__ import annotations

import os

from hallway.local.client_catalog import CATALOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SESSION = "HALLWAY_SESSION"


def agent_type_of(client: str) -> str | None:
    """Return the agent type for a client's own name: `codex-mcp-client` is codex; None if unknown."""
    words = "".join(sign if sign.isalnum() else " " for sign in client.lower()).split()
    return next((kind for kind in CATALOG if kind.partition("-")[0] in words), None)


def from_environment(environ: Mapping[str, str] | None = None, agent_type: str | None = None) -> str | None:
    """Return the session that the environment names, or None.

    An agent that another agent started inherits its variables. If `agent_type` is given, only the variable of this
    type is read, then `HALLWAY_SESSION`.
    """
    variables = os.environ if environ is None else environ
    rows = (CATALOG[agent_type],) if agent_type else CATALOG.values()
    names = (*(row.session_variable for row in rows), SESSION)
    return next((variables[name] for name in names if name and variables.get(name)), None)


def sessions_of_environment() -> set[str]:
    """Return every session that the environment names: this process's, and those of the agents that started it."""
    names = (*(row.session_variable for row in CATALOG.values()), SESSION)
    return {value for name in names if name and (value := os.environ.get(name))}


def from_metadata(meta: Mapping[str, Any]) -> str | None:
    """Return the session that a tool call's metadata names, or None. Codex sends its thread id with every call."""
    for name in ("sessionId", "threadId"):
        if isinstance(value := meta.get(name), str) and value:
            return value
    return None
