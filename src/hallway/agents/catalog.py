"""The coding agents that hallway knows, and how to get at what is written for each of them alone."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import ClientAdapter

CLIENTS = ("claude-code", "codex", "gemini", "qwen", "copilot", "cursor", "opencode")


def adapter_of(client: str) -> ClientAdapter:
    """Return a client's adapter; each is a module of its own, so that a hook imports one."""
    name = f"hallway.agents.clients.{client.replace('-', '_')}.hook"
    __import__(name)
    dialect: ClientAdapter = sys.modules[name].DIALECT
    return dialect
