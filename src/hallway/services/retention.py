"""Retention: removing old data by age and size, as the user sets it, never by a count such as "the last 100" (M7).

Each service removes its own data. It does so in bounded steps, so that no writer waits long for the lock.
"""

from __future__ import annotations

from hallway.core.clock import SECOND
from hallway.core.model import Pruned
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services.base import Service

KEEP_S = 30 * DAY_S
AT_ONCE = 1000  # of a noun, in one transaction: some ten milliseconds


class Retention(Service, noun="retention"):
    """Removal of old data."""

    @operation("POST /prune", verb="prune")
    def prune(self, older_than_s: int = KEEP_S, keep_bytes: int | None = None) -> Pruned:
        """Remove old messages, events, finished tasks and ended sessions, and expired data.

        The default age is 30 days. With `keep_bytes`, the oldest messages beyond that size are removed, too. Messages
        that a live session has not acknowledged are always kept. One call removes at most 1,000 of each noun: repeat it
        until `is_complete`.
        """
        before = self._store.now - older_than_s * SECOND
        removed = {noun: service.prune_old(before, AT_ONCE) for noun, service in self.bus.services.items()}
        if keep_bytes is not None:
            removed["messages"] += self.bus.messages.prune_to(keep_bytes, AT_ONCE)
        removed = {noun: count for noun, count in removed.items() if count}
        if removed:
            self.bus.events.append("retention.pruned", "", **removed)
        return Pruned.of((removed, all(count < AT_ONCE for count in removed.values())))
