"""Pauses between the attempts of whoever tries again."""

from __future__ import annotations

FIRST_S = 0.1
MAX_PAUSE_S = 15.0
DOUBLINGS = 20  # more would only make a number that no pause has


class Backoff:
    """Pauses that double up to a limit; each is by chance up to half shorter, so that many do not come back at once."""

    def __init__(self, first_s: float = FIRST_S, most_s: float = MAX_PAUSE_S) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    def next_s(self) -> float:
        """Return how long to wait after one more failure."""
        from random import uniform  # imported late: it costs a process that never fails some milliseconds

        longest_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures, DOUBLINGS))
        self._failures += 1
        return longest_s * uniform(0.5, 1.0)  # noqa: S311 (no secret)

    @property
    def failures(self) -> int:
        """Return how many attempts have failed since the last success."""
        return self._failures

    def reset(self) -> None:
        """Begin with the shortest pause again, after a success."""
        self._failures = 0
