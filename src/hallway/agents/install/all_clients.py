"""`hallway install` and `hallway uninstall`: adding hallway to the clients on this machine, and removing it.

A client is described in a module of its own by the files that hold hallway (`configs.py`); everything else is the same
for all of them: finding, showing, editing, undoing. What is not hallway's is never touched. A client of which one file
cannot be edited keeps all its files as they are, and the others go on.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hallway.agents.client_parts import installer_of
from hallway.agents.install.git_hooks import GuardInstaller
from hallway.agents.install.plan import ChangedMeanwhile, InstallLedger, apply, current, plan_install, plan_uninstall
from hallway.agents.install.standalone import keep_standalone
from hallway.core.errors import ConfigBroken, FileUnusable, InvalidInput, UnsupportedSystem
from hallway.core.near_names import near_matches
from hallway.local.client_catalog import CATALOG
from hallway.local.setup_marks import remove_marks
from hallway.local.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hallway.agents.install.client import ClientInstaller
    from hallway.agents.install.plan import Change
    from hallway.core.errors import HallwayError

CLIENTS: dict[str, ClientInstaller] = {name: installer_of(name) for name in CATALOG}

ATTEMPTS = 3  # at a file that its client changes at the same moment


class Outcome:
    """What became of one client: the changes, made or only planned, and what the person must still do."""

    __slots__ = ("by_hand", "changes", "client", "error", "is_done", "is_here", "remains")

    def __init__(self, client: ClientInstaller, changes: list[Change], remains: list[str]) -> None:
        self.error: HallwayError | None = None  # why a file cannot be edited; then nothing of this client is
        self.by_hand: dict[str, str] = {}  # what to paste into which file instead
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
            "error": self.error.to_dict()["error"] if self.error else None,
            "by_hand": self.by_hand,
        }


def install(
    names: Sequence[str] = (), *, is_project: bool = False, is_dry: bool = False, has_guard: bool = False
) -> list[Outcome]:
    """Make clients know hallway; without names all that are on this machine.

    `has_guard`: put `hallway guard` into the git hooks of this repository; without names nothing else.

    Done twice it changes nothing. Each client's files are changed all or none; one whose files cannot be edited stops
    none of the others, and its outcome says why and what to paste by hand. Raises UnsupportedSystem on Windows.
    """
    if sys.platform == "win32":
        raise UnsupportedSystem(
            "hallway is not installed in agents on Windows: its hooks are commands for a POSIX shell, which a client's"
            " own shell there may take for an order to block a prompt"
        )
    root = _repository_here() if is_project else None
    all_here = [] if has_guard else [client for client in CLIENTS.values() if client.is_here]
    clients = [*(_chosen(names) if names else all_here), *([GuardInstaller()] if has_guard else [])]

    def plan(client: ClientInstaller, record: InstallLedger) -> list[Change]:
        return plan_install(client.name, client.configs(root))

    with _locked():
        record = InstallLedger()
        outcomes = [_carried_out(each, plan, record, is_dry=is_dry, root=root) for each in clients]
        _keep(record, is_dry=is_dry)
    return outcomes


def uninstall(
    names: Sequence[str] = (), *, is_project: bool = False, is_dry: bool = False, has_guard: bool = False
) -> list[Outcome]:
    """Take hallway out of clients again; without names out of all, and of the git hooks of every repository.

    `has_guard`: out of the git hooks of this repository. Files that nobody changed since are as before.
    """
    root = _repository_here() if is_project else None
    clients = _chosen(names)
    if has_guard:
        clients.append(GuardInstaller())
    elif not names:
        hooks = [path for path, held in InstallLedger().files.items() if held["client"] == GuardInstaller.name]
        clients = [*CLIENTS.values(), *([GuardInstaller(hooks)] if hooks and not is_project else [])]

    def plan(client: ClientInstaller, record: InstallLedger) -> list[Change]:
        return plan_uninstall(client.name, client.configs(root), record)

    with _locked():
        record = InstallLedger()
        outcomes = [_carried_out(each, plan, record, is_dry=is_dry, is_undoing=True) for each in clients]
        _keep(record, is_dry=is_dry)
    return [outcome for outcome in outcomes if outcome.changes or outcome.error or names]


def _carried_out(
    client: ClientInstaller,
    plan: Callable[[ClientInstaller, InstallLedger], list[Change]],
    record: InstallLedger,
    *,
    is_dry: bool,
    root: str | None = None,
    is_undoing: bool = False,
) -> Outcome:
    """Change one client's files, again where the client itself changed one meanwhile."""
    for attempt in range(ATTEMPTS):
        outcome = Outcome(client, [], client.remains_undone if is_undoing else client.remains(root))
        try:
            outcome.changes = plan(client, record)
            if not is_dry:
                apply(outcome.changes, record)
                outcome.is_done = True
                if outcome.changes:
                    remove_marks(client.name)
        except (ConfigBroken, FileUnusable) as error:
            outcome.error, outcome.changes, outcome.is_done = error, [], False
            if isinstance(error, ChangedMeanwhile) and attempt < ATTEMPTS - 1:
                continue
            if not is_undoing:
                outcome.by_hand = {config.path: text for config in client.configs(root) if (text := config.by_hand)}
        return outcome
    raise AssertionError("the last attempt returns")


def _keep(record: InstallLedger, *, is_dry: bool) -> None:
    if not is_dry:
        keep_standalone(record)


@contextmanager
def _locked() -> Iterator[None]:
    """Have one installation at a time in this user's home, whose folder itself is the lock: nothing is left behind."""
    try:
        import fcntl

        folder = os.open(os.path.expanduser("~"), os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError):
        yield  # Windows, or no home: the files themselves are compared before each is replaced
        return
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def is_installed(client: ClientInstaller, what: str, root: str | None = None) -> bool:
    """Return whether a client's server, or its hooks, are installed exactly as this version would install them."""
    held = [config for config in client.configs(root) if what in config.holds]
    return all(config.has(what, current(config) or "") for config in held)


def foreign_files(client: ClientInstaller) -> list[str]:
    """Return the files of a client with entries of hallway's in them, whichever installation wrote those."""
    texts = ((config, current(config)) for config in client.configs(None))
    return [config.path for config, text in texts if text is not None and config.take(text) != text]


def repository(directory: str | None = None) -> str:
    """Return the root of the repository around a directory, or the directory itself outside of one."""
    start = folder = os.path.realpath(directory or working_directory())
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return start
        folder = parent
    return folder


def _repository_here() -> str:
    """Return the root of the repository here; raises InvalidInput where the folder was removed meanwhile."""
    root = repository()
    if not os.path.isdir(root):
        raise InvalidInput(f"{root} is not there any more", hint="Go to a folder that is, and try again")
    return root


def _chosen(names: Sequence[str]) -> list[ClientInstaller]:
    for name in names:
        if name not in CLIENTS:
            near = near_matches(name, list(CLIENTS))
            client_names = f"The clients: {', '.join(CLIENTS)}"
            raise InvalidInput(
                f"there is no client {name!r} that hallway knows",
                hint=f"Did you mean {' or '.join(near)}? {client_names}" if near else client_names,
            )
    return [CLIENTS[name] for name in dict.fromkeys(names)]
