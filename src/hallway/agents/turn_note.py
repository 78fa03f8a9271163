"""What a client has noted about a turn, as the readers in `clients/CLIENT/turn.py` return it."""

from __future__ import annotations


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
