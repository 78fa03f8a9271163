"""Login and logout of the page, for hubs that require tokens: a form, and a cookie that scripts cannot read.

The cookie holds the random secret of a login (`services/logins.py`) and not the token, because a browser also sends it
to every other port of the host. The cookie allows reading the page and submitting the page's forms, which carry a
secret of this browser (forms.py), and nothing else. `hallway open` gets a link that shows the form with a one-time code
instead of a token. Opening the link does not log in; submitting its form does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hallway.core.errors import HallwayError, Refused
from hallway.hub.auth.page_login import (
    LOGIN,
    cookie_name,
)
from hallway.hub.http import encode_json, parse_query, respond, respond_error
from hallway.web import forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.hub.auth.token_cache import TokenCache
    from hallway.web.render import Renderer

LOGOUT = "/page/logout"
LINK = "/page/link"
HTML = (b"content-type", b"text/html; charset=utf-8")


class LoginEndpoint:
    """The endpoints for login, logout and one-time links."""

    def __init__(self, renderer: Renderer, token_cache: Callable[[], TokenCache]) -> None:
        self._renderer = renderer
        self._token_cache = token_cache

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            query = parse_query(scope)
        except HallwayError:
            query = {}
        await self._form(scope, send, 200, _own_path(query.get("to", "/")), None, query.get("code", ""))

    async def enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log in with a token or a link's code, and set the cookie to the login's secret."""
        wanted = "/"
        try:
            fields = await forms.read_form(scope, receive)
            wanted = _own_path(fields.get("to", "/"))
            secret = await scope["log_in"](fields.get("secret", "").strip(), fields.get("code", ""))
        except HallwayError as error:
            await self._form(scope, send, error.status, wanted, error)
            return
        await _go(send, wanted, f"{cookie_name(scope)}={secret}; Path=/; HttpOnly; SameSite=Strict{_secure(scope)}")

    async def leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the login at the hub, so that its secret becomes invalid, and delete the cookie."""
        try:
            await forms.read_form(scope, receive)
            if (grant := scope["grant"]) is not None:
                await self._token_cache().end_login(grant)
        except HallwayError as error:
            await self._form(scope, send, error.status, "/", error)
            return
        await _go(send, LOGIN, f"{cookie_name(scope)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{_secure(scope)}")

    async def link(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make a link that logs a browser in with the request's token; the hub's own user gets a plain link."""
        grant = scope["grant"]
        try:
            if grant is not None and grant.opened is not None:
                raise Refused(
                    "a login cannot make a link: it would outlive the login", hint="Use the token: hallway open"
                )
            code = "" if grant is None else await self._token_cache().make_link(grant)
        except HallwayError as error:
            await respond_error(send, error)
            return
        await respond(send, encode_json({"path": f"{LOGIN}?code={code}" if code else "/"}))

    async def _form(
        self, scope: Scope, send: Send, status: int, wanted: str, error: HallwayError | None, code: str = ""
    ) -> None:
        csrf_token = forms.csrf_token(scope)
        token = csrf_token or forms.new_token()
        data = {"token": token, "to": wanted, "error": error, "login": LOGIN, "code": code}
        body = await asyncio.to_thread(self._renderer.page, "login", data)
        await respond(send, body, status, (HTML, *(() if csrf_token else [forms.cookie_header(token)])))


async def _go(send: Send, where: str, cookie: str) -> None:
    await respond(send, b"", 303, ((b"location", where.encode()), (b"set-cookie", cookie.encode())))


def _own_path(wanted: str) -> str:
    """Return the path to go to after the login; an address that could lead to another site becomes `/`."""
    parts = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isascii()
    return wanted if is_own and wanted.isprintable() else "/"


def _secure(scope: Scope) -> str:
    return "; Secure" if scope["scheme"] == "https" else ""
