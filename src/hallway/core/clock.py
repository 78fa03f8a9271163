"""Clocks, conversion of times, and generation of ids.

Inside hallway a time is an integer: microseconds since 1970, UTC. Records that leave hallway hold an aware `datetime`
(`to_datetime`). The store owns the clock (S8): tests pass a `FakeClock`, and PostgreSQL uses the database's clock.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import UTC, datetime
else:
    try:
        from _datetime import UTC, datetime  # the C half of `datetime`; in Python 3.11 the other costs a hook 1.5 ms
    except ImportError:
        from datetime import UTC, datetime

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """The host's clock."""

    def now(self) -> int:
        """Return microseconds since 1970, UTC."""
        return time.time_ns() // 1000

    def awake(self) -> int:
        """Return microseconds that pass only while the machine is awake, from an arbitrary beginning."""
        return time.monotonic_ns() // 1000


class FakeClock:
    """A clock that moves only when `advance` is called."""

    def __init__(self, start: int = 1_700_000_000 * SECOND) -> None:
        self.time = start
        self.asleep = 0

    def now(self) -> int:
        """Return microseconds since 1970, UTC."""
        return self.time

    def awake(self) -> int:
        """Return microseconds that pass only while the machine is awake."""
        return self.time - self.asleep

    def advance(self, seconds: float) -> None:
        """Move the clock forward; a negative number moves it back, which can happen to a host's clock."""
        self.time += int(seconds * SECOND)

    def sleep(self, seconds: float) -> None:
        """Move the clock forward as a sleep of the machine does; a negative number sets back the clock alone."""
        self.asleep += int(seconds * SECOND)
        self.advance(seconds)


def to_datetime(us: int) -> datetime:
    """Convert microseconds since 1970 to an aware UTC datetime."""
    return datetime.fromtimestamp(us / SECOND, UTC)


def to_micros(at: datetime) -> int:
    """Convert an aware datetime to microseconds since 1970, exactly."""
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time; raises ValueError if it has no time zone, or is outside the years 1 to 9999 in UTC."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("the time has no zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"the time {text} is not within the years 1 to 9999 in UTC") from None


def format_time(at: datetime) -> str:
    """Format a time as RFC 3339 in UTC; microseconds are left out when they are 0."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def new_id() -> str:
    """Return a new time-ordered id (UUIDv7, RFC 9562). Later ids sort later, so an index is extended at its end.

    Ids are ordered to a quarter of a microsecond, so two ids that one process makes in the same millisecond are, too.
    """
    millisecond, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = (rest_ns << 12) // 1_000_000  # 12 bits, instead of random ones (RFC 9562, section 6.2, method 3)
    random = int.from_bytes(os.urandom(8), "big") >> 2
    value = millisecond << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
