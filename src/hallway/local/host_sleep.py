"""The time for which this machine slept, so that no session counts as silent because its machine was asleep (S13).

While a machine sleeps, its clock goes on and its monotonic clock stands still (on Linux and macOS; on Windows it goes
on, too, so there nothing is noticed). Both are noted in the file `awake` beside the bus, for the processes that begin
after the sleep as for those that were there before. By how much more the clock has advanced since then is how long the
machine slept, or by how much its clock was set forward, which is no silence either.
"""

from __future__ import annotations

import os

from hallway.core.clock import SECOND
from hallway.local.presence import boot_id

NAME = "awake"
MIN_SLEEP_S = 10  # less is a wait between the readings of the two clocks, or an adjustment of one
NOTED_EVERY_S = 10


def sleep_since_last(folder: str, now: int, awake: int) -> tuple[int, int]:
    """Return since when this machine is awake again, at the earliest, and how long it slept since the last note.

    Both are microseconds, and 0 if it has not slept. Notes the clocks for the next call. Where there is no folder, no
    hook or server runs on this machine, and nothing is noted.
    """
    path = os.path.join(folder, NAME)
    noted_at, noted_awake = _read(path)
    is_known = noted_at > 0 and awake >= noted_awake
    slept = (now - noted_at) - (awake - noted_awake) if is_known else 0
    if not is_known or abs(now - noted_at) >= NOTED_EVERY_S * SECOND:
        _write(path, now, awake)
    return (noted_at + slept, slept) if slept >= MIN_SLEEP_S * SECOND else (0, 0)


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
