"""The lists of `hallway top`: for each view its columns, the rows of what was read, and what an empty list says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.cli.render.attention import items
from hallway.cli.render.claims import ENDS_IN, FOR, HOLDER, PATHS, STATE, claim_state, time_left
from hallway.cli.render.memory import AUTHOR, KEY, LINE, VERSION
from hallway.cli.render.memory import TYPE as ENTRY_TYPE
from hallway.cli.render.sessions import BRANCH, NAME, PROJECT, SEEN, STATUS, TASK, TYPE, status_cell
from hallway.cli.render.tasks import AGE, FROM, OWNER, SUBJECT, TO, status_of
from hallway.cli.render.tasks import STATUS as TASK_STATUS
from hallway.cli.terminal import Column, table
from hallway.cli.top.details import activity_line
from hallway.core.schema import encode
from hallway.text.style import age, in_order, short_project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hallway.cli.terminal import Terminal
    from hallway.core.model import (
        Attention,
        AttentionItem,
        Claim,
        Event,
        MemoryHit,
        Record,
        Session,
        Task,
    )

WIDE = 100  # cells of a list that has room for the client and the branch
NARROW = 70  # and of one that has no room for the project
SINCE = Column("SINCE")
ACTIVITY_NOISE = ("message.injected", "attention.")


class View:
    """One of the lists: `name` is what the feed reads, `empty` what to say when there is nothing."""

    def __init__(
        self,
        name: str,
        title: str,
        key_of: Callable[[Any], str],
        lines: Callable[[Terminal, list[Any]], list[str]],
        empty: str,
        *,
        sort: Callable[[Any], list[Any]] = list,
    ) -> None:
        self.name = name
        self.title = title
        self.key_of = key_of
        self.lines = lines
        self.empty = empty
        self.sort = sort


def _attention(page: Attention | None) -> list[AttentionItem]:
    return page.items if page else []


def _sessions(sessions: list[Session]) -> list[Session]:
    """Return sessions in an order that a heartbeat does not change: who waits first, then by project and name."""
    return in_order(sorted(sessions, key=lambda each: (each.project, each.name, each.session_id)))


def _what(each: Session) -> str:
    """Return what a session works on, or what it has said since it stopped working."""
    is_at_work = each.status in ("working", "active")
    return (each.current_task if is_at_work else each.detail) or each.current_task or each.detail or ""


def _session_lines(screen: Terminal, page: list[Session]) -> list[str]:
    width = screen.width or WIDE
    rows = [
        (
            status_cell(each.status, each.reason),
            each.name,
            _what(each),
            each.agent_type if width >= NARROW else "",
            short_project(each.project) if width >= NARROW else "",
            (each.branch or "") if width >= WIDE else "",
            age(each.status_since, screen.now_s),
            age(each.last_seen, screen.now_s) if width >= NARROW else "",
        )
        for each in page
    ]
    return table(screen, (STATUS, NAME, TASK, TYPE, PROJECT, BRANCH, SINCE, SEEN), rows)


def _task_lines(screen: Terminal, page: list[Task]) -> list[str]:
    width = screen.width or WIDE
    rows = [
        (
            status_of(each.status),
            each.subject,
            screen.name_of(each.offered_by) if width >= NARROW else "",
            screen.name_of(each.offered_to or ""),
            screen.name_of(each.owner or ""),
            short_project(each.project) if width >= WIDE else "",
            age(each.updated_at, screen.now_s),
        )
        for each in page
    ]
    return table(screen, (TASK_STATUS, SUBJECT, FROM, TO, OWNER, PROJECT, AGE), rows)


def _claim_lines(screen: Terminal, page: list[Claim]) -> list[str]:
    width = screen.width or WIDE
    rows = [
        (
            screen.name_of(each.session_id),
            ", ".join(each.paths),
            each.intent,
            short_project(each.project) if width >= WIDE else "",
            claim_state(each),
            time_left(screen, each),
        )
        for each in page
    ]
    return table(screen, (HOLDER, PATHS, FOR, PROJECT, STATE, ENDS_IN), rows)


def _memory_lines(screen: Terminal, page: list[MemoryHit]) -> list[str]:
    rows = [
        (
            each.key,
            each.type,
            str(each.version),
            screen.name_of(each.session_id),
            age(each.created_at, screen.now_s),
            each.line,
        )
        for each in page
    ]
    return table(screen, (KEY, ENTRY_TYPE, VERSION, AUTHOR, AGE, LINE), rows)


def _activity_lines(screen: Terminal, page: list[Event]) -> list[str]:
    return [screen.paint("TIME      WHAT", "grey"), *(activity_line(screen, each) for each in page)]


def _news(events: list[Event]) -> list[Event]:
    return [each for each in events if not each.kind.startswith(ACTIVITY_NOISE)]


VIEWS = (
    View("attention", "Attention", lambda each: str(each.item_id), items, "All clear.", sort=_attention),
    View(
        "sessions",
        "Sessions",
        lambda each: str(each.session_id),
        _session_lines,
        "No session is here. Connect your coding agents: hallway install",
        sort=_sessions,
    ),
    View("tasks", "Tasks", lambda each: str(each.task_id), _task_lines, "No task is open. Press n to offer one."),
    View("claims", "Claims", lambda each: str(each.claim_id), _claim_lines, "Nothing is claimed."),
    View("memory", "Memory", lambda each: str(each.key), _memory_lines, "No matching entries."),
    View("events", "Activity", lambda each: str(each.seq), _activity_lines, "Nothing has happened yet.", sort=_news),
)


def matching(records: Sequence[Record], words: str) -> list[Record]:
    """Return the records that contain all of the words, in whichever field."""
    wanted = words.lower().split()
    return [each for each in records if all(word in encode(each).lower() for word in wanted)] if wanted else [*records]
