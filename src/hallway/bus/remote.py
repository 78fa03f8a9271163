"""`RemoteBus`: the services over HTTP, for a bus that is served by one hub or several.

This module uses the standard library only. Every operation may be sent twice (S1; sends carry a key). If the hub has
closed an idle connection, a request is therefore repeated once on a new one. Several hubs that serve one bus are given
as one URL, with commas between their addresses. If one hub does not answer, or cannot answer now, the request goes to
the next. The hub that answered is asked first from then on. A single address may be a proxy whose hubs are restarting:
a request that fails at once is repeated there after a short pause. The caller's workspace is sent in a header, so that
a new session records where its caller runs, not where the hub runs.
"""

from __future__ import annotations

import http.client
import os
import selectors
import time
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from hallway.bus.base import Bus
from hallway.core.clock import new_id
from hallway.core.errors import HallwayError, HubUnreachable, InvalidInput, Unavailable, UnsupportedUrl, from_dict
from hallway.core.model import Event
from hallway.core.operation import decode_record, decode_result
from hallway.core.parameters import WAIT_MOST_S, type_of
from hallway.core.schema import decode, encode
from hallway.local.notify import TOO_MANY
from hallway.local.paths import bus_folder
from hallway.services.events import PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from hallway.core.context import Workspace
    from hallway.core.operation import Operation
    from hallway.services.base import Service

HERE_HEADER = "Hallway-Here"
TIMEOUT_S = 30.0
FAILOVER_TIMEOUT_S = (
    10.0  # how long to wait for one of several hubs, in addition to the requested wait; it may be frozen or cut off
)
SILENCE_S = 45.0  # after this silence a stream counts as lost; its keep-alives come every 15 s
RETRY_S = 1.0
FINAL_WORDS = frozenset({"history"})  # that follow a place with slashes in a path: /memory/{key}/history
CERTIFICATE_HINT = (
    "This machine does not trust the hub's certificate. If your own certificate authority has signed it:"
    " export SSL_CERT_FILE=/path/to/authority.pem"
)
PAUSES_S = (0.1, 0.4, 1.0)  # pauses before each repetition of a request at a single address
AT_ONCE_S = 1.0  # a request that took longer to fail is not repeated there: the hub is frozen or cut off
MALFORMED = (ValueError, TypeError, KeyError, AttributeError)  # raised by reading an answer that is not a hub's


def write_here(here: Workspace) -> str:
    """Return a workspace as a header value, without its unknown fields."""
    told = {
        "project": here.project,
        "branch": here.branch,
        "location": here.location,
        "user": here.user,
        "session": here.session_id,
    }
    return urlencode({name: value for name, value in told.items() if value})


def read_here(header: str, session_id: str | None = None) -> RemoteWorkspace:
    """Parse a workspace from a header value, with the session that calls where another header names it.

    Raises InvalidInput if the header cannot be parsed.
    """
    try:
        told = {name: values[-1] for name, values in parse_qs(header, errors="strict", max_num_fields=8).items()}
    except ValueError:
        raise InvalidInput(f"the header {HERE_HEADER} cannot be read") from None
    return RemoteWorkspace(told if session_id is None else {**told, "session": session_id})


class RemoteWorkspace:
    """The workspace that a remote caller sent; reading a value that no session may have raises InvalidInput."""

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told

    def _get(self, name: str, word: str) -> str | None:
        value = self._told.get(name)
        if value is not None:
            type_of("sessions", word).check(f"{HERE_HEADER}: {name}", value)
        return value

    @property
    def project(self) -> str | None:
        return self._get("project", "project")

    @property
    def branch(self) -> str | None:
        return self._get("branch", "branch")

    @property
    def location(self) -> str | None:
        return self._get("location", "location")

    @property
    def user(self) -> str | None:
        return self._get("user", "human_user")

    @property
    def session_id(self) -> str | None:
        return self._get("session", "session_id")


