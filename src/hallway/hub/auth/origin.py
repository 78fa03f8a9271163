"""What stands before every route: is the request meant for this hub, and can it be read at all?

Host and Origin are checked so that no page on the web can reach a hub on loopback through its reader's browser (DNS
rebinding). Sources: the HTML standard's origin, and CWE-350.

Every answer says what a browser may do with it: nothing but this hub's own files, in no other page's frame.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError, InvalidInput, Refused
from hallway.core.schema import quote_value
from hallway.hub.http import respond_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: with that a browser says `Origin: null` of the page's own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY_ADDRESS = "*"  # among a hub's names: any address in figures, which no rebinding can make a browser send
# Headers that decide whose a request is, and whom it is for.
ONCE = frozenset(
    [
        b"host",
        b"origin",
        b"authorization",
        b"cookie",
        b"sec-fetch-site",
        b"last-event-id",
        b"x-hallway-token",
        b"hallway-session",
        b"hallway-here",
        b"mcp-protocol-version",
        b"mcp-method",
        b"mcp-name",
    ]
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


class OriginMiddleware:
    """Passes on the requests that name this hub as their host and, if any, their origin."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = LOOPBACK_NAMES, *, is_secure: bool = False) -> None:
        self._app = app
        self._hosts = hosts
        self._scheme = "https" if is_secure else "http"
        self._headers = (*HEADERS, *((STRICT_TRANSPORT,) if is_secure else ()))
        self._passed: set[tuple[bytes, bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in self._headers if each[0] not in said)]
            await send(message)

        try:
            self._check(scope)
        except HallwayError as error:
            await respond_error(send_with_headers, error)
            return
        await self._app(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in ONCE:
                if name in found:  # one part of the hub would believe the first, another one the last
                    raise InvalidInput(f"the request has two headers {name.decode()}", hint="Send one of them")
                found[name] = value
        host, origin = found.get(b"host", b""), found.get(b"origin", b"")
        if (host, origin) not in self._passed:
            self._check_names(host.decode("latin-1"), origin.decode("latin-1"))
            if len(self._passed) < 1000:
                self._passed.add((host, origin))

    def _check_names(self, host: str, origin: str) -> None:
        name = _without_port(host)
        if name not in self._hosts and not (ANY_ADDRESS in self._hosts and _is_address(name)):
            raise Refused(f"the request is for the host {quote_value(host)}, which is not this hub's name")
        if origin and origin != f"{self._scheme}://{host}":
            raise Refused(f"the request comes from a page of {quote_value(origin)}, not from this hub's own")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
