"""What every client of hallway's has: a name, a way to find it, and the files that make it know hallway."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hallway.agents.install.configs import HOOKS, NAME, SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.configs import Config

VERSION_WAIT_S = 10


class Trouble:
    """Something only this client has that keeps hallway from working, and what to type."""

    __slots__ = ("detail", "following")

    def __init__(self, detail: str, following: str) -> None:
        self.detail = detail
        self.following = following


class Client:
    """One kind of program. `root` is a repository for its configuration, None for the user's own."""

    name: str
    title: str
    programs: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where the client keeps the user's configuration."""
        raise NotImplementedError

    def configs(self, root: str | None) -> list[Config]:
        """The files that hold hallway."""
        raise NotImplementedError

    def remains(self, root: str | None) -> list[str]:
        """What the person must still do once hallway is installed."""
        return ["Sessions that run already know nothing of it until they are started anew."]

    def troubles(self) -> Iterator[Trouble]:
        """What is wrong beyond missing files."""
        yield from ()

    @property
    def program(self) -> str | None:
        """Where the client's program is; None where it is not on the PATH."""
        return next((found for name in self.programs if (found := shutil.which(name))), None)

    @property
    def is_here(self) -> bool:
        return self.program is not None or os.path.isdir(self.folder)

    def version(self) -> str | None:
        """What the program says its version is; None where it says none."""
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
        found = re.search(r"(?<!\d)\d+(?:\.\d+)+[-\w.]*", done.stdout)
        return found[0].rstrip(".") if found else None


def home(*parts: str, variable: str | None = None, base: str = "~") -> str:
    """A path in the user's home, or where a variable of the client's says instead."""
    said = os.environ.get(variable) if variable else None
    return os.path.join(said or os.path.expanduser(base), *parts)


def place(root: str | None, user: str, *parts: str) -> str:
    """A file of a repository's, else of the user's."""
    return os.path.join(root, *parts) if root is not None else user


def server_command(root: str | None) -> list[str]:
    """How a client starts the MCP server.

    A repository's files go to other machines, so there it is whatever `hallway` they have; the user's own name this
    very interpreter, which no later change of PATH can lose.
    """
    return [NAME, "mcp"] if root is not None else [sys.executable, "-P", "-m", "hallway", "mcp"]


def stdio_server(root: str | None, **more: Any) -> dict[str, Any]:
    """The entry of the MCP server as most clients write it."""
    command, *arguments = server_command(root)
    return {"command": command, "args": arguments, **more}


__all__ = ["HOOKS", "SERVER", "Client", "Trouble", "home", "place", "server_command", "stdio_server"]
