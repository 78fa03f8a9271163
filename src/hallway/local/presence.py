"""Bindings of sessions to processes, so that a session ends with its process and not after its time to live (A5).

A hook writes a file `processes/PID.START.SPACE` beside the bus. Its name has the process's id, its start time (ids are
reused), and the kernel's boot and id namespace (id 17 in a container is another process than 17 on the host). Its lines
are the sessions that lived in the process, each with the name of its client where a hook wrote it; the last line is the
present one. A session's MCP server writes such a file
in `hosts`: it knows that its session lives in that process, but not whether other sessions do, too. Processes that read
the bus check at most once a second whether the bound processes still run. On a system without `/proc` only the id
counts.
"""

from __future__ import annotations

import os
import time

from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = "processes"  # client processes, bound by hooks; a session ends with its process
HOSTS = "hosts"  # client processes, bound by MCP servers; one process may have several servers, each with its session
SERVERS = "servers"  # `hallway mcp` processes; a session may have several
GONE = "process gone"  # the `end_reason` of a session whose process no longer runs
FOREIGN_FOR_S = 7 * 24 * 3600  # how long to keep a file of another boot or namespace, which cannot be checked here
SHELLS = frozenset({"sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "zsh"})


def bind(folder: str, session_id: str, pid: int, kind: str = CLIENTS, client: str = "") -> None:
    """Record that a session of a client lives in a process from now on; a repeated call changes nothing.

    Raises OSError if the folder cannot be written.
    """
    if (name := process_name(pid)) and bound(folder, pid, kind) != session_id:
        make_private_folder(os.path.join(folder, kind))
        file = os.open(os.path.join(folder, kind, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{session_id} {client}".strip().encode() + b"\n")
        finally:
            os.close(file)


def bound(folder: str, pid: int, kind: str = CLIENTS) -> str | None:
    """Return the session that lives in a process now, or None."""
    return Binding(folder, pid, kind).session_id


def release(folder: str, pid: int, kind: str) -> None:
    """Remove the bindings of a process, and of processes of this kind that no longer run."""
    folder = os.path.join(folder, kind)
    for name in _names(folder):
        if name == process_name(pid) or (_is_ours(name) and not _is_there(name)):
            _unlink(os.path.join(folder, name))


class Binding:
    """The binding of one process, cheap to read repeatedly. A later process with the same id has another binding."""

    def __init__(self, folder: str, pid: int, kind: str = CLIENTS) -> None:
        self.pid = pid
        self._path = os.path.join(folder, kind, process_name(pid) or "-")
        self._size = -1
        self._lines: list[list[str]] = []

    @property
    def session_id(self) -> str | None:
        """Return the session that lives in the process now, or None."""
        lines = self._read()
        return lines[-1][0] if lines else None

    def is_of(self, session_id: str | None, client: str | None) -> bool:
        """Return whether the process hosts, or hosted, a session; where none is named, whether it is of a client."""
        lines = self._read()
        if session_id is not None:
            return any(line[0] == session_id for line in lines)
        return bool(lines) and (client is None or lines[-1][1:] in ([], [client]))

    def _read(self) -> list[list[str]]:
        try:
            size = os.stat(self._path).st_size  # lines are only appended, so a new size means new lines
        except OSError:
            return []
        if size != self._size:
            self._size, self._lines = size, _lines(self._path)
        return self._lines


def client_process(pid: int | None = None) -> int:
    """Return the nearest ancestor of this process (or of `pid`) that is not a shell."""
    parent = os.getppid() if pid is None else (_stat(pid) or ("", 0, ""))[1]
    while (process := _stat(parent)) and process[0].lstrip("-") in SHELLS and process[1] > 1:
        parent = process[1]
    return parent


def sessions_of_this_process(folder: str) -> set[str]:
    """Return the sessions that this process works for: those in its environment, and those of the processes above it.

    There may be several: an agent that starts another agent passes its environment on.
    """
    from hallway.local.identity import sessions_of_environment

    return sessions_of_environment() | {each for pid in ancestors() if (each := bound(folder, pid))}


def ancestors() -> list[int]:
    """Return this process's ancestors without shells, the nearest first: its client, or a launcher of its client's."""
    processes = [client_process()]
    while (above := client_process(processes[-1])) > 1:
        processes.append(above)
    return processes


def start_time(pid: int) -> str:
    """Return a process's start time as text, which with its id identifies it; empty if there is no such process."""
    if process := _stat(pid):
        return process[2]
    if os.path.isdir("/proc/self"):
        return ""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "0"
    except OSError:
        return ""
    return "0"


def live_sessions(folder: str, kind: str, but: int = 0) -> set[str]:
    """Return the sessions of all running processes of a kind, except one process's."""
    folder = os.path.join(folder, kind)
    names = [name for name in _names(folder) if not name.startswith(f"{but}.")]
    there = [name for name in names if _is_ours(name) and _is_there(name)]
    return {session_id for name in there for session_id in _sessions(os.path.join(folder, name))}


def is_elsewhere(folder: str, session_id: str, but: int) -> bool:
    """Return whether a session is also the present one of another client process than `but`, in a second terminal."""
    folder = os.path.join(folder, CLIENTS)
    others = [name for name in _names(folder) if not name.startswith(f"{but}.") and _is_ours(name)]
    present = [name for name in others if _sessions(os.path.join(folder, name))[-1:] == [session_id]]
    return any(map(_is_there, present))


def end_gone(folder: str, end: Callable[[str], None]) -> None:
    """Call `end` with each session whose process no longer runs and that lives in no other process."""
    for kind in (CLIENTS, HOSTS):
        _end_gone(folder, kind, end)


def _end_gone(bus_folder: str, kind: str, end: Callable[[str], None]) -> None:
    folder = os.path.join(bus_folder, kind)
    for name in _names(folder):
        path = os.path.join(folder, name)
        if not _is_ours(name):
            _forget_old(path)
        elif not _is_there(name):
            for session_id in _sessions(path):  # read anew for each: it may just be resumed elsewhere
                if session_id not in live_sessions(bus_folder, CLIENTS) | live_sessions(bus_folder, HOSTS):
                    end(session_id)
            _unlink(path)


def _is_ours(name: str) -> bool:
    """Return whether a file is about a process of this boot and namespace, which can be checked here."""
    return name.endswith(f".{_pid_namespace()}")


def _is_there(name: str) -> bool:
    pid, start, _ = name.split(".")
    return start_time(int(pid)) == start


def process_name(pid: int) -> str:
    """Return a name that no other process has: id, start time, boot and namespace; empty if it does not run."""
    start = start_time(pid)
    return f"{pid}.{start}.{_pid_namespace()}" if start else ""


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.count(".") == 2 and name.partition(".")[0].isdigit()]
    except OSError:
        return []


def _sessions(path: str) -> list[str]:
    return [line[0] for line in _lines(path)]


def _lines(path: str) -> list[list[str]]:
    """Return a file's lines: a session, and its client where that is known."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [words for line in file if (words := line.split())]
    except OSError:
        return []


def _stat(pid: int) -> tuple[str, int, str] | None:
    """Return a process's name, parent and start time from `/proc` (proc_pid_stat(5)); None if it does not run."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, tail = file.read().decode("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    return None if fields[0] in "ZX" else (head.partition("(")[2], int(fields[1]), fields[19])


_known_space = ""


def _pid_namespace() -> str:
    """Return a short text that identifies the boot and the namespace in which process ids are valid."""
    global _known_space
    if not _known_space:
        from zlib import crc32

        try:
            space = os.readlink("/proc/self/ns/pid")
        except OSError:
            space = ""
        _known_space = f"{crc32((boot_id() + space).encode()):08x}"
    return _known_space


def boot_id() -> str:
    """Return a text that identifies the running kernel's boot; on a system without `/proc`, the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read()
    except OSError:
        return os.uname().nodename if hasattr(os, "uname") else ""


def _forget_old(path: str) -> None:
    try:
        if time.time() - os.stat(path).st_mtime > FOREIGN_FOR_S:
            os.unlink(path)
    except OSError:
        pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
