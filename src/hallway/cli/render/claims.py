"""Rendering of claims: a table, or one line after a change."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Claim

COLUMNS = (
    Column("PATHS", least=16),
    Column("HOLDER", least=8),
    Column("FOR", least=10),
    Column("STATE"),
    Column("ENDS IN"),
    Column("CLAIM"),
)
FILTERS = ("project", "session_id", "state", "after_id")


def claims(screen: Terminal, page: list[Claim], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each claim, in the order in which they were asked for."""
    if not page:
        return ["No claim fits." if any(arguments.get(name) for name in FILTERS) else "Nothing is claimed."]
    rows = [
        (
            ", ".join(each.paths),
            screen.name_of(each.session_id),
            each.intent,
            _state(each),
            _left(screen, each),
            each.claim_id,
        )
        for each in page
    ]
    return [*table(screen, COLUMNS, rows), *next_page(page, arguments, "after-id", page[-1].claim_id)]


def claim_line(screen: Terminal, each: Claim, arguments: dict[str, Any]) -> list[str]:
    """Return a claim as one line."""
    paths = sanitize(", ".join(each.paths))
    if each.state == "waiting":
        return [f"{screen.paint('waiting', 'yellow')} for {paths}, {_left(screen, each)} at most  {each.claim_id}"]
    return [
        f"{screen.paint('granted', 'green')} {paths} for {_left(screen, each)}, number {each.fence}  {each.claim_id}"
    ]


def _state(each: Claim) -> str:
    return f"{each.mode} {each.state}" if each.mode == "shared" else each.state


def _left(screen: Terminal, each: Claim) -> str:
    left_s = each.expires_at.timestamp() - screen.now_s
    return f"{-(-left_s // 60):.0f} min" if left_s >= 120 else f"{max(left_s, 0):.0f} s"


RENDERERS: dict[str, Renderer] = {
    "Claim": claim_line,
    "list[Claim]": claims,
}
