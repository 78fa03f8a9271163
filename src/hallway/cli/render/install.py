"""Rendering of the results of `hallway install` and `hallway uninstall`, also for `--dry-run`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from hallway.agents.install.chain import chain_of
from hallway.agents.install.standalone import standalone_program
from hallway.cli.render.setup import link_lines, next_lines
from hallway.text.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.all_clients import Outcome
    from hallway.cli.terminal import Terminal

COLOURS = {"+": "green", "-": "red", "@": "cyan"}
NOBODY = "No client that hallway knows is on this machine. Name one all the same: hallway install claude-code"
NOTHING = "hallway is installed nowhere: there is nothing to undo."


def installed(screen: Terminal, outcomes: list[Outcome], *, is_undoing: bool) -> list[str]:
    """Return a block of lines for each client."""
    if not outcomes:
        return [NOTHING if is_undoing else NOBODY]
    lines = [line for outcome in outcomes for line in _block(screen, outcome, is_undoing)]
    if not is_undoing and any(outcome.changes and outcome.is_done for outcome in outcomes):
        lines.append("After that, see which steps are done: hallway doctor")
        lines.append(f"To undo it: hallway uninstall. Without hallway: python3 {sanitize(quote(standalone_program()))}")
    return lines


def _block(screen: Terminal, outcome: Outcome, is_undoing: bool) -> Iterator[str]:
    there = "" if outcome.is_here else " (not found on this machine)"
    yield f"{screen.paint(outcome.client.title, 'bold')}{there}: {_said(outcome, is_undoing)}"
    if outcome.error:
        yield f"  {screen.paint(sanitize(outcome.error.message), 'red')}"
        yield f"  → {sanitize(outcome.error.hint)}"
        for path, text in outcome.by_hand.items():
            yield f"  Or paste this into {sanitize(path)}:"
            yield from (f"    {sanitize(line)}" for line in text.splitlines())
        return
    for change in outcome.changes:
        if outcome.is_done:
            yield f"  {sanitize(change.path)}"
        else:
            yield from (screen.paint(line, COLOURS.get(line[:1], "")) for line in change.diff())
    remains = outcome.remains
    if outcome.is_done and not (outcome.changes or is_undoing):
        chain = chain_of(outcome.client)
        yield from link_lines(screen, chain, indent="  ")
        remains = [chain.broken.following] if chain.broken else []
    if outcome.changes or not is_undoing:
        for each in remains:
            yield from next_lines(screen, each, indent="  ")


def _said(outcome: Outcome, is_undoing: bool) -> str:
    if outcome.error:
        return "not changed" if is_undoing else "not installed"
    if not outcome.changes:
        return "nothing to undo" if is_undoing else "installed already"
    if outcome.is_done:
        return "removed" if is_undoing else "installed"
    return "would be removed" if is_undoing else "would be installed"
