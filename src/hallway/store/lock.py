"""The side lock: a file lock beside SQLite's own, so that the kernel lets writers write in turn.

SQLite's busy timeout polls, so beside a saturated hub a small writer may wait for seconds; the kernel wakes the
processes that wait on `flock` in turn. The side lock is only for fairness: SQLite's own write lock keeps the data
correct, even if a process ignores this one.
"""

from __future__ import annotations

import _thread
import os
import time

try:
    import fcntl
except ImportError:  # Windows has no flock; only SQLite's busy timeout applies there
    fcntl = None  # type: ignore[assignment]

YIELD_FOR_S = 10.0  # after another process began to wait; more than the busy timeout, with which a wait ends


class SideLock:
    """An exclusive lock on a file, with a time limit."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, timeout_s: float) -> bool:
        """Wait for the lock; return False if the time ran out."""
        if fcntl is None:
            return True
        if self._file < 0:
            self._file = self._open()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(timeout_s)
        return True

    def _wait(self, timeout_s: float) -> bool:
        # flock has no time limit, so a thread waits in it. After a timeout that thread keeps its file descriptor: if it
        # gets the lock later, it closes the descriptor, which releases the lock.
        granted, given_up = _thread.allocate_lock(), _thread.allocate_lock()
        granted.acquire()
        file = self._file
        os.utime(file)  # by this time the process that has the lock sees that another one waits

        def wait() -> None:
            fcntl.flock(file, fcntl.LOCK_EX)
            if given_up.acquire(blocking=False):
                granted.release()
            else:
                os.close(file)

        _thread.start_new_thread(wait, ())
        if granted.acquire(timeout=timeout_s):
            return True
        if given_up.acquire(blocking=False):
            self._file = -1  # opened anew by the next attempt: the file may be gone now
            return False
        return True  # the lock was granted just after the timeout

    def release(self) -> None:
        if fcntl is not None and self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            # The kernel has woken a waiting process, but on a busy machine this process would take the lock again
            # before the other runs, and others would starve for seconds. Where none waits, yielding would only let
            # programs run that have nothing to do with the bus.
            if time.time() - os.fstat(self._file).st_mtime < YIELD_FOR_S:
                os.sched_yield()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close
