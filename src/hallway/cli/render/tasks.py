"""Rendering of tasks: a table, one task in full, one line after a change."""

from __future__ import annotations

from hallway.cli.render.parts import fact_lines, indented, next_page, when
from hallway.cli.terminal import Column, table
from hallway.core.schema import encode
from hallway.text.sanitize import sanitize
from hallway.text.style import TASK_LOOKS, age, style_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Task


def status_of(status: str) -> str:
    return f"{style_of(status, TASK_LOOKS).glyph} {status}"


STATUS = Column("STATUS", colour_of=lambda cell: style_of(cell.partition(" ")[2], TASK_LOOKS).colour)
SUBJECT = Column("SUBJECT", least=16)
FROM = Column("FROM", drop=3, least=8)
TO = Column("OFFERED TO", drop=2, least=10)
OWNER = Column("OWNER", drop=1, least=8)
AGE = Column("AGE", drop=4)
TASK = Column("TASK")
FILTERS = ("project", "status", "owner", "after_id")


def tasks(screen: Terminal, page: list[Task], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each task, newest first."""
    if not page:
        nothing = "No task fits." if any(arguments.get(name) for name in FILTERS) else "No task is open."
        return [nothing, *([] if arguments.get("include_done") else ["Those that are done: hallway task list --all"])]
    rows = [
        (
            status_of(each.status),
            each.subject,
            screen.name_of(each.offered_by),
            screen.name_of(each.offered_to or ""),
            screen.name_of(each.owner or ""),
            age(each.created_at, screen.now_s),
            each.task_id,
        )
        for each in page
    ]
    lines = table(screen, (STATUS, SUBJECT, FROM, TO, OWNER, AGE, TASK), rows)
    return [*lines, *next_page(page, arguments, "after-id", page[-1].task_id)]


def task(screen: Terminal, each: Task, arguments: dict[str, Any]) -> list[str]:
    """Return everything about one task."""
    seen = style_of(each.status, TASK_LOOKS)
    facts = {
        "status": f"{status_of(each.status)} ({seen.meaning})",
        "from": screen.name_of(each.offered_by),
        "offered to": screen.name_of(each.offered_to or ""),
        "owner": screen.name_of(each.owner or ""),
        "project": each.project,
        "data": encode(each.data) if each.data else None,
        "offered": when(screen, each.created_at),
        "changed": when(screen, each.updated_at),
        "task": each.task_id,
    }
    lines = indented(screen, sanitize(each.subject), "", "bold")
    lines += fact_lines(screen, facts.items(), status=seen.colour)
    lines += ["", *_text(screen, each.body)] if each.body else []
    return lines + (["", screen.paint("result", "grey"), *_text(screen, each.result)] if each.result else [])


def _text(screen: Terminal, text: str) -> list[str]:
    return indented(screen, text, "  ")


def task_line(screen: Terminal, each: Task, arguments: dict[str, Any]) -> list[str]:
    """Return a task as one line, shown after a change of it."""
    offered_to, owner = screen.name_of(each.offered_to or ""), screen.name_of(each.owner or "")
    parties = {"offered": f"to {offered_to}", "accepted": f"by {owner}", "completed": f"by {owner}"}
    if each.status == "accepted" and each.offered_to:
        parties["accepted"] += f", who hands it to {offered_to}"
    status = screen.paint(status_of(each.status), style_of(each.status, TASK_LOOKS).colour)
    return [
        f"{status} {sanitize(parties.get(each.status, '')):s}".rstrip() + f": {sanitize(each.subject)}  {each.task_id}"
    ]


RENDERERS: dict[str, Renderer] = {
    "Task": task_line,
    "list[Task]": tasks,
    "get": task,
}
