"""Logging in to the page, where the hub demands tokens: a form, a cookie that no script reads, a way out.

The cookie holds the random id of a login (`services/logins.py`), not the token: a browser sends it to every other port
of the host, too. It opens the page and what the page reads at this hub; it writes nothing but the page's own forms,
which carry a secret of this browser (forms.py). `hallway open` gets a link that shows the form with a one-time code in
place of the token; following a link logs nobody in, sending its form does.
"""

from __future__ import annotations

import asyncio
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from hallway.errors import HallwayError, Refused
from hallway.hub.http import encode_json, header, parse_query, respond, respond_error
from hallway.web import forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from hallway.hub.keyring import Keyring
    from hallway.web.render import Renderer

LOGIN, LOGOUT = "/page/login", "/page/logout"
COOKIE = "hallway_login"
SECURE_COOKIE = f"__Host-{COOKIE}"  # over TLS: no other host, and no page without TLS, can set one of this name
LINK = "/page/link"
PREFIX = "/page/"
HTML = (b"content-type", b"text/html; charset=utf-8")
READS = ("GET", "HEAD")


def secret_of(scope: Scope) -> bytes:
    """The login of a request that may use its cookie: one that reads, or a form of the page's own."""
    if scope["method"] not in READS and not scope["path"].startswith(PREFIX):
        return b""
    try:
        found = SimpleCookie(header(scope, b"cookie").decode("latin-1")).get(_cookie(scope))
    except CookieError:
        return b""
    return found.value.encode("latin-1") if found else b""


def host_of(scope: Scope) -> str:
    """The hub as the browser calls it: the host with its port."""
    return header(scope, b"host").decode("latin-1").lower()


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

    def __init__(self, renderer: Renderer, keyring: Callable[[], Keyring]) -> None:
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
        await _go(send, wanted, f"{_cookie(scope)}={secret}; Path=/; HttpOnly; SameSite=Strict{_secure(scope)}")

    async def leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the login at the hub, so that nobody who has its secret is let in, and forget the cookie."""
        try:
            await forms.read_form(scope, receive)
            if (grant := scope["grant"]) is not None:
                await self._keyring().end_login(grant)
        except HallwayError as error:
            await self._form(scope, send, error.status, "/", error)
            return
        await _go(send, LOGIN, f"{_cookie(scope)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{_secure(scope)}")

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
        known = forms.token_of(scope)
        token = known or forms.new_token()
        data = {"token": token, "to": wanted, "error": error, "login": LOGIN, "code": code}
        body = await asyncio.to_thread(self._renderer.page, "login", data)
        await respond(send, body, status, (HTML, *(() if known else [forms.cookie_header(token)])))


async def _go(send: Send, where: str, cookie: str) -> None:
    await respond(send, b"", 303, ((b"location", where.encode()), (b"set-cookie", cookie.encode())))


def _own_path(wanted: str) -> str:
    """A path of this hub's own: never another site's, however it is written."""
    parts = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isascii()
    return wanted if is_own and wanted.isprintable() else "/"


def _cookie(scope: Scope) -> str:
    return SECURE_COOKIE if scope["scheme"] == "https" else COOKIE


def _secure(scope: Scope) -> str:
    return "; Secure" if scope["scheme"] == "https" else ""
