"""Rendering of sessions and heartbeats. Keep the imports light: the heartbeat's fast path loads this module."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, how_many, indented, next_page, when
from hallway.cli.terminal import Column, table
from hallway.core.schema import encode
from hallway.core.short_ids import short_ids
from hallway.text.sanitize import sanitize
from hallway.text.style import age, duration, in_order, style_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Heartbeat, PeerSession, Session


def status_cell(status: str, reason: str | None = None) -> str:
    return f"{style_of(status).glyph} {status}{f': {reason}' if reason else ''}"


def colour_of_status(cell: str) -> str:
    return style_of(cell.partition(" ")[2].partition(":")[0]).colour


STATUS = Column("STATUS", colour_of=colour_of_status)
NAME = Column("NAME", least=8, is_precious=True)
ID = Column("ID", drop=2, least=8)
TYPE = Column("TYPE", drop=4, least=6)
USER = Column("USER", drop=6, least=5)
PROJECT = Column("PROJECT", drop=3, least=10, is_cut_left=True)
BRANCH = Column("BRANCH", drop=5, least=8)
TASK = Column("TASK", least=12)
DETAIL = Column("DETAIL", drop=7, least=12)
SEEN = Column("SEEN", drop=1)


def heartbeat(screen: Terminal, beat: Heartbeat, arguments: dict[str, Any]) -> list[str]:
    """Return a few lines: the session's status, its unread messages and conflicts, and the other sessions."""
    own = screen.paint(status_cell(beat.status), style_of(beat.status).colour)
    lines = [f"{own}  {_called(screen, beat)} in {sanitize(beat.project)}"]
    if beat.unread:
        lines.append(screen.paint(how_many(beat.unread, "unread message"), "yellow"))
    lines += [
        screen.paint(
            f"conflict: {each.kind} on {each.subject} with {screen.name_of(each.session_id)}: {each.detail}", "red"
        )
        for each in beat.conflicts
    ]
    if not beat.others_total:
        return [*lines, "Nobody else is here."]
    more = beat.others_total - len(beat.others)
    rest = [f"and {more} more"] if more > 0 else []
    return [*lines, f"{how_many(beat.others_total, 'other')} here:", *_peers(screen, beat.others), *rest]


def _peers(screen: Terminal, peers: list[PeerSession]) -> list[str]:
    ids = short_ids(each.session_id for each in peers)
    rows = [
        (
            status_cell(each.status, each.reason),
            each.name,
            each.agent_type,
            each.human_user or "",
            each.branch or "",
            each.current_task or "",
            each.detail or "",
            duration(each.silent_s),
            ids[each.session_id],
        )
        for each in in_order(peers)
    ]
    return table(screen, (STATUS, NAME, TYPE, USER, BRANCH, TASK, DETAIL, SEEN, ID), rows) if rows else []


def sessions(screen: Terminal, page: list[Session], arguments: dict[str, Any]) -> list[str]:
    """Return a table of sessions, those that wait for a person first; without any session, a command to type."""
    if not page:
        return _nobody(screen, arguments)
    ids = short_ids(each.session_id for each in page)
    rows = [
        (
            status_cell(each.status, each.reason),
            each.name,
            each.agent_type,
            each.human_user or "",
            "" if arguments.get("project") else each.project,
            each.branch or "",
            each.current_task or "",
            each.detail or "",
            age(each.ended_at or each.last_seen, screen.now_s),
            ids[each.session_id],
        )
        for each in in_order(sorted(page, key=lambda session: session.last_seen, reverse=True))
    ]
    lines = table(screen, (STATUS, NAME, TYPE, USER, PROJECT, BRANCH, TASK, DETAIL, SEEN, ID), rows)
    return [*lines, *next_page(page, arguments, "after-id", page[-1].session_id)]


FILTERS = ("project", "status", "agent_type", "human_user", "capability", "after_id")


def _nobody(screen: Terminal, arguments: dict[str, Any]) -> list[str]:
    if any(arguments.get(name) for name in FILTERS):
        return ["No session fits. Everybody: hallway list --all"]
    gone = [] if arguments.get("include_offline") else ["Those that have ended: hallway list --all"]
    from hallway.cli.render.setup import nobody_here  # late: it imports the clients

    return [*nobody_here(screen), *gone]


def session(screen: Terminal, each: Session, arguments: dict[str, Any]) -> list[str]:
    """Return everything about one session, one line for each field that has a value."""
    meaning = style_of(each.status).meaning
    facts = {
        "agent": each.agent_name,
        "type": each.agent_type,
        "status": f"{status_cell(each.status)} ({meaning})",
        "reason": each.reason,
        "detail": each.detail,
        "since": None if each.ended_at else when(screen, each.status_since),
        "task": each.current_task,
        "project": each.project,
        "branch": each.branch,
        "user": each.human_user,
        "location": each.location,
        "capabilities": ", ".join(each.capabilities),
        "status detail": None if each.status_detail is None else encode(each.status_detail),
        "metadata": encode(each.metadata) if each.metadata else None,
        "started": when(screen, each.started_at),
        "seen": f"{when(screen, each.last_seen)}, offline after {duration(each.ttl_s)} of silence",
        "ended": f"{when(screen, each.ended_at)}: {each.end_reason}" if each.ended_at else None,
        "id": each.session_id,
    }
    return [
        *indented(screen, sanitize(each.name), "", "bold"),
        *fact_lines(screen, facts.items(), status=style_of(each.status).colour),
    ]


def session_line(screen: Terminal, each: Session, arguments: dict[str, Any]) -> list[str]:
    """Return a session as one line, shown after a change of it."""
    task = f": {sanitize(each.current_task)}" if each.current_task else ""
    status = screen.paint(status_cell(each.status, each.reason), style_of(each.status).colour)
    return [f"{status}  {_called(screen, each)} in {sanitize(each.project)}{task}"]


def renamed(screen: Terminal, each: Session, arguments: dict[str, Any]) -> list[str]:
    return [f"It is called {_called(screen, each)} from now on."]


def _called(screen: Terminal, each: Session | Heartbeat) -> str:
    """Return a session's name, and its id as short as it may be typed."""
    return f"{screen.paint(each.name, 'bold')} ({sanitize(short_ids([each.session_id])[each.session_id])})"


def cleared(screen: Terminal, count: int, arguments: dict[str, Any]) -> list[str]:
    return [f"Forgot {how_many(count, 'session')}."]


RENDERERS: dict[str, Renderer] = {
    "Heartbeat": heartbeat,
    "Session": session,
    "list[Session]": sessions,
    "ping": session_line,
    "update_status": session_line,
    "end": session_line,
    "rename": renamed,
    "clear_offline": cleared,
}
