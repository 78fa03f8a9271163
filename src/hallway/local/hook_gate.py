"""Gate files of sessions: a shell can check the time of a file to see whether a hook has anything to do.

The gate file of a session is `gates/ID` beside the bus. Its modification time is in the future while nothing is due
for the session. A hook sets this time with `snooze`, for as long as a heartbeat may wait. A process that writes news
for the session sets the time to the past with `mark_due`, after its commit. A hook calls `snooze` first and then reads
the bus, so that news which this read misses is committed later and marks the session as due again. A missing file
means that something is due.

Before an edit a shell checks another file, `gates/ID.edits`: it is newer than now while no other session has claimed
paths of the project. It is a link to `edits/PROJECT/ID`. A grant renames the folder `edits/PROJECT` after its commit,
which marks the edits of all the project's sessions as due at one moment. A hook opens the folder, reads the bus, and
makes its file in the folder that it has opened: if a grant came between, the file is in the folder that is gone.

Some clients do not name the session to their hooks. Their hooks find the gate file by the client's process id:
`gates/pid-N` is a link to it, and `gates/pid-N.edits` to the one for edits.
"""

from __future__ import annotations

import os
import time

from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "gates"
EDITS = "edits"
EDITS_SUFFIX = ".edits"
GONE = ".gone"  # part of the new name of a folder that a grant has renamed
SOCKETS = "hooks"
NAMES = 2**32 - 5  # a prime, so that every byte of a session's id affects the socket's name
SNOOZE_S = 30  # between two heartbeats of a working session; also how late news can be if `mark_due` failed
EDITS_SNOOZE_S = 600  # between two checks of edits where every grant marks the gate files (`Bus.marks_every_grant`)
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


class EditGate:
    """The gate files for edits in a project, opened before the bus is read: see this module's description."""

    def __init__(self, folder: str, project: str) -> None:
        self._folder = folder
        self._path = _edits_folder(folder, project)
        make_private_folder(self._path)
        self._file = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def snooze(self, session_id: str, seconds: float) -> None:
        """Mark that no edit of a session needs a check, unless a grant has marked the project since this was opened."""
        path = file_of(self._folder, session_id)
        if not path:
            return
        try:
            file = os.open(session_id, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self._file)
        except FileNotFoundError:  # a grant has removed the folder
            return
        until = time.time() + seconds
        os.utime(file, (until, until))
        os.close(file)
        make_private_folder(os.path.dirname(path))
        _set_link(path + EDITS_SUFFIX, os.path.join(os.pardir, os.path.relpath(self._path, self._folder), session_id))

    def close(self) -> None:
        os.close(self._file)


def mark_edits_due(folder: str, project: str) -> None:
    """Mark that the edits of all sessions of a project need a check, since one of them was granted a claim.

    If this fails, their hooks read the bus after `EDITS_SNOOZE_S` seconds.
    """
    path = _edits_folder(folder, project)
    gone = f"{path}{GONE}{os.getpid()}-{time.monotonic_ns()}"
    try:
        os.rename(path, gone)
    except OSError:
        return  # no hook has checked an edit here since the last grant
    _remove_folder(gone)


def forget_edits(folder: str, session_id: str) -> None:
    """Remove the gate file for edits of a session that has ended."""
    path = file_of(folder, session_id) + EDITS_SUFFIX
    for each in (os.path.realpath(path), path):
        try:
            os.unlink(each)
        except OSError:
            pass  # the session had no such file


def _edits_folder(folder: str, project: str) -> str:
    return os.path.join(folder, EDITS, f"{int.from_bytes(project.encode('utf-8', 'replace'), 'big') % NAMES:08x}")


def _remove_folder(path: str) -> None:
    try:
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)
    except OSError:
        pass  # a hook has just made a file in it: `forget_old` removes it


def link(folder: str, pid: int, session_id: str) -> None:
    """Make the links from a process to its session's gate files; with several sessions something is always due."""
    path, target = link_of(folder, pid), session_id
    try:
        current = os.readlink(path)
    except OSError:
        current = ""
    if current not in ("", target) and os.path.exists(os.path.join(folder, FOLDER, current)):
        target = "several"  # a file that does not exist, so something is due
    _set_link(path, target)
    _set_link(path + EDITS_SUFFIX, target + EDITS_SUFFIX)


def unlink(folder: str, pid: int) -> None:
    """Remove the links of a process, because a session begins in it or has ended."""
    for suffix in ("", EDITS_SUFFIX):
        try:
            os.unlink(link_of(folder, pid) + suffix)
        except OSError:
            pass


def _set_link(path: str, target: str) -> None:
    try:
        if os.readlink(path) == target:
            return
    except OSError:
        pass
    _replace_link(path, target)


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
    for each in os.listdir(edits) if os.path.isdir(edits := os.path.join(folder, EDITS)) else ():
        if GONE in each:
            _remove_folder(os.path.join(edits, each))
    with os.scandir(os.path.join(folder, FOLDER)) as entries:
        for entry, _ in zip(entries, range(LOOKED_AT), strict=False):
            try:
                status = entry.stat(follow_symlinks=False)
                if now - max(status.st_ctime, status.st_mtime) > FORGET_S:
                    os.unlink(entry.path)
            except OSError:
                pass
