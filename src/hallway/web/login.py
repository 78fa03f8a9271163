"""Logging in to the page, where the hub demands tokens: a form, a cookie that no script reads, a way out.

The cookie holds the token itself, so that every hub knows it and revoking the token ends it. It opens the page and
what the page reads; it writes nothing but the page's own forms, which carry a secret of this browser (forms.py).
"""

from __future__ import annotations

import asyncio
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from hallway.errors import HallwayError
from hallway.hub.http import header, parse_query, respond
from hallway.web import forms

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hallway.web.render import Renderer

LOGIN, LOGOUT = "/page/login", "/page/logout"
COOKIE = "hallway_login"
PREFIX = "/page/"
HTML = (b"content-type", b"text/html; charset=utf-8")
READS = ("GET", "HEAD")


def token_of(scope: Scope) -> bytes:
    """The token of a request that may use the login's cookie: one that reads, or a form of the page's own."""
    if scope["method"] not in READS and not scope["path"].startswith(PREFIX):
        return b""
    try:
        found = SimpleCookie(header(scope, b"cookie").decode("latin-1")).get(COOKIE)
    except CookieError:
        return b""
    return found.value.encode("latin-1") if found else b""


def is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page, which somebody who is not logged in is sent away from."""
    path = scope["path"]
    is_one = path == "/" or (path.startswith(PREFIX) and not path.endswith(".json"))
    return scope["method"] in READS and is_one and header(scope, b"hx-request") != b"true"


def way_in(scope: Scope) -> bytes:
    """Where to log in, and come back to what was asked for."""
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return f"{LOGIN}?to={quote(wanted, safe='')}".encode()


class LoginEndpoint:
    """The form, what it does, and the way out."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            wanted = _own_path(parse_query(scope).get("to", "/"))
        except HallwayError:
            wanted = "/"
        await self._form(scope, send, 200, wanted, None)

    async def enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Try the token, and keep it in the cookie."""
        wanted = "/"
        try:
            fields = await forms.read_form(scope, receive)
            wanted = _own_path(fields.get("to", "/"))
            token = fields.get("secret", "").strip()
            await scope["try_token"](token.encode())
        except HallwayError as error:
            await self._form(scope, send, error.status, wanted, error)
            return
        await _go(send, wanted, f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{_secure(scope)}")

    async def leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await forms.read_form(scope, receive)
        except HallwayError as error:
            await self._form(scope, send, error.status, "/", error)
            return
        await _go(send, LOGIN, f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{_secure(scope)}")

    async def _form(self, scope: Scope, send: Send, status: int, wanted: str, error: HallwayError | None) -> None:
        known = forms.token_of(scope)
        token = known or forms.new_token()
        data = {"token": token, "to": wanted, "error": error, "login": LOGIN}
        body = await asyncio.to_thread(self._renderer.page, "login", data)
        await respond(send, body, status, (HTML, *(() if known else [forms.cookie_header(token)])))


async def _go(send: Send, where: str, cookie: str) -> None:
    await respond(send, b"", 303, ((b"location", where.encode()), (b"set-cookie", cookie.encode())))


def _own_path(wanted: str) -> str:
    """A path of this hub's own: never another site's, however it is written."""
    parts = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isascii()
    return wanted if is_own and wanted.isprintable() else "/"


def _secure(scope: Scope) -> str:
    return "; Secure" if scope["scheme"] == "https" else ""
