"""The check of Host and Origin before every route: whether a request is meant for this hub.

Host and Origin are checked so that no page on the web can reach a hub on loopback through its reader's browser (DNS
rebinding). Sources: the HTML standard's origin, and CWE-350. The probes of load balancers name no host, or the hub's
address: they may name any, for their answers say nothing of the bus.

A proxy may pass the host on without its port (nginx's `$host`). The port of the Origin is then believed if the browser
itself says that the request comes from the page's own origin (Fetch Metadata), or if the hub was given its name with
that port.

Every answer says what a browser may do with it: nothing but this hub's own files, in no other page's frame. The server
adds these headers to all answers, also to those that no route gives.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from hallway.core.errors import InvalidInput, Refused
from hallway.core.schema import quote_value

if TYPE_CHECKING:
    from starlette.types import Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    # Not no-referrer: with that a browser says `Origin: null` of the page's own forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
PROBES = frozenset({"/health", "/ready"})
DEFAULT_PORTS = {"http": "80", "https": "443"}
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
HOST_HINT = (
    "Call the hub by its own address, as `hallway serve` printed it. Behind a proxy: have it pass the header Host on,"
    " and start the hub with that name: hallway serve --behind-proxy --name HOST"
)
ORIGIN_HINT = (
    "Open the page at the hub's own address. Behind a proxy: have it pass the header Host on with its port (nginx:"
    " proxy_set_header Host $http_host), or name both: hallway serve --behind-proxy --name HOST:PORT"
)
STRICT_TRANSPORT = ("strict-transport-security", "max-age=31536000")


class OriginCheck:
    """The check that a request names this hub as its host and, if any, its origin."""

    def __init__(self, hosts: frozenset[str] = LOOPBACK_NAMES, *, is_secure: bool = False) -> None:
        self._hosts = frozenset(_split_port(each)[0] for each in hosts)
        self._scheme = "https" if is_secure else "http"
        self._origins = frozenset(self._origin_of(each) for each in hosts if _split_port(each)[1])
        self.answer_headers = (*HEADERS, *((STRICT_TRANSPORT,) if is_secure else ()))
        self._passed: set[tuple[bytes, bytes, bytes]] = set()

    def check(self, scope: Scope) -> None:
        """Raise Refused for a request that is meant for another host or comes from another page, else return."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in ONCE:
                if name in headers:  # parts of the hub could disagree on which one counts
                    raise InvalidInput(f"the request has two headers {name.decode()}", hint="Send one of them")
                headers[name] = value
        host, origin, site = (headers.get(name, b"") for name in (b"host", b"origin", b"sec-fetch-site"))
        if not origin and scope["path"] in PROBES:
            return
        if (host, origin, site) not in self._passed:
            self._check_names(host.decode("latin-1"), origin.decode("latin-1"), is_same_origin=site == b"same-origin")
            if len(self._passed) < 1000:
                self._passed.add((host, origin, site))

    def _check_names(self, host: str, origin: str, *, is_same_origin: bool) -> None:
        name, port = _split_port(host)
        if name not in self._hosts and not (ANY_ADDRESS in self._hosts and _is_address(name)):
            raise Refused(
                f"the request's header Host names {quote_value(host)}, which is not a name of this hub", hint=HOST_HINT
            )
        if not origin or self._origin_of(host) == self._origin(origin):
            return
        if not port and self._is_page_of(name, origin, is_same_origin=is_same_origin):
            return
        raise Refused(
            f"the request comes from a page of {quote_value(origin)}, and its header Host names {quote_value(host)}",
            hint=ORIGIN_HINT,
        )

    def _is_page_of(self, name: str, origin: str, *, is_same_origin: bool) -> bool:
        """Return whether an origin is this hub's, for a proxy that removes the port from the Host header."""
        scheme, _, authority = origin.partition("://")
        if scheme != self._scheme or _split_port(authority)[0] != name:
            return False
        return is_same_origin or self._origin(origin) in self._origins

    def _origin_of(self, host: str) -> str:
        """Return the origin of the pages of a host, with its port."""
        name, port = _split_port(host)
        return f"{self._scheme}://{name}:{port or DEFAULT_PORTS[self._scheme]}"

    def _origin(self, origin: str) -> str:
        """Return an origin with its port; an origin of another scheme is returned unchanged."""
        scheme, _, authority = origin.partition("://")
        return self._origin_of(authority) if scheme == self._scheme else origin


def _split_port(host: str) -> tuple[str, str]:
    """Return a host's name, in lower case without a trailing dot, and its port, or an empty string."""
    name, colon, port = host.rpartition(":")
    if not (colon and port.isdecimal() and port.isascii()):
        name, port = host, ""
    return name.lower().removesuffix("."), port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
