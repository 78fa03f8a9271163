"""Gate files of sessions: a shell can check the time of a file to see whether a hook has anything to do.

The gate file of a session is `gates/ID` beside the bus. Its modification time is in the future while nothing is due
for the session. A hook sets this time with `snooze`, for as long as a heartbeat may wait. A process that writes news
for the session sets the time to the past with `mark_due`, after its commit. A hook calls `snooze` first and then reads
the bus, so that news which this read misses is committed later and marks the session as due again. A missing file
means that something is due.

Some clients do not name the session to their hooks. Their hooks find the gate file by the client's process id:
`gates/pid-N` is a link to it.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "gates"
SOCKETS = "hooks"
NAMES = 2**32 - 5  # a prime, so that every byte of a session's id affects the socket's name
SNOOZE_S = 30  # between two heartbeats of a working session; also how late news can be if `mark_due` failed
FORGET_S = 7 * 24 * 3600
LOOKED_AT = 200
MAX_NAME = 128
WAITER = ".waiter"  # the suffix of a lock file, held by the process that waits for news of an idle session
_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PROCESS = "pid-"


def file_of(folder: str, session_id: str) -> str:
    """Return the path of a session's gate file; empty if a shell could not safely use the id in a path."""
    if not _SIGNS.issuperset(session_id) or not 0 < len(session_id) <= MAX_NAME or session_id.startswith(_PROCESS):
        return ""
    return os.path.join(folder, FOLDER, session_id)


def link_of(folder: str, pid: int) -> str:
    """Return the path of the link from a client's process to its session's gate file."""
    return os.path.join(folder, FOLDER, f"{_PROCESS}{pid}")


def socket_of(folder: str, session_id: str) -> str:
    """Return the path of the socket on which a session's MCP server, if there is one, listens for hooks."""
    return os.path.join(folder, SOCKETS, f"{int.from_bytes(session_id.encode('utf-8', 'replace'), 'big') % NAMES:08x}")


def is_snoozed(path: str) -> bool:
    """Return whether nothing is due, by the time of a gate file."""
    try:
        return os.stat(path).st_mtime > time.time()
    except OSError:
        return False


def snooze(path: str) -> None:
    """Mark that nothing is due until the next heartbeat; raises OSError if the gate file cannot be changed."""
    until = time.time() + SNOOZE_S
    os.utime(path, (until, until))


def mark_due(folder: str, session_ids: Iterable[str]) -> None:
    """Mark that something is due for sessions. If this fails, their hooks read the bus after `SNOOZE_S` seconds."""
    if not os.path.isdir(os.path.join(folder, FOLDER)):
        return  # no hook has ever run here
    for session_id in session_ids:
        if path := file_of(folder, session_id):
            try:
                os.utime(path, (0, 0))
            except OSError:
                pass  # this session has no hooks


def link(folder: str, pid: int, session_id: str) -> None:
    """Make the link from a process to its session's gate file. If it has several sessions, something is always due."""
    path, target = link_of(folder, pid), session_id
    try:
        current = os.readlink(path)
    except OSError:
        current = ""
    if current == target:
        return
    if current and os.path.exists(os.path.join(folder, FOLDER, current)):
        target = "several"  # a file that does not exist, so something is due
    if current != target:
        _replace_link(path, target)


def unlink(folder: str, pid: int) -> None:
    """Remove the link of a process, because a session begins in it or has ended."""
    try:
        os.unlink(link_of(folder, pid))
    except OSError:
        pass


def _replace_link(path: str, target: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.symlink(target, path)


def forget_old(folder: str) -> None:
    """Remove gate files unused for a week, and dead sockets; only a limited number per call, to keep it fast."""
    from hallway.local.notify import remove_dead

    for sockets in ("wake", SOCKETS):
        remove_dead(os.path.join(folder, sockets))
    now = time.time()
    with os.scandir(os.path.join(folder, FOLDER)) as entries:
        for entry, _ in zip(entries, range(LOOKED_AT), strict=False):
            try:
                status = entry.stat(follow_symlinks=False)
                if now - max(status.st_ctime, status.st_mtime) > FORGET_S:
                    os.unlink(entry.path)
            except OSError:
                pass
