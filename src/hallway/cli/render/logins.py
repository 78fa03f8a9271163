"""Show the browsers that are logged in to the page."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.screen import Column, table
from hallway.view import age, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.screen import Screen
    from hallway.model import Login

COLUMNS = (
    Column("LOGIN", least=8), Column("TOKEN"), Column("HUB"), Column("SINCE"), Column("LAST USED"), Column("FROM"),
    Column("BROWSER", least=12),
)  # fmt: skip


def logins(screen: Screen, found: list[Login], arguments: dict[str, Any]) -> list[str]:
    """A line for each browser that is logged in."""
    if not found:
        return ["No browser is logged in."]
    rows = [
        (each.login_id, each.name, each.host, age(each.began_at, screen.now_s),
         age(each.last_used_at, screen.now_s) if each.last_used_at else "never", each.last_used_from or "",
         each.browser or "")
        for each in found
    ]  # fmt: skip
    return [*table(screen, COLUMNS, rows), *next_page(found, arguments, "limit", len(found) * 2)]


def logged_out(screen: Screen, each: Login, arguments: dict[str, Any]) -> list[str]:
    return [f"Logged out: {clean(each.login_id)} ({clean(each.name)} at {clean(each.host)})"]


RENDERERS: dict[str, Renderer] = {"Login": logged_out, "list[Login]": logins}
