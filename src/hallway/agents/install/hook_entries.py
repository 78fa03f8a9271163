"""Hook entries in the form of each client's file, made from the commands of `hook_commands.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.agents.install.hook_commands import hooks_of, is_ours
from hallway.agents.install.old_name import is_old_hook

if TYPE_CHECKING:
    from hallway.agents.install.client import ClientInstaller


def grouped(client: ClientInstaller, root: str | None) -> dict[str, list[Any]]:
    """Return, by event, groups of handlers with their matchers, in Claude Code's format."""
    groups: dict[str, list[Any]] = {}
    for hook in hooks_of(client, is_shared=root is not None):
        matcher = {} if hook.matcher is None else {"matcher": hook.matcher}
        groups.setdefault(hook.event, []).append({**matcher, "hooks": [hook.entry]})
    return groups


def listed(client: ClientInstaller, root: str | None) -> dict[str, list[Any]]:
    """Return, by event, the handlers without groups."""
    events: dict[str, list[Any]] = {}
    for hook in hooks_of(client, is_shared=root is not None):
        matcher = {"matcher": hook.matcher} if hook.matcher else {}
        events.setdefault(hook.event, []).append(hook.entry | matcher)
    return events


def is_hallways(entry: Any) -> bool:
    """Return whether an entry among a client's hooks runs hallway and nothing else."""
    if not isinstance(entry, dict):
        return False
    handlers = entry.get("hooks", [entry])
    return bool(handlers) and isinstance(handlers, list) and all(map(_is_hallways_handler, handlers))


def _is_hallways_handler(handler: Any) -> bool:
    return isinstance(handler, dict) and any(
        is_ours(command) or is_old_hook(command)
        for command in (str(handler.get(name, "")) for name in ("command", "bash"))
    )
