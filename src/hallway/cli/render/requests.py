"""Rendering of requests: who waits for whose answer, since when, and until when."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.text.style import REQUEST_LOOKS, age, duration, style_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Request

STATE = Column("STATE", colour_of=lambda cell: style_of(cell.partition(" ")[2].replace(" ", "_"), REQUEST_LOOKS).colour)
FROM = Column("FROM", drop=2, least=8)
TO = Column("TO", drop=3, least=8)
SUBJECT = Column("SUBJECT", least=16)
ASKED = Column("ASKED", drop=4)
DUE = Column("DUE", drop=1)
MESSAGE = Column("MESSAGE")


def requests(screen: Terminal, page: list[Request], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each request, newest first."""
    if not page:
        return ["No request waits for an answer." if arguments.get("unanswered") else "No request fits."]
    rows = [
        (
            f"{style_of(each.state, REQUEST_LOOKS).glyph} {each.state.replace('_', ' ')}",
            screen.name_of(each.from_session),
            screen.name_of(each.to_session),
            each.subject,
            age(each.asked_at, screen.now_s),
            _due(screen, each),
            each.message_id,
        )
        for each in page
    ]
    lines = table(screen, (STATE, FROM, TO, SUBJECT, ASKED, DUE, MESSAGE), rows)
    return [*lines, *next_page(page, arguments, "before", page[-1].seq), "Answer one: hallway reply FROM MESSAGE TEXT"]


def _due(screen: Terminal, each: Request) -> str:
    """Return when an unanswered request is due, or how long ago it was."""
    if each.reply_by is None or each.state in ("answered", "expired"):
        return ""
    left_s = each.reply_by.timestamp() - screen.now_s
    return f"in {duration(left_s)}" if left_s > 0 else f"{duration(-left_s)} ago"


RENDERERS: dict[str, Renderer] = {"list[Request]": requests}
