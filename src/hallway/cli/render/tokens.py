"""Rendering of tokens: a new token, the list of tokens, and the caller's identity."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.text.sanitize import sanitize
from hallway.text.style import age, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Identity, NewToken, Token

COLUMNS = (
    Column("NAME", least=8),
    Column("ROLE"),
    Column("PROJECTS", drop=2, least=12),
    Column("MADE", drop=5),
    Column("EXPIRES", drop=1),
    Column("LAST USED", drop=3),
    Column("FROM", drop=4),
)


def new_token(screen: Terminal, made: NewToken, arguments: dict[str, Any]) -> list[str]:
    """Return the token alone on a line, and the warning that it is shown only once."""
    until = f", until {made.expires_at.astimezone():%Y-%m-%d %H:%M}" if made.expires_at else ""
    return [
        f"{made.role} {sanitize(made.name)}, {_projects(made.projects)}{until}. Keep this: it is not shown again.",
        made.token,
    ]


def tokens(screen: Terminal, page: list[Token], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each token."""
    if not page:
        return ["There is no token. To make one: hallway token create NAME"]
    rows = [
        (
            each.name,
            each.role,
            _projects(each.projects),
            age(each.created_at, screen.now_s),
            _end(screen, each),
            age(each.last_used_at, screen.now_s) if each.last_used_at else "never",
            each.last_used_from or "",
        )
        for each in page
    ]
    return [*table(screen, COLUMNS, rows), *next_page(page, arguments, "limit", len(page) * 2)]


def revoked(screen: Terminal, each: Token, arguments: dict[str, Any]) -> list[str]:
    return [f"Revoked: {sanitize(each.name)} ({each.role})"]


def identity(screen: Terminal, who: Identity, arguments: dict[str, Any]) -> list[str]:
    if who.name is None:
        return ["You own this bus: you may do everything, in all projects."]
    return [f"{sanitize(who.name)}: {who.role}, {_projects(who.projects)}"]


def _projects(projects: list[str] | None) -> str:
    return "all projects" if projects is None else ", ".join(map(sanitize, projects))


def _end(screen: Terminal, each: Token) -> str:
    if each.revoked_at:
        return "revoked"
    return _left(each.expires_at, screen.now_s) if each.expires_at else "never"


def _left(until: datetime, now_s: float) -> str:
    left_s = until.timestamp() - now_s
    return f"in {duration(left_s)}" if left_s > 0 else "expired"


RENDERERS: dict[str, Renderer] = {
    "NewToken": new_token,
    "Token": revoked,
    "list[Token]": tokens,
    "Identity": identity,
}
