"""Which session a process speaks for, found without asking anybody (S7).

An agent's programs get its session's id in the environment, some in the metadata of each tool call; a process that an
agent started knows it from what a hook bound to that agent's process (presence.py). `HALLWAY_SESSION` says it where
nothing else does. Names nothing that a model would have to remember.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# An agent's kind, as sessions have it, and the variable by which it names its session to the programs it starts.
AGENTS = {
    "claude-code": "CLAUDE_CODE_SESSION_ID",
    "codex": "",
    "gemini": "GEMINI_SESSION_ID",
    "opencode": "",
    "qwen": "QWEN_CODE_SESSION_ID",
    "copilot": "COPILOT_AGENT_SESSION_ID",
    "cursor": "",
}
SESSION = "HALLWAY_SESSION"


def agent_type_of(client: str) -> str | None:
    """Return the agent type for a client's own name: `codex-mcp-client` is codex; None if unknown."""
    name = client.lower()
    return next((kind for kind in AGENTS if kind.partition("-")[0] in name), None)


def from_environment(environ: Mapping[str, str] | None = None, agent_type: str | None = None) -> str | None:
    """Return the session that the environment names, or None.

    Agents start each other, and an inner one inherits the outer one's variables: where `agent_type` is known, only
    that agent's own variable counts, then `HALLWAY_SESSION`.
    """
    said = os.environ if environ is None else environ
    names = (AGENTS[agent_type],) if agent_type else AGENTS.values()
    return next((said[name] for name in (*names, SESSION) if name and said.get(name)), None)


def from_metadata(meta: Mapping[str, Any]) -> str | None:
    """Return the session that a call's metadata names: Codex sends its thread's id with every tool call."""
    for name in ("sessionId", "threadId"):
        if isinstance(told := meta.get(name), str) and told:
            return told
    return None
