"""How much of a hub one token may have: requests, open waits, and what it writes; the owner has all of it.

A bucket fills by itself at a rate, up to what may be taken at once. What is taken beyond is refused with the time until
there is more, so that one program that runs away stops nobody else.
"""

from __future__ import annotations

import time

from hallway.core.errors import LimitReached

REQUESTS_PER_S = 500
AT_ONCE_S = 10  # so many seconds' requests may come at once
WAITS = 200  # open event streams and long polls
BYTES_PER_HOUR = 256 * 1024 * 1024
HOUR_S = 3600.0


class Limits:
    """What each token may have; 0: any number."""

    def __init__(
        self, requests_per_s: int = REQUESTS_PER_S, waits: int = WAITS, bytes_per_hour: int = BYTES_PER_HOUR
    ) -> None:
        self.requests_per_s = requests_per_s
        self.waits = waits
        self.bytes_per_hour = bytes_per_hour


class Bucket:
    """So much at once, and then at a rate."""

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
    """What one token has left."""

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
        """Count what a request brings; raises LimitReached."""
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
