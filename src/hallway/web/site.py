"""The objects that the page's endpoints share: operation runner, recent activity, names of sessions, and the viewer."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from typing import TYPE_CHECKING, Any

from hallway.core.model import PERSON
from hallway.core.parties import distinct_names, sessions_in
from hallway.hub.http import parse_query
from hallway.local.workspace import current_user
from hallway.services.sessions import SessionRegistry
from hallway.web.activity import ActivityLog
from hallway.web.render import Renderer
from hallway.web.static_files import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.types import Scope

    from hallway.core.principal import Principal
    from hallway.hub.auth.caller import Caller
    from hallway.web.operation_runner import OperationRunner

    Show = Callable[["Site", dict[str, str]], Awaitable[dict[str, Any]]]

FIND_NAMES = SessionRegistry.operations["find_names"]

NOBODY = "owner"
MAX_NAMES = 1000  # looked up for one page; other sessions are shown by their ids
MAX_READERS = 50  # tokens for which a site is kept in memory


class Site:
    """The page as one viewer sees it: operation runner, recent activity, and the viewer's name."""

    def __init__(self, ask: OperationRunner) -> None:
        self.ask = ask
        self.activity = ActivityLog(ask)
        self.files = StaticFiles()
        self.renderer = Renderer(self.files)
        # A party's name cannot contain a slash.
        self.person = PERSON + (current_user() or NOBODY).replace("/", "-")
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

    async def names_of(self, shown: Iterable[object]) -> dict[str, str]:
        """Return the names of the sessions in the records or addresses that a page shows, by the sessions' ids."""
        ids = sorted(sessions_in(list(shown)))[:MAX_NAMES]
        labels = await self.ask(FIND_NAMES, session_ids=ids) if ids else []
        return distinct_names(labels)

    async def data(self, show: Show, scope: Scope) -> tuple[dict[str, str], dict[str, Any]]:
        """Return a page request's query, and the page's data for it."""
        query = {name: value.strip() for name, value in parse_query(scope).items()}
        await self.activity.read_on()
        return query, await show(self, query)
