"""What was refused, as events: who, what, from where and how often.

Refusals come as fast as anybody cares to provoke them, so they are counted in memory and written down together, a
line for each kind. They belong to no project, so that nobody but an unlimited token's bearer reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from hallway.bus import LocalBus

    Counts: TypeAlias = dict[tuple[str | None, str, str, str], int]

MOST_KINDS = 1000  # between two writings; beyond, addresses are left out
ELSEWHERE = "…"


class Audit:
    """Refusals since the last writing."""

    def __init__(self) -> None:
        self._counts: Counts = {}

    def note(self, principal: str | None, what: str, code: str, address: str) -> None:
        """Count a refusal; `principal` None: nobody knows whose it was."""
        kind = (principal, what, code, address)
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = (principal, ELSEWHERE, code, ELSEWHERE)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def take(self) -> Counts:
        """What is not written down yet; it is the taker's to write."""
        taken, self._counts = self._counts, {}
        return taken

    @staticmethod
    def write(bus: LocalBus, counts: Counts) -> None:
        """An event for each kind of refusal."""
        with bus.transaction():
            for (principal, what, code, address), count in counts.items():
                bus.events.append(
                    "access.refused", "", None, principal=principal, operation=what, code=code, address=address,
                    count=count,
                )  # fmt: skip
