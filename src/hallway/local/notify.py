"""Wake-ups between processes of one machine, sent as datagrams (E3).

A waiting process binds a Unix datagram socket in the bus's `wake` folder; the socket's name begins with the topic it
waits for. A writer sends its changed topics to every socket of one of these topics. A datagram is only a hint: it may
be lost, or come without news. A waiting process therefore reads the bus after each datagram, and also at intervals
without one. On systems without such sockets it only reads at intervals.
"""

from __future__ import annotations

import os
import stat
from itertools import count

from hallway.local.paths import make_private_folder

try:
    import _socket as socket  # the C module only: importing `socket` takes 5 ms more, for wrappers unused here
except ImportError:
    socket = None  # type: ignore[assignment]

HAS_DATAGRAMS = socket is not None and hasattr(socket, "AF_UNIX")
MAX_DATAGRAM = 4096
MAX_PATH = 100  # of a Unix socket's 104 to 108 bytes
ANYTHING = "any"  # the topic of a process that waits for all topics, as a hub does
TOO_MANY = "!"  # sent in place of topics: they are too many for a datagram, or unknown
LOST = "lost"  # prefix of a mark file: the socket of this name missed topics because its queue was full

_count = count()


class DatagramSubscription:
    """A subscription to one topic. Its socket is bound at creation, so nothing sent after that is missed."""

    def __init__(self, folder: str, topic: str) -> None:
        self._path = os.path.join(folder, f"{topic}.{os.getpid()}.{next(_count)}")
        self.socket = self._bound(folder)

    def _bound(self, folder: str) -> socket.socket | None:
        """Return a bound socket; None if none can be bound, and then `wait` polls."""
        if not HAS_DATAGRAMS:
            return None
        try:
            make_private_folder(folder)
            with _Short(folder) as short:
                return _bind(self._path, os.path.join(short, os.path.basename(self._path))) if short else None
        except OSError:
            return None

    def wait(self, timeout_s: float) -> None:
        """Wait for a wake-up, or until the time is over."""
        if self.socket is None:
            import time

            time.sleep(min(timeout_s, 0.05))
            return
        self.socket.settimeout(timeout_s)
        try:
            self.socket.recv(16)
            self.drain()
        except TimeoutError:
            pass

    def interrupt(self) -> None:
        """End the current wait, or else the next one; another thread may call this."""
        folder, name = os.path.split(self._path)
        if self.socket is not None:
            try:
                _send(folder, [name], {TOO_MANY})
            except OSError:
                pass  # the folder was removed; the wait ends by its time

    def drain(self) -> None:
        """Remove all queued wake-ups: one read of the bus is enough for all of them."""
        if self.socket is not None:
            self.socket.setblocking(False)
            try:
                while self.socket.recv(16):
                    pass
            except BlockingIOError:
                pass

    def fileno(self) -> int:
        """Return the file descriptor for an event loop; -1 if there is no socket."""
        return -1 if self.socket is None else self.socket.fileno()

    def receive(self) -> set[str]:
        """Return the topics received since the last call, without waiting; `!` if there were too many to name."""
        topics: set[str] = set()
        if self.socket is not None:
            self.socket.setblocking(False)
            try:
                while heard := self.socket.recv(MAX_DATAGRAM):
                    topics.update(heard.decode().split())
            except BlockingIOError:
                pass
        return topics

    def has_overflowed(self) -> bool:
        """Return whether topics were missed because the queue was full, and clear this mark."""
        folder, name = os.path.split(self._path)
        mark = os.path.join(folder, f"{LOST}.{name}")
        is_lost = os.path.exists(mark)
        if is_lost:
            _unlink(mark)
        return is_lost

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.has_overflowed()  # clears the mark
            _unlink(self._path)


def _bind(path: str, address: str) -> socket.socket:
    _unlink(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def notify(folder: str, topics: set[str]) -> None:
    """Wake every process that waits for one of the topics, and remove sockets that no process holds any more.

    The changes are committed already, so errors are ignored: a process that gets no wake-up reads the bus by itself.
    """
    if not HAS_DATAGRAMS:
        return
    wanted = {ANYTHING, *topics}
    try:
        names = [name for name in os.listdir(folder) if name.partition(".")[0] in wanted]
        if names:
            _send(folder, names, topics)
    except OSError:
        pass


def remove_dead(folder: str, most: int = 200) -> int:
    """Remove sockets of killed processes, which no process holds any more; return how many.

    The test does not disturb live sockets: connecting a datagram socket sends nothing, and fails for a stream socket.
    """
    if not HAS_DATAGRAMS:
        return 0
    removed = 0
    try:
        names = os.listdir(folder)[:most]
        with _Short(folder) as short:
            for name in names if short else ():
                removed += _remove_if_dead(os.path.join(short, name))
    except OSError:
        pass  # no folder, or too many open files: a later call removes them
    return removed


def _remove_if_dead(path: str) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        if stat.S_ISSOCK(os.lstat(path).st_mode):  # a file that is no socket also refuses the connection
            _unlink(path)
            return True
    except OSError:
        pass  # a stream socket, or it was just removed
    finally:
        probe.close()
    return False


def _send(folder: str, names: list[str], topics: set[str]) -> None:
    text = " ".join(topics).encode()
    payload = text if len(text) < MAX_DATAGRAM else TOO_MANY.encode()
    with _Short(folder) as short:
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.setblocking(False)
        for name in names if short else ():
            try:
                sender.sendto(payload, os.path.join(short, name))
            except ConnectionRefusedError:
                _unlink(os.path.join(folder, name))
            except BlockingIOError:  # queue full: the process wakes anyway, but one with `ANYTHING` has missed topics
                if name.startswith(f"{ANYTHING}."):
                    _mark(os.path.join(folder, f"{LOST}.{name}"))
            except OSError:
                pass  # the socket was just removed
        sender.close()


def _mark(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


class _Short:
    """A path of a folder that is short enough for a socket address: the folder, or `/proc/self/fd/N`; else ""."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._folder)) + 32 <= MAX_PATH:
            return self._folder
        if not os.path.isdir("/proc/self/fd"):
            return ""
        self._file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._file}"

    def __exit__(self, *exc: object) -> None:
        if self._file >= 0:
            os.close(self._file)
