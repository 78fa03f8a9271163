"""The bus in numbers: one answer, made of what each noun says of itself."""

from __future__ import annotations

from hallway.core.model import Stats
from hallway.core.operation import operation
from hallway.services.base import Service


class Statistics(Service, noun="stats"):
    """The bus in numbers."""

    @operation("GET /stats", verb="stats", is_of_all=True)
    def read(self, project: str | None = None) -> Stats:
        """Return how many sessions, messages, tasks, memory entries and events there are, of one project or of all."""
        bus = self.bus
        nouns = (bus.sessions, bus.messages, bus.tasks, bus.memory, bus.events)
        return Stats.of(tuple(service.stats(project) for service in nouns))
