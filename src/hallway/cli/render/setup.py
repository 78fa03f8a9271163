"""Rendering of the way from an installed client to its first message, and of an empty list of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.agents.install.chain import chains
from hallway.agents.install.configs import SERVER
from hallway.cli.render.parts import flow
from hallway.cli.terminal import wrap
from hallway.text.style import EMPTY

if TYPE_CHECKING:
    from hallway.agents.install.chain import SetupChain
    from hallway.cli.terminal import Terminal

DONE, BROKEN, NOT_KNOWN, LATER = ("✓", "green"), ("✗", "red"), ("?", "yellow"), ("○", "grey")


def link_lines(screen: Terminal, chain: SetupChain, *, indent: str) -> list[str]:
    """Return the links of a chain side by side: done, the first broken or unknown one, and those after it."""
    broken = NOT_KNOWN if chain.broken and chain.broken.is_done is None else BROKEN
    marks = [(DONE if link.is_done else broken if link is chain.broken else LATER, link.short) for link in chain.links]
    parts = [(f"{glyph} {short}", colour) for (glyph, colour), short in marks]
    return flow(screen, parts, first=indent, rest=indent)


def next_lines(screen: Terminal, text: str, *, indent: str) -> list[str]:
    """Return what to do next, wrapped at the terminal's width."""
    first, *rest = wrap(text, None if screen.width is None else screen.width - len(indent) - 2)
    return [f"{indent}→ {screen.paint(first, 'bold')}", *(f"{indent}  {screen.paint(line, 'bold')}" for line in rest)]


def nobody_here(screen: Terminal) -> list[str]:
    """Return what an empty list of sessions says: what is done for each client here, and what to do next."""
    found = chains()
    if found and not any(chain.broken for chain in found):
        program = next((chain.client.programs[0] for chain in found if chain.client.program), None)
        return ["No session is here now. Start one of your agents" + (f": {program}" if program else ".")]
    sentence, command = EMPTY["sessions"]
    is_connected = any(link.is_done for chain in found for link in chain.links if link.short == SERVER)
    lines = ["No session is here yet. What is left to do:"] if is_connected else [sentence, f"  {command}"]
    for chain in found:
        lines += ["", screen.paint(chain.client.title, "bold"), *link_lines(screen, chain, indent="  ")]
        lines += next_lines(screen, chain.broken.following, indent="  ") if chain.broken else []
    return lines
