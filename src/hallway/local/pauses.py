"""Pauses in which sessions could not send heartbeats, so that their silence does not count (S13).

While this machine sleeps, its clock goes on and its monotonic clock stands still (on Linux and macOS; on Windows both
go on, so a sleep is not noticed there). Both clocks are noted in the file `awake` beside the bus, where processes that
start after the sleep find them, too. The machine slept for as long as the clock has advanced more than the monotonic
clock. A clock that was set forward looks the same, and that is no silence of a session either.

A hub looks at its bus several times a second. If much more time passes between two looks, the hub was frozen, its
machine slept, or its database could not be reached.
"""

from __future__ import annotations

import os

from hallway.core.clock import SECOND
from hallway.local.presence import boot_id

NAME = "awake"
MIN_PAUSE_S = 10  # a shorter one may be a busy machine, or a clock that was adjusted between two readings
NOTED_EVERY_S = 10


def take_host_sleep(folder: str, now: int, awake: int) -> list[tuple[int, int]]:
    """Return when this machine was awake again at the earliest, and how long it slept since the last note, in
    microseconds; nothing if it did not sleep.

    Notes the clocks for the next call. Where there is no folder, no hook or server runs on this machine, and nothing is
    noted.
    """
    path = os.path.join(folder, NAME)
    noted_at, noted_awake = _read(path)
    is_known = noted_at > 0 and awake >= noted_awake
    slept = (now - noted_at) - (awake - noted_awake) if is_known else 0
    if not is_known or abs(now - noted_at) >= NOTED_EVERY_S * SECOND:
        _write(path, now, awake)
    return [(noted_at + slept, slept)] if slept >= MIN_PAUSE_S * SECOND else []


class HubLooks:
    """The time of a hub's last look at its bus, and the pauses between looks; shared by the hub's threads."""

    def __init__(self) -> None:
        from threading import Lock  # only hubs make one; hooks import this module, too

        self._last = 0
        self._pauses: list[tuple[int, int]] = []
        self._lock = Lock()

    def note(self, now: int) -> None:
        """Record that the hub looks at its bus now, by the store's clock."""
        with self._lock:
            if self._last and now - self._last >= MIN_PAUSE_S * SECOND:
                self._pauses.append((now, now - self._last))
            self._last = now

    def take_pauses(self, now: int) -> list[tuple[int, int]]:
        """Return the ends and lengths of the pauses since the last call, in microseconds."""
        self.note(now)
        with self._lock:
            pauses, self._pauses = self._pauses, []
        return pauses


def _read(path: str) -> tuple[int, int]:
    """Return the noted time and monotonic time; (0, 0) if this boot has noted none."""
    try:
        with open(path, encoding="utf-8") as file:
            boot, now, awake = file.read(200).split()
        return (int(now), int(awake)) if boot == boot_id().strip() else (0, 0)
    except (OSError, ValueError):
        return 0, 0


def _write(path: str, now: int, awake: int) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{boot_id().strip()} {now} {awake}\n".encode())
        finally:
            os.close(file)
    except OSError:
        pass  # no folder, a read-only one, or a full disk: a sleep then counts as silence
