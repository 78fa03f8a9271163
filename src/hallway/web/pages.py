"""Every page: where it is, and what it shows. The templates of the same names say how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hallway.web import home, knowledge, record, talk, work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hallway.web.site import Site

    Show = Callable[[Site, dict[str, str]], Awaitable[dict[str, Any]]]


class Page(NamedTuple):
    """A page: `watches` are the nouns whose events change it."""

    name: str
    title: str
    show: Show
    watches: str
    in_menu: bool = True

    @property
    def path(self) -> str:
        return "/" if self.name == "home" else f"/page/{self.name}"

    @property
    def twin(self) -> str:
        """Where the same is as JSON."""
        return f"/page/{self.name}.json"


PAGES = (
    Page("home", "Sessions", home.home, "session message task"),
    Page("session", "Session", home.session, "session message task memory", in_menu=False),
    Page("inbox", "For you", home.inbox, "message", in_menu=False),
    Page("messages", "Messages", talk.messages, "message"),
    Page("thread", "Thread", talk.thread, "message", in_menu=False),
    Page("tasks", "Tasks", work.tasks, "task"),
    Page("task", "Task", work.task, "task message", in_menu=False),
    Page("memory", "Memory", knowledge.memory, "memory"),
    Page("entry", "Entry", knowledge.entry, "memory", in_menu=False),
    Page("events", "Events", record.events, "*"),
    Page("stats", "Stats", record.stats, "*"),
)
