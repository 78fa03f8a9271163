"""The actions of a person on tasks: offer, accept, assign, hand over, complete and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.core.model import is_session
from hallway.services.sessions import SessionRegistry
from hallway.services.tasks import TaskBoard
from hallway.text.sanitize import sanitize
from hallway.web.actions import Action, written_text
from hallway.web.render import address, party

if TYPE_CHECKING:
    from hallway.core.model import Task
    from hallway.web.site import Site

OFFER, ACCEPT, HAND_OFF, COMPLETE, CANCEL = (
    TaskBoard.operations[name] for name in ("offer", "accept", "handoff", "complete", "cancel")
)
GET_SESSION = SessionRegistry.operations["get"]


async def offer(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Offer a new task to a session, a person, a group of sessions, or everybody in a project."""
    task: Task = await site.ask(
        OFFER,
        from_session=site.person,
        to_session=fields.get("to_session", "").strip() or "*",
        subject=written_text(fields, "subject"),
        body=fields.get("body", "").replace("\r\n", "\n").strip(),
        project=fields.get("project") or None,
    )
    return f"{_title(task)} is offered to {await _called(site, task.offered_to)}.", address(
        "/page/tasks", project=fields.get("filter")
    )


async def accept(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Accept a task as its new owner."""
    task: Task = await site.ask(ACCEPT, session_id=site.person, task_id=fields.get("task_id", ""))
    return f"{_title(task)} is yours.", _page(task)


async def assign(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Give a task that is offered to everybody to one session: accept it, and hand it over."""
    to_session = fields.get("to_session", "").strip()
    if is_session(to_session):  # an unknown session is an error before the task is anybody's
        await site.ask(GET_SESSION, session_id=to_session)
    await site.ask(ACCEPT, session_id=site.person, task_id=fields.get("task_id", ""))
    return await hand_over(site, fields)


async def hand_over(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Hand an own task to a session, with a note."""
    task: Task = await site.ask(
        HAND_OFF,
        session_id=site.person,
        task_id=fields.get("task_id", ""),
        to_session=fields.get("to_session", "").strip(),
        body=fields.get("body", "").replace("\r\n", "\n").strip(),
    )
    receiver = await _called(site, task.offered_to)
    return f"{_title(task)} is handed to {receiver}; it stays yours until {receiver} accepts.", _page(task)


async def complete(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Complete an own task, with its result."""
    task: Task = await site.ask(
        COMPLETE,
        session_id=site.person,
        task_id=fields.get("task_id", ""),
        result=fields.get("result", "").replace("\r\n", "\n").strip(),
    )
    return f"{_title(task)} is completed.", _page(task)


async def cancel(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Cancel a task, with a reason for its parties."""
    task: Task = await site.ask(
        CANCEL,
        session_id=site.person,
        task_id=fields.get("task_id", ""),
        reason=fields.get("reason", "").replace("\r\n", "\n").strip(),
    )
    return f"{_title(task)} is cancelled.", _page(task)


def _title(task: Task) -> str:
    return f"“{sanitize(task.subject)}”"


def _page(task: Task) -> str:
    return address("/page/task", id=task.task_id)


async def _called(site: Site, recipient: str | None) -> str:
    """Return what to call the recipient of an offer in a sentence."""
    recipient = recipient or ""
    return (await site.names_of([recipient])).get(recipient) or party(recipient)


TASK_WRITES = (
    Action("/page/tasks/offer", offer),
    Action("/page/tasks/accept", accept),
    Action("/page/tasks/assign", assign),
    Action("/page/tasks/handoff", hand_over),
    Action("/page/tasks/complete", complete),
    Action("/page/tasks/cancel", cancel),
)
