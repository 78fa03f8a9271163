"""The page's paths: each page as HTML, as the part of it that lives, and as JSON; its files; its forms."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from copy import copy
from typing import TYPE_CHECKING, Any

from hallway.errors import HallwayError
from hallway.here import current_user
from hallway.hub.http import encode_json, header, parse_query, respond, respond_error
from hallway.hub.visitor import visitor_of
from hallway.model import PERSON
from hallway.web import forms
from hallway.web.chronicle import Chronicle
from hallway.web.login import LINK, LOGIN, LOGOUT, LoginEndpoint
from hallway.web.names import Names
from hallway.web.pages import PAGES
from hallway.web.render import Renderer, address
from hallway.web.static_files import StaticFiles
from hallway.web.writing import WRITES

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.authority import Principal
    from hallway.hub.keyring import Keyring
    from hallway.hub.paths import Paths
    from hallway.hub.visitor import Visitor
    from hallway.web.asking import Ask
    from hallway.web.pages import Page
    from hallway.web.writing import Write

HTML = (b"content-type", b"text/html; charset=utf-8")
NO_STORE = (b"cache-control", b"no-store")
VARY = (b"vary", b"hx-request")  # the same address gives the whole page, or its living part to the page's own script
NOBODY = "owner"
MOST_READERS = 50  # tokens whose view of the bus is kept


class Site:
    """What pages share: how to ask the bus, what happened lately, who is looking."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.chronicle = Chronicle(ask)
        self.names = Names(ask)
        self.files = StaticFiles()
        self.renderer = Renderer(self.files)
        # A slash would make it no party's name.
        self.person = PERSON + (current_user() or NOBODY).replace("/", "-")
        self._others: OrderedDict[str, Site] = OrderedDict()

    def seen_by(self, visitor: Visitor) -> Site:
        """The site as one token's bearer sees it: what it remembers is asked for, and kept, for that one alone."""
        grant = visitor.grant
        if grant is None:
            return self
        token = grant.token_digest
        if token not in self._others:
            other = self._others[token] = copy(self)
            other.ask = self.ask.on_behalf_of(visitor)
            other.chronicle, other.names = Chronicle(other.ask), Names(other.ask)
            other.person = grant.principal.person
            if len(self._others) > MOST_READERS:
                self._others.popitem(last=False)
        self._others.move_to_end(token)
        return self._others[token]

    @property
    def principal(self) -> Principal | None:
        """Whose token the reader has; None for the owner of the bus."""
        return self.ask.visitor.principal

    def mount(self, paths: Paths, keyring: Callable[[], Keyring]) -> None:
        for page in PAGES:
            paths.add("GET", page.path, PageEndpoint(self, page))
            paths.add("GET", page.twin, TwinEndpoint(self, page))
        for write in WRITES:
            paths.add("POST", write.path, WriteEndpoint(self, write))
        paths.add("GET", "/page/static/{digest}/{name}", self.files)
        login = LoginEndpoint(self.renderer, keyring)
        paths.add("POST", LINK, login.link)
        paths.add("GET", LOGIN, login.show)
        paths.add("POST", LOGIN, login.enter)
        paths.add("POST", LOGOUT, login.leave)

    async def data(self, page: Page, scope: Scope) -> tuple[dict[str, str], dict[str, Any]]:
        """What was asked of a page, and what it shows to who asks."""
        query = {name: value.strip() for name, value in parse_query(scope).items()}
        await self.chronicle.read_on()
        return query, await page.show(self, query)


class PageEndpoint:
    """A page as HTML: whole, or its living part for the script that keeps it up to date."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = forms.token_of(scope)
        token = known or forms.new_token()
        headers = [HTML, NO_STORE, VARY, *(() if known else [forms.cookie_header(token)])]
        site = self._site.seen_by(visitor_of(scope))
        try:
            query, shown = await site.data(self._page, scope)
            name, status = self._page.name, 200
        except HallwayError as error:
            name, status, query, shown = "error", error.status, {}, {"error": error}
        data = {**self._around(site, token, query), **shown}
        is_part = header(scope, b"hx-request") == b"true"
        make = self._site.renderer.live if is_part else self._site.renderer.page
        # On a thread: other requests go on while a long page is written.
        body = await asyncio.to_thread(make, name, data)
        await respond(send, body, status, tuple(headers))

    def _around(self, site: Site, token: str, query: dict[str, str]) -> dict[str, Any]:
        """What every template knows."""
        page = self._page
        return {
            "page": page, "pages": [each for each in PAGES if each.in_menu], "query": query, "token": token,
            "twin": address(page.twin, **query), "now_s": time.time(), "seq": site.chronicle.seq,
            "person": site.person, "names": {}, "principal": site.principal, "logout": LOGOUT,
        }  # fmt: skip


class TwinEndpoint:
    """The same page as JSON."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _, shown = await self._site.seen_by(visitor_of(scope)).data(self._page, scope)
        except HallwayError as error:
            await respond_error(send, error)
            return
        await respond(send, encode_json(shown), headers=((b"content-type", b"application/json"), NO_STORE))


class WriteEndpoint:
    """A form of the page's own: what came of it as a line, or the page that shows it."""

    def __init__(self, site: Site, write: Write) -> None:
        self._site = site
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 200
        data: dict[str, Any] = {"error": None, "said": None}
        where = "/"
        try:
            fields = await forms.read_form(scope, receive)
            data["said"], where = await self._write.run(self._site.seen_by(visitor_of(scope)), fields)
        except HallwayError as error:
            status, data["error"] = error.status, error
        if header(scope, b"hx-request") == b"true":
            # The script shows errors where the form is; their status is in the text.
            body = await asyncio.to_thread(self._site.renderer.page, "said", data)
            await respond(send, body, status, (HTML, NO_STORE))
        elif data["error"]:
            await respond_error(send, data["error"])
        else:
            await respond(send, b"", 303, ((b"location", where.encode()), NO_STORE))
