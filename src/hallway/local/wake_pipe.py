"""A pipe by which one thread of this process ends the wait of another."""

from __future__ import annotations

import os
import select
from _thread import allocate_lock


class WakePipe:
    """A pipe whose reading end is readable from `wake` until `drain`; an event loop can watch it."""

    def __init__(self) -> None:
        self._lock = allocate_lock()  # a number must not be closed, and used for another file, during a call
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return the descriptor to watch; -1 once the pipe is closed."""
        return self._reader

    def wake(self) -> None:
        """Make the pipe readable; does nothing once it is closed."""
        with self._lock:
            if self._writer >= 0:
                try:
                    os.write(self._writer, b"!")
                except BlockingIOError:
                    pass  # it is full, and so readable

    def drain(self) -> bool:
        """Make the pipe unreadable again; return whether it was readable."""
        with self._lock:
            was_readable = False
            try:
                while self._reader >= 0 and os.read(self._reader, 4096):
                    was_readable = True
            except BlockingIOError:
                pass
            return was_readable

    def wait(self, timeout_s: float, *others: int) -> list[int]:
        """Wait until the pipe or another descriptor is readable, or the time is over; return the readable ones."""
        if self._reader < 0:
            return []
        poll = select.poll()  # `select` refuses descriptors from 1,024 on
        for descriptor in (self._reader, *others):
            poll.register(descriptor, select.POLLIN)
        return [descriptor for descriptor, _ in poll.poll(max(timeout_s, 0) * 1000)]

    def close(self) -> None:
        """Close both ends; whoever waits must have been woken before."""
        with self._lock:
            for descriptor in {self._reader, self._writer} - {-1}:
                os.close(descriptor)
            self._reader = self._writer = -1