class HubEndpoint:
    """The address of one hub, with a pool of its idle connections."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._split = urlsplit(self.url)
            self._port = self._split.port
        except ValueError as error:
            raise UnsupportedUrl(f"{url} is not a valid address: {error}") from None
        if not self._split.hostname or self._split.scheme not in ("http", "https"):
            raise UnsupportedUrl(f"{url} names no host" if not self._split.hostname else f"{url} is not a hub address")
        self._idle: list[http.client.HTTPConnection] = []
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
            try:
                connection.request(method, self._split.path + path, body, headers)
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_new or isinstance(error, TimeoutError):
                    hint = CERTIFICATE_HINT if "CERTIFICATE_VERIFY_FAILED" in str(error) else None
                    raise HubUnreachable(f"no hub answers at {self.url}: {error}", hint=hint) from None
                connection = self.connect(timeout_s)
            else:
                self._idle.append(connection)
                return response.status, text

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        if os.getpid() != self._pid:  # a forked child must not use its parent's connections
            self._idle, self._pid = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return a new connection, which opens at its first request."""
        kind = http.client.HTTPSConnection if self._split.scheme == "https" else http.client.HTTPConnection
        return kind(self._split.hostname or "", self._port, timeout=timeout_s)

    def stream(self, path: str, headers: dict[str, str], silence_s: float) -> http.client.HTTPConnection:
        """Open a connection and request a stream on it."""
        connection = self.connect(silence_s)
        connection.request("GET", f"{self._split.path}{path}", headers=headers)
        return connection

    def error(self, status: int, text: bytes) -> HallwayError:
        """Return the error that a hub sent; HubUnreachable if the answer is not a hub's."""
        try:
            return from_dict(decode(text)) if status >= 400 else self.not_a_hub(status)
        except MALFORMED:
            return self.not_a_hub(status)

    def not_a_hub(self, status: int) -> HubUnreachable:
        return HubUnreachable(f"{self.url} answered with status {status}, but not as a hub of this version does")

    def close(self) -> None:
        while connection := self._idle_connection():
            connection.close()


