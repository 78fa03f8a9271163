"""Wake-ups between processes of one machine: a datagram to whoever waits (E3).

A waiting process binds a Unix datagram socket in the bus's `wake` folder, named after what it waits for; a writer
sends the topics it wrote to each that waits for one of them. Datagrams are hints: they may be lost or come for nothing, so a
waiter reads the bus after each, and looks now and then without one. Where there are no such sockets it only looks.
"""

from __future__ import annotations

import os

try:
    import _socket as socket  # the C module alone: `socket` adds 5 ms to a hook for wrappers unused here
except ImportError:
    socket = None  # type: ignore[assignment]

HAS_DATAGRAMS = socket is not None and hasattr(socket, "AF_UNIX")
MAX_DATAGRAM = 4096
MAX_PATH = 100  # of a Unix socket's 104 to 108 bytes
EVENTS = "events"  # the topic of every change
ANYTHING = "any"  # the topic of a process that waits for all topics, as a hub does

_count = 0


class Waiter:
    """Waits for a topic; bound from its making on, so nothing sent after that is missed."""

    def __init__(self, folder: str, topic: str) -> None:
        global _count
        _count += 1
        self.socket: socket.socket | None = None
        self._path = os.path.join(folder, f"{topic}.{os.getpid()}.{_count}")
        if HAS_DATAGRAMS:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            with _Short(folder) as short:
                if short:
                    self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    _unlink(self._path)
                    self.socket.bind(os.path.join(short, os.path.basename(self._path)))

    def wait(self, timeout_s: float) -> None:
        """Return at a wake-up, or after the time."""
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

    def drain(self) -> None:
        """Take all wake-ups that are there: one look at the bus serves them all."""
        if self.socket is not None:
            self.socket.setblocking(False)
            try:
                while self.socket.recv(16):
                    pass
            except BlockingIOError:
                pass

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            _unlink(self._path)


def notify(folder: str, topics: set[str]) -> None:
    """Wake everybody who waits for one of the topics; sockets that nobody holds any more are removed."""
    if not HAS_DATAGRAMS:
        return
    wanted = {ANYTHING, *topics}
    try:
        names = [name for name in os.listdir(folder) if name.partition(".")[0] in wanted]
    except FileNotFoundError:
        return
    if not names:
        return
    told = " ".join(topics).encode()
    payload = told if len(told) < MAX_DATAGRAM else b"!"  # "!": too many topics to name
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with _Short(folder) as short:
        for name in names if short else ():
            try:
                sender.sendto(payload, os.path.join(short, name))
            except ConnectionRefusedError:
                _unlink(os.path.join(folder, name))
            except OSError:
                pass  # its queue is full (it has wake-ups enough) or it has just gone: the slow look is its net
    sender.close()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class _Short:
    """A name for a folder that is short enough for a socket's address: itself, or its descriptor's; else ""."""

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
