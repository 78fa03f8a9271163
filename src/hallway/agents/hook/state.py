"""The state of a session's hooks between two runs, in a small file; a lock on the file lets one hook run at once.

`last_seq`: the last event that the agent's digests cover. `is_registered`: whether the session is on the bus.
`is_fresh`: whether it has started and its agent has not been shown the other sessions. `held`: the messages for which a
stop was blocked. `named`: a digest of what the client calls the session, as the bus has been told. `pending`: the
messages that a start has shown and no request to the model has carried yet. `seen`: the payloads of the last seconds,
so that a hook that is configured twice runs once.
"""

from __future__ import annotations

import os
import time

from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import Payload

SUFFIX = ".state"
SAME_WITHIN_MS = 5000
MAX_SEEN = 8
MAX_HELD = 20
MAX_SIZE = 8192
DIGESTS = 2**32 - 5  # a prime: all of a payload counts, and there is no module to import


class HookState:
    """The hook state of one session, locked until it is closed."""

    __slots__ = ("_file", "_read", "held", "is_fresh", "is_registered", "last_seq", "named", "path", "pending", "seen")

    def __init__(self, gate_file: str) -> None:
        self.path = gate_file + SUFFIX
        self._file = self._opened()
        self._read = os.pread(self._file, MAX_SIZE, 0).decode("ascii", "replace")
        words = dict(word.split("=", 1) for word in self._read.split() if "=" in word)
        self.last_seq = int(words.get("last_seq") or -1)
        self.is_registered = words.get("is_registered") == "1"
        self.is_fresh = words.get("is_fresh") == "1"
        self.held = [each for each in words.get("held", "").split(",") if each]
        self.named = words.get("named", "")
        self.pending = [each for each in words.get("pending", "").split(",") if each]
        self.seen = [each for each in words.get("seen", "").split(",") if each]

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            file = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            make_private_folder(os.path.dirname(self.path))
            file = os.open(self.path, flags, 0o600)
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:
            pass  # Windows: a digest may come twice
        return file

    def new_name(self, name: str) -> str:
        """Return what the client calls the session if the bus has not been told, and note that it is; else nothing."""
        digest = _digest(name.encode("utf-8", "replace"))
        if not name or digest == self.named:
            return ""
        self.named = digest
        return name

    def is_first(self, payload: bytes) -> bool:
        """Return whether this payload is new; a hook that is configured twice delivers each payload twice within
        seconds.
        """
        digest, now = _digest(payload), int(time.time() * 1000)
        recent = [each for each in self.seen if 0 <= now - int(each.partition(":")[2]) < SAME_WITHIN_MS]
        self.seen = [*recent, f"{digest}:{now}"][-MAX_SEEN:]
        return not any(each.startswith(digest) for each in recent)

    def save(self) -> None:
        """Write the state if it has changed."""
        text = (
            f"last_seq={self.last_seq} is_registered={int(self.is_registered)} is_fresh={int(self.is_fresh)}"
            f" held={','.join(self.held[-MAX_HELD:])} named={self.named} pending={','.join(self.pending[-MAX_HELD:])}"
            f" seen={','.join(self.seen)}\n"
        )
        if text != self._read:
            os.pwrite(self._file, text.encode("ascii"), 0)
            os.ftruncate(self._file, len(text))
            self._read = text

    def remove(self) -> None:
        os.unlink(self.path)

    def close(self) -> None:
        os.close(self._file)


def _digest(data: bytes) -> str:
    return f"{int.from_bytes(data, 'big') % DIGESTS:08x}"


class RelayedState:
    """The hook state that came with a hook's request to the session's server: see `HookState`."""

    def __init__(self, request: Payload) -> None:
        self.last_seq = int(request["last_seq"])
        self.held = [str(each) for each in request["held"]]
        self.is_registered = bool(request["is_registered"])
        self.is_fresh = bool(request["is_fresh"])
        self.pending = [str(each) for each in request["pending"]]


class SpooledState:
    """The state for a spooled event, whose answer reaches no agent: all news is still to be shown."""

    def __init__(self, *, is_registered: bool) -> None:
        self.last_seq = -1
        self.held: list[str] = []
        self.pending: list[str] = []
        self.is_registered = is_registered
        self.is_fresh = False
