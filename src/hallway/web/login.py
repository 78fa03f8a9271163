"""Logging in to the page, where the hub demands tokens: a form, a cookie that no script reads, a way out.

The cookie holds the random id of a login (`services/logins.py`), not the token: a browser sends it to every other port
of the host, too. It opens the page and what the page reads at this hub; it writes nothing but the page's own forms,
which carry a secret of this browser (forms.py). `hallway open` gets a link that shows the form with a one-time code in
place of the token; following a link logs nobody in, sending its form does.
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
    """The form, what it does, and the way out."""

    def __init__(self, renderer: Renderer, keyring: Callable[[], TokenCache]) -> None:
        self._renderer = renderer
        self._keyring = keyring

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            query = parse_query(scope)
        except HallwayError:
            query = {}
        await self._form(scope, send, 200, _own_path(query.get("to", "/")), None, query.get("code", ""))

    async def enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log in with the token or the code of a link, and keep the login's secret in the cookie."""
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
        """End the login at the hub, so that nobody who has its secret is let in, and forget the cookie."""
        try:
            await forms.read_form(scope, receive)
            if (grant := scope["grant"]) is not None:
                await self._keyring().end_login(grant)
        except HallwayError as error:
            await self._form(scope, send, error.status, "/", error)
            return
        await _go(send, LOGIN, f"{cookie_name(scope)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{_secure(scope)}")

    async def link(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make a link that logs a browser in with the token of the request; the hub's own user needs none."""
        grant = scope["grant"]
        try:
            if grant is not None and grant.opened is not None:
                raise Refused("a login makes no links: they would outlive it", hint="Use the token: hallway open")
            code = "" if grant is None else await self._keyring().make_link(grant)
        except HallwayError as error:
            await respond_error(send, error)
            return
        await respond(send, encode_json({"path": f"{LOGIN}?code={code}" if code else "/"}))

    async def _form(
        self, scope: Scope, send: Send, status: int, wanted: str, error: HallwayError | None, code: str = ""
    ) -> None:
        known = forms.csrf_token(scope)
        token = known or forms.new_token()
        data = {"token": token, "to": wanted, "error": error, "login": LOGIN, "code": code}
        body = await asyncio.to_thread(self._renderer.page, "login", data)
        await respond(send, body, status, (HTML, *(() if known else [forms.cookie_header(token)])))


async def _go(send: Send, where: str, cookie: str) -> None:
    await respond(send, b"", 303, ((b"location", where.encode()), (b"set-cookie", cookie.encode())))


def _own_path(wanted: str) -> str:
    """Return a path of this hub's own: never another site's, however it is written."""
    parts = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isascii()
    return wanted if is_own and wanted.isprintable() else "/"


def _secure(scope: Scope) -> str:
    return "; Secure" if scope["scheme"] == "https" else ""
