"""Rendering of the statistics of a bus."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, in_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Stats


def stats(screen: Terminal, numbers: Stats, arguments: dict[str, Any]) -> list[str]:
    """Return the counts of a bus: one line for each noun, and below it one line for each grouping."""
    facts = []
    for noun, record in numbers.to_dict().items():
        counts = record.to_dict()
        plain = {name: value for name, value in counts.items() if not isinstance(value, dict)}
        grouped = {name: value for name, value in counts.items() if isinstance(value, dict)}
        facts.append((noun, in_numbers(plain.items())))
        facts += [(f"  {name.replace('_', ' ')}", in_numbers(sorted(value.items()))) for name, value in grouped.items()]
    return fact_lines(screen, facts)


RENDERERS: dict[str, Renderer] = {"Stats": stats}
