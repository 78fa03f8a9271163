"""The page's HTTP endpoints: each page as HTML, as its live part and as JSON; static files; forms."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hallway.core.errors import HallwayError
from hallway.hub.auth.caller import caller_of
from hallway.hub.auth.page_login import LOGIN
from hallway.hub.http import encode_json, header, respond, respond_error
from hallway.web import forms
from hallway.web.actions import WRITES
from hallway.web.login import LINK, LOGOUT, LoginEndpoint
from hallway.web.operation_runner import OperationRunner
from hallway.web.pages.catalog import PAGES
from hallway.web.render import address
from hallway.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.hub.auth.token_cache import TokenCache
    from hallway.hub.router import PathRouter
    from hallway.hub.workers.writer import Reader, Writer
    from hallway.web.actions import Action
    from hallway.web.pages.catalog import Page

HTML = (b"content-type", b"text/html; charset=utf-8")
NO_STORE = (b"cache-control", b"no-store")
VARY = (b"vary", b"hx-request")  # one address returns the whole page, or only its live part for the page's script


def mount_page(paths: PathRouter, reader: Reader, writer: Writer, token_cache: Callable[[], TokenCache]) -> None:
    """Add the page's endpoints to a hub."""
    site = Site(OperationRunner(reader, writer))
    for page in PAGES:
        paths.add("GET", page.path, PageEndpoint(site, page))
        paths.add("GET", page.twin, JsonEndpoint(site, page))
    for write in WRITES:
        paths.add("POST", write.path, WriteEndpoint(site, write))
    paths.add("GET", "/page/static/{digest}/{name}", site.files)
    login = LoginEndpoint(site.renderer, token_cache)
    paths.add("POST", LINK, login.link)
    paths.add("GET", LOGIN, login.show)
    paths.add("POST", LOGIN, login.enter)
    paths.add("POST", LOGOUT, login.leave)


class PageEndpoint:
    """A page as HTML: the whole page, or only its live part for the page's script."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        csrf_token = forms.csrf_token(scope)
        token = csrf_token or forms.new_token()
        headers = [HTML, NO_STORE, VARY, *(() if csrf_token else [forms.cookie_header(token)])]
        site = self._site.for_caller(caller_of(scope))
        try:
            query, context = await site.data(self._page.show, scope)
            name, status = self._page.name, 200
        except HallwayError as error:
            name, status, query, context = "error", error.status, {}, {"error": error}
        data = {**self._around(site, token, query), **context}
        is_part = header(scope, b"hx-request") == b"true"
        make = self._site.renderer.live if is_part else self._site.renderer.page
        # Rendered in a thread, so that a long page does not delay other requests.
        body = await asyncio.to_thread(make, name, data)
        await respond(send, body, status, tuple(headers))

    def _around(self, site: Site, token: str, query: dict[str, str]) -> dict[str, Any]:
        """Return the variables that every template uses."""
        page = self._page
        return {
            "page": page,
            "pages": [each for each in PAGES if each.in_menu],
            "query": query,
            "token": token,
            "twin": address(page.twin, **query),
            "now_s": time.time(),
            "seq": site.activity.seq,
            "person": site.person,
            "names": {},
            "principal": site.principal,
            "logout": LOGOUT,
        }


class JsonEndpoint:
    """A page's data as JSON."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _, context = await self._site.for_caller(caller_of(scope)).data(self._page.show, scope)
        except HallwayError as error:
            await respond_error(send, error)
            return
        await respond(send, encode_json(context), headers=((b"content-type", b"application/json"), NO_STORE))


class WriteEndpoint:
    """The target of a form: answers the page's script with a line to show, or redirects to the next page."""

    def __init__(self, site: Site, write: Action) -> None:
        self._site = site
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 200
        data: dict[str, Any] = {"error": None, "said": None}
        where = "/"
        try:
            fields = await forms.read_form(scope, receive)
            data["said"], where = await self._write.run(self._site.for_caller(caller_of(scope)), fields)
        except HallwayError as error:
            status, data["error"] = error.status, error
        if header(scope, b"hx-request") == b"true":
            # The script shows an error beside the form; the text contains its status.
            body = await asyncio.to_thread(self._site.renderer.page, "action_result", data)
            await respond(send, body, status, (HTML, NO_STORE))
        elif data["error"]:
            await respond_error(send, data["error"])
        else:
            await respond(send, b"", 303, ((b"location", where.encode()), NO_STORE))
