"""The objects that the page's endpoints share: operation runner, recent activity, names of sessions, and the viewer."""

from __future__ import annotations

from collections import Counter, OrderedDict
from copy import copy
from typing import TYPE_CHECKING, Any

from hallway.core.model import OBSERVER, PERSON
from hallway.core.parties import distinct_names, sessions_in
from hallway.hub.auth.caller import Caller, OwnerWorkspace, owner_name
from hallway.hub.http import cookie, parse_query
from hallway.services.messages import CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.web.activity import ActivityLog
from hallway.web.render import Renderer, line, short_project
from hallway.web.static_files import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.types import Scope

    from hallway.core.model import InboxSummary, Session
    from hallway.core.principal import Principal
    from hallway.web.operation_runner import OperationRunner

    Show = Callable[["Site", dict[str, str]], Awaitable[dict[str, Any]]]

FIND_NAMES = SessionRegistry.operations["find_names"]
FIND_SESSIONS = SessionRegistry.operations["find_sessions"]
INBOXES = CollaborationHub.operations["inboxes"]

LOOKED_COOKIE = "hallway_looked"  # of the page's script: what the person saw last on the home page, and when
MAX_NAMES = 1000  # looked up for one page; other sessions are shown by their ids
MAX_PARTIES = 200  # sessions that a form suggests as recipients
MAX_READERS = 50  # tokens for which a site is kept in memory


class Site:
    """The page as one viewer sees it: operation runner, recent activity, and the viewer's name."""

    def __init__(self, ask: OperationRunner) -> None:
        self.person = PERSON + owner_name()
        self.ask = ask.on_behalf_of(Caller(OwnerWorkspace()))  # what attention sends is from this person, too
        self.activity = ActivityLog(ask)
        self.files = StaticFiles()
        self.renderer = Renderer(self.files)
        self._others: OrderedDict[str, Site] = OrderedDict()

    def for_caller(self, caller: Caller) -> Site:
        """Return the site of a caller's token; its activity is read and kept for that token alone."""
        grant = caller.grant
        if grant is None:
            return self
        token = grant.token_digest
        if token not in self._others:
            other = self._others[token] = copy(self)
            other.ask = self.ask.on_behalf_of(caller)
            other.activity = ActivityLog(other.ask)
            other.person = grant.principal.person
            if len(self._others) > MAX_READERS:
                self._others.popitem(last=False)
        self._others.move_to_end(token)
        return self._others[token]

    @property
    def principal(self) -> Principal | None:
        """Return the principal of the viewer's token; None for the owner of the bus."""
        return self.ask.caller.principal

    @property
    def can_write(self) -> bool:
        """Return whether the viewer may act on the page: everybody but an observer."""
        return self.principal is None or self.principal.role != OBSERVER

    async def unread_total(self) -> int:
        """Return the number of messages in the viewer's inbox; an observer has none."""
        summaries: list[InboxSummary] = await self.ask(INBOXES, session_id=self.person) if self.can_write else []
        return summaries[0].unread if summaries else 0

    async def recipients(self, project: str | None = None) -> list[dict[str, str]]:
        """Return the live sessions as recipients that a form suggests: each with a reference, and what it works on."""
        sessions: list[Session] = await self.ask(FIND_SESSIONS, project=project, limit=MAX_PARTIES)
        names = Counter(each.name for each in sessions)
        return [
            {
                "reference": each.name if names[each.name] == 1 else each.session_id,
                "label": f"{each.agent_type} in {short_project(each.project)}"
                + (f": {line(each.current_task)}" if each.current_task else ""),
            }
            for each in sessions
        ]

    def projects(self, *more: str | None) -> list[str]:
        """Return the projects that a filter offers: those with recent events, and those given."""
        return sorted({*self.activity.projects, *filter(None, more)})

    async def names_of(self, shown: Iterable[object]) -> dict[str, str]:
        """Return the names of the sessions in the records or addresses that a page shows, by the sessions' ids."""
        ids = sorted(sessions_in(list(shown)))[:MAX_NAMES]
        labels = await self.ask(FIND_NAMES, session_ids=ids) if ids else []
        return distinct_names(labels)

    async def data(self, show: Show, scope: Scope) -> tuple[dict[str, str], dict[str, Any]]:
        """Return a page request's query, and the page's data for it."""
        query = {name: value.strip() for name, value in parse_query(scope).items()}
        await self.activity.read_on()
        return query, await show(self, {"looked": cookie(scope, LOOKED_COOKIE), **query})
