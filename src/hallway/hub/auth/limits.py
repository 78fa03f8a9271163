"""Limits per token: requests, open waits, and bytes written. The owner has no limits.

Callers without a token are limited for each network that they call from, and all of them together.

A token bucket refills at a constant rate up to its size. A request beyond that is refused with the time to wait, so
that one runaway program does not slow down the others.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict

from hallway.core.errors import LimitReached

REQUESTS_PER_S = 500
AT_ONCE_S = 10  # the requests of this many seconds may come at once
WAITS = 200  # open event streams and long polls
BYTES_PER_HOUR = 256 * 1024 * 1024
HOUR_S = 3600.0
TRIES_PER_S, TRIES_AT_ONCE = 0.2, 10.0  # of one network without a token
ALL_TRIES_PER_S, ALL_TRIES_AT_ONCE = 20.0, 100.0
MAX_NETWORKS = 1000  # that are remembered


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


class AddressLimits:
    """The limits of callers without a token: a bucket for each of the latest networks, and one for all together."""

    def __init__(self) -> None:
        self._all = Bucket(ALL_TRIES_PER_S, ALL_TRIES_AT_ONCE)
        self._networks: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> None:
        """Count a try from an address. Raises LimitReached if there were too many from its network, or in total."""
        network = network_of(address)
        bucket = self._networks.setdefault(network, Bucket(TRIES_PER_S, TRIES_AT_ONCE))
        self._networks.move_to_end(network)
        if len(self._networks) > MAX_NETWORKS:
            self._networks.popitem(last=False)
        if wait_s := bucket.take(1) or self._all.take(1):
            raise LimitReached("too many tries from there without a token", retry_after_s=round(wait_s, 3))


def network_of(address: str) -> str:
    """Return the addresses that one caller probably has: an IPv4 address itself, the /64 network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
