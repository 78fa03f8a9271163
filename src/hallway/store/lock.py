"""The side lock: who may write next, decided fairly by the kernel.

SQLite's own busy timeout polls, so beside a saturated hub a small writer may wait for seconds; waiters on `flock` are
woken in turn. It is advice, not safety: SQLite's write lock below it keeps the data right whoever ignores this one.
"""

from __future__ import annotations

import _thread
import os

try:
    import fcntl
except ImportError:  # Windows: SQLite's busy timeout alone decides
    fcntl = None  # type: ignore[assignment]


class SideLock:
    """An exclusive lock on a file, with a time limit."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, timeout_s: float) -> bool:
        """Wait for the lock; False when the time ran out."""
        if fcntl is None:
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(timeout_s)
        return True

    def _wait(self, timeout_s: float) -> bool:
        # flock has no time limit, so a thread waits in it. One that is given up on keeps the file it waits with:
        # the lock it may still get goes away when it closes that file.
        granted, given_up = _thread.allocate_lock(), _thread.allocate_lock()
        granted.acquire()
        file = self._file

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
            self._file = self._open()
            return False
        return True  # it was granted in the last instant

    def release(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            # A waiter has been woken, but on a busy machine we would have the lock again before it runs, and others
            # would starve for seconds. It costs nothing where nobody waits for the processor.
            os.sched_yield()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close
