"""Rendering of logins: the browsers that are logged in to a hub's page."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.text.sanitize import sanitize
from hallway.text.style import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Login

COLUMNS = (
    Column("LOGIN", least=8),
    Column("TOKEN"),
    Column("HUB"),
    Column("SINCE", drop=1),
    Column("LAST USED", drop=2),
    Column("FROM", drop=3),
    Column("BROWSER", drop=4, least=12),
)


def logins(screen: Terminal, page: list[Login], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each browser that is logged in."""
    if not page:
        return ["No browser is logged in."]
    rows = [
        (
            each.login_id,
            each.name,
            each.host,
            age(each.began_at, screen.now_s),
            age(each.last_used_at, screen.now_s) if each.last_used_at else "never",
            each.last_used_from or "",
            each.browser or "",
        )
        for each in page
    ]
    return [*table(screen, COLUMNS, rows), *next_page(page, arguments, "limit", len(page) * 2)]


def logged_out(screen: Terminal, each: Login, arguments: dict[str, Any]) -> list[str]:
    return [f"Logged out: {sanitize(each.login_id)} ({sanitize(each.name)} at {sanitize(each.host)})"]


RENDERERS: dict[str, Renderer] = {"Login": logged_out, "list[Login]": logins}
