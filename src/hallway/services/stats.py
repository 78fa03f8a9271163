"""Statistics of the bus: one result with the counts of all services."""

from __future__ import annotations

from hallway.core.model import Stats
from hallway.core.operation import operation
from hallway.services.base import Service


class Statistics(Service, noun="stats"):
    """Statistics of the bus."""

    @operation("GET /stats", verb="stats", is_of_all=True)
    def read(self, project: str | None = None) -> Stats:
        """Return the numbers of sessions, messages, tasks, memory entries and events, of one project or of all."""
        bus = self.bus
        nouns = (bus.sessions, bus.messages, bus.tasks, bus.memory, bus.events)
        return Stats.of(tuple(service.stats(project) for service in nouns))