class RemoteBus(Bus):
    """A bus that one hub or several serve. Threads may share it: each request has a connection to itself."""

    def __init__(self, url: str, here: Workspace, token: str | None = None) -> None:
        super().__init__(here)
        self._credentials = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._addresses = [HubEndpoint(each.strip()) for each in url.split(",") if each.strip()]
        self.url = ",".join(address.url for address in self._addresses)
        self.folder = bus_folder(self.url)
        self.timeout_s = TIMEOUT_S  # how long to wait for an answer, in addition to the requested wait
        self.rest_s = 0.0  # how long hubs that did not answer are not asked again
        self._rests_until = 0.0

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        path, body = self._request(operation, arguments)
        pauses = () if operation.is_admins else PAUSES_S
        address, status, text = self._send(operation.method, path, body, arguments.get("wait_s") or 0, pauses)
        if status != 200:
            raise address.error(status, text)
        try:
            return decode_result(operation, decode(text))
        except MALFORMED:
            raise address.not_a_hub(status) from None

    def _request(self, operation: Operation, arguments: dict[str, Any]) -> tuple[str, str | None]:
        # For a required parameter, None is a value; for an optional one it means that the parameter is left out.
        said = {
            name: value
            for name, value in arguments.items()
            if value is not None or operation.parameters[name].is_required
        }
        if "idempotency_key" in operation.parameters:
            said.setdefault("idempotency_key", new_id())
        in_path = {name: said.pop(name) for name in operation.parameters if f"{{{name}}}" in operation.path}
        path = operation.path.format(**{name: _in_path(operation, name, value) for name, value in in_path.items()})
        if operation.body:
            return path, encode(said[operation.body])
        if operation.method in ("GET", "DELETE"):
            query = _as_query(said)
            return (f"{path}?{query}" if query else path), None
        return path, encode(said)

    def _send(
        self, method: str, path: str, body: str | None, wait_s: float, pauses: tuple[float, ...]
    ) -> tuple[HubEndpoint, int, bytes]:
        """Send a request to the hubs in turn; return the first hub that can answer now, its status and its body.

        Each hub is asked once, and the one that answered last is asked first. If a single address fails at once, it is
        asked again after each of the pauses.
        """
        headers = {HERE_HEADER: write_here(self.here), **self._credentials}
        if body is not None:
            headers["Content-Type"] = "application/json"
        encoded = None if body is None else body.encode()
        if self._rests_until > time.monotonic():
            raise HubUnreachable(f"the hub at {self.url} did not answer a moment ago")
        left, rests = list(self._addresses), list(pauses if len(self._addresses) == 1 else ())
        while True:
            address = left.pop(0)
            patience_s, asked_at = min(FAILOVER_TIMEOUT_S, self.timeout_s) if left else self.timeout_s, time.monotonic()
            try:
                status, text = address.ask(method, path, encoded, headers, patience_s + wait_s)
            except HubUnreachable:
                failed_after_s = time.monotonic() - asked_at
                if not left and not (rests and failed_after_s < min(AT_ONCE_S, patience_s)):
                    if failed_after_s >= patience_s:
                        self._rests_until = time.monotonic() + self.rest_s
                    raise
            else:
                can_go_on = _is_not_a_hub(status, text) if left else rests and _is_a_proxys(status, text)
                if not can_go_on:
                    return address, status, text
            if left:
                self._demote(address)
            else:
                left = [address]
                time.sleep(rests.pop(0))

    def _demote(self, address: HubEndpoint) -> None:
        """Move a hub to the end of the list. Threads that do so at the same time lose no hub from the list."""
        self._addresses = [each for each in self._addresses if each is not address] + [address]

    # -- following ----------------------------------------------------------------------------------------------------

    def _follow(self, after: int, filters: dict[str, Any], timeout_s: float | None) -> Iterator[Event]:
        while page := self.events.read(after, limit=PAGE, **filters):
            yield from page
            after = page[-1].seq
        heard_at = time.monotonic()
        while True:
            left_s = SILENCE_S if timeout_s is None else heard_at + timeout_s - time.monotonic()
            if left_s <= 0:
                return
            try:
                for event in self._stream(filters, after, min(left_s, SILENCE_S)):
                    if event is not None:
                        yield event
                        after, heard_at = event.seq, time.monotonic()
                    elif timeout_s is not None and time.monotonic() - heard_at >= timeout_s:
                        return
            except (OSError, http.client.HTTPException, Unavailable) as error:
                if isinstance(error, Unavailable) and error.code != Unavailable.code:
                    raise
                self._demote(self._addresses[0])
                time.sleep(min(RETRY_S / len(self._addresses), left_s))

    def _stream(self, filters: dict[str, Any], after: int, silence_s: float) -> Iterator[Event | None]:
        """Yield the events of one connection, and None for each keep-alive so that the caller can check the time."""
        address = self._addresses[0]
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after), **self._credentials}
        connection = address.stream(f"/events?{_as_query(filters)}", headers, silence_s)
        try:
            response = connection.getresponse()
            if response.status != 200:
                raise address.error(response.status, response.read())
            for line in response:
                if line.startswith(b"data: "):
                    yield decode_record(Event, decode(line[6:]))
                elif line.startswith(b":"):
                    yield None
        except TimeoutError:
            return
        finally:
            connection.close()

    def subscribe_inbox(self, session_id: str) -> RemoteSubscription:
        path = f"/sessions/{quote(session_id, safe='')}/inbox?limit=20&wait_s={WAIT_MOST_S}&after="
        return RemoteSubscription(self, path, is_stream=False)

    def subscribe_events(self) -> RemoteSubscription:
        return RemoteSubscription(self, f"/events?after={self.events.last_seq()}", is_stream=True)

    def ask(self, path: str, is_stream: bool) -> http.client.HTTPConnection:
        """Send a request without reading its answer; return the connection. Raises OSError if no hub is reached."""
        address = self._addresses[0]
        accepted = "text/event-stream" if is_stream else "*/*"
        headers = {HERE_HEADER: write_here(self.here), "Accept": accepted, **self._credentials}
        try:
            return address.stream(path, headers, self.timeout_s)
        except OSError:
            self._demote(address)
            raise

    def close(self) -> None:
        super().close()
        for address in self._addresses:
            address.close()


