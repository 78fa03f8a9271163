"""`HubEndpoint`: the connections to one hub's address.

It uses the standard library only. Every operation may be sent twice (S1; sends carry a key). If the hub has closed an
idle connection, a request is therefore repeated once on a new one.
"""

from __future__ import annotations

import http.client
import os
import socket
from urllib.parse import urlencode, urlsplit

from hallway.bus.http_hints import HINTS
from hallway.core.errors import HallwayError, HubUnreachable, UnsupportedUrl, from_dict
from hallway.core.redaction import reason, redact_url
from hallway.core.schema import decode, encode
from hallway.local.paths import require_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from urllib.parse import SplitResult

CERTIFICATE_HINT = (
    "This machine does not trust the hub's certificate. If your own certificate authority has signed it:"
    " export SSL_CERT_FILE=/path/to/authority.pem"
)
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
MALFORMED = (ValueError, TypeError, KeyError, AttributeError)  # raised by reading an answer that is not a hub's


def shut_down(connection: socket.socket | None) -> None:
    """End a connection that another thread reads from or writes to: what it waits for fails at once.

    The method is the plain socket's: that of a TLS socket would take away what the other thread is using.
    """
    if connection is not None:
        try:
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already


def new_connection(address: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection to the hub at an address, which opens at its first request."""
    for name in CERTIFICATE_VARIABLES:
        if os.environ.get(name) == "":
            del os.environ[name]  # OpenSSL takes an empty name for a file that it cannot read, and trusts nobody
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    return kind(address.hostname or "", address.port, timeout=timeout_s)


class HubEndpoint:
    """The address of one hub, with a pool of its idle connections."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        require_readable(url)
        try:
            self._split = urlsplit(self.url)
            self._port = self._split.port
        except ValueError as error:
            raise UnsupportedUrl(f"{redact_url(url)} is not a valid address: {reason(url, error)}") from None
        if not self._split.hostname or self._split.scheme not in ("http", "https"):
            raise UnsupportedUrl(f"{url} names no host" if not self._split.hostname else f"{url} is not a hub address")
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._is_closed = False
        self._pid = os.getpid()

    def ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body. Raises HubUnreachable if no answer comes."""
        connection = self._idle_connection() or self.connect(timeout_s)
        while True:
            is_new = connection.sock is None
            if not is_new:
                connection.sock.settimeout(timeout_s)
            self._busy.add(connection)
            try:
                self.require_open()
                connection.request(method, self._split.path + path, body, headers)
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.require_open()
                if is_new or isinstance(error, TimeoutError):
                    hint = CERTIFICATE_HINT if "CERTIFICATE_VERIFY_FAILED" in str(error) else None
                    cause = reason(self.url, error)
                    raise HubUnreachable(f"no hub answers at {redact_url(self.url)}: {cause}", hint=hint) from None
                self._busy.discard(connection)
                connection = self.connect(timeout_s)
            else:
                self._idle.append(connection)
                if self._is_closed:  # while the answer came
                    self.close()
                return response.status, text
            finally:
                self._busy.discard(connection)

    def require_open(self) -> None:
        """Raise HubUnreachable if the bus was closed."""
        if self._is_closed:
            raise HubUnreachable(f"the connection to {self.url} was closed here", hint="Open the bus again")

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        if os.getpid() != self._pid:  # a forked child must not use its parent's connections
            self._idle, self._pid = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return a new connection, which opens at its first request."""
        return new_connection(self._split, timeout_s)

    def stream(self, path: str, headers: dict[str, str], silence_s: float) -> http.client.HTTPConnection:
        """Open a connection and request a stream on it."""
        connection = self.connect(silence_s)
        connection.request("GET", f"{self._split.path}{path}", headers=headers)
        return connection

    def error(self, status: int, text: bytes) -> HallwayError:
        """Return the error that a hub sent; HubUnreachable if the answer is not a hub's."""
        try:
            return from_dict(decode(text)).hint_of_class(HINTS) if status >= 400 else self.not_a_hub(status)
        except MALFORMED:
            return self.not_a_hub(status)

    def not_a_hub(self, status: int) -> HubUnreachable:
        return HubUnreachable(f"{self.url} answered with status {status}, but not as a hub of this version does")

    def close(self) -> None:
        """Close all connections; requests that wait for an answer in other threads fail at once."""
        self._is_closed = True
        for connection in list(self._busy):
            shut_down(connection.sock)
        while idle := self._idle_connection():
            idle.close()


def as_query(named: dict[str, Any]) -> str:
    """Return parameters as a query string, without those that are None."""
    return urlencode(
        {name: value if isinstance(value, str) else encode(value) for name, value in named.items() if value is not None}
    )
