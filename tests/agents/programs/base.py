"""What the tests need of a client's program: its npm package, its settings for the scripted model, how it is started.

Nothing here is about hallway: that comes from `hallway install`, as for everybody.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.model import Call
from agents.npm import node_folder, programs_of
from support import until

if TYPE_CHECKING:
    from agents.machine import Terminal

RENAME_S = 60

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Program:
    """A client; `name` is as hallway knows it."""

    name: str
    package: str  # on npm, with the pinned version
    program = ""  # the name of the program, if it is not the client's
    shell: str  # the tool that runs commands
    shell_arguments: dict[str, Any] = {"description": "x"}
    session_key = "session_id"
    interface: tuple[str, ...] | None = None  # the arguments of a run in its own interface, where a test uses it
    stop_hint = "esc to interrupt"  # what its interface shows while a turn runs
    stop_key = "Escape"
    is_woken = True  # whether hallway has a way to start a turn in an idle session
    ready = ">"  # what its interface shows once it takes a prompt
    renamed = "renamed to"  # what its interface shows then
    rename = ""  # the command by which the person names the session
    dialog = ""  # what its interface shows when it asks for a permission; a client without one never asks

    @property
    def path(self) -> str:
        return str(programs_of(self.name) / (self.program or self.name))

    def environ(self, home: Path, model_url: str) -> dict[str, str]:
        return {
            "HOME": str(home),
            "PATH": f"{programs_of(self.name)}{os.pathsep}{node_folder()}{os.pathsep}{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": str(home / "tmp"),
            **self.settings(model_url),
        }

    def settings(self, model_url: str) -> dict[str, str]:
        return {}

    def prepare(self, home: Path, repository: Path, model_url: str) -> None:
        """Write what the client needs to know of the model; before hallway is installed, as with people."""

    def words(self, prompt: str) -> list[str]:
        """The arguments of a run without a person."""
        raise NotImplementedError

    def lets_ask(self, home: Path) -> tuple[str, ...]:
        """Set the client up to ask before it runs a command; return the arguments of its interface then."""
        return self.interface or ()

    def renames(self, terminal: Terminal, name: str) -> None:
        """Name the session in its terminal."""
        terminal.types(f"{self.rename} {name}")
        until(lambda: f"{self.rename} {name}" in terminal.screen, RENAME_S)
        terminal.presses_until("Enter", lambda: self.renamed in terminal.screen)

    def words_with_hallway(self) -> list[str]:
        """What a test adds where hallway is installed, so that no run begins before its tools are there."""
        return []

    def runs(self, command: str) -> Call:
        """The call of the tool that runs commands."""
        return Call(self.shell, **{"command": command, **self.shell_arguments})

    def asks_to_run(self, command: str) -> Call:
        """The call of that tool with a command that the person has to allow, where the client `lets_ask`."""
        return self.runs(command)

    def hallway(self, tool: str, **arguments: Any) -> Call:
        """The call of one of hallway's tools, however the client spells it."""
        return Call(rf"hallway[-_/]+{tool}$", **arguments)

    def session_id(self, output: str) -> str:
        """The session's id, as the client tells it in what it prints."""
        found = re.search(rf'"{self.session_key}":\s*"([^"]+)"', output)
        assert found, f"no {self.session_key} in {output[:2000]}"
        return found[1]
