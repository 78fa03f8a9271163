"""The catalogue of coding agents ("clients"): one row each. What else is about a client is in its own folder in
`agents/clients/`, which `agents/client_parts.py` finds by the client's name.
"""

from __future__ import annotations


class CatalogRow:
    """One client: its name on the bus, and how the programs that it starts find their session.

    `session_variable`: the environment variable that holds the session's id, empty if there is none. `links_process`:
    hooks do not get that variable, so a link from the client's process id leads to the session (`hook_gate.py`).
    """

    __slots__ = ("links_process", "name", "session_variable")

    def __init__(self, name: str, session_variable: str = "", *, links_process: bool = False) -> None:
        self.name = name
        self.session_variable = session_variable
        self.links_process = links_process


CATALOG = {
    row.name: row
    for row in (
        CatalogRow("claude-code", "CLAUDE_CODE_SESSION_ID"),
        CatalogRow("codex", links_process=True),
        CatalogRow("gemini", "GEMINI_SESSION_ID"),
        CatalogRow("opencode"),
        CatalogRow("qwen", "QWEN_CODE_SESSION_ID"),
        CatalogRow("copilot", "COPILOT_AGENT_SESSION_ID", links_process=True),
        CatalogRow("cursor", links_process=True),
        CatalogRow("pi"),
    )
}
