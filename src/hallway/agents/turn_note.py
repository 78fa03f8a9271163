"""What a client has noted about a turn, as the readers in `clients/CLIENT/turn.py` return it."""

from __future__ import annotations

import os


class TurnNote:
    """What a client has noted about its turn: `status` is `working`, `waiting` or `idle`.

    `at`: when an end of a turn was noted, in seconds since 1970; 0 for a note that is always the present one.
    """

    __slots__ = ("at", "detail", "reason", "status")

    def __init__(self, status: str, reason: str = "", detail: str = "", at: float = 0.0) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        self.at = at


def read_tail(path: str, size_bytes: int) -> list[bytes]:
    """Return the last lines of a file, the first of them perhaps incomplete; none if the file cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size_bytes))
            return file.read(size_bytes).splitlines()
    except OSError:
        return []
