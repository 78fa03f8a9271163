"""The task board, and the page of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.core.errors import MessageNotFound
from hallway.services.messages import CollaborationHub
from hallway.services.tasks import TaskBoard
from hallway.web.pages.threads import MAX_IN_THREAD, in_tree

if TYPE_CHECKING:
    from hallway.core.model import Task, Thread
    from hallway.web.site import Site

LIST = TaskBoard.operations["list_tasks"]
GET = TaskBoard.operations["get"]
THREAD = CollaborationHub.operations["get_conversation"]

MAX_SHOWN = 200  # of each status
DONE = 50


async def tasks(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the task board: open tasks by status, and the tasks done last."""
    wanted = {name: query.get(name, "") for name in ("project", "q")}
    project = wanted["project"] or None
    tasks: dict[str, list[Task]] = {}
    for status, limit in (("offered", MAX_SHOWN), ("accepted", MAX_SHOWN), ("completed", DONE), ("cancelled", DONE)):
        all_of_it = await site.ask(LIST, project=project, status=status, limit=limit)
        tasks[status] = [each for each in all_of_it if _fits(each, wanted)]
    mine = [each for each in tasks["accepted"] if not each.offered_to]
    handed = [each for each in tasks["accepted"] if each.offered_to]
    done = sorted([*tasks["completed"], *tasks["cancelled"]], key=lambda each: each.updated_at, reverse=True)
    listed = [*tasks["offered"], *tasks["accepted"], *done[:DONE]]
    return {
        "filters": wanted,
        "names": await site.names_of(listed),
        "is_filtered": any(wanted.values()),
        "choices": {"project": site.projects(wanted["project"])},
        "recipients": await site.recipients(project),
        "columns": [
            {"name": "Offered", "status": "offered", "tasks": tasks["offered"]},
            {"name": "Accepted", "status": "accepted", "tasks": mine},
            {"name": "Handed over", "status": "handoff", "tasks": handed},
            {"name": "Done", "status": "completed", "tasks": done[:DONE]},
        ],
    }


def _fits(task: Task, wanted: dict[str, str]) -> bool:
    text = wanted["q"].casefold()
    texts = (task.subject, task.body, task.offered_by, task.owner or "", task.offered_to or "")
    return not text or any(text in each.casefold() for each in texts)


async def task(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of a task's page: the task and its messages."""
    task: Task = await site.ask(GET, task_id=query.get("id", ""))
    thread: Thread | None = None
    try:
        thread = await site.ask(THREAD, message_id=task.task_id, limit=MAX_IN_THREAD)
    except MessageNotFound:
        pass  # the messages were pruned; the task still exists
    return {
        "task": task,
        "tree": in_tree(thread, site.person) if thread else [],
        "recipients": await site.recipients(task.project),
        "names": await site.names_of([task, thread]),
    }
