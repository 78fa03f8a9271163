"""What an import did, as people read it."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, in_numbers
from hallway.view import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.cli.screen import Screen
    from hallway.transfer import Imported


def imported(screen: Screen, outcome: Imported) -> list[str]:
    """What an import took, what was there, and what it could not take."""
    facts = {
        "taken": in_numbers(outcome.taken.items()) or "nothing",
        "there before": in_numbers(outcome.there.items()),
        "not taken": in_numbers(outcome.refused.items()),
    }
    return [*fact_lines(screen, facts.items()), *(f"  {clean(reason)}" for reason in outcome.reasons)]
