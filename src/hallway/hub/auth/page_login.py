"""The login cookie of the page: reading it, and redirecting a browser without a login to the login page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from hallway.hub.http import cookie, header

if TYPE_CHECKING:
    from starlette.types import Scope

LOGIN = "/page/login"
COOKIE = "hallway_login"
SECURE_COOKIE = f"__Host-{COOKIE}"  # over TLS: no other host, and no page without TLS, can set one of this name
PREFIX = "/page/"
READS = ("GET", "HEAD")


def secret_of(scope: Scope) -> bytes:
    """Return the login secret of a request's cookie, if the request reads or submits a form of the page."""
    if scope["method"] not in READS and not scope["path"].startswith(PREFIX):
        return b""
    return cookie(scope, cookie_name(scope)).encode("latin-1")


def host_of(scope: Scope) -> str:
    """Return the hub's host and port as the browser addresses it."""
    return header(scope, b"host").decode("latin-1").lower()


def is_page(scope: Scope) -> bool:
    """Return whether a browser requests a page, so that it is redirected to the login without a valid login."""
    path = scope["path"]
    is_one = path == "/" or (path.startswith(PREFIX) and not path.endswith(".json"))
    return scope["method"] in READS and is_one and header(scope, b"hx-request") != b"true"


def login_redirect(scope: Scope) -> bytes:
    """Return the login page's address, with the requested page as its return address."""
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return f"{LOGIN}?to={quote(wanted, safe='')}".encode()


def cookie_name(scope: Scope) -> str:
    return SECURE_COOKIE if scope["scheme"] == "https" else COOKIE
