"""The audit of refused requests: events that say who was refused, what, from which address and how often.

Anybody can cause refusals at any rate, even without a token, so they are counted in memory: at most one event per
caller and minute is written, with the counts of at most twenty kinds of refusals. The events belong to no project, so
only tokens without a limit to projects can read them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from hallway.bus.local import LocalBus

    Kind: TypeAlias = tuple[str, str, str]  # what was refused, the error's code, and from where
    Counts: TypeAlias = dict[str | None, dict[Kind, int]]  # by the token's name; None: nobody knows whose it was

EVERY_S = 60.0
AGAIN_S = 5.0  # after it could not be written
MAX_KINDS = 20
ELSEWHERE = "…"


class Audit:
    """The refusals since the last event was written."""

    def __init__(self) -> None:
        self._counts: Counts = {}
        self._written_at: dict[str | None, float] = {}

    def note(self, principal: str | None, what: str, code: str, address: str, count: int = 1) -> None:
        """Count a refusal; `principal` is None if the caller is unknown."""
        kinds = self._counts.setdefault(principal, {})
        kind = (what, code, address)
        if kind not in kinds and len(kinds) >= MAX_KINDS:
            kind = (ELSEWHERE, ELSEWHERE, ELSEWHERE)
        kinds[kind] = kinds.get(kind, 0) + count

    def take(self, *, is_last: bool = False) -> Counts:
        """Return the refusals that are not written yet, and remove them here."""
        now = time.monotonic()
        due = [who for who in self._counts if is_last or now - self._written_at.get(who, -EVERY_S) >= EVERY_S]
        self._written_at.update(dict.fromkeys(due, now))
        return {who: self._counts.pop(who) for who in due}

    def put_back(self, counts: Counts) -> None:
        """Add refusals back that could not be written."""
        for principal, kinds in counts.items():
            self._written_at[principal] = time.monotonic() - EVERY_S + AGAIN_S
            for (what, code, address), count in kinds.items():
                self.note(principal, what, code, address, count)

    @staticmethod
    def write(bus: LocalBus, counts: Counts) -> None:
        """Append an event for each kind of refusal."""
        with bus.transaction():
            for principal, kinds in counts.items():
                ordered = sorted(kinds.items(), key=lambda each: -each[1])
                (what, code, address), _ = ordered[0]
                listed = [
                    {"operation": what, "code": code, "address": address, "count": count}
                    for (what, code, address), count in ordered
                ]
                bus.events.append(
                    "access.refused",
                    "",
                    None,
                    principal=principal,
                    operation=what,
                    code=code,
                    address=address,
                    count=sum(kinds.values()),
                    kinds=listed,
                )
