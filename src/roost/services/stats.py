"""The bus in numbers: one answer, made of what each noun says of itself."""

from __future__ import annotations

from roost.model import Stats
from roost.operation import operation
from roost.services import Service


class Statistics(Service, noun="stats"):
    """The bus in numbers."""

    @operation("GET /stats", verb="stats")
    def read(self, project: str | None = None) -> Stats:
        """How many sessions and events there are, of one project or of all."""
        return Stats.of((self.bus.sessions.stats(project), self.bus.events.stats(project)))
