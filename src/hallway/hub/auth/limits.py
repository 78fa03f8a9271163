"""Limits per token: requests, open waits, and bytes written. The owner has no limits.

A token bucket refills at a constant rate up to its size. A request beyond that is refused with the time to wait, so
that one runaway program does not slow down the others.
"""

from __future__ import annotations

import time

from hallway.core.errors import LimitReached

REQUESTS_PER_S = 500
AT_ONCE_S = 10  # the requests of this many seconds may come at once
WAITS = 200  # open event streams and long polls
BYTES_PER_HOUR = 256 * 1024 * 1024
HOUR_S = 3600.0


class Limits:
    """The limits of each token; 0 means no limit."""

    def __init__(
        self, requests_per_s: int = REQUESTS_PER_S, waits: int = WAITS, bytes_per_hour: int = BYTES_PER_HOUR
    ) -> None:
        self.requests_per_s = requests_per_s
        self.waits = waits
        self.bytes_per_hour = bytes_per_hour


class Bucket:
    """A token bucket: an amount available at once, refilled at a constant rate."""

    __slots__ = ("_at", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s = per_s
        self._most = self._left = most
        self._at = time.monotonic()

    def take(self, amount: float) -> float:
        """Take it and return 0, or take nothing and return the seconds until there is enough."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self._per_s, self._most)
        self._at = now
        if amount > self._left:
            return (min(amount, self._most) - self._left) / self._per_s
        self._left -= amount
        return 0.0


class Allowance:
    """The remaining allowance of one token."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._requests = Bucket(limits.requests_per_s or 1, AT_ONCE_S * (limits.requests_per_s or 1))
        self._bytes = Bucket((limits.bytes_per_hour or 1) / HOUR_S, limits.bytes_per_hour or 1)
        self._waits = 0

    def take_request(self, count: int = 1) -> None:
        """Count a request, or several at once; raises LimitReached."""
        if self._limits.requests_per_s and count > 0 and (wait_s := self._requests.take(count)):
            raise self._reached(f"{self._limits.requests_per_s} requests a second", wait_s)

    def take_bytes(self, size: int) -> None:
        """Count the bytes of a request's body; raises LimitReached."""
        if self._limits.bytes_per_hour and (wait_s := self._bytes.take(size)):
            raise self._reached(f"{self._limits.bytes_per_hour} bytes an hour", wait_s)

    def __enter__(self) -> None:
        """Open a wait; raises LimitReached."""
        if self._limits.waits and self._waits >= self._limits.waits:
            raise self._reached(f"{self._limits.waits} open streams and waits", 1.0)
        self._waits += 1

    def __exit__(self, *error: object) -> None:
        self._waits -= 1

    def _reached(self, what: str, wait_s: float) -> LimitReached:
        return LimitReached(
            f"the token {self._name!r} has used up its {what}", retry_after_s=round(max(wait_s, 0.001), 3)
        )