def _is_not_a_hub(status: int, text: bytes) -> bool:
    """Return whether an answer means that this hub cannot serve the request now, but another one may."""
    try:
        return status == Unavailable.status and decode(text)["error"]["code"] == Unavailable.code
    except MALFORMED:
        return _is_a_proxys(status, text) or status == 504


def _is_a_proxys(status: int, text: bytes) -> bool:
    """Return whether an answer comes from a proxy that reaches no hub now."""
    try:
        return status in (502, 503) and not decode(text)["error"]["code"]
    except MALFORMED:
        return True


class RemoteSubscription:
    """A subscription to a hub's news over a connection that an event loop can watch.

    The connection is a long poll of an inbox, or the event stream. If it is lost, there is nothing to watch until
    `hear` is called again.
    """

    def __init__(self, bus: RemoteBus, path: str, *, is_stream: bool) -> None:
        self._bus = bus
        self._path = path
        self._is_stream = is_stream
        self._after = 0  # the `seq` of the last message received
        self._answer: http.client.HTTPResponse | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._ask()

    def _ask(self) -> None:
        try:
            self._connection = self._bus.ask(f"{self._path}{'' if self._is_stream else self._after}", self._is_stream)
            self._answer = self._connection.getresponse() if self._is_stream else None
        except (OSError, http.client.HTTPException):
            self.close()

    def fileno(self) -> int:
        return self._connection.sock.fileno() if self._connection and self._connection.sock else -1

    def hear(self) -> set[str]:
        """Return `!` (some unnamed topics) if news arrived or may have been missed; then keep listening."""
        if self._connection is None:
            self._ask()
            return {TOO_MANY}
        try:
            is_news = self._read_stream() if self._answer else self._read_poll(self._connection)
        except (OSError, http.client.HTTPException, *MALFORMED):
            self.close()
            return {TOO_MANY}
        return {TOO_MANY} if is_news else set()

    def _read_stream(self) -> bool:
        part = self._answer.read1(65536) if self._answer else b""
        if not part:
            self.close()
        return b"data:" in part

    def _read_poll(self, connection: http.client.HTTPConnection) -> bool:
        found = decode(connection.getresponse().read())
        connection.close()
        if found:
            self._after = found[-1]["seq"]
        self._ask()
        return bool(found)

    def wait(self, timeout_s: float) -> None:
        """Wait until there is something to read, or until the time is over."""
        if self.fileno() < 0:
            time.sleep(timeout_s)
            return
        with selectors.DefaultSelector() as selector:  # `select` refuses descriptors from 1,024 on
            selector.register(self, selectors.EVENT_READ)
            selector.select(timeout_s)

    def has_overflowed(self) -> bool:
        """Return whether the connection is lost, so that changes may be missed."""
        return self._connection is None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._answer = None


def _in_path(operation: Operation, name: str, text: str) -> str:
    """Return a value encoded for its place in a path.

    Slashes stay where a path can hold them, because proxies refuse or decode an encoded one. They are encoded where a
    path with them would be another one: beside an empty or dotted part, and before a word that ends a path.
    """
    parts = text.split("/")
    is_plain = name == operation.long_place and not {"", ".", "..", *FINAL_WORDS} & set(parts)
    return quote(text, safe="/" if is_plain else "")


def _as_query(named: dict[str, Any]) -> str:
    """Return parameters as a query string, without those that are None."""
    return urlencode(
        {name: value if isinstance(value, str) else encode(value) for name, value in named.items() if value is not None}
    )
