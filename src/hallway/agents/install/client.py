"""The base class of a client's installer: the client's name, how to find it, and its configuration files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hallway.agents.install.configs import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.configs import Config
    from hallway.agents.install.switch import Switch

VERSION_WAIT_S = 10
FIRST_PROMPT = "Who else is on hallway, and what are they doing?"
HOOK_LIMIT_S = 5  # the client's time limit for a hook; a hook gives up long before (`hook/main.py`)
IDLE, ANY, EDITS, CHECK = "idle", "any", "edits", "check"  # when a hook runs, if not every time


class Diagnostic:
    """Something that keeps an installed server or its hooks from working in a client, and what to type.

    `is_certain` is false where the client did not say whether they work.
    """

    __slots__ = ("detail", "following", "is_certain", "what")

    def __init__(self, what: str, detail: str, following: str, *, is_certain: bool = True) -> None:
        self.what = what  # SERVER or HOOKS
        self.detail = detail
        self.following = following
        self.is_certain = is_certain


class ClientInstaller:
    """One kind of program. `root` is a repository for its configuration, None for the user's own."""

    name: str
    title: str
    programs: tuple[str, ...]
    # Hooks: (event, matcher, when it runs). ANY: only if something is due. EDITS: beside ANY, for the tools that write
    # files; a hook that has run for a payload already does nothing. CHECK: before those tools, only if another session
    # has claimed files. A matcher of None is not written.
    hooks: tuple[tuple[str, str | None, str], ...] = ()
    remains_undone = ["Running sessions keep hallway until they are restarted."]  # what is left after an uninstall
    trust = ""  # what the person does so that the client runs hallway's hooks; empty: it asks for nothing
    waits_for_tools: dict[str, str] = {}  # the environment in which a run of one prompt waits for hallway's tools
    names_event = False  # whether the hook's command has to name the event, because the payload does not

    @property
    def folder(self) -> str:
        """Return the folder of the client's user configuration."""
        raise NotImplementedError

    def configs(self, root: str | None) -> list[Config]:
        """Return the configuration files that hallway edits."""
        raise NotImplementedError

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        """Return a hook in the form of the client's configuration file."""
        return {"type": "command", "command": command, "timeout": HOOK_LIMIT_S}

    def remains(self, root: str | None) -> list[str]:
        """Return the steps that are left for the person after an installation, in order."""
        restart = f"Restart {self._called}: it reads its configuration only when it starts."
        return [restart, *self.asks(root), f"Type there: {FIRST_PROMPT}"]

    def asks(self, root: str | None) -> list[str]:
        """Return what the person confirms or switches on in the client before its first prompt."""
        return [self.trust] if self.trust else []

    @property
    def start(self) -> str:
        """Return what starts the first session that hallway can see."""
        return f"Restart {self._called}, and type there: {FIRST_PROMPT}"

    @property
    def _called(self) -> str:
        return f"{self.title} ({os.path.basename(self.program)})" if self.program else self.title

    def one_prompt(self, prompt: str) -> list[str] | None:
        """Return the arguments with which the program runs one prompt and changes no file; None if none are known."""
        return None

    def switches(self, root: str, name: str) -> list[Switch]:
        """Return the settings with which a person switches off hallway's hooks, or its server with this name."""
        return []

    def troubles(self) -> Iterator[Diagnostic]:
        """Yield problems that only this client has."""
        yield from ()

    @property
    def program(self) -> str | None:
        """Return the path of the client's program; None if it is not on the PATH."""
        return next((path for name in self.programs if (path := shutil.which(name))), None)

    @property
    def is_here(self) -> bool:
        return self.program is not None or os.path.isdir(self.folder)

    def version(self) -> str | None:
        """Return the version that the program prints; None if it prints none."""
        if self.program is None:
            return None
        try:
            done = subprocess.run(
                [self.program, "--version"],
                capture_output=True,
                text=True,
                timeout=VERSION_WAIT_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r"(?<!\d)\d+(?:\.\d+)+[-\w.]*", done.stdout)
        return match[0].rstrip(".") if match else None


def home(*parts: str, variable: str | None = None, base: str = "~") -> str:
    """Return a path in the user's home, or below the folder that one of the client's variables names."""
    folder = os.environ.get(variable) if variable else None
    return os.path.join(folder or os.path.expanduser(base), *parts)


def place(root: str | None, user: str, *parts: str) -> str:
    """Return the path of a repository's file, or of the user's file when there is no repository."""
    return os.path.join(root, *parts) if root is not None else user


def server_command(root: str | None) -> list[str]:
    """Return the command with which a client starts the MCP server.

    A repository's files go to other machines, so there it is whatever `hallway` they have; the user's own name this
    very interpreter, which no later change of PATH can lose.
    """
    return [NAME, "mcp"] if root is not None else [sys.executable, "-P", "-m", "hallway", "mcp"]


def stdio_server(root: str | None, **more: Any) -> dict[str, Any]:
    """Return the MCP server's entry in the form that most clients use."""
    command, *arguments = server_command(root)
    return {"command": command, "args": arguments, **more}
