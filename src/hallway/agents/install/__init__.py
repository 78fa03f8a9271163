"""`hallway install` and `hallway uninstall`: every client on the machine told of hallway, and told to forget it.

A client is described in a module of its own by the files that hold hallway (`configs.py`); everything else is the same
for all of them: finding, showing, editing, undoing. What is not hallway's is never touched, and a file that cannot be
understood stops everything before anything is written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.agents.install import claude_code, codex, copilot, cursor, gemini, opencode, qwen
from hallway.agents.install.changes import Record, current, make, plan_putting, plan_taking
from hallway.agents.install.standalone import keep_standalone
from hallway.errors import InvalidInput
from hallway.services import near_matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hallway.agents.install.changes import Change
    from hallway.agents.install.client import Client

CLIENTS: dict[str, Client] = {
    module.CLIENT.name: module.CLIENT for module in (claude_code, codex, gemini, opencode, qwen, copilot, cursor)
}


class Outcome:
    """What became of one client: the changes, made or only planned, and what the person must still do."""

    __slots__ = ("changes", "client", "is_done", "is_here", "remains")

    def __init__(self, client: Client, changes: list[Change], remains: list[str]) -> None:
        self.client = client
        self.is_here = client.is_here
        self.is_done = False
        self.changes = changes
        self.remains = remains

    def to_dict(self) -> dict[str, object]:
        return {
            "client": self.client.name,
            "is_here": self.is_here,
            "is_done": self.is_done,
            "files": [change.path for change in self.changes],
            "diff": "\n".join(line for change in self.changes for line in change.diff()),
            "remains": self.remains,
        }


def install(names: Sequence[str] = (), *, is_project: bool = False, is_dry: bool = False) -> list[Outcome]:
    """Make clients know hallway; without names all that are on this machine.

    Done twice it changes nothing. Raises ConfigBroken, and changes nothing at all, where one file cannot be edited.
    """
    root = repository() if is_project else None
    clients = _chosen(names) if names else [client for client in CLIENTS.values() if client.is_here]
    outcomes = [Outcome(each, plan_putting(each.name, each.configs(root)), each.remains(root)) for each in clients]
    return outcomes if is_dry else _made(outcomes, Record())


def uninstall(names: Sequence[str] = (), *, is_project: bool = False, is_dry: bool = False) -> list[Outcome]:
    """Take hallway out of clients again; without names out of all. Files that nobody changed since are as before."""
    root, record = repository() if is_project else None, Record()
    clients = _chosen(names) if names else list(CLIENTS.values())
    outcomes = [Outcome(each, plan_taking(each.name, each.configs(root), record), []) for each in clients]
    outcomes = [outcome for outcome in outcomes if outcome.changes or names]
    return outcomes if is_dry else _made(outcomes, record)


def _made(outcomes: list[Outcome], record: Record) -> list[Outcome]:
    make([change for outcome in outcomes for change in outcome.changes], record)
    keep_standalone(record)
    for outcome in outcomes:
        outcome.is_done = True
    return outcomes


def is_installed(client: Client, what: str, root: str | None = None) -> bool:
    """Whether a client has the server, or the hooks, as they would be installed now."""
    held = [config for config in client.configs(root) if what in config.holds]
    return all(config.has(what, current(config) or "") for config in held)


def foreign_files(client: Client) -> list[str]:
    """Return the files of a client with entries of hallway's in them, whichever installation wrote those."""
    texts = ((config, current(config)) for config in client.configs(None))
    return [config.path for config, text in texts if text is not None and config.take(text) != text]


def repository(directory: str | None = None) -> str:
    """The root of the repository that a directory is in; the directory itself outside of one."""
    start = folder = os.path.realpath(directory or os.getcwd())
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return start
        folder = parent
    return folder


def _chosen(names: Sequence[str]) -> list[Client]:
    for name in names:
        if name not in CLIENTS:
            near = near_matches(name, list(CLIENTS))
            known = f"The clients: {', '.join(CLIENTS)}"
            raise InvalidInput(
                f"there is no client {name!r} that hallway knows",
                hint=f"Did you mean {' or '.join(near)}? {known}" if near else known,
            )
    return [CLIENTS[name] for name in dict.fromkeys(names)]
