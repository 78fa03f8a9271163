"""`RemoteBus`: the services over HTTP, for a bus that is served by one hub or several.

Several hubs that serve one bus are given as one URL, with commas between their addresses. If one hub does not answer,
or cannot answer now, the request goes to the next. The hub that answered is asked first from then on. A single address
may be a proxy whose hubs are restarting: a request that fails at once is repeated there after a short pause. The
caller's workspace is sent in a header, so that a new session records where its caller runs, not where the hub runs.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from urllib.parse import parse_qs, quote, urlencode

from hallway.bus.base import Bus
from hallway.bus.http_hints import http_hints
from hallway.bus.hub_endpoint import MALFORMED, HubEndpoint, as_query
from hallway.core.clock import new_id
from hallway.core.errors import HubUnreachable, InvalidInput, Unavailable
from hallway.core.operation import decode_result
from hallway.core.parameters import type_of
from hallway.core.schema import decode, encode
from hallway.local.paths import bus_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    from typing import Any

    from hallway.bus.remote_subscriptions import EventSubscription, InboxSubscription, RemoteEvents
    from hallway.core.context import Workspace
    from hallway.core.operation import Operation
    from hallway.services.base import Service

HERE_HEADER = "Hallway-Here"
TIMEOUT_S = 30.0
FAILOVER_TIMEOUT_S = (
    10.0  # how long to wait for one of several hubs, in addition to the requested wait; it may be frozen or cut off
)
FINAL_WORDS = frozenset({"history"})  # that follow a place with slashes in a path: /memory/{key}/history
PAUSES_S = (0.1, 0.4, 1.0)  # pauses before each repetition of a request at a single address
AT_ONCE_S = 1.0  # a request that took longer to fail is not repeated there: the hub is frozen or cut off


def write_here(here: Workspace) -> str:
    """Return a workspace as a header value, without its unknown fields."""
    fields = {
        "project": here.project,
        "branch": here.branch,
        "location": here.location,
        "user": here.user,
        "name": here.suggested_name,
        "session": here.session_id,
    }
    return urlencode({name: value for name, value in fields.items() if value})


def read_here(header: str, session_id: str | None = None) -> RemoteWorkspace:
    """Parse a workspace from a header value, with the session that calls where another header names it.

    Raises InvalidInput if the header cannot be parsed.
    """
    try:
        fields = {name: values[-1] for name, values in parse_qs(header, errors="strict", max_num_fields=8).items()}
    except ValueError:
        raise InvalidInput(f"the header {HERE_HEADER} cannot be read") from None
    return RemoteWorkspace(fields if session_id is None else {**fields, "session": session_id})


class RemoteWorkspace:
    """The workspace that a remote caller sent; reading a value that no session may have raises InvalidInput."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def _get(self, name: str, word: str) -> str | None:
        value = self._fields.get(name)
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
    def suggested_name(self) -> str | None:
        return self._get("name", "client_name")

    @property
    def session_id(self) -> str | None:
        return self._get("session", "session_id")


class RemoteBus(Bus):
    """A bus that one hub or several serve. Threads may share it: each request has a connection to itself."""

    look_again_s = 10.0

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
        self._load_all_in_time()
        path, body = self._request(operation, arguments)
        pauses = () if operation.is_admins else PAUSES_S
        wait_s = arguments.get("wait_s") or 0
        # The hub keeps the session that is waited for live, and this the program's others.
        with self.keep_alive.during_call(None) if wait_s else nullcontext():
            address, status, text = self._send(operation.method, path, body, wait_s, pauses)
        if status != 200:
            raise address.error(status, text).hint_of_class(http_hints(operation))
        try:
            return decode_result(operation, decode(text))
        except MALFORMED:
            raise address.not_a_hub(status) from None

    def _request(self, operation: Operation, arguments: dict[str, Any]) -> tuple[str, str | None]:
        # For a required parameter, None is a value; for an optional one it means that the parameter is left out.
        headers = {
            name: value
            for name, value in arguments.items()
            if value is not None or operation.parameters[name].is_required
        }
        if "idempotency_key" in operation.parameters:
            headers.setdefault("idempotency_key", new_id())
        in_path = {name: headers.pop(name) for name in operation.parameters if f"{{{name}}}" in operation.path}
        path = operation.path.format(**{name: _in_path(operation, name, value) for name, value in in_path.items()})
        if operation.body:
            return path, encode(headers[operation.body])
        if operation.method in ("GET", "DELETE"):
            query = as_query(headers)
            return (f"{path}?{query}" if query else path), None
        return path, encode(headers)

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
                if self.is_closed:
                    raise
                if not left and not (rests and failed_after_s < min(AT_ONCE_S, patience_s)):
                    if failed_after_s >= patience_s:
                        self._rests_until = time.monotonic() + self.rest_s
                    raise
            else:
                can_go_on = _is_not_a_hub(status, text) if left else rests and _is_a_proxys(status, text)
                if not can_go_on:
                    return address, status, text
            if left:
                self.demote(address)
            else:
                left = [address]
                time.sleep(rests.pop(0))

    def demote(self, address: HubEndpoint) -> None:
        """Move a hub to the end of the list. Threads that do so at the same time lose no hub from the list."""
        self._addresses = [each for each in self._addresses if each is not address] + [address]

    # -- subscriptions ------------------------------------------------------------------------------------------------

    def source_of_events(self, after: int, filters: dict[str, Any]) -> RemoteEvents:
        from hallway.bus.remote_subscriptions import RemoteEvents

        return RemoteEvents(self, self.events, after, filters)

    def subscribe_inbox(self, session_id: str) -> InboxSubscription:
        from hallway.bus.remote_subscriptions import InboxSubscription

        return InboxSubscription(self, session_id)

    def subscribe_events(self) -> EventSubscription:
        from hallway.bus.remote_subscriptions import EventSubscription

        return EventSubscription(self, self.events.last_seq())

    def open_stream(
        self, path: str, headers: dict[str, str], silence_s: float
    ) -> tuple[HubEndpoint, http.client.HTTPConnection]:
        """Send a request without reading its answer; return the hub it went to and the connection.

        The answer, and each part of it, may take `silence_s`. Raises OSError if the hub cannot be reached; the next
        request then goes to another hub, if there is one.
        """
        address = self._addresses[0]
        headers = {HERE_HEADER: write_here(self.here), **headers, **self._credentials}
        try:
            return address, address.stream(path, headers, silence_s)
        except OSError:
            self.demote(address)
            raise

    def end_waits(self) -> None:
        super().end_waits()
        self._close_connections()

    def close(self) -> None:
        super().close()
        self._close_connections()

    def _close_connections(self) -> None:
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


def _in_path(operation: Operation, name: str, text: str) -> str:
    """Return a value encoded for its place in a path.

    Slashes stay where a path can hold them, because proxies refuse or decode an encoded one. They are encoded where a
    path with them would be another one: beside an empty or dotted part, and before a word that ends a path.
    """
    parts = text.split("/")
    is_plain = name == operation.long_place and not {"", ".", "..", *FINAL_WORDS} & set(parts)
    return quote(text, safe="/" if is_plain else "")
