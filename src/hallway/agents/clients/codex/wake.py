"""Codex: `codex queue`, for a session that a person has open in a terminal.

A queued message starts a turn at once in an idle session and is kept for the next start in one that is closed, with
the same answer; so it is queued only while the process is there. It is run with the program and the home that the
session's own process has.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNATTENDED = frozenset(("exec", "e", "review", "app-server", "mcp-server", "mcp", "exec-server"))
MANAGED_DAEMON = "--managed-daemon"
PATIENCE_S = 3.0
LOCKS, SHOWN = "/thread-writer-locks/", "tui-thread-reference-capabilities"


def deliver(session_id: str, words: str, client: int, environ: Mapping[str, str]) -> bool:
    """Queue the words for the session; whether Codex took them."""
    is_daemon = is_managed_daemon(client)
    if not is_daemon and not is_in_terminal(client):
        return False
    variables = dict(each.partition("=")[::2] for each in _read(client, "environ"))
    environment: dict[str, str] = {
        name: variables[name] for name in ("CODEX_HOME", "HOME", "PATH") if name in variables
    }
    if not is_daemon and is_left(session_id, client, environment):
        return False
    return run([f"/proc/{client}/exe", "queue", "--thread", session_id, "--message", words], {**environ, **environment})


def is_left(session_id: str, client: int, environ: Mapping[str, str]) -> bool:
    """Return whether the person has left a conversation for a new one that has no prompt yet (`/new`).

    No hook tells of the new one, and a queued message would run a turn in the old one unseen. Codex keeps a lock open
    for each conversation of its process, has a file for those that a terminal shows, and begins a conversation's own
    file with its first prompt (seen in 0.169.0). An id begins with the time (UUIDv7).
    """
    from hallway.agents.clients.codex.turn import path_of

    home = environ.get("CODEX_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".codex")
    return any(
        other > session_id
        and os.path.exists(os.path.join(home, SHOWN, other))
        and path_of(other, {"CODEX_HOME": home}) is None
        for other in _open_conversations(client)
    )


def _open_conversations(client: int) -> list[str]:
    """Return the ids of the conversations whose locks a process of Codex has open."""
    folder = f"/proc/{client}/fd"
    try:
        paths = [_target(os.path.join(folder, number)) for number in os.listdir(folder)]
    except OSError:  # it has ended
        return []
    return [os.path.basename(path).removesuffix(".lock") for path in paths if LOCKS in path and path.endswith(".lock")]


def _target(path: str) -> str:
    """Return what a link leads to; empty for one that is gone, as that of a file that is closed meanwhile."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def is_in_terminal(client: int) -> bool:
    """Return whether a person has a conversation of the process open in a terminal."""
    return has_terminal(client) and not UNATTENDED.intersection(_read(client, "cmdline")[1:])


def is_managed_daemon(client: int) -> bool:
    """Return whether a process is the daemon that Codex starts for the conversations in terminals.

    `codex` without `--no-daemon` and most other options runs a conversation there (seen in 0.169.0). The daemon has no
    terminal, keeps a conversation when its terminal closes, and runs the turn of a queued message at once.
    """
    return MANAGED_DAEMON in _read(client, "cmdline")


def has_terminal(pid: int) -> bool:
    """Return whether a process has a terminal (proc_pid_stat(5), field 7)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[4]) != 0


def _read(pid: int, name: str) -> list[str]:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def run(command: list[str], environ: Mapping[str, str]) -> bool:
    """Run a command; return whether it ended well and in time."""
    files = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(command[0], command, environ, file_actions=files)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False
