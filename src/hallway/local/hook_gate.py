"""Whether something is due for a session, told by the time of one file, so that a shell can ask and start nothing.

`quiet/ID` beside the bus lies in the future while there is nothing to do for the session: a hook sets it there once
it has done everything (`hush`), for as long as a heartbeat may wait. Whoever has news for the session puts it into the
past (`rouse`), after the commit. The order is what makes it right: a hook hushes first and looks at the bus then, so
news that it does not see comes after and rouses. A file that is not there means that something is due.

A client that does not name its session to its hooks finds the file by its process: `quiet/pid-N` is a link to it.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "quiet"
SOCKETS = "hooks"
NAMES = 2**32 - 5  # a prime, so that all of a session's id counts
HUSH_S = 30  # between two heartbeats of a session at work; also how late news can be that nobody could tell of
FORGET_S = 7 * 24 * 3600
LOOKED_AT = 200
NAME_MOST = 128
WAITER = ".waiter"  # the lock of who waits beside an idle session
_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PROCESS = "pid-"
BY_PROCESS = ("codex", "copilot", "cursor")  # clients that do not name a session to its hooks


def file_of(folder: str, session_id: str) -> str:
    """Return a session's gate file; empty for an id that a shell could not safely write in a path."""
    if not _SIGNS.issuperset(session_id) or not 0 < len(session_id) <= NAME_MOST or session_id.startswith(_PROCESS):
        return ""
    return os.path.join(folder, FOLDER, session_id)


def link_of(folder: str, pid: int) -> str:
    """Return the link by which a client's process finds its session's gate file."""
    return os.path.join(folder, FOLDER, f"{_PROCESS}{pid}")


def socket_of(folder: str, session_id: str) -> str:
    """Return the socket at which a session's server, if it has one, listens for hooks."""
    return os.path.join(folder, SOCKETS, f"{int.from_bytes(session_id.encode('utf-8', 'replace'), 'big') % NAMES:08x}")


def is_snoozed(path: str) -> bool:
    """Return whether nothing is due."""
    try:
        return os.stat(path).st_mtime > time.time()
    except OSError:
        return False


def snooze(path: str) -> None:
    """Say that nothing is due until the next heartbeat; raises OSError where that cannot be written."""
    until = time.time() + HUSH_S
    os.utime(path, (until, until))


def mark_due(folder: str, session_ids: Iterable[str]) -> None:
    """Say that something is due for sessions. It is a hint: where it fails, they look after `HUSH_S` by themselves."""
    if not os.path.isdir(os.path.join(folder, FOLDER)):
        return  # no hook has ever run here
    for session_id in session_ids:
        if path := file_of(folder, session_id):
            try:
                os.utime(path, (0, 0))
            except OSError:
                pass  # it has no hooks


def link(folder: str, pid: int, session_id: str) -> None:
    """Let a process find its session's file; of a process with several sessions none is ever quiet."""
    path, target = link_of(folder, pid), session_id
    try:
        known = os.readlink(path)
    except OSError:
        known = ""
    if known == target:
        return
    if known and os.path.exists(os.path.join(folder, FOLDER, known)):
        target = "several"  # is no file
    if known != target:
        _replace_link(path, target)


def unlink(folder: str, pid: int) -> None:
    """Forget what a process was linked to: a session begins in it, or has ended."""
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
    """Remove what no session has touched for a week, and dead sockets; some each time, so that it never takes long."""
    from hallway.local.notify import remove_dead

    for sockets in ("wake", SOCKETS):
        remove_dead(os.path.join(folder, sockets))
    now = time.time()
    with os.scandir(os.path.join(folder, FOLDER)) as entries:
        for entry, _ in zip(entries, range(LOOKED_AT), strict=False):
            try:
                found = entry.stat(follow_symlinks=False)
                if now - max(found.st_ctime, found.st_mtime) > FORGET_S:
                    os.unlink(entry.path)
            except OSError:
                pass
