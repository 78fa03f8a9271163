"""Recognise what a development install under hallway's old name, roost, left in the clients' files.

Such entries are replaced by `hallway install` and removed by `hallway uninstall`. Nothing else knows the old name.
"""

from __future__ import annotations

from typing import Any

OLD_NAME = "roost"


def is_old_server(entry: Any) -> bool:
    """Return whether an MCP server's entry starts the old package: `roost mcp` or `python -P -m roost mcp`."""
    if not isinstance(entry, dict):
        return False
    command, arguments = entry.get("command"), entry.get("args", [])
    words = command if isinstance(command, list) else [command, *(arguments if isinstance(arguments, list) else [])]
    names = [str(word).replace("\\", "/").rpartition("/")[2] for word in words]
    return names[-2:] == [OLD_NAME, "mcp"]


def is_old_hook(command: str) -> bool:
    """Return whether a hook's command runs the old package."""
    return f"{OLD_NAME} hook " in command or f"/{OLD_NAME}/agents/hook/launch.py" in command.replace("\\", "/")


def is_old_file(text: str) -> bool:
    """Return whether a file of its own, a plugin or a file of hooks, is the old package's."""
    return is_old_hook(text) or f'"{OLD_NAME}", "hook"' in text
