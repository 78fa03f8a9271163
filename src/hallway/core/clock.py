"""Time and ids, replaceable.

Inside hallway a moment is an integer: microseconds since 1970, UTC. It becomes an aware `datetime` where it leaves
(`moment`). The store owns the clock (S8): tests hand it a `FakeClock`, PostgreSQL its database's.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import UTC, datetime
else:
    try:
        from _datetime import UTC, datetime  # what `datetime` gives; in Python 3.11 its other half costs a hook 1.5 ms
    except ImportError:
        from datetime import UTC, datetime

SECOND = 1_000_000


class SystemClock:
    """The host's clock."""

    def now(self) -> int:
        """Return microseconds since 1970, UTC."""
        return time.time_ns() // 1000


class FakeClock:
    """A clock that moves only when told."""

    def __init__(self, start: int = 1_700_000_000 * SECOND) -> None:
        self.time = start

    def now(self) -> int:
        """Return microseconds since 1970, UTC."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Move the clock; a negative number sets it back, as a host's clock may be."""
        self.time += int(seconds * SECOND)


def to_datetime(us: int) -> datetime:
    """Return microseconds as an aware UTC datetime."""
    return datetime.fromtimestamp(us / SECOND, UTC)


def to_micros(at: datetime) -> int:
    """Return an aware datetime as microseconds, exactly."""
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def parse_moment(text: str) -> datetime:
    """Read an RFC 3339 time; raises ValueError where it has no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("the time has no zone")
    return at.astimezone(UTC)


def format_moment(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with microseconds if there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def new_id() -> str:
    """Return a time-ordered id (UUIDv7, RFC 9562): ids made later sort later, which keeps inserts at the index's
    end.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
