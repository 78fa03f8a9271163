"""Rendering of the result of an import."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, first_few, in_numbers
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.cli.terminal import Terminal
    from hallway.transfer.export_import import Imported


def imported(screen: Terminal, outcome: Imported) -> list[str]:
    """Return how many records an import added, found already there, and refused, with the reasons and notes."""
    facts = {
        "project" if len(outcome.projects) == 1 else "projects": first_few(outcome.projects),
        "added": in_numbers(outcome.added.items()) or "nothing",
        "existing": in_numbers(outcome.existing.items()),
        "not taken": in_numbers(outcome.refused.items()),
    }
    return [*fact_lines(screen, facts.items()), *(f"  {sanitize(line)}" for line in (*outcome.reasons, *outcome.notes))]
