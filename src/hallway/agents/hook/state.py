"""What hooks remember of a session from one run to the next, in a small file of its own; its lock lets one run at once.

`told`: the last event whose news the agent has had. `known`: that the session was registered. `fresh`: that it has
begun and its agent has not been told who else is here. `held`: the messages for which a stop was held up. `pending`:
those that a start has shown and no request to the model has carried yet. `seen`: the payloads of the last seconds, so
that a hook configured twice runs once.
"""

from __future__ import annotations

import os
import time

from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import Payload

SUFFIX = ".notes"
SAME_WITHIN_MS = 5000
SEEN_MOST = 8
HELD_MOST = 20
SIZE_MOST = 8192
DIGESTS = 2**32 - 5  # a prime: all of a payload counts, and there is no module to import


class HookState:
    """The notes of one session, locked from their making until they are closed."""

    __slots__ = ("_file", "_read", "fresh", "held", "known", "path", "pending", "seen", "told")

    def __init__(self, quiet_file: str) -> None:
        self.path = quiet_file + SUFFIX
        self._file = self._opened()
        self._read = os.pread(self._file, SIZE_MOST, 0).decode("ascii", "replace")
        words = dict(word.split("=", 1) for word in self._read.split() if "=" in word)
        self.told = int(words.get("told") or -1)
        self.known = words.get("known") == "1"
        self.fresh = words.get("fresh") == "1"
        self.held = [each for each in words.get("held", "").split(",") if each]
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

    def is_first(self, payload: bytes) -> bool:
        """Return whether this payload is new; a hook that is configured twice delivers each payload twice within
        seconds.
        """
        digest, now = f"{int.from_bytes(payload, 'big') % DIGESTS:08x}", int(time.time() * 1000)
        recent = [each for each in self.seen if 0 <= now - int(each.partition(":")[2]) < SAME_WITHIN_MS]
        self.seen = [*recent, f"{digest}:{now}"][-SEEN_MOST:]
        return not any(each.startswith(digest) for each in recent)

    def save(self) -> None:
        """Write the notes if they have changed."""
        text = (
            f"told={self.told} known={int(self.known)} fresh={int(self.fresh)} held={','.join(self.held[-HELD_MOST:])}"
            f" pending={','.join(self.pending[-HELD_MOST:])} seen={','.join(self.seen)}\n"
        )
        if text != self._read:
            os.pwrite(self._file, text.encode("ascii"), 0)
            os.ftruncate(self._file, len(text))
            self._read = text

    def remove(self) -> None:
        os.unlink(self.path)

    def close(self) -> None:
        os.close(self._file)


class RelayedState:
    """What the hook remembers, as it came with the question: see `notes.Notes`."""

    def __init__(self, question: Payload) -> None:
        self.told = int(question["told"])
        self.held = [str(each) for each in question["held"]]
        self.known = bool(question["known"])
        self.fresh = bool(question["fresh"])
        self.pending = [str(each) for each in question["pending"]]


class Unheard:
    """The notes of a hook whose answer reaches no agent: all news is still to be shown."""

    def __init__(self, *, is_known: bool) -> None:
        self.told = -1
        self.held: list[str] = []
        self.pending: list[str] = []
        self.known = is_known
        self.fresh = False
