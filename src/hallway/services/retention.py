"""What is kept and for how long: by age and by size, as the user sets it, never "the last 100" (M7).

Each noun removes its own. Work is done in bounded steps, so that nobody waits for the lock while years go.
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
    """What is kept, and for how long."""

    @operation("POST /prune", verb="prune")
    def prune(self, older_than_s: int = KEEP_S, keep_bytes: int | None = None) -> Pruned:
        """Remove old messages, events, finished tasks and ended sessions, and what expired.

        Unset, old is 30 days. With `keep_bytes`, also the oldest messages beyond that size. What a live session has
        not acknowledged stays, however old. One call removes at most 1,000 of a noun: ask again until
        `is_complete`.
        """
        before = self._store.now - older_than_s * SECOND
        removed = {noun: service.prune_old(before, AT_ONCE) for noun, service in self.bus.services.items()}
        if keep_bytes is not None:
            removed["messages"] += self.bus.messages.prune_to(keep_bytes, AT_ONCE)
        removed = {noun: count for noun, count in removed.items() if count}
        if removed:
            self.bus.events.append("retention.pruned", "", **removed)
        return Pruned.of((removed, all(count < AT_ONCE for count in removed.values())))
