"""The hooks in a client's configuration: events, matchers, commands and time limits.

A hook that runs on every tool call first asks the shell whether anything is due (`local/hook_gate.py`), and only then
starts an interpreter, with as little in it as there can be: no site, no console script. A repository's configuration
goes to other machines, so there the command is whatever `hallway` they have, and nothing where they have none.

Some clients read a hook's exit status 2 as "block", and Python exits with 2 for a file that is not there. So the shell
looks first whether interpreter and launcher exist, and the status that the client sees is the shell's own: 0, whatever
became of the interpreter (A1). Only the hook that waits beside an idle session may end with 2, which starts a turn.

These are commands for a POSIX shell. On Windows a client may use cmd.exe, PowerShell or Git Bash, and no command does
nothing harmful in all three: what is right in cmd.exe ends with 2 in Git Bash. So nothing is installed there.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time

from hallway.agents.hook.process import PARENT, WOKEN_STATUS
from hallway.agents.install.client import ANY, CHECK, IDLE
from hallway.agents.install.configs import NAME
from hallway.core.schema import encode
from hallway.local.client_catalog import CATALOG
from hallway.local.hook_gate import EDITS_SUFFIX, FOLDER
from hallway.local.paths import bus_address, bus_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.install.client import ClientInstaller

LAUNCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hook", "bootstrap.py")


class Hook:
    """One handler in a client's configuration: the event it is for, its matcher, and the handler as it is written."""

    __slots__ = ("entry", "event", "matcher")

    def __init__(self, event: str, matcher: str | None, entry: dict[str, Any]) -> None:
        self.event = event
        self.matcher = matcher
        self.entry = entry


def hooks_of(client: ClientInstaller, *, is_shared: bool = False) -> list[Hook]:
    """Return every hook to write into a client's configuration; `is_shared`: into a repository's."""
    hooks = []
    for event, matcher, runs_for in client.hooks:
        command = command_of(client, event, runs_for, is_shared=is_shared)
        hooks.append(Hook(event, matcher, client.hook_entry(event, command, runs_for)))
    return hooks


def is_ours(command: str) -> bool:
    """Return whether a configured command runs one of hallway's hooks, of this version or another."""
    return "hallway hook " in command or os.path.join("agents", "hook", "bootstrap.py") in command


def command_of(client: ClientInstaller, event: str = "", runs_for: str = "", *, is_shared: bool = False) -> str:
    """Return the shell command of a hook."""
    words = [client.name, *([event] if client.names_event else []), *([IDLE] if runs_for == IDLE else [])]
    python, *arguments = interpreter()
    is_there = f"[ -x {shlex.quote(python)} ] && [ -r {shlex.quote(LAUNCH)} ]"
    run = shlex.join([python, *arguments, *words])
    if is_shared:
        is_there, run = "command -v hallway >/dev/null 2>&1", shlex.join(["hallway", "hook", *words])
    run = f"{PARENT}=$PPID {run}"
    if runs_for == IDLE:
        return (
            f'[ "$CLAUDE_CODE_ENTRYPOINT" = cli ] && {is_there} || exit 0; '
            f"{run}; [ $? = {WOKEN_STATUS} ] && exit 2; exit 0"
        )
    tests = [] if runs_for not in (ANY, CHECK) or is_shared else [gate_test(client.name, is_edit=runs_for == CHECK)]
    if runs_for == CHECK:
        tests.insert(0, '[ "$HALLWAY_CLAIMS" = off ]')
    first = "".join(f"{test} && exit 0; " for test in tests)
    return f"{first}{is_there} || exit 0; {run} 2>/dev/null; exit 0"


def interpreter() -> list[str]:
    """Return the quickest command that runs a hook: this interpreter without `site`, on a file that finds its own
    imports.
    """
    import apsw

    beside = os.path.dirname(os.path.dirname(os.path.abspath(apsw.__file__)))
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(LAUNCH))))
    return [sys.executable, "-I", "-S", LAUNCH, *([] if beside == source else [f"--beside={beside}"])]


def gate_test(client: str, *, is_edit: bool = False) -> str:
    """Return a shell test that is true while nothing is due: the session's gate file is newer than now.

    `is_edit`: while no edit needs a check, because no other session has claimed anything.
    """
    name = "pid-$PPID" if CATALOG[client].links_process else f"${CATALOG[client].session_variable}"
    name += EDITS_SUFFIX if is_edit else ""
    folder = _in_double_quotes(gate_folder())
    if has_process_times():
        return f'[ "{folder}/{name}" -nt /proc/self ]'
    return f'echo 2>/dev/null >"{folder}/now" && [ "{folder}/{name}" -nt "{folder}/now" ]'


def gate_folder() -> str:
    """Return the folder of the gate files of the bus in use, which the installed hooks name."""
    return os.path.join(bus_folder(bus_address()), FOLDER)


def has_process_times() -> bool:
    """Return whether `/proc/self` is as old as the process that looks at it, as on Linux; elsewhere a file is written
    instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        open(path, "w").close()
        return [_is_newer(path, time.time() + away) for away in (60, -60)] == [True, False]


def _is_newer(path: str, at: float) -> bool:
    os.utime(path, (at, at))
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", '[ "$0" -nt /proc/self ]', path], check=False, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def plugin_source(client: str, path: str, *, is_shared: bool = False, **more: Any) -> str:
    """Return a client's plugin: the part that is common to all plugins, with their settings, and the client's own."""
    settings: dict[str, Any] = {"command": [NAME, "hook", client], "gates": None, **more}
    if not is_shared:
        folder = gate_folder()
        settings |= {"command": [*interpreter(), client], "gates": folder}
    parts = []
    for part in (os.path.join(os.path.dirname(__file__), "plugin_common.js"), path):
        with open(part, encoding="utf-8") as file:
            parts.append(file.read())
    return "\n".join(parts).replace('"HALLWAY"', encode(settings), 1)


def _in_double_quotes(text: str) -> str:
    for sign in ("\\", '"', "$", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text
