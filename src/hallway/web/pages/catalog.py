"""The catalogue of pages: each with its path and the function for its data. Its template has the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hallway.web.pages import attention_list, claims, events, memory, sessions, tasks, threads

if TYPE_CHECKING:
    from hallway.web.site import Show


class Page(NamedTuple):
    """A page; `watches` lists the nouns whose events change its content."""

    name: str
    title: str
    show: Show
    watches: str
    in_menu: bool = True
    has_filter: bool = False  # by project, which the menu's links then keep

    @property
    def path(self) -> str:
        return "/" if self.name == "home" else f"/page/{self.name}"

    @property
    def twin(self) -> str:
        """Return the path of the page's data as JSON."""
        return f"/page/{self.name}.json"


PAGES = (
    Page("home", "Sessions", sessions.home, "session message task attention", has_filter=True),
    Page("session", "Session", sessions.session, "session message task memory", in_menu=False),
    Page(
        "attention",
        "Needs attention",
        attention_list.attention,
        "session message task attention",
        in_menu=False,
        has_filter=True,
    ),
    Page("inbox", "Inbox", sessions.inbox, "message"),
    Page("messages", "Messages", threads.messages, "message", has_filter=True),
    Page("thread", "Thread", threads.thread, "message", in_menu=False),
    Page("compose", "New message", threads.compose, "", in_menu=False),
    Page("tasks", "Tasks", tasks.tasks, "task", has_filter=True),
    Page("task", "Task", tasks.task, "task message", in_menu=False),
    Page("claims", "Claims", claims.claims, "claim session conflict", has_filter=True),
    Page("memory", "Memory", memory.memory, "memory", has_filter=True),
    Page("entry", "Entry", memory.entry, "memory", in_menu=False),
    Page("edit", "Edit", memory.edit, "", in_menu=False),
    Page("events", "Events", events.events, "*", has_filter=True),
    Page("stats", "Stats", events.stats, "*", has_filter=True),
)
