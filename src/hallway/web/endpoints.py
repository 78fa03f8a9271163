"""The page's HTTP endpoints: each page as HTML, as its live part and as JSON; static files; forms."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from hallway.core.errors import HallwayError, Refused
from hallway.hub.auth.caller import caller_of
from hallway.hub.auth.page_login import LOGIN
from hallway.hub.http import cookie, encode_json, header, respond, respond_error
from hallway.hub.router import not_found, nothing_there
from hallway.web import forms
from hallway.web.actions import WRITES
from hallway.web.headlines import PATH as HEADLINES
from hallway.web.headlines import HeadlinesEndpoint
from hallway.web.login import LINK, LOGOUT, LoginEndpoint
from hallway.web.memory_actions import MEMORY_WRITES
from hallway.web.operation_runner import OperationRunner
from hallway.web.pages.catalog import PAGES
from hallway.web.render import address
from hallway.web.site import Site
from hallway.web.task_actions import TASK_WRITES

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.hub.auth.token_cache import TokenCache
    from hallway.hub.router import PathRouter
    from hallway.hub.workers.reader import Reader
    from hallway.hub.workers.writer import Writer
    from hallway.web.actions import Action
    from hallway.web.pages.catalog import Page

HTML = (b"content-type", b"text/html; charset=utf-8")
PROJECT_COOKIE = "hallway_project"  # the project that was chosen last on a page with a filter
NO_STORE = (b"cache-control", b"no-store")
VARY = (b"vary", b"hx-request")  # one address returns the whole page, or only its live part for the page's script


def mount_page(paths: PathRouter, reader: Reader, writer: Writer, token_cache: Callable[[], TokenCache]) -> None:
    """Add the page's endpoints to a hub."""
    site = Site(OperationRunner(reader, writer))
    for page in PAGES:
        paths.add("GET", page.path, PageEndpoint(site, page))
        paths.add("GET", page.twin, JsonEndpoint(site, page))
    for write in (*WRITES, *TASK_WRITES, *MEMORY_WRITES):
        paths.add("POST", write.path, WriteEndpoint(site, write))
    paths.add("GET", HEADLINES, HeadlinesEndpoint(site))
    paths.add("GET", "/page/static/{digest}/{name}", site.files)
    login = LoginEndpoint(site.renderer, token_cache)
    paths.add("POST", LINK, login.link)
    paths.add("GET", LOGIN, login.show)
    paths.add("POST", LOGIN, login.enter)
    paths.add("POST", LOGOUT, login.leave)
    paths.otherwise = UnknownPageEndpoint(site)


class PageEndpoint:
    """A page as HTML: the whole page, or only its live part for the page's script."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        csrf_token = forms.csrf_token(scope)
        token = csrf_token or forms.new_token()
        headers = [HTML, NO_STORE, VARY, *(() if csrf_token else [forms.cookie_header(token)])]
        held = cookie(scope, PROJECT_COOKIE)
        site = self._site.for_caller(caller_of(scope))
        try:
            query, context = await site.data(self._page.show, scope)
            name, status = self._page.name, 200
        except HallwayError as error:
            name, status, query, context = "error", error.status, {}, {"error": error}
        if self._page.has_filter and status == 200 and held != (chosen := quote(query.get("project", ""), safe="")):
            held = chosen
            headers.append((b"set-cookie", f"{PROJECT_COOKIE}={held}; Path=/; SameSite=Strict".encode()))
        data = {**await common_variables(site, self._page, token, unquote(held), query), **context}
        make = self._site.renderer.live if _is_of_script(scope) else self._site.renderer.page
        # Rendered in a thread, so that a long page does not delay other requests.
        body = await asyncio.to_thread(make, name, data)
        await respond(send, body, status, tuple(headers))


async def common_variables(
    site: Site, page: Page, token: str, held_project: str, query: dict[str, str]
) -> dict[str, Any]:
    """Return the variables that every template uses; `held_project` is the filter that the menu's links keep."""
    return {
        "page": page,
        "pages": [each for each in PAGES if each.in_menu],
        "held_project": held_project,
        "token": token,
        "twin": address(page.twin, **query),
        "now_s": time.time(),
        "seq": site.activity.seq,
        "person": site.person,
        "can_write": site.can_write,
        "inbox_unread": await site.unread_total(),
        "names": {},
        "principal": site.principal,
        "logout": LOGOUT,
    }


class UnknownPageEndpoint:
    """The answer to a path that is not there: a page for browsers, else JSON as for every error."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_for_page = b"text/html" in header(scope, b"accept") or _is_of_script(scope)
        if scope["method"] not in ("GET", "HEAD") or not is_for_page:
            await nothing_there(scope, receive, send)
            return
        token = forms.csrf_token(scope) or ""
        around = await common_variables(self._site.for_caller(caller_of(scope)), PAGES[0], token, "", {})
        error = not_found(scope)
        make = self._site.renderer.live if _is_of_script(scope) else self._site.renderer.page
        body = await asyncio.to_thread(make, "error", {**around, "error": error})
        await respond(send, body, error.status, (HTML, NO_STORE, VARY))


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
        site, fields = self._site.for_caller(caller_of(scope)), {}
        try:
            fields = await forms.read_form(scope, receive)
            done, where = await self._write.run(site, fields)
        except HallwayError as error:
            await self._fail(site, fields, error, scope, send)
            return
        if _is_of_script(scope):
            undo = {"path": self._write.undo, "fields": fields} if self._write.undo else None
            await self._answer(send, 200, {"error": None, "done": done, "undo": undo})
        else:
            await respond(send, b"", 303, ((b"location", where.encode()), NO_STORE))

    async def _fail(self, site: Site, fields: dict[str, str], error: HallwayError, scope: Scope, send: Send) -> None:
        """Tell of an error: beside the form, on the form's own page, or as JSON to what is no browser."""
        if _is_of_script(scope):
            await self._answer(send, error.status, {"error": error, "done": None, "undo": None})
        elif b"text/html" not in header(scope, b"accept"):
            await respond_error(send, error)
        else:
            name, data = "error", {"error": error}
            if self._write.again and not isinstance(error, Refused):
                name, data = self._write.page, await self._write.again(site, fields, error)
            page = next(each for each in PAGES if each.name == (self._write.page or "home"))
            around = await common_variables(site, page, forms.csrf_token(scope) or "", "", {})
            body = await asyncio.to_thread(site.renderer.page, name, {**around, **data})
            await respond(send, body, error.status, (HTML, NO_STORE))

    async def _answer(self, send: Send, status: int, data: dict[str, Any]) -> None:
        """Answer the page's script with a line to show; the script shows an error beside the form."""
        body = await asyncio.to_thread(self._site.renderer.page, "action_result", data)
        await respond(send, body, status, (HTML, NO_STORE))


def _is_of_script(scope: Scope) -> bool:
    return header(scope, b"hx-request") == b"true"
